//! Errands that wait for agents, of which there are none.

use std::sync::Arc;

use async_trait::async_trait;

use super::Remembered;
use crate::clock::Manual;
use crate::domain::Timestamp;
use crate::domain::errand::{Ended, Errand, ErrandId, Stage};
use crate::domain::id::{CheckId, RunId};
use crate::domain::output::{Line, Numbered};
use crate::domain::run::Report;
use crate::engine::errands::{Errands as Desk, Parts};
use crate::engine::judge::ProjectJudge;
use crate::store::errands::{Asked, Bounds, Errands, Hand, NewErrand};
use crate::store::{Error, Standing};

/// Who takes wishes, over this store.
pub(in crate::http) fn errands(
    store: &Arc<Remembered>,
    judge: &Arc<ProjectJudge>,
    clock: &Arc<Manual>,
) -> Arc<Desk> {
    Arc::new(Desk::new(Parts {
        store: store.clone(),
        incidents: store.clone(),
        judge: Arc::clone(judge),
        clock: clock.clone(),
    }))
}

impl Remembered {
    /// An agent tells of the last errand's run in its first region.
    pub(in crate::http) fn tell_errand(&self, line: Line) {
        let mut errands = self.errands.lock().expect("no test panics with it");
        let leg = errands.last_mut().and_then(|it| it.legs.first_mut()).expect("there is one");
        let mut output = self.output.lock().expect("no test panics with it");
        let lines = output.entry(leg.run).or_default();
        let number = u32::try_from(lines.len()).expect("few");
        lines.push(Numbered { number, line });
    }

    /// An agent runs the last errand in its first region, which ends so.
    pub(in crate::http) fn end_errand(&self, report: Report) {
        let mut errands = self.errands.lock().expect("no test panics with it");
        let leg = errands.last_mut().and_then(|it| it.legs.first_mut()).expect("there is one");
        leg.stage = Stage::Ended(Ended {
            agent: "one".to_owned(),
            started_at: report.started_at,
            duration: report.duration,
            outcome: report.outcome(),
            failure: report.failure.clone(),
        });
        self.errand_runs.lock().expect("no test panics with it").insert(leg.run, report);
    }
}

#[async_trait]
impl Errands for Remembered {
    async fn ask(
        &self,
        wanted: &NewErrand,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        self.mood().await?;
        let mut errands = self.errands.lock().expect("no test panics with it");
        let same = || errands.iter().filter(|it| it.check == wanted.check);
        if let Some(going) = same().flat_map(|it| &it.legs).find(|leg| !leg.stage.is_last()) {
            return Ok(Asked::Going(going.region.clone()));
        }
        if same().count() >= usize::try_from(bounds.of_check).expect("small") {
            return Ok(Asked::TooManyOfCheck);
        }
        let errand = wanted.asked_at(now);
        errands.push(errand.clone());
        Ok(Asked::Granted(errand))
    }

    async fn take(&self, _: Hand<'_>, _: Timestamp, _: Timestamp) -> Result<bool, Error> {
        Ok(false)
    }

    async fn bring(&self, _: Hand<'_>, _: &Report) -> Result<Standing, Error> {
        Ok(Standing::Lost)
    }

    async fn tell(&self, _: Hand<'_>, _: &[Numbered]) -> Result<Standing, Error> {
        Ok(Standing::Lost)
    }

    async fn output(&self, run: RunId, from: u32, limit: u32) -> Result<Vec<Numbered>, Error> {
        self.mood().await?;
        let output = self.output.lock().expect("no test panics with it");
        let lines = output.get(&run).into_iter().flatten().filter(|it| it.number >= from);
        Ok(lines.take(limit as usize).cloned().collect())
    }

    async fn forget_output(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }

    async fn give_up(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }

    async fn untold(&self) -> Result<Vec<Errand>, Error> {
        Ok(Vec::new())
    }

    async fn note_told(&self, _: ErrandId, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    async fn errand(&self, id: ErrandId) -> Result<Option<Errand>, Error> {
        self.mood().await?;
        let errands = self.errands.lock().expect("no test panics with it");
        Ok(errands.iter().find(|errand| errand.id == id).cloned())
    }

    async fn errands_of(&self, check: &CheckId, _: u32) -> Result<Vec<Errand>, Error> {
        self.mood().await?;
        let errands = self.errands.lock().expect("no test panics with it");
        Ok(errands.iter().rev().filter(|errand| errand.check == *check).cloned().collect())
    }

    async fn errand_run(&self, run: RunId) -> Result<Option<Report>, Error> {
        self.mood().await?;
        Ok(self.errand_runs.lock().expect("no test panics with it").get(&run).cloned())
    }

    async fn forget_errands(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }
}
