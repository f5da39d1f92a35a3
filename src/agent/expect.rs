//! Compares an answer with what is expected of it. Pure.

use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use http::header::CONTENT_TYPE;
use regex::Regex;

use super::json::{self, Value};
use super::secrets::Secrets;
use crate::domain::check::{Expectations, JsonExpectation, StatusRange, TextExpectation};
use crate::domain::run::{Comparison, Failure, FailureKind};
use crate::net::Answer;

/// How much of a text is shown as received, in characters.
const EXCERPT: usize = 300;

/// Expectations, compiled.
pub(super) struct Expected {
    status: Vec<StatusRange>,
    body: Vec<Text>,
    json: Vec<Json>,
    header: Vec<(String, Text)>,
    max_time: Option<Duration>,
}

enum Text {
    Contains(String),
    Lacks(String),
    Matches(Regex),
}

struct Json {
    path: String,
    equals: Value,
}

/// One expectation that was not met.
struct Miss {
    message: String,
    comparison: Comparison,
}

impl Expected {
    /// Prepares expectations.
    ///
    /// # Errors
    ///
    /// A sentence when a regular expression or a JSON value is not valid.
    pub(super) fn compile(expect: &Expectations) -> Result<Self, String> {
        let header = |(name, text): &(String, TextExpectation)| Ok((name.clone(), compile(text)?));
        Ok(Self {
            status: expect.status.clone(),
            body: expect.body.iter().map(compile).collect::<Result<_, String>>()?,
            json: expect.json.iter().map(compile_json).collect::<Result<_, String>>()?,
            header: expect.header.iter().map(header).collect::<Result<_, String>>()?,
            max_time: expect.max_time,
        })
    }

    /// Says what is not as expected: each miss on a line of its own, the first one compared. Secrets
    /// in what is shown of the answer are masked, before it is shortened.
    pub(super) fn judge(
        &self,
        answer: &Answer,
        took: Duration,
        secrets: &Secrets,
    ) -> Option<Failure> {
        let header = |(name, text): &(String, Text)| judge_header(answer, name, text, secrets);
        let mut misses: Vec<Miss> = Vec::new();
        misses.extend(self.judge_status(answer.status.as_u16()));
        misses.extend(self.judge_time(took));
        misses.extend(self.header.iter().filter_map(header));
        misses.extend(self.judge_body(answer, secrets));
        let mut misses = misses.into_iter();
        let first = misses.next()?;
        let message = misses.fold(first.message, |all, miss| all + "\n" + &miss.message);
        let failure = Failure::new(FailureKind::Expectation, message);
        Some(Failure { comparison: Some(first.comparison), ..failure })
    }

    fn judge_status(&self, status: u16) -> Option<Miss> {
        let met = match self.status.as_slice() {
            [] => status < 400,
            ranges => ranges.iter().any(|range| range.contains(status)),
        };
        if met {
            return None;
        }
        let ranges: Vec<String> = self.status.iter().map(ToString::to_string).collect();
        let expected = if ranges.is_empty() { "below 400".to_owned() } else { ranges.join(" or ") };
        let message = match ranges.len() {
            0 => format!("expected a status below 400, received {status}"),
            _ => format!("expected status {expected}, received {status}"),
        };
        Some(Miss { message, comparison: Comparison { expected, received: status.to_string() } })
    }

    fn judge_time(&self, took: Duration) -> Option<Miss> {
        let most = self.max_time.filter(|most| took > *most)?;
        let (expected, received) = (format!("at most {}", millis(most)), millis(took));
        let message = format!("expected an answer within {}, it took {received}", millis(most));
        Some(Miss { message, comparison: Comparison { expected, received } })
    }

