//! PagerDuty by its Events API v2: an alert for each incident, by a key that stays the same.
//!
//! | notice | event |
//! |---|---|
//! | failing, blind | trigger; of an alert that is open already, its log goes on |
//! | acknowledged | acknowledge |
//! | any end | resolve |
//! | drill | resolve, of an alert that never was: nobody is paged, and the key is proven |
//!
//! Whatever is sent twice changes nothing the second time. Notes are not owed to PagerDuty, which has
//! no event for them. Source:
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exchange::{self, Answer, Lost, SetupError, exchange, said};
use super::{Outbound, Transport, render};
use crate::domain::Timestamp;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::{Attempt, Notification};

/// PagerDuty's own API; a service in the EU has `https://events.eu.pagerduty.com`.
pub const API_URL: &str = "https://events.pagerduty.com";

/// The longest summary, in characters.
const SUMMARY_LIMIT: usize = 1024;
/// The longest key, in characters.
const KEY_LIMIT: usize = 255;

/// How bad a notice is, in PagerDuty's words, where the project does not say: the first tier is a
/// warning, those above it are critical, and what nobody knows is an error.
fn severity(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Failing { tier } if tier <= 1 => "warning",
        NoticeKind::Failing { .. } => "critical",
        _ => "error",
    }
}

/// What one service is reached with.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Where the API is, without a slash at the end; [`API_URL`] but for the EU and tests.
    pub api_url: &'a str,
    /// The key of the service's integration.
    pub routing_key: &'a str,
    /// How bad all alerts are, in PagerDuty's words, in place of what the tier says.
    pub severity: Option<&'a str>,
}

/// All services of a project.
#[derive(Debug)]
pub struct Pagerduty {
    services: BTreeMap<String, Service>,
    deadline: Duration,
}

/// One service.
struct Service {
    client: reqwest::Client,
    url: url::Url,
    routing_key: String,
    severity: Option<String>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Pagerduty {
    /// Prepares to send.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when an address is not one or the HTTP client cannot be made.
    pub fn new<'a>(
        services: impl IntoIterator<Item = (&'a str, Access<'a>)>,
    ) -> Result<Self, SetupError> {
        let mut all = BTreeMap::new();
        for (name, access) in services {
            let mut url = exchange::address(access.api_url, "the address of PagerDuty's API")?;
            let not_one = SetupError::Address("the address of PagerDuty's API");
            let path = ["v2", "enqueue"];
            url.path_segments_mut().map_err(|()| not_one)?.pop_if_empty().extend(path);
            let service = Service {
                client: exchange::client(&url)?,
                url,
                routing_key: access.routing_key.to_owned(),
                severity: access.severity.map(str::to_owned),
            };
            all.insert(name.to_owned(), service);
        }
        Ok(Self { services: all, deadline: exchange::DEADLINE })
    }

    /// Allows an attempt this long instead of eight seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Triggers an alert that says `text`, by a key of its own.
    pub async fn say(&self, name: &str, text: &str, at: Timestamp) -> Attempt {
        let event = spoken("trigger", text, at, "critical");
        self.post(name, event).await
    }

    /// Triggers an alert that says `text` and resolves it at once, so that nobody has to.
    pub async fn rehearse(&self, name: &str, text: &str, at: Timestamp) -> Attempt {
        let triggered = self.post(name, spoken("trigger", text, at, "info")).await;
        if !matches!(triggered, Attempt::Accepted { .. }) {
            return triggered;
        }
        self.post(name, spoken("resolve", text, at, "info")).await
    }

    async fn post(&self, name: &str, mut event: Value) -> Attempt {
        let Some(service) = self.services.get(name) else {
            let reason = format!("there is no [pagerduty.{name}] in tripline.toml any more");
            return Attempt::GiveUp { reason };
        };
        event["routing_key"] = service.routing_key.as_str().into();
        let request = service.client.post(service.url.clone()).json(&event);
        match exchange(request, self.deadline).await {
            Ok(answer) => judge(&answer),
            Err(Lost::Unsent(reason)) => Attempt::Retry {
                reason: format!("PagerDuty cannot be reached: {reason}"),
                after: None,
            },
            Err(Lost::Unanswered(reason)) => Attempt::Ambiguous { reason },
        }
    }
}

#[async_trait]
impl Transport for Pagerduty {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let notification = message.notification;
        let action = match notification.notice.kind {
            NoticeKind::Failing { .. } | NoticeKind::Blind => "trigger",
            NoticeKind::Acknowledged => "acknowledge",
            // Of an alert that is not open it is taken and changes nothing.
            NoticeKind::Drill => "resolve",
            kind if kind.is_end() => "resolve",
            _ => {
                let reason = "PagerDuty has no event for it".to_owned();
                return Attempt::GiveUp { reason };
            }
        };
        let name = notification.recipient.address();
        let severity = self.services.get(name).and_then(|service| service.severity.as_deref());
        self.post(name, event(action, &message, severity)).await
    }
}

