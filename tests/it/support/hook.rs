//! A receiver of webhooks, and PagerDuty's Events API.

use serde_json::{Value, json};

use super::provider::{Answer, Parts, Provider, Reply, Speak};

/// What webhooks of the tests are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A webhook as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hooked {
    /// Those headers that belong to it, and `x-team`.
    pub(crate) headers: Value,
    /// The body, byte for byte.
    pub(crate) body: String,
}

impl Hooked {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The number of the message, the same for repeats.
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].as_str().unwrap_or_default()
    }
}

/// A receiver of webhooks, on loopback.
pub(crate) type FakeHook = Provider<Hook>;

/// Takes any webhook.
pub(crate) struct Hook;

impl FakeHook {
    pub(crate) async fn hook() -> Self {
        Self::start(Hook).await
    }
}

impl Speak for Hook {
    type Message = Hooked;

    fn read(&self, request: &Parts) -> Result<Hooked, Reply> {
        let wanted =
            request.method == "POST" && request.header("content-type") == "application/json";
        if !wanted {
            return Err(Reply::text(415, "POST JSON"));
        }
        let names =
            ["webhook-id", "webhook-timestamp", "webhook-signature", "x-team", "user-agent"];
        let headers = names.map(|name| (name.to_owned(), request.header(name).into()));
        let body = String::from_utf8_lossy(&request.body).into_owned();
        Ok(Hooked { headers: Value::Object(headers.into_iter().collect()), body })
    }

    fn accept(&self, _: &Parts, _: &Hooked, _: usize) -> Reply {
        Reply::text(204, "")
    }

    fn refuse(&self, _: &Parts, answer: Answer) -> Reply {
        match answer {
            Answer::Limited(after) => Reply::text(429, "slow down").with("retry-after", &after),
            Answer::Status(status) => Reply::text(status, "no"),
            _ => Reply::text(500, "no"),
        }
    }
}

/// The key of the one service that the fake knows.
pub(crate) const ROUTING_KEY: &str = "fake-routing-key-0123456789abcde";

/// PagerDuty's Events API, on loopback.
pub(crate) type FakePagerduty = Provider<Events>;

/// What the API understands.
pub(crate) struct Events;

impl FakePagerduty {
    pub(crate) async fn pagerduty() -> Self {
        Self::start(Events).await
    }
}

impl Speak for Events {
    type Message = Value;

    fn read(&self, request: &Parts) -> Result<Value, Reply> {
        let invalid = |error: &str| {
            let said = json!({
                "status": "invalid event", "message": "Event object is invalid", "errors": [error],
            });
            Reply::json(400, &said)
        };
        if request.method != "POST" || request.path != "/v2/enqueue" {
            return Err(Reply::text(404, ""));
        }
        let event: Value = serde_json::from_slice(&request.body).map_err(|_| invalid("no JSON"))?;
        if event["routing_key"] != ROUTING_KEY {
            return Err(invalid("'routing_key' is invalid"));
        }
        let action = event["event_action"].as_str().unwrap_or_default();
        if !["trigger", "acknowledge", "resolve"].contains(&action) {
            return Err(invalid("'event_action' is unknown"));
        }
        let length = |value: &Value| value.as_str().map_or(0, |it| it.chars().count());
        if !(1..=255).contains(&length(&event["dedup_key"])) {
            return Err(invalid("Length of 'dedup_key' is incorrect"));
        }
        let payload = &event["payload"];
        if action == "trigger" {
            let severity = payload["severity"].as_str().unwrap_or_default();
            if !["critical", "error", "warning", "info"].contains(&severity) {
                return Err(invalid("'payload.severity' is invalid"));
            }
            if !(1..=1024).contains(&length(&payload["summary"])) || length(&payload["source"]) == 0
            {
                return Err(invalid("'payload.summary' or 'payload.source' is missing"));
            }
        }
        Ok(event)
    }

    fn accept(&self, _: &Parts, event: &Value, _: usize) -> Reply {
        let key = &event["dedup_key"];
        let said = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
        Reply::json(202, &said)
    }

    fn refuse(&self, _: &Parts, answer: Answer) -> Reply {
        match answer {
            Answer::Limited(after) => Reply::text(429, "").with("retry-after", &after),
            Answer::Status(status) => Reply::text(status, ""),
            _ => Reply::text(500, ""),
        }
    }
}
