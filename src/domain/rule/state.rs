//! What is known of a rule, and how an evaluation changes it.
//!
//! For each set of labels that is or was lately beyond the threshold there is a [`Track`]:
//!
//! | track | the evaluation finds | then |
//! |---|---|---|
//! | none | a breach | pending; breached at once where `for` is nothing |
//! | pending | a breach, and `for` is over | breached |
//! | pending | clear | forgotten |
//! | pending | its data were missing, or nobody looked | pending from now on: `for` begins anew |
//! | breached | clear | breached while `keep_firing_for` lasts since that was found first, then over |
//! | any | its data are missing | as it was: what is not seen is not over |
//! | pending | so for longer than `missing_after` | forgotten |
//! | breached | so for longer than [`Rule::GONE_AFTER`] (where nobody wants to hear of it, `missing_after`), while other series are there | over: the series is gone, which is no recovery |
//! | breached | nothing is known of any series | breached, until data come back |
//!
//! And for the rule as a whole:
//!
//! | the evaluation finds | standing |
//! |---|---|
//! | a breached track | breached |
//! | a pending one that was seen | pending |
//! | of some label sets no data | no data, which is never ok |
//! | data, and none of these | ok |
//! | nothing to compare with | not enough history |
//! | no data | no data, which is never ok |
//! | an error | failing, which is never ok |
//!
//! Times are those of the grid, so that the same points give the same verdict whenever they are
//! looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Direction;
use super::{Condition, LabelSet, OnMissing, Rule};
use crate::domain::{Timestamp, after};

/// What is known of a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RuleState {
    /// The label sets that are beyond the threshold, or were lately.
    pub tracks: BTreeMap<LabelSet, Track>,
    /// How it stands.
    pub standing: Standing,
    /// The last time of the grid at which it was evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// Since when its data are missing or it cannot be evaluated.
    pub unseen_since: Option<Timestamp>,
    /// The last time of the grid at which there were data.
    pub seen_at: Option<Timestamp>,
    /// The label sets of which there are no data, where there are of others.
    pub missing: BTreeSet<LabelSet>,
    /// Whether the last breach is over because its series are gone: nobody saw it end.
    pub is_lost: bool,
    /// In how many evaluations in a row it was breached.
    pub in_a_row: u32,
    /// How many messages told of label sets that were breached later, and when the last one did.
    pub growths: (u32, Option<Timestamp>),
    /// Why it could not be evaluated the last time.
    pub error: Option<String>,
}

/// How a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It was never evaluated.
    #[default]
    New,
    /// There are data, and nothing is beyond the threshold.
    Ok,
    /// Something is, but not for long enough.
    Pending,
    /// Something is.
    Breached,
    /// There is nothing to compare with yet.
    NoHistory,
    /// There are no data.
    NoData,
    /// It cannot be evaluated.
    Failing,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Ok,
        Self::Pending,
        Self::Breached,
        Self::NoHistory,
        Self::NoData,
        Self::Failing,
    ];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Breached => "breached",
            Self::NoHistory => "no_history",
            Self::NoData => "no_data",
            Self::Failing => "failing",
        }
    }

    /// As people read it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::New => "not evaluated yet",
            Self::NoHistory => "not enough history yet",
            Self::NoData => "no data",
            Self::Failing => "cannot be evaluated",
            other => other.as_str(),
        }
    }
}

/// One label set that is beyond the threshold, or was lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// The first evaluation that found it so.
    pub since: Timestamp,
    /// When it became a breach; `None` while it is pending.
    pub breached_at: Option<Timestamp>,
    /// The last evaluation that found it so.
    pub found_at: Timestamp,
    /// The first evaluation that found it clear since then.
    pub cleared_at: Option<Timestamp>,
    /// Since when its data are missing.
    pub missing_since: Option<Timestamp>,
    /// The value that was found last.
    pub value: f64,
    /// What it was compared with, where it was.
    pub usual: Option<f64>,
    /// Which way it went, where that is known.
    pub direction: Option<Direction>,
    /// Whether people were told of this one.
    pub told: bool,
}

impl Track {
    /// Whether it is a breach.
    pub fn is_breached(&self) -> bool {
        self.breached_at.is_some()
    }
}

/// A sample that is beyond the threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its labels.
    pub labels: LabelSet,
    /// Its value.
    pub value: f64,
    /// What it is compared with, where it is.
    pub usual: Option<f64>,
    /// Which way it goes, where that is known.
    pub direction: Option<Direction>,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// What there is.
    Seen {
        /// What is beyond the threshold.
        found: Vec<Found>,
        /// The label sets that are known or waited for and of which there are no data.
        missing: BTreeSet<LabelSet>,
        /// What else there is.
        data: Data,
    },
    /// Nothing, for this reason.
    Failed(String),
}

