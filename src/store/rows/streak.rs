//! What the runs of a check in a region amount to, as a row.

use serde::{Deserialize, Serialize};

use super::{check_id, count, from_json, millis, outcome, region, timestamp, to_json};
use crate::domain::id::{CheckId, Region};
use crate::domain::streak::{Recent, Streak, Unknowns};
use crate::store::Error;

/// The columns of `streaks`.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct StreakRow {
    check_id: String,
    region: String,
    failures: i64,
    passes: i64,
    down: bool,
    failing_since: Option<i64>,
    last_success: Option<i64>,
    last_slot: Option<i64>,
    last_outcome: Option<String>,
    answering_since: Option<i64>,
    unknowns: i64,
    unknown_since: Option<i64>,
    unknown_reason: Option<String>,
    last_counted: Option<i64>,
    recent: Option<String>,
}

/// How many answers, and which of them failed: number and slot.
#[derive(Serialize, Deserialize)]
struct RecentRow(u64, Vec<(u64, i64)>);

/// The last failures one by one; nothing where no policy asks for them.
pub(in crate::store) fn recent_text(recent: &Recent) -> Option<String> {
    let failed = recent.failed.iter().map(|(number, slot)| (*number, millis(*slot)));
    (recent.answers > 0).then(|| to_json(&RecentRow(recent.answers, failed.collect())))
}

fn recent(text: &str) -> Result<Recent, Error> {
    let RecentRow(answers, failed) = from_json("list of failures", text)?;
    let read = |(number, slot)| Ok((number, timestamp(slot)?));
    Ok(Recent { answers, failed: failed.into_iter().map(read).collect::<Result<_, Error>>()? })
}

impl StreakRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<(CheckId, Region, Streak), Error> {
        let time = |millis: Option<i64>| millis.map(timestamp).transpose();
        let count_of_unknowns = count(self.unknowns)?;
        let unknowns = time(self.unknown_since)?.map(|since| Unknowns {
            count: count_of_unknowns,
            since,
            reason: self.unknown_reason.unwrap_or_default(),
        });
        let streak = Streak {
            failures: count(self.failures)?,
            passes: count(self.passes)?,
            down: self.down,
            failing_since: time(self.failing_since)?,
            last_success: time(self.last_success)?,
            last_slot: time(self.last_slot)?,
            last_outcome: self.last_outcome.as_deref().map(outcome).transpose()?,
            answering_since: time(self.answering_since)?,
            unknowns,
            last_counted: time(self.last_counted)?,
            recent: self.recent.as_deref().map(recent).transpose()?.unwrap_or_default(),
        };
        Ok((check_id(&self.check_id)?, region(&self.region)?, streak))
    }
}
