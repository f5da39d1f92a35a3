//! Keeps reports until the hub has them: on disk, or, where the disk does not take them, by handing
//! them over at once.
//!
//! Both take them in the order in which they came. What neither takes waits in memory, within a bound;
//! what there is no room for is gone, counted and told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::handing::{Batches, Handed};
use super::line::{Line, Waiting};
use super::{jitter, with_cause};
use crate::agent;
use crate::clock::Stopwatch;
use crate::domain::backoff::Backoff;
use crate::domain::run::Report;
use crate::failpoint::{self, Failpoint};
use crate::link::client::Client;
use crate::link::protocol::Verdict;
use crate::link::spool::{Spool, Written};

/// The most that waits in memory, in bytes; less where the spool may hold less.
const MOST_IN_MEMORY: usize = 64 << 20;
/// Waits between attempts while neither disk nor hub takes anything.
const RETRY: Backoff = Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(5) };
/// The largest batch for the hub, in bytes, unless one report alone is larger.
const LARGEST: usize = 1 << 20;
/// How long the hub may take.
const HUB_WITHIN: Duration = Duration::from_secs(5);
/// How long a hub that did not answer is left alone, and how long reports that it wants later.
const REST: Duration = Duration::from_secs(5);
/// What is gone is told at most this often.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Keeps reports until the hub has them.
pub(super) struct Keeper {
    desk: Arc<Desk>,
    _work: AbortOnDropHandle<()>,
}

/// Where reports are dealt with, one after the other.
struct Desk {
    spool: Arc<Spool>,
    spooled: Arc<Notify>,
    line: Arc<Line>,
    arrived: Notify,
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
    /// When it last did not answer.
    rests: Mutex<Option<Stopwatch>>,
}

/// What came of reports that were handed over.
enum Answer {
    /// The hub has dealt with the first, and wants the others later.
    Taken(Vec<Waiting>, Vec<Waiting>),
    /// Something in them cannot be taken; which, the halves will show.
    Refused(Vec<Waiting>),
    /// There was no answer.
    None(Vec<Waiting>),
}

/// Why reports are not kept on disk at the moment.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reason: Option<String>,
    /// How many reports are gone since that was told.
    untold: usize,
    told: Option<Stopwatch>,
}

/// A line for what a spool of `spool_limit` bytes does not take.
pub(super) fn line(spool_limit: u64) -> Arc<Line> {
    let limit = usize::try_from(spool_limit).unwrap_or(usize::MAX);
    Arc::new(Line::new(limit.min(MOST_IN_MEMORY)))
}

impl Keeper {
    /// Keeps what comes, until this is dropped.
    pub(super) fn start(
        (spool, spooled): (&Arc<Spool>, &Arc<Notify>),
        line: &Arc<Line>,
        hub: Hub,
        trouble: &Arc<Trouble>,
    ) -> Self {
        let (spool, spooled, line) = (Arc::clone(spool), Arc::clone(spooled), Arc::clone(line));
        let (trouble, arrived) = (Arc::clone(trouble), Notify::new());
        let desk = Arc::new(Desk { spool, spooled, line, arrived, hub, trouble });
        let work = tokio::spawn(Arc::clone(&desk).work());
        Self { desk, _work: AbortOnDropHandle::new(work) }
    }
}

#[async_trait]
impl agent::Hub for Keeper {
    async fn deliver(&self, report: Report) {
        let desk = &self.desk;
        let brought = desk.line.join(Written::from(&report));
        drop(report);
        desk.arrived.notify_one();
        if !brought.gone.is_empty() {
            desk.trouble.note_gone(brought.gone.len());
            for gone in &brought.gone {
                desk.spool.note_unkept(gone).await;
            }
        }
        // It ends without a word.
        let _ = brought.done.await;
    }
}

impl Desk {
    /// Keeps what comes for as long as it is polled.
    async fn work(self: Arc<Self>) {
        let (mut failures, mut batches) = (0, Batches::default());
        loop {
            let Some(first) = self.line.take_first() else {
                failures = 0;
                self.arrived.notified().await;
                continue;
            };
            match self.spool.push(&first.report).await {
                Ok(()) => {
                    failpoint::reach(Failpoint::Spooled);
                    failures = 0;
                    self.trouble.end();
                    self.line.settle(vec![first]);
                    self.spooled.notify_one();
                    continue;
                }
                Err(error) => self.trouble.note(with_cause(&error)),
            }
            self.line.put_back(vec![first]);
            if self.hand_over(&mut batches).await {
                failures = 0;
            } else {
                failures += 1;
                tokio::time::sleep(RETRY.after(failures, jitter())).await;
            }
        }
    }

    /// Hands the oldest reports to the hub; whether that helped.
    async fn hand_over(&self, batches: &mut Batches) -> bool {
        if !self.hub.is_there() {
            return false;
        }
        let reports = self.line.take(batches.most(), LARGEST, REST);
        if reports.is_empty() {
            return false;
        }
        match self.hub.take(reports, batches, &self.spool).await {
            Answer::Taken(settled, left) => {
                let helped = !settled.is_empty();
                self.line.settle(settled);
                self.line.put_back(left);
                helped
            }
            Answer::Refused(reports) => {
                self.line.put_back(reports);
                true
            }
            Answer::None(reports) => {
                self.line.put_back(reports);
                false
            }
        }
    }
}

