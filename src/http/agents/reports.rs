//! Reports in: decoded one by one, refused one by one, acknowledged together after the commit.
//!
//! A report counts where its slot was expected, whoever expected it: the project in force, of slots of
//! the moment, so that nothing has to be right in the store before anybody is told; and else a watch in
//! the store. A check that is gone from the project was expected until it was taken out, and what this
//! hub does not know yet may be in the project of another that shares the store.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use chrono::TimeDelta;

use super::expected::Expected;
use super::peer::Peer;
use super::room::Room;
use super::{Link, decoded};
use crate::domain::run::{Outcome, Report, mark_overtaken};
use crate::domain::slot::Slot;
use crate::domain::{Timestamp, after};
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{
    Batch, Item, MOST_REPORTS, Refused, ReportMessage, SKEW_WARNING, Verdict,
};
use crate::link::publication::Published;

/// A clock that is further off is not corrected by: a day, in microseconds.
const MOST_SKEW_US: u64 = 24 * 3_600_000_000;

/// How far from our clock a slot of the moment may be. Of one that nobody has expected so far somebody
/// may still say that it was: hubs that share a store are given a new project one after the other.
const FRESH: TimeDelta = TimeDelta::minutes(10);

pub(super) async fn reports(
    peer: Peer,
    State(link): State<Link>,
    _room: Room,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Verdict>, Problem> {
    let batch: Batch = decoded(body)?;
    if batch.reports.len() > MOST_REPORTS {
        let detail = format!("a batch has at most {MOST_REPORTS} reports");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let skew = link.heard.skew_of(&peer.region, &batch.name, &*link.agents).await?;
    let Sorted { mut good, refused, later } = sorted(&batch, &peer, &link, skew).await?;
    let who = (&peer, batch.name.as_str());
    tell_later(&later, who);
    tell_refused(&refused, who);
    if !good.is_empty() {
        mark_overtaken(&mut good);
        let taken = link.inlet.take(good).await;
        taken.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.0))?;
    }
    let later_reason = later.first().map(|(_, reason)| reason.clone());
    let later = later.into_iter().map(|(index, _)| index).collect();
    Ok(Json(Verdict { refused, later, later_reason }))
}

/// What becomes of the reports of a batch.
struct Sorted {
    good: Vec<Report>,
    refused: Vec<Refused>,
    /// By their indexes, with the reason.
    later: Vec<(usize, String)>,
}

/// Why a report is not taken.
enum NotTaken {
    /// It may be later; for this reason not now.
    Yet(String),
    /// It never will be, for this reason.
    Never(String),
}

impl From<String> for NotTaken {
    fn from(reason: String) -> Self {
        Self::Never(reason)
    }
}

async fn sorted(batch: &Batch, peer: &Peer, link: &Link, skew_us: i64) -> Result<Sorted, Problem> {
    let now = link.clock.now();
    let published = link.publication.borrow().of(&peer.region);
    let is_ours = |report: &Report| is_of_project(report, &published, now);
    let apart = TimeDelta::microseconds(skew_us).abs();
    let skew = corrected_by(skew_us);
    let read = |item| read(item, peer, link, (now, apart)).map(|it| it.by_a_clock_ahead(skew));
    let read: Vec<_> = batch.reports.iter().map(read).collect();
    let others: Vec<&Slot> =
        read.iter().flatten().filter(|it| !is_ours(it)).map(|it| &it.slot).collect();
    let expected = link.expectations.of(&peer.region, &others, &*link.accounts, now).await?;
    let mut expected = expected.into_iter();
    let mut sorted = Sorted { good: Vec::new(), refused: Vec::new(), later: Vec::new() };
    for (index, read) in read.into_iter().enumerate() {
        let judged = read.and_then(|report| {
            if is_ours(&report) {
                return Ok(report);
            }
            match expected.next().unwrap_or(Expected::Never) {
                Expected::Never => Err(unexpected(&report, now)),
                // Another hub's project has the check. Stored here, nothing would follow from it.
                Expected::Still
                    if is_fresh(&report, now)
                        && published.schedule_of(&report.slot.check).is_none() =>
                {
                    Err(of_another_project(&report))
                }
                Expected::Still | Expected::Once => Ok(report),
            }
        });
        match judged {
            Ok(report) => sorted.good.push(report),
            Err(NotTaken::Never(reason)) => sorted.refused.push(Refused { index, reason }),
            Err(NotTaken::Yet(reason)) => sorted.later.push((index, reason)),
        }
    }
    Ok(sorted)
}

