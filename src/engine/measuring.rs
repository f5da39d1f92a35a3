//! Which points of metrics a run yields, and what is known of all checks together.
//! docs/operators/metrics.md describes them to users.
//!
//! Pure. It reads the report and decides nothing about it. A point has the time at which the run ended,
//! also when the report of it comes late.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::coverage::Tally;
use crate::domain::run::{Outcome, Report, Timings};
use crate::domain::subject::Subject;
use crate::query::{Labels, METRIC_NAME, Measure, OWN, Series};
use crate::store::IncidentRecord;
use crate::store::accounts::Place;
use crate::store::metrics::Census;

/// The labels that say where a value comes from. Neither a check nor a script can set them.
const RESERVED: [&str; 4] = ["check", "region", "step", "phase"];

/// The points of one run; `check` is the one that it is of, if that is still there.
pub fn of_run(report: &Report, check: Option<&Check>) -> Vec<Series> {
    let at = report.finished_at().timestamp_millis();
    let slot = &report.slot;
    let mut labels = vec![
        (word("check"), slot.check.as_str().into()),
        (word("region"), slot.region.as_str().into()),
    ];
    let own = check.into_iter().flat_map(|check| &check.labels);
    labels.extend(own.filter_map(|(name, value)| Some((word(&allowed(name)?), word(value)))));
    let mut points = Points { at, labels, series: Vec::new() };
    let outcome = report.outcome();
    if outcome == Outcome::Unknown {
        points.add("tripline_check_unknown", &[], 1.0);
    } else {
        // Many an unknown run never started: its times would drag the others down to zero.
        let up = if outcome == Outcome::Passed { 1.0 } else { 0.0 };
        points.add("tripline_check_up", &[], up);
        points.add("tripline_check_duration_seconds", &[], seconds(report.duration));
        points.add("tripline_check_lateness_seconds", &[], seconds(report.lateness()));
        for (phase, total) in phases(report) {
            points.add("tripline_check_phase_seconds", &[("phase", phase)], seconds(total));
        }
    }
    if let Some(left) = report.certificate_left() {
        points.add("tripline_check_certificate_seconds", &[], left.as_seconds_f64());
    }
    let mut steps: BTreeMap<&str, Duration> = BTreeMap::new();
    for step in &report.trace.steps {
        if let Some(duration) = step.duration {
            *steps.entry(&step.name).or_default() += duration;
        }
    }
    for (step, duration) in steps {
        points.add("tripline_check_step_duration_seconds", &[("step", step)], seconds(duration));
    }
    for it in &report.trace.measurements {
        let tags = it.tags.iter().filter_map(|(name, value)| Some((allowed(name)?, value)));
        let tags: Vec<(String, &String)> = tags.collect();
        let tags: Vec<(&str, &str)> =
            tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        points.add(&metric_name(&it.name), &tags, it.value);
    }
    points.series
}

/// The name under which lost points of runs are counted.
const LOST: &str = "tripline_run_points_lost_total";

/// What the series of runs, and those of all checks together, measure and say, by their names.
pub const ABOUT: [(&str, Measure, &str); 11] = [
    ("tripline_check_up", Measure::Gauge, "1 when the run passed, 0 when it failed."),
    ("tripline_check_unknown", Measure::Gauge, "1 when the run ended unknown."),
    ("tripline_check_duration_seconds", Measure::Gauge, "How long a run took."),
    ("tripline_check_lateness_seconds", Measure::Gauge, "How long after its slot a run began."),
    (
        "tripline_check_phase_seconds",
        Measure::Gauge,
        "How long all requests of a run spent in a phase.",
    ),
    ("tripline_check_step_duration_seconds", Measure::Gauge, "How long a step took."),
    (
        "tripline_check_uptime_ratio",
        Measure::Gauge,
        "The share of the known slots of the last hour that passed.",
    ),
    (
        "tripline_check_coverage_ratio",
        Measure::Gauge,
        "The share of the slots of the last hour whose result is known.",
    ),
    ("tripline_series", Measure::Gauge, "How many series there are."),
    (
        "tripline_store_unreadable",
        Measure::Gauge,
        "Rows of series and points that are damaged and were passed over.",
    ),
    (LOST, Measure::Counter, "Points of runs that were not stored."),
];

/// The name under which open incidents are counted.
pub const INCIDENTS_OPEN: &str = "tripline_incidents_open";

