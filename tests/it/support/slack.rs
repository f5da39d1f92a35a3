//! A fake of Slack: `chat.postMessage`, `chat.update` and incoming webhooks. It remembers what is in
//! its channels, so that only what is there can be edited or answered. It takes pictures, too, which are no
//! messages and are not counted as such.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::provider::{Answer, Parts, Provider, Reply, Speak};

/// The token that the fake knows.
pub(crate) const TOKEN: &str = "xoxb-fake-token";

/// The token by which it names where clicks come from.
pub(crate) const APP_TOKEN: &str = "xapp-fake-token";

/// A message as it was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SlackPost {
    /// The channel, as `#name` or id; the last part of the URL for a webhook.
    pub(crate) channel: String,
    /// The plain text.
    pub(crate) text: String,
    /// The blocks, if there were any.
    pub(crate) blocks: Option<Value>,
    /// The whole request.
    pub(crate) body: Value,
    /// The message that it takes the place of, for an edit.
    pub(crate) edits: Option<String>,
    /// The message that it answers.
    pub(crate) thread: Option<String>,
}

impl SlackPost {
    /// Whether it is a reply that is shown in the channel as well.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.body["reply_broadcast"] == true
    }

    /// What stands in its header.
    pub(crate) fn headline(&self) -> &str {
        let blocks = self.blocks.as_ref();
        blocks.and_then(|blocks| blocks[0]["text"]["text"].as_str()).unwrap_or_default()
    }
}

/// Slack, on loopback.
pub(crate) type FakeSlack = Provider<Slack>;

/// What Slack understands.
#[derive(Default)]
pub(crate) struct Slack {
    /// What is in the channels: id, name of the message, what it says.
    messages: Mutex<Vec<(String, String, SlackPost)>>,
    /// Where clicks come from, if anywhere.
    socket: Mutex<Option<String>>,
    /// The pictures that were asked for, by the names of their files.
    pictures: Mutex<Vec<SlackPicture>>,
    /// How pictures are refused, if they are.
    no_pictures: Mutex<Option<&'static str>>,
}

/// A picture as it was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SlackPicture {
    /// How long it was said to be.
    length: usize,
    /// What it shows, for whoever does not see it.
    pub(crate) words: String,
    /// What was brought.
    pub(crate) png: Vec<u8>,
    /// The channel and the thread in which it is shown, and its title; none before.
    pub(crate) shown: Option<(String, String, String)>,
}

impl Slack {
    /// What has to do with pictures: a place, what is brought there, and showing it.
    fn picture(&self, request: &Parts) -> Option<Reply> {
        let named = |code: &str| Some(Reply::json(200, &json!({"ok": false, "error": code})));
        let mut pictures = self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = request.path.strip_prefix("/upload/F") {
            let picture = file.parse().ok().and_then(|at: usize| pictures.get_mut(at));
            let is_right = |it: &&mut SlackPicture| it.length == request.body.len();
            // Whoever has the address may bring it; a token is nobody's business there.
            let is_open = request.header("authorization").is_empty();
            return Some(match picture.filter(is_right).filter(|_| is_open) {
                Some(picture) => {
                    picture.png = request.body.to_vec();
                    Reply::text(200, "OK")
                }
                None => Reply::text(400, "no"),
            });
        }
        let method = request.path.strip_prefix("/api/files.")?;
        if request.header("authorization").strip_prefix("Bearer ") != Some(TOKEN) {
            return named("invalid_auth");
        }
        if request.header("content-type") != "application/x-www-form-urlencoded" {
            return named("invalid_form_data");
        }
        if let Some(code) = *self.no_pictures.lock().unwrap_or_else(PoisonError::into_inner) {
            return named(code);
        }
        let form: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        match method {
            "getUploadURLExternal" => {
                let Ok(length) = field("length").parse() else { return named("invalid_arguments") };
                if field("filename").is_empty() {
                    return named("invalid_arguments");
                }
                let (id, host) = (format!("F{}", pictures.len()), request.header("host"));
                let words = field("alt_txt");
                pictures.push(SlackPicture { length, words, ..SlackPicture::default() });
                let place = format!("http://{host}/upload/{id}");
                Some(Reply::json(200, &json!({"ok": true, "upload_url": place, "file_id": id})))
            }
            "completeUploadExternal" => {
                let files: Value = serde_json::from_str(&field("files")).unwrap_or_default();
                let id = files[0]["id"].as_str().and_then(|id| id.strip_prefix('F')?.parse().ok());
                let picture = id.and_then(|at: usize| pictures.get_mut(at));
                let Some(picture) = picture.filter(|it| !it.png.is_empty()) else {
                    return named("file_not_found");
                };
                if !self.has(&field("channel_id"), &field("thread_ts")) {
                    return named("thread_not_found");
                }
                let title = files[0]["title"].as_str().unwrap_or_default().to_owned();
                picture.shown = Some((field("channel_id"), field("thread_ts"), title));
                Some(Reply::json(200, &json!({"ok": true, "files": files})))
            }
            _ => named("unknown_method"),
        }
    }

