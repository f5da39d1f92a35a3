//! Errands: what was asked for by hand, and what came of it.

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use uuid::Uuid;

use super::session::{begin, commit};
use super::{PostgresStore, failed, lock_number, storable};
use crate::domain::Timestamp;
use crate::domain::errand::{Errand, ErrandId};
use crate::domain::id::{CheckId, RunId};
use crate::domain::output::Numbered;
use crate::domain::run::Report;
use crate::store::errands::{Asked, Bounds, Errands, Hand, NewErrand};
use crate::store::rows::errand::{self as sql, ErrandRow};
use crate::store::rows::run::RunRow;
use crate::store::rows::{self, output, trace};
use crate::store::{Error, Standing};

/// Held while it is counted how much was asked for.
const ASKING: i64 = lock_number(4);

#[async_trait]
impl Errands for PostgresStore {
    async fn ask(
        &self,
        wanted: &NewErrand,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        ask(self.writers()?, wanted, bounds, rows::whole_millis(now)).await
    }

    async fn take(&self, hand: Hand<'_>, until: Timestamp, now: Timestamp) -> Result<bool, Error> {
        let taken = sqlx::query(sql::TAKE)
            .bind(hand.errand.0)
            .bind(hand.region.as_str())
            .bind(storable(hand.agent))
            .bind(rows::millis(until))
            .bind(rows::millis(now))
            .execute(self.writers()?)
            .await
            .map_err(failed("give an errand to an agent"))?;
        Ok(taken.rows_affected() == 1)
    }

    async fn bring(&self, hand: Hand<'_>, report: &Report) -> Result<Standing, Error> {
        bring(self.writers()?, hand, report).await
    }

    async fn tell(&self, hand: Hand<'_>, lines: &[Numbered]) -> Result<Standing, Error> {
        tell(self.writers()?, hand, lines).await
    }

    async fn output(&self, run: RunId, from: u32, limit: u32) -> Result<Vec<Numbered>, Error> {
        let found: Vec<(i64, String)> = sqlx::query_as(sql::OUTPUT)
            .bind(run.0)
            .bind(i64::from(from))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read the output of a run"))?;
        output::read_all(found)
    }

    async fn forget_output(&self, before: Timestamp) -> Result<u64, Error> {
        let forgotten = sqlx::query(sql::FORGET_OUTPUT)
            .bind(rows::millis(before))
            .execute(self.writers()?)
            .await
            .map_err(failed("forget the output of runs"))?;
        Ok(forgotten.rows_affected())
    }

    async fn give_up(&self, now: Timestamp) -> Result<u64, Error> {
        let ended = sqlx::query(sql::GIVE_UP)
            .bind(rows::millis(now))
            .execute(self.writers()?)
            .await
            .map_err(failed("give errands up"))?;
        Ok(ended.rows_affected())
    }

    async fn untold(&self) -> Result<Vec<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::UNTOLD)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("look for errands"))?;
        ErrandRow::read_all(found)
    }

    async fn note_told(&self, errand: ErrandId, now: Timestamp) -> Result<(), Error> {
        sqlx::query(sql::TOLD)
            .bind(errand.0)
            .bind(rows::millis(now))
            .execute(self.writers()?)
            .await
            .map_err(failed("note that an errand was told"))
            .map(|_| ())
    }

    async fn errand(&self, id: ErrandId) -> Result<Option<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::ONE)
            .bind(id.0)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("read an errand"))?;
        Ok(ErrandRow::read_all(found)?.pop())
    }

    async fn errands_of(&self, check: &CheckId, limit: u32) -> Result<Vec<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::OF_CHECK)
            .bind(check.as_str())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("list errands"))?;
        ErrandRow::read_all(found)
    }

    async fn errand_run(&self, run: RunId) -> Result<Option<Report>, Error> {
        let found: Option<RunRow> = sqlx::query_as(sql::RUN)
            .bind(run.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("read a run that was asked for"))?;
        found.map(RunRow::read).transpose()
    }

    async fn forget_errands(&self, before: Timestamp) -> Result<u64, Error> {
        let pool = self.writers()?;
        let mut transaction = begin(pool).await?;
        let mut forgotten = 0;
        for text in [sql::FORGET_OUTPUT, sql::FORGET_LEGS, sql::FORGET] {
            let query = sqlx::query(text).bind(rows::millis(before));
            let done = query.execute(&mut *transaction).await;
            forgotten = done.map_err(failed("forget errands"))?.rows_affected();
        }
        commit(pool, transaction).await?;
        Ok(forgotten)
    }
}