/// Whether there is anything to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// There is.
    There,
    /// There is, but nothing to compare it with.
    WithoutHistory,
    /// There is not.
    Missing,
}

impl RuleState {
    /// The state after an evaluation at `at`.
    #[must_use]
    pub fn step(&self, rule: &Rule, at: Timestamp, evaluation: &Evaluation) -> Self {
        let mut state = self.clone();
        state.evaluated_at = Some(at);
        state.error = None;
        match evaluation {
            Evaluation::Failed(reason) => {
                state.error = Some(reason.clone());
                state.unseen_since.get_or_insert(at);
                state.standing = Standing::Failing;
                for track in state.tracks.values_mut().filter(|track| !track.is_breached()) {
                    track.missing_since.get_or_insert(at);
                }
            }
            Evaluation::Seen { found, missing, data } => {
                let is_seen = *data != Data::Missing || !found.is_empty();
                state.follow(rule, at, found, if is_seen { Some(missing) } else { None });
                state.missing = if is_seen { state.unseen(rule, missing) } else { BTreeSet::new() };
                if is_seen {
                    state.seen_at = Some(at);
                }
                if is_seen && state.missing.is_empty() {
                    state.unseen_since = None;
                } else {
                    state.unseen_since.get_or_insert(at);
                }
                state.standing = state.found_standing(*data, is_seen);
            }
        }
        // By a clock that was set back, nothing has lasted yet.
        let not_later = |since: &mut Option<Timestamp>| *since = since.map(|it| it.min(at));
        not_later(&mut state.unseen_since);
        let is_breached = state.tracks.values().any(Track::is_breached);
        if !is_breached {
            (state.in_a_row, state.growths) = (0, (0, None));
        } else if state.is_confirmed_by(evaluation) {
            state.in_a_row = state.in_a_row.saturating_add(1);
        }
        state
    }

    /// Whether an evaluation found something that is breached, and not only kept it.
    fn is_confirmed_by(&self, evaluation: &Evaluation) -> bool {
        let Evaluation::Seen { found, .. } = evaluation else { return false };
        let is_breached = |it: &Found| self.tracks.get(&it.labels).is_some_and(Track::is_breached);
        found.iter().any(is_breached)
    }

    /// Which of the `missing` label sets somebody waits for: those of a change, which were there
    /// when it was usual, and those that are breached. What is only pending may go unheard.
    fn unseen(&self, rule: &Rule, missing: &BTreeSet<LabelSet>) -> BTreeSet<LabelSet> {
        let is_change = matches!(rule.condition, Condition::Change(_));
        let is_breached =
            |labels: &LabelSet| self.tracks.get(labels).is_some_and(Track::is_breached);
        missing.iter().filter(|labels| is_change || is_breached(labels)).cloned().collect()
    }

    fn found_standing(&self, data: Data, is_seen: bool) -> Standing {
        if self.tracks.values().any(Track::is_breached) {
            return Standing::Breached;
        }
        match data {
            _ if !is_seen => Standing::NoData,
            _ if self.tracks.values().any(|track| track.missing_since.is_none()) => {
                Standing::Pending
            }
            _ if !self.tracks.is_empty() || !self.missing.is_empty() => Standing::NoData,
            Data::WithoutHistory => Standing::NoHistory,
            _ => Standing::Ok,
        }
    }

