//! `[coverage]`: when too little is known of a region.

use std::time::Duration;

use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::value::Kind;
use crate::domain::blindness::shortfall::Rule;

/// The time over which one may look.
const OVER: std::ops::RangeInclusive<Duration> = Duration::from_mins(10)..=Duration::from_hours(24);

pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Rule {
    let mut rule = Rule::default();
    let Some(mut table) = section else { return rule };
    let below = table.optional("below").and_then(|it| share(&it, report));
    let over = table.optional("over").and_then(|it| it.duration(OVER, report));
    let slots = table.optional("slots").and_then(|it| it.integer(1..=1_000_000, report));
    table.finish(report, no_hint);
    rule.below = below.unwrap_or(rule.below);
    rule.over = over.unwrap_or(rule.over);
    rule.slots = slots.map_or(rule.slots, u64::from);
    rule
}

/// A share of a whole.
fn share(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    match field.kind() {
        Kind::Integer(0) => Some(0.0),
        Kind::Integer(1) => Some(1.0),
        Kind::Float(share) if (0.0..=1.0).contains(share) => Some(*share),
        _ => {
            let help = "such as `0.9`; `0` switches it off";
            field.unfit("a share from 0 to 1", report).advise(help);
            None
        }
    }
}
