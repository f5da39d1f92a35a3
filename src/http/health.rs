//! Whether Tripline itself works: what a supervisor or a dead man's switch asks.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use tokio::sync::watch;

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Api, dto};
use crate::domain::Timestamp;
use crate::engine::holding::Holding;
use crate::engine::ingest::Trouble;
use crate::engine::rules::snapshot::Snapshot;
use crate::link::protocol::SKEW_WARNING;
use crate::link::publication::Publication;
use crate::statsd::{Received, Sink};
use crate::store;
use crate::store::agents::{AgentRecord, Presence};

/// A notification that has been owed for longer than this, or a scheduler that is further behind,
/// is unhealthy.
pub const OVERDUE: Duration = Duration::from_mins(1);

/// How long the store has to answer the health page.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// Given-up notifications are counted over this time.
pub(super) const GIVEN_UP_WINDOW: TimeDelta = TimeDelta::hours(24);

/// Notifications that were given up less than this ago make for a degraded health: somebody was to be
/// told and was not.
const GIVEN_UP_LATELY: TimeDelta = TimeDelta::hours(1);

/// How results come in: what the health page asks of the parts that take them.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Why results are not being stored.
    pub trouble: watch::Receiver<Option<Trouble>>,
    /// The results that are not stored yet.
    pub holding: Arc<Holding>,
    /// Where measurements are sent, if anywhere.
    pub statsd: Arc<ArcSwapOption<Sink>>,
    /// What others sent by statsd, if that is received.
    pub received: Option<Arc<Received>>,
}

/// Health
///
/// Whether Tripline itself works: the store answers and takes results, slots start on time, no notification has been owed
/// for more than a minute, and none was given up in the last hour. That a rule cannot be evaluated, or
/// that an agent does not keep its schedule, has nothing to run, or has a clock that is more than two seconds
/// off, makes it degraded, and is answered with 200: it is no reason to restart the hub.
#[utoipa::path(get, path = "/healthz", operation_id = "show_health", tag = "health", responses(
    (status = 200, description = "It works.", body = dto::Health),
    (status = 503, description = "It does not, or people are not told; `reasons` says why.", body = dto::Health),
))]
pub(super) async fn health(State(api): State<Api>) -> Response {
    let now = api.clock.now();
    let (health, unwell) = judged(remembered(&api, now).await, &api, now);
    // Another machine's trouble is no reason for a supervisor to restart this process.
    let is_well = unwell.is_empty();
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Pretty(health)).into_response()
}

/// The verdict with its reasons.
pub(super) async fn verdict(api: &Api) -> dto::Health {
    let now = api.clock.now();
    judged(remembered(api, now).await, api, now).0
}

/// Why this hub does not work, or people are not told, in sentences; what makes the health page answer
/// with 503.
pub async fn unwell(api: &Api) -> Vec<String> {
    let now = api.clock.now();
    let (_, unwell) = judged(remembered(api, now).await, api, now);
    unwell
}

