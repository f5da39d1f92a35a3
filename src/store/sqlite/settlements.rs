//! Settling: what came of attempts, by whoever still holds the claims. However many there are, they cost
//! one transaction and a few statements.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;

use super::writer::{Durability, Writer};
use super::{failed, gathering, succession};
use crate::domain::notification::Attempt;
use crate::domain::path::Path;
use crate::domain::proof::{self, Status};
use crate::store::claims::{self, Effect, Settling};
use crate::store::rows::notification::PresentRow;
use crate::store::rows::{self, storable, to_json};
use crate::store::{Ended, Error, Standing};

/// Records attempts and what follows from each.
pub(super) async fn settle(
    writer: &mut Writer,
    ended: &[Ended<'_>],
) -> Result<Vec<Standing>, Error> {
    let rounds = claims::rounds(ended);
    if rounds.is_empty() {
        return Ok(Vec::new());
    }
    let mut standings = Vec::with_capacity(ended.len());
    let connection = writer.begin(Durability::Power).await?;
    for round in rounds {
        let effects = effects(&mut *connection, round).await?;
        let settling: Vec<Settling<'_, '_>> = round.iter().zip(effects.iter().copied()).collect();
        write_deliveries(&mut *connection, &settling).await?;
        write_settlements(&mut *connection, &settling).await?;
        write_acceptances(&mut *connection, &settling).await?;
        write_stamps(&mut *connection, &settling).await?;
        for (it, effect) in &settling {
            if it.claim.gathered.is_some() {
                gathering::settle(&mut *connection, it, *effect).await?;
            }
        }
        supersede_stayed(&mut *connection, claims::stayed(&settling)).await?;
        standings.extend(effects.into_iter().map(Effect::standing));
    }
    writer.commit().await?;
    Ok(standings)
}

/// What recording each of `ended` changes. By a lease that was not settled, nothing is recorded yet.
async fn effects(
    connection: &mut SqliteConnection,
    ended: &[Ended<'_>],
) -> Result<Vec<Effect>, Error> {
    let asked = ended.iter().map(|it| {
        let (id, epoch) = (it.claim.notification.id.0, it.claim.epoch.0);
        (id, epoch, rows::millis(it.started_at), it.attempt.as_str())
    });
    let found: Vec<PresentRow> = sqlx::query_as(
        "SELECT mine.id, mine.state, mine.epoch, mine.lease_until IS NOT NULL AS leased, \
         (mine.lease_until IS NULL OR mine.epoch <> it.value ->> 1) AND EXISTS \
         (SELECT 1 FROM deliveries WHERE notification_id = mine.id \
         AND deliveries.epoch = it.value ->> 1 AND deliveries.started_at = it.value ->> 2 \
         AND deliveries.outcome = it.value ->> 3) AS recorded \
         FROM json_each(?1) AS it CROSS JOIN notifications AS mine ON mine.id = it.value ->> 0",
    )
    .bind(all(asked))
    .fetch_all(connection)
    .await
    .map_err(failed("look at claims"))?;
    let present: Result<HashMap<_, _>, _> = found.into_iter().map(PresentRow::read).collect();
    Ok(claims::effects(ended, &present?))
}

fn all<T: Serialize>(rows: impl Iterator<Item = T>) -> String {
    to_json(&rows.collect::<Vec<T>>())
}

async fn write_deliveries(
    connection: &mut SqliteConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let (mut written, mut mended) = (Vec::new(), BTreeSet::new());
    for (it, effect) in settling {
        if let Effect::Nothing(_) = effect {
            continue;
        }
        let (recipient, mut ask_at) = (&it.claim.notification.recipient, None);
        if let Attempt::Accepted { receipt } = it.attempt {
            ask_at = proof::first_asked(recipient, receipt, it.ended_at);
            mended.extend(Path::proven_by(recipient, receipt));
        }
        written.push((
            (it.claim.notification.id.0, it.claim.epoch.0),
            (rows::millis(it.started_at), rows::millis(it.ended_at)),
            (it.attempt.as_str(), storable(it.attempt.detail())),
            (ask_at.map(|_| Status::Queued.as_str()), ask_at.map(rows::millis)),
        ));
    }
    if written.is_empty() {
        return Ok(());
    }
    for (path, (reason, since)) in claims::found_broken(settling) {
        succession::found_broken(&mut *connection, &path, (reason, since)).await?;
    }
    for path in &mended {
        succession::mend(&mut *connection, path).await?;
    }
    let query = sqlx::query(
        "INSERT INTO deliveries (notification_id, epoch, started_at, ended_at, outcome, detail, \
         status, status_at, ask_at) SELECT value ->> '$[0][0]', value ->> '$[0][1]', \
         value ->> '$[1][0]', value ->> '$[1][1]', value ->> '$[2][0]', value ->> '$[2][1]', \
         value ->> '$[3][0]', iif(value ->> '$[3][0]' IS NULL, NULL, value ->> '$[1][1]'), \
         value ->> '$[3][1]' FROM json_each(?1) ORDER BY key",
    )
    .bind(to_json(&written));
    query.execute(connection).await.map_err(failed("record deliveries")).map(|_| ())
}

/// What follows from what was held. Of what was sent alone, it is written in the same go when it left and
/// was accepted; of digests, that is written with all in them.
async fn write_settlements(
    connection: &mut SqliteConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let held = settling.iter().filter(|(_, effect)| *effect == Effect::Settle);
    let written: Vec<_> = held
        .map(|(it, _)| {
            let follows = it.settlement;
            (
                (it.claim.notification.id.0, follows.state.as_str(), storable(&follows.reason)),
                (rows::millis(follows.due_at), rows::millis(it.ended_at)),
                (follows.failures, follows.possible_repeat),
                claims::left_at(it).map(rows::millis),
            )
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "UPDATE notifications SET state = it.new_state, due_at = it.new_due, \
         failures = it.new_failures, possible_repeat = it.is_repeat, reason = it.new_reason, \
         leased_at = NULL, lease_until = NULL, begun = 0, \
         settled_at = iif(it.new_state = 'owed', NULL, it.ended), \
         sent_at = iif(it.left_at IS NULL OR accepted_at IS NOT NULL, sent_at, it.left_at), \
         accepted_at = iif(it.left_at IS NULL, accepted_at, coalesce(accepted_at, it.ended)) \
         FROM (SELECT value ->> '$[0][0]' AS mine, value ->> '$[0][1]' AS new_state, \
         value ->> '$[0][2]' AS new_reason, value ->> '$[1][0]' AS new_due, \
         value ->> '$[1][1]' AS ended, value ->> '$[2][0]' AS new_failures, \
         value ->> '$[2][1]' AS is_repeat, value ->> '$[3]' AS left_at FROM json_each(?1)) AS it \
         WHERE notifications.id = it.mine",
    )
    .bind(to_json(&written));
    query.execute(connection).await.map_err(failed("settle notifications")).map(|_| ())
}

/// Supersedes those of `ids`, which stayed, in whose place another came while they were in somebody's hands.
pub(super) async fn supersede_stayed(
    connection: &mut SqliteConnection,
    ids: Vec<i64>,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let query =
        sqlx::query(claims::supersede_what_stayed!("id IN (SELECT value FROM json_each($1))"))
            .bind(to_json(&ids))
            .bind(claims::OVER)
            .bind(claims::TOLD_AGAIN);
    query.execute(connection).await.map_err(failed("supersede what stayed")).map(|_| ())
}

/// The recipients have these messages, by claims that are no longer held.
async fn write_acceptances(
    connection: &mut SqliteConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    for (it, _) in settling.iter().filter(|(_, effect)| *effect == Effect::Accept) {
        let query = sqlx::query(
            "UPDATE notifications SET state = 'sent', reason = ?2, leased_at = NULL, \
             lease_until = NULL, begun = 0, settled_at = ?3 WHERE id = ?1 AND state <> 'sent'",
        )
        .bind(it.claim.notification.id.0)
        .bind(it.settlement.reason.as_str())
        .bind(rows::millis(it.ended_at));
        query.execute(&mut *connection).await.map_err(failed("settle a notification"))?;
    }
    Ok(())
}

/// Writes when what was accepted by a claim that is no longer held left and was accepted; of digests, that
/// is written with all in them.
async fn write_stamps(
    connection: &mut SqliteConnection,
    settling: &[Settling<'_, '_>],
) -> Result<(), Error> {
    let sent = claims::stamped(settling);
    if sent.is_empty() {
        return Ok(());
    }
    let sent = sent.into_iter().map(|it| {
        (it.claim.notification.id.0, rows::millis(it.started_at), rows::millis(it.ended_at))
    });
    let query = sqlx::query(
        "UPDATE notifications SET sent_at = it.started, accepted_at = it.ended \
         FROM (SELECT value ->> 0 AS mine, value ->> 1 AS started, value ->> 2 AS ended \
         FROM json_each(?1)) AS it \
         WHERE notifications.id = it.mine AND state = 'sent' AND accepted_at IS NULL",
    )
    .bind(all(sent));
    query.execute(connection).await.map_err(failed("stamp notifications")).map(|_| ())
}
