//! The heartbeat of this hub: whether everything works is asked from time to time, and somebody elsewhere
//! is told that it does, or nothing.
//!
//! Of hubs that share a store, the one that holds the lease on it sends. To take that is a write, so a store
//! that takes none keeps the heartbeat back.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::time::timeout;

use super::daemon::StartError;
use crate::clock::{Clock, Halt};
use crate::config::Settings;
use crate::domain::heartbeat::{News, Record, Signs};
use crate::engine::turns::Turns;
use crate::http::{Api, health};
use crate::notify::heartbeat::Heartbeat;
use crate::store::{Error, Ledger, RENEWAL};

/// The name of the lease.
const PART: &str = "heartbeat";
/// So long after its start a hub is asked whether everything works.
const SETTLED: Duration = Duration::from_secs(3);

/// Where it goes, and how often.
#[derive(Debug)]
pub(super) struct Beat {
    to: Heartbeat,
    every: Duration,
}

impl Beat {
    /// What a project says; nothing where nobody is told.
    pub(super) fn of(settings: &Settings) -> Result<Option<Arc<Self>>, StartError> {
        let Some(heartbeat) = &settings.heartbeat else { return Ok(None) };
        let to = Heartbeat::new(heartbeat.url.expose());
        let to = to.map_err(|source| StartError::Channel { channel: "heartbeat", source })?;
        Ok(Some(Arc::new(Self { to, every: heartbeat.every })))
    }
}

/// The heartbeat, which a reload can exchange.
#[derive(Debug, Clone)]
pub(super) struct Heart {
    beat: Arc<ArcSwapOption<Beat>>,
    record: Arc<ArcSwap<Option<Record>>>,
}

impl Heart {
    /// One that does not beat yet.
    pub(super) fn new(beat: Option<Arc<Beat>>) -> Self {
        let heart = Self { beat: Arc::default(), record: Arc::default() };
        heart.replace(beat);
        heart
    }

    /// Goes there from now on.
    pub(super) fn replace(&self, beat: Option<Arc<Beat>>) {
        let record = beat.as_ref().map(|_| Record::default());
        if self.record.load().is_some() != record.is_some() {
            self.record.store(Arc::new(record));
        }
        self.beat.store(beat);
    }

    /// What became of it; `None` where nobody is told.
    pub(super) fn record(&self) -> Arc<ArcSwap<Option<Record>>> {
        Arc::clone(&self.record)
    }

    /// Beats until `halt` is asked for; `api` knows whether everything works.
    pub(super) async fn run(
        self,
        (store, clock): (Arc<dyn Ledger>, Arc<dyn Clock>),
        api: Api,
        halt: Halt,
    ) {
        let mut turns = Turns::new((&store, &clock), PART);
        // Agents say that they are there first.
        if timeout(SETTLED, halt.asked()).await.is_ok() {
            return;
        }
        loop {
            let beat = self.beat.load_full();
            let pause = match &beat {
                Some(beat) => {
                    let before = self.record.load_full().as_ref().clone().unwrap_or_default();
                    if let Some(now) = beat_once(&mut turns, beat, &before, &store, &api).await {
                        tell(&now, &before);
                        self.record.store(Arc::new(Some(now)));
                    }
                    beat.every.min(RENEWAL)
                }
                None => RENEWAL,
            };
            if timeout(pause, halt.asked()).await.is_ok() {
                return turns.leave().await;
            }
        }
    }
}

/// What became of a heartbeat, if it was time for one.
async fn beat_once(
    turns: &mut Turns,
    beat: &Beat,
    before: &Record,
    store: &Arc<dyn Ledger>,
    api: &Api,
) -> Option<Record> {
    let signs = match turns.is_due(beat.every).await {
        Ok(true) => signs(store, api).await,
        Ok(false) if turns.is_held() => return None,
        Ok(false) => {
            return Some(Record { is_elsewhere: true, last: before.last, ..Record::default() });
        }
        Err(error) => Err(error),
    };
    let withheld = match signs {
        Ok(signs) => signs.reasons(),
        Err(error) => vec![format!("the store does not take what is written: {error}")],
    };
    let mut now = Record { last: before.last, withheld, ..Record::default() };
    if now.withheld.is_empty() {
        match beat.to.send().await {
            Ok(()) => now.last = Some(api.clock.now()),
            Err(reason) => now.failure = Some(reason),
        }
    }
    turns.done();
    Some(now)
}

async fn signs(store: &Arc<dyn Ledger>, api: &Api) -> Result<Signs, Error> {
    let now = api.clock.now();
    let agents = store.agents().await?;
    let lives = agents.iter().filter(|it| it.is_heard(now) && !it.is_stalled());
    let (agents, broken) = (lives.count(), store.broken().await?);
    let broken = api.drills.in_force.load().terms.broken_in_use(&broken).cloned().collect();
    Ok(Signs { unwell: health::unwell(api).await, broken, agents })
}

/// Says what is new.
fn tell(now: &Record, before: &Record) {
    match now.news_after(before) {
        Some(News::Withheld) => {
            let reasons = now.withheld.join("; ");
            tracing::error!(
                event.action = "heartbeat-withheld",
                reasons,
                "the heartbeat is withheld, so that others learn that something is wrong"
            );
        }
        Some(News::NotTaken) => {
            let reason = now.failure.as_deref().unwrap_or_default();
            tracing::warn!(
                event.action = "heartbeat-failed",
                reason,
                "the heartbeat was not taken"
            );
        }
        Some(News::Taken) => {
            tracing::info!(event.action = "heartbeat-taken", "the heartbeat is taken again");
        }
        None => {}
    }
}
