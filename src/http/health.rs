//! Whether Tripline itself works: what a supervisor or a dead man's switch asks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;

use super::answer::Pretty;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Api, dto};
use crate::domain::Timestamp;
use crate::store;

/// A notification that has been owed for longer than this, or a scheduler that is further behind,
/// is unhealthy.
pub const OVERDUE: Duration = Duration::from_mins(1);

/// How long the store has to answer the health page.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// Given-up notifications are counted over this time.
const GIVEN_UP_WINDOW: TimeDelta = TimeDelta::hours(24);

/// Notifications that were given up less than this ago make for a degraded health: somebody was to be
/// told and was not.
const GIVEN_UP_LATELY: TimeDelta = TimeDelta::hours(1);

/// The moment that stands for "nothing is scheduled".
const NEVER: i64 = i64::MAX;

/// Whether the scheduler keeps up: it says after each tick when it wants the next one, and is behind
/// by however much later it is now. A loop that hangs is found out without its help.
#[derive(Debug)]
pub struct Pulse(AtomicI64);

impl Default for Pulse {
    fn default() -> Self {
        Self(AtomicI64::new(NEVER))
    }
}

impl Pulse {
    /// Notes when the scheduler wants to run next; `None` when there is nothing to run.
    pub fn expect(&self, next: Option<Timestamp>) {
        self.0.store(next.map_or(NEVER, |next| next.timestamp_millis()), Ordering::Relaxed);
    }

    /// How far the scheduler is behind at `now`.
    pub fn lag(&self, now: Timestamp) -> Duration {
        let behind = now.timestamp_millis().saturating_sub(self.0.load(Ordering::Relaxed));
        Duration::from_millis(u64::try_from(behind).unwrap_or(0))
    }
}

/// Health
///
/// Whether Tripline itself works: the store answers, slots start on time, no notification has been owed
/// for more than a minute, and none was given up in the last hour.
#[utoipa::path(get, path = "/healthz", operation_id = "show_health", tag = "health", responses(
    (status = 200, description = "It works.", body = dto::Health),
    (status = 503, description = "It does not, or people are not told; `reasons` says why.", body = dto::Health),
))]
pub(super) async fn health(State(api): State<Api>) -> Response {
    let now = api.clock.now();
    let asked = async {
        let lately = api.store.backlog(now - GIVEN_UP_LATELY).await?;
        Ok((api.store.backlog(now - GIVEN_UP_WINDOW).await?, lately))
    };
    let backlog = match tokio::time::timeout(STORE_DEADLINE, asked).await {
        Ok(Ok(backlog)) => Ok(backlog),
        Ok(Err::<_, store::Error>(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            let cause = cause.unwrap_or_default();
            tracing::error!(event.action = "health-store-failed", %error, cause, "unhealthy");
            Err("the store fails; the log of the daemon says why".to_owned())
        }
        Err(_) => Err(format!("the store did not answer within {} s", STORE_DEADLINE.as_secs())),
    };
    let health = judged(backlog, api.pulse.lag(now), api.version, now);
    let status = match health.status {
        dto::HealthStatus::Healthy => StatusCode::OK,
        dto::HealthStatus::Degraded | dto::HealthStatus::Unhealthy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, Pretty(health)).into_response()
}

fn judged(
    backlog: Result<(Vec<store::Backlog>, Vec<store::Backlog>), String>,
    lag: Duration,
    version: &str,
    now: Timestamp,
) -> dto::Health {
    let (mut reasons, mut untold) = (Vec::new(), Vec::new());
    if lag > OVERDUE {
        reasons.push(format!("the scheduler is {} s behind", lag.as_secs()));
    }
    let store = dto::StoreHealth { answers: backlog.is_ok() };
    let notifications = match backlog {
        Ok((lanes, lately)) => {
            reasons.extend(lanes.iter().filter_map(|lane| overdue(lane, now)));
            untold.extend(lately.iter().filter_map(given_up));
            Some(totals(&lanes, now))
        }
        Err(reason) => {
            reasons.push(reason);
            None
        }
    };
    let status = match (reasons.is_empty(), untold.is_empty()) {
        (true, true) => dto::HealthStatus::Healthy,
        (true, false) => dto::HealthStatus::Degraded,
        (false, _) => dto::HealthStatus::Unhealthy,
    };
    reasons.append(&mut untold);
    dto::Health {
        status,
        reasons,
        version: version.to_owned(),
        store,
        scheduler: dto::SchedulerHealth { lag_ms: dto::millis(lag) },
        notifications,
    }
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
        "{messages} by {channel} could not be delivered in the last hour and reached nobody; \
         /api/v1/incidents says which and why"
    ))
}

fn totals(lanes: &[store::Backlog], now: Timestamp) -> dto::NotificationHealth {
    dto::NotificationHealth {
        owed: lanes.iter().map(|lane| lane.owed).sum(),
        oldest_age_ms: lanes.iter().filter_map(|lane| age(lane, now)).max().map(dto::millis),
        given_up: lanes.iter().map(|lane| lane.given_up).sum(),
    }
}

fn age(lane: &store::Backlog, now: Timestamp) -> Option<Duration> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_is_behind_by_the_slot_it_missed() {
        let now: Timestamp = "2026-11-21T04:00:00Z".parse().expect("a time");
        let pulse = Pulse::default();
        assert_eq!(pulse.lag(now), Duration::ZERO);
        pulse.expect(Some(now + TimeDelta::seconds(5)));
        assert_eq!(pulse.lag(now), Duration::ZERO);
        assert_eq!(pulse.lag(now + TimeDelta::seconds(7)), Duration::from_secs(2));
        pulse.expect(None);
        assert_eq!(pulse.lag(now + TimeDelta::days(1)), Duration::ZERO);
    }
}
