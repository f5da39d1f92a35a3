//! What is known of the way to the hub.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::link::protocol::{HUB_LAG_WARNING, HubLags};

/// What the hub is asked for. One can fail while the others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// To hear that this agent lives.
    Heartbeats,
    /// What is to be run.
    Assignments,
    /// To take reports.
    Reports,
}

/// What is known of the way to the hub.
#[derive(Debug, Default)]
pub(super) struct Contact {
    /// When the hub last answered well.
    pub(super) last: Option<Timestamp>,
    /// Why it did not since, by what it was asked for.
    troubles: BTreeMap<Way, String>,
    /// By how much our clock is ahead, in microseconds.
    pub(super) skew_us: Option<i64>,
    /// How long the last heartbeat took, there and back.
    pub(super) round_trip: Duration,
    /// How far the hub's own loops were behind when it last answered, as far as it says.
    pub(super) hub_lags: Option<HubLags>,
    /// Why the hub last did not take reports yet, as far as it says.
    pub(super) later: Option<String>,
    /// That another agent has the name of this one, in the hub's words.
    pub(super) contest: Option<String>,
    /// Until when the token is good, where another took its place.
    pub(super) token_good_until: Option<Timestamp>,
}

impl Contact {
    /// The hub answered well.
    pub(super) fn succeeded(&mut self, way: Way, now: Timestamp) {
        self.last = Some(now);
        self.relieve(way);
    }

    /// There is nothing any more that it could be asked for in vain.
    pub(super) fn relieve(&mut self, way: Way) {
        if self.troubles.remove(&way).is_some() && self.troubles.is_empty() {
            tracing::info!("the hub answers again");
        }
    }

    /// Why it does not answer well, if it does not.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.troubles.values().next().map(String::as_str)
    }

    /// Notes how far the hub says that its loops are behind; says once when that is too far.
    pub(super) fn note_lags(&mut self, lags: Option<HubLags>) {
        let is_behind = |lags: &HubLags| lags.worst().1 > HUB_LAG_WARNING;
        let was_behind = self.hub_lags.as_ref().is_some_and(is_behind);
        match lags.as_ref().filter(|lags| is_behind(lags)) {
            Some(lags) if !was_behind => {
                let (part, lag) = lags.worst();
                tracing::warn!(
                    event.action = "hub-behind",
                    lag_s = lag.as_secs(),
                    "the hub answers and does not keep up: {part} is behind"
                );
            }
            None if was_behind => {
                tracing::info!(event.action = "hub-back", "the hub keeps up again");
            }
            _ => {}
        }
        self.hub_lags = lags;
    }

    /// Notes until when the token is good; says once that there is another.
    pub(super) fn note_token(&mut self, until: Option<Timestamp>, file: &Path) {
        if let Some(until) = until
            && self.token_good_until.is_none()
        {
            tracing::warn!(
                event.action = "token-replaced",
                file = %file.display(),
                %until,
                "the token was replaced by another, which belongs into this file; this one is good \
                 until then"
            );
        }
        self.token_good_until = until;
    }

    /// It did not.
    pub(super) fn failed(&mut self, way: Way, why: &str) {
        if self.troubles.insert(way, why.to_owned()).is_none() {
            tracing::warn!(
                reason = why,
                "{}; checks go on, and their reports are kept",
                match way {
                    Way::Heartbeats => "no good answer from the hub",
                    Way::Assignments => "the hub does not say what is to be run",
                    Way::Reports => "the hub takes no reports",
                }
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_refuses_is_not_forgotten_because_it_hears_that_the_agent_lives() {
        let (mut contact, now) = (Contact::default(), Timestamp::UNIX_EPOCH);
        contact.succeeded(Way::Heartbeats, now);
        contact.failed(Way::Reports, "the disk is full");
        contact.succeeded(Way::Heartbeats, now);
        contact.succeeded(Way::Assignments, now);
        assert_eq!(contact.trouble(), Some("the disk is full"));
        contact.succeeded(Way::Reports, now);
        assert_eq!(contact.trouble(), None);
    }
}
