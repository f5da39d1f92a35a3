//! `[storm]`: how many incidents are told one by one, and how many SMS a person is sent.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::reader::{Report, Table, no_hint};
use crate::domain::storm::Bounds;

/// The time within which incidents, or SMS, are counted.
const WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Bounds {
    let mut bounds = Bounds::default();
    let Some(mut table) = section else { return bounds };
    let incidents = table.optional("incidents").and_then(|it| it.integer(1..=1_000, report));
    let within = table.optional("within").and_then(|it| it.duration(WITHIN, report));
    // The last one says that it is the last, so there is one before it.
    let sms = table.optional("sms").and_then(|it| it.integer(2..=100_000, report));
    let sms_within = table.optional("sms_within").and_then(|it| it.duration(WITHIN, report));
    table.finish(report, no_hint);
    bounds.incidents = incidents.unwrap_or(bounds.incidents);
    bounds.within = within.unwrap_or(bounds.within);
    bounds.sms = sms.unwrap_or(bounds.sms);
    bounds.sms_within = sms_within.unwrap_or(bounds.sms_within);
    bounds
}
