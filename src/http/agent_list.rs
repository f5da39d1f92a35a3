//! Which agents there are and how they are doing.

use axum::extract::{RawQuery, State};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Api, dto};

/// All agents
///
/// Every agent that was seen in the last 30 days, the one in the daemon's own process included: by
/// region and name, with when it was last seen, how far its clock and its schedule are off, and how
/// much it still has to report.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", responses(
    (status = 200, description = "The agents, by region and name.", body = dto::Agents),
))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Agents>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let now = api.clock.now();
    let agents = api.agents.agents().await?;
    Ok(Pretty(dto::Agents { agents: agents.iter().map(|it| dto::Agent::new(it, now)).collect() }))
}
