//! Says hello, and then regularly that the agent lives; learns who else does.
//!
//! The others keep this agent's share until a heartbeat says that it knows what to run, so one follows
//! as soon as it does.
//!
//! What was asked is answered before it ends: a heartbeat that reached the hub after the goodbye
//! would take the name again, for nobody.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::contact::Way;
use super::{RETRY, Shared, following, jitter};
use crate::clock::Stopwatch;
use crate::link::client::Error;
use crate::link::protocol::{Beat, HEARTBEAT, LEASE, Pulse, SKEW_WARNING};

/// How long another may have the name of this agent before it counts as alive: longer than the lease of
/// one that has just died.
const CONTEST: Duration = LEASE.saturating_mul(2);

/// Says it until `leaving`.
pub(super) async fn run(shared: Arc<Shared>, leaving: CancellationToken) {
    let (mut failures, mut contest) = (0, None);
    let mut before = shared.folder.before();
    let mut replaces = before.next();
    shared.folder.note_claim(shared.instance);
    while !leaving.is_cancelled() {
        if shared.refresh_token() {
            following::remember_again(&shared).await;
        }
        let is_known = *shared.registered.borrow();
        let beat = beat(&shared, replaces.filter(|_| !is_known)).await;
        let since = Stopwatch::start();
        let answer = if is_known {
            shared.client.heartbeat(&beat).await
        } else {
            shared.client.hello(&beat).await
        };
        match answer {
            Ok(pulse) => {
                failures = 0;
                if contest.take().is_some() {
                    shared.contact().contest = None;
                    tracing::info!(event.action = "name-back", "the name is this agent's again");
                }
                // The first also paid for the handshake, so it says nothing about clocks.
                let round_trip = if is_known { since.elapsed() } else { Duration::ZERO };
                welcome(&shared, pulse, round_trip);
                tokio::select! {
                    () = leaving.cancelled() => {}
                    () = shared.assigned.notified() => {}
                    () = tokio::time::sleep(HEARTBEAT) => {}
                }
            }
            Err(error) if is_known && error.status() == Some(409) => {
                contested(&shared, contest.get_or_insert_with(Stopwatch::start), &error);
                leaving.run_until_cancelled(tokio::time::sleep(HEARTBEAT)).await;
            }
            Err(error) => {
                // Perhaps another of those before has the name.
                replaces = if error.status() == Some(409) { before.next() } else { replaces };
                if error.status() == Some(409) && replaces.is_some() {
                    continue;
                }
                failures += 1;
                refused(&shared, &error);
                let wait = RETRY.after(failures, jitter());
                leaving.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
    }
}

async fn beat(shared: &Shared, replaces: Option<Uuid>) -> Beat {
    let now = shared.clock.now();
    let lag = shared.pulse.lag(now).as_millis();
    let round_trip = shared.contact().round_trip.as_micros();
    let spool = shared.line.and(shared.spool.last_state().await);
    Beat {
        region: shared.settings.region.to_string(),
        name: shared.name.clone(),
        instance: shared.instance,
        replaces,
        sent_at: shared.clock.now(),
        round_trip_us: u64::try_from(round_trip).unwrap_or(u64::MAX),
        spool,
        lag_ms: u64::try_from(lag).unwrap_or(u64::MAX),
        revision: shared.work.load().as_ref().map(|work| work.assignments.revision.clone()),
    }
}

fn welcome(shared: &Shared, pulse: Pulse, round_trip: Duration) {
    let is_wrong = |skew: i64| Duration::from_micros(skew.unsigned_abs()) > SKEW_WARNING;
    {
        let mut contact = shared.contact();
        contact.succeeded(Way::Heartbeats, shared.clock.now());
        contact.round_trip = round_trip;
        contact.note_lags(pulse.lags);
        contact.note_token(pulse.token_good_until, &shared.token_file);
        let was_wrong = contact.skew_us.replace(pulse.skew_us).is_some_and(is_wrong);
        if is_wrong(pulse.skew_us) && !was_wrong {
            let skew_ms = pulse.skew_us / 1000;
            tracing::warn!(skew_ms, "this clock differs from the hub's; set it by NTP");
        }
    }
    if !shared.registered.send_replace(true) {
        shared.folder.note_grant(shared.instance);
        tracing::info!(hub = shared.hub, version = pulse.version, "the hub knows this agent");
    }
    shared.share.replace_live(&shared.settings.region, pulse.live);
}

/// Another agent took the name while this one could not reach the hub. One that lives renews its
/// lease and keeps it; one that does not loses it soon.
fn contested(shared: &Shared, since: &Stopwatch, error: &Error) {
    let (name, region) = (&shared.name, &shared.settings.region);
    // Why it did not answer before is over: it answers.
    shared.contact().relieve(Way::Heartbeats);
    if shared.contact().contest.replace(error.to_string()).is_none() {
        tracing::warn!(
            event.action = "name-taken",
            "another agent took the name `{name}` in {region} while this one could not reach the \
             hub; checks go on, and it is taken back unless the other lives"
        );
    }
    if since.elapsed() < CONTEST {
        return;
    }
    let folder = shared.folder.path().display();
    shared.give_up(format!(
        "another agent took the name `{name}` in {region} while this one could not reach the hub, \
         and it lives ({error}). What is not reported yet stays in {folder}; an agent that is \
         started there reports it, under another --name"
    ));
}

fn refused(shared: &Shared, error: &Error) {
    let was_known = *shared.registered.borrow();
    let has_work = shared.work.load().is_some();
    match error.status() {
        Some(401) if was_known => {
            if has_work {
                tracing::error!(
                    "the token was revoked, or replaced by another a while ago: no check is run any \
                     more"
                );
            }
            following::run_nothing(shared);
        }
        Some(401) => {
            following::run_nothing(shared);
            shared.give_up(error.to_string());
        }
        Some(400 | 403 | 409) => shared.give_up(error.to_string()),
        // With something to do, watching goes on until somebody installs the other version.
        Some(426) if !has_work => shared.give_up(error.to_string()),
        _ => {}
    }
    shared.contact().failed(Way::Heartbeats, &error.to_string());
}
