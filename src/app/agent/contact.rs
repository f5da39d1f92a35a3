//! What is known of the way to the hub.

use std::path::Path;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::link::protocol::{HUB_LAG_WARNING, HubLags};

/// What is known of the way to the hub.
#[derive(Debug, Default)]
pub(super) struct Contact {
    /// When the hub last answered well.
    pub(super) last: Option<Timestamp>,
    /// Why it did not since.
    pub(super) trouble: Option<String>,
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
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        if self.trouble.take().is_some() {
            tracing::info!("the hub answers again");
        }
        self.last = Some(now);
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
    pub(super) fn failed(&mut self, why: &str) {
        if self.trouble.is_none() {
            tracing::warn!(
                reason = why,
                "no good answer from the hub; checks go on, and their reports are kept"
            );
        }
        self.trouble = Some(why.to_owned());
    }
}