/// Asks the store.
async fn remembered(api: &Api, now: Timestamp) -> Result<Remembered, String> {
    let asked = async {
        let lately = api.store.backlog(now - GIVEN_UP_LATELY).await?;
        let backlog = api.store.backlog(now - GIVEN_UP_WINDOW).await?;
        let agents = api.agents.agents().await?;
        let records = api.rules.records.rule_records().await?;
        let rules = Snapshot::of(&api.rules.in_force.load_full(), &records);
        Ok(Remembered { backlog, lately, agents, rules: dto::RulesHealth::new(&rules, now) })
    };
    match tokio::time::timeout(STORE_DEADLINE, asked).await {
        Ok(Ok(remembered)) => Ok(remembered),
        Ok(Err::<_, store::Error>(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_default();
            tracing::error!(event.action = "health-store-failed", %error, cause, "unhealthy");
            Err("the store fails; the log of the daemon says why".to_owned())
        }
        Err(_) => Err(format!("the store did not answer within {} s", STORE_DEADLINE.as_secs())),
    }
}

/// What the store knows.
struct Remembered {
    backlog: Vec<store::Backlog>,
    /// The same, with what was given up in the last hour.
    lately: Vec<store::Backlog>,
    agents: Vec<AgentRecord>,
    rules: dto::RulesHealth,
}

/// The health, and what of it this process has a part in.
fn judged(
    remembered: Result<Remembered, String>,
    api: &Api,
    now: Timestamp,
) -> (dto::Health, Vec<String>) {
    let (mut reasons, mut untold, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
    let (lag, lags) = (api.pulse.lag(now), api.loops.lags(now));
    let trouble = api.intake.trouble.borrow().as_ref().map(|trouble| not_stored(trouble, now));
    let loops = [
        ("the scheduler", lag),
        ("the review of checks and agents", lags.review),
        ("the accounting for slots", lags.accounting),
        ("the evaluation of rules", lags.rules),
    ];
    let late = loops.into_iter().filter(|(_, lag)| *lag > OVERDUE);
    reasons.extend(late.map(|(what, lag)| format!("{what} is {} s behind", lag.as_secs())));
    let stores = trouble.is_none();
    reasons.extend(trouble);
    let store = dto::StoreHealth { answers: remembered.is_ok(), stores };
    let (notifications, rules) = match remembered {
        Ok(Remembered { backlog, lately, agents, rules }) => {
            reasons.extend(backlog.iter().filter_map(|lane| overdue(lane, now)));
            untold.extend(lately.iter().filter_map(given_up));
            elsewhere.extend(not_evaluated(&rules));
            elsewhere.extend(agents.iter().flat_map(|agent| troubles(agent, now)));
            let publication = api.publication.borrow();
            elsewhere.extend(agents.iter().filter_map(|agent| idle(agent, &publication, now)));
            (Some(totals(&backlog, now)), Some(rules))
        }
        Err(reason) => {
            reasons.push(reason);
            (None, None)
        }
    };
    let is_well = reasons.is_empty() && untold.is_empty();
    let status = match (reasons.is_empty(), is_well && elsewhere.is_empty()) {
        (true, true) => dto::HealthStatus::Healthy,
        (true, false) => dto::HealthStatus::Degraded,
        (false, _) => dto::HealthStatus::Unhealthy,
    };
    reasons.append(&mut untold);
    let unwell = reasons.clone();
    reasons.append(&mut elsewhere);
    let health = dto::Health {
        status,
        reasons,
        version: api.version.to_owned(),
        store,
        scheduler: dto::SchedulerHealth { lag_ms: dto::millis(lag) },
        loops: dto::LoopsHealth {
            review_lag_ms: dto::millis(lags.review),
            accounting_lag_ms: dto::millis(lags.accounting),
            rules_lag_ms: dto::millis(lags.rules),
            results_lag_ms: dto::millis(lags.results),
        },
        rules,
        results: api.intake.holding.count().into(),
        statsd: api.intake.statsd.load().as_deref().map(|sink| sink.dropped().into()),
        statsd_listener: api.intake.received.as_deref().map(|it| it.count().into()),
        notifications,
        heartbeat: api.heartbeat.load().as_ref().as_ref().map(dto::HeartbeatHealth::from),
    };
    (health, unwell)
}

/// Which rules cannot be evaluated; the store knows why of each.
fn not_evaluated(rules: &dto::RulesHealth) -> Option<String> {
    const NAMED: usize = 3;
    let first = rules.failing.first()?;
    let names: Vec<&str> = rules.failing.iter().take(NAMED).map(|it| it.name.as_str()).collect();
    let names = names.join("`, `");
    Some(match rules.failing.len() {
        1 => format!("the rule `{names}` cannot be evaluated: {}", first.error),
        all if all <= NAMED => format!("the rules `{names}` cannot be evaluated"),
        all => format!("the rules `{names}` and {} more cannot be evaluated", all - NAMED),
    })
}

/// What is wrong with an agent that says that it lives.
fn troubles(agent: &AgentRecord, now: Timestamp) -> Vec<String> {
    let (it, mut troubles) = (&agent.presence, Vec::new());
    if !agent.is_heard(now) {
        return troubles;
    }
    let who = format!("agent {} of {}", it.name, it.region);
    if agent.is_stalled() {
        let seconds = it.lag().as_secs();
        troubles
            .push(format!("the {who} lives and does not keep its schedule: {seconds} s behind"));
    }
    let skew = Duration::from_micros(it.skew_us.unsigned_abs());
    if skew > SKEW_WARNING {
        let side = if it.skew_us > 0 { "ahead of" } else { "behind" };
        let seconds = skew.as_secs();
        troubles
            .push(format!("the clock of the {who} is {seconds} s {side} this one; set it by NTP"));
    }
    troubles
}

/// That an agent has nothing to run, which nobody starts one for. That of a hub comes with the hub.
fn idle(agent: &AgentRecord, publication: &Publication, now: Timestamp) -> Option<String> {
    let Presence { name, region, .. } = &agent.presence;
    let is_idle = agent.is_heard(now) && !agent.is_a_hubs() && !publication.has_checks_in(region);
    let why = "no check of the project runs in its region";
    is_idle.then(|| format!("the agent {name} of {region} has nothing to run: {why}"))
}

/// What the store said is for the log alone.
fn not_stored(trouble: &Trouble, now: Timestamp) -> String {
    let seconds = (now - trouble.since).num_seconds().max(0);
    format!("results have not been stored for {seconds} s; the log of the daemon says why")
}

fn overdue(lane: &store::Backlog, now: Timestamp) -> Option<String> {
    let age = age(lane, now).filter(|age| *age > OVERDUE)?;
    let (channel, seconds) = (lane.channel.as_str(), age.as_secs());
    Some(format!("a notification by {channel} has been owed for {seconds} s ({} owed)", lane.owed))
}

fn given_up(lane: &store::Backlog) -> Option<String> {
    let messages = match lane.given_up {
        0 => return None,
        1 => "1 message".to_owned(),
        count => format!("{count} messages"),
    };
    let channel = lane.channel.as_str();
    Some(format!(
        "{messages} by {channel} did not arrive in the last hour; /api/v1/incidents says which, why, \
         and who was told instead"
    ))
}

fn totals(lanes: &[store::Backlog], now: Timestamp) -> dto::NotificationHealth {
    dto::NotificationHealth {
        owed: lanes.iter().map(|lane| lane.owed).sum(),
        oldest_age_ms: lanes.iter().filter_map(|lane| age(lane, now)).max().map(dto::millis),
        given_up: lanes.iter().map(|lane| lane.given_up).sum(),
    }
}

/// How long the oldest message of `lane` has been owed, if any is.
pub(super) fn age(lane: &store::Backlog, now: Timestamp) -> Option<Duration> {
    lane.oldest.map(|oldest| (now - oldest).to_std().unwrap_or_default())
}

/// Notification backlog
///
/// What is still owed on each channel, and how much was given up in the last 24 hours.
#[utoipa::path(get, path = "/api/v1/notifications/backlog", operation_id = "show_backlog", tag = "notifications", responses(
    (status = 200, description = "The backlog.", body = dto::Backlog),
))]
pub(super) async fn backlog(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Pretty<dto::Backlog>, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let now = api.clock.now();
    let since = now - GIVEN_UP_WINDOW;
    let lanes = api.store.backlog(since).await?;
    let channels = lanes.iter().map(|lane| dto::ChannelBacklog::new(lane, now)).collect();
    Ok(Pretty(dto::Backlog { channels, given_up_since: dto::Time(since) }))
}
