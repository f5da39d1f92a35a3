use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::check::Check;
use crate::domain::run::{FailureKind, Outcome, Report};

/// Messages of this protocol version as they were first released. Never edited: when the protocol
/// changes, a file of the new version is put beside it, and both must be understood.
const FIXTURE: &str = include_str!("../../../tests/fixtures/agent-protocol-1.json");

fn fixture(name: &str) -> Value {
    let mut all: Value = serde_json::from_str(FIXTURE).expect("JSON");
    all[name].take()
}

fn now() -> Timestamp {
    "2026-11-21T04:13:00Z".parse().expect("a time")
}

/// The value is understood, and nothing of it gets lost.
fn kept<T: Serialize + serde::de::DeserializeOwned>(value: &Value) -> T {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"));
    assert_eq!(&serde_json::to_value(&read).expect("JSON"), value);
    read
}

fn of(item: &Item) -> Value {
    item.read().expect("JSON")
}

fn checks() -> Vec<Check> {
    let assignments: Assignments = kept(&fixture("assignments"));
    let read = |item: &Item| Check::try_from(kept::<CheckMessage>(&of(item))).expect("a check");
    assignments.checks.iter().map(read).collect()
}

fn reports() -> Vec<Report> {
    let batch: Batch = kept(&fixture("batch"));
    let read = |item: &Item| kept::<ReportMessage>(&of(item)).read(now()).expect("a report");
    batch.reports.iter().map(read).collect()
}

#[test]
fn what_this_version_was_released_with_is_understood() {
    kept::<Beat>(&fixture("beat"));
    kept::<Pulse>(&fixture("pulse"));
    kept::<Verdict>(&fixture("verdict"));
    kept::<Goodbye>(&fixture("goodbye"));
    for check in checks() {
        let again = serde_json::to_value(CheckMessage::from(&check)).expect("JSON");
        assert_eq!(Check::try_from(kept::<CheckMessage>(&again)).expect("a check"), check);
    }
    let outcomes: Vec<Outcome> = reports().iter().map(Report::outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Failed]);
    for report in reports() {
        assert_eq!(ReportMessage::from(&report).read(now()), Ok(report));
    }
}

#[test]
fn fields_of_later_versions_are_ignored_and_those_of_earlier_ones_not_needed() {
    for name in ["beat", "pulse", "assignments", "batch", "verdict", "goodbye"] {
        let mut value = fixture(name);
        value["of_a_later_version"] = json!({"a": [1]});
        let understood = match name {
            "beat" => serde_json::from_value::<Beat>(value).is_ok(),
            "pulse" => serde_json::from_value::<Pulse>(value).is_ok(),
            "assignments" => serde_json::from_value::<Assignments>(value).is_ok(),
            "batch" => serde_json::from_value::<Batch>(value).is_ok(),
            "verdict" => serde_json::from_value::<Verdict>(value).is_ok(),
            _ => serde_json::from_value::<Goodbye>(value).is_ok(),
        };
        assert!(understood, "{name}");
    }
    let least = json!({
        "region": "eu", "name": "a", "instance": "6f1f1f8e-0c6e-4a53-9a3c-2f6f3d1f7a11",
        "sent_at": "2026-11-21T04:12:31Z",
    });
    assert_eq!(serde_json::from_value::<Beat>(least).expect("a beat").spool.reports, 0);
    assert_eq!(
        serde_json::from_value::<Verdict>(json!({})).expect("a verdict"),
        Verdict::default()
    );
}

#[test]
fn a_hub_says_how_far_it_is_behind_if_it_knows() {
    let pulse: Pulse = kept(&fixture("pulse"));
    assert_eq!(pulse.lags, None, "one that is a version older");
    let mut value = fixture("pulse");
    value["lags"] = json!({ "review_ms": 1, "accounting_ms": 40_000, "results_ms": 2 });
    let (part, lag) = kept::<Pulse>(&value).lags.expect("it said so").worst();
    assert_eq!((part, lag), ("its accounting for slots", Duration::from_secs(40)));
    assert!(lag > HUB_LAG_WARNING);
}

#[test]
fn a_kind_of_failure_of_a_later_version_counts_by_its_outcome() {
    let kind_of = |outcome: &str| {
        let mut value = fixture("batch")["reports"][1].take();
        value["failure"]["kind"] = json!("of_a_later_version");
        value["outcome"] = json!(outcome);
        let message: ReportMessage = serde_json::from_value(value).expect("a report");
        message.read(now()).expect("a report").failure.map(|failure| failure.kind)
    };
    assert_eq!(kind_of("failed"), Some(FailureKind::Exception));
    assert_eq!(kind_of("unknown"), Some(FailureKind::Crashed));
}

