//! Taking care of open incidents, and silences.
//!
//! What is decided about an incident is decided under the lock of its check, as results are, or under
//! that of reviews where it is about something else.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};

use super::attempts::Attempts;
use super::incidents::{self, About};
use super::record::{begin_on, write_decided};
use super::session::{begin, commit};
use super::{PostgresStore, failed, gathering, review, states, storable, succession};
use crate::domain::Timestamp;
use crate::domain::id::IncidentId;
use crate::domain::incident::acting::Act;
use crate::domain::incident::{Change, Transition};
use crate::domain::restraint::{Actor, Silence, SilenceId};
use crate::domain::subject::Subject;
use crate::store::care::{Acted, ActedOnce, Care, Caretaker, Case, NewSilence};
use crate::store::gathering::Answered;
use crate::store::rows::silence::{SilenceRow, scope_text};
use crate::store::succession::Once;
use crate::store::{Error, IncidentRecord, rows};

#[async_trait]
impl Care for PostgresStore {
    async fn tend(
        &self,
        judge: &dyn Caretaker,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let now = rows::whole_millis(now);
        let mut connection = self.pool.acquire().await.map_err(failed("find due incidents"))?;
        let due = incidents::due(&mut connection, now, limit).await?;
        drop(connection);
        // Another hub may have tended some by now.
        let judged = |case: Case<'_>| {
            let is_due = case.open.due_at.is_some_and(|due| due <= now);
            is_due.then(|| judge.tend(case, now))
        };
        decide(&self.pool, due, judged, (None, now)).await
    }

    async fn next_tending(&self) -> Result<Option<Timestamp>, Error> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT min(due_at) FROM incidents WHERE resolved_at IS NULL")
                .fetch_one(&self.pool)
                .await
                .map_err(failed("find the next incident"))?;
        next.map(rows::timestamp).transpose()
    }

    async fn reconsider(&self, now: Timestamp) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await.map_err(failed("reconsider incidents"))?;
        reconsider(&mut connection, now).await
    }

    async fn act(
        &self,
        incident: IncidentId,
        (act, actor): (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Acted, Error> {
        let now = rows::whole_millis(now);
        let mut attempts = Attempts::default();
        loop {
            let result = act_once(&self.pool, incident, (act, actor), judge, (None, now)).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn act_once(
        &self,
        key: &str,
        incident: IncidentId,
        by: (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<ActedOnce, Error> {
        let (pool, now) = (self.writers()?, rows::whole_millis(now));
        let mut attempts = Attempts::default();
        loop {
            let mut once = Once::of(key);
            let result = act_once(pool, incident, by, judge, (Some(&mut once), now)).await;
            if attempts.are_over(&result) {
                let acted = result?;
                let answered = ActedOnce::Acted(acted);
                return Ok(if once.is_repeated { ActedOnce::Repeated } else { answered });
            }
        }
    }

    async fn answered(&self, incident: IncidentId, now: Timestamp) -> Result<Vec<Answered>, Error> {
        gathering::answered(&mut *self.reader().await?, incident, now).await
    }

    async fn silence(
        &self,
        wanted: &NewSilence,
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Silence, Error> {
        let now = rows::whole_millis(now);
        let made = insert(&self.pool, wanted, now).await?;
        let mut connection = self.pool.acquire().await.map_err(failed("list incidents"))?;
        let open = incidents::open(&mut connection).await?;
        drop(connection);
        let act = Act::Silenced { until: made.until, reason: made.reason.clone() };
        let told = |case: Case<'_>| {
            let covered = judge.covers(&made.scope, case);
            covered.then(|| judge.act(case, &act, &made.by, now).ok()).flatten()
        };
        decide(&self.pool, open, told, (None, now)).await?;
        Ok(made)
    }

    async fn end_silence(&self, id: SilenceId, now: Timestamp) -> Result<Option<Silence>, Error> {
        let now = rows::whole_millis(now);
        let mut transaction = begin(&self.pool).await?;
        let ended: Option<SilenceRow> = sqlx::query_as(
            "UPDATE silences SET until_at = $1 WHERE id = $2 AND until_at > $1 \
             RETURNING id, scope, reason, by_name, by_way, from_at, until_at",
        )
        .bind(rows::millis(now))
        .bind(id.0)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed("end a silence"))?;
        reconsider(&mut transaction, now).await?;
        commit(&self.pool, transaction).await?;
        ended.map(SilenceRow::read).transpose()
    }

    async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, Error> {
        let mut connection = self.pool.acquire().await.map_err(failed("read the silences"))?;
        silences(&mut connection, now).await
    }
}

/// The silences that are not over at `now`.
pub(super) async fn silences(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<Vec<Silence>, Error> {
    let found: Vec<SilenceRow> = sqlx::query_as(
        "SELECT id, scope, reason, by_name, by_way, from_at, until_at FROM silences \
         WHERE until_at > $1 ORDER BY id",
    )
    .bind(rows::millis(now))
    .fetch_all(connection)
    .await
    .map_err(failed("read the silences"))?;
    found.into_iter().map(SilenceRow::read).collect()
}

/// Decides by `judge` about each of `records` as it is under its lock, and stores it.
async fn decide(
    pool: &PgPool,
    records: Vec<IncidentRecord>,
    mut judge: impl FnMut(Case<'_>) -> Option<Transition> + Send,
    (once, now): (Option<&mut Once<'_>>, Timestamp),
) -> Result<Vec<Change>, Error> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let checks: BTreeSet<&str> = records.iter().filter_map(|it| failing(&it.subject)).collect();
    let checks: Vec<&str> = checks.into_iter().collect();
    let mut transaction = begin_on(pool, &checks).await?;
    if let Some(once) = once
        && !succession::remember(&mut transaction, once.message, now).await?
    {
        once.is_repeated = true;
        return Ok(Vec::new());
    }
    if records.iter().any(|it| failing(&it.subject).is_none()) {
        review::lock(&mut transaction).await?;
    }
    let states = states::of(&mut transaction, &checks, now).await?;
    let silences = silences(&mut transaction, now).await?;
    let ids: Vec<IncidentId> = records.iter().map(|it| it.id).collect();
    let mut changes = Vec::new();
    for IncidentRecord { id, subject, incident: open } in
        incidents::some(&mut transaction, &ids).await?
    {
        let state = match &subject {
            Subject::Check(check) => states.get(check),
            _ => None,
        };
        let case = Case { subject: &subject, open: &open, state, silences: &silences };
        let Some(mut transition) = judge(case) else { continue };
        if let Some(incident) = &mut transition.incident {
            incident.id = Some(id);
        }
        let about = About::of(&subject, Some(id));
        write_decided(&mut transaction, about, &transition, now).await?;
        changes.push(Change { subject, transition });
    }
    commit(pool, transaction).await?;
    Ok(changes)
}

/// The check whose failures it is about.
fn failing(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Check(check) => Some(check.as_str()),
        _ => None,
    }
}

/// Stores what `judge` makes of an act, which the message that it comes from asks for once.
pub(super) async fn act_once(
    pool: &PgPool,
    incident: IncidentId,
    (act, actor): (&Act, &Actor),
    judge: &dyn Caretaker,
    (once, now): (Option<&mut Once<'_>>, Timestamp),
) -> Result<Acted, Error> {
    let mut connection = pool.acquire().await.map_err(failed("read an incident"))?;
    let found = incidents::some(&mut connection, &[incident]).await?;
    drop(connection);
    if found.is_empty() {
        return Ok(Acted::Unknown);
    }
    let mut refused = None;
    let judged = |case: Case<'_>| match judge.act(case, act, actor, now) {
        Ok(transition) => Some(transition),
        Err(why) => {
            refused = Some(why);
            None
        }
    };
    let done = decide(pool, found, judged, (once, now)).await?.pop();
    Ok(match (done, refused) {
        (Some(change), _) => Acted::Done(Box::new(change)),
        (None, Some(why)) => Acted::Refused(why),
        (None, None) => Acted::Unknown,
    })
}

async fn insert(pool: &PgPool, wanted: &NewSilence, now: Timestamp) -> Result<Silence, Error> {
    let until = rows::whole_millis(wanted.until);
    let mut transaction = begin(pool).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO silences (scope, reason, by_name, by_way, from_at, until_at) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(storable(&scope_text(&wanted.scope)).into_owned())
    .bind(storable(&wanted.reason))
    .bind(storable(&wanted.by.name))
    .bind(wanted.by.via.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(until))
    .fetch_one(&mut *transaction)
    .await
    .map_err(failed("write a silence"))?;
    reconsider(&mut transaction, now).await?;
    commit(pool, transaction).await?;
    let NewSilence { scope, reason, by, .. } = wanted.clone();
    Ok(Silence { id: SilenceId(id), scope, reason, by, from: now, until })
}

async fn reconsider(connection: &mut PgConnection, now: Timestamp) -> Result<(), Error> {
    let query = sqlx::query("UPDATE incidents SET due_at = $1 WHERE resolved_at IS NULL");
    let done = query.bind(rows::millis(now)).execute(connection).await;
    done.map_err(failed("reconsider incidents")).map(|_| ())
}