impl Hub {
    pub(super) fn new(client: &Arc<Client>, name: &str, registered: watch::Receiver<bool>) -> Self {
        let (client, name) = (Arc::clone(client), name.to_owned());
        Self { client, name, registered, rests: Mutex::default() }
    }

    async fn take(&self, reports: Vec<Waiting>, batches: &mut Batches, spool: &Spool) -> Answer {
        let texts: Vec<String> = reports.iter().map(|it| it.report.text().to_owned()).collect();
        let handing = batches.hand_over((&self.client, &self.name), &texts, spool);
        match tokio::time::timeout(HUB_WITHIN, handing).await {
            Ok(Ok(Handed::Taken(verdict))) => sorted(reports, &verdict),
            Ok(Ok(Handed::Dropped)) => Answer::Taken(reports, Vec::new()),
            Ok(Ok(Handed::Halved)) => Answer::Refused(reports),
            Ok(Err(_)) | Err(_) => {
                *self.rests() = Some(Stopwatch::start());
                Answer::None(reports)
            }
        }
    }

    /// Whether it is of use to ask it.
    fn is_there(&self) -> bool {
        let rests = self.rests().as_ref().is_some_and(|since| since.elapsed() < REST);
        !rests && *self.registered.borrow()
    }

    fn rests(&self) -> MutexGuard<'_, Option<Stopwatch>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the hub has dealt with, and what it wants later.
fn sorted(reports: Vec<Waiting>, verdict: &Verdict) -> Answer {
    let (mut settled, mut left) = (Vec::new(), Vec::new());
    for (index, mut waiting) in reports.into_iter().enumerate() {
        if verdict.later.contains(&index) {
            waiting.put_off();
            left.push(waiting);
        } else {
            settled.push(waiting);
        }
    }
    Answer::Taken(settled, left)
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
                "the disk does not take reports; they are handed to the hub at once, and wait in \
                 memory where that cannot be reached"
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

    /// So many reports are gone for good.
    fn note_gone(&self, reports: usize) {
        let mut state = self.state();
        state.untold += reports;
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
                "reports are lost: the disk did not take them, the hub could not be reached, and \
                 there is no room for more in memory"
            );
            (self.untold, self.told) = (0, Some(Stopwatch::start()));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;
    use crate::agent::Hub as _;
    use crate::domain::Timestamp;
    use crate::domain::check::Check;
    use crate::domain::run::{Failure, FailureKind, Trace};
    use crate::domain::slot::Slot;
    use crate::link::client::{Route, hub_address};
    use crate::link::token::Token;

    fn report(second: u32, kind: Option<FailureKind>) -> Report {
        let check = Check::example("shop");
        let start: Timestamp = "2026-11-21T04:12:00Z".parse().expect("a time");
        let at = start + Duration::from_secs(second.into());
        let slot = Slot { check: check.id, region: check.regions[0].clone(), at };
        Report {
            slot,
            started_at: at,
            duration: Duration::from_millis(5),
            failure: kind.map(|kind| Failure::new(kind, "it broke")),
            trace: Trace::default(),
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_disk_does_not_take_waits_in_order_and_within_a_bound() {
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
        let reports: Vec<Report> = (0..9)
            .map(|second| report(second, (second == 1).then_some(FailureKind::Network)))
            .collect();
        let room: usize = reports[..5].iter().map(|it| Written::from(it).text().len()).sum();
        let line = line(room as u64);
        let keeper = Keeper::start((&spool, &spooled), &line, hub, &trouble);
        let url = format!("sqlite:{}", file.display());
        let mut aside = SqliteConnection::connect(&url).await.expect("opened");

        sqlx::raw_sql("ALTER TABLE reports RENAME TO gone")
            .execute(&mut aside)
            .await
            .expect("done");
        let delivered = join_all(reports.iter().cloned().map(|report| keeper.deliver(report)));
        let repaired = async {
            let state = loop {
                let state = line.and(spool.last_state().await);
                if trouble.reason().is_some() && state.reports + state.thinned == 9 {
                    break state;
                }
                tokio::task::yield_now().await;
            };
            assert!(state.thinned >= 4, "{state:?}");
            assert!(state.bytes <= room as u64, "{state:?}");
            assert_eq!(state.lost, 0, "counted though the disk takes nothing");
            let back = sqlx::raw_sql("ALTER TABLE gone RENAME TO reports").execute(&mut aside);
            back.await.expect("done");
            state
        };
        let (waited, _) = tokio::join!(repaired, delivered);
        assert_eq!(trouble.reason(), None);
        let again = Spool::open(&file, 1 << 20).await.expect("a spool");
        let state = again.state().await.expect("known");
        assert_eq!((state.reports, state.thinned), (waited.reports, waited.thinned));
        let kept = again.oldest(99, 1 << 20).await.expect("readable").reports;
        let newest = (reports.len() - kept.len() + 1..reports.len()).map(|second| &reports[second]);
        let expected = [&reports[1]].into_iter().chain(newest);
        let expected: Vec<String> =
            expected.map(|it| Written::from(it).text().to_owned()).collect();
        assert_eq!(kept, expected, "what failed stays, and all are in order");
    }
}