    /// Brings the tracks up to `at`; `missing` is nothing where nothing is known of any series.
    fn follow(
        &mut self,
        rule: &Rule,
        at: Timestamp,
        found: &[Found],
        missing: Option<&BTreeSet<LabelSet>>,
    ) {
        // What nobody looked at for so long may have been clear meanwhile.
        let unwatched = rule.missing_after.saturating_add(rule.interval);
        self.is_lost = self.is_lost && found.is_empty();
        for sample in found {
            let track = self.tracks.entry(sample.labels.clone()).or_insert_with(|| Track {
                since: at,
                breached_at: None,
                found_at: at,
                cleared_at: None,
                missing_since: None,
                value: sample.value,
                usual: None,
                direction: None,
                told: false,
            });
            let is_broken = track.missing_since.is_some() || after(track.found_at, unwatched) < at;
            track.since = if is_broken && !track.is_breached() { at } else { track.since.min(at) };
            track.found_at = at;
            (track.cleared_at, track.missing_since) = (None, None);
            track.value = sample.value;
            track.usual = sample.usual;
            track.direction = sample.direction;
            if track.breached_at.is_none() && after(track.since, rule.hold) <= at {
                track.breached_at = Some(at);
            }
        }
        let gone_after = match rule.on_missing {
            OnMissing::Tell => rule.missing_after.max(Rule::GONE_AFTER),
            OnMissing::Quiet => rule.missing_after,
        };
        let mut is_lost = false;
        self.tracks.retain(|labels, track| {
            if track.found_at == at {
                return true;
            }
            track.found_at = track.found_at.min(at);
            if missing.is_none_or(|missing| missing.contains(labels)) {
                let since = *track.missing_since.get_or_insert(at);
                let (is_breached, is_known) = (track.is_breached(), missing.is_some());
                let patience = if is_breached { gone_after } else { rule.missing_after };
                let is_kept = after(since, patience) > at || (is_breached && !is_known);
                is_lost |= is_breached && !is_kept;
                return is_kept;
            }
            track.missing_since = None;
            let cleared_at = *track.cleared_at.get_or_insert(at);
            track.is_breached() && after(cleared_at, rule.keep_firing_for) > at
        });
        self.is_lost |= is_lost;
    }

