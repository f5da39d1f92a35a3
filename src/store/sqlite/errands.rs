//! Errands: what was asked for by hand, and what came of it.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::writer::{Durability, Writer};
use super::{SqliteStore, failed};
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

#[async_trait]
impl Errands for SqliteStore {
    async fn ask(
        &self,
        wanted: &NewErrand,
        bounds: Bounds,
        now: Timestamp,
    ) -> Result<Asked, Error> {
        let now = rows::whole_millis(now);
        let mut writer = self.writer().await?;
        let result = ask(&mut writer, wanted, bounds, now).await;
        writer.finish(result).await
    }

    async fn take(&self, hand: Hand<'_>, until: Timestamp, now: Timestamp) -> Result<bool, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let taken = sqlx::query(sql::TAKE)
                .bind(hand.errand.0)
                .bind(hand.region.as_str())
                .bind(hand.agent)
                .bind(rows::millis(until))
                .bind(rows::millis(now))
                .execute(writer.begin(Durability::Power).await?)
                .await
                .map_err(failed("give an errand to an agent"))?;
            writer.commit().await?;
            Ok(taken.rows_affected() == 1)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn bring(&self, hand: Hand<'_>, report: &Report) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let is_known = bring(writer.begin(Durability::Power).await?, hand, report).await?;
            writer.commit().await?;
            Ok(if is_known { Standing::Held } else { Standing::Lost })
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn tell(&self, hand: Hand<'_>, lines: &[Numbered]) -> Result<Standing, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            // What a power failure takes of it would be forgotten soon anyway.
            let standing = tell(writer.begin(Durability::Process).await?, hand, lines).await?;
            writer.commit().await?;
            Ok(standing)
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn output(&self, run: RunId, from: u32, limit: u32) -> Result<Vec<Numbered>, Error> {
        let found: Vec<(i64, String)> = sqlx::query_as(sql::OUTPUT)
            .bind(run.0)
            .bind(i64::from(from))
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read the output of a run"))?;
        output::read_all(found)
    }

    async fn forget_output(&self, before: Timestamp) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let forgotten = sqlx::query(sql::FORGET_OUTPUT)
                .bind(rows::millis(before))
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("forget the output of runs"))?;
            writer.commit().await?;
            Ok(forgotten.rows_affected())
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn give_up(&self, now: Timestamp) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let ended = sqlx::query(sql::GIVE_UP)
                .bind(rows::millis(now))
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("give errands up"))?;
            writer.commit().await?;
            Ok(ended.rows_affected())
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn untold(&self) -> Result<Vec<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::UNTOLD)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("look for errands"))?;
        ErrandRow::read_all(found)
    }

    async fn note_told(&self, errand: ErrandId, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            sqlx::query(sql::TOLD)
                .bind(errand.0)
                .bind(rows::millis(now))
                .execute(writer.begin(Durability::Process).await?)
                .await
                .map_err(failed("note that an errand was told"))?;
            writer.commit().await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn errand(&self, id: ErrandId) -> Result<Option<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::ONE)
            .bind(id.0)
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("read an errand"))?;
        Ok(ErrandRow::read_all(found)?.pop())
    }

    async fn errands_of(&self, check: &CheckId, limit: u32) -> Result<Vec<Errand>, Error> {
        let found: Vec<ErrandRow> = sqlx::query_as(sql::OF_CHECK)
            .bind(check.as_str())
            .bind(i64::from(limit))
            .fetch_all(&mut *self.reader().await?)
            .await
            .map_err(failed("list errands"))?;
        ErrandRow::read_all(found)
    }

    async fn errand_run(&self, run: RunId) -> Result<Option<Report>, Error> {
        let found: Option<RunRow> = sqlx::query_as(sql::RUN)
            .bind(run.0)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(failed("read a run that was asked for"))?;
        found.map(RunRow::read).transpose()
    }

    async fn forget_errands(&self, before: Timestamp) -> Result<u64, Error> {
        let mut writer = self.writer().await?;
        let result = async {
            let connection = writer.begin(Durability::Process).await?;
            let mut forgotten = 0;
            for text in [sql::FORGET_OUTPUT, sql::FORGET_LEGS, sql::FORGET] {
                let query = sqlx::query(text).bind(rows::millis(before));
                let done = query.execute(&mut *connection).await;
                forgotten = done.map_err(failed("forget errands"))?.rows_affected();
            }
            writer.commit().await?;
            Ok(forgotten)
        };
        let result = result.await;
        writer.finish(result).await
    }
}

