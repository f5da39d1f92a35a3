//! Reports in: decoded one by one, refused one by one, acknowledged together after the commit.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;

use super::peer::Peer;
use super::{Link, decoded};
use crate::domain::Timestamp;
use crate::domain::run::Report;
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{Batch, Item, MOST_REPORTS, Refused, ReportMessage, Verdict};
use crate::link::publication::Published;

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
    let (mut good, mut refused) = (Vec::with_capacity(batch.reports.len()), Vec::new());
    for (index, item) in batch.reports.iter().enumerate() {
        match read(item, &peer, &published, now) {
            Ok(report) => good.push(report),
            Err(reason) => refused.push(Refused { index, reason }),
        }
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
    Ok(Json(Verdict { refused }))
}

fn read(item: &Item, peer: &Peer, published: &Published, now: Timestamp) -> Result<Report, String> {
    let message: ReportMessage = item.read().map_err(|it| it.to_string())?;
    let report = message.read(now).map_err(|it| it.0)?;
    let slot = &report.slot;
    if slot.region != peer.region {
        let (theirs, named) = (&peer.region, &slot.region);
        return Err(format!("the token is for agents of `{theirs}`, not of `{named}`"));
    }
    if !published.has(&slot.check) {
        return Err(format!("{} does not run the check `{}` (any more)", slot.region, slot.check));
    }
    Ok(report)
}
