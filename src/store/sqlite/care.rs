//! Taking care of open incidents, and silences.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::incidents::{self, About};
use super::record::write_decided;
use super::writer::{Durability, Writer};
use super::{SqliteStore, failed, gathering, succession};
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
use crate::store::{Error, IncidentRecord, plan, rows};

#[async_trait]
impl Care for SqliteStore {
    async fn tend(
        &self,
        judge: &dyn Caretaker,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let mut writer = self.writer().await?;
        let result = tend(&mut writer, judge, limit, now).await;
        writer.finish(result).await
    }

    async fn next_tending(&self) -> Result<Option<Timestamp>, Error> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT min(due_at) FROM incidents WHERE resolved_at IS NULL")
                .fetch_one(&mut *self.reader().await?)
                .await
                .map_err(failed("find the next incident"))?;
        next.map(rows::timestamp).transpose()
    }

    async fn reconsider(&self, now: Timestamp) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let result = async {
            reconsider(writer.connection().await?, now).await?;
            recall_due(&mut writer, now).await
        };
        let result = result.await;
        writer.finish(result).await
    }

    async fn act(
        &self,
        incident: IncidentId,
        (act, actor): (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<Acted, Error> {
        let mut writer = self.writer().await?;
        let result = self::act(&mut writer, incident, (act, actor), judge, (None, now)).await;
        writer.finish(result).await
    }

    async fn act_once(
        &self,
        key: &str,
        incident: IncidentId,
        by: (&Act, &Actor),
        judge: &dyn Caretaker,
        now: Timestamp,
    ) -> Result<ActedOnce, Error> {
        let mut once = Once::of(key);
        let mut writer = self.writer().await?;
        let result = act(&mut writer, incident, by, judge, (Some(&mut once), now)).await;
        let acted = writer.finish(result).await?;
        Ok(if once.is_repeated { ActedOnce::Repeated } else { ActedOnce::Acted(acted) })
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
        let mut writer = self.writer().await?;
        let result = silence(&mut writer, wanted, judge, now).await;
        writer.finish(result).await
    }

    async fn end_silence(&self, id: SilenceId, now: Timestamp) -> Result<Option<Silence>, Error> {
        let mut writer = self.writer().await?;
        let result = end_silence(&mut writer, id, now).await;
        writer.finish(result).await
    }

    async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, Error> {
        let mut silences = all(&mut *self.reader().await?).await?;
        silences.retain(|silence| now < silence.until);
        Ok(silences)
    }
}

/// All silences that were not over when the last of them was made.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Silence>, Error> {
    let found: Vec<SilenceRow> =
        sqlx::query_as(ALL).fetch_all(connection).await.map_err(failed("read the silences"))?;
    found.into_iter().map(SilenceRow::read).collect()
}

/// Asks for them.
pub(super) const ALL: &str = "SELECT id, scope, reason, by_name, by_way, from_at, until_at \
     FROM silences WHERE until_at > (SELECT max(from_at) FROM silences) ORDER BY id";

