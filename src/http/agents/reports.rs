//! Reports in: decoded one by one, refused one by one, acknowledged together after the commit.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use chrono::TimeDelta;

use super::peer::Peer;
use super::{Link, decoded};
use crate::domain::Timestamp;
use crate::domain::run::Report;
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{
    Batch, Item, MOST_REPORTS, Refused, ReportMessage, SKEW_WARNING, Verdict,
};
use crate::link::publication::Published;
use crate::store::agents::AgentRecord;

/// A clock that is further off is not corrected by: a day, in microseconds.
const MOST_SKEW_US: u64 = 24 * 3_600_000_000;

pub(super) async fn reports(
    peer: Peer,
    State(link): State<Link>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Verdict>, Problem> {
    let batch: Batch = decoded(body)?;
    if batch.reports.len() > MOST_REPORTS {
        let detail = format!("a batch has at most {MOST_REPORTS} reports");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let (now, published) = (link.clock.now(), link.publication.borrow().of(&peer.region));
    let skew = skew_of(&link, &peer, &batch.name).await?;
    let mut good = Vec::with_capacity(batch.reports.len());
    let (mut refused, mut later) = (Vec::new(), Vec::new());
    for (index, item) in batch.reports.iter().enumerate() {
        match read(item, &peer, &published, now) {
            Ok(report) => good.push(report.by_a_clock_ahead(skew)),
            Err(NotTaken::Never(reason)) => refused.push(Refused { index, reason }),
            Err(NotTaken::Yet) => later.push(index),
        }
    }
    if !later.is_empty() {
        // The agent says so, and the heartbeat how far the clocks are apart.
        tracing::debug!(
            event.action = "reports-postponed",
            region = peer.region.as_str(),
            agent = shortened(&batch.name),
            reports = later.len(),
            "reports are of a time to come; they wait at the agent until its clock and this one agree"
        );
    }
    if let Some(first) = refused.first() {
        tracing::warn!(
            event.action = "reports-refused",
            region = peer.region.as_str(),
            agent = shortened(&batch.name),
            reports = refused.len(),
            reason = first.reason,
            "reports of an agent were refused"
        );
    }
    if !good.is_empty() {
        let taken = link.inlet.take(good).await;
        taken.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.0))?;
    }
    Ok(Json(Verdict { refused, later }))
}

/// Why a report is not taken.
enum NotTaken {
    /// It is of a time that has not come here.
    Yet,
    /// It never will be, for this reason.
    Never(String),
}

impl From<String> for NotTaken {
    fn from(reason: String) -> Self {
        Self::Never(reason)
    }
}

/// By how much the times in an agent's reports are to be set back: by nothing where its clock is good,
/// and else by what its last heartbeat showed.
async fn skew_of(link: &Link, peer: &Peer, name: &str) -> Result<TimeDelta, Problem> {
    let agents = link.agents.agents().await?;
    let is_theirs =
        |it: &&AgentRecord| it.presence.region == peer.region && it.presence.name == name;
    let skew = agents.iter().find(is_theirs).map_or(0, |agent| agent.presence.skew_us);
    let is_wrong = Duration::from_micros(skew.unsigned_abs()) > SKEW_WARNING;
    let is_bounded = skew.unsigned_abs() <= MOST_SKEW_US;
    // What is measured differs a little from beat to beat.
    let rounded = TimeDelta::milliseconds(skew / 100_000 * 100);
    Ok(if is_wrong && is_bounded { rounded } else { TimeDelta::zero() })
}

fn read(
    item: &Item,
    peer: &Peer,
    published: &Published,
    now: Timestamp,
) -> Result<Report, NotTaken> {
    let message: ReportMessage = item.read().map_err(|it| it.to_string())?;
    if message.ahead(now).is_some() {
        return Err(NotTaken::Yet);
    }
    let report = message.read(now).map_err(|it| it.0)?;
    let slot = &report.slot;
    if slot.region != peer.region {
        let (theirs, named) = (&peer.region, &slot.region);
        let reason = format!("the token is for agents of `{theirs}`, not of `{named}`");
        return Err(reason.into());
    }
    if !published.has(&slot.check) {
        let reason = format!("{} does not run the check `{}` (any more)", slot.region, slot.check);
        return Err(reason.into());
    }
    Ok(report)
}
