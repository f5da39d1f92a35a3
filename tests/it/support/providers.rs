//! Slack and Twilio as far as the daemon sees them, with failures on demand.
//!
//! They speak the providers' HTTP: Slack's `chat.postMessage` with JSON and a bearer token, Twilio's
//! `Messages.json` with a form and basic authentication.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tripline::clock::{Clock, System};
use tripline::domain::Timestamp;

use super::tripline::Project;

const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// What a provider answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It takes the message.
    Accept,
    /// It takes the message and never says so.
    AcceptInSilence,
    /// It refuses for now, and says when to come again, in seconds.
    TooMany(u64),
    /// It refuses with this status and a page that is not the API's.
    Broken(u16),
}

impl Answer {
    fn takes_the_message(self) -> bool {
        matches!(self, Self::Accept | Self::AcceptInSilence)
    }
}

/// A message that reached a provider.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The Slack channel or the telephone number.
    pub(crate) to: String,
    /// Everything that it says, as it came.
    pub(crate) text: String,
    /// What the provider answered.
    pub(crate) answer: Answer,
    /// When it came.
    pub(crate) at: Timestamp,
}

impl Message {
    /// Whether whoever it is for has it.
    pub(crate) fn arrived(&self) -> bool {
        self.answer.takes_the_message()
    }

    /// Whether the daemon was told that it arrived.
    pub(crate) fn answered(&self) -> bool {
        self.answer == Answer::Accept
    }

    /// Whether it says that it may be a repeat.
    pub(crate) fn is_marked(&self) -> bool {
        self.text.contains("(possible repeat)")
    }
}

/// One provider: what it will answer and what it was sent.
#[derive(Debug, Default)]
pub(crate) struct Provider(Mutex<Desk>);

#[derive(Debug, Default)]
struct Desk {
    next: VecDeque<Answer>,
    usual: Option<Answer>,
    messages: Vec<Message>,
}

impl Provider {
    /// Answers the next messages so; then as usual again.
    pub(crate) fn next(&self, answers: &[Answer]) {
        self.desk().next.extend(answers);
    }

    /// Answers so from now on. At first, messages are accepted.
    pub(crate) fn usually(&self, answer: Answer) {
        self.desk().usual = Some(answer);
    }

    /// The messages so far, refused ones too.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.desk().messages.clone()
    }

    /// The messages that arrived at `to`.
    pub(crate) fn arrived(&self, to: &str) -> Vec<Message> {
        let messages = self.messages().into_iter();
        messages.filter(|message| message.to == to && message.arrived()).collect()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, to: String, text: String) -> Answer {
        let mut desk = self.desk();
        let usual = desk.usual.unwrap_or(Answer::Accept);
        let answer = desk.next.pop_front().unwrap_or(usual);
        desk.messages.push(Message { to, text, answer, at: System.now() });
        answer
    }
}

/// Both providers; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Providers {
    address: SocketAddr,
    /// Slack.
    pub(crate) slack: Arc<Provider>,
    /// Twilio.
    pub(crate) sms: Arc<Provider>,
    task: JoinHandle<()>,
}

impl Providers {
    /// Starts both on a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (slack, sms) = (Arc::<Provider>::default(), Arc::<Provider>::default());
        let router = Router::new()
            .route("/api/chat.postMessage", post(post_message))
            .with_state(Arc::clone(&slack))
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(create_message))
            .with_state(Arc::clone(&sms));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("axum serves until it is dropped");
        });
        Self { address, slack, sms, task }
    }

    /// Makes `project` tell these providers, and gives it a team of two: ana and bo.
    pub(crate) fn told_by(&self, project: Project) -> Project {
        let settings = format!(
            r#"
[slack]
bot_token = {{ env = "SLACK_BOT_TOKEN" }}
api_url = "http://{address}/api"

[twilio]
account_sid = {{ env = "TWILIO_ACCOUNT_SID" }}
auth_token = {{ env = "TWILIO_AUTH_TOKEN" }}
from = "+15005550006"
api_url = "http://{address}"

[people.ana]
phone = "{ANA}"

[people.bo]
phone = "{BO}"

[teams]
devops = ["ana", "bo"]
"#,
            address = self.address,
        );
        project
            .toml(&settings)
            .env("SLACK_BOT_TOKEN", "xoxb-of-the-tests")
            .env("TWILIO_ACCOUNT_SID", ACCOUNT)
            .env("TWILIO_AUTH_TOKEN", "token-of-the-tests")
    }
}

/// The team's numbers.
pub(crate) const ANA: &str = "+4930111111";
pub(crate) const BO: &str = "+4930222222";

impl Drop for Providers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn post_message(
    State(slack): State<Arc<Provider>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if authorization(&headers) != "Bearer xoxb-of-the-tests" {
        return Json(json!({ "ok": false, "error": "invalid_auth" })).into_response();
    }
    let Some(channel) = body["channel"].as_str().map(str::to_owned) else {
        return Json(json!({ "ok": false, "error": "channel_not_found" })).into_response();
    };
    let answer = slack.take(channel, body.to_string());
    let message = json!({ "type": "message", "text": body["text"], "ts": "1.000001" });
    let accepted = json!({
        "ok": true, "channel": "C024BE91L", "ts": "1.000001", "message": message,
    });
    respond(answer, (StatusCode::OK, Json(accepted)).into_response()).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sms {
    from: String,
    to: String,
    body: String,
}

async fn create_message(
    State(sms): State<Arc<Provider>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Form(message): Form<Sms>,
) -> Response {
    if account != ACCOUNT || !authorization(&headers).starts_with("Basic ") {
        let problem = json!({ "code": 20003, "message": "Authenticate", "status": 401 });
        return (StatusCode::UNAUTHORIZED, Json(problem)).into_response();
    }
    let created = json!({
        "sid": "SM00000000000000000000000000000001", "status": "queued",
        "from": message.from, "to": message.to, "body": message.body,
    });
    let answer = sms.take(message.to, message.body);
    respond(answer, (StatusCode::CREATED, Json(created)).into_response()).await
}

fn authorization(headers: &HeaderMap) -> &str {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn respond(answer: Answer, accepted: Response) -> Response {
    match answer {
        Answer::Accept => accepted,
        Answer::AcceptInSilence => std::future::pending().await,
        Answer::TooMany(seconds) => {
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            let body = json!({ "ok": false, "error": "ratelimited", "code": 20429 });
            (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
        }
        Answer::Broken(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, "<html><body>upstream connect error</body></html>").into_response()
        }
    }
}