/// Decides by `judge` about each of `records`, and stores it.
async fn decide(
    writer: &mut Writer,
    records: Vec<IncidentRecord>,
    mut judge: impl FnMut(Case<'_>) -> Option<Transition>,
    (once, now): (Option<&mut Once<'_>>, Timestamp),
) -> Result<Vec<Change>, Error> {
    let memory = writer.memory().await?;
    let mut changes = Vec::new();
    for IncidentRecord { id, subject, incident: open } in records {
        let state = match &subject {
            Subject::Check(check) => memory.states.get(check),
            _ => None,
        };
        let case = Case { subject: &subject, open: &open, state, silences: &memory.silences };
        if let Some(mut transition) = judge(case) {
            if let Some(incident) = &mut transition.incident {
                incident.id = Some(id);
            }
            changes.push((id, Change { subject, transition }));
        }
    }
    if changes.is_empty() && once.is_none() {
        return Ok(Vec::new());
    }
    let connection = writer.begin(Durability::Power).await?;
    if let Some(once) = once
        && !succession::remember(&mut *connection, once.message, now).await?
    {
        once.is_repeated = true;
        writer.commit().await?;
        return Ok(Vec::new());
    }
    for (id, Change { subject, transition }) in &changes {
        let about = About::of(subject, Some(*id));
        write_decided(&mut *connection, about, transition, now).await?;
    }
    writer.commit().await?;
    let memory = writer.memory().await?;
    for (_, Change { subject, transition }) in &changes {
        if let (Subject::Check(check), Some(incident)) = (subject, &transition.incident) {
            plan::remember(memory.states.entry(check.clone()).or_default(), incident);
        }
    }
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

async fn tend(
    writer: &mut Writer,
    judge: &dyn Caretaker,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Change>, Error> {
    let now = rows::whole_millis(now);
    let due = incidents::due(writer.connection().await?, now, limit).await?;
    decide(writer, due, |case| Some(judge.tend(case, now)), (None, now)).await
}

/// Stores what `judge` makes of an act, which the message that it comes from asks for once.
pub(super) async fn act(
    writer: &mut Writer,
    incident: IncidentId,
    (act, actor): (&Act, &Actor),
    judge: &dyn Caretaker,
    (once, now): (Option<&mut Once<'_>>, Timestamp),
) -> Result<Acted, Error> {
    let now = rows::whole_millis(now);
    let Some(record) = incidents::one(writer.connection().await?, incident).await? else {
        return Ok(Acted::Unknown);
    };
    let mut refused = None;
    let judged = |case: Case<'_>| match judge.act(case, act, actor, now) {
        Ok(transition) => Some(transition),
        Err(why) => {
            refused = Some(why);
            None
        }
    };
    let done = decide(writer, vec![record], judged, (once, now)).await?.pop();
    Ok(match (done, refused) {
        (Some(change), _) => Acted::Done(Box::new(change)),
        (None, Some(why)) => Acted::Refused(why),
        (None, None) => Acted::Unknown,
    })
}

async fn silence(
    writer: &mut Writer,
    wanted: &NewSilence,
    judge: &dyn Caretaker,
    now: Timestamp,
) -> Result<Silence, Error> {
    let now = rows::whole_millis(now);
    let until = rows::whole_millis(wanted.until);
    let NewSilence { scope, reason, by, .. } = wanted;
    let connection = writer.begin(Durability::Power).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO silences (scope, reason, by_name, by_way, from_at, until_at) \
         VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(scope_text(scope))
    .bind(reason.as_str())
    .bind(by.name.as_str())
    .bind(by.via.as_str())
    .bind(rows::millis(now))
    .bind(rows::millis(until))
    .fetch_one(&mut *connection)
    .await
    .map_err(failed("write a silence"))?;
    reconsider(&mut *connection, now).await?;
    writer.commit().await?;
    let made = Silence {
        id: SilenceId(id),
        scope: scope.clone(),
        reason: reason.clone(),
        by: by.clone(),
        from: now,
        until,
    };
    let memory = writer.memory().await?;
    memory.silences.retain(|it| now < it.until && it.id != made.id);
    memory.silences.push(made.clone());
    recall_due(writer, now).await?;
    let open = incidents::open(writer.connection().await?).await?;
    let act = Act::Silenced { until, reason: reason.clone() };
    let told = |case: Case<'_>| {
        judge.covers(scope, case).then(|| judge.act(case, &act, by, now).ok()).flatten()
    };
    decide(writer, open, told, (None, now)).await?;
    Ok(made)
}

async fn end_silence(
    writer: &mut Writer,
    id: SilenceId,
    now: Timestamp,
) -> Result<Option<Silence>, Error> {
    let now = rows::whole_millis(now);
    let memory = writer.memory().await?;
    let Some(index) = memory.silences.iter().position(|it| it.id == id && now < it.until) else {
        return Ok(None);
    };
    let connection = writer.begin(Durability::Power).await?;
    sqlx::query("UPDATE silences SET until_at = ? WHERE id = ?")
        .bind(rows::millis(now))
        .bind(id.0)
        .execute(&mut *connection)
        .await
        .map_err(failed("end a silence"))?;
    reconsider(&mut *connection, now).await?;
    writer.commit().await?;
    let mut ended = writer.memory().await?.silences.remove(index);
    ended.until = now;
    recall_due(writer, now).await?;
    Ok(Some(ended))
}

async fn reconsider(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), Error> {
    let query = sqlx::query("UPDATE incidents SET due_at = ? WHERE resolved_at IS NULL");
    let done = query.bind(rows::millis(now)).execute(connection).await;
    done.map_err(failed("reconsider incidents")).map(|_| ())
}

/// Does in memory what [`reconsider`] did in the database.
async fn recall_due(writer: &mut Writer, now: Timestamp) -> Result<(), Error> {
    for state in writer.memory().await?.states.values_mut() {
        if let Some(open) = &mut state.incident {
            open.due_at = Some(now);
        }
    }
    Ok(())
}
