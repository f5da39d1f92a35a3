//! The runs of a check, the latest first.

use maud::{Markup, html};
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::by_hand;
use super::charts::Window;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::run::Outcome;
use crate::http::Api;
use crate::http::pages::{controls, links, marks, wording};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::runs::latest;
use crate::store::{RunFilter, RunSummary};

/// How many runs stand on one page.
const PER_PAGE: u32 = 25;

const OUTCOMES: [Outcome; 3] = [Outcome::Passed, Outcome::Failed, Outcome::Unknown];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Only from this one.
    pub(super) region: Option<Region>,
    /// How far back charts look.
    window: Option<Window>,
    outcome: Option<Outcome>,
    before: Option<Timestamp>,
    /// What was asked to be run right before.
    pub(super) asked: Option<Uuid>,
}

/// The runs that are listed, and before when those are that follow.
pub(super) type Listed = (Vec<RunSummary>, Option<Timestamp>);

impl Filter {
    /// Reads a query. An empty parameter is none: forms send all of their fields.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let parameters =
            Parameters::parse(query, &["region", "outcome", "before", "asked", "window"])?;
        let has = |name| parameters.text(name).is_some();
        Ok(Self {
            region: if has("region") { parameters.region()? } else { None },
            outcome: if has("outcome") { parameters.outcome()? } else { None },
            before: if has("before") { parameters.before()? } else { None },
            window: parameters.read_unless_empty("window", Window::read)?,
            asked: parameters.read_unless_empty("asked", by_hand::errand_id)?,
        })
    }

    fn is_empty(&self) -> bool {
        self.region.is_none() && self.outcome.is_none() && self.before.is_none()
    }

    /// How far back charts look.
    pub(super) fn window_of(&self, check: &Check, now: Timestamp) -> Window {
        self.window.unwrap_or_else(|| Window::usual(check, now))
    }

    /// The same page with charts that look so far back.
    pub(super) fn with_window(&self, check: &Check, window: Window) -> String {
        Self { window: Some(window), ..self.clone() }.address(check, self.before)
    }

    /// The same, from before `before` on.
    fn url(&self, check: &Check, before: Option<Timestamp>) -> String {
        self.address(check, before) + "#runs"
    }

    fn address(&self, check: &Check, before: Option<Timestamp>) -> String {
        let before = before.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        let parameters = [
            ("region", self.region.as_ref().map(Region::as_str)),
            ("outcome", self.outcome.map(Outcome::as_str)),
            ("before", before.as_deref()),
            ("window", self.window.map(Window::slug)),
        ];
        let mut query = Serializer::new(String::new());
        query.extend_pairs(parameters.into_iter().filter_map(|(name, it)| Some((name, it?))));
        format!("{}?{}", links::check(&check.id), query.finish())
    }

    fn form(&self, check: &Check) -> Markup {
        let same = |text: &str| (text.to_owned(), text.to_owned());
        let regions: Vec<_> = check.regions.iter().map(|it| same(it.as_str())).collect();
        let region = self.region.as_ref().map_or("", Region::as_str);
        let outcomes = OUTCOMES.map(|it| same(it.as_str()));
        let fields = html! {
            @if let Some(window) = self.window {
                input type="hidden" name="window" value=(window.slug());
            }
            @if regions.len() > 1 {
                (controls::choice("Region", "region", "any", &regions, region))
            }
            (controls::choice("Outcome", "outcome", "any", &outcomes, self.outcome.map_or("", Outcome::as_str)))
        };
        controls::filter(&links::check(&check.id), !self.is_empty(), &fields)
    }
}

/// The runs that `filter` asks for.
pub(super) async fn read(api: &Api, check: &Check, filter: &Filter) -> Result<Listed, Problem> {
    let Filter { region, outcome, before, .. } = filter.clone();
    let check = Some(check.id.clone());
    let filter = RunFilter { check, region, outcome, before, limit: PER_PAGE };
    latest(api.store.as_ref(), &filter).await
}

/// The list, with a filter and the ways on.
pub(super) fn section(
    check: &Check,
    filter: &Filter,
    (runs, next): &Listed,
    now: Timestamp,
) -> Markup {
    let later = next.map(|before| filter.url(check, Some(before)));
    let first = filter.before.map(|_| filter.url(check, None));
    html! {
        section #runs aria-labelledby="runs-title" {
            h2 #runs-title { "Runs" }
            (filter.form(check))
            div #run-list data-live {
                @if runs.is_empty() { (nothing(filter)) } @else { (table(runs, now)) }
                @if first.is_some() || later.is_some() {
                    nav.pager aria-label="Pages of runs" {
                        @if let Some(href) = first { a href=(href) { "Latest" } }
                        @if let Some(href) = later { a rel="next" href=(href) { "Earlier →" } }
                    }
                }
            }
        }
    }
}

fn nothing(filter: &Filter) -> Markup {
    if filter.is_empty() {
        return controls::nothing(
            "It has not run yet.",
            &html! { "The first run appears here at its next slot, or have it run now." },
        );
    }
    controls::nothing("No run is like this.", &html! { "Older runs may be forgotten already." })
}

fn table(runs: &[RunSummary], now: Timestamp) -> Markup {
    html! {
        table.list.runs {
            caption.unseen { "Runs, the latest first" }
            thead {
                tr {
                    th scope="col" { "When" }
                    th scope="col" { "Outcome" }
                    th scope="col" { "Region" }
                    th.number scope="col" { "Took" }
                    th.number scope="col" title="How long after its slot it started" { "Late" }
                    th scope="col" { "Why" }
                }
            }
            tbody { @for run in runs { (row(run, now)) } }
        }
    }
}

fn row(run: &RunSummary, now: Timestamp) -> Markup {
    let late = (run.started_at - run.slot.at).to_std().unwrap_or_default();
    html! {
        tr {
            th scope="row" { a href=(links::run(run.id)) { (wording::moment(run.slot.at, now)) } }
            td { (marks::outcome(run.outcome)) }
            td.region { (run.slot.region) }
            td.number { (wording::length(run.duration)) }
            td.number.quiet { (wording::length(late)) }
            td.why {
                @if let Some(failure) = &run.failure {
                    @if let Some(step) = &failure.step { span.quiet { (step) ": " } }
                    (failure.headline())
                }
            }
        }
    }
}