async fn ask(
    writer: &mut Writer,
    wanted: &NewErrand,
    bounds: Bounds,
    now: Timestamp,
) -> Result<Asked, Error> {
    let what = failed("write an errand");
    let connection = writer.connection().await?;
    let (of_all, of_check): (i64, i64) = sqlx::query_as(sql::COUNT)
        .bind(wanted.check.as_str())
        .bind(rows::millis(bounds.since))
        .fetch_one(&mut *connection)
        .await
        .map_err(&what)?;
    if of_check >= i64::from(bounds.of_check) {
        return Ok(Asked::TooManyOfCheck);
    }
    if of_all >= i64::from(bounds.of_all) {
        return Ok(Asked::TooManyOfAll);
    }
    let connection = writer.begin(Durability::Power).await?;
    sqlx::query(sql::INSERT)
        .bind(wanted.id.0)
        .bind(wanted.check.as_str())
        .bind(wanted.incident.map(|it| it.0))
        .bind(wanted.by.name.as_str())
        .bind(wanted.by.via.as_str())
        .bind(rows::millis(now))
        .execute(&mut *connection)
        .await
        .map_err(&what)?;
    for region in &wanted.regions {
        let written = sqlx::query(sql::INSERT_LEG)
            .bind(wanted.id.0)
            .bind(wanted.check.as_str())
            .bind(region.as_str())
            .bind(wanted.id.run_in(region, now).0)
            .bind(rows::millis(wanted.until))
            .execute(&mut *connection)
            .await
            .map_err(&what)?;
        if written.rows_affected() == 0 {
            sqlx::query("ROLLBACK").execute(&mut *connection).await.map_err(&what)?;
            writer.settled();
            return Ok(Asked::Going(region.clone()));
        }
    }
    writer.commit().await?;
    Ok(Asked::Granted(wanted.asked_at(now)))
}

/// Whether it is stored, now or before.
async fn bring(
    connection: &mut SqliteConnection,
    Hand { errand, region, agent }: Hand<'_>,
    report: &Report,
) -> Result<bool, Error> {
    let what = failed("write what came of an errand");
    let written = sqlx::query(sql::BRING)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(agent)
        .bind(rows::millis(report.started_at))
        .bind(rows::micros(report.duration))
        .bind(report.outcome().as_str())
        .bind(report.failure.as_ref().map(trace::failure_text))
        .bind(trace::trace_text(&report.trace))
        .execute(&mut *connection)
        .await
        .map_err(&what)?;
    if written.rows_affected() == 1 {
        return Ok(true);
    }
    let before: i64 = sqlx::query_scalar(sql::BROUGHT)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(agent)
        .fetch_one(connection)
        .await
        .map_err(&what)?;
    Ok(before == 1)
}

async fn tell(
    connection: &mut SqliteConnection,
    Hand { errand, region, agent }: Hand<'_>,
    lines: &[Numbered],
) -> Result<Standing, Error> {
    let what = failed("write the output of a run");
    let run: Option<Uuid> = sqlx::query_scalar(sql::HELD)
        .bind(errand.0)
        .bind(region.as_str())
        .bind(agent)
        .fetch_optional(&mut *connection)
        .await
        .map_err(&what)?;
    let Some(run) = run else { return Ok(Standing::Lost) };
    for Numbered { number, line } in lines {
        sqlx::query(sql::TELL)
            .bind(run)
            .bind(i64::from(*number))
            .bind(output::text(line))
            .execute(&mut *connection)
            .await
            .map_err(&what)?;
    }
    Ok(Standing::Held)
}