    /// The tracks that are breaches, by since when and labels.
    pub fn breaches(&self) -> Vec<(&LabelSet, &Track)> {
        let mut breaches: Vec<_> =
            self.tracks.iter().filter(|(_, track)| track.is_breached()).collect();
        breaches.sort_by_key(|(labels, track)| (track.since, *labels));
        breaches
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::change::{Baseline, Reading};
    use super::super::{Change, RuleName};
    use super::*;
    use crate::domain::policy::Policy;

    fn rule(hold: u64, keep: u64) -> Rule {
        Rule {
            name: RuleName::new("errors").expect("a name"),
            condition: Condition::Expression("errors > 1".into()),
            interval: Duration::from_mins(1),
            hold: Duration::from_mins(hold),
            keep_firing_for: Duration::from_mins(keep),
            on_missing: OnMissing::Tell,
            missing_after: Duration::from_mins(3),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            policy: Policy::built_in(None),
            runbook: None,
        }
    }

    fn at(minute: usize) -> Timestamp {
        let start: Timestamp = "2026-11-21T02:00:00Z".parse().expect("a time");
        start + chrono::TimeDelta::minutes(i64::try_from(minute).expect("small"))
    }

    fn host(name: &str) -> LabelSet {
        [("host", name)].into_iter().collect()
    }

    /// What is found each minute: `!` a breach, `.` clear, `?` no data of this series, `-` no data at
    /// all, `x` an error, `h` no history; answers with how the rule stood each minute.
    fn stood(rule: &Rule, minutes: &str) -> String {
        let mut state = RuleState::default();
        let mut stood = String::new();
        for (minute, c) in minutes.chars().enumerate() {
            let found = Found { labels: host("a"), value: 2.0, usual: None, direction: None };
            let seen = |found: Vec<Found>, missing: &[&str], data| Evaluation::Seen {
                found,
                missing: missing.iter().map(|it| host(it)).collect(),
                data,
            };
            let evaluation = match c {
                '!' => seen(vec![found], &[], Data::There),
                '.' => seen(Vec::new(), &[], Data::There),
                '?' => seen(Vec::new(), &["a"], Data::There),
                '-' => seen(Vec::new(), &["a"], Data::Missing),
                'h' => seen(Vec::new(), &[], Data::WithoutHistory),
                _ => Evaluation::Failed("too much".into()),
            };
            state = state.step(rule, at(minute), &evaluation);
            stood.push(match state.standing {
                Standing::New => ' ',
                Standing::Ok => 'o',
                Standing::Pending => 'p',
                Standing::Breached => 'B',
                Standing::NoHistory => 'h',
                Standing::NoData => '-',
                Standing::Failing => 'x',
            });
        }
        stood
    }

    fn check(rule: &Rule, minutes: &str, expected: &str) {
        assert_eq!(stood(rule, minutes), expected, "{minutes}");
    }

    #[test]
    fn a_condition_that_holds_long_enough_is_a_breach() {
        check(&rule(0, 0), ".!!.", "oBBo");
        check(&rule(2, 0), ".!!!.", "oppBo");
        check(&rule(2, 0), "!!.!!!", "ppoppB");
        check(&rule(0, 3), "!...!....", "BBBBBBBBo");
        check(&rule(0, 3), "!....", "BBBBo");
    }

    #[test]
    fn what_is_not_seen_is_neither_over_nor_fine() {
        check(&rule(0, 0), "!???.", "BBBBo");
        // Nothing is known of anything: the breach stays.
        check(&rule(0, 0), "!-------.", "BBBBBBBBo");
        check(&rule(0, 0), "..--.xx.hh.", "oo--oxxohho");
        check(&rule(0, 0), "!xx!x.", "BxxBxo");
    }

    #[test]
    fn a_condition_that_was_not_seen_to_hold_holds_anew() {
        check(&rule(2, 0), "!-!", "p-p");
        check(&rule(2, 0), "!-!!!", "p-ppB");
        check(&rule(2, 0), "!?!!!", "p-ppB");
        check(&rule(2, 0), "!x!!!", "pxppB");
        check(&rule(2, 0), "!----!", "p----p");
        // The series is gone, and was never a breach: it is forgotten.
        check(&rule(2, 0), "!????", "p---o");
        // Nobody looked for an hour.
        let found = Found { labels: host("a"), value: 2.0, usual: None, direction: None };
        let found = Evaluation::Seen { found: vec![found], missing: [].into(), data: Data::There };
        let state = RuleState::default().step(&rule(2, 0), at(0), &found);
        assert_eq!(state.step(&rule(2, 0), at(60), &found).standing, Standing::Pending);
    }

    #[test]
    fn a_series_that_is_gone_is_over_late_and_said_to_be_lost() {
        let day = 24 * 60;
        let gone = format!("!{}", "?".repeat(day + 1));
        let kept = format!("{}o", "B".repeat(day + 1));
        check(&rule(0, 0), &gone, &kept);
        let quiet = Rule { on_missing: OnMissing::Quiet, ..rule(0, 0) };
        check(&quiet, "!?????", "BBBBoo");
        let seen = |found: bool, missing: &[&str]| Evaluation::Seen {
            found: found
                .then(|| Found { labels: host("a"), value: 2.0, usual: None, direction: None })
                .into_iter()
                .collect(),
            missing: missing.iter().map(|it| host(it)).collect(),
            data: Data::There,
        };
        let breached = RuleState::default().step(&quiet, at(0), &seen(true, &[]));
        let missing = breached.step(&quiet, at(1), &seen(false, &["a"]));
        assert_eq!((missing.unseen_since, missing.missing.len()), (Some(at(1)), 1));
        let lost = missing.step(&quiet, at(4), &seen(false, &["a"]));
        assert!(lost.is_lost && lost.breaches().is_empty());
        assert!(!breached.step(&quiet, at(1), &seen(false, &[])).is_lost, "it was seen to end");
        assert!(!lost.step(&quiet, at(5), &seen(true, &[])).is_lost);
    }

    #[test]
    fn a_group_that_vanishes_is_no_data_and_not_fine() {
        let change = Change {
            metric: "logins".into(),
            reading: Reading::Counter,
            by: vec!["host".into()],
            window: Duration::from_mins(5),
            baseline: Baseline::LastWeek,
            rises_by: None,
            falls_by: None,
            minimum: 0.0,
            hysteresis: 1.0,
        };
        let by_host = Rule { condition: Condition::Change(change), ..rule(0, 0) };
        check(&by_host, "..??.", "oo--o");
        check(&by_host, "!??.", "BBBo");
        let seen =
            Evaluation::Seen { found: vec![], missing: [host("a")].into(), data: Data::There };
        let state = RuleState::default().step(&by_host, at(0), &seen).step(&by_host, at(1), &seen);
        assert_eq!((state.unseen_since, state.seen_at), (Some(at(0)), Some(at(1))));
        assert_eq!(state.missing, [host("a")].into());
    }

    #[test]
    fn breaches_in_a_row_are_counted() {
        let rule = rule(0, 0);
        let found = Found { labels: host("a"), value: 2.0, usual: None, direction: None };
        let breach =
            Evaluation::Seen { found: vec![found], missing: BTreeSet::new(), data: Data::There };
        let clear = Evaluation::Seen { found: vec![], missing: BTreeSet::new(), data: Data::There };
        let state = RuleState::default().step(&rule, at(0), &breach).step(&rule, at(1), &breach);
        assert_eq!((state.in_a_row, state.breaches().len()), (2, 1));
        let lost = state.step(&rule, at(2), &Evaluation::Failed("x".into()));
        assert_eq!(lost.unseen_since, Some(at(2)));
        assert_eq!(state.step(&rule, at(2), &clear).in_a_row, 0);
    }
}
