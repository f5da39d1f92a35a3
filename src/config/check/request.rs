//! The request that a check without a function makes.

use std::time::Duration;

use super::{Surroundings, check_mentions, expect, json};
use crate::config::reader::{Field, Report, Table, url_help, web_url};
use crate::config::secret::{Part, parts};
use crate::config::value::Kind;
use crate::domain::check::{Expectations, RequestSpec};

const METHODS: [(&str, &str); 7] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
];

/// The keys that [`read`] reads.
pub(super) const KEYS: [&str; 5] = ["url", "method", "headers", "body", "expect"];

/// Reads `url`, `method`, `headers`, `body` and `expect`.
pub(super) fn read(
    table: &mut Table<'_>,
    timeout: Option<Duration>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<RequestSpec> {
    let help = "a check without a function needs one, such as `\"https://example.com/\"`";
    let url = table.required("url", help, report);
    let url = url.and_then(|it| read_url(&it, surroundings, report));
    let body = match table.optional("body") {
        Some(field) => read_body(&field, surroundings, report).map(Some),
        None => Some(None),
    };
    let method = match table.optional("method") {
        Some(field) => field.word(&METHODS, report),
        None => Some(if matches!(body, Some(None)) { "GET" } else { "POST" }),
    };
    let headers = match table.optional("headers") {
        Some(field) => read_headers(&field, surroundings, report),
        None => Some(Vec::new()),
    };
    let expect = match table.optional("expect") {
        Some(field) => expect::read(&field, timeout, report),
        None => Some(Expectations::default()),
    };
    let (mut headers, body) = (headers?, body?);
    if let Some(Body { form: Form::Json, .. }) = body
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".into(), "application/json".into()));
    }
    Some(RequestSpec {
        method: method?.to_owned(),
        url: url?,
        headers,
        body: body.map(|it| it.text),
        expect: expect?,
    })
}

/// The URL as written. It is judged with a letter in place of each secret.
fn read_url(
    field: &Field<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<String> {
    let text = field.filled_text(report)?;
    check_mentions(text, &field.span, surroundings, report)?;
    let part = |part: &Part<'_>| match part {
        Part::Plain(text) => (*text).to_owned(),
        Part::Mention(_) | Part::Broken(_) => "x".to_owned(),
    };
    let judged: String = parts(text).iter().map(part).collect();
    match web_url(&judged) {
        Ok(_) => Some(text.to_owned()),
        Err((message, help)) => {
            report.error(&field.span, format!("`url` {message}")).advise(url_help(text, help));
            None
        }
    }
}

struct Body {
    text: String,
    form: Form,
}

#[derive(PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

fn read_body(
    field: &Field<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Body> {
    let body = match field.kind() {
        Kind::Text(text) => Body { text: text.clone(), form: Form::Text },
        Kind::Table(_) | Kind::List(_) => {
            Body { text: json::read(field, report)?.to_string(), form: Form::Json }
        }
        _ => {
            field.unfit("a text, or a table or list to be sent as JSON", report);
            return None;
        }
    };
    check_mentions(&body.text, &field.span, surroundings, report)?;
    Some(body)
}

fn read_headers(
    field: &Field<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<Vec<(String, String)>> {
    let table = field.table(&report.table_like("of texts", "accept", "\"text/html\""), report)?;
    let mut headers = Some(Vec::new());
    for field in table.all() {
        let header = read_header(&field, surroundings, report);
        headers = headers.zip(header).map(|(mut headers, header)| {
            headers.push(header);
            headers
        });
    }
    headers
}

fn read_header(
    field: &Field<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<(String, String)> {
    check_header_name(field, report)?;
    let value = field.text(report)?;
    if value.chars().any(|c| c.is_control() && c != '\t') {
        report.error(&field.span, format!("the header `{}` must be one line", field.name));
        return None;
    }
    check_mentions(value, &field.span, surroundings, report)?;
    let is_confidential =
        ["authorization", "cookie", "x-api-key"].contains(&&*field.name.to_ascii_lowercase());
    if is_confidential && !parts(value).iter().any(|part| matches!(part, Part::Mention(_))) {
        report.conceal(&field.span);
        report
            .warning(&field.span, format!("the header `{}` seems to hold a secret", field.name))
            .advise("declare it in [secrets] and write `${secret.NAME}` here");
    }
    Some((field.name.to_owned(), value.to_owned()))
}

/// Checks that a key is the name of a header (a token of RFC 9110, section 5.6.2).
pub(super) fn check_header_name(field: &Field<'_>, report: &mut Report) -> Option<()> {
    let is_token = http::HeaderName::from_bytes(field.name.as_bytes()).is_ok();
    if !is_token {
        let message = format!("`{}` cannot be the name of a header", field.name.escape_debug());
        report.error(&field.key_span, message);
    }
    is_token.then_some(())
}
