//! What is known of rules.
//!
//! Hubs pass a time of the grid one after the other, by the lock of the one row that says up to when
//! all rules are evaluated; whoever comes second sees that it has moved.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};

use super::attempts::Attempts;
use super::review::{self, write_changes};
use super::session::{begin, commit};
use super::{PostgresStore, failed, storable};
use super::{expectations, incidents};
use crate::domain::Timestamp;
use crate::domain::edition::Rank;
use crate::domain::incident::Change;
use crate::store::Error;
use crate::store::rows::{self, rule};
use crate::store::rules::{Judged, RuleJudge, RuleRecords, Rules};

#[async_trait]
impl Rules for PostgresStore {
    async fn rule_records(&self) -> Result<RuleRecords, Error> {
        records(&mut *self.snapshot().await?).await
    }

    async fn pass(
        &self,
        from: Option<Timestamp>,
        until: Timestamp,
        judge: &dyn RuleJudge,
        now: Timestamp,
    ) -> Result<Option<Vec<Change>>, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = pass(self.writers()?, (from, until), judge, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}

async fn records(connection: &mut PgConnection) -> Result<RuleRecords, Error> {
    let what = failed("read what is known of rules");
    let until: Option<i64> = sqlx::query_scalar("SELECT until_at FROM rule_mark")
        .fetch_optional(&mut *connection)
        .await
        .map_err(&what)?;
    let found: Vec<(String, String)> = sqlx::query_as("SELECT rule, state FROM rule_states")
        .fetch_all(connection)
        .await
        .map_err(&what)?;
    let states = found.iter().map(|(name, state)| rule::read(name, state));
    let until = until.map(rows::timestamp).transpose()?;
    Ok(RuleRecords { until, states: states.collect::<Result<_, _>>()? })
}

/// Moves the mark, which locks it until the transaction ends; says whether it stood at `from`.
async fn move_mark(
    connection: &mut PgConnection,
    (from, until): (Option<Timestamp>, Timestamp),
) -> Result<bool, Error> {
    let query = match from {
        None => sqlx::query("INSERT INTO rule_mark VALUES (1, $1) ON CONFLICT DO NOTHING"),
        Some(_) => sqlx::query("UPDATE rule_mark SET until_at = $1 WHERE until_at = $2"),
    };
    let query = query.bind(rows::millis(until));
    let query = match from {
        None => query,
        Some(from) => query.bind(rows::millis(from)),
    };
    let moved = query.execute(connection).await.map_err(failed("pass a time of the grid"))?;
    Ok(moved.rows_affected() > 0)
}

async fn pass(
    pool: &PgPool,
    times: (Option<Timestamp>, Timestamp),
    judge: &dyn RuleJudge,
    now: Timestamp,
) -> Result<Option<Vec<Change>>, Error> {
    let now = rows::whole_millis(now);
    let mut transaction = begin(pool).await?;
    if !move_mark(&mut transaction, times).await? {
        transaction.rollback().await.map_err(failed("leave a time of the grid to others"))?;
        return Ok(None);
    }
    review::lock(&mut transaction).await?;
    let remembered = incidents::remembered(&mut transaction, now).await?;
    let mut judged = judge.judge(&remembered);
    let withdrawn = judge.withdraw(&remembered);
    if withdrawn != Judged::default() {
        let rank = match judge.edition() {
            Some(edition) => expectations::rank(&mut transaction, edition).await?,
            None => Rank::Latest,
        };
        if rank == Rank::Latest {
            judged = judged.and(withdrawn);
        }
    }
    let Judged { states, gone, mut changes } = judged;
    write_changes(&mut transaction, (&mut changes, &remembered.open), now).await?;
    let what = failed("write what is known of rules");
    if !states.is_empty() {
        let names: Vec<String> = states.keys().map(|name| storable(name.as_str()).into()).collect();
        let texts: Vec<String> =
            states.values().map(|state| storable(&rule::state_text(state)).into()).collect();
        let query = sqlx::query(
            "INSERT INTO rule_states (rule, state) SELECT * FROM unnest($1::text[], $2::text[]) \
             ON CONFLICT (rule) DO UPDATE SET state = excluded.state",
        );
        query.bind(names).bind(texts).execute(&mut *transaction).await.map_err(&what)?;
    }
    if !gone.is_empty() {
        let names: Vec<String> = gone.iter().map(|name| name.as_str().to_owned()).collect();
        let query = sqlx::query("DELETE FROM rule_states WHERE rule = ANY($1)").bind(names);
        query.execute(&mut *transaction).await.map_err(&what)?;
    }
    commit(pool, transaction).await?;
    Ok(Some(changes))
}
