//! Errands, as rows, and the statements about them that both databases understand.

use uuid::Uuid;

use super::{check_id, duration, outcome, region, story, timestamp, trace, unreadable};
use crate::domain::errand::{Ended, Errand, ErrandId, Leg, Stage};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::restraint::Actor;
use crate::store::Error;

/// All columns of errands and their legs, one row a leg.
macro_rules! legs {
    ($rest:literal) => {
        concat!(
            "SELECT errands.id, errands.check_id, incident_id, by_name, by_way, asked_at, told_at, \
             region, run_id, state, until_at, agent, started_at, duration, outcome, failure \
             FROM errands JOIN errand_legs ON errand_id = errands.id ",
            $rest
        )
    };
}

/// How many were asked for after `$2`: altogether, and of check `$1`.
pub(in crate::store) const COUNT: &str = "SELECT count(*), \
     coalesce(sum(CASE WHEN check_id = $1 THEN 1 ELSE 0 END), 0) FROM errands WHERE asked_at > $2";

/// Writes an errand.
pub(in crate::store) const INSERT: &str = "INSERT INTO errands (id, check_id, incident_id, by_name, \
     by_way, asked_at) VALUES ($1, $2, $3, $4, $5, $6)";

/// Writes a leg, unless the check is being run by hand in its region.
pub(in crate::store) const INSERT_LEG: &str = "INSERT INTO errand_legs (errand_id, check_id, region, \
     run_id, state, until_at) VALUES ($1, $2, $3, $4, 'asked', $5) ON CONFLICT DO NOTHING";

/// Gives the leg `$1`, `$2` to the agent `$3` until `$4`, if it waits at `$5`.
pub(in crate::store) const TAKE: &str = "UPDATE errand_legs SET state = 'taken', agent = $3, \
     until_at = $4 WHERE errand_id = $1 AND region = $2 AND state = 'asked' AND until_at > $5";

/// Ends a leg that an agent took.
pub(in crate::store) const BRING: &str = "UPDATE errand_legs SET state = 'ended', started_at = $4, \
     duration = $5, outcome = $6, failure = $7, trace = $8 \
     WHERE errand_id = $1 AND region = $2 AND agent = $3 AND state = 'taken'";

/// Whether a leg ended in the hands of an agent.
pub(in crate::store) const BROUGHT: &str = "SELECT count(*) FROM errand_legs WHERE errand_id = $1 \
     AND region = $2 AND agent = $3 AND state = 'ended'";

/// Ends the legs whose time is over at `$1`.
pub(in crate::store) const GIVE_UP: &str = "UPDATE errand_legs SET \
     state = CASE state WHEN 'asked' THEN 'untaken' ELSE 'lost' END \
     WHERE state IN ('asked', 'taken') AND until_at <= $1";

/// The errands of which nobody was told.
pub(in crate::store) const UNTOLD: &str =
    legs!("WHERE told_at IS NULL ORDER BY asked_at, errands.id, region");

/// Notes that all was told of errand `$1` at `$2`.
pub(in crate::store) const TOLD: &str =
    "UPDATE errands SET told_at = $2 WHERE id = $1 AND told_at IS NULL";

/// Errand `$1`.
pub(in crate::store) const ONE: &str = legs!("WHERE errands.id = $1 ORDER BY region");

/// The last `$2` errands of check `$1`.
pub(in crate::store) const OF_CHECK: &str = legs!(
    "WHERE errands.id IN (SELECT id FROM errands WHERE check_id = $1 ORDER BY asked_at DESC LIMIT $2) \
     ORDER BY asked_at DESC, errands.id, region"
);

/// The run `$1`, in the columns of a run.
pub(in crate::store) const RUN: &str = "SELECT run_id AS id, errand_legs.check_id, region, \
     asked_at AS slot_at, started_at, duration, outcome, failure, trace FROM errand_legs \
     JOIN errands ON errands.id = errand_id WHERE run_id = $1 AND state = 'ended'";

