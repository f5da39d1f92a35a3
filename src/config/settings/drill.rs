//! `[drill]`: when paths are drilled, and how long a proof holds.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::people::zone;
use crate::config::check::read_cron;
use crate::config::reader::{Field, Report, Table};
use crate::domain::Timestamp;
use crate::domain::drill::Plan;
use crate::domain::policy::Channel;
use crate::domain::schedule::Cron;
use crate::domain::zone::Zone;

/// For how long a proof may hold.
const WITHIN: RangeInclusive<Duration> = Duration::from_mins(10)..=Duration::from_hours(400 * 24);

pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Option<Plan> {
    let mut table = section?;
    let (cron, timezone) = (table.optional("cron"), table.optional("timezone"));
    let channels = table.optional("channels");
    let within = table.optional("proven_within");
    let at = table.span.clone();
    table.finish(report, hint);
    let schedule = match (&cron, &timezone) {
        (Some(field), zone) => read_cron(field, zone.as_ref(), report)?,
        (None, Some(field)) => {
            let zone = zone(field, report)?;
            Cron::parse(Plan::SCHEDULE, zone.name()).ok()?
        }
        (None, None) => Cron::parse(Plan::SCHEDULE, Zone::UTC.name()).ok()?,
    };
    let channels = match channels {
        Some(field) => read_channels(&field, report)?,
        None => Channel::OUT.into(),
    };
    let place = within.as_ref().map_or(at, |it| it.span.clone());
    let proven_within = match within {
        Some(field) => field.duration(WITHIN, report)?,
        None => Plan::PROVEN_WITHIN,
    };
    if longest_pause(&schedule).is_some_and(|pause| pause >= proven_within) {
        report
            .warning(&place, "proofs do not hold until the next drill, which is told as unproven")
            .advise("drill more often with `cron`, or write a longer `proven_within`");
    }
    Some(Plan { schedule, channels, proven_within })
}

fn hint(key: &str) -> Option<String> {
    match key {
        "zone" | "time_zone" | "tz" => Some("did you mean `timezone`?".into()),
        "at" | "every" | "schedule" => Some("did you mean `cron`?".into()),
        "paths" => Some("did you mean `channels`?".into()),
        _ => None,
    }
}

fn read_channels(field: &Field<'_>, report: &mut Report) -> Option<BTreeSet<Channel>> {
    let words = Channel::OUT.map(|channel| (channel.as_str(), channel));
    let items = field.one_or_more(report)?;
    let channels: BTreeSet<Channel> =
        items.iter().filter_map(|item| item.word(&words, report)).collect();
    Some(channels).filter(|channels| !channels.is_empty())
}

/// The longest time between two of the next rounds.
fn longest_pause(schedule: &Cron) -> Option<Duration> {
    const LOOKED_AT: usize = 60;
    let next = |at: &Timestamp| schedule.next_after(*at);
    let rounds = std::iter::successors(next(&Timestamp::UNIX_EPOCH), next);
    let rounds: Vec<Timestamp> = rounds.take(LOOKED_AT).collect();
    rounds.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).max()
}
