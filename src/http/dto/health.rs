//! Whether Tripline itself works.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Channel, HealthStatus, Time, millis};
use crate::domain::Timestamp;
use crate::domain::heartbeat;
use crate::domain::rule::state::Standing;
use crate::engine::holding::Count;
use crate::engine::rules::snapshot::Snapshot;
use crate::statsd::{self, Dropped};
use crate::store;

/// Whether Tripline itself works, and what that was judged by.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// The judgement; the same as the status of the answer.
    pub status: HealthStatus,
    /// Why it is not healthy, in sentences.
    pub reasons: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// The store.
    pub store: StoreHealth,
    /// The scheduler.
    pub scheduler: SchedulerHealth,
    /// The loops that look at what no single result can tell.
    pub loops: LoopsHealth,
    /// The rules; `null` when the store does not answer.
    pub rules: Option<RulesHealth>,
    /// The results that are on their way into the store.
    pub results: ResultsHealth,
    /// What was not sent to statsd; `null` where nothing is sent.
    pub statsd: Option<StatsdHealth>,
    /// What was received by statsd; `null` where nothing is received.
    pub statsd_listener: Option<StatsdListenerHealth>,
    /// The notifications; `null` when the store does not answer.
    pub notifications: Option<NotificationHealth>,
    /// The heartbeat to others; `null` where none is sent.
    pub heartbeat: Option<HeartbeatHealth>,
}

/// What became of the heartbeat.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HeartbeatHealth {
    /// When the last one was taken; `null` where none was since the start.
    pub last_at: Option<Time>,
    /// Why it is withheld, in sentences; empty while it is not.
    pub withheld: Vec<String>,
    /// Why the last one was not taken; `null` where it was, or none was sent.
    pub failure: Option<String>,
    /// Whether another hub of the same store sends it.
    pub elsewhere: bool,
}

impl From<&heartbeat::Record> for HeartbeatHealth {
    fn from(record: &heartbeat::Record) -> Self {
        Self {
            last_at: record.last.map(Time),
            withheld: record.withheld.clone(),
            failure: record.failure.clone(),
            elsewhere: record.is_elsewhere,
        }
    }
}

/// Whether the store answers.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct StoreHealth {
    /// Whether a read was answered in time.
    pub answers: bool,
    /// Whether it takes results.
    pub stores: bool,
}

/// Whether results are stored.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ResultsHealth {
    /// How many are not stored yet.
    pub waiting: u64,
    /// How many were kept without their traces since the start, because too many waited.
    pub without_trace: u64,
    /// How many were dropped since the start, because too many waited.
    pub dropped: u64,
}

impl From<Count> for ResultsHealth {
    fn from(count: Count) -> Self {
        let waiting = u64::try_from(count.held).unwrap_or(u64::MAX);
        Self { waiting, without_trace: count.without_trace, dropped: count.dropped }
    }
}

/// What was not sent to statsd, since the start or since it was last configured.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct StatsdHealth {
    /// Results that found the queue full.
    pub dropped_results: u64,
    /// Metrics that fit no packet.
    pub dropped_lines: u64,
    /// Packets that had nowhere to go.
    pub dropped_packets: u64,
}

impl From<Dropped> for StatsdHealth {
    fn from(dropped: Dropped) -> Self {
        Self {
            dropped_results: dropped.reports,
            dropped_lines: dropped.lines,
            dropped_packets: dropped.packets,
        }
    }
}

/// What was received by statsd, since the start.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StatsdListenerHealth {
    /// Lines that were not empty.
    pub lines: u64,
    /// How many series there are.
    pub series: u64,
    /// Lines and parts of lines that were refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Packets that the kernel dropped because it came too many at once; `null` where it does not
    /// say.
    pub kernel_drops: Option<u64>,
    /// Packets that were not relayed.
    pub relay_drops: u64,
    /// Points that were not stored.
    pub points_lost: u64,
}

