//! Agents that come, live and go.

use std::sync::PoisonError;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use chrono::TimeDelta;
use uuid::Uuid;

use super::heard::{Skew, TooMany};
use super::peer::Peer;
use super::{Link, decoded};
use crate::domain::Timestamp;
use crate::domain::id::{Region, validate_name};
use crate::http::Lags;
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{Assignments, Beat, Goodbye, HubLags, LEASE, Pulse, SKEW_WARNING};
use crate::store::accounts::Process;
use crate::store::agents::{Claim, Claimed, Presence, Supersedes};

/// What of a round trip says something about clocks: what is longer was held up, and the next need not be.
/// Half of it is less than [`SKEW_WARNING`], so that nobody's clock looks wrong for that.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(1);

pub(super) async fn hello(
    peer: Peer,
    State(link): State<Link>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Pulse>, Problem> {
    let beat: Beat = decoded(body)?;
    let pulse = taken(&peer, &link, &beat).await?;
    let (region, agent) = (peer.region.as_str(), beat.name.as_str());
    tracing::info!(
        event.action = "agent-came",
        region,
        agent,
        version = peer.version,
        "an agent is here"
    );
    if !link.publication.borrow().has_checks_in(&peer.region) {
        tracing::warn!(
            event.action = "agent-idle",
            region,
            agent,
            "this agent has nothing to run: no check of the project runs in its region"
        );
    }
    Ok(pulse)
}

pub(super) async fn heartbeat(
    peer: Peer,
    State(link): State<Link>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Pulse>, Problem> {
    let beat: Beat = decoded(body)?;
    taken(&peer, &link, &beat).await
}

pub(super) async fn goodbye(
    peer: Peer,
    State(link): State<Link>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let goodbye: Goodbye = decoded(body)?;
    let now = link.clock.now();
    let name = goodbye.name.as_str();
    if !link.agents.release_name(&peer.region, name, goodbye.instance, now).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    // A stop in order is known to the moment.
    link.accounts.seen(&process(&peer.region, goodbye.instance), now).await?;
    let (region, agent) = (peer.region.as_str(), shortened(&goodbye.name));
    tracing::info!(event.action = "agent-left", region, agent, "an agent stopped in order");
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses what no agent can be called.
pub(super) fn well_named(name: &str) -> Result<(), Problem> {
    validate_name(name).map_err(|error| {
        let name = shortened(name);
        let detail = format!("the name of the agent, `{name}`: {error}; choose one with --name");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

async fn taken(peer: &Peer, link: &Link, beat: &Beat) -> Result<Json<Pulse>, Problem> {
    let now = link.clock.now();
    if beat.region != peer.region.as_str() {
        let detail = format!(
            "the token is for agents of `{}`, not of `{}`",
            peer.region,
            shortened(&beat.region)
        );
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    well_named(&beat.name)?;
    let who = (&peer.region, beat.name.as_str());
    if let Err(TooMany(detail)) = link.heard.judge(who, beat.instance, &*link.agents, now).await? {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
    }
    let seen_us = skew(beat, now);
    let before_us = link.heard.skew_before(who, beat.instance, &*link.agents).await?;
    let skew_us = believed(seen_us, before_us);
    let claim = Claim {
        presence: presence(peer, beat, skew_us),
        supersedes: beat.replaces.map_or(Supersedes::Nobody, Supersedes::Instance),
        now,
        lease_until: now + LEASE,
    };
    match link.agents.claim_name(&claim).await? {
        Claimed::Granted(live) => {
            link.heard.note(who, beat.instance, Skew { seen_us, believed_us: skew_us });
            warn_of_skew(link, &claim.presence);
            link.accounts.seen(&process(&peer.region, beat.instance), now).await?;
            let lags = Some(lags(link.loops.lags(now)));
            let (version, token_good_until) = (link.version.to_owned(), peer.good_until);
            Ok(Json(Pulse { version, skew_us, live, lags, token_good_until }))
        }
        Claimed::Taken(until) => {
            let left = (until - now).num_seconds().max(0) + 1;
            let detail = format!(
                "there is a live agent called `{}` in {}; stop it, or choose another name with \
                 --name (its lease ends in {left} s unless it lives)",
                beat.name, peer.region
            );
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

fn lags(lags: Lags) -> HubLags {
    let millis = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    HubLags {
        review_ms: millis(lags.review),
        accounting_ms: millis(lags.accounting),
        results_ms: millis(lags.results),
    }
}

fn presence(peer: &Peer, beat: &Beat, skew_us: i64) -> Presence {
    let shown = |revision: &String| shortened(Assignments::shown_revision(revision));
    Presence {
        region: peer.region.clone(),
        name: beat.name.clone(),
        instance: beat.instance,
        version: peer.version.clone(),
        skew_us,
        lag_ms: beat.lag_ms,
        spool_reports: beat.spool.reports,
        spool_bytes: beat.spool.bytes,
        thinned: beat.spool.thinned,
        lost: beat.spool.lost,
        revision: beat.revision.as_ref().map(shown),
    }
}

/// The agent as one of those who were there when slots were due.
fn process(region: &Region, instance: Uuid) -> Process {
    Process { id: instance.to_string(), region: Some(region.clone()) }
}

/// By how much the agent's clock is ahead, in microseconds: what it said when it sent, and half of
/// a round trip, against what our clock says now.
fn skew(beat: &Beat, now: Timestamp) -> i64 {
    let round_trip = Duration::from_micros(beat.round_trip_us).min(LONGEST_ROUND_TRIP);
    let on_the_way = TimeDelta::from_std(round_trip / 2).unwrap_or_default();
    let ahead = beat.sent_at.signed_duration_since(now).checked_add(&on_the_way);
    ahead.and_then(|ahead| ahead.num_microseconds()).unwrap_or(i64::MAX)
}

/// What is believed of a clock of which a heartbeat says `seen_us` and the one before it `before_us`. A
/// heartbeat that was held up on its way makes the clock look further behind than it is, never further
/// ahead, so the larger of the two is the better: two in a row are rarely held up.
fn believed(seen_us: i64, before_us: Option<i64>) -> i64 {
    before_us.map_or(seen_us, |before_us| seen_us.max(before_us))
}

/// Says once that a clock is wrong, until it was right again.
fn warn_of_skew(link: &Link, presence: &Presence) {
    let is_wrong = Duration::from_micros(presence.skew_us.unsigned_abs()) > SKEW_WARNING;
    let who = (presence.region.clone(), presence.name.clone());
    let mut skewed = link.skewed.lock().unwrap_or_else(PoisonError::into_inner);
    let was_wrong = if is_wrong { !skewed.insert(who) } else { skewed.remove(&who) };
    if is_wrong && !was_wrong {
        tracing::warn!(
            event.action = "agent-clock",
            region = presence.region.as_str(),
            agent = presence.name,
            skew_ms = presence.skew_us / 1000,
            "the clock of an agent differs from the hub's; set it by NTP"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T04:12:31Z".parse().expect("a time")
    }

    fn beat(sent_at: Timestamp, round_trip_us: u64) -> Beat {
        let text = format!(
            r#"{{"region":"eu","name":"a","instance":"{}","sent_at":"{}","round_trip_us":{}}}"#,
            uuid::Uuid::nil(),
            sent_at.to_rfc3339(),
            round_trip_us
        );
        serde_json::from_str(&text).expect("a beat")
    }

    #[test]
    fn a_clock_is_off_by_what_the_way_does_not_explain() {
        let late = now() - TimeDelta::milliseconds(50);
        assert_eq!(skew(&beat(late, 100_000), now()), 0);
        assert_eq!(skew(&beat(late, 0), now()), -50_000);
        assert_eq!(skew(&beat(now() + TimeDelta::seconds(3), 0), now()), 3_000_000);
        // What was held up says less than what was not; a clock that was set back is believed at the
        // second time.
        assert_eq!(believed(-5_200_000, Some(-300)), -300);
        assert_eq!(believed(-5_200_000, None), -5_200_000);
        assert_eq!(believed(-5_200_000, Some(-5_100_000)), -5_100_000);
        assert_eq!(believed(3_000_000, Some(-300)), 3_000_000);
        // Whatever an agent says, it is a number.
        assert_eq!(skew(&beat(now(), u64::MAX), now()), 500_000);
        assert!(skew(&beat(Timestamp::MAX_UTC, u64::MAX), now()) > 0);
        assert!(skew(&beat(Timestamp::MIN_UTC, 0), now()) < 0);
    }
}