    fn judge_body(&self, answer: &Answer, secrets: &Secrets) -> Vec<Miss> {
        let mut misses = Vec::new();
        if !self.body.is_empty() {
            let body = text_of(answer);
            let judge = |text| judge_text("the body", text, &body, secrets);
            misses.extend(self.body.iter().filter_map(judge));
        }
        if !self.json.is_empty() {
            // Whatever charset the answer names, JSON is UTF-8 (RFC 8259, section 8.1).
            match json::read(&String::from_utf8_lossy(&answer.body)) {
                Ok(body) => {
                    misses.extend(self.json.iter().filter_map(|json| json.judge(&body, secrets)));
                }
                Err(error) => misses.push(Miss {
                    message: format!("the body is {error}"),
                    comparison: Comparison {
                        expected: "JSON".to_owned(),
                        received: excerpt(&text_of(answer), "", secrets),
                    },
                }),
            }
        }
        misses
    }
}

fn compile(text: &TextExpectation) -> Result<Text, String> {
    Ok(match text {
        TextExpectation::Contains(part) => Text::Contains(part.clone()),
        TextExpectation::Lacks(part) => Text::Lacks(part.clone()),
        TextExpectation::Matches(pattern) => Text::Matches(
            Regex::new(pattern)
                .map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))?,
        ),
    })
}

fn compile_json(json: &JsonExpectation) -> Result<Json, String> {
    let equals =
        json::read(&json.equals).map_err(|error| format!("`{}` is {error}", json.equals))?;
    Ok(Json { path: json.path.clone(), equals })
}

fn judge_header(answer: &Answer, name: &str, text: &Text, secrets: &Secrets) -> Option<Miss> {
    let values = answer.headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let what = format!("the header `{name}`");
    if values.is_empty() && !matches!(text, Text::Lacks(_)) {
        let message = format!("there is no header `{name}`");
        let comparison = Comparison { expected: text.wanted(), received: "no header".to_owned() };
        return Some(Miss { message, comparison });
    }
    judge_text(&what, text, &values.join(", "), secrets)
}

fn judge_text(what: &str, text: &Text, received: &str, secrets: &Secrets) -> Option<Miss> {
    let (message, place) = match text {
        Text::Contains(part) if received.contains(part.as_str()) => return None,
        Text::Contains(part) => (format!("{what} does not contain `{part}`"), ""),
        Text::Lacks(part) if !received.contains(part.as_str()) => return None,
        Text::Lacks(part) => (format!("{what} contains `{part}`"), part.as_str()),
        Text::Matches(pattern) if pattern.is_match(received) => return None,
        Text::Matches(pattern) => (format!("{what} does not match `{pattern}`"), ""),
    };
    let received = excerpt(received, place, secrets);
    let comparison = Comparison { expected: text.wanted(), received };
    Some(Miss { message, comparison })
}

impl Text {
    fn wanted(&self) -> String {
        match self {
            Self::Contains(part) => format!("a text that contains `{part}`"),
            Self::Lacks(part) => format!("a text without `{part}`"),
            Self::Matches(pattern) => format!("a text that matches `{pattern}`"),
        }
    }
}

impl Json {
    fn judge(&self, body: &Value, secrets: &Secrets) -> Option<Miss> {
        let place = match self.path.as_str() {
            "" => "the body".to_owned(),
            path => format!("`{path}`"),
        };
        let expected = self.equals.to_string();
        let Some(found) = body.at(&self.path) else {
            let message = format!("expected {place} to be {expected}, the body has no such place");
            let received = excerpt(&body.to_string(), "", secrets);
            return Some(Miss { message, comparison: Comparison { expected, received } });
        };
        if found.is_same(&self.equals) {
            return None;
        }
        let received = excerpt(&found.to_string(), "", secrets);
        let message = format!("expected {place} to be {expected}, received {received}");
        Some(Miss { message, comparison: Comparison { expected, received } })
    }
}

/// The body as text, in the charset of its `content-type`, UTF-8 when it names none.
fn text_of(answer: &Answer) -> String {
    let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let charset = content_type
        .and_then(|value| {
            value.split(';').skip(1).find_map(|it| it.trim().strip_prefix("charset="))
        })
        .map(|charset| charset.trim_matches('"'));
    let encoding = charset.and_then(|name| Encoding::for_label(name.as_bytes())).unwrap_or(UTF_8);
    encoding.decode(&answer.body).0.into_owned()
}

