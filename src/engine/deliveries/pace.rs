//! How fast messages follow each other to one recipient.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::domain::policy::Recipient;

/// A bound on how fast one recipient is sent messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One message per this long in the long run.
    pub every: Duration,
    /// So many may go at once after a quiet time; at least 1.
    pub burst: u32,
}

/// Whose turn is when: the generic cell rate algorithm (ITU-T I.371, annex A), one cell stream per
/// recipient.
#[derive(Debug)]
pub(super) struct Paces {
    rate: Option<Rate>,
    /// By recipient, when the messages so far would have gone at the even rate.
    even: HashMap<Recipient, Timestamp>,
}

impl Paces {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, even: HashMap::new() }
    }

    /// How long the next message to `recipient` has to wait at `now`; takes its turn.
    pub(super) fn turn(&mut self, recipient: &Recipient, now: Timestamp) -> Duration {
        let Some(Rate { every, burst }) = self.rate else {
            return Duration::ZERO;
        };
        self.even.retain(|_, even| *even > now);
        let ahead = self.even.get(recipient).map_or(TimeDelta::zero(), |even| *even - now);
        // A clock that is set back must not hold a message longer than this.
        let ahead = ahead.to_std().unwrap_or_default().min(every * burst);
        self.even.insert(recipient.clone(), now + ahead + every);
        ahead.saturating_sub(every * burst.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(channel: &str) -> Recipient {
        Recipient::Slack(channel.into())
    }

    #[test]
    fn the_first_go_at_once_and_the_rest_evenly() {
        let second = Duration::from_secs(1);
        let mut paces = Paces::new(Some(Rate { every: second, burst: 3 }));
        let mut now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let mut waits = Vec::new();
        for _ in 0..6 {
            let wait = paces.turn(&slack("#p2"), now);
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 1, 1, 1]);
        assert_eq!(paces.turn(&slack("#p1"), now), Duration::ZERO, "others do not wait");
        now += Duration::from_mins(1);
        assert_eq!(paces.turn(&slack("#p2"), now), Duration::ZERO);
        assert_eq!(paces.even.len(), 1, "those who are quiet are forgotten");
    }

    #[test]
    fn a_clock_set_back_holds_nobody_long() {
        let second = Duration::from_secs(1);
        let mut paces = Paces::new(Some(Rate { every: second, burst: 3 }));
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        paces.turn(&slack("#p2"), now + TimeDelta::hours(1));
        assert_eq!(paces.turn(&slack("#p2"), now), second);
    }
}
