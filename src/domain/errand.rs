//! An errand: somebody asks that a check be run at once, outside its schedule.
//!
//! What it means. A run that was asked for belongs to no slot. It counts in no streak, no uptime, no
//! coverage and no lateness; it opens no incident, ends none and wakes nobody. So nobody can end an
//! alarm, or begin one, by pressing a button until the answer is the one they like; whether it is over
//! is what the next runs of the schedule say. What it is good for is to see, after a repair, whether
//! that helped, and to have the steps, requests and console of a run at hand. Those who follow the
//! incident read what came of it.
//!
//! An errand has a leg for each region in which it is to be run. Each leg goes one way, and is run
//! once at most:
//!
//! | stage | then | when |
//! |---|---|---|
//! | asked | taken | an agent of the region takes it, within [`PATIENCE`] |
//! | asked | untaken | nobody took it by then |
//! | taken | ended | its agent says what came of it |
//! | taken | lost | its agent has not by [`report_by`] |
//!
//! Must not: look like a slot to anybody who counts.

use std::fmt;
use std::time::Duration;

use super::Timestamp;
use super::after;
use super::id::{CheckId, IncidentId, Region, RunId};
use super::output::length;
use super::restraint::Actor;
use super::run::{Failure, Outcome};

/// How long somebody waits for an agent to take a leg.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a leg is left to the agent that runs the check by its schedule, which can see to it that the
/// two runs do not meet; then any agent of the region may have it.
pub const HEAD_START: Duration = Duration::from_secs(5);
/// In this time so many errands may be asked for: of one check, and altogether.
pub const WHILE: Duration = Duration::from_mins(1);
/// See [`WHILE`].
pub const MOST_OF_CHECK: u32 = 6;
/// See [`WHILE`].
pub const MOST_OF_ALL: u32 = 60;
/// What bringing the report may take, however short the run is.
const BRINGING: Duration = Duration::from_secs(30);
/// The longest sentence about a failure, in characters.
const LONGEST_WHY: usize = 200;
/// So many regions are told of one by one.
const NAMED: usize = 8;
/// The longest list of them, in characters: what follows from it stands behind.
const ROOM: usize = 400;

/// Identifies an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrandId(pub uuid::Uuid);

impl fmt::Display for ErrandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ErrandId {
    /// The id of its run in `region`: like that of a slot, and of none.
    pub fn run_in(self, region: &Region, asked_at: Timestamp) -> RunId {
        RunId::at(asked_at, &[&self.to_string(), region.as_str()])
    }
}

/// Somebody asks that a check be run at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Errand {
    /// Tells it from others.
    pub id: ErrandId,
    /// What is to be run.
    pub check: CheckId,
    /// The incident whose followers are told what came of it.
    pub incident: Option<IncidentId>,
    /// Who asks.
    pub by: Actor,
    /// When.
    pub asked_at: Timestamp,
    /// When whoever is to be told was told what came of it.
    pub told_at: Option<Timestamp>,
    /// Where it is to be run, by name.
    pub legs: Vec<Leg>,
}

/// An errand in one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// Where.
    pub region: Region,
    /// The id of the run, whether it comes to one or not.
    pub run: RunId,
    /// How far it is.
    pub stage: Stage,
}

/// How far a leg is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// No agent has taken it.
    Asked {
        /// Until when one may.
        until: Timestamp,
    },
    /// An agent has taken it.
    Taken {
        /// Its name.
        agent: String,
        /// Until when it is to say what came of it.
        until: Timestamp,
    },
    /// It ended.
    Ended(Ended),
    /// No agent took it in time.
    Untaken,
    /// The agent that took it did not say what came of it.
    Lost {
        /// Its name.
        agent: String,
    },
}

/// What came of a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The name of the agent that ran it.
    pub agent: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub failure: Option<Failure>,
}

impl Stage {
    /// The word used in the store and in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Asked { .. } => "asked",
            Self::Taken { .. } => "taken",
            Self::Ended(_) => "ended",
            Self::Untaken => "untaken",
            Self::Lost { .. } => "lost",
        }
    }

    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Asked { .. } | Self::Taken { .. })
    }
}

impl Leg {
    /// What came of it, for people: what follows the region and a colon.
    pub fn sentence(&self) -> String {
        match &self.stage {
            Stage::Asked { .. } => "no agent has taken it yet".to_owned(),
            Stage::Taken { agent, .. } => format!("the agent {agent} is running it"),
            Stage::Ended(ended) => ended.sentence(),
            Stage::Untaken => {
                format!("not run, no agent took it within {} s", PATIENCE.as_secs())
            }
            Stage::Lost { agent } => {
                format!("lost, the agent {agent} took it and did not say what came of it")
            }
        }
    }
}

impl Ended {
    /// What came of it, for people.
    fn sentence(&self) -> String {
        let why = || {
            let Some(failure) = &self.failure else { return String::new() };
            let step = failure.step.as_ref().map(|step| format!("step \"{step}\": "));
            let said = step.unwrap_or_default() + &failure.headline();
            match said.char_indices().nth(LONGEST_WHY) {
                Some((end, _)) => format!(": {}…", &said[..end]),
                None => format!(": {said}"),
            }
        };
        match self.outcome {
            Outcome::Passed => format!("passed in {}", length(self.duration)),
            Outcome::Failed => format!("failed{}", why()),
            Outcome::Unknown => format!("no result{}", why()),
        }
    }
}

