//! Tells a page what runs that somebody asked for do, line by line, while they go on.
//!
//! The lines are in the store, so it does not matter which hub hears of a run and which one serves the page. The
//! page is told from the first line on, also of runs that have ended; then the stream ends.
//!
//! | event | data |
//! |---|---|
//! | `line` | a line: region, milliseconds from the start of the run, how it looks ([`Look`](crate::domain::output::Look)), what it says |
//! | `verdict` | what came of the run in a region: region, outcome, a sentence, the page of the run |
//! | `end` | nothing follows |

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use serde::Serialize;
use tokio::sync::watch;

use super::Api;
use super::errands::errand_id;
use super::live::{KEPT_ALIVE_EVERY, Place};
use super::problem::Problem;
use crate::domain::errand::{ErrandId, Leg, Stage};
use crate::domain::id::{Region, RunId};
use crate::domain::output::Numbered;
use crate::store::Error;

/// Where pages listen.
pub(super) const PATH: &str = "/errands/{id}/output";

/// One looks into the store at least so often: another hub may have heard something.
const PAUSE: Duration = Duration::from_millis(500);

/// So many lines of a run are read at once.
const AT_ONCE: u32 = 100;

/// A line, for a page.
#[derive(Debug, Serialize)]
struct ShownLine<'a> {
    region: &'a str,
    at_ms: u64,
    look: &'static str,
    text: String,
}

/// What came of a run, for a page.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    region: &'a str,
    /// `passed`, `failed` or `unknown`.
    outcome: &'static str,
    text: String,
    /// The path of the page with the run, where it came to one.
    run: Option<String>,
}

/// One page that watches.
struct Watcher {
    api: Api,
    errand: ErrandId,
    /// The number of the next line of each run; none of those that are over and told.
    next: BTreeMap<RunId, Option<u32>>,
    ready: VecDeque<Event>,
    heard: watch::Receiver<u64>,
    place: Place,
    is_over: bool,
}

impl Watcher {
    /// What there is to tell next; `None` when that is all.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            self.heard.borrow_and_update();
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "a page is not told what a run does now");
            }
            if self.ready.is_empty() && !self.is_over {
                tokio::select! {
                    () = self.place.is_over() => return None,
                    Ok(()) = self.heard.changed() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }

    /// Reads what came since.
    async fn look(&mut self) -> Result<(), Error> {
        // How far the legs are is read first: what an ended run said is stored by then.
        let errand = self.api.errands.one(self.errand).await?;
        let legs = errand.map(|errand| errand.legs).unwrap_or_default();
        let mut are_told = true;
        for leg in &legs {
            are_told &= self.look_at(leg).await?;
        }
        if are_told {
            self.is_over = true;
            self.ready.push_back(Event::default().event("end").data("end"));
        }
        Ok(())
    }

    /// Reads what came since of one leg; whether that was all.
    async fn look_at(&mut self, leg: &Leg) -> Result<bool, Error> {
        let next = self.next.entry(leg.run).or_insert(Some(0));
        let Some(from) = *next else { return Ok(true) };
        let lines = self.api.errands.output(leg.run, from, AT_ONCE).await?;
        let is_full = lines.len() >= AT_ONCE as usize;
        if let Some(last) = lines.last() {
            *next = Some(last.number.saturating_add(1));
        }
        self.ready.extend(lines.iter().filter_map(|line| shown(&leg.region, line)));
        if is_full || !leg.stage.is_last() {
            return Ok(false);
        }
        *next = None;
        self.ready.extend(verdict(leg));
        Ok(true)
    }
}

fn shown(region: &Region, Numbered { line, .. }: &Numbered) -> Option<Event> {
    let (look, text) = line.shown();
    let at_ms = u64::try_from(line.at.as_millis()).unwrap_or(u64::MAX);
    let shown = ShownLine { region: region.as_str(), at_ms, look: look.as_str(), text };
    Event::default().event("line").json_data(shown).ok()
}

fn verdict(leg: &Leg) -> Option<Event> {
    let (outcome, run) = match &leg.stage {
        Stage::Ended(ended) => (ended.outcome.as_str(), Some(super::pages::run_page(leg.run))),
        _ => ("unknown", None),
    };
    let verdict = Verdict { region: leg.region.as_str(), outcome, text: leg.sentence(), run };
    Event::default().event("verdict").json_data(verdict).ok()
}

/// Tells a page what the runs of an errand do. It is no answer that takes long: its head is sent at once.
pub(super) async fn output(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let errand = errand_id(id)?;
    if api.errands.one(errand).await?.is_none() {
        return Err(Problem::missing(format!(
            "there is no errand {errand}; old ones are forgotten"
        )));
    }
    let (place, heard) = (api.live.place()?, api.errands.heard());
    let (next, ready) = (BTreeMap::new(), VecDeque::new());
    let watcher = Watcher { api, errand, next, ready, heard, place, is_over: false };
    let told = unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEPT_ALIVE_EVERY)))
}
