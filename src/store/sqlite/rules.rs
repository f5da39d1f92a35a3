//! What is known of rules.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::review::write_changes;
use super::writer::{Durability, Writer};
use super::{SqliteStore, failed};
use super::{expectations, incidents};
use crate::domain::Timestamp;
use crate::domain::edition::Rank;
use crate::domain::incident::Change;
use crate::store::Error;
use crate::store::rows::{self, rule};
use crate::store::rules::{Judged, RuleJudge, RuleRecords, Rules};

#[async_trait]
impl Rules for SqliteStore {
    async fn rule_records(&self) -> Result<RuleRecords, Error> {
        let mut snapshot = self.snapshot().await?;
        records(&mut snapshot).await
    }

    async fn pass(
        &self,
        from: Option<Timestamp>,
        until: Timestamp,
        judge: &dyn RuleJudge,
        now: Timestamp,
    ) -> Result<Option<Vec<Change>>, Error> {
        let mut writer = self.writer().await?;
        let result = pass(&mut writer, (from, until), judge, now).await;
        writer.finish(result).await
    }
}

async fn records(connection: &mut SqliteConnection) -> Result<RuleRecords, Error> {
    let until = mark(&mut *connection).await?;
    let found: Vec<(String, String)> = sqlx::query_as("SELECT rule, state FROM rule_states")
        .fetch_all(connection)
        .await
        .map_err(failed("read what is known of rules"))?;
    let states = found.iter().map(|(name, state)| rule::read(name, state));
    Ok(RuleRecords { until, states: states.collect::<Result<_, _>>()? })
}

async fn mark(connection: &mut SqliteConnection) -> Result<Option<Timestamp>, Error> {
    let mark: Option<i64> = sqlx::query_scalar("SELECT until_at FROM rule_mark")
        .fetch_optional(connection)
        .await
        .map_err(failed("read up to when rules are evaluated"))?;
    mark.map(rows::timestamp).transpose()
}

async fn pass(
    writer: &mut Writer,
    (from, until): (Option<Timestamp>, Timestamp),
    judge: &dyn RuleJudge,
    now: Timestamp,
) -> Result<Option<Vec<Change>>, Error> {
    let now = rows::whole_millis(now);
    let memory = writer.memory().await?;
    let (next, silences) = (memory.next_incident, memory.silences.clone());
    // Nobody else writes between this and the transaction.
    if mark(writer.connection().await?).await? != from {
        return Ok(None);
    }
    let remembered = incidents::remembered(writer.connection().await?, &silences, now).await?;
    let mut judged = judge.judge(&remembered);
    let withdrawn = judge.withdraw(&remembered);
    if withdrawn != Judged::default() {
        let rank = match judge.edition() {
            Some(edition) => expectations::rank(writer.connection().await?, edition).await?,
            None => Rank::Latest,
        };
        if rank == Rank::Latest {
            judged = judged.and(withdrawn);
        }
    }
    let Judged { states, gone, mut changes } = judged;
    let durability = if changes.is_empty() { Durability::Process } else { Durability::Power };
    let connection = writer.begin(durability).await?;
    let next = write_changes(&mut *connection, (&mut changes, &remembered.open), next, now).await?;
    let what = failed("write what is known of rules");
    for (name, state) in &states {
        let query = sqlx::query(
            "INSERT INTO rule_states VALUES ($1, $2) \
             ON CONFLICT (rule) DO UPDATE SET state = excluded.state",
        );
        let query = query.bind(name.as_str()).bind(rule::state_text(state));
        query.execute(&mut *connection).await.map_err(&what)?;
    }
    for name in &gone {
        let query = sqlx::query("DELETE FROM rule_states WHERE rule = $1").bind(name.as_str());
        query.execute(&mut *connection).await.map_err(&what)?;
    }
    let query = sqlx::query(
        "INSERT INTO rule_mark VALUES (1, $1) \
         ON CONFLICT (one) DO UPDATE SET until_at = excluded.until_at",
    );
    query.bind(rows::millis(until)).execute(&mut *connection).await.map_err(&what)?;
    writer.commit().await?;
    writer.memory().await?.next_incident = next;
    Ok(Some(changes))
}
