//! Uptime with coverage, and the slots that were not run.

use std::time::Duration;

use axum::extract::{RawQuery, State};

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Api, dto};
use crate::domain::Timestamp;
use crate::engine::accountant;

/// How far back is looked when the caller does not say.
const USUAL_PERIOD: Duration = Duration::from_hours(24);

/// Uptime
///
/// How the slots of each check and region came out: the share of known results that passed, and the
/// share of expected slots whose result is known. Slots whose run may still be going are left out,
/// so the period ends a little before now.
#[utoipa::path(get, path = "/api/v1/uptime", tag = "coverage", operation_id = "uptime", params(
    ("check" = Option<String>, Query, description = "Only of this check."),
    ("since" = Option<String>, Query, example = "7d",
        description = "How far back to look; `24h` if not given."),
), responses(
    (status = 200, description = "Uptime and coverage.", body = dto::Uptime),
    (status = 400, description = "A parameter is wrong.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn uptime(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Uptime>, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["check", "since"])?;
    let check = parameters.check()?;
    let period = period(&api, &parameters).await?;
    let period = accountant::by_the_hour(&*api.accounts, period).await?;
    let tallies = accountant::tallies(&*api.accounts, check.as_ref(), period).await?;
    Ok(Pretty(dto::Uptime::new(period, &tallies)))
}

/// Gaps
///
/// Slots in a row that have no run, with the reason, the latest first. A run that came later takes
/// its slot back: `slots` says how many had none when the gap was recorded.
#[utoipa::path(get, path = "/api/v1/gaps", tag = "coverage", operation_id = "gaps", params(
    ("check" = Option<String>, Query, description = "Only of this check."),
    ("since" = Option<String>, Query, example = "7d",
        description = "How far back to look; `24h` if not given."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
        description = "At most this many; 100 if not given."),
), responses(
    (status = 200, description = "The gaps.", body = dto::Gaps),
    (status = 400, description = "A parameter is wrong.", body = dto::Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn gaps(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Gaps>, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["check", "since", "limit"])?;
    let check = parameters.check()?;
    let period = period(&api, &parameters).await?;
    let gaps = api.accounts.gaps(check.as_ref(), period, parameters.limit()?).await?;
    Ok(Pretty(dto::Gaps { gaps: gaps.iter().map(dto::Gap::from).collect() }))
}

/// From as far back as asked up to where slots are accounted for.
async fn period(api: &Api, parameters: &Parameters) -> Result<(Timestamp, Timestamp), Problem> {
    let now = api.clock.now();
    let since = parameters.since()?.unwrap_or(USUAL_PERIOD);
    let after = chrono::TimeDelta::from_std(since).ok().and_then(|it| now.checked_sub_signed(it));
    let after = after.unwrap_or(Timestamp::UNIX_EPOCH);
    let until = api.accounts.accounted_until().await?.map_or(now, |until| until.min(now));
    Ok((after.min(until), until))
}
