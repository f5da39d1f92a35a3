//! Errands at an agent: takes what somebody asked to be run at once, runs it, and brings what came of it.
//!
//! What is taken is run once, here, or not at all: it waits in no spool, since somebody waits for it now.
//! Where the hub does not take what came of it, it says to whoever asked that it is lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{RETRY, Shared, jitter};
use crate::app::errands::at_once;
use crate::app::output::{Interest, Outlet, tap};
use crate::domain::id::{CheckId, RunId};
use crate::domain::output::Numbered;
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::link::client::Error;
use crate::link::protocol::{
    ErrandMessage, ErrandReport, Item, OutputMessage, ReportMessage, TakeErrands,
};

/// So often it is tried to bring what came of an errand.
const ATTEMPTS: u32 = 8;
/// The pause after nothing was there to be taken: others were faster.
const BREATH: Duration = Duration::from_millis(500);

/// Those that are under way.
pub(super) struct UnderWay {
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl UnderWay {
    /// None, beside so many runs of scripts at a time.
    pub(super) fn beside(scripts: u32) -> Self {
        let scripts = usize::try_from(scripts).unwrap_or(usize::MAX);
        let tasks = TaskTracker::new();
        tasks.close();
        Self { room: Arc::new(Semaphore::new(at_once(scripts))), tasks }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }

    /// Waits until all that were taken are brought, or given up.
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }
}

/// Takes what waits, and begins to run it.
pub(super) async fn take(shared: &Arc<Shared>) -> Result<(), Error> {
    let under_way = &shared.errands;
    let mut places = Vec::new();
    while let Ok(place) = Arc::clone(&under_way.room).try_acquire_owned() {
        places.push(place);
    }
    let wanted = TakeErrands { name: shared.name.clone(), most: places.len() };
    let taken = shared.client.take_errands(&wanted).await?.errands;
    if taken.is_empty() {
        drop(places);
        tokio::time::sleep(BREATH).await;
        return Ok(());
    }
    for item in taken {
        let Some(place) = places.pop() else { break };
        match understood(shared, &item) {
            Some((errand, slot)) => {
                under_way.tasks.spawn(attend(Arc::clone(shared), errand, slot, place));
            }
            None => {
                tracing::error!("an errand is not run here: this version does not understand it");
            }
        }
    }
    Ok(())
}

fn understood(shared: &Shared, item: &Item) -> Option<(ErrandMessage, Slot)> {
    let errand: ErrandMessage = item.read().ok()?;
    let check = CheckId::new(&errand.check).ok()?;
    let slot = Slot { check, region: shared.settings.region.clone(), at: errand.asked_at };
    Some((errand, slot))
}

/// Where a run is told: at the hub.
struct Told<'a> {
    shared: &'a Shared,
    errand: Uuid,
}

#[async_trait]
impl Outlet for Told<'_> {
    async fn tell(&self, lines: Vec<Numbered>) -> Interest {
        let output = OutputMessage::new(&self.shared.name, &lines);
        match self.shared.client.tell_output(self.errand, &output).await {
            // Lines that do not arrive are missing, and no more.
            Ok(()) | Err(Error::Unreachable(_)) => Interest::Goes,
            // A hub that knows nothing of output, or does not want it.
            Err(Error::Refused { .. } | Error::Odd(_)) => Interest::Ends,
        }
    }
}

async fn attend(
    shared: Arc<Shared>,
    errand: ErrandMessage,
    slot: Slot,
    _place: OwnedSemaphorePermit,
) {
    let (observer, tapped) = tap();
    let run = shared.agent.run_aside(slot, RunId(errand.run), Some(observer));
    let report = tapped.told(run, &Told { shared: &shared, errand: errand.id }).await;
    if let Err(error) = bring(&shared, &errand, &report).await {
        tracing::warn!(
            errand = %errand.id,
            check = errand.check,
            %error,
            "what came of a run that was asked for did not reach the hub; it is lost"
        );
    }
}

async fn bring(shared: &Shared, errand: &ErrandMessage, report: &Report) -> Result<(), Error> {
    let report = Item::new(&ReportMessage::from(report));
    let report =
        ErrandReport { name: shared.name.clone(), report: report.expect("a report has text keys") };
    let mut attempt = 1;
    loop {
        let error = match shared.client.bring_errand(errand.id, &report).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_final = error.status().is_some_and(|status| (400..500).contains(&status));
        if is_final || attempt == ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(RETRY.after(attempt, jitter())).await;
        attempt += 1;
    }
}
