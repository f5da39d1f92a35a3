//! Settling: what came of attempts, by whoever still holds the claims. However many there are, they cost
//! one transaction and a few statements.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use sqlx::postgres::{PgConnection, PgPool};

use super::session::{begin, commit};
use super::{failed, gathering, storable, succession};
use crate::domain::notification::Attempt;
use crate::domain::path::Path;
use crate::domain::proof::{self, Status};
use crate::store::claims::{self, Effect, Settling};
use crate::store::rows;
use crate::store::rows::notification::PresentRow;
use crate::store::{Claim, Ended, Error, Standing};

/// Records attempts and what follows from each.
pub(super) async fn settle(pool: &PgPool, ended: &[Ended<'_>]) -> Result<Vec<Standing>, Error> {
    let rounds = claims::rounds(ended);
    if rounds.is_empty() {
        return Ok(Vec::new());
    }
    let mut standings = Vec::with_capacity(ended.len());
    let mut transaction = begin(pool).await?;
    // All at once and in one order, so that hubs that settle the same wait and do not block each other.
    let locked =
        sqlx::query("SELECT 1 FROM notifications WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE")
            .bind(ids(ended.iter()))
            .execute(&mut *transaction);
    locked.await.map_err(failed("look at claims"))?;
    for round in rounds {
        let effects = effects(&mut transaction, round).await?;
        let settling: Vec<Settling<'_, '_>> = round.iter().zip(effects.iter().copied()).collect();
        write_deliveries(&mut transaction, &settling).await?;
        write_settlements(&mut transaction, &settling).await?;
        write_acceptances(&mut transaction, &settling).await?;
        write_stamps(&mut transaction, &settling).await?;
        for (it, effect) in &settling {
            if it.claim.gathered.is_some() {
                gathering::settle(&mut transaction, it, *effect).await?;
            }
        }
        supersede_stayed(&mut transaction, claims::stayed(&settling)).await?;
        standings.extend(effects.into_iter().map(Effect::standing));
    }
    commit(pool, transaction).await?;
    Ok(standings)
}

/// Notes that a repeat is about to leave.
pub(super) async fn note_departure(pool: &PgPool, claim: &Claim) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    let noted = sqlx::query(
        "UPDATE notifications SET begun = true \
         WHERE id = $1 AND state || '' = 'owed' AND lease_until IS NOT NULL AND epoch = $2",
    )
    .bind(claim.notification.id.0)
    .bind(claim.epoch.0)
    .execute(&mut *transaction)
    .await
    .map_err(failed("note a departure"))?;
    commit(pool, transaction).await?;
    Ok(if noted.rows_affected() > 0 { Standing::Held } else { Standing::Lost })
}

fn ids<'e, 'a: 'e>(ended: impl Iterator<Item = &'e Ended<'a>>) -> Vec<i64> {
    ended.map(|it| it.claim.notification.id.0).collect()
}

