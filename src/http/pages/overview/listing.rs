//! The checks as rows: state in each region, uptime with coverage, and when they ran last.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{Markup, html};

use super::durations::{self, Durations};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::Tally;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::CheckState;
use crate::domain::streak::Streak;
use crate::http::dto::{self, CheckStatus};
use crate::http::pages::{links, marks, wording};

/// Of more regions than these that are up, their number is shown.
const UP: usize = 4;

/// One check and how it is doing.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) check: &'a Check,
    pub(super) status: CheckStatus,
    regions: Vec<Standing<'a>>,
}

/// How it is doing in one region.
#[derive(Debug)]
struct Standing<'a> {
    region: &'a Region,
    status: CheckStatus,
    streak: Option<&'a Streak>,
}

impl Row<'_> {
    /// The gravest first, then by id.
    pub(super) fn rank(&self) -> (Reverse<CheckStatus>, &CheckId) {
        (Reverse(self.status), &self.check.id)
    }

    fn last_slot(&self) -> Option<Timestamp> {
        self.regions.iter().filter_map(|it| it.streak?.last_slot).max()
    }
}

/// What is known of the past of checks.
#[derive(Debug)]
pub(super) struct Measured {
    /// How their slots came out in the last 24 hours.
    pub(super) tallies: BTreeMap<CheckId, Tally>,
    /// How long their runs took in the last hour.
    pub(super) durations: BTreeMap<String, Durations>,
}

/// How many checks are in each state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) down: usize,
    pub(super) unknown: usize,
    pub(super) up: usize,
    pub(super) never_run: usize,
}

impl Counts {
    pub(super) fn of<'a>(rows: impl Iterator<Item = &'a Row<'a>>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.status {
                CheckStatus::Down => counts.down += 1,
                CheckStatus::Unknown => counts.unknown += 1,
                CheckStatus::Up => counts.up += 1,
                CheckStatus::NeverRun => counts.never_run += 1,
            }
        }
        counts
    }

    pub(super) fn all(self) -> usize {
        self.down + self.unknown + self.up + self.never_run
    }
}

/// How `checks` are doing at `now`, in no order.
pub(super) fn of<'a>(
    checks: &'a [Arc<Check>],
    states: &'a BTreeMap<CheckId, CheckState>,
    now: Timestamp,
) -> Vec<Row<'a>> {
    let row = |check: &'a Arc<Check>| {
        let state = states.get(&check.id);
        let standing = |region| {
            let streak = state.and_then(|state| state.streaks.get(region));
            Standing { region, status: dto::status_of(check, streak, now), streak }
        };
        let regions: Vec<Standing<'a>> = check.regions.iter().map(standing).collect();
        let gravest = regions.iter().map(|it| it.status).max();
        Row { check, status: gravest.unwrap_or(CheckStatus::NeverRun), regions }
    };
    checks.iter().map(row).collect()
}

/// The table of `rows`.
pub(super) fn table(rows: &[&Row<'_>], measured: &Measured, now: Timestamp) -> Markup {
    html! {
        @if !rows.is_empty() {
            table.checks {
                caption.unseen { "Checks, the gravest first" }
                thead {
                    tr {
                        th scope="col" { "Check" }
                        th scope="col" { "State" }
                        th scope="col" { "Regions" }
                        th scope="col" title="How long runs took in the last hour" { "Duration 1 h" }
                        th scope="col" title="Passed, of the slots of the last 24 hours whose result is known" {
                            "Uptime 24 h"
                        }
                        th scope="col" { "Last run" }
                    }
                }
                tbody { @for row in rows { (shown(row, measured, now)) } }
            }
        }
    }
}

fn shown(row: &Row<'_>, measured: &Measured, now: Timestamp) -> Markup {
    let check = row.check;
    let tally = measured.tallies.get(&check.id);
    let durations = measured.durations.get(check.id.as_str());
    let up = row.regions.iter().filter(|it| it.status == CheckStatus::Up);
    let up: Vec<&str> = up.map(|it| it.region.as_str()).collect();
    let is_folded = up.len() > UP;
    html! {
        tr {
            th scope="row" {
                a href=(links::check(&check.id)) { (check.name) }
                @if check.name != check.id.as_str() { span.id { (check.id) } }
            }
            td.state { (marks::badge(row.status)) }
            td.regions {
                @for it in row.regions.iter().filter(|it| !is_folded || it.status != CheckStatus::Up) {
                    (marks::chip(it.status, it.region.as_str(), &detail(it, now))) " "
                }
                @if is_folded { span.mark.chip.up title=(up.join(", ")) { (up.len()) " up" } }
            }
            td.line { (durations::line(check, durations, now)) }
            td.uptime { (uptime(tally)) }
            td.last { @if let Some(at) = row.last_slot() { (wording::ago(at, now)) } @else { "–" } }
        }
    }
}

/// What a region's mark says on hover beside its word; of one that is up, nothing.
fn detail(it: &Standing<'_>, now: Timestamp) -> String {
    let word = marks::of_status(it.status).1;
    let Some(streak) = it.streak else { return word.to_owned() };
    let since = |at: Timestamp| wording::span((now - at).to_std().unwrap_or_default());
    match (it.status, streak.failing_since, &streak.unknowns) {
        (CheckStatus::Down, Some(at), _) => {
            format!(
                "down for {}, {} in a row",
                since(at),
                wording::count(usize::try_from(streak.failures).unwrap_or(usize::MAX), "failure")
            )
        }
        (CheckStatus::Unknown, _, Some(unknowns)) => format!("unknown: {}", unknowns.reason),
        (CheckStatus::Up, ..) => String::new(),
        _ => word.to_owned(),
    }
}

/// Uptime, which says little without its coverage, so that stands beside it.
fn uptime(tally: Option<&Tally>) -> Markup {
    let (uptime, coverage) = (tally.and_then(Tally::uptime), tally.and_then(Tally::coverage));
    html! {
        @match uptime {
            Some(share) => span.share { (wording::percent(share)) },
            None => span.share { "–" },
        }
        @if let Some(share) = coverage {
            span.coverage.low[share < 0.99] title="Slots whose result is known, of those expected" {
                (wording::percent(share)) " covered"
            }
        }
    }
}
