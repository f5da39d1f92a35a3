//! What must be true of an answer: the table `expect`.

use std::time::Duration;

use super::{json, request};
use crate::config::duration;
use crate::config::reader::{Field, Report, no_hint};
use crate::config::value::Kind;
use crate::domain::check::{Expectations, JsonExpectation, StatusRange, TextExpectation};

/// Reads `expect`; `timeout` is that of the check.
pub(super) fn read(
    field: &Field<'_>,
    timeout: Option<Duration>,
    report: &mut Report,
) -> Option<Expectations> {
    let mut table = field.table(&report.table_like("", "status", "200"), report)?;
    let (status, body) = (table.optional("status"), table.optional("body"));
    let (json, header) = (table.optional("json"), table.optional("header"));
    let max_time = table.optional("max_time");
    table.finish(report, hint);
    let status = status.map_or(Some(Vec::new()), |it| read_status(&it, report));
    let body = body.map_or(Some(Vec::new()), |it| read_texts(&it, report));
    let json = json.map_or(Some(Vec::new()), |it| read_json(&it, report));
    let header = header.map_or(Some(Vec::new()), |it| read_headers(&it, report));
    let max_time = max_time.map_or(Some(None), |it| read_max_time(&it, timeout, report).map(Some));
    Some(Expectations {
        status: status?,
        body: body?,
        json: json?,
        header: header?,
        max_time: max_time?,
    })
}

fn hint(key: &str) -> Option<String> {
    let meant = match key {
        "code" => "status",
        "headers" => "header",
        "text" | "contains" => "body",
        "time" | "latency" | "duration" => "max_time",
        _ => return None,
    };
    Some(format!("did you mean `{meant}`?"))
}

/// All of the items, or none when one has a mistake; each is read either way.
fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = items.collect();
    read.into_iter().collect()
}

fn read_status(field: &Field<'_>, report: &mut Report) -> Option<Vec<StatusRange>> {
    let items = field.one_or_more(report)?;
    all(items.iter().map(|item| {
        let range = match item.kind() {
            Kind::Integer(number) => u16::try_from(*number).ok().and_then(|it| range(it, it)),
            Kind::Text(text) => status_range(text.trim()),
            _ => None,
        };
        if range.is_none() {
            report
                .error(&item.span, "`status` must be a status from 100 to 599 or a range of them")
                .advise("write `200`, `\"2xx\"`, `\"200-299\"` or a list of these");
        }
        range
    }))
}

fn range(first: u16, last: u16) -> Option<StatusRange> {
    let possible = 100..=599;
    let is_range = possible.contains(&first) && possible.contains(&last) && first <= last;
    is_range.then_some(StatusRange { first, last })
}

fn status_range(text: &str) -> Option<StatusRange> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
        return range(class * 100, class * 100 + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    range(first.trim().parse().ok()?, last.trim().parse().ok()?)
}

fn read_texts(field: &Field<'_>, report: &mut Report) -> Option<Vec<TextExpectation>> {
    let items = field.one_or_more(report)?;
    let read = all(items.iter().map(|item| read_text(item, report)))?;
    Some(read.into_iter().flatten().collect())
}

/// A text that must occur, or a table with `contains`, `lacks` and `matches`.
fn read_text(field: &Field<'_>, report: &mut Report) -> Option<Vec<TextExpectation>> {
    let Kind::Table(_) = field.kind() else {
        if let Kind::Text(_) = field.kind() {
            return Some(vec![TextExpectation::Contains(field.filled_text(report)?.to_owned())]);
        }
        field.unfit("a text, or a table with `contains`, `lacks` or `matches`", report);
        return None;
    };
    let mut table = field.table("a table", report)?;
    let keys = ["contains", "lacks", "matches"].map(|key| (key, table.optional(key)));
    let span = table.span.clone();
    table.finish(report, no_hint);
    if keys.iter().all(|(_, field)| field.is_none()) {
        report
            .error(&span, format!("`{}` expects nothing", field.name))
            .advise("name a text, or one of `contains`, `lacks` and `matches`");
        return None;
    }
    let mut texts = Some(Vec::new());
    for (key, field) in keys {
        let Some(field) = field else { continue };
        let items = field.one_or_more(report).unwrap_or_default();
        let read = all(items.iter().map(|item| one_text(key, item, report)));
        let read = read.filter(|it| !it.is_empty());
        texts = texts.zip(read).map(|(before, read)| [before, read].concat());
    }
    texts
}

fn one_text(key: &str, field: &Field<'_>, report: &mut Report) -> Option<TextExpectation> {
    let text = field.filled_text(report)?.to_owned();
    match key {
        "contains" => Some(TextExpectation::Contains(text)),
        "lacks" => Some(TextExpectation::Lacks(text)),
        _ => match regex::Regex::new(&text) {
            Ok(_) => Some(TextExpectation::Matches(text)),
            Err(error) => {
                // Only the last line says what is wrong; those before draw the pattern.
                let error = error.to_string();
                let why = error.lines().last().unwrap_or_default();
                let why = why.trim_start_matches("error: ");
                report
                    .error(&field.span, format!("this is no regular expression: {why}"))
                    .advise("see https://docs.rs/regex/latest/regex/#syntax");
                None
            }
        },
    }
}

fn read_json(field: &Field<'_>, report: &mut Report) -> Option<Vec<JsonExpectation>> {
    field.table(&report.table_like("of places and values", "user.name", "\"ana\""), report)?;
    let leaves = json::leaves(field, report)?.into_iter();
    Some(leaves.map(|(path, value)| JsonExpectation { path, equals: value.to_string() }).collect())
}

fn read_headers(field: &Field<'_>, report: &mut Report) -> Option<Vec<(String, TextExpectation)>> {
    let table = field.table(&report.table_like("", "content-type", "\"text/html\""), report)?;
    let read = all(table.all().map(|field| {
        let name = request::check_header_name(&field, report);
        let texts = read_texts(&field, report)?;
        name?;
        let name = field.name.to_ascii_lowercase();
        Some(texts.into_iter().map(move |text| (name.clone(), text)))
    }))?;
    Some(read.into_iter().flatten().collect())
}

fn read_max_time(
    field: &Field<'_>,
    timeout: Option<Duration>,
    report: &mut Report,
) -> Option<Duration> {
    let max_time = field.duration(Duration::from_millis(1)..=Duration::from_mins(15), report)?;
    if let Some(timeout) = timeout.filter(|timeout| max_time > *timeout) {
        let [max_time, timeout] = [max_time, timeout].map(duration::format);
        let message = format!("a `max_time` of {max_time} is longer than the timeout of {timeout}");
        report.error(&field.span, message).advise("make it shorter, or the `timeout` longer");
        return None;
    }
    Some(max_time)
}