impl Errand {
    /// Whether nothing is left to be run.
    pub fn is_over(&self) -> bool {
        self.legs.iter().all(|leg| leg.stage.is_last())
    }

    /// What came of it, as somebody's deed: what follows their name. Where it is read, it is to be clear
    /// that nothing follows from it.
    pub fn deed(&self) -> String {
        let said = match self.legs.as_slice() {
            [leg] => format!("ran it in {}: {}", leg.region, leg.sentence()),
            legs => {
                let (mut said, mut room) = (Vec::new(), ROOM);
                for leg in legs.iter().take(NAMED) {
                    let text = format!("{}: {}", leg.region, leg.sentence());
                    let length = text.chars().count();
                    if !said.is_empty() && length > room {
                        break;
                    }
                    room = room.saturating_sub(length);
                    said.push(text);
                }
                let more = legs.len() - said.len();
                if more > 0 {
                    said.push(format!("and {more} more"));
                }
                format!("ran it in {} regions: {}", legs.len(), said.join("; "))
            }
        };
        format!("{said}; only scheduled runs end the incident")
    }
}

/// Until when an agent that takes a leg at `now` is to say what came of it: it may have to wait for the
/// run of the schedule that is going, and then for room.
pub fn report_by(now: Timestamp, timeout: Duration) -> Timestamp {
    after(now, timeout.saturating_mul(4).saturating_add(BRINGING))
}

/// Whether an agent may take a leg of an errand that was asked for at `asked_at`, where the schedule's
/// runs of the check are `owner`'s.
pub fn may_take(agent: &str, owner: Option<&str>, asked_at: Timestamp, now: Timestamp) -> bool {
    owner.is_none_or(|owner| owner == agent) || after(asked_at, HEAD_START) <= now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::restraint::Via;
    use crate::domain::run::FailureKind;

    fn at(second: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(second, 0).expect("in range")
    }

    fn region(name: &str) -> Region {
        Region::new(name).expect("a good name")
    }

    fn errand(stages: Vec<(&str, Stage)>) -> Errand {
        let id = ErrandId(uuid::Uuid::from_u128(7));
        let leg = |(name, stage): (&str, Stage)| {
            let region = region(name);
            Leg { run: id.run_in(&region, at(9)), region, stage }
        };
        Errand {
            id,
            check: CheckId::new("login").expect("a good name"),
            incident: None,
            by: Actor { name: "Ana".into(), via: Via::Slack },
            asked_at: at(9),
            told_at: None,
            legs: stages.into_iter().map(leg).collect(),
        }
    }

    fn ended(outcome: Outcome, failure: Option<Failure>) -> Stage {
        let duration = Duration::from_millis(312);
        Stage::Ended(Ended { agent: "one".into(), started_at: at(9), duration, outcome, failure })
    }

    #[test]
    fn what_came_of_it_is_said_in_a_sentence() {
        let passed = errand(vec![("eu-west", ended(Outcome::Passed, None))]);
        assert_eq!(
            passed.deed(),
            "ran it in eu-west: passed in 312 ms; only scheduled runs end the incident"
        );
        let mut failure = Failure::new(FailureKind::Expectation, "expected 200, received 503");
        failure.step = Some("sign in".into());
        let several = errand(vec![
            ("ap", Stage::Untaken),
            ("eu", ended(Outcome::Failed, Some(failure))),
            ("us", Stage::Lost { agent: "two".into() }),
        ]);
        assert_eq!(
            several.deed(),
            "ran it in 3 regions: ap: not run, no agent took it within 30 s; eu: failed: step \
             \"sign in\": expected 200, received 503; us: lost, the agent two took it and did not say \
             what came of it; only scheduled runs end the incident"
        );
        assert!(several.is_over());
        let lost = || Failure::new(FailureKind::Network, "x".repeat(300));
        let legs = ["a", "b", "c"].map(|name| (name, ended(Outcome::Failed, Some(lost()))));
        let long = errand(legs.into()).deed();
        assert!(long.ends_with("; and 2 more; only scheduled runs end the incident"), "{long}");
        assert!(long.chars().count() < 500, "a message in Slack has room for it");
        assert!(!errand(vec![("eu", Stage::Asked { until: at(39) })]).is_over());
    }

    #[test]
    fn the_one_that_runs_it_by_the_schedule_goes_first() {
        assert!(may_take("one", Some("one"), at(0), at(0)));
        assert!(!may_take("two", Some("one"), at(0), at(4)));
        assert!(may_take("two", Some("one"), at(0), at(5)));
        assert!(may_take("two", None, at(0), at(0)));
    }

    #[test]
    fn its_run_is_that_of_no_slot_and_of_no_other_errand() {
        let (one, other) = (ErrandId(uuid::Uuid::from_u128(1)), ErrandId(uuid::Uuid::from_u128(2)));
        let slot = crate::domain::slot::Slot {
            check: CheckId::new("login").expect("a good name"),
            region: region("eu"),
            at: at(9),
        };
        let run = one.run_in(&region("eu"), at(9));
        assert_ne!(run, slot.run_id());
        assert_ne!(run, other.run_in(&region("eu"), at(9)));
        assert_ne!(run, one.run_in(&region("us"), at(9)));
        assert_eq!(run.0.as_u128() >> 80, slot.run_id().0.as_u128() >> 80, "of the same moment");
    }
}