/// The run of the leg `$1`, `$2` that the agent `$3` has.
pub(in crate::store) const HELD: &str = "SELECT run_id FROM errand_legs WHERE errand_id = $1 \
     AND region = $2 AND agent = $3 AND state = 'taken'";

/// Keeps line `$2` of the output of run `$1`.
pub(in crate::store) const TELL: &str =
    "INSERT INTO errand_output (run_id, number, line) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// At most `$3` lines of the output of run `$1`, from number `$2` on.
pub(in crate::store) const OUTPUT: &str = "SELECT number, line FROM errand_output WHERE run_id = $1 \
     AND number >= $2 ORDER BY number LIMIT $3";

/// Forgets the output of the errands of before `$1`.
pub(in crate::store) const FORGET_OUTPUT: &str = "DELETE FROM errand_output WHERE run_id IN \
     (SELECT run_id FROM errand_legs JOIN errands ON errands.id = errand_id WHERE asked_at < $1)";

/// Forgets the legs of the errands that [`FORGET`] forgets.
pub(in crate::store) const FORGET_LEGS: &str = "DELETE FROM errand_legs WHERE errand_id IN \
     (SELECT id FROM errands WHERE asked_at < $1 AND told_at IS NOT NULL)";

/// Forgets the errands of before `$1`.
pub(in crate::store) const FORGET: &str =
    "DELETE FROM errands WHERE asked_at < $1 AND told_at IS NOT NULL";

/// A leg, with its errand.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct ErrandRow {
    id: Uuid,
    check_id: String,
    incident_id: Option<i64>,
    by_name: String,
    by_way: String,
    asked_at: i64,
    told_at: Option<i64>,
    region: String,
    run_id: Uuid,
    state: String,
    until_at: i64,
    agent: Option<String>,
    started_at: Option<i64>,
    duration: Option<i64>,
    outcome: Option<String>,
    failure: Option<String>,
}

impl ErrandRow {
    /// Reads rows of which those of one errand follow each other.
    pub(in crate::store) fn read_all(rows: Vec<Self>) -> Result<Vec<Errand>, Error> {
        let mut errands: Vec<Errand> = Vec::new();
        for row in rows {
            let leg = row.leg()?;
            match errands.last_mut().filter(|errand| errand.id.0 == row.id) {
                Some(errand) => errand.legs.push(leg),
                None => errands.push(row.errand(leg)?),
            }
        }
        Ok(errands)
    }

    fn errand(self, first: Leg) -> Result<Errand, Error> {
        Ok(Errand {
            id: ErrandId(self.id),
            check: check_id(&self.check_id)?,
            incident: self.incident_id.map(IncidentId),
            by: Actor { name: self.by_name, via: story::via(&self.by_way)? },
            asked_at: timestamp(self.asked_at)?,
            told_at: self.told_at.map(timestamp).transpose()?,
            legs: vec![first],
        })
    }

    fn leg(&self) -> Result<Leg, Error> {
        Ok(Leg { region: region(&self.region)?, run: RunId(self.run_id), stage: self.stage()? })
    }

    fn stage(&self) -> Result<Stage, Error> {
        let missing =
            || unreadable("leg of an errand", format!("`{}` says too little", self.state));
        let agent = || self.agent.clone().ok_or_else(missing);
        let until = || timestamp(self.until_at);
        Ok(match self.state.as_str() {
            "asked" => Stage::Asked { until: until()? },
            "taken" => Stage::Taken { agent: agent()?, until: until()? },
            "untaken" => Stage::Untaken,
            "lost" => Stage::Lost { agent: agent()? },
            "ended" => Stage::Ended(Ended {
                agent: agent()?,
                started_at: timestamp(self.started_at.ok_or_else(missing)?)?,
                duration: duration(self.duration.ok_or_else(missing)?)?,
                outcome: outcome(self.outcome.as_deref().ok_or_else(missing)?)?,
                failure: self.failure.as_deref().map(trace::failure).transpose()?,
            }),
            other => {
                return Err(unreadable("leg of an errand", format!("`{other}` is not known")));
            }
        })
    }
}