#[test]
fn the_time_of_a_certificate_comes_along_and_is_not_needed() {
    let mut value = fixture("batch")["reports"][1].take();
    let read = |value: &Value| kept::<ReportMessage>(value).read(now()).expect("a report");
    assert_eq!(read(&value).certificate_left(), None, "of a version that says nothing");
    value["requests"][0]["certificate_until"] = json!("2090-01-31T00:00:00Z");
    let until = "2090-01-31T00:00:00Z".parse().ok();
    assert_eq!(read(&value).trace.requests[0].certificate_until, until);
    // Whatever a peer claims, it ends in a number.
    value["requests"][0]["certificate_until"] = json!("+262142-12-31T23:59:59Z");
    assert!(read(&value).certificate_left().is_some_and(|left| left.num_days() > 90_000_000));
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut value = fixture("batch")["reports"][1].take();
        change(&mut value);
        let message: ReportMessage = serde_json::from_value(value).expect("a message");
        message.read(now()).expect_err("refused").0
    };
    assert!(refused(&|it| it["check"] = json!("a b")).contains("the check"));
    assert!(refused(&|it| it["slot_at"] = json!("2026-11-22T00:00:00Z")).contains("to come"));
    assert!(refused(&|it| it["started_at"] = json!("1969-11-22T00:00:00Z")).contains("long ago"));
    assert!(refused(&|it| it["duration_us"] = json!(u64::MAX)).contains("no run takes"));
    assert!(refused(&|it| it["steps"][0]["parent"] = json!(0)).contains("a step"));
    assert!(refused(&|it| it["requests"][0]["step"] = json!(9)).contains("a step"));
    assert!(refused(&|it| it["failure"] = Value::Null).contains("without a failure"));
}

#[test]
fn versions_one_apart_work_together() {
    assert!(understands(PROTOCOL) && understands(PROTOCOL + 1) && understands(PROTOCOL - 1));
    assert!(!understands(PROTOCOL + 2) && !understands(u32::MAX));
}

/// Any JSON, with keys and words that the protocol knows among them.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        any::<String>(),
        "(passed|failed|eu|a/b|[+]262142-12-31T23:59:59Z|0000-01-01T00:00:00Z|expectation|1s)",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Replaces one value somewhere in `whole`.
fn spoil(whole: &mut Value, path: &[usize], with: &Value) {
    let inner = match whole {
        Value::Array(items) if !items.is_empty() => {
            let at = path.first().map_or(0, |at| at % items.len());
            items.get_mut(at)
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = path.first().map_or(0, |at| at % fields.len());
            fields.values_mut().nth(at)
        }
        _ => None,
    };
    match (inner, path.split_first()) {
        (Some(inner), Some((_, rest))) => spoil(inner, rest, with),
        _ => *whole = with.clone(),
    }
}

proptest! {
    #[test]
    fn no_report_of_a_peer_is_more_than_refused(
        path in proptest::collection::vec(any::<usize>(), 1..6), with in any_json(), which in 0usize..2,
    ) {
        let mut value = fixture("batch")["reports"][which].take();
        spoil(&mut value, &path, &with);
        if let Ok(message) = serde_json::from_value::<ReportMessage>(value)
            && let Ok(report) = message.read(now())
        {
            // What is taken can be reckoned with.
            let _ = (report.finished_at(), report.lateness(), report.slot.run_id(), report.outcome());
        }
    }

    #[test]
    fn no_message_of_a_peer_ends_in_a_panic(value in any_json(), bytes in any::<Vec<u8>>()) {
        let _ = serde_json::from_slice::<Batch>(&bytes);
        let _ = serde_json::from_value::<Beat>(value.clone());
        let _ = serde_json::from_value::<Assignments>(value.clone());
        let _ = serde_json::from_value::<ReportMessage>(value.clone()).map(|it| it.read(now()));
        let _ = serde_json::from_value::<CheckMessage>(value).map(Check::try_from);
    }

    #[test]
    fn no_check_of_a_peer_is_more_than_refused(
        path in proptest::collection::vec(any::<usize>(), 1..6), with in any_json(), which in 0usize..3,
    ) {
        let mut value = fixture("assignments")["checks"][which].take();
        spoil(&mut value, &path, &with);
        let _ = serde_json::from_value::<CheckMessage>(value).map(Check::try_from);
    }
}