/// A part of `text` around the first `place` in it, on one line, without secrets.
fn excerpt(text: &str, place: &str, secrets: &Secrets) -> String {
    // A secret that was cut in two would no longer be recognised.
    let text = secrets.mask(text);
    let at = text.find(place).unwrap_or(0);
    let before = text[..at].chars().count().saturating_sub(EXCERPT / 3);
    let mut shown = String::new();
    let mut rest = text.chars().skip(before);
    if before > 0 {
        shown.push('…');
    }
    for c in rest.by_ref().take(EXCERPT) {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c != ' ' || !shown.ends_with(' ') {
            shown.push(c);
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

fn millis(duration: Duration) -> String {
    match duration.as_millis() {
        // What took a little longer than a whole number must not read the same.
        0..10 if !duration.as_micros().is_multiple_of(1000) => {
            format!("{:.3} ms", duration.as_secs_f64() * 1e3)
        }
        millis if millis < 1000 => format!("{millis} ms"),
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(status: u16, content_type: &'static str, body: &[u8]) -> Answer {
        let value = HeaderValue::from_static(content_type);
        let name = HeaderName::from_static("content-type");
        Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            reason: String::new(),
            headers: HeaderMap::from_iter([(name, value)]),
            body: body.to_vec().into(),
        }
    }

    fn judged(expect: &Expectations, answer: &Answer) -> Option<String> {
        let expected = Expected::compile(expect).expect("valid expectations");
        let took = Duration::from_millis(1500);
        expected.judge(answer, took, &Secrets::default()).map(|failure| failure.message)
    }

    fn page(expect: &Expectations) -> Option<String> {
        judged(expect, &answer(200, "text/html", b"<h1>Welcome,\n   Ana</h1>"))
    }

    #[test]
    fn a_little_too_long_does_not_read_as_just_right() {
        let said = [1_000, 1_040, 9_999, 12_345, 1_234_000].map(Duration::from_micros).map(millis);
        assert_eq!(said, ["1 ms", "1.040 ms", "9.999 ms", "12 ms", "1.23 s"]);
    }

    #[test]
    fn statuses() {
        let status = |ranges: &[(u16, u16)], status| {
            let ranges = ranges.iter().map(|&(first, last)| StatusRange { first, last });
            let expect = Expectations { status: ranges.collect(), ..Expectations::default() };
            judged(&expect, &answer(status, "text/plain", b""))
        };
        assert_eq!(status(&[], 302), None);
        assert_eq!(status(&[(200, 200)], 200), None);
        let none = status(&[], 404);
        assert_eq!(none.as_deref(), Some("expected a status below 400, received 404"));
        let one = status(&[(200, 200)], 503);
        assert_eq!(one.as_deref(), Some("expected status 200, received 503"));
        let two = status(&[(200, 299), (404, 404)], 500);
        assert_eq!(two.as_deref(), Some("expected status 200-299 or 404, received 500"));
    }

    #[test]
    fn texts() {
        let body = |text| page(&Expectations { body: vec![text], ..Expectations::default() });
        assert_eq!(body(TextExpectation::Contains("Welcome".to_owned())), None);
        assert_eq!(body(TextExpectation::Lacks("Error".to_owned())), None);
        assert_eq!(body(TextExpectation::Matches(r"(?s)Welcome.*Ana".to_owned())), None);
        let message = body(TextExpectation::Contains("Goodbye".to_owned()));
        assert_eq!(message.as_deref(), Some("the body does not contain `Goodbye`"));
        let message = body(TextExpectation::Lacks("Ana".to_owned()));
        assert_eq!(message.as_deref(), Some("the body contains `Ana`"));
        let message = body(TextExpectation::Matches("^Ana".to_owned()));
        assert_eq!(message.as_deref(), Some("the body does not match `^Ana`"));
    }

    #[test]
    fn headers_and_charsets() {
        let header = |name: &str, text| {
            page(&Expectations { header: vec![(name.to_owned(), text)], ..Expectations::default() })
        };
        let html = || TextExpectation::Contains("html".to_owned());
        assert_eq!(header("content-type", html()), None);
        assert_eq!(header("x-none", TextExpectation::Lacks("a".to_owned())), None);
        assert_eq!(header("x-none", html()).as_deref(), Some("there is no header `x-none`"));
        let latin = answer(200, "text/plain; charset=\"iso-8859-1\"", b"Gr\xfc\xdfe");
        let body = vec![TextExpectation::Contains("Grüße".to_owned())];
        assert_eq!(judged(&Expectations { body, ..Expectations::default() }, &latin), None);
    }

    #[test]
    fn json() {
        let body = "\u{feff}{\"user\":{\"roles\":[\"admin\"],\"age\":30.0},\"a\":null,\
                    \"id\":9007199254740992,\"large\":1e400,\"half\":\"\\ud800\"}"
            .as_bytes();
        let json = |path: &str, equals: &str| {
            let json = vec![JsonExpectation { path: path.to_owned(), equals: equals.to_owned() }];
            let expect = Expectations { json, ..Expectations::default() };
            judged(&expect, &answer(200, "application/json", body))
        };
        assert_eq!(json("user.roles.0", r#""admin""#), None);
        assert_eq!(json("user", r#"{"age":30,"roles":["admin"]}"#), None);
        assert_eq!(json("a", "null"), None);
        let message = json("user.age", "31");
        assert_eq!(message.as_deref(), Some("expected `user.age` to be 31, received 30.0"));
        let exact = json("id", "9007199254740993");
        let expected = "expected `id` to be 9007199254740993, received 9007199254740992";
        assert_eq!(exact.as_deref(), Some(expected));
        let message = json("user.roles.1", "1");
        let expected = "expected `user.roles.1` to be 1, the body has no such place";
        assert_eq!(message.as_deref(), Some(expected));
        let json = vec![JsonExpectation { path: String::new(), equals: "1".to_owned() }];
        let message = page(&Expectations { json, ..Expectations::default() });
        assert!(message.is_some_and(|message| message.starts_with("the body is not valid JSON: ")));
    }

    #[test]
    fn the_first_miss_leads_and_is_compared() {
        let expect = Expectations {
            status: vec![StatusRange { first: 201, last: 201 }],
            body: vec![TextExpectation::Contains("x".to_owned())],
            max_time: Some(Duration::from_secs(1)),
            ..Expectations::default()
        };
        let expected = Expected::compile(&expect).expect("valid expectations");
        let took = Duration::from_millis(1500);
        let answer = answer(200, "text/plain", b"abc");
        let failure = expected.judge(&answer, took, &Secrets::default()).expect("misses");
        assert_eq!(
            failure.message,
            "expected status 201, received 200\n\
             expected an answer within 1 s, it took 1.50 s\n\
             the body does not contain `x`"
        );
        let comparison = failure.comparison.expect("the first is compared");
        assert_eq!((comparison.expected.as_str(), comparison.received.as_str()), ("201", "200"));
    }

    #[test]
    fn what_cannot_be_compiled_is_named() {
        let body = vec![TextExpectation::Matches("(".to_owned())];
        let error = Expected::compile(&Expectations { body, ..Expectations::default() }).err();
        assert!(error.is_some_and(|error| error.starts_with("`(` is not a regular expression")));
        let json = vec![JsonExpectation { path: String::new(), equals: "{".to_owned() }];
        let error = Expected::compile(&Expectations { json, ..Expectations::default() }).err();
        assert!(error.is_some_and(|error| error.starts_with("`{` is not valid JSON")));
    }

    #[test]
    fn excerpts_are_short_and_show_the_place() {
        let text = format!("{}HERE{}", "a ".repeat(500), "b".repeat(500));
        let shown = excerpt(&text, "HERE", &Secrets::default());
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains("HERE"));
        assert!(shown.chars().count() <= EXCERPT + 2);
        let secrets = Secrets::new([("A".to_owned(), "s".repeat(40))]);
        let shown =
            excerpt(&format!("{}{}", "b".repeat(EXCERPT - 10), "s".repeat(40)), "", &secrets);
        assert!(!shown.contains('s'), "a secret on the edge: {shown}");
    }
}
