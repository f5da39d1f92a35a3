//! Whether an answer is what the author of a plain check expected.
//!
//! Pure: an answer and expectations in, the first failure out.

use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::domain::check::{Expectations, JsonExpectation, StatusRange, TextExpectation};
use crate::domain::run::{Comparison, Failure, FailureKind};

/// An answer, as far as expectations look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
    pub(super) took: Duration,
}

/// Longer values are cut when they are shown.
const LONGEST_SHOWN: usize = 200;

/// The first expectation that is not met.
pub(super) fn judge(expect: &Expectations, answer: Answer<'_>) -> Option<Failure> {
    status(&expect.status, answer.status)
        .or_else(|| max_time(expect.max_time, answer.took))
        .or_else(|| headers(&expect.header, answer.headers))
        .or_else(|| body(&expect.body, answer.body))
        .or_else(|| json(&expect.json, answer.body))
}

fn unmet(message: String, expected: String, received: String) -> Failure {
    let comparison = Some(Comparison { expected, received });
    Failure { comparison, ..Failure::new(FailureKind::Expectation, message) }
}

fn status(expected: &[StatusRange], status: u16) -> Option<Failure> {
    let met = match expected {
        [] => status < 400,
        ranges => ranges.iter().any(|range| range.contains(status)),
    };
    if met {
        return None;
    }
    let expected = match expected {
        [] => "below 400".to_owned(),
        ranges => ranges.iter().map(StatusRange::to_string).collect::<Vec<_>>().join(" or "),
    };
    let message = format!("expected status {expected}, received {status}");
    Some(unmet(message, expected, status.to_string()))
}

fn max_time(limit: Option<Duration>, took: Duration) -> Option<Failure> {
    let limit = limit.filter(|limit| took > *limit)?;
    let (limit, took) = (in_words(limit), in_words(took));
    let message = format!("expected an answer within {limit}, it took {took}");
    Some(unmet(message, limit, took))
}

fn in_words(time: Duration) -> String {
    if time < Duration::from_secs(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn headers(
    expected: &[(String, TextExpectation)],
    headers: &[(String, String)],
) -> Option<Failure> {
    expected.iter().find_map(|(name, expectation)| {
        let values: Vec<&str> = headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        if values.is_empty() && !matches!(expectation, TextExpectation::Lacks(_)) {
            let message = format!("the answer has no header `{name}`");
            return Some(unmet(message, wanted(expectation), "no such header".into()));
        }
        text(&format!("the header `{name}`"), expectation, &values.join(", "))
    })
}

fn body(expected: &[TextExpectation], body: &[u8]) -> Option<Failure> {
    if expected.is_empty() {
        return None;
    }
    let body = String::from_utf8_lossy(body);
    expected.iter().find_map(|expectation| text("the body", expectation, &body))
}

fn text(place: &str, expectation: &TextExpectation, text: &str) -> Option<Failure> {
    let (met, verb, what) = match expectation {
        TextExpectation::Contains(what) => (text.contains(what.as_str()), "does not contain", what),
        TextExpectation::Lacks(what) => (!text.contains(what.as_str()), "contains", what),
        TextExpectation::Matches(pattern) => {
            // Patterns are checked when the project is read; one that does not compile cannot match.
            let met = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
            (met, "does not match", pattern)
        }
    };
    let message = || format!("{place} {verb} `{}`", shown(what));
    (!met).then(|| unmet(message(), wanted(expectation), shown(text)))
}

fn wanted(expectation: &TextExpectation) -> String {
    match expectation {
        TextExpectation::Contains(what) => format!("contains `{}`", shown(what)),
        TextExpectation::Lacks(what) => format!("does not contain `{}`", shown(what)),
        TextExpectation::Matches(pattern) => format!("matches `{}`", shown(pattern)),
    }
}

fn json(expected: &[JsonExpectation], body: &[u8]) -> Option<Failure> {
    if expected.is_empty() {
        return None;
    }
    let document: Value = match serde_json::from_slice(body) {
        Ok(document) => document,
        Err(error) => {
            let body = shown(&String::from_utf8_lossy(body));
            return Some(unmet(format!("the body is not JSON: {error}"), "JSON".into(), body));
        }
    };
    expected.iter().find_map(|expectation| {
        let wanted: Value = serde_json::from_str(&expectation.equals).unwrap_or_default();
        let found = at_path(&document, &expectation.path);
        if found.is_some_and(|found| same(found, &wanted)) {
            return None;
        }
        let received = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let (path, wanted, received) = (&expectation.path, wanted.to_string(), shown(&received));
        let message = format!("expected `{path}` to be {wanted}, received {received}");
        Some(unmet(message, wanted, received))
    })
}

fn at_path<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|key| !key.is_empty()).try_fold(document, |value, key| match value {
        Value::Object(entries) => entries.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Equal as JSON values; numbers by value, so that 1 equals 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let equal = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(equal)
        }
        _ => a == b,
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(expect: Expectations) -> Option<String> {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let answer = Answer {
            status: 503,
            headers: &headers,
            body: br#"{"state":"down","n":[1,{"x":2.0}]}"#,
            took: Duration::from_millis(1500),
        };
        let any = vec![StatusRange { first: 100, last: 599 }];
        let status = if expect == Expectations::default() { vec![] } else { any };
        judge(&Expectations { status, ..expect }, answer).map(|failure| failure.message)
    }

    fn json(path: &str, equals: &str) -> Expectations {
        let json = vec![JsonExpectation { path: path.into(), equals: equals.into() }];
        Expectations { json, ..Expectations::default() }
    }

    fn body(expectation: TextExpectation) -> Expectations {
        Expectations { body: vec![expectation], ..Expectations::default() }
    }

    fn header(name: &str, expectation: TextExpectation) -> Expectations {
        Expectations { header: vec![(name.into(), expectation)], ..Expectations::default() }
    }

    #[test]
    fn each_expectation_says_what_it_wanted_and_got() {
        let contains = |text: &str| TextExpectation::Contains(text.into());
        let said = |expect| message(expect).expect("a failure");
        assert_eq!(said(Expectations::default()), "expected status below 400, received 503");
        assert_eq!(said(body(contains("up"))), "the body does not contain `up`");
        assert_eq!(said(body(TextExpectation::Lacks("down".into()))), "the body contains `down`");
        assert_eq!(
            said(body(TextExpectation::Matches("^\\d".into()))),
            "the body does not match `^\\d`"
        );
        assert_eq!(
            said(header("content-type", contains("html"))),
            "the header `content-type` does not contain `html`"
        );
        assert_eq!(said(header("etag", contains("x"))), "the answer has no header `etag`");
        assert_eq!(
            said(json("state", "\"up\"")),
            "expected `state` to be \"up\", received \"down\""
        );
        assert_eq!(said(json("n.5", "1")), "expected `n.5` to be 1, received nothing");
        let slow =
            Expectations { max_time: Some(Duration::from_secs(1)), ..Expectations::default() };
        assert_eq!(said(slow), "expected an answer within 1000 ms, it took 1500 ms");
    }

    #[test]
    fn what_is_met_is_silent() {
        assert_eq!(message(json("n.1.x", "2")), None);
        assert_eq!(message(json("n", "[1.0,{\"x\":2}]")), None);
        assert_eq!(message(body(TextExpectation::Matches("do..".into()))), None);
        assert_eq!(message(header("Content-Type", TextExpectation::Lacks("html".into()))), None);
        assert_eq!(message(header("etag", TextExpectation::Lacks("x".into()))), None);
    }
}
