//! Which of several revisions an agent follows.
//!
//! Hubs that share a store are given a new project one after the other, and for a while each says that
//! what it has is what is to be run. Revisions have no order; but what an agent has left for another
//! one is the older of the two, unless it is asked for again and again. Nothing here waits or asks.

use std::time::Duration;

use crate::clock::Stopwatch;

/// For how long a revision that was left is held to be the older one.
const LEFT_FOR: Duration = Duration::from_mins(10);
/// How often in a row it must be offered to be run again: somebody took the change back.
const INSISTS: u32 = 4;
/// How many are remembered.
const MOST_LEFT: usize = 16;

/// Which revisions were run of late.
#[derive(Debug, Default)]
pub(super) struct Course {
    left: Vec<(String, Stopwatch)>,
    /// The one that is offered in place of the present one, and how often it was.
    offered: Option<(String, u32)>,
}

/// What is to be done about a revision that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It is to be run.
    Take,
    /// The hub is to be asked again after a while; how often it was offered by now.
    Wait(u32),
}

impl Course {
    /// The hub has nothing else than what is run.
    pub(super) fn stay(&mut self) {
        self.offered = None;
    }

    /// A hub offers `revision` in place of the present one.
    pub(super) fn judge(&mut self, revision: &str) -> Offer {
        self.left.retain(|(_, since)| since.elapsed() < LEFT_FOR);
        if self.left.iter().all(|(left, _)| left != revision) {
            return Offer::Take;
        }
        let before = self.offered.take().filter(|(offered, _)| offered == revision);
        let times = before.map_or(1, |(_, times)| times + 1);
        if times >= INSISTS {
            return Offer::Take;
        }
        self.offered = Some((revision.to_owned(), times));
        Offer::Wait(times)
    }

    /// `revision` is run from now on, in place of `before`.
    pub(super) fn take(&mut self, revision: &str, before: Option<&str>) {
        self.offered = None;
        self.left.retain(|(left, _)| left != revision && Some(left.as_str()) != before);
        if let Some(before) = before {
            self.left.push((before.to_owned(), Stopwatch::start()));
            let surplus = self.left.len().saturating_sub(MOST_LEFT);
            self.left.drain(..surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_hubs_the_one_with_the_new_project_is_followed() {
        let mut course = Course::default();
        assert_eq!(course.judge("old"), Offer::Take);
        course.take("old", None);
        assert_eq!(course.judge("new"), Offer::Take, "what was never run is news");
        course.take("new", Some("old"));
        for _ in 0..20 {
            assert_eq!(course.judge("old"), Offer::Wait(1), "the hub that is behind");
            course.stay();
        }
        assert_eq!(course.judge("newer"), Offer::Take);
        course.take("newer", Some("new"));
        assert_eq!(course.judge("new"), Offer::Wait(1));
        assert_eq!(course.judge("old"), Offer::Wait(1), "another one that is behind");
    }

    #[test]
    fn a_change_that_is_taken_back_is_followed_when_no_hub_has_it_any_more() {
        let mut course = Course::default();
        course.take("new", Some("old"));
        let offers: Vec<Offer> = (0..4).map(|_| course.judge("old")).collect();
        assert_eq!(offers, [Offer::Wait(1), Offer::Wait(2), Offer::Wait(3), Offer::Take]);
        course.take("old", Some("new"));
        assert_eq!(course.judge("new"), Offer::Wait(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut course = Course::default();
        for number in 0..100 {
            course.take(&format!("{}", number + 1), Some(&number.to_string()));
        }
        assert_eq!(course.left.len(), MOST_LEFT);
        assert_eq!(course.judge("99"), Offer::Wait(1));
    }
}