impl From<statsd::Count> for StatsdListenerHealth {
    fn from(count: statsd::Count) -> Self {
        let refused = count.refused.iter().map(|(refusal, lines)| (refusal.as_str(), *lines));
        Self {
            lines: count.lines,
            series: count.series,
            refused: refused.collect(),
            kernel_drops: count.kernel_drops,
            relay_drops: count.relay_drops,
            points_lost: count.points_lost,
        }
    }
}

/// Whether slots start on time.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct SchedulerHealth {
    /// How far the scheduler is behind its next slot.
    pub lag_ms: f64,
}

/// How far the loops of the hub are behind.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct LoopsHealth {
    /// The one that looks at all checks and agents together.
    pub review_lag_ms: f64,
    /// The one that accounts for slots.
    pub accounting_lag_ms: f64,
    /// The one that evaluates rules.
    pub rules_lag_ms: f64,
    /// How long results have not been stored.
    pub results_lag_ms: f64,
}

/// Whether rules are evaluated, by whichever hub.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RulesHealth {
    /// How many are in force.
    pub in_force: u64,
    /// How long ago the last time was that was evaluated; `null` when none was.
    pub last_evaluation_age_ms: Option<f64>,
    /// How many are breached.
    pub breached: u64,
    /// How many have no data, or not enough history yet.
    pub without_data: u64,
    /// Those that cannot be evaluated.
    pub failing: Vec<FailingRule>,
}

/// A rule that cannot be evaluated.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FailingRule {
    /// Its name.
    pub name: String,
    /// Why.
    pub error: String,
}

impl RulesHealth {
    /// How the rules of `snapshot` are at `now`.
    pub fn new(snapshot: &Snapshot, now: Timestamp) -> Self {
        let standing = |wanted: &[Standing]| -> u64 {
            let rules = snapshot.rules.iter();
            rules.map(|it| u64::from(wanted.contains(&it.state.standing))).sum()
        };
        let failing = snapshot.rules.iter().filter(|it| it.state.standing == Standing::Failing);
        let failing = failing.map(|it| FailingRule {
            name: it.rule.name.to_string(),
            error: it.state.error.clone().unwrap_or_default(),
        });
        let age = snapshot.until.map(|until| (now - until).to_std().unwrap_or_default());
        Self {
            in_force: u64::try_from(snapshot.rules.len()).unwrap_or(u64::MAX),
            last_evaluation_age_ms: age.map(millis),
            breached: standing(&[Standing::Breached]),
            without_data: standing(&[Standing::NoData, Standing::NoHistory]),
            failing: failing.collect(),
        }
    }
}

/// Whether messages leave.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct NotificationHealth {
    /// How many are owed, over all channels.
    pub owed: u64,
    /// How long the oldest of them has been owed.
    pub oldest_age_ms: Option<f64>,
    /// How many were given up in the last 24 hours.
    pub given_up: u64,
}

/// What is still owed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Backlog {
    /// Each channel.
    pub channels: Vec<ChannelBacklog>,
    /// Since when `given_up` counts.
    pub given_up_since: Time,
}

/// What is still owed on one channel.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ChannelBacklog {
    /// The channel.
    pub channel: Channel,
    /// How many notifications are owed.
    pub owed: u64,
    /// When the oldest of them was owed.
    pub oldest_owed_at: Option<Time>,
    /// How long that has been.
    pub oldest_age_ms: Option<f64>,
    /// How many were given up since `given_up_since`.
    pub given_up: u64,
}

impl ChannelBacklog {
    /// The twin of `backlog` at `now`.
    pub fn new(backlog: &store::Backlog, now: Timestamp) -> Self {
        let age = |owed: Timestamp| millis((now - owed).to_std().unwrap_or_default());
        Self {
            channel: backlog.channel.into(),
            owed: backlog.owed,
            oldest_owed_at: backlog.oldest.map(Time),
            oldest_age_ms: backlog.oldest.map(age),
            given_up: backlog.given_up,
        }
    }
}
