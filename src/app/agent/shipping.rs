//! Brings reports from the spool to the hub, in order; removes them when the hub has them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::contact::Way;
use super::handing::{Batches, Handed};
use super::{RETRY, Shared, jitter, with_cause};
use crate::link::client::Error;
use crate::link::spool;

/// The largest batch, in bytes, unless one report alone is larger.
const LARGEST: usize = 1 << 20;
/// How long a report waits for company.
const GATHER: Duration = Duration::from_millis(50);

/// How long a report is kept back that the hub wants later.
const LATER: Duration = Duration::from_secs(30);

/// What came of one batch.
enum Shipped {
    /// The hub has dealt with it.
    Some,
    /// There was nothing.
    Nothing,
}

/// Why a batch is still here.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Hub(#[from] Error),
    #[error("{}", with_cause(.0))]
    Spool(#[from] spool::Error),
}

/// Brings reports for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>) {
    let (mut failures, mut batches) = (0, Batches::default());
    let mut again = tokio::time::interval(LATER);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut registered = shared.registered.subscribe();
        if registered.wait_for(|known| *known).await.is_err() {
            return;
        }
        match ship(&shared, &mut batches).await {
            Ok(shipped) => {
                failures = 0;
                if let Shipped::Nothing = shipped {
                    tokio::select! {
                        () = shared.spooled.notified() => tokio::time::sleep(GATHER).await,
                        _ = again.tick() => offer_again(&shared).await,
                    }
                }
            }
            Err(error) => {
                failures += 1;
                match error {
                    Stuck::Hub(error) => shared.contact().failed(Way::Reports, &error.to_string()),
                    Stuck::Spool(error) => {
                        let error = with_cause(&error);
                        tracing::error!(error, "the spool does not work");
                    }
                }
                tokio::time::sleep(RETRY.after(failures, jitter())).await;
            }
        }
    }
}

/// Brings what the hub wanted later before anything else.
async fn offer_again(shared: &Shared) {
    match shared.spool.offer_again().await {
        Ok(0) => {}
        Ok(reports) => {
            let reason = shared.contact().later.take();
            let reason = reason.unwrap_or_else(|| "the hub does not say why".to_owned());
            tracing::warn!(
                reports,
                reason,
                "the hub cannot take some reports yet; they are kept and offered again"
            );
        }
        Err(error) => tracing::error!(error = with_cause(&error), "the spool does not work"),
    }
}

/// Brings all that is there, until the first failure.
pub(super) async fn drain(shared: &Shared) {
    let mut batches = Batches::default();
    while *shared.registered.borrow()
        && matches!(ship(shared, &mut batches).await, Ok(Shipped::Some))
    {}
}

/// Brings one batch.
async fn ship(shared: &Shared, batches: &mut Batches) -> Result<Shipped, Stuck> {
    let oldest = shared.spool.oldest(batches.most(), LARGEST).await?;
    if oldest.reports.is_empty() {
        shared.contact().relieve(Way::Reports);
        return Ok(Shipped::Nothing);
    }
    let agent = (&*shared.client, shared.name.as_str());
    let later = match batches.hand_over(agent, &oldest.reports, &shared.spool).await? {
        Handed::Taken(verdict) => {
            let mut contact = shared.contact();
            contact.succeeded(Way::Reports, shared.clock.now());
            if !verdict.later.is_empty() {
                contact.later = verdict.later_reason;
            }
            verdict.later
        }
        Handed::Halved => return Ok(Shipped::Some),
        Handed::Dropped => Vec::new(),
    };
    shared.spool.remove(&oldest, &later).await?;
    Ok(Shipped::Some)
}
