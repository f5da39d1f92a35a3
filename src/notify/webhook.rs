//! Webhooks: a request to whoever wants it, signed after the Standard Webhooks specification.
//!
//! `webhook-id` follows from the notification, so a repeat is known for one. What is sent is our own
//! JSON, or what a template makes of it. Must not: know what receives it.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::exchange::{self, Answer, Lost, SetupError, exchange};
use super::{Outbound, Transport, render};
use crate::domain::Timestamp;
use crate::domain::notification::{Attempt, Notification};
use crate::payload::{Payload, SigningKey, Template};

/// What one webhook is reached with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access<'a> {
    /// Where requests go; may be a secret.
    pub url: &'a str,
    /// What they are signed with, the current key first.
    pub keys: &'a [&'a str],
    /// What else stands in their head.
    pub headers: &'a [(&'a str, &'a str)],
    /// What is sent, in place of our own form.
    pub template: Option<&'a Template>,
}

/// All webhooks of a project.
#[derive(Debug)]
pub struct Webhooks {
    hooks: BTreeMap<String, Hook>,
    deadline: Duration,
}

/// One webhook.
struct Hook {
    client: reqwest::Client,
    url: url::Url,
    keys: Vec<SigningKey>,
    headers: HeaderMap,
    template: Option<Template>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Webhooks {
    /// Prepares to send.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when an address is not one, a key or header is malformed, or the HTTP client
    /// cannot be made.
    pub fn new<'a>(
        hooks: impl IntoIterator<Item = (&'a str, Access<'a>)>,
    ) -> Result<Self, SetupError> {
        let mut all = BTreeMap::new();
        // Trusted certificates are read once for each, so there are not more than needed.
        let mut clients: BTreeMap<bool, reqwest::Client> = BTreeMap::new();
        for (name, access) in hooks {
            let url = exchange::address(access.url, "the address of a webhook")?;
            let is_near = exchange::is_loopback(&url);
            let client = match clients.get(&is_near) {
                Some(client) => client.clone(),
                None => clients.entry(is_near).or_insert(exchange::client(&url)?).clone(),
            };
            all.insert(name.to_owned(), Hook::new(client, url, access)?);
        }
        Ok(Self { hooks: all, deadline: exchange::DEADLINE })
    }

    /// Allows an attempt this long instead of eight seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends `text` once to the webhook `name`.
    pub async fn rehearse(&self, name: &str, text: &str, at: Timestamp) -> Attempt {
        let id = format!("msg_test_{}", at.timestamp_millis());
        self.post(name, (&id, at), Payload::message(text, at)).await
    }

    async fn post(&self, name: &str, stamp: (&str, Timestamp), payload: Payload) -> Attempt {
        let Some(hook) = self.hooks.get(name) else {
            let reason = format!("there is no [webhook.{name}] in tripline.toml any more");
            return Attempt::GiveUp { reason };
        };
        match exchange(hook.request(stamp, payload), self.deadline).await {
            Ok(answer) => judge(&answer),
            Err(Lost::Unsent(reason)) => Attempt::Retry {
                reason: format!("the webhook cannot be reached: {reason}"),
                after: None,
            },
            Err(Lost::Unanswered(reason)) => Attempt::Ambiguous { reason },
        }
    }
}

/// What is the same however often a notification is sent, and of no other one, be it of another hub.
fn message_id(notification: &Notification) -> String {
    format!("msg_{}_{}", notification.id, notification.owed_at.timestamp_millis())
}

#[async_trait]
impl Transport for Webhooks {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let notification = message.notification;
        let id = message_id(notification);
        let name = notification.recipient.address();
        self.post(name, (&id, message.at), render::payload(&message)).await
    }
}

impl Hook {
    fn new(client: reqwest::Client, url: url::Url, access: Access<'_>) -> Result<Self, SetupError> {
        let malformed = |_| SetupError::Credential("the secret of a webhook");
        let keys = access.keys.iter().map(|key| SigningKey::parse(key).map_err(malformed));
        let mut headers = HeaderMap::new();
        for (name, value) in access.headers {
            let malformed = SetupError::Credential("a header of a webhook");
            let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(*name), HeaderValue::try_from(*value))
            else {
                return Err(malformed);
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (keys, template) = (keys.collect::<Result<_, _>>()?, access.template.cloned());
        Ok(Self { client, url, keys, headers, template })
    }

    fn request(&self, (id, at): (&str, Timestamp), payload: Payload) -> reqwest::RequestBuilder {
        let body = self.body(payload);
        let seconds = at.timestamp();
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds);
        let signatures: Vec<String> =
            self.keys.iter().map(|key| key.sign(id, seconds, body.as_bytes())).collect();
        let request = if signatures.is_empty() {
            request
        } else {
            request.header("webhook-signature", signatures.join(" "))
        };
        request.body(body)
    }

    /// What cannot be given the wanted form is sent in ours: told badly is better than not told.
    fn body(&self, mut payload: Payload) -> String {
        match self.template.as_ref().map(|template| template.fill(&payload)) {
            Some(Ok(body)) => body,
            Some(Err(error)) => {
                payload.data.template_error = Some(error.to_string());
                payload.to_json()
            }
            None => payload.to_json(),
        }
    }
}

fn judge(answer: &Answer) -> Attempt {
    let status = answer.status.as_u16();
    let reason = |words: &str| match words {
        "" => format!("the webhook answered {status}"),
        words => format!("{words}: the webhook answered {status}"),
    };
    match status {
        200..=299 => Attempt::Accepted { receipt: status.to_string() },
        429 | 503 => Attempt::Retry { reason: reason(""), after: answer.retry_after },
        300..=399 => Attempt::Retry { reason: reason("redirects are not followed"), after: None },
        408 | 425 | 500.. => Attempt::Retry { reason: reason(""), after: None },
        401 | 403 => Attempt::GiveUp { reason: reason("credentials refused") },
        404 | 410 => Attempt::GiveUp { reason: reason("nobody is there any more") },
        _ => Attempt::GiveUp { reason: reason("") },
    }
}
