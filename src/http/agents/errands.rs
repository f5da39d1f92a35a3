//! Errands of agents: taken by one, and what came of them.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use uuid::Uuid;

use super::beats::well_named;
use super::peer::Peer;
use super::reports::corrected_by;
use super::room::Room;
use super::{Link, decoded};
use crate::domain::errand::ErrandId;
use crate::engine::errands::Waiting;
use crate::http::problem::Problem;
use crate::link::protocol::{
    ErrandMessage, ErrandReport, Item, MOST_ERRANDS, OutputMessage, ReportMessage, TakeErrands,
    TakenErrands,
};
use crate::store::Standing;
use crate::store::errands::Hand;

pub(super) async fn take(
    peer: Peer,
    State(link): State<Link>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TakenErrands>, Problem> {
    let TakeErrands { name, most } = decoded(body)?;
    well_named(&name)?;
    let taken = link.errands.take(&peer.region, &name, most.min(MOST_ERRANDS)).await?;
    let message = |it: &Waiting| {
        Item::new(&ErrandMessage {
            id: it.errand.0,
            check: it.check.to_string(),
            run: it.run.0,
            asked_at: it.asked_at,
        })
    };
    let errands = taken.iter().map(message).collect::<Result<Vec<_>, _>>();
    Ok(Json(TakenErrands { errands: errands.expect("an errand has text keys") }))
}

pub(super) async fn output(
    peer: Peer,
    State(link): State<Link>,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::missing("there is no such errand"))?;
    let message: OutputMessage = decoded(body)?;
    well_named(&message.name)?;
    let hand = Hand { errand: ErrandId(id), region: &peer.region, agent: &message.name };
    held(link.errands.tell(hand, &message.read()).await?)
}

pub(super) async fn bring(
    peer: Peer,
    State(link): State<Link>,
    id: Result<Path<Uuid>, PathRejection>,
    _room: Room,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::missing("there is no such errand"))?;
    let ErrandReport { name, report } = decoded(body)?;
    well_named(&name)?;
    let wrong = |reason: String| Problem::new(StatusCode::BAD_REQUEST, reason);
    let message: ReportMessage = report.read().map_err(|error| wrong(error.to_string()))?;
    let report = message.read(link.clock.now()).map_err(|it| wrong(it.0))?;
    let skew = link.heard.skew_of(&peer.region, &name, &*link.agents).await?;
    let report = report.by_a_clock_ahead(corrected_by(skew));
    let hand = Hand { errand: ErrandId(id), region: &peer.region, agent: &name };
    held(link.errands.bring(hand, &report).await?)
}

fn held(standing: Standing) -> Result<StatusCode, Problem> {
    match standing {
        Standing::Held => Ok(StatusCode::NO_CONTENT),
        Standing::Lost => {
            let detail = "the errand is not this agent's, or was given up as lost";
            Err(Problem::new(StatusCode::GONE, detail))
        }
    }
}
