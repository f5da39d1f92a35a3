//! Silences: of what people asked not to be told for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;

use super::access::Visitor;
use super::acts::{Leave, Sent, actor, length, reason};
use super::answer::Pretty;
use super::parameters::{Parameters, number};
use super::problem::{Problem, shortened};
use super::{Api, dto};
use crate::config::suggestion::did_you_mean;
use crate::domain::id::{CheckId, Region};
use crate::domain::restraint::{Actor, Scope, Silence, SilenceId};
use crate::domain::rule::RuleName;
use crate::domain::{Timestamp, after};
use crate::store::care::NewSilence;

/// Where they are.
pub(super) const PATH: &str = "/api/v1/silences";

/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest: what nobody is to be told of for longer is switched off in the project.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// So many there may be at a time: each decision looks at all of them.
const MOST: usize = 500;
/// So many names of a kind one may have.
const MOST_NAMES: usize = 200;

/// Silences
///
/// The silences that are not over, by number.
#[utoipa::path(get, path = "/api/v1/silences", operation_id = "list_silences", tag = "incidents",
    responses((status = 200, description = "The silences.", body = dto::Silences)))]
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Silences>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let silences = api.acts.silences().await?;
    Ok(Pretty(dto::Silences { silences: silences.iter().map(dto::Silence::from).collect() }))
}

/// Silence
///
/// Nobody is told of what is meant, from now on and until it ends; what still fails then is told. What
/// is named restricts: an incident is meant that fits the names, the regions and the labels.
#[utoipa::path(post, path = "/api/v1/silences", operation_id = "begin_silence", tag = "incidents",
    request_body(content = dto::SentSilence, content_type = "application/json"),
    responses(
        (status = 201, description = "The silence.", body = dto::Silence),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "There are too many silences.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The content type is another.", body = dto::Problem,
            content_type = "application/problem+json"),
    ))]
pub(super) async fn begin(
    State(api): State<Api>,
    visitor: Visitor,
    Sent(sent): Sent<dto::SentSilence>,
) -> Result<(StatusCode, Pretty<dto::Silence>), Problem> {
    let by = actor(&visitor, sent.by.as_deref(), sent.via)?;
    let silence = silence(&api, &sent, by).await?;
    Ok((StatusCode::CREATED, Pretty(dto::Silence::from(&silence))))
}

