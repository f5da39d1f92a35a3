//! Succession: has others told of what did not arrive.
//!
//! The store keeps what was given up until it is decided who is told instead. This asks it, has
//! [`heirs`] decide by the project in force, and wakes those who send. Whatever gave a message up, be it a
//! lane, a lost lease or a provider's word, ends here; a wake-up that is lost costs a second, and a crash
//! nothing. Hubs that share a store may all ask: what one has decided is decided.
//!
//! Must not: decide who is told, or send anything.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::domain::path::Path;
use crate::domain::policy::Roster;
use crate::domain::succession::{Case, Heirs, Order, heirs};
use crate::store::Error;
use crate::store::succession::{Chooser, Following, Succeeded};

/// So many are decided at once.
const AT_ONCE: u32 = 50;
/// The store is asked at least this often, woken or not.
const POLL: Duration = Duration::from_secs(1);

/// Who there is, and in which order they are tried.
#[derive(Debug, Clone, Default)]
pub struct InForce {
    /// People, teams and rotas.
    pub roster: Roster,
    /// The order.
    pub order: Order,
}

impl Chooser for InForce {
    fn choose(&self, case: &Case<'_>, now: Timestamp) -> Heirs {
        heirs(&self.roster, &self.order, case, now)
    }
}

/// What succession works with.
pub struct Succession {
    /// Where what was given up stands.
    pub store: Arc<dyn Following>,
    /// By which rules it is decided.
    pub in_force: Arc<ArcSwap<InForce>>,
    /// When it is decided.
    pub clock: Arc<dyn Clock>,
    /// Wakes those who send.
    pub send: Box<dyn Fn() + Send + Sync>,
    /// Wakes this when something was given up.
    pub given_up: Arc<Notify>,
}

impl std::fmt::Debug for Succession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Succession").finish_non_exhaustive()
    }
}

impl Succession {
    /// Has all decided that waits for it at `now`.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; what was decided before stays so.
    pub async fn tick(&self, now: Timestamp) -> Result<(), Error> {
        loop {
            let in_force = self.in_force.load_full();
            let decided = self.store.succeed(&*in_force, AT_ONCE, now).await?;
            decided.iter().for_each(tell);
            if decided.iter().any(|it| !it.heirs.recipients.is_empty()) {
                (self.send)();
            }
            if decided.len() < usize::try_from(AT_ONCE).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    /// Goes on until `halt` is asked for.
    pub async fn run(self, halt: Halt) {
        let mut failing = false;
        for broken in self.store.broken().await.unwrap_or_default() {
            let channel = broken.path.as_str();
            tracing::error!(
                event.action = "channel-broken",
                channel,
                "the credentials of this channel were refused when it was last tried"
            );
        }
        while !halt.is_asked() {
            match self.tick(self.clock.now()).await {
                Ok(()) => failing = false,
                // Said once; whoever stores results says why.
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "nobody was told instead of others yet; tried again");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = halt.asked() => {}
                () = self.given_up.notified(), if !failing => {}
                () = sleep(POLL) => {}
            }
        }
    }
}

fn tell(decided: &Succeeded) {
    let Succeeded { notification, heirs, finds_it_broken, is_news } = decided;
    let (incident, sentence) = (notification.incident, heirs.sentence.as_str());
    if *finds_it_broken {
        let path = Path::of_credentials(&notification.recipient);
        let channel = path.as_str();
        tracing::error!(
            event.action = "channel-broken",
            channel,
            "NOTHING CAN BE SENT BY THIS CHANNEL until somebody sets its credentials right"
        );
    }
    if !is_news {
        return;
    }
    if heirs.is_tried_on {
        tracing::error!(event.action = "message-tried-on", %incident, "{sentence}");
    } else if heirs.is_lost {
        tracing::error!(event.action = "message-lost", %incident, "{sentence}");
    } else {
        tracing::warn!(event.action = "told-instead", %incident, "{sentence}");
    }
}