/// Whether a report is of a slot of the moment that the project in force says is to be run.
fn is_of_project(report: &Report, published: &Published, now: Timestamp) -> bool {
    let Slot { check, region, at } = &report.slot;
    let before = *at - TimeDelta::milliseconds(1);
    is_fresh(report, now)
        && published
            .schedule_of(check)
            .is_some_and(|schedule| schedule.next_after(before, check, region) == Some(*at))
}

/// Whether its slot is of the moment, by our clock.
fn is_fresh(report: &Report, now: Timestamp) -> bool {
    (now - report.slot_by_our_clock()).abs() < FRESH
}

/// Reads a report at `now` of a peer whose clock is so far `apart` from ours.
fn read(
    item: &Item,
    peer: &Peer,
    link: &Link,
    (now, apart): (Timestamp, TimeDelta),
) -> Result<Report, NotTaken> {
    let message: ReportMessage = item.read().map_err(|it| it.to_string())?;
    if let Some(ahead) = message.ahead(now) {
        let seconds = ahead.num_seconds();
        return Err(NotTaken::Yet(format!(
            "by the hub's clock it is of a time {seconds} s to come: one of the two clocks is wrong"
        )));
    }
    let report = message.read(now).map_err(|it| it.0)?;
    let slot = &report.slot;
    if slot.region != peer.region {
        let (theirs, named) = (&peer.region, &slot.region);
        let reason = format!("the token is for agents of `{theirs}`, not of `{named}`");
        return Err(reason.into());
    }
    let is_passed = report.outcome() == Outcome::Passed;
    let kept = if is_passed { link.retention.passed } else { link.retention.failed };
    if slot.at < now - kept {
        let (days, at) = (kept.as_secs() / 86_400, slot.at);
        if after(slot.at, apart.to_std().unwrap_or_default()) >= now - kept {
            let seconds = apart.num_seconds();
            return Err(NotTaken::Yet(format!(
                "by the hub's clock it is too old to be kept, and by the agent's, which differs by \
                 {seconds} s, it is not: one of the two clocks is wrong"
            )));
        }
        let reason = format!("it is of {at}, and the hub keeps such runs for {days} d only");
        return Err(reason.into());
    }
    Ok(report)
}

/// What becomes of a slot that no watch has.
fn of_another_project(report: &Report) -> NotTaken {
    let check = &report.slot.check;
    NotTaken::Yet(format!("this hub does not have the check `{check}` yet; another one has"))
}

fn unexpected(report: &Report, now: Timestamp) -> NotTaken {
    let Slot { check, region, at } = &report.slot;
    if is_fresh(report, now) {
        NotTaken::Yet(format!(
            "the hub does not know (yet, or any more) that {region} is to run the check `{check}` \
             at {at}"
        ))
    } else {
        NotTaken::Never(format!("{region} was not to run the check `{check}` at {at}"))
    }
}

fn tell_later(later: &[(usize, String)], (peer, name): (&Peer, &str)) {
    let Some((_, reason)) = later.first() else { return };
    // The agent says so, too; and the heartbeat how far the clocks are apart.
    tracing::debug!(
        event.action = "reports-postponed",
        region = peer.region.as_str(),
        agent = shortened(name),
        reports = later.len(),
        reason,
        "reports cannot be taken yet; they wait at the agent"
    );
}

fn tell_refused(refused: &[Refused], (peer, name): (&Peer, &str)) {
    let Some(first) = refused.first() else { return };
    tracing::warn!(
        event.action = "reports-refused",
        region = peer.region.as_str(),
        agent = shortened(name),
        reports = refused.len(),
        reason = first.reason,
        "reports of an agent were refused"
    );
}

/// By how much the times in an agent's reports are to be set back: by nothing where its clock is good,
/// and else by what its last heartbeat showed.
pub(super) fn corrected_by(skew_us: i64) -> TimeDelta {
    let is_wrong = Duration::from_micros(skew_us.unsigned_abs()) > SKEW_WARNING;
    let is_bounded = skew_us.unsigned_abs() <= MOST_SKEW_US;
    // What is measured differs a little from beat to beat.
    let rounded = TimeDelta::milliseconds(skew_us / 100_000 * 100);
    if is_wrong && is_bounded { rounded } else { TimeDelta::zero() }
}
