//! A fake of Slack: `chat.postMessage` and incoming webhooks.

use serde_json::{Value, json};

use super::provider::{Answer, Parts, Provider, Reply, Speak};

/// The token that the fake knows.
pub(crate) const TOKEN: &str = "xoxb-fake-token";

/// A message as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlackPost {
    /// The channel, as `#name` or id; the last part of the URL for a webhook.
    pub(crate) channel: String,
    /// The plain text.
    pub(crate) text: String,
    /// The blocks, if there were any.
    pub(crate) blocks: Option<Value>,
    /// The whole request.
    pub(crate) body: Value,
}

/// Slack, on loopback.
pub(crate) type FakeSlack = Provider<Slack>;

/// What Slack understands.
pub(crate) struct Slack;

impl FakeSlack {
    /// Starts with the token [`TOKEN`].
    pub(crate) async fn slack() -> Self {
        Self::start(Slack).await
    }

    /// For `api_url` in `[slack]`.
    pub(crate) fn api_url(&self) -> String {
        format!("{}/api", self.origin())
    }

    /// An incoming webhook; its messages are recorded with `name` as their channel.
    pub(crate) fn webhook(&self, name: &str) -> String {
        format!("{}/services/T0000/B0000/{name}", self.origin())
    }

    /// The texts that were taken for `channel`, in the order of arrival.
    pub(crate) fn texts(&self, channel: &str) -> Vec<String> {
        let posts = self.accepted().into_iter().filter(|post| post.channel == channel);
        posts.map(|post| post.text).collect()
    }
}

impl Speak for Slack {
    type Message = SlackPost;

    fn read(&self, request: &Parts) -> Result<SlackPost, Reply> {
        let refused = |code| self.refuse(request, Answer::Named(400, code));
        let hook = webhook(request);
        if request.method != "POST" || (hook.is_none() && request.path != "/api/chat.postMessage") {
            return Err(refused("unknown_method"));
        }
        if hook.is_none() {
            match request.header("authorization").strip_prefix("Bearer ") {
                Some(TOKEN) => {}
                Some(_) => return Err(refused("invalid_auth")),
                None => return Err(refused("not_authed")),
            }
        }
        if !request.header("content-type").starts_with("application/json") {
            return Err(refused("invalid_form_data"));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| refused("invalid_payload"))?;
        let field = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let blocks = body.get("blocks").cloned();
        if field("text").is_empty() && blocks.is_none() {
            return Err(refused("no_text"));
        }
        if blocks.as_ref().is_some_and(|blocks| !are_valid(blocks)) {
            return Err(refused("invalid_blocks"));
        }
        let channel = hook.map_or_else(|| field("channel"), str::to_owned);
        if channel.is_empty() {
            return Err(refused("channel_not_found"));
        }
        Ok(SlackPost { channel, text: field("text"), blocks, body })
    }

    fn accept(&self, request: &Parts, message: &SlackPost, number: usize) -> Reply {
        if webhook(request).is_some() {
            return Reply::text(200, "ok");
        }
        let ts = format!("1795316705.{number:06}");
        let posted = json!({
            "type": "message", "subtype": "bot_message", "ts": ts, "bot_id": "B19LU7CSY",
            "text": message.text, "blocks": message.blocks,
        });
        let channel = channel_id(&message.channel);
        Reply::json(200, &json!({"ok": true, "channel": channel, "ts": ts, "message": posted}))
    }

    fn refuse(&self, request: &Parts, answer: Answer) -> Reply {
        let is_webhook = webhook(request).is_some();
        match answer {
            Answer::Limited(after) => {
                let body = json!({"ok": false, "error": "ratelimited"});
                Reply::json(429, &body).with("retry-after", &after)
            }
            Answer::Named(status, code) if is_webhook => Reply::text(status, code),
            Answer::Named(_, code) => Reply::json(200, &json!({"ok": false, "error": code})),
            Answer::Status(status) | Answer::Coded(status, _) => {
                Reply::text(status, "<h1>upstream</h1>")
            }
            _ => Reply::text(500, "not a refusal"),
        }
    }
}

fn webhook(request: &Parts) -> Option<&str> {
    request.path.strip_prefix("/services/")?.rsplit('/').next()
}

/// The id that a channel's name stands for.
pub(crate) fn channel_id(channel: &str) -> String {
    match channel.strip_prefix('#') {
        Some(name) => format!("C0{}", name.to_uppercase().replace(['-', '_'], "0")),
        None => channel.to_owned(),
    }
}

/// Slack's limits on blocks, as far as messages of ours could break them.
fn are_valid(blocks: &Value) -> bool {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let block_fits = |block: &Value| {
        let text = length(&block["text"]["text"]);
        let fields = block["fields"].as_array();
        match block["type"].as_str() {
            Some("header") => (1..=150).contains(&text),
            Some("section") => {
                text <= 3000
                    && (text > 0 || fields.is_some())
                    && fields.is_none_or(|fields| {
                        fields.len() <= 10 && fields.iter().all(|it| length(&it["text"]) <= 2000)
                    })
            }
            Some("context") => block["elements"].as_array().is_some_and(|it| it.len() <= 10),
            _ => false,
        }
    };
    blocks.as_array().is_some_and(|blocks| blocks.len() <= 50 && blocks.iter().all(block_fits))
        && blocks.to_string().len() < 13_000
}
