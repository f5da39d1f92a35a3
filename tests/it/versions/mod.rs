//! What earlier versions stored and said: each store is opened with nothing lost, and each program of
//! the version before is understood. How it was recorded, and the rule that it is never changed, are in
//! `tests/fixtures/versions/README.md`.

mod protocol;
mod running;
mod store;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tripline::domain::Timestamp;
use tripline::domain::check::Check;
use tripline::link::protocol::{Assignments, CheckMessage};

/// All that were recorded.
const VERSIONS: [&str; 2] = ["0.1.0", "0.1.0-27"];

/// A file that a version left behind.
fn file(version: &str, name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    folder.join(version).join(name)
}

fn json(version: &str, name: &str) -> Value {
    let text = fs::read_to_string(file(version, name)).expect("it was recorded");
    serde_json::from_str(&text).expect("JSON")
}

/// A question of an agent and the hub's answer.
struct Exchange {
    at: Timestamp,
    method: String,
    /// The part of the path behind `/agent/v1/`, without its query.
    route: String,
    path: String,
    protocol: String,
    body: Value,
    status: u16,
    answer: Value,
}

fn exchanges(version: &str) -> Vec<Exchange> {
    let Value::Array(all) = json(version, "agent-protocol.json") else { panic!("a list") };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let read = |value: Value| {
        let path = text(&value["path"]);
        let route = path.trim_start_matches("/agent/v1/").split('?').next().unwrap_or_default();
        Exchange {
            at: text(&value["at"]).parse().expect("a time"),
            method: text(&value["method"]),
            route: route.to_owned(),
            protocol: text(&value["headers"]["tripline-protocol"]),
            body: value["body"].clone(),
            status: value["status"].as_u64().and_then(|it| it.try_into().ok()).expect("a status"),
            answer: value["answer"].clone(),
            path,
        }
    };
    all.into_iter().map(read).collect()
}

/// What the agent was told to run.
fn assignments(exchanges: &[Exchange]) -> Assignments {
    let told = exchanges.iter().find(|it| it.route == "assignments" && it.status == 200);
    serde_json::from_value(told.expect("it was told").answer.clone()).expect("assignments")
}

fn checks(assignments: &Assignments) -> Vec<Arc<Check>> {
    let read = |item: &tripline::link::protocol::Item| {
        let message: CheckMessage = item.read().expect("a check");
        Arc::new(Check::try_from(message).expect("a check"))
    };
    assignments.checks.iter().map(read).collect()
}

/// Whether all that was said then is said now: fields may have come, none may have gone. `moving` are
/// those that depend on the moment.
fn assert_kept(then: &Value, now: &Value, moving: &[&str], place: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (key, value) in then.iter().filter(|(key, _)| !moving.contains(&key.as_str())) {
                let place = format!("{place}.{key}");
                let found = now.get(key).unwrap_or_else(|| panic!("{place} is gone"));
                assert_kept(value, found, moving, &place);
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{place} has another length");
            for (index, (then, now)) in then.iter().zip(now).enumerate() {
                assert_kept(then, now, moving, &format!("{place}[{index}]"));
            }
        }
        (then, now) => assert_eq!(then, now, "{place}"),
    }
}
