//! Brings reports from the spool to the hub, in order; removes them when the hub has them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{RETRY, Shared, jitter, with_cause};
use crate::link::client::Error;
use crate::link::protocol::MOST_REPORTS;
use crate::link::spool::{self, Oldest};

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
    let (mut failures, mut most) = (0, MOST_REPORTS);
    let mut again = tokio::time::interval(LATER);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut registered = shared.registered.subscribe();
        if registered.wait_for(|known| *known).await.is_err() {
            return;
        }
        match ship(&shared, &mut most).await {
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
                    Stuck::Hub(error) => shared.contact().failed(&error.to_string()),
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
    let mut most = MOST_REPORTS;
    while *shared.registered.borrow() && matches!(ship(shared, &mut most).await, Ok(Shipped::Some))
    {
    }
}

/// Brings one batch of at most `most` reports.
async fn ship(shared: &Shared, most: &mut usize) -> Result<Shipped, Stuck> {
    let oldest = shared.spool.oldest(*most, LARGEST).await?;
    if oldest.reports.is_empty() {
        return Ok(Shipped::Nothing);
    }
    let later = match shared.client.reports(&shared.name, &oldest.reports).await {
        Ok(verdict) => {
            for refused in verdict.refused {
                let report = shown(&oldest, refused.index);
                tracing::warn!(
                    report,
                    reason = refused.reason,
                    "the hub refused a report for good"
                );
            }
            let mut contact = shared.contact();
            contact.succeeded(shared.clock.now());
            if !verdict.later.is_empty() {
                contact.later = verdict.later_reason;
            }
            verdict.later
        }
        // Something in it cannot be taken; which, the halves will show.
        Err(error) if matches!(error.status(), Some(400 | 413 | 422)) => {
            if oldest.reports.len() > 1 {
                *most = oldest.reports.len() / 2;
                return Ok(Shipped::Some);
            }
            let report = shown(&oldest, 0);
            tracing::error!(report, %error, "a report cannot be handed over and is dropped");
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    shared.spool.remove(&oldest, &later).await?;
    *most = MOST_REPORTS;
    Ok(Shipped::Some)
}

/// Which report it is: the beginning of its text names check, region and time.
fn shown(oldest: &Oldest, index: usize) -> String {
    oldest.reports.get(index).map_or_else(String::new, |text| text.chars().take(160).collect())
}
