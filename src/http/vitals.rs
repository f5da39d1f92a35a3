//! Tripline's own measurements: how far it is behind, what it owes, what it lost.
//!
//! They are what the health page judges, as numbers. `GET /metrics` shows them as they are now, and
//! the hub keeps them as series. Nothing here judges.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Api;
use super::health::{GIVEN_UP_WINDOW, age};
use crate::domain::Timestamp;
use crate::domain::drill::{Known, verdict};
use crate::domain::policy::Recipient;
use crate::engine::drills::InForce;
use crate::engine::measuring::INCIDENTS_OPEN;
use crate::query::Measure;
use crate::store::agents::AgentRecord;
use crate::store::{self, IncidentFilter};

/// Whether a measurement only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows, and begins anew when the hub does.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    /// The same, as series know it.
    pub fn measure(self) -> Measure {
        match self {
            Self::Counter => Measure::Counter,
            Self::Gauge => Measure::Gauge,
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The name without the unit and without the `_total` of a counter.
    pub stem: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// The unit, which is a part of the name.
    pub unit: Option<&'static str>,
    /// What it says, a sentence.
    pub help: &'static str,
}

impl About {
    /// The name of the series.
    pub fn name(&self) -> String {
        let mut name = self.stem.to_owned();
        if let Some(unit) = self.unit {
            name = name + "_" + unit;
        }
        if self.kind == Kind::Counter {
            name += "_total";
        }
        name
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Vital {
    /// What is measured.
    pub about: &'static About,
    /// Of what.
    pub labels: Vec<(&'static str, String)>,
    /// How much.
    pub value: f64,
}

const fn gauge(stem: &'static str, unit: Option<&'static str>, help: &'static str) -> About {
    About { stem, kind: Kind::Gauge, unit, help }
}

const fn counter(stem: &'static str, unit: Option<&'static str>, help: &'static str) -> About {
    About { stem, kind: Kind::Counter, unit, help }
}

const SECONDS: Option<&str> = Some("seconds");
const BYTES: Option<&str> = Some("bytes");

macro_rules! abouts {
    ($($name:ident = $about:expr;)*) => {
        $(static $name: About = $about;)*
        /// Everything that is measured, in the order in which it is shown.
        pub static ALL: &[&About] = &[$(&$name),*];
    };
}

abouts! {
    BUILD = gauge("tripline_build_info", None, "1, with the version of the program.");
    STORE = gauge("tripline_store_up", None, "Whether the store answers: 1 or 0.");
    CHECKS = gauge("tripline_checks", None, "How many checks there are.");
    OPEN = gauge(INCIDENTS_OPEN, None, "How many incidents are open.");
    LAG = gauge("tripline_loop_lag", SECONDS, "How far a loop of the hub is behind.");
    WAITING = gauge("tripline_results_waiting", None, "How many results are not stored yet.");
    BARE = counter("tripline_results_without_trace", None,
        "How many results were kept without their traces, because too many waited.");
    DROPPED = counter("tripline_results_dropped", None,
        "How many results were dropped, because too many waited.");
    REFUSED = counter("tripline_metrics_requests_refused", None,
        "How many requests with metrics were refused.");
    SIGN_INS = counter("tripline_sign_ins", None,
        "How often somebody signed in or tried to: accepted, wrong, or too_many tries before.");
    TURNED_AWAY = counter("tripline_requests_turned_away", None,
        "How many requests were refused for whoever asked: unknown, wrong_token, not_allowed or foreign.");
    OWED = gauge("tripline_notifications_owed", None, "How many notifications are owed.");
    OLDEST = gauge("tripline_notifications_oldest", SECONDS,
        "How long the oldest notification has been owed.");
    GIVEN_UP = gauge("tripline_notifications_given_up", None,
        "How many notifications were given up in the last 24 hours.");
    PROVEN = gauge("tripline_path_proven_timestamp", SECONDS,
        "When it was last shown that messages arrive by a path, in seconds since 1970.");
    PATH = gauge("tripline_path_up", None,
        "Whether messages arrive by a path, as far as is known: 0 where it is broken, failed or unproven.");
    BEAT = gauge("tripline_heartbeat_up", None,
        "Whether the heartbeat is sent and taken: 1 or 0.");
    BEATEN = gauge("tripline_heartbeat_timestamp", SECONDS,
        "When the last heartbeat was taken, in seconds since 1970.");
    SINK = counter("tripline_statsd_sink_dropped", None, "What was not sent to statsd.");
    AGENT = gauge("tripline_agent_up", None,
        "Whether an agent was heard lately and keeps its schedule: 1 or 0.");
    AGENT_LAG = gauge("tripline_agent_schedule_lag", SECONDS,
        "How far the schedule of an agent is behind.");
    SKEW = gauge("tripline_agent_clock_skew", SECONDS,
        "By how much the clock of an agent is ahead of the hub's.");
    SPOOL = gauge("tripline_agent_spool_reports", None, "How many reports wait with an agent.");
    SPOOL_SIZE = gauge("tripline_agent_spool", BYTES, "How large those reports are.");
    THINNED = counter("tripline_agent_reports_thinned", None,
        "How many reports of passed runs an agent thinned out for want of room.");
    LOST = counter("tripline_agent_reports_lost", None,
        "How many other reports an agent lost for want of room.");
    MEMORY = gauge("process_resident_memory", BYTES, "How much memory the hub has resident.");
    PROCESSOR = counter("process_cpu", SECONDS, "How much processor time the hub has used.");
}

/// The most incidents that are counted.
const MOST_INCIDENTS: u32 = 10_000;

/// What the store knows.
struct Remembered {
    incidents: usize,
    backlog: Vec<store::Backlog>,
    agents: Vec<AgentRecord>,
    paths: (Arc<InForce>, Known),
}

/// All measurements of now. Those that the store would know are left out where it fails.
pub async fn vitals(api: &Api) -> Vec<Vital> {
    let now = api.clock.now();
    let remembered = remembered(api, now).await;
    let mut vitals = of_process(api, now);
    vitals.push(one(&STORE, f64::from(u8::from(remembered.is_ok()))));
    match remembered {
        Ok(Remembered { incidents, backlog, agents, paths: (in_force, known) }) => {
            let paths = in_force.terms.paths.iter();
            vitals.extend(paths.flat_map(|path| of_path(&in_force, &known, path, now)));
            vitals.push(one(&OPEN, count(incidents)));
            vitals.extend(backlog.iter().flat_map(|lane| of_lane(lane, now)));
            vitals.extend(
                agents
                    .iter()
                    .filter(|it| it.left_at.is_none())
                    .flat_map(|agent| of_agent(agent, now)),
            );
        }
        Err(error) => {
            tracing::warn!(event.action = "vitals-store-failed", %error, "not all is measured");
        }
    }
    vitals
}

async fn remembered(api: &Api, now: Timestamp) -> Result<Remembered, store::Error> {
    let open = IncidentFilter { open_only: true, limit: MOST_INCIDENTS, ..Default::default() };
    Ok(Remembered {
        incidents: api.store.incidents(&open).await?.len(),
        backlog: api.store.backlog(now - GIVEN_UP_WINDOW).await?,
        agents: api.agents.agents().await?,
        paths: api.drills.known().await?,
    })
}

fn of_process(api: &Api, now: Timestamp) -> Vec<Vital> {
    let (lags, held) = (api.loops.lags(now), api.intake.holding.count());
    let mut vitals = vec![
        Vital { about: &BUILD, labels: vec![("version", api.version.to_owned())], value: 1.0 },
        one(&CHECKS, count(api.checks.load().len())),
        one(&WAITING, count(held.held)),
        one(&BARE, whole(held.without_trace)),
        one(&DROPPED, whole(held.dropped)),
        one(&REFUSED, whole(api.refused.load(Ordering::Relaxed))),
    ];
    let lags = [
        ("scheduler", api.pulse.lag(now)),
        ("review", lags.review),
        ("accounting", lags.accounting),
        ("rules", lags.rules),
        ("results", lags.results),
    ];
    vitals.extend(lags.map(|(name, lag)| labelled(&LAG, "loop", name, lag.as_secs_f64())));
    if let Some(sink) = api.intake.statsd.load().as_deref() {
        let dropped = sink.dropped();
        let dropped =
            [("result", dropped.reports), ("line", dropped.lines), ("packet", dropped.packets)];
        vitals.extend(dropped.map(|(what, many)| labelled(&SINK, "what", what, whole(many))));
    }
    vitals.extend(of_access(api));
    vitals.extend(of_heartbeat(api));
    vitals.extend(resident_bytes().map(|bytes| one(&MEMORY, bytes)));
    vitals.push(one(&PROCESSOR, processor_time().as_secs_f64()));
    vitals
}

/// Who came in, and who did not.
fn of_access(api: &Api) -> Vec<Vital> {
    let counts = api.access.counts();
    let sign_ins =
        [("accepted", &counts.signed_in), ("wrong", &counts.wrong), ("too_many", &counts.too_many)];
    let turned_away = [
        ("unknown", &counts.unknown),
        ("wrong_token", &counts.wrong_token),
        ("not_allowed", &counts.not_allowed),
        ("foreign", &counts.foreign),
    ];
    let sign_ins =
        sign_ins.map(|(result, count)| labelled(&SIGN_INS, "result", result, whole(count.read())));
    let turned_away = turned_away
        .map(|(reason, count)| labelled(&TURNED_AWAY, "reason", reason, whole(count.read())));
    sign_ins.into_iter().chain(turned_away).collect()
}

/// What is known of a path.
fn of_path(in_force: &InForce, known: &Known, path: &Recipient, now: Timestamp) -> Vec<Vital> {
    let standing = verdict(&in_force.terms, known, path, now).standing;
    let name = path.to_string();
    let is_up = f64::from(u8::from(!standing.is_wrong()));
    let proof = known.records.get(path).and_then(|record| record.proof.as_ref());
    let proven = proof.map(|proof| labelled(&PROVEN, "path", &name, seconds(proof.at)));
    proven.into_iter().chain([labelled(&PATH, "path", &name, is_up)]).collect()
}

/// What became of the heartbeat, where this hub sends it.
fn of_heartbeat(api: &Api) -> Vec<Vital> {
    let record = api.heartbeat.load();
    let Some(record) = record.as_ref().as_ref().filter(|it| !it.is_elsewhere) else {
        return Vec::new();
    };
    let is_up = record.withheld.is_empty() && record.failure.is_none();
    let last = record.last.map(|last| one(&BEATEN, seconds(last)));
    last.into_iter().chain([one(&BEAT, f64::from(u8::from(is_up)))]).collect()
}

/// Seconds since 1970.
fn seconds(at: Timestamp) -> f64 {
    whole(u64::try_from(at.timestamp()).unwrap_or(0))
}

fn of_lane(lane: &store::Backlog, now: Timestamp) -> Vec<Vital> {
    let age = age(lane, now).unwrap_or_default();
    let channel = lane.channel.as_str();
    vec![
        labelled(&OWED, "channel", channel, whole(lane.owed)),
        labelled(&OLDEST, "channel", channel, age.as_secs_f64()),
        labelled(&GIVEN_UP, "channel", channel, whole(lane.given_up)),
    ]
}

fn of_agent(agent: &AgentRecord, now: Timestamp) -> Vec<Vital> {
    let it = &agent.presence;
    let is_up = agent.is_heard(now) && !agent.is_stalled();
    #[expect(clippy::cast_precision_loss, reason = "a clock that is centuries off is off enough")]
    let skew = it.skew_us as f64 / 1e6;
    let values = [
        (&AGENT, f64::from(u8::from(is_up))),
        (&AGENT_LAG, it.lag().as_secs_f64()),
        (&SKEW, skew),
        (&SPOOL, whole(it.spool_reports)),
        (&SPOOL_SIZE, whole(it.spool_bytes)),
        (&THINNED, whole(it.thinned)),
        (&LOST, whole(it.lost)),
    ];
    let labels = || vec![("agent", it.name.clone()), ("region", it.region.to_string())];
    values.map(|(about, value)| Vital { about, labels: labels(), value }).into()
}

fn one(about: &'static About, value: f64) -> Vital {
    Vital { about, labels: Vec::new(), value }
}

fn labelled(about: &'static About, name: &'static str, of: &str, value: f64) -> Vital {
    Vital { about, labels: vec![(name, of.to_owned())], value }
}

fn count(items: usize) -> f64 {
    whole(u64::try_from(items).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 9e15")]
fn whole(number: u64) -> f64 {
    number as f64
}

/// The resident memory; nothing where the system does not tell (`proc_pid_statm(5)`).
fn resident_bytes() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(whole(pages * u64::try_from(rustix::param::page_size()).ok()?))
}

/// The processor time of this process, without its children.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
