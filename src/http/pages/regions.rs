//! Regions: who runs checks from where, how that is going, and when nobody did.

mod absences;
mod agents;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use self::absences::Absence;
use super::layout::{Frame, Section};
use super::{Page, controls, links, wording};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::Tally;
use crate::domain::id::Region;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{Api, coverage};
use crate::store::agents::AgentRecord;

/// Where it is.
pub(super) const PATH: &str = "/regions";

/// So many times in which nobody ran checks are listed of each region.
const ABSENCES: usize = 10;

/// A region with all that is known of it.
struct Place<'a> {
    region: &'a Region,
    checks: Vec<&'a Arc<Check>>,
    agents: Vec<&'a AgentRecord>,
    tally: Option<&'a Tally>,
    absences: Vec<Absence>,
}

/// All regions.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let agents = api.agents.agents().await?;
    let checks = api.checks.load_full();
    let (tallies, gaps) = coverage::regions_of_last_day(&api).await?;
    let regions: BTreeSet<&Region> = checks
        .iter()
        .flat_map(|check| &check.regions)
        .chain(agents.iter().map(|agent| &agent.presence.region))
        .chain(tallies.keys())
        .collect();
    let place = |region| Place {
        region,
        checks: checks.iter().filter(|check| check.regions.contains(region)).collect(),
        agents: agents.iter().filter(|agent| agent.presence.region == *region).collect(),
        tally: tallies.get(region),
        absences: absences::of(gaps.iter().filter(|gap| gap.region == *region)),
    };
    let places: Vec<Place<'_>> = regions.into_iter().map(place).collect();
    let content = html! {
        h1 { "Regions" }
        div #regions data-live {
            @for (at, place) in places.iter().enumerate() {
                (shown(place, at, (api.version, frame.now)))
            }
            @if places.is_empty() { (nothing()) }
        }
    };
    Ok(frame.page(Section::Regions, "Regions", &content))
}

fn shown(place: &Place<'_>, at: usize, (version, now): (&str, Timestamp)) -> Markup {
    let names = agents::at_work(&place.agents, now);
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for check in &place.checks {
        if let Some(name) = crate::domain::rendezvous::owner(&check.id, names.iter().copied()) {
            *shares.entry(name).or_default() += 1;
        }
    }
    let title = format!("region-{at}");
    html! {
        section.region aria-labelledby=(title) {
            h2 id=(title) { a href=(links::checks_in(place.region)) { (place.region) } }
            p.figures {
                span { (wording::count(place.checks.len(), "check")) }
                span { (wording::count(names.len(), "agent")) " at work" }
                (covered(place.tally))
            }
            @if names.is_empty() && !place.checks.is_empty() {
                p.warning {
                    span.mark.down { "Nobody runs checks here now." }
                    " Start " code { "tripline agent" } " with a token for this region, or take the region \
                     out of the checks."
                }
            }
            @if !place.agents.is_empty() {
                (agents::table(&place.agents, &shares, (version, now)))
            }
            (absences::list(&place.absences, ABSENCES, now))
        }
    }
}

/// The coverage of the last day, and the uptime of what is known.
fn covered(tally: Option<&Tally>) -> Markup {
    let Some(tally) = tally else {
        return html! { span.quiet { "nothing was expected in the last 24 hours" } };
    };
    html! {
        @if let Some(share) = tally.coverage() {
            span.coverage.low[share < 0.99] title="Slots whose result is known, of those expected" {
                (wording::percent(share)) " covered in 24 hours"
            }
        }
        @if let Some(share) = tally.uptime() {
            span title="Passed, of the slots whose result is known" {
                (wording::percent(share)) " of those passed"
            }
        }
        @if tally.missed() > 0 { span { (tally.missed()) " slots without a run" } }
    }
}

fn nothing() -> Markup {
    controls::nothing(
        "There are no regions yet.",
        &html! {
            "Write a check: it runs from the hub's own region. For another region, make a token with "
            code { "tripline token create --region NAME" } " and start " code { "tripline agent" }
            " there."
        },
    )
}
