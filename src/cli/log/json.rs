//! The log for machines: one JSON object a line in the Elastic Common Schema
//! (<https://www.elastic.co/guide/en/ecs-logging/overview/current/intro.html>).

use chrono::SecondsFormat;
use serde_json::Value;

use super::Entry;
use crate::cli::look::clean_json;

/// The version of the schema whose field names are used.
const ECS_VERSION: &str = "8.17.0";

/// Field sets of the schema that events may name; every other field is our own.
const FIELD_SETS: [&str; 14] = [
    "client",
    "destination",
    "dns",
    "error",
    "event",
    "host",
    "http",
    "network",
    "process",
    "server",
    "source",
    "span",
    "trace",
    "url",
];

/// One event as a JSON object on one line, without its end. The keys come in the order that the
/// schema recommends: time, level and message first.
pub(super) fn line(entry: &Entry<'_>) -> String {
    let mut object = Object::default();
    let at = entry.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    object.add("@timestamp", &at.into());
    object.add("log.level", &entry.level.as_str().to_ascii_lowercase().into());
    object.add("message", &entry.fields.message().into());
    object.add("ecs.version", &ECS_VERSION.into());
    object.add("service.name", &"tripline".into());
    object.add("service.version", &env!("CARGO_PKG_VERSION").into());
    object.add("log.logger", &entry.logger.into());
    let mut named: Vec<(String, &Value)> = Vec::new();
    for (name, value) in entry.fields.others() {
        let key = key(name);
        match named.iter_mut().find(|(own, _)| *own == key) {
            Some((_, own)) => *own = value,
            None => named.push((key, value)),
        }
    }
    for (key, value) in named {
        object.add(&key, value);
    }
    object.closed()
}

/// The key of a field: the schema's where it has one, else below `tripline.`.
fn key(name: &str) -> String {
    if name == "error" {
        return "error.message".to_owned();
    }
    let of_schema =
        name.split_once('.').is_some_and(|(set, _)| FIELD_SETS.contains(&set) || set == "tripline");
    if of_schema { name.to_owned() } else { format!("tripline.{name}") }
}

/// A JSON object whose keys stay in the order in which they were added.
#[derive(Default)]
struct Object(String);

impl Object {
    fn add(&mut self, key: &str, value: &Value) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(&value.to_string());
    }

    fn closed(self) -> String {
        clean_json(&self.0) + "}"
    }
}