/// Has what is sent silenced by `by`.
pub(super) async fn silence(
    api: &Api,
    sent: &dto::SentSilence,
    by: Actor,
) -> Result<Silence, Problem> {
    let reason = reason(Some(&sent.reason))?
        .ok_or_else(|| Problem::parameter("reason", "say why, in `reason`"))?;
    let until = until(sent, api.acts.now())?;
    let scope = scope(api, sent)?;
    if api.acts.silences().await?.len() >= MOST {
        let detail = format!("there are {MOST} silences already; end some before");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    Ok(api.acts.silence(&NewSilence { scope, reason, by, until }).await?)
}

/// End a silence
///
/// Ends it now; what it kept back and still fails is told.
#[utoipa::path(delete, path = "/api/v1/silences/{id}", operation_id = "end_silence",
    tag = "incidents", params(("id" = i64, Path, description = "The number of the silence.")),
    responses(
        (status = 200, description = "The silence, which is over.", body = dto::Silence),
        (status = 403, description = "Acts are not taken from there.", body = dto::Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such silence that is not over.",
            body = dto::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn end(
    State(api): State<Api>,
    _: Leave,
    id: Result<Path<String>, PathRejection>,
) -> Result<Pretty<dto::Silence>, Problem> {
    Ok(Pretty(dto::Silence::from(&finish(&api, id).await?)))
}

/// Ends the silence with this number.
pub(super) async fn finish(
    api: &Api,
    id: Result<Path<String>, PathRejection>,
) -> Result<Silence, Problem> {
    let number = number("a silence", id)?;
    let missing = || Problem::missing(format!("there is no silence {number} that is not over"));
    api.acts.end_silence(SilenceId(number)).await?.ok_or_else(missing)
}

/// When it is over.
fn until(sent: &dto::SentSilence, now: Timestamp) -> Result<Timestamp, Problem> {
    let until = match (&sent.lasts, &sent.until) {
        (Some(text), None) => after(now, length("for", text)?),
        (None, Some(text)) => {
            let moment = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| {
                let form = "a moment is written like `2026-11-21T04:12:31Z`";
                Problem::parameter("until", format!("`until` is wrong: {form}"))
            })?;
            moment.to_utc()
        }
        _ => {
            let detail = "say how long, by `for` (such as `2h`) or by `until`";
            return Err(Problem::parameter("for", detail));
        }
    };
    let lasts = (until - now).to_std().unwrap_or_default();
    if (SHORTEST..=LONGEST).contains(&lasts) {
        return Ok(until);
    }
    let name = if sent.until.is_some() { "until" } else { "for" };
    Err(Problem::parameter(name, "a silence ends in the future, and within seven days"))
}

fn scope(api: &Api, sent: &dto::SentSilence) -> Result<Scope, Problem> {
    let named = [sent.checks.len(), sent.rules.len(), sent.regions.len(), sent.labels.len()];
    if let Some(most) = named.into_iter().find(|named| *named > MOST_NAMES) {
        let detail = format!("{most} names are too many; at most {MOST_NAMES} are possible");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let is_everything = named.into_iter().all(|named| named == 0);
    if is_everything != sent.everything {
        let detail = if is_everything {
            "name at least one check, rule, region or label; or write `\"everything\": true`"
        } else {
            "`everything` stands alone; leave it out, or the names"
        };
        return Err(Problem::parameter("everything", detail));
    }
    let wrong = |name: &str, error: &dyn std::fmt::Display| {
        Problem::parameter(name, format!("`{name}` is wrong: {error}"))
    };
    let check = |text: &String| CheckId::new(text).map_err(|_| no_check(api, text));
    let rule = |text: &String| RuleName::new(text).map_err(|error| wrong("rules", &error));
    let region = |text: &String| Region::new(text).map_err(|error| wrong("regions", &error));
    let scope = Scope {
        checks: sent.checks.iter().map(check).collect::<Result<_, _>>()?,
        rules: sent.rules.iter().map(rule).collect::<Result<_, _>>()?,
        regions: sent.regions.iter().map(region).collect::<Result<_, _>>()?,
        labels: sent.labels.clone(),
    };
    all_known(api, &scope)?;
    Ok(scope)
}

/// That no check has this id, with the one that is meant or those that there are.
fn no_check(api: &Api, id: &str) -> Problem {
    let checks = api.checks.load();
    let called = checks.iter().find(|check| check.name.to_lowercase() == id.to_lowercase());
    let called = called.map(|check| format!("did you mean `{}`?", check.id));
    let help = called.or_else(|| did_you_mean(id, checks.iter().map(|check| check.id.as_str())));
    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
    Problem::parameter("checks", format!("there is no check `{}`{help}", shortened(id)))
}

/// A slip in a name would silence nothing, and be noticed when it is too late.
fn all_known(api: &Api, scope: &Scope) -> Result<(), Problem> {
    let checks = api.checks.load();
    let ids: BTreeSet<&CheckId> = checks.iter().map(|check| &check.id).collect();
    if let Some(check) = scope.checks.iter().find(|check| !ids.contains(check)) {
        return Err(no_check(api, check.as_str()));
    }
    if let Some(rule) = scope.rules.iter().find(|rule| !api.rules.knows(rule)) {
        let detail = format!("there is no rule `{}`", shortened(rule.as_str()));
        return Err(Problem::parameter("rules", detail));
    }
    for (name, value) in &scope.labels {
        let mut labels = checks.iter().map(|check| check.labels.get(name));
        if !labels.any(|it| it == Some(value)) && !api.rules.has_label(name, value) {
            let label = shortened(&format!("{name}={value}"));
            let detail = format!("no check and no rule has the label `{label}`");
            return Err(Problem::parameter("labels", detail));
        }
    }
    let served = |region: &Region| checks.iter().any(|check| check.regions.contains(region));
    if let Some(region) = scope.regions.iter().find(|region| !served(region)) {
        let detail = format!("no check runs in a region `{}`", shortened(region.as_str()));
        return Err(Problem::parameter("regions", detail));
    }
    Ok(())
}
