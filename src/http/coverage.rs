//! Uptime with coverage, and the slots that were not run.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{RawQuery, State};

use super::answer::Pretty;
use super::parameters::{LARGEST_LIMIT, Parameters};
use super::problem::Problem;
use super::{Api, dto};
use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, Tally};
use crate::domain::id::{CheckId, Region};
use crate::engine::accountant;

/// How far back is looked when the caller does not say.
const USUAL_PERIOD: Duration = Duration::from_hours(24);

/// Uptime
///
/// How the slots of each check and region came out: the share of known results that passed, and the
/// share of expected slots whose result is known. Slots whose run may still be going are left out,
/// so the period ends a little before now.
///
/// Of more than 500 checks, a page is asked for: pass `limit`, and `next_after` as `after`, until it is
/// null.
#[utoipa::path(get, path = "/api/v1/uptime", tag = "coverage", operation_id = "uptime", params(
    ("check" = Option<String>, Query, description = "Only of this check."),
    ("since" = Option<String>, Query, example = "7d",
        description = "How far back to look; `24h` if not given."),
    ("after" = Option<String>, Query, description = "Only checks whose ids come after this one."),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500,
        description = "At most so many checks; 100 if only `after` is given, all if neither is."),
), responses(
    (status = 200, description = "Uptime and coverage.", body = dto::Uptime),
    (status = 400, description = "A parameter is wrong, or there are too many checks for one answer.",
        body = dto::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn uptime(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Uptime>, Problem> {
    let known = ["check", "since", "after", "limit"];
    let parameters = Parameters::parse(query.as_deref(), &known)?;
    let (check, page) = (parameters.check()?, parameters.page()?);
    let period = period(&api, parameters.since()?).await?;
    let period = accountant::by_the_hour(&*api.accounts, period).await?;
    let (checks, next_after) = match check {
        Some(check) => (vec![check], None),
        None => listed(&api, page, period).await?,
    };
    let mut tallies = BTreeMap::new();
    if !checks.is_empty() {
        tallies = accountant::tallies(&*api.accounts, Some(&checks), period).await?;
    }
    Ok(Pretty(dto::Uptime { next_after, ..dto::Uptime::new(period, &tallies) }))
}

/// How the slots of `checks` came out in the last 24 hours, in all of their regions together; with the runs
/// that ended since slots were last accounted for, or a check would be down beside an uptime of 100 %.
pub(super) async fn of_last_day<'a>(
    api: &Api,
    checks: impl Iterator<Item = &'a CheckId>,
) -> Result<BTreeMap<CheckId, Tally>, Problem> {
    let checks: Vec<CheckId> = checks.cloned().collect();
    let mut sums: BTreeMap<CheckId, Tally> = BTreeMap::new();
    if checks.is_empty() {
        return Ok(sums);
    }
    let period = accountant::by_the_hour(&*api.accounts, period(api, None).await?).await?;
    let accounted = accountant::tallies(&*api.accounts, Some(&checks), period).await?;
    let since = (period.1, api.clock.now());
    let mut ended = BTreeMap::new();
    if since.0 < since.1 {
        ended = api.accounts.tallies(Some(&checks), since).await?;
    }
    for tally in ended.values_mut() {
        tally.expected = tally.passed + tally.failed + tally.unknown;
    }
    for ((check, _), tally) in accounted.into_iter().chain(ended) {
        let sum = sums.entry(check).or_default();
        *sum = sum.and(tally);
    }
    Ok(sums)
}

/// How the slots of the last 24 hours came out in each region, and what was not run there, the latest
/// first.
pub(super) async fn regions_of_last_day(
    api: &Api,
) -> Result<(BTreeMap<Region, Tally>, Vec<Gap>), Problem> {
    let all = period(api, None).await?;
    let counted = accountant::by_the_hour(&*api.accounts, all).await?;
    let mut sums: BTreeMap<Region, Tally> = BTreeMap::new();
    for ((_, region), tally) in accountant::tallies(&*api.accounts, None, counted).await? {
        let sum = sums.entry(region).or_default();
        *sum = sum.and(tally);
    }
    let gaps = api.accounts.gaps(None, all, LARGEST_LIMIT).await?;
    Ok((sums, gaps))
}

/// The checks of a page of those that were watched during `period`, and where to go on; without a page,
/// all of them, where they are not too many to be counted for one answer.
async fn listed(
    api: &Api,
    page: Option<(Option<CheckId>, u32)>,
    period: (Timestamp, Timestamp),
) -> Result<(Vec<CheckId>, Option<String>), Problem> {
    let Some((after, limit)) = page else {
        let all = api.accounts.watched(None, LARGEST_LIMIT + 1, period).await?;
        if all.len() <= usize::try_from(LARGEST_LIMIT).unwrap_or(usize::MAX) {
            return Ok((all, None));
        }
        let detail = format!(
            "there are more than {LARGEST_LIMIT} checks, too many for one answer: ask for some of them \
             with `limit` (up to {LARGEST_LIMIT}) and go on with `after`, or for one `check`"
        );
        return Err(Problem::parameter("limit", detail));
    };
    let mut checks = api.accounts.watched(after.as_ref(), limit + 1, period).await?;
    let mut next_after = None;
    if checks.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
        checks.pop();
        next_after = checks.last().map(ToString::to_string);
    }
    Ok((checks, next_after))
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
    let period = period(&api, parameters.since()?).await?;
    let gaps = api.accounts.gaps(check.as_ref(), period, parameters.limit()?).await?;
    Ok(Pretty(dto::Gaps { gaps: gaps.iter().map(dto::Gap::from).collect() }))
}

/// From as far back as asked up to where slots are accounted for.
async fn period(api: &Api, since: Option<Duration>) -> Result<(Timestamp, Timestamp), Problem> {
    let now = api.clock.now();
    let since = since.unwrap_or(USUAL_PERIOD);
    let after = chrono::TimeDelta::from_std(since).ok().and_then(|it| now.checked_sub_signed(it));
    let after = after.unwrap_or(Timestamp::UNIX_EPOCH);
    let until = api.accounts.accounted_until().await?.map_or(now, |until| until.min(now));
    Ok((after.min(until), until))
}