/// How the slots of the last while came out in some places.
pub fn of_places<'a>(
    tallies: impl IntoIterator<Item = (&'a Place, &'a Tally)>,
    now: Timestamp,
) -> Vec<Series> {
    let at = now.timestamp_millis();
    let mut points = Points { at, labels: Vec::new(), series: Vec::new() };
    for ((check, region), tally) in tallies {
        let labels = [("check", check.as_str()), ("region", region.as_str())];
        if let Some(uptime) = tally.uptime() {
            points.add("tripline_check_uptime_ratio", &labels, uptime);
        }
        if let Some(coverage) = tally.coverage() {
            points.add("tripline_check_coverage_ratio", &labels, coverage);
        }
    }
    points.series
}

/// Which incidents are open, and how many series there are.
pub fn of_all(open: &[IncidentRecord], census: Census, now: Timestamp) -> Vec<Series> {
    let at = now.timestamp_millis();
    let mut points = Points { at, labels: Vec::new(), series: Vec::new() };
    for (kind, count) in by_kind(open) {
        points.add(INCIDENTS_OPEN, &[("about", kind)], f64::from(count));
    }
    points.add("tripline_series", &[("state", "kept")], counted(census.series));
    points.add("tripline_series", &[("state", "active")], counted(census.active));
    points.add("tripline_store_unreadable", &[], counted(census.unreadable));
    points.series
}

/// How many of the incidents are about each kind of subject; none of some kinds, too.
pub fn by_kind(incidents: &[IncidentRecord]) -> BTreeMap<&'static str, u32> {
    let mut kinds: BTreeMap<_, _> = Subject::KINDS.map(|kind| (kind, 0)).into();
    for incident in incidents {
        *kinds.entry(incident.subject.kind()).or_default() += 1;
    }
    kinds
}

