//! Keeps reports until the hub has them: on disk, or, where the disk does not take them, by handing
//! them over at once.
//!
//! What neither takes within about a minute is gone, counted and told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore, watch};

use super::{jitter, with_cause};
use crate::agent;
use crate::clock::Stopwatch;
use crate::domain::backoff::Backoff;
use crate::domain::run::Report;
use crate::link::client::Client;
use crate::link::spool::{Spool, written};

/// How often a report is tried to be kept; with the waits for the hub it takes about a minute.
const TRIES: u32 = 12;
const RETRY: Backoff = Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) };
/// How many reports are handed over at a time while the disk takes none.
const AT_ONCE: usize = 8;
/// How long a report waits for its turn, and then for the hub. Reports wait in memory meanwhile.
const TURN_WITHIN: Duration = Duration::from_secs(1);
const HUB_WITHIN: Duration = Duration::from_secs(5);
/// How long a hub that did not answer is left alone.
const REST: Duration = Duration::from_secs(5);
/// What is gone is told at most this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Keeps reports until the hub has them.
pub(super) struct Keeper {
    spool: Arc<Spool>,
    spooled: Arc<Notify>,
    hub: Hub,
    trouble: Arc<Trouble>,
}

/// The way to the hub past the spool.
pub(super) struct Hub {
    client: Arc<Client>,
    /// The agent's name.
    name: String,
    /// Whether the hub knows it.
    registered: watch::Receiver<bool>,
    turns: Semaphore,
    /// When it last did not answer.
    rests: Mutex<Option<Stopwatch>>,
}

/// Why reports are not kept on disk at the moment.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reason: Option<String>,
    /// How many reports are gone since that was told.
    untold: u64,
    told: Option<Stopwatch>,
}

impl Keeper {
    pub(super) fn new(
        spool: &Arc<Spool>,
        spooled: &Arc<Notify>,
        hub: Hub,
        trouble: &Arc<Trouble>,
    ) -> Self {
        let (spool, spooled) = (Arc::clone(spool), Arc::clone(spooled));
        Self { spool, spooled, hub, trouble: Arc::clone(trouble) }
    }
}

#[async_trait]
impl agent::Hub for Keeper {
    async fn deliver(&self, report: Report) {
        for failures in 1..=TRIES {
            match self.spool.push(&report).await {
                Ok(()) => {
                    self.trouble.end();
                    return self.spooled.notify_one();
                }
                Err(error) => self.trouble.note(with_cause(&error)),
            }
            if self.hub.takes(&report).await {
                return;
            }
            tokio::time::sleep(RETRY.after(failures, jitter())).await;
        }
        self.spool.note_unkept(&report).await;
        self.trouble.note_gone(&report);
    }
}

impl Hub {
    pub(super) fn new(client: &Arc<Client>, name: &str, registered: watch::Receiver<bool>) -> Self {
        let (client, name, turns) = (Arc::clone(client), name.to_owned(), Semaphore::new(AT_ONCE));
        Self { client, name, registered, turns, rests: Mutex::default() }
    }

    /// Hands a report over; whether the hub has dealt with it.
    async fn takes(&self, report: &Report) -> bool {
        let turn = tokio::time::timeout(TURN_WITHIN, self.turns.acquire()).await;
        if !matches!(turn, Ok(Ok(_))) || !*self.registered.borrow() || self.is_resting() {
            return false;
        }
        let reports = [written(report)];
        let asked = self.client.reports(&self.name, &reports);
        let Ok(Ok(verdict)) = tokio::time::timeout(HUB_WITHIN, asked).await else {
            *self.rests() = Some(Stopwatch::start());
            return false;
        };
        if let Some(refused) = verdict.refused.first() {
            let (check, slot) = (report.slot.check.as_str(), report.slot.at.to_string());
            let reason = refused.reason.as_str();
            tracing::warn!(check, slot, reason, "the hub refused a report for good");
        }
        verdict.later.is_empty()
    }

