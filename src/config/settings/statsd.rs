//! `[statsd]`: where measurements are sent, and where those of others are received.

use std::path::Path;

use super::statsd_listener::{self, StatsdListener};
use crate::config::reader::{Field, Report, Table, no_hint};

/// Where measurements are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statsd {
    /// Host and port; IPv6 addresses in square brackets.
    pub send_to: String,
    /// What all names begin with, without the dot after it; may be empty.
    pub prefix: String,
    /// How labels are sent.
    pub tags: StatsdTags,
}

/// How labels are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsdTags {
    /// As parts of the name, for statsd itself.
    None,
    /// As `|#key:value`, for Datadog's and compatible agents.
    Dogstatsd,
}

impl Statsd {
    /// What all names begin with when nothing is written.
    pub const PREFIX: &str = "tripline";

    /// Both directions, each if it is written.
    pub(super) fn read(
        mut table: Table<'_>,
        root: &Path,
        report: &mut Report,
    ) -> (Option<Self>, Option<StatsdListener>) {
        let receives = statsd_listener::KEYS.iter().any(|key| table.written(key).is_some());
        let help = "say where to, `send_to = \"127.0.0.1:8125\"`, or where to receive, `listen = \
                    \"127.0.0.1:8126\"`";
        let field = if receives {
            table.optional("send_to")
        } else {
            table.required("send_to", help, report)
        };
        let send_to = field.as_ref().and_then(|it| it.parsed(host_and_port, report));
        let prefix = table.optional("prefix").and_then(|it| it.parsed(prefix, report));
        let words = [("none", StatsdTags::None), ("dogstatsd", StatsdTags::Dogstatsd)];
        let tags = table.optional("tags").and_then(|it| it.word(&words, report));
        let listener = StatsdListener::read(&mut table, root, report);
        if let (Some(field), Some(send_to)) = (&field, &send_to) {
            warn_of_itself(field, send_to, listener.as_ref(), report);
        }
        table.finish(report, no_hint);
        let sink = send_to.map(|send_to| Self {
            send_to,
            prefix: prefix.unwrap_or_else(|| Self::PREFIX.into()),
            tags: tags.unwrap_or(StatsdTags::None),
        });
        (sink, listener)
    }
}

/// Says so where Tripline sends its metrics to itself: that works, and may not be meant.
fn warn_of_itself(
    field: &Field<'_>,
    send_to: &str,
    listener: Option<&StatsdListener>,
    report: &mut Report,
) {
    if listener.is_some_and(|listener| listener.is_at(send_to)) {
        report.warning(&field.span, "`send_to` leads to Tripline's own listener").advise(
            "the metrics of runs then come back as series, and go on to `relay_to` if that is \
                 written; to send them to another statsd alone, write its address",
        );
    }
}

pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| format!("`{text}` has no port; write it like `127.0.0.1:8125`"))?;
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(format!("`{port}` is no port; ports are numbers from 1 to 65535"));
    }
    match url::Host::parse(host) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if host.contains(':') => {
            Err(format!("an IPv6 address stands in brackets: `[{host}]:{port}`"))
        }
        Err(_) => Err(format!("`{host}` is no host")),
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(format!("`{c}` is not possible; use letters, digits, `.`, `_` and `-`"));
    }
    Ok(text.trim_matches('.').to_owned())
}