/// How many points of runs are lost, by the reason, as the hub called `hub` counts them.
pub fn of_lost(
    lost: [(&'static str, u64); 2],
    hub: &str,
    now: Timestamp,
) -> impl Iterator<Item = Series> {
    let mut points = Points { at: now.timestamp_millis(), labels: Vec::new(), series: Vec::new() };
    for (reason, count) in lost {
        points.add(LOST, &[("hub", hub), ("reason", reason)], counted(count));
    }
    points.series.into_iter()
}

/// Points of one moment.
struct Points {
    at: i64,
    /// Those of all.
    labels: Vec<(Arc<str>, Arc<str>)>,
    series: Vec<Series>,
}

impl Points {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let all = labels.iter().map(|(name, value)| (word(name), word(value)));
        // The last of a name wins: whose value it is, and its name, cannot be overwritten.
        let own = self.labels.iter().cloned();
        let (where_from, of_check) = own.partition::<Vec<_>, _>(|(name, _)| is_reserved(name));
        let metric = (word(METRIC_NAME), word(name));
        let all = of_check.into_iter().chain(all).chain(where_from).chain([metric]);
        let labels: Labels = all.collect();
        // One point is always in order.
        let measure = ABOUT.iter().find(|(own, ..)| *own == name).map(|(_, measure, _)| *measure);
        let series = Series::new(labels, vec![self.at], vec![value]);
        self.series.extend(series.map(|series| series.measuring(measure)));
    }
}

/// A name or value; those that most points have are kept once, since a run has dozens of them.
fn word(text: &str) -> Arc<str> {
    static KEPT: LazyLock<BTreeMap<&str, Arc<str>>> = LazyLock::new(|| {
        let names = ABOUT.iter().map(|(name, ..)| *name).chain(RESERVED).chain([METRIC_NAME]);
        names.chain(PHASES.map(|(name, _)| name)).map(|text| (text, text.into())).collect()
    });
    KEPT.get(text).map_or_else(|| text.into(), Arc::clone)
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The name of a label as PromQL can write it; none where it would say whose the value is.
fn allowed(name: &str) -> Option<String> {
    let name = written(name, |_| false);
    (!is_reserved(&name) && !name.starts_with("__")).then_some(name)
}

/// The name of a script's metric as PromQL can write it; never one of ours.
fn metric_name(name: &str) -> String {
    let name = written(name, |c| c == ':');
    if name.starts_with(OWN) { format!("script_{name}") } else { name }
}

/// Letters, digits and `_`, not beginning with a digit; what else there is becomes `_`.
fn written(name: &str, also: impl Fn(char) -> bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || also(c);
    let mut text: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    text
}

/// What takes a request its time, and how it is known.
type Phase = (&'static str, fn(&Timings) -> Option<Duration>);
const PHASES: [Phase; 5] = [
    ("dns", |it| it.dns),
    ("connect", |it| it.connect),
    ("tls", |it| it.tls),
    ("wait", |it| it.wait),
    ("download", |it| it.download),
];

/// How long all requests of a run spent in each phase; of those that happened.
fn phases(report: &Report) -> impl Iterator<Item = (&'static str, Duration)> {
    PHASES.into_iter().filter_map(|(name, phase)| {
        let times = report.trace.requests.iter().filter_map(|it| phase(&it.timings));
        Some((name, times.reduce(|sum, time| sum + time)?))
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "nobody has as many series")]
fn counted(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{Failure, FailureKind, Measurement, Request, Step, Trace};
    use crate::domain::slot::Slot;

    fn report(trace: Trace) -> (Check, Report) {
        let mut check = Check::example("login");
        check.labels =
            [("team".to_owned(), "shop".to_owned()), ("region".into(), "x".into())].into();
        let at: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let report = Report {
            slot: Slot { check: check.id.clone(), region: check.regions[0].clone(), at },
            started_at: at + Duration::from_millis(250),
            duration: Duration::from_millis(1500),
            failure: None,
            trace,
            clock_ahead: chrono::TimeDelta::zero(),
        };
        (check, report)
    }

    /// `name{labels} value` of each, without what all have.
    fn told(series: &[Series]) -> Vec<String> {
        let one = |it: &Series| {
            let labels = it.labels().without(&["check", "region", "team"]);
            format!("{}{} {}", it.labels().metric_name(), labels.nameless(), it.values()[0])
        };
        series.iter().map(one).collect()
    }

    #[test]
    fn a_run_is_measured_when_it_ended() {
        let step = |name: &str, millis| Step {
            name: name.into(),
            parent: None,
            start: Duration::ZERO,
            duration: Some(Duration::from_millis(millis)),
            error: None,
        };
        let measured = |name: &str, tags: &[(&str, &str)]| Measurement {
            name: name.into(),
            value: 3.0,
            tags: tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let request = |certificate_until| Request {
            step: None,
            start: Duration::ZERO,
            method: "GET".into(),
            url: "https://shop.example.com/".into(),
            status: Some(200),
            remote: None,
            sent: 0,
            received: 0,
            timings: Timings::default(),
            certificate_until,
            error: None,
            exchange: None,
        };
        let until = |text: &str| Some(text.parse().expect("a time"));
        let (check, report) = report(Trace {
            steps: vec![step("sign in", 200), step("sign in", 300)],
            requests: vec![
                request(until("2026-11-23T03:00:01.75Z")),
                request(until("2026-11-22T03:00:01.75Z")),
                request(None),
            ],
            measurements: vec![
                measured("cart.items", &[("plan", "free"), ("check", "other"), ("__name__", "x")]),
                measured("tripline_check_up", &[]),
            ],
            ..Trace::default()
        });
        let series = of_run(&report, Some(&check));
        assert_eq!(
            told(&series),
            [
                "tripline_check_up{} 1",
                "tripline_check_duration_seconds{} 1.5",
                "tripline_check_lateness_seconds{} 0.25",
                "tripline_check_certificate_seconds{} 86400",
                r#"tripline_check_step_duration_seconds{step="sign in"} 0.5"#,
                r#"cart_items{plan="free"} 3"#,
                "script_tripline_check_up{} 3",
            ]
        );
        let labels = series[0].labels();
        let of = ["check", "region", "team"].map(|name| labels.value(name));
        assert_eq!(of, [check.id.as_str(), check.regions[0].as_str(), "shop"]);
        let ended = report.finished_at().timestamp_millis();
        assert!(series.iter().all(|it| it.times() == [ended]));
    }

    #[test]
    fn an_unknown_run_has_no_times() {
        let (check, report) = report(Trace::default());
        let failure = |kind| Some(Failure::new(kind, "no"));
        let failed = Report { failure: failure(FailureKind::Network), ..report.clone() };
        assert_eq!(told(&of_run(&failed, Some(&check)))[0], "tripline_check_up{} 0");
        let unknown = Report { failure: failure(FailureKind::Overload), ..report };
        assert_eq!(told(&of_run(&unknown, None)), ["tripline_check_unknown{} 1"]);
    }
}