async fn ask(
    pool: &PgPool,
    wanted: &NewErrand,
    bounds: Bounds,
    now: Timestamp,
) -> Result<Asked, Error> {
    let what = failed("write an errand");
    let mut transaction = begin(pool).await?;
    // What two hubs count at once would be within the bounds for both.
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ASKING);
    query.execute(&mut *transaction).await.map_err(&what)?;
    let (of_all, of_check): (i64, i64) = sqlx::query_as(sql::COUNT)
        .bind(wanted.check.as_str())
        .bind(rows::millis(bounds.since))
        .fetch_one(&mut *transaction)
        .await
        .map_err(&what)?;
    if of_check >= i64::from(bounds.of_check) {
        return Ok(Asked::TooManyOfCheck);
    }
    if of_all >= i64::from(bounds.of_all) {
        return Ok(Asked::TooManyOfAll);
    }
    sqlx::query(sql::INSERT)
        .bind(wanted.id.0)
        .bind(wanted.check.as_str())
        .bind(wanted.incident.map(|it| it.0))
        .bind(storable(&wanted.by.name))
        .bind(wanted.by.via.as_str())
        .bind(rows::millis(now))
        .execute(&mut *transaction)
        .await
        .map_err(&what)?;
    for region in &wanted.regions {
        let written = sqlx::query(sql::INSERT_LEG)
            .bind(wanted.id.0)
            .bind(wanted.check.as_str())
            .bind(region.as_str())
            .bind(wanted.id.run_in(region, now).0)
            .bind(rows::millis(wanted.until))
            .execute(&mut *transaction)
            .await
            .map_err(&what)?;
        if written.rows_affected() == 0 {
            // Dropped, the transaction leaves nothing.
            return Ok(Asked::Going(region.clone()));
        }
    }
    commit(pool, transaction).await?;
    Ok(Asked::Granted(wanted.asked_at(now)))
}

async fn bring(
    pool: &PgPool,
    Hand { errand, region, agent }: Hand<'_>,
    report: &Report,
) -> Result<Standing, Error> {
    let what = failed("write what came of an errand");
    let text = |text: String| storable(&text).into_owned();
    let mut transaction = begin(pool).await?;
    let written = sqlx::query(sql::BRING)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(storable(agent))
        .bind(rows::millis(report.started_at))
        .bind(rows::micros(report.duration))
        .bind(report.outcome().as_str())
        .bind(report.failure.as_ref().map(trace::failure_text).map(text))
        .bind(trace::trace_text(&report.trace).map(text))
        .execute(&mut *transaction)
        .await
        .map_err(&what)?;
    if written.rows_affected() == 1 {
        commit(pool, transaction).await?;
        return Ok(Standing::Held);
    }
    let before: i64 = sqlx::query_scalar(sql::BROUGHT)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(storable(agent))
        .fetch_one(&mut *transaction)
        .await
        .map_err(&what)?;
    Ok(if before == 1 { Standing::Held } else { Standing::Lost })
}

async fn tell(
    pool: &PgPool,
    Hand { errand, region, agent }: Hand<'_>,
    lines: &[Numbered],
) -> Result<Standing, Error> {
    let what = failed("write the output of a run");
    let mut transaction = begin(pool).await?;
    let run: Option<Uuid> = sqlx::query_scalar(sql::HELD)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(storable(agent))
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&what)?;
    let Some(run) = run else { return Ok(Standing::Lost) };
    for Numbered { number, line } in lines {
        sqlx::query(sql::TELL)
            .bind(run)
            .bind(i64::from(*number))
            .bind(storable(&output::text(line)))
            .execute(&mut *transaction)
            .await
            .map_err(&what)?;
    }
    commit(pool, transaction).await?;
    Ok(Standing::Held)
}
