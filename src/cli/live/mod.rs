//! The readable log of `tripline up`: runs, incidents and messages as lines for people.
//!
//! Everything that changes something is a line of its own. While all is well and there is much to
//! watch, passed runs are folded into one line every [`SUMMARY_EVERY`]. Nothing here prints: each
//! function gives the text, and what others said in it is cleaned.

mod notification;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::look::{Look, Paint, clean, columns, counted, padded, spoken};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::{CheckId, IncidentId, Region};
use crate::domain::incident::{Decision, DecisionKind};
use crate::domain::run::{Failure, Outcome, Report};

/// How often [`Live::summary`] should be asked for.
pub const SUMMARY_EVERY: Duration = Duration::from_secs(10);

/// Up to this many pairs of check and region, every run has its line.
const FEW: usize = 12;

/// Names are not padded beyond this: one long name must not push everything to the right.
const WIDEST_NAME: usize = 32;

/// Where the text of a line begins, after the time of day and the sign, in columns.
const TEXT: usize = "04:12:31  * ".len();

/// Writes what happens as lines, and remembers as much as is needed to fold them.
#[derive(Debug)]
pub struct Live {
    look: Look,
    check_width: usize,
    region_width: usize,
    watched: usize,
    last: BTreeMap<(CheckId, Region), Outcome>,
    folded: Folded,
}

/// Passed runs that had no line of their own.
#[derive(Debug, Default)]
struct Folded {
    runs: usize,
    slowest: Option<(CheckId, Region, Duration)>,
}

impl Live {
    /// Writes for `checks`.
    pub fn new(look: Look, checks: &[Arc<Check>]) -> Self {
        let mut live = Self {
            look,
            check_width: 0,
            region_width: 0,
            watched: 0,
            last: BTreeMap::new(),
            folded: Folded::default(),
        };
        live.watch(checks);
        live
    }

    /// Writes for `checks` from now on: the project was read again.
    pub fn watch(&mut self, checks: &[Arc<Check>]) {
        let widest =
            |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).min(WIDEST_NAME);
        let regions = || checks.iter().flat_map(|check| &check.regions);
        self.check_width = widest(&mut checks.iter().map(|check| columns(check.id.as_str())));
        self.region_width = widest(&mut regions().map(|region| columns(region.as_str())));
        self.watched = regions().count();
        self.last.retain(|(id, region), _| {
            checks.iter().any(|check| check.id == *id && check.regions.contains(region))
        });
    }

    /// Lines, folded where they are too long for the terminal.
    pub fn folded(&self, lines: &str) -> String {
        self.look.folded(lines, TEXT)
    }

    /// The line of a run that ended, unless it is folded.
    pub fn run(&mut self, report: &Report) -> Option<String> {
        let (outcome, slot) = (report.outcome(), &report.slot);
        let before = self.last.insert((slot.check.clone(), slot.region.clone()), outcome);
        let is_dull = outcome == Outcome::Passed && before == Some(Outcome::Passed);
        if is_dull && self.watched > FEW {
            self.folded.add(report);
            return None;
        }
        Some(self.run_line(report))
    }

    /// The line about the runs folded since it was last asked for, if there were any.
    pub fn summary(&mut self, now: Timestamp) -> Option<String> {
        let folded = std::mem::take(&mut self.folded);
        let (check, region, duration) = folded.slowest?;
        let mark = self.look.mark(Outcome::Passed);
        let passed = counted(folded.runs, "run");
        let slowest = format!("slowest {check} {region} {}", spoken(duration));
        let rest = self.look.paint(Paint::Faint, &format!("({slowest})"));
        Some(format!("{}  {mark} {passed} passed  {rest}", self.time(now)))
    }

    /// The line of a decision about the check or region `name`. `incident` is the one it opened or
    /// changed.
    pub fn decision(
        &self,
        at: Timestamp,
        name: &str,
        incident: Option<IncidentId>,
        decision: &Decision,
    ) -> String {
        let (sign, paint, verb) = match decision.kind {
            DecisionKind::Opened => (self.look.sign("▲", "!"), Paint::Bad, "opened"),
            DecisionKind::Escalated => (self.look.sign("▲", "!"), Paint::Bad, "escalated"),
            DecisionKind::Resolved => (self.look.sign("▼", "*"), Paint::Good, "resolved"),
            DecisionKind::NotTold => (self.look.sign("·", "-"), Paint::Faint, "not told"),
            DecisionKind::Ignored => (self.look.sign("·", "-"), Paint::Faint, "no change"),
            DecisionKind::Reopened => (self.look.sign("▲", "!"), Paint::Bad, "opened again"),
            DecisionKind::Reminded => (self.look.sign("▲", "!"), Paint::Bad, "told again"),
            DecisionKind::Acknowledged => (self.look.sign("●", "+"), Paint::Unsure, "acknowledged"),
            DecisionKind::LeftAlone => (self.look.sign("○", "-"), Paint::Unsure, "left alone"),
            DecisionKind::Noted => (self.look.sign("·", "-"), Paint::Faint, "noted"),
        };
        let incident = incident.map(|id| format!("incident {id} ")).unwrap_or_default();
        let what = self.look.paint(paint, &format!("{incident}{verb}"));
        let reason = clean(&decision.reason);
        let sign = self.look.paint(paint, sign);
        let name = padded(name, self.check_width);
        format!("{}  {sign} {name}  {what}: {reason}", self.time(at))
    }

    fn run_line(&self, report: &Report) -> String {
        let outcome = report.outcome();
        let result = match &report.failure {
            None => spoken(report.duration),
            Some(failure) => self.look.paint(Paint::of(outcome), &in_words(failure, outcome)),
        };
        format!(
            "{}  {} {}  {}  {result}",
            self.time(report.finished_at()),
            self.look.mark(outcome),
            self.check(&report.slot.check),
            padded(report.slot.region.as_str(), self.region_width),
        )
    }

    fn time(&self, at: Timestamp) -> String {
        self.look.paint(Paint::Faint, &self.look.time_of_day(at))
    }

    fn check(&self, check: &CheckId) -> String {
        padded(check.as_str(), self.check_width)
    }
}

impl Folded {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        if self.slowest.as_ref().is_none_or(|(_, _, duration)| report.duration > *duration) {
            let slot = &report.slot;
            self.slowest = Some((slot.check.clone(), slot.region.clone(), report.duration));
        }
    }
}

/// A failure in one line: "failed in step `sign in`: expected 200, received 503".
fn in_words(failure: &Failure, outcome: Outcome) -> String {
    let step = failure.step.as_ref().map(|step| format!(" in step `{}`", clean(step)));
    let (verb, step) = match outcome {
        Outcome::Unknown => ("unknown", String::new()),
        Outcome::Failed | Outcome::Passed => ("failed", step.unwrap_or_default()),
    };
    format!("{verb}{step}: {}", clean(&failure.headline()))
}
