//! Which metrics a run yields. docs/metrics.md describes them to users.
//!
//! Pure. It reads the report and decides nothing about it.

use super::codec::{Encoder, Lines, Metric, Value};
use crate::domain::run::{Outcome, Report};

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

#[cfg(test)]
pub(super) mod tests;