/// What recording each of `ended` changes. By a statement of its own, which sees what was committed while
/// the locks were waited for. By a lease that was not settled, nothing is recorded yet.
async fn effects(connection: &mut PgConnection, ended: &[Ended<'_>]) -> Result<Vec<Effect>, Error> {
    let started: Vec<i64> = ended.iter().map(|it| rows::millis(it.started_at)).collect();
    let found: Vec<PresentRow> = sqlx::query_as(
        "SELECT mine.id, mine.state, mine.epoch, mine.lease_until IS NOT NULL AS leased, \
         (mine.lease_until IS NULL OR mine.epoch <> it.epoch) AND EXISTS \
         (SELECT 1 FROM deliveries WHERE notification_id = mine.id \
         AND deliveries.epoch = it.epoch AND deliveries.started_at = it.started_at \
         AND deliveries.outcome = it.outcome) AS recorded \
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) \
         AS it (id, epoch, started_at, outcome) JOIN notifications AS mine ON mine.id = it.id",
    )
    .bind(ids(ended.iter()))
    .bind(ended.iter().map(|it| it.claim.epoch.0).collect::<Vec<i64>>())
    .bind(started)
    .bind(ended.iter().map(|it| it.attempt.as_str()).collect::<Vec<&str>>())
    .fetch_all(connection)
    .await
    .map_err(failed("look at claims"))?;
    let present: Result<HashMap<_, _>, _> = found.into_iter().map(PresentRow::read).collect();
    Ok(claims::effects(ended, &present?))
}

async fn write_deliveries(
    connection: &mut PgConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let written = settling.iter().filter(|(_, effect)| !matches!(effect, Effect::Nothing(_)));
    let written: Vec<&Ended<'_>> = written.map(|(it, _)| *it).collect();
    if written.is_empty() {
        return Ok(());
    }
    let (mut ask_at, mut mended): (Vec<Option<i64>>, _) = (Vec::new(), BTreeSet::new());
    for it in &written {
        let recipient = &it.claim.notification.recipient;
        let mut asked = None;
        if let Attempt::Accepted { receipt } = it.attempt {
            asked = proof::first_asked(recipient, receipt, it.ended_at);
            mended.extend(Path::proven_by(recipient, receipt));
        }
        ask_at.push(asked.map(rows::millis));
    }
    for (path, (reason, since)) in claims::found_broken(settling) {
        succession::found_broken(&mut *connection, &path, (reason, since)).await?;
    }
    for path in &mended {
        succession::mend(&mut *connection, path).await?;
    }
    let details: Vec<Cow<'_, str>> =
        written.iter().map(|it| storable(it.attempt.detail())).collect();
    let query = sqlx::query(
        "INSERT INTO deliveries (notification_id, epoch, started_at, ended_at, outcome, detail, \
         status, status_at, ask_at) SELECT it.id, it.epoch, it.started_at, it.ended_at, \
         it.outcome, it.detail, CASE WHEN it.ask_at IS NOT NULL THEN $8 END, \
         CASE WHEN it.ask_at IS NOT NULL THEN it.ended_at END, it.ask_at \
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], \
         $6::text[], $7::bigint[]) \
         AS it (id, epoch, started_at, ended_at, outcome, detail, ask_at)",
    )
    .bind(ids(written.iter().copied()))
    .bind(written.iter().map(|it| it.claim.epoch.0).collect::<Vec<i64>>())
    .bind(written.iter().map(|it| rows::millis(it.started_at)).collect::<Vec<i64>>())
    .bind(written.iter().map(|it| rows::millis(it.ended_at)).collect::<Vec<i64>>())
    .bind(written.iter().map(|it| it.attempt.as_str()).collect::<Vec<&str>>())
    .bind(details.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
    .bind(ask_at)
    .bind(Status::Queued.as_str());
    query.execute(connection).await.map_err(failed("record deliveries")).map(|_| ())
}

/// What follows from what was held. Of what was sent alone, it is written in the same go when it left and
/// was accepted; of digests, that is written with all in them.
async fn write_settlements(
    connection: &mut PgConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let held = settling.iter().filter(|(_, effect)| *effect == Effect::Settle);
    let held: Vec<&Ended<'_>> = held.map(|(it, _)| *it).collect();
    if held.is_empty() {
        return Ok(());
    }
    let left = held.iter().map(|it| claims::left_at(it).map(rows::millis));
    let follows: Vec<_> = held.iter().map(|it| it.settlement).collect();
    let reasons: Vec<Cow<'_, str>> = follows.iter().map(|it| storable(&it.reason)).collect();
    let query = sqlx::query(
        "UPDATE notifications AS mine SET state = it.state, due_at = it.due_at, \
         failures = it.failures, possible_repeat = it.possible_repeat, reason = it.reason, \
         leased_at = NULL, lease_until = NULL, begun = false, \
         settled_at = CASE WHEN it.state = 'owed' THEN NULL ELSE it.ended_at END, \
         sent_at = CASE WHEN it.left_at IS NULL OR mine.accepted_at IS NOT NULL \
         THEN mine.sent_at ELSE it.left_at END, \
         accepted_at = CASE WHEN it.left_at IS NULL THEN mine.accepted_at \
         ELSE coalesce(mine.accepted_at, it.ended_at) END \
         FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], \
         $6::text[], $7::bigint[], $8::bigint[]) \
         AS it (id, state, due_at, failures, possible_repeat, reason, ended_at, left_at) \
         WHERE mine.id = it.id",
    )
    .bind(ids(held.iter().copied()))
    .bind(follows.iter().map(|it| it.state.as_str()).collect::<Vec<&str>>())
    .bind(follows.iter().map(|it| rows::millis(it.due_at)).collect::<Vec<i64>>())
    .bind(follows.iter().map(|it| i64::from(it.failures)).collect::<Vec<i64>>())
    .bind(follows.iter().map(|it| it.possible_repeat).collect::<Vec<bool>>())
    .bind(reasons.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
    .bind(held.iter().map(|it| rows::millis(it.ended_at)).collect::<Vec<i64>>())
    .bind(left.collect::<Vec<Option<i64>>>());
    query.execute(connection).await.map_err(failed("settle notifications")).map(|_| ())
}

/// Supersedes those of `ids`, which stayed, in whose place another came while they were in somebody's hands.
/// What comes at this very moment is not seen; whoever claims them looks again.
pub(super) async fn supersede_stayed(
    connection: &mut PgConnection,
    ids: Vec<i64>,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(claims::supersede_what_stayed!("id = ANY($1)"))
        .bind(ids)
        .bind(claims::OVER)
        .bind(claims::TOLD_AGAIN);
    query.execute(connection).await.map_err(failed("supersede what stayed")).map(|_| ())
}

/// The recipients have these messages, by claims that are no longer held.
async fn write_acceptances(
    connection: &mut PgConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    for (it, _) in settling.iter().filter(|(_, effect)| *effect == Effect::Accept) {
        let query = sqlx::query(
            "UPDATE notifications SET state = 'sent', reason = $2, leased_at = NULL, \
             lease_until = NULL, begun = false, settled_at = $3 WHERE id = $1 AND state <> 'sent'",
        )
        .bind(it.claim.notification.id.0)
        .bind(storable(&it.settlement.reason))
        .bind(rows::millis(it.ended_at));
        query.execute(&mut *connection).await.map_err(failed("settle a notification"))?;
    }
    Ok(())
}

/// Writes when what was accepted by a claim that is no longer held left and was accepted; of digests, that
/// is written with all in them.
async fn write_stamps(
    connection: &mut PgConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let sent = claims::stamped(settling);
    if sent.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE notifications AS mine SET sent_at = it.started_at, accepted_at = it.ended_at \
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS it (id, started_at, ended_at) \
         WHERE mine.id = it.id AND mine.state = 'sent' AND mine.accepted_at IS NULL",
    )
    .bind(ids(sent.iter().copied()))
    .bind(sent.iter().map(|it| rows::millis(it.started_at)).collect::<Vec<i64>>())
    .bind(sent.iter().map(|it| rows::millis(it.ended_at)).collect::<Vec<i64>>());
    query.execute(connection).await.map_err(failed("stamp notifications")).map(|_| ())
}