    fn messages(&self) -> MutexGuard<'_, Vec<(String, String, SlackPost)>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a message of that name which is no reply.
    pub(crate) fn is_root(&self, channel: &str, ts: &str) -> bool {
        let messages = self.messages();
        let mut found = messages.iter().filter(|(at, name, _)| at == channel && name == ts);
        found.any(|(.., post)| post.thread.is_none())
    }

    fn has(&self, channel: &str, ts: &str) -> bool {
        self.messages().iter().any(|(at, name, _)| (at.as_str(), name.as_str()) == (channel, ts))
    }
}

impl FakeSlack {
    /// Starts with the token [`TOKEN`].
    pub(crate) async fn slack() -> Self {
        Self::start(Slack::default()).await
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
        let posts = self.accepted().into_iter().filter(|post| post.edits.is_none());
        let id = channel_id(channel);
        posts
            .filter(|post| post.channel == channel || post.channel == id)
            .map(|post| post.text)
            .collect()
    }

    /// The messages of a channel as they read now, replies left out.
    pub(crate) fn shown(&self, channel: &str) -> Vec<SlackPost> {
        let id = channel_id(channel);
        let messages = self.speak().messages();
        let shown = messages.iter().filter(|(at, _, post)| *at == id && post.thread.is_none());
        shown.map(|(.., post)| post.clone()).collect()
    }

    /// Lets clicks come from there, an address that begins with `ws:`.
    pub(crate) fn serve_clicks_at(&self, url: String) {
        *self.speak().socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// The pictures that are shown.
    pub(crate) fn pictures(&self) -> Vec<SlackPicture> {
        let pictures = self.speak().pictures.lock().unwrap_or_else(PoisonError::into_inner);
        pictures.iter().filter(|it| it.shown.is_some()).cloned().collect()
    }

    /// Refuses pictures so from now on.
    pub(crate) fn refuse_pictures(&self, code: &'static str) {
        let refused = &self.speak().no_pictures;
        *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    /// Somebody deletes all messages.
    pub(crate) fn delete_all(&self) {
        self.speak().messages().clear();
    }
}

impl Speak for Slack {
    type Message = SlackPost;

    fn read(&self, request: &Parts) -> Result<SlackPost, Reply> {
        let refused = |code| self.refuse(request, Answer::Named(400, code));
        let hook = webhook(request);
        if request.method != "POST" || (hook.is_none() && method(request).is_none()) {
            return Err(refused("unknown_method"));
        }
        if hook.is_none() {
            match request.header("authorization").strip_prefix("Bearer ") {
                Some(TOKEN) if method(request) != Some(OPEN) => {}
                Some(APP_TOKEN) if method(request) == Some(OPEN) => {}
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
        if method(request) == Some(OPEN) {
            return Ok(SlackPost::default());
        }
        if method(request) == Some("views.open") {
            let has_trigger = !field("trigger_id").is_empty();
            let view = body["view"].is_object().then_some(());
            view.filter(|()| has_trigger).ok_or_else(|| refused("invalid_arguments"))?;
            let post = SlackPost { body, ..SlackPost::default() };
            return Ok(post);
        }
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
        let name = |field: &str| body[field].as_str().map(str::to_owned);
        let edits = name("ts").filter(|_| method(request) == Some("chat.update"));
        let thread = name("thread_ts");
        if edits.as_ref().is_some_and(|ts| !self.has(&channel, ts)) {
            return Err(refused("message_not_found"));
        }
        if thread.as_ref().is_some_and(|ts| !self.has(&channel_id(&channel), ts)) {
            return Err(refused("thread_not_found"));
        }
        Ok(SlackPost { channel, text: field("text"), blocks, body, edits, thread })
    }

    fn aside(&self, request: &Parts) -> Option<Reply> {
        self.picture(request)
    }

    fn accept(&self, request: &Parts, message: &SlackPost, number: usize) -> Reply {
        if webhook(request).is_some() {
            return Reply::text(200, "ok");
        }
        if method(request) == Some(OPEN) {
            let url = self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone();
            return Reply::json(200, &json!({"ok": true, "url": url}));
        }
        if !matches!(method(request), Some("chat.postMessage" | "chat.update")) {
            return Reply::json(200, &json!({"ok": true}));
        }
        let ts = message.edits.clone().unwrap_or_else(|| format!("1795316705.{number:06}"));
        let id = channel_id(&message.channel);
        let mut messages = self.messages();
        match messages.iter_mut().find(|(at, name, _)| (at, name) == (&id, &ts)) {
            Some((.., kept)) => *kept = message.clone(),
            None => messages.push((id, ts.clone(), message.clone())),
        }
        drop(messages);
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

/// Names where clicks come from.
const OPEN: &str = "apps.connections.open";

const METHODS: [&str; 5] =
    ["chat.postMessage", "chat.update", "chat.postEphemeral", "views.open", OPEN];

fn method(request: &Parts) -> Option<&str> {
    let name = request.path.strip_prefix("/api/")?;
    METHODS.contains(&name).then_some(name)
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
            Some("context" | "actions") => {
                block["elements"].as_array().is_some_and(|it| it.len() <= 10)
            }
            _ => false,
        }
    };
    blocks.as_array().is_some_and(|blocks| blocks.len() <= 50 && blocks.iter().all(block_fits))
        && blocks.to_string().len() < 13_000
}
