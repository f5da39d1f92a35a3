//! Runs, as rows.

use uuid::Uuid;

use super::{check_id, duration, millis, outcome, region, timestamp, trace};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::run::Report;
use crate::domain::slot::Slot;
use crate::store::{Error, RunSummary};

/// The columns of `runs` that are listed.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct SummaryRow {
    id: Uuid,
    check_id: String,
    region: String,
    slot_at: i64,
    started_at: i64,
    duration: i64,
    outcome: String,
    failure: Option<String>,
}

impl SummaryRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<RunSummary, Error> {
        Ok(RunSummary {
            id: RunId(self.id),
            slot: Slot {
                check: check_id(&self.check_id)?,
                region: region(&self.region)?,
                at: timestamp(self.slot_at)?,
            },
            started_at: timestamp(self.started_at)?,
            duration: duration(self.duration)?,
            outcome: outcome(&self.outcome)?,
            failure: self.failure.as_deref().map(trace::failure).transpose()?,
        })
    }
}

/// All columns that are read.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct RunRow {
    #[sqlx(flatten)]
    summary: SummaryRow,
    trace: Option<String>,
}

impl RunRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Report, Error> {
        let trace = trace::trace(self.trace.as_deref())?;
        let RunSummary { slot, started_at, duration, failure, .. } = self.summary.read()?;
        Ok(Report {
            slot,
            started_at,
            duration,
            failure,
            trace,
            clock_ahead: chrono::TimeDelta::zero(),
        })
    }
}

/// The id before which all slots before `at` lie: ids begin with the slot's milliseconds.
pub(in crate::store) fn first_id_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(millis(at)).unwrap_or(0);
    Uuid::from_u128(u128::from(millis) << 80)
}
