//! Attendance: whether anybody is there to run the checks of a region.
//!
//! Agents say regularly that they live. A region is lost when nothing was heard of any of its agents
//! for [`LOST_AFTER`], in all of which a hub listened: what nobody listened for was not silence.
//! Whether that is told, and to whom, is [`blindness::review`](super::blindness::review)'s.
//!
//! Must not: call a region lost of which no agent was ever heard.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use super::Timestamp;
use super::id::Region;

/// After so long a silence a region is lost. An agent that is only cut off tries again every 15
/// seconds at least, and one that is restarted is back sooner.
pub const LOST_AFTER: TimeDelta = TimeDelta::seconds(30);

/// An agent whose schedule is this far behind runs nothing, whatever it says: it is as good as lost.
pub const STALLED_AFTER: Duration = Duration::from_secs(30);

/// A hub that did not look for so long cannot say what was to be heard meanwhile: it stood still, or
/// could not store what it heard.
const BREAK: TimeDelta = TimeDelta::seconds(15);

/// What was last heard of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard<'a> {
    /// Its region.
    pub region: &'a Region,
    /// Its name.
    pub agent: &'a str,
    /// When.
    pub at: Timestamp,
    /// How it went, as far as that is known.
    pub farewell: Farewell,
}

/// How an agent that is not heard of any more went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// It was stopped in order.
    Stopped,
    /// It is there, and does not keep its schedule.
    Stalled,
    /// It said nothing.
    None,
}

/// A region that no agent serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// When an agent was last heard of.
    pub since: Timestamp,
    /// Which.
    pub agent: String,
    /// How it went.
    pub farewell: Farewell,
}

/// The time in which a hub has listened without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    since: Timestamp,
    until: Timestamp,
}

impl Listening {
    /// Begins at `now`.
    pub fn begun(now: Timestamp) -> Self {
        Self { since: now, until: now }
    }

    /// When it began.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When it was known last to go on.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Goes on at `now`; after a break, or when the clock was set back, it begins anew.
    #[must_use]
    pub fn going_on(self, now: Timestamp) -> Self {
        let unbroken = (self.until..=self.until + BREAK).contains(&now);
        if unbroken { Self { until: now, ..self } } else { Self::begun(now) }
    }
}

/// The regions of `agents` of which nothing was heard for long at `now`.
pub fn lost<'a>(
    agents: impl IntoIterator<Item = Heard<'a>>,
    listening: Listening,
    now: Timestamp,
) -> BTreeMap<Region, Lost> {
    let mut latest: BTreeMap<&Region, Heard<'a>> = BTreeMap::new();
    for mut heard in agents {
        if heard.at > now + LOST_AFTER {
            // By a clock that was set back since: when that was is not known any more.
            heard.at = listening.since;
        }
        let known = latest.entry(heard.region).or_insert(heard);
        if heard.at > known.at {
            *known = heard;
        }
    }
    let is_lost = |heard: &Heard<'_>| now - heard.at.max(listening.since) >= LOST_AFTER;
    let lost = latest.into_iter().filter(|(_, heard)| is_lost(heard));
    lost.map(|(region, Heard { agent, at, farewell, .. })| {
        (region.clone(), Lost { since: at, agent: agent.to_owned(), farewell })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        start + TimeDelta::seconds(second)
    }

    /// Listens every five seconds from `from` to `to`.
    fn listening(from: i64, to: i64) -> Listening {
        let steps = (from..=to).step_by(5).map(at);
        steps.fold(Listening::begun(at(from)), Listening::going_on)
    }

    /// The regions that are lost at `now`, with the agent that was heard of last.
    fn lost_at(now: i64, listening: Listening, heard: &[(&str, &str, i64)]) -> Vec<String> {
        let regions: Vec<Region> =
            heard.iter().map(|(region, ..)| Region::new(region).expect("a good name")).collect();
        let agents = heard.iter().zip(&regions).map(|((_, agent, seen), region)| Heard {
            region,
            agent,
            at: at(*seen),
            farewell: Farewell::None,
        });
        let lost = lost(agents, listening, at(now));
        lost.iter().map(|(region, lost)| format!("{region} {}", lost.agent)).collect()
    }

    #[test]
    fn a_region_is_lost_with_its_last_agent() {
        let heard = [("eu", "a", 100), ("eu", "b", 90), ("us", "a", 125)];
        assert!(lost_at(129, listening(0, 130), &heard).is_empty());
        assert_eq!(lost_at(130, listening(0, 130), &heard), ["eu a"]);
        assert_eq!(lost_at(155, listening(0, 155), &heard), ["eu a", "us a"]);
        assert!(lost_at(155, listening(0, 155), &[]).is_empty());
    }

    #[test]
    fn what_nobody_listened_for_is_no_silence() {
        let heard = [("eu", "a", 100)];
        // A hub that was started, one that stood still, and one whose clock was set back.
        let restarted = listening(3600, 3625);
        let thawed = listening(0, 100).going_on(at(3600));
        let set_back = listening(7200, 7300).going_on(at(3600));
        for listening in [restarted, thawed, set_back] {
            assert!(lost_at(3629, listening, &heard).is_empty(), "{listening:?}");
            assert_eq!(lost_at(3630, listening, &heard), ["eu a"], "{listening:?}");
        }
    }

    #[test]
    fn an_agent_that_was_heard_of_in_the_future_is_not_waited_for() {
        let heard = [("eu", "a", 7000), ("us", "b", 3610)];
        let listening = listening(3600, 3635);
        assert_eq!(lost_at(3635, listening, &heard), ["eu a"]);
    }
}
