//! `[webhook.NAME]` and `[pagerduty.NAME]`: programs that are told.

use std::collections::BTreeMap;

use super::channels::api_url;
use crate::config::reader::{Field, Report, Table, no_hint, web_url};
use crate::config::secret::{Secret, Sources};
use crate::config::value::Kind;
use crate::domain::id::validate_name;
use crate::payload::{SigningKey, Template};

/// A webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Where requests go; some receivers have their secret in it.
    pub url: Secret,
    /// What they are signed with, if they are.
    pub secret: Option<Secret>,
    /// What they were signed with before: while both are written, both signatures are sent.
    pub former_secret: Option<Secret>,
    /// What else stands in the head of a request.
    pub headers: BTreeMap<String, Secret>,
    /// What is sent, in place of our own form.
    pub template: Option<Template>,
}

/// A service of PagerDuty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pagerduty {
    /// The key of its integration.
    pub routing_key: Secret,
    /// How bad all alerts are, in PagerDuty's words; else the tier says.
    pub severity: Option<&'static str>,
    /// Where the API is, without a slash at the end.
    pub api_url: String,
}

/// Reads the sections written as `[key.NAME]`. The names include those of sections with a mistake.
fn read_all<T>(
    (key, section): (&str, Option<&Table<'_>>),
    report: &mut Report,
    read: impl Fn(Table<'_>, &mut Report) -> Option<T>,
) -> BTreeMap<String, Option<T>> {
    let mut all = BTreeMap::new();
    for field in section.into_iter().flat_map(Table::all) {
        if let Err(error) = validate_name(field.name) {
            report.error(&field.key_span, format!("`{}` is no name: {error}", field.name));
        }
        let wanted = format!("a section, written as `[{key}.{}]`", field.name);
        let one = field.table(&wanted, report).and_then(|table| read(table, report));
        all.insert(field.name.to_owned(), one);
    }
    all
}

impl Webhook {
    pub(super) fn read_all(
        section: Option<&Table<'_>>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> BTreeMap<String, Option<Self>> {
        let read = |table: Table<'_>, report: &mut Report| Self::read(table, sources, report);
        read_all(("webhook", section), report, read)
    }

    fn read(mut table: Table<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Self> {
        let help = "where requests go: `url = \"https://...\"`, or a reference to a secret";
        let url = table.required("url", help, report);
        let url = url.and_then(|it| address(&it, sources, report));
        let secret = table.optional("secret");
        let former = table.optional("former_secret");
        if let (None, Some(field)) = (&secret, &former) {
            let message = "`former_secret` does nothing without `secret`";
            report.error(&field.key_span, message).advise("write the new one as `secret`");
        }
        let mut key = |field: Option<Field<'_>>| field.map(|it| signing_key(&it, sources, report));
        let (secret, former_secret) = (key(secret), key(former));
        let headers = table.optional("headers").map(|it| read_headers(&it, sources, report));
        let template = table.optional("template").map(|it| {
            let text = it.filled_text(report)?;
            Template::parse(text)
                .map_err(|error| {
                    report
                        .error(&it.span, format!("the template cannot be used: {error}"))
                        .advise("docs/operators/channels.md says what it can name");
                })
                .ok()
        });
        table.finish(report, hint);
        Some(Self {
            url: url?,
            secret: whole(secret)?,
            former_secret: whole(former_secret)?,
            headers: whole(headers)?.unwrap_or_default(),
            template: whole(template)?,
        })
    }
}

/// What was written, unless that has a mistake.
#[expect(clippy::option_option, reason = "not written, and written with a mistake, are two things")]
fn whole<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

fn hint(key: &str) -> Option<String> {
    match key {
        "body" | "payload" => Some("did you mean `template`?".into()),
        "signing_secret" | "key" => Some("did you mean `secret`?".into()),
        _ => None,
    }
}

/// A URL, or a reference to a secret that holds one.
pub(super) fn address(
    field: &Field<'_>,
    sources: Sources<'_>,
    report: &mut Report,
) -> Option<Secret> {
    if let Kind::Text(_) = field.kind() {
        return field.web_url(report).map(|url| Secret::new(url.as_str()));
    }
    let secret = sources.secret(field, report)?;
    if !secret.expose().is_empty()
        && let Err((why, help)) = web_url(secret.expose())
    {
        report.error(&field.span, format!("the value of `url` {why}")).advise(help);
        return None;
    }
    Some(secret)
}

fn signing_key(field: &Field<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Secret> {
    let secret = sources.secret(field, report)?;
    if !secret.expose().is_empty()
        && let Err(why) = SigningKey::parse(secret.expose())
    {
        report
            .error(&field.span, format!("the value of `{}` {why}", field.name))
            .advise("make one: `echo whsec_$(openssl rand -base64 32)`");
        return None;
    }
    Some(secret)
}

/// Those that we write ourselves, or that HTTP does.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

fn read_headers(
    field: &Field<'_>,
    sources: Sources<'_>,
    report: &mut Report,
) -> Option<BTreeMap<String, Secret>> {
    let wanted = report.table_like("a table of texts or secrets", "authorization", "...");
    let table = field.table(&wanted, report)?;
    let mut headers = BTreeMap::new();
    for field in table.all() {
        let name = field.name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            report.error(&field.key_span, format!("`{}` is no name of a header", field.name));
            continue;
        }
        if RESERVED.contains(&name.as_str()) {
            report.error(&field.key_span, format!("the header `{name}` is written by Tripline"));
            continue;
        }
        let value = match field.kind() {
            Kind::Text(text) => Some(Secret::new(text.as_str())),
            _ => sources.secret(&field, report),
        };
        let Some(value) = value else { continue };
        if http::HeaderValue::from_str(value.expose()).is_err() {
            let message = format!("the value of the header `{name}` cannot stand in a header");
            report.error(&field.span, message);
            continue;
        }
        headers.insert(name, value);
    }
    Some(headers)
}

impl Pagerduty {
    /// Where the API is when nothing is written.
    pub const API_URL: &str = "https://events.pagerduty.com";

    pub(super) fn read_all(
        section: Option<&Table<'_>>,
        sources: Sources<'_>,
        report: &mut Report,
    ) -> BTreeMap<String, Option<Self>> {
        let read = |table: Table<'_>, report: &mut Report| Self::read(table, sources, report);
        read_all(("pagerduty", section), report, read)
    }

    fn read(mut table: Table<'_>, sources: Sources<'_>, report: &mut Report) -> Option<Self> {
        let help = "the integration key of an Events API v2 integration, as a secret";
        let routing_key = table.required("routing_key", help, report);
        let routing_key = routing_key.and_then(|it| sources.secret(&it, report));
        let words = ["critical", "error", "warning", "info"].map(|word| (word, word));
        let severity = table.optional("severity").map(|it| it.word(&words, report));
        let url = table.optional("api_url").and_then(|it| api_url(&it, report));
        table.finish(report, no_hint);
        Some(Self {
            routing_key: routing_key?,
            severity: whole(severity)?,
            api_url: url.unwrap_or_else(|| Self::API_URL.into()),
        })
    }
}