    fn is_resting(&self) -> bool {
        self.rests().as_ref().is_some_and(|since| since.elapsed() < REST)
    }

    fn rests(&self) -> MutexGuard<'_, Option<Stopwatch>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// Why reports are not kept on disk; `None` while they are.
    pub(super) fn reason(&self) -> Option<String> {
        self.state().reason.clone()
    }

    /// A report was not taken; said once.
    fn note(&self, reason: String) {
        let mut state = self.state();
        if state.reason.is_none() {
            tracing::error!(
                event.action = "disk-fails",
                reason,
                "the disk does not take reports; they are handed to the hub at once, or lost where \
                 that cannot be reached within a minute"
            );
        }
        state.reason = Some(reason);
    }

    /// A report was taken.
    fn end(&self) {
        let mut state = self.state();
        if state.reason.take().is_some() {
            state.tell();
            tracing::info!(event.action = "disk-works", "the disk takes reports again");
        }
    }

    /// A report is gone for good.
    fn note_gone(&self, report: &Report) {
        let (check, slot) = (report.slot.check.as_str(), report.slot.at.to_string());
        tracing::debug!(check, slot, "a report is lost");
        let mut state = self.state();
        state.untold += 1;
        if state.told.as_ref().is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            state.tell();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self) {
        if self.untold > 0 {
            tracing::error!(
                event.action = "reports-lost",
                reports = self.untold,
                "reports are lost: the disk did not take them, and neither did the hub"
            );
            (self.untold, self.told) = (0, Some(Stopwatch::start()));
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;
    use crate::agent::Hub as _;
    use crate::domain::check::Check;
    use crate::domain::run::Trace;
    use crate::domain::slot::Slot;
    use crate::link::client::{Route, hub_address};
    use crate::link::token::Token;

    fn report() -> Report {
        let (check, at) = (Check::example("shop"), "2026-11-21T04:12:31Z".parse());
        let at = at.expect("a time");
        let slot = Slot { check: check.id, region: check.regions[0].clone(), at };
        Report {
            slot,
            started_at: at,
            duration: Duration::from_millis(5),
            failure: None,
            trace: Trace::default(),
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_neither_disk_nor_hub_takes_is_counted() {
        // The runtime's clock jumps when all is idle; the disk has a thread of its own.
        rustls::crypto::ring::default_provider().install_default().ok();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("spool.db");
        let spool = Arc::new(Spool::open(&file, 1 << 20).await.expect("a spool"));
        let token = Token::generate().expect("random numbers");
        let base = hub_address("http://127.0.0.1:9").expect("an address");
        let client = Client::new(base, token, &Route::default()).expect("a client");
        let (_known, registered) = watch::channel(false);
        let hub = Hub::new(&Arc::new(client), "one", registered);
        let (spooled, trouble) = (Arc::new(Notify::new()), Arc::new(Trouble::default()));
        let keeper = Keeper::new(&spool, &spooled, hub, &trouble);
        let url = format!("sqlite:{}", file.display());
        let mut aside = SqliteConnection::connect(&url).await.expect("opened");
        let mut run = async |sql: &'static str| {
            sqlx::raw_sql(sql).execute(&mut aside).await.expect("done");
        };

        run("ALTER TABLE reports RENAME TO gone").await;
        keeper.deliver(report()).await;
        assert!(trouble.reason().is_some_and(|reason| reason.contains("reports")));
        assert_eq!(spool.last_state().await.thinned, 1, "counted though the disk takes nothing");

        run("ALTER TABLE gone RENAME TO reports").await;
        keeper.deliver(report()).await;
        assert_eq!(trouble.reason(), None);
        let again = Spool::open(&file, 1 << 20).await.expect("a spool");
        let state = again.state().await.expect("known");
        assert_eq!((state.reports, state.thinned), (1, 1), "and on disk as soon as it does");
    }
}
