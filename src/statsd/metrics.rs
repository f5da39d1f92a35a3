//! Which metrics a run yields, and what is told of all checks together. docs/metrics.md describes them to
//! users.
//!
//! Pure. It reads what it is given and decides nothing about it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::codec::{Encoder, Lines, Metric, Value};
use crate::domain::id::{CheckId, Region};
use crate::domain::run::{Outcome, Report};

/// How the slots of a check in a region came out lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The check.
    pub check: CheckId,
    /// The region.
    pub region: Region,
    /// The share of passed ones among those known, 0 to 1; none when nothing is known.
    pub uptime: Option<f64>,
    /// The share of those whose result is known, 0 to 1; none when none was expected.
    pub coverage: Option<f64>,
}

const DAY_SECONDS: f64 = 86_400.0;

/// The metrics of one run.
pub(super) fn of_run(report: &Report, encoder: &Encoder) -> Lines {
    let check = ("check", report.slot.check.as_str());
    let region = ("region", report.slot.region.as_str());
    let outcome = report.outcome();
    let (steps, measurements) = (&report.trace.steps, &report.trace.measurements);
    let mut lines = Lines::with_capacity(3 + steps.len() + measurements.len());
    let mut add = |name: &[&str], labels: &[(&str, &str)], tags: &[(String, String)], value| {
        encoder.encode(&Metric { name, labels, tags, value }, &mut lines);
    };
    add(&["runs"], &[check, region, ("outcome", outcome.as_str())], &[], Value::Count(1));
    // Many an unknown run never started: its times would drag the others down to zero.
    if outcome != Outcome::Unknown {
        add(&["duration"], &[check, region], &[], Value::Time(report.duration));
        add(&["lateness"], &[check, region], &[], Value::Time(report.lateness()));
    }
    if let Some(left) = report.certificate_left() {
        // To the minute and a half.
        let days = (left.as_seconds_f64() / DAY_SECONDS * 1000.0).round() / 1000.0;
        let days = Value::Gauge(days);
        add(&["certificate_days"], &[check, region], &[], days);
    }
    for step in steps {
        if let Some(duration) = step.duration {
            add(&["step"], &[check, region, ("step", &step.name)], &[], Value::Time(duration));
        }
    }
    for it in measurements {
        add(&["script", &it.name], &[check, region], &it.tags, Value::Gauge(it.value));
    }
    lines
}

/// The metrics of how slots came out.
pub(super) fn of_shares(shares: &[Share], encoder: &Encoder) -> Lines {
    let mut lines = Lines::with_capacity(2 * shares.len());
    for Share { check, region, uptime, coverage } in shares {
        let labels = [("check", check.as_str()), ("region", region.as_str())];
        for (name, share) in [("uptime", uptime), ("coverage", coverage)] {
            let Some(share) = share else { continue };
            let (name, value) = (&[name], Value::Gauge(*share));
            encoder.encode(&Metric { name, labels: &labels, tags: &[], value }, &mut lines);
        }
    }
    lines
}

/// The metrics of the incidents that are open, by the kind of their subjects.
pub(super) fn of_open(open: &BTreeMap<&'static str, u32>, encoder: &Encoder) -> Lines {
    let mut lines = Lines::with_capacity(open.len());
    for (about, count) in open {
        let value = Value::Gauge(f64::from(*count));
        incident(&["incidents", "open"], about, value, encoder, &mut lines);
    }
    lines
}

/// The metric of an incident that begins.
pub(super) fn of_opened(about: &str, encoder: &Encoder) -> Lines {
    let mut lines = Lines::with_capacity(1);
    incident(&["incidents", "opened"], about, Value::Count(1), encoder, &mut lines);
    lines
}

/// The metric of a span between two stamps of a message.
pub(super) fn of_span(
    span: &'static str,
    channel: &'static str,
    time: Duration,
    encoder: &Encoder,
) -> Lines {
    let mut lines = Lines::with_capacity(1);
    let (name, labels) = (&["notification"], &[("span", span), ("channel", channel)]);
    let value = Value::Time(time);
    encoder.encode(&Metric { name, labels, tags: &[], value }, &mut lines);
    lines
}

fn incident(name: &[&str], about: &str, value: Value, encoder: &Encoder, lines: &mut Lines) {
    encoder.encode(&Metric { name, labels: &[("about", about)], tags: &[], value }, lines);
}

#[cfg(test)]
pub(super) mod tests;
