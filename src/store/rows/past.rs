//! What was, as rows, and the statements about it that both databases understand.

use super::run::SummaryRow;
use super::{notification_state, recipient, subject, timestamp, unreadable};
use crate::store::Error;
use crate::store::past::{PastResult, Told};

/// What people did about incidents from `$1` on and before `$2`, and how those ended.
pub(in crate::store) const ACTS: &str = "SELECT subject, incident_id, run_id, at, kind, reason \
     FROM decisions WHERE incident_id IS NOT NULL AND at >= $1 AND at < $2 \
     AND kind IN ('acknowledged', 'left_alone', 'noted', 'resolved') ORDER BY id";

/// The silences that were in force at some time from `$1` on and before `$2`.
pub(in crate::store) const SILENCES: &str = "SELECT id, scope, reason, by_name, by_way, from_at, \
     until_at FROM silences WHERE until_at > $1 AND from_at < $2 ORDER BY id";

/// The columns of a run that is judged once more.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct PastRow {
    number: i64,
    recorded_at: i64,
    #[sqlx(flatten)]
    summary: SummaryRow,
}

impl PastRow {
    /// Its columns.
    pub(in crate::store) const COLUMNS: &str = "number, recorded_at, id, check_id, region, slot_at, \
         started_at, duration, outcome, failure";

    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<PastResult, Error> {
        let Self { number, recorded_at, summary } = self;
        Ok(PastResult { number, recorded_at: timestamp(recorded_at)?, run: summary.read()? })
    }
}

/// Messages that are alike, counted.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct ToldRow {
    subject: String,
    channel: String,
    address: String,
    state: String,
    instead: bool,
    count: i64,
}

impl ToldRow {
    /// Counts those that were owed from the first bound moment on and before the second.
    pub(in crate::store) const QUERY: &str = "SELECT subject, channel, address, state, \
         in_place_of IS NOT NULL AS instead, count(*) AS count \
         FROM notifications JOIN incidents ON incidents.id = notifications.incident_id \
         WHERE owed_at >= $1 AND owed_at < $2 GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5";

    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Told, Error> {
        Ok(Told {
            subject: subject(&self.subject)?,
            recipient: recipient(&self.channel, self.address)?,
            state: notification_state(&self.state)?,
            instead: self.instead,
            count: u64::try_from(self.count)
                .map_err(|error| unreadable("number of messages", error))?,
        })
    }
}
