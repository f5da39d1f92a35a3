//! What became of each slot of a check.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use maud::{Markup, PreEscaped, html};

use super::{Axis, frame};
use crate::chart::{Slot, SlotState, Slots, fluid};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::{Gap, GapReason};
use crate::domain::id::Region;
use crate::domain::run::{Failure, Outcome};
use crate::http::Api;
use crate::http::pages::check::history::Filter;
use crate::http::pages::wording;
use crate::http::problem::Problem;
use crate::store::{RunFilter, RunSummary};

/// So many slots of a region are read.
const MOST: u32 = 2_000;

/// So many regions are drawn; the others can be asked for one by one.
const REGIONS: usize = 8;

/// So many gaps are read.
const GAPS: u32 = 500;

/// The slots of one region.
pub(super) struct OfRegion {
    region: Region,
    runs: Vec<RunSummary>,
    slots: Vec<Slot>,
    /// Since when they are drawn, where those before are left out.
    since: Option<Timestamp>,
}

/// What became of the slots of each region within `span`.
pub(super) async fn read(
    api: &Api,
    check: &Check,
    filter: &Filter,
    span: (Timestamp, Timestamp),
) -> Result<Vec<OfRegion>, Problem> {
    let gaps = api.accounts.gaps(Some(&check.id), span, GAPS).await?;
    let asked = |region: &&Region| filter.region.as_ref().is_none_or(|it| it == *region);
    let mut regions = Vec::new();
    for region in check.regions.iter().filter(asked).take(REGIONS) {
        let wanted = RunFilter {
            check: Some(check.id.clone()),
            region: Some(region.clone()),
            limit: MOST,
            ..RunFilter::default()
        };
        let mut runs = api.store.runs(&wanted).await?;
        let is_all = runs.len() < MOST as usize;
        // Where there are more runs than were read, what lies before them is not known here.
        let since =
            runs.last().filter(|run| !is_all && run.slot.at > span.0).map(|run| run.slot.at);
        let first = since.unwrap_or(span.0);
        let own = gaps.iter().filter(|gap| gap.region == *region);
        runs.retain(|run| run.slot.at > span.0);
        let slots = slots(check, &runs, own, (first, span.1));
        regions.push(OfRegion { region: region.clone(), runs, slots, since });
    }
    Ok(regions)
}

fn slots<'a>(
    check: &Check,
    runs: &[RunSummary],
    gaps: impl Iterator<Item = &'a Gap>,
    (after, until): (Timestamp, Timestamp),
) -> Vec<Slot> {
    let ran: BTreeSet<Timestamp> = runs.iter().map(|run| run.slot.at).collect();
    let mut slots: Vec<Slot> = runs.iter().map(of_run).collect();
    for gap in gaps {
        let next = |at: Timestamp| check.schedule.next_after(at, &check.id, &gap.region);
        let first = next((gap.first - TimeDelta::milliseconds(1)).max(after));
        let missed = std::iter::successors(first, |at| next(*at));
        let missed = missed.take_while(|at| *at <= gap.last.min(until)).take(MOST as usize);
        let words = reason(gap.reason);
        slots.extend(missed.filter(|at| !ran.contains(at)).map(|at| Slot {
            at: at.timestamp_millis(),
            state: SlotState::Missed,
            words: words.to_owned(),
        }));
    }
    slots
}

fn of_run(run: &RunSummary) -> Slot {
    let state = match run.outcome {
        Outcome::Passed => SlotState::Passed,
        Outcome::Failed => SlotState::Failed,
        Outcome::Unknown => SlotState::Unknown,
    };
    let words = run.failure.as_ref().map(Failure::headline).unwrap_or_default();
    Slot { at: run.slot.at.timestamp_millis(), state, words }
}

/// Why there is no run.
fn reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::HubDown => "no hub was running",
        GapReason::AgentLost => "no agent of the region was in touch",
        GapReason::ProjectChanged => "the project was changed just then",
        GapReason::Paused => "the check was switched off",
        GapReason::Stalled => "the machine slept, was too busy, or its clock was set",
    }
}

/// The steps of the last run that passed, in the order in which they started.
pub(super) async fn steps_in_order(
    api: &Api,
    regions: &[OfRegion],
) -> Result<Vec<String>, Problem> {
    let runs = regions.iter().flat_map(|it| &it.runs);
    let last = runs.filter(|run| run.outcome == Outcome::Passed).max_by_key(|run| run.slot.at);
    let Some(last) = last else { return Ok(Vec::new()) };
    let report = api.store.run(last.id).await?;
    let steps = report.map(|report| report.trace.steps).unwrap_or_default();
    Ok(steps.into_iter().map(|step| step.name).collect())
}

/// A mark for each slot, region by region.
pub(super) fn marks(check: &Check, regions: &[OfRegion], axis: Axis, now: Timestamp) -> Markup {
    let every = TimeDelta::from_std(check.schedule.interval(now)).unwrap_or_default();
    html! {
        @for it in regions.iter().filter(|it| !it.slots.is_empty()) {
            @let chart = Slots {
                frame: frame(&format!("Slots in {}", it.region), axis),
                every: every.num_milliseconds(),
                slots: it.slots.clone(),
            };
            div.chart-of {
                h3 { "Slots in " (it.region) }
                (PreEscaped(fluid(|width| chart.svg(width))))
                @if let Some(since) = it.since {
                    p.quiet { "Only the last " (MOST) " runs are drawn, since " (wording::moment(since, now)) "." }
                }
            }
        }
        @if check.regions.len() > REGIONS && regions.len() == REGIONS {
            p.quiet { "The first " (REGIONS) " regions are drawn; choose another one among the runs." }
        }
    }
}
