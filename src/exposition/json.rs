//! Points as JSON, for those who have no OpenMetrics at hand.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bounds::fault;
use super::{LATEST, Mistake, Sample};
use crate::query::{Labels, METRIC_NAME, Measure};

/// All that is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `series`")]
struct Sent {
    series: Vec<SentSeries>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a series, an object with `name` and `points`")]
struct SentSeries {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<SentKind>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    points: Vec<SentPoint>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SentKind {
    Counter,
    Gauge,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a point, an object with `value`")]
struct SentPoint {
    value: f64,
    at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Reads `{"series": [{"name", "type", "labels", "points": [{"value", "at"}]}]}`.
///
/// # Errors
///
/// The first mistake; of one that is not of syntax, the series is named instead of its place.
pub fn read(text: &[u8]) -> Result<Vec<Sample>, Mistake> {
    let sent: Sent = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line() as u64, error.column() as u64);
        // The place is told by the mistake itself.
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(it, _)| it);
        Mistake { line, column, message: message.to_owned() }
    })?;
    let mut samples = Vec::new();
    for (index, series) in sent.series.into_iter().enumerate() {
        let wrong = |what: String| {
            let message = format!("series {} (`{}`): {what}", index + 1, short(&series.name));
            Mistake { line: 1, column: 1, message }
        };
        let is_bad = |text: &str| text.is_empty() || text.contains(char::is_control);
        if is_bad(&series.name) {
            return Err(wrong("a name is not empty and has no control characters".into()));
        }
        let bad = series.labels.keys().find(|key| is_bad(key) || key.starts_with("__"));
        if let Some(key) = bad {
            return Err(wrong(format!("`{}` cannot be the name of a label", short(key))));
        }
        let pairs = series.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels: Labels = pairs.chain([(METRIC_NAME, series.name.as_str())]).collect();
        if let Some(fault) = fault(&labels) {
            return Err(wrong(fault));
        }
        let measure = series.kind.map(|kind| match kind {
            SentKind::Counter => Measure::Counter,
            SentKind::Gauge => Measure::Gauge,
        });
        for point in &series.points {
            let at = point.at.map(|at| at.timestamp_millis());
            if at.is_some_and(|at| at.abs() > LATEST) {
                return Err(wrong("a time is out of range".into()));
            }
            samples.push(Sample { labels: labels.clone(), measure, at, value: point.value });
        }
    }
    Ok(samples)
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_and_mistakes_have_their_place() {
        let text = br#"{"series": [{"name": "logins", "labels": {"region": "eu"}, "points": [
            {"value": 3}, {"value": -1.5, "at": "2026-11-21T04:12:31.5Z"}]}]}"#;
        let samples = read(text).expect("it is right");
        let said = samples.iter().map(|it| format!("{} {} {:?}", it.labels, it.value, it.at));
        assert_eq!(
            said.collect::<Vec<_>>(),
            [
                r#"{__name__="logins", region="eu"} 3 None"#,
                r#"{__name__="logins", region="eu"} -1.5 Some(1795234351500)"#,
            ]
        );
        let text = br#"{"series": [{"name": "a", "type": "counter", "points": [{"value": 3}]}]}"#;
        assert_eq!(read(text).expect("it is right")[0].measure, Some(Measure::Counter));
        for (text, expected) in [
            ("[]", "line 1, column 2: invalid length 0, expected an object with `series`"),
            ("7", "line 1, column 1: invalid type: integer `7`, expected an object with `series`"),
            (
                r#"{"series": [{"name": "a", "points": [3]}]}"#,
                "line 1, column 38: invalid type: integer `3`, expected a point, an object with `value`",
            ),
            (
                "{\"series\": [\n{\"nam\": 1}]}",
                "line 2, column 6: unknown field `nam`, expected one of `name`, `type`, `labels`, `points`",
            ),
            (
                r#"{"series": [{"name": "tripline_check_up", "points": []}]}"#,
                "line 1, column 1: series 1 (`tripline_check_up`): `tripline_check_up` begins with \
                 `tripline_`, as only the names of Tripline's own series do; give it another",
            ),
            (
                r#"{"series": [{"name": "", "points": []}]}"#,
                "line 1, column 1: series 1 (``): a name is not empty and has no control characters",
            ),
            (
                r#"{"series": [{"name": "a", "labels": {"__x": "1"}, "points": []}]}"#,
                "line 1, column 1: series 1 (`a`): `__x` cannot be the name of a label",
            ),
            (
                r#"{"series": [{"name": "a", "points": [{"value": 1e999}]}]}"#,
                "line 1, column 52: number out of range",
            ),
        ] {
            assert_eq!(read(text.as_bytes()).expect_err(text).to_string(), expected);
        }
    }
}