/// The key of an incident's alert: the same from its opening to its end.
fn dedup_key(notification: &Notification) -> String {
    let subject = &notification.notice.subject;
    render::cut(&format!("tripline/{}/{subject}", notification.incident), KEY_LIMIT)
}

fn event(action: &str, message: &Outbound<'_>, wanted: Option<&str>) -> Value {
    let notification = message.notification;
    let mut event = json!({
        "event_action": action,
        "dedup_key": dedup_key(notification),
        "client": "Tripline",
        "client_url": message.link,
    });
    if action == "trigger" {
        event["payload"] = alert(message, wanted);
        let link = |(text, href): (&str, &str)| json!({ "text": text, "href": href });
        let runbook = notification.notice.runbook.as_deref().and_then(render::web_address);
        let links = [("Incident", message.link), ("Runbook", runbook.as_deref())];
        let links = links.into_iter().filter_map(|(text, href)| Some(link((text, href?))));
        event["links"] = links.collect();
    }
    event
}

fn alert(message: &Outbound<'_>, wanted: Option<&str>) -> Value {
    let data = render::payload(message).data;
    let notice: &Notice = &message.notification.notice;
    let summary = match &data.error {
        Some(error) => format!("{}: {error}", data.title),
        None => data.title.clone(),
    };
    json!({
        "summary": render::cut(&summary, SUMMARY_LIMIT),
        "source": data.region,
        "severity": wanted.unwrap_or_else(|| severity(notice.kind)),
        "timestamp": notice.since,
        "component": data.name,
        "class": notice.subject.kind(),
        "custom_details": {
            "incident": data.incident,
            "subject": data.subject,
            "step": data.step,
            "request": render::request(notice),
            "error": data.error,
            "note": data.note,
            "regions": data.regions,
            "failures_in_a_row": data.failures_in_a_row,
            "tier": data.tier,
            "possible_repeat": data.possible_repeat,
        },
    })
}

/// An event about no incident.
fn spoken(action: &str, text: &str, at: Timestamp, severity: &str) -> Value {
    let mut event = json!({
        "event_action": action,
        "dedup_key": format!("tripline/message/{}", at.timestamp_millis()),
        "client": "Tripline",
    });
    if action == "trigger" {
        event["payload"] = json!({
            "summary": render::cut(text, SUMMARY_LIMIT),
            "source": "Tripline",
            "severity": severity,
            "timestamp": at,
        });
    }
    event
}

/// PagerDuty's own words.
#[derive(Deserialize)]
struct Said {
    message: Option<String>,
    dedup_key: Option<String>,
    #[serde(default)]
    errors: Vec<String>,
}

fn judge(answer: &Answer) -> Attempt {
    let status = answer.status.as_u16();
    let text = answer.text();
    let said_so: Option<Said> = serde_json::from_str(&text).ok();
    let reason = || match &said_so {
        Some(Said { message, errors, .. }) => {
            let words: Vec<&str> = message.iter().chain(errors).map(String::as_str).collect();
            said(&format!("PagerDuty answered {status}: {}", words.join(", ")))
        }
        None => format!("PagerDuty answered {status}"),
    };
    match status {
        202 => match (&answer.body, said_so.as_ref().and_then(|it| it.dedup_key.as_deref())) {
            (Ok(_), Some(key)) => Attempt::Accepted { receipt: said(key) },
            (Ok(_), None) => {
                Attempt::Ambiguous { reason: "an answer that is not PagerDuty's".into() }
            }
            (Err(reason), _) => Attempt::Ambiguous { reason: reason.clone() },
        },
        400 if is_about_key(&text) => Attempt::Broken { reason: reason() },
        401 | 403 => Attempt::Broken { reason: reason() },
        429 => Attempt::Retry { reason: reason(), after: answer.retry_after },
        200..=399 | 408 | 500.. => Attempt::Retry { reason: reason(), after: None },
        _ => Attempt::GiveUp { reason: reason() },
    }
}

/// Whether an answer finds fault with the routing key, as in "Invalid routing key" or
/// "Length of '`routing_key`' is incorrect (should be 32 characters)".
fn is_about_key(text: &str) -> bool {
    let text = text.to_lowercase();
    ["routing_key", "routing key"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tier_warns_and_those_above_it_are_critical() {
        assert_eq!(severity(NoticeKind::Failing { tier: 1 }), "warning");
        assert_eq!(severity(NoticeKind::Failing { tier: 2 }), "critical");
        assert_eq!(severity(NoticeKind::Failing { tier: 3 }), "critical");
        assert_eq!(severity(NoticeKind::Blind), "error");
    }

    #[test]
    fn no_key_is_shown() {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let access = Access { api_url: API_URL, routing_key: "hunter2", severity: None };
        let pagerduty = Pagerduty::new([("shop", access)]).expect("a good address");
        assert!(!format!("{pagerduty:?}").contains("hunter2"));
        let url = pagerduty.services["shop"].url.as_str();
        assert_eq!(url, "https://events.pagerduty.com/v2/enqueue");
    }
}
