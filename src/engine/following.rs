//! Following: asks providers how the messages fare that they took.
//!
//! A provider that can reach the hub tells by itself ([`super::answers`]); it is asked only where it has
//! said nothing for a while. One that cannot is asked soon, and then less and less often.
//!
//! Must not: decide what a word means; that is [`proof`]'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::proof;
use crate::notify::{Inquiry, Transport};
use crate::store::Error;
use crate::store::succession::{Following, Heard, Unproven};

/// So long a provider that tells by itself may say nothing.
const PATIENCE: Duration = Duration::from_mins(2);
/// One looks so often what there is to ask.
const PAUSE: Duration = Duration::from_secs(1);
/// So many are asked about at once.
const AT_ONCE: u32 = 8;
/// A question that has no answer by then is asked again; longer than a transport takes.
const AGAIN: Duration = Duration::from_secs(15);

/// What a follower works with.
#[derive(Debug)]
pub struct Follower {
    /// Where the messages stand.
    pub store: Arc<dyn Following>,
    /// Who is asked.
    pub transport: Arc<dyn Transport>,
    /// When.
    pub clock: Arc<dyn Clock>,
    /// Whether the provider tells by itself.
    pub is_told: Arc<AtomicBool>,
    /// Woken when a message turns out not to have arrived.
    pub given_up: Arc<Notify>,
}

impl Follower {
    /// Asks about all that is due at `now`, a few at a time.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was not noted is asked again.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        let patience = if self.is_told.load(Ordering::Relaxed) { PATIENCE } else { Duration::ZERO };
        let unproven = self.store.claim_unproven(now, now - patience, now + AGAIN, AT_ONCE).await?;
        let asked = unproven.iter().map(|message| self.ask(message, now));
        join_all(asked).await.into_iter().collect()
    }

    async fn ask(&self, message: &Unproven, now: Timestamp) -> Result<(), Error> {
        let Unproven { receipt, taken_at, last } = message;
        let last = match self.transport.ask(receipt).await {
            Inquiry::Told(word) => {
                let word = proof::judged(word, *taken_at, now);
                if self.store.hear(receipt, word, now).await? == Heard::GivenUp {
                    self.given_up.notify_one();
                }
                Some(word.status)
            }
            Inquiry::Untold(reason) => {
                tracing::debug!(receipt, reason, "a provider did not say how a message fares");
                *last
            }
        };
        self.store.ask_next(receipt, proof::asked_again(last, *taken_at, now)).await
    }

    /// Goes on until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        let mut failing = false;
        while timeout(PAUSE, halt.asked()).await.is_err() {
            match self.tick(self.clock.now()).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "it is not known how messages fare; asked again");
                    }
                }
            }
        }
    }
}
