//! `[heartbeat]`: who is told from time to time that everything works.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::webhooks::address;
use crate::config::reader::{Report, Table};
use crate::config::secret::{Secret, Sources};

/// How often it is sent.
const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// How often, where that is not written.
const USUAL: Duration = Duration::from_mins(1);

/// Who is told that everything works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Where requests go; what identifies us there stands in it.
    pub url: Secret,
    /// How often.
    pub every: Duration,
}

impl Heartbeat {
    pub(super) fn read(
        section: Option<Table<'_>>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let mut table = section?;
        let help = "where requests go: `url = \"https://...\"`, or a reference to a secret";
        let url = table.required("url", help, report);
        let url = url.and_then(|it| address(&it, sources, report));
        let every = table.optional("every").and_then(|it| it.duration(EVERY, report));
        table.finish(report, hint);
        Some(Self { url: url?, every: every.unwrap_or(USUAL) })
    }
}

fn hint(key: &str) -> Option<String> {
    match key {
        "interval" | "period" => Some("did you mean `every`?".into()),
        "send_to" | "to" => Some("did you mean `url`?".into()),
        _ => None,
    }
}
