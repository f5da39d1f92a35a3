//! Times in which slots were not run, those of several checks as one where they have the same reason.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use maud::{Markup, html};

use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, GapReason};
use crate::domain::id::CheckId;
use crate::http::pages::{links, wording};

/// Gaps whose ends are no farther apart are of one time.
const APART: TimeDelta = TimeDelta::minutes(1);

/// Some time in which slots were not run.
pub(super) struct Absence {
    first: Timestamp,
    last: Timestamp,
    slots: u64,
    checks: BTreeSet<CheckId>,
    reason: GapReason,
}

/// What the gaps of one region amount to, the latest first.
pub(super) fn of<'a>(gaps: impl Iterator<Item = &'a Gap>) -> Vec<Absence> {
    let mut gaps: Vec<&Gap> = gaps.collect();
    gaps.sort_by_key(|gap| (gap.reason, gap.first));
    let mut all: Vec<Absence> = Vec::new();
    for gap in gaps {
        let same = |it: &&mut Absence| it.reason == gap.reason && gap.first <= it.last + APART;
        match all.last_mut().filter(same) {
            Some(known) => {
                known.last = known.last.max(gap.last);
                known.slots += gap.slots;
                known.checks.insert(gap.check.clone());
            }
            None => all.push(Absence {
                first: gap.first,
                last: gap.last,
                slots: gap.slots,
                checks: [gap.check.clone()].into(),
                reason: gap.reason,
            }),
        }
    }
    all.sort_by_key(|it| std::cmp::Reverse(it.last));
    all
}

/// The latest `most` of them.
pub(super) fn list(absences: &[Absence], most: usize, now: Timestamp) -> Markup {
    html! {
        @if !absences.is_empty() {
            h3 { "Not run in the last 24 hours" }
            ul.absences {
                @for it in absences.iter().take(most) { li { (shown(it, now)) } }
            }
            @if absences.len() > most {
                p.quiet {
                    "And " (absences.len() - most) " times more; " a href="/api/v1/gaps" { "the API" }
                    " lists all."
                }
            }
        }
    }
}

fn shown(it: &Absence, now: Timestamp) -> Markup {
    let slots = usize::try_from(it.slots).unwrap_or(usize::MAX);
    html! {
        span.when {
            (wording::moment(it.first, now))
            @if it.first != it.last { " to " (wording::moment(it.last, now)) }
        }
        " " strong { (in_words(it.reason)) }
        span.quiet {
            ": " (wording::count(slots, "slot")) " of "
            @match it.checks.first() {
                Some(check) if it.checks.len() == 1 => a href=(links::check(check)) { (check) },
                _ => (wording::count(it.checks.len(), "check")),
            }
        }
    }
}

fn in_words(reason: GapReason) -> &'static str {
    match reason {
        GapReason::HubDown => "no hub was running",
        GapReason::AgentLost => "no agent was in touch",
        GapReason::ProjectChanged => "the project changed",
        GapReason::Paused => "switched off",
        GapReason::Stalled => "the machine did not keep the schedule",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Region;

    #[test]
    fn gaps_of_several_checks_for_one_reason_are_one() {
        let at = |minute| Timestamp::UNIX_EPOCH + TimeDelta::minutes(minute);
        let gap = |check: &str, first, last, reason| Gap {
            check: CheckId::new(check).expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            first: at(first),
            last: at(last),
            slots: 2,
            reason,
        };
        let gaps = [
            gap("b", 10, 12, GapReason::HubDown),
            gap("a", 11, 15, GapReason::HubDown),
            gap("a", 11, 15, GapReason::Paused),
            gap("a", 30, 31, GapReason::HubDown),
        ];
        let all: Vec<_> = of(gaps.iter())
            .iter()
            .map(|it| ((it.last - at(0)).num_minutes(), it.checks.len(), it.slots))
            .collect();
        assert_eq!(all, [(31, 1, 2), (15, 2, 4), (15, 1, 2)]);
    }
}
