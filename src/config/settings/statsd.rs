//! `[statsd]`: where measurements are sent.

use crate::config::reader::{Report, Table};

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

    pub(super) fn read(mut table: Table<'_>, report: &mut Report) -> Option<Self> {
        let help = "say where to: `send_to = \"127.0.0.1:8125\"`";
        let send_to = table.required("send_to", help, report);
        let send_to = send_to.and_then(|it| it.parsed(host_and_port, report));
        let prefix = table.optional("prefix").and_then(|it| it.parsed(prefix, report));
        let words = [("none", StatsdTags::None), ("dogstatsd", StatsdTags::Dogstatsd)];
        let tags = table.optional("tags").and_then(|it| it.word(&words, report));
        table.finish(report, |key| {
            (key == "listen").then(|| "this version does not receive metrics".into())
        });
        Some(Self {
            send_to: send_to?,
            prefix: prefix.unwrap_or_else(|| Self::PREFIX.into()),
            tags: tags.unwrap_or(StatsdTags::None),
        })
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
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
