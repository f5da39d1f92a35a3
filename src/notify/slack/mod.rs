//! Slack, by bot token (`chat.postMessage`) or by incoming webhook.
//!
//! The library's rate control stays off: it counts per workspace, Slack per channel, and the
//! delivery lane paces. Neither token nor webhook URL appears in `Debug`, in a reason or in a log.

pub mod clicks;
mod connector;
mod desk;
mod fate;
mod living;
mod picture;
mod receipt;
pub mod signature;
pub mod socket;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slack_morphism::prelude::SlackBlock;
use slack_morphism::{ClientResult, SlackApiToken, SlackClient, SlackClientHttpConnector as _};
use url::Url;

use self::connector::Connector;
use self::fate::{Fate, fate};
use self::receipt::Receipt;
use super::exchange::{self, SetupError};
use super::render::{Buttons, SlackMessage};
use super::{Digest, Outbound, Picture, Shown, Transport, render};
use crate::clock::Stopwatch;
use crate::domain::notification::Attempt;

/// Slack's own API.
pub const API_URL: &str = "https://slack.com/api";

/// What Slack is reached with.
#[derive(Default)]
pub struct Access<'a> {
    /// Where the API is, without a slash at the end; [`API_URL`] but for tests.
    pub api_url: &'a str,
    /// The token of a bot that is in the channels, if there is one.
    pub bot_token: Option<&'a str>,
    /// Incoming webhooks by channel; one of these goes before the bot.
    pub webhooks: BTreeMap<&'a str, &'a str>,
    /// Whether clicks on buttons reach us.
    pub interactive: bool,
}

/// Posts to Slack.
pub struct Slack {
    client: reqwest::Client,
    api_url: String,
    token: Option<SlackApiToken>,
    webhooks: BTreeMap<String, Url>,
    deadline: Duration,
    buttons: Buttons,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack")
            .field("api_url", &self.api_url)
            .field("bot", &self.token.is_some())
            .field("webhooks", &self.webhooks.keys())
            .finish_non_exhaustive()
    }
}

impl Slack {
    /// Prepares to post.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when an address is not one or the HTTP client cannot be made.
    pub fn new(access: &Access<'_>) -> Result<Self, SetupError> {
        let base = exchange::address(access.api_url, "the address of Slack's API")?;
        let webhook = |(channel, url): (&&str, &&str)| {
            Ok(((*channel).to_owned(), exchange::address(url, "a Slack webhook")?))
        };
        let visible =
            |token: &&str| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        if access.bot_token.is_some_and(|token| !visible(&token)) {
            return Err(SetupError::Credential("the Slack bot token"));
        }
        Ok(Self {
            client: exchange::client(&base)?,
            api_url: access.api_url.trim_end_matches('/').to_owned(),
            token: access.bot_token.map(|token| SlackApiToken::new(token.into())),
            webhooks: access.webhooks.iter().map(webhook).collect::<Result<_, SetupError>>()?,
            deadline: exchange::DEADLINE,
            buttons: if access.interactive { Buttons::Shown } else { Buttons::Hidden },
        })
    }

    /// Allows an attempt this long instead of ten seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Posts `text` once, to see whether messages arrive in `channel`.
    pub async fn rehearse(&self, channel: &str, text: &str) -> Attempt {
        match self.post(Stopwatch::start(), channel, Body::plain(text), None).await {
            Ok(receipt) => Attempt::Accepted { receipt: receipt.to_string() },
            Err(fate) => fate.into(),
        }
    }

    /// A client for one attempt that has been under way since `started`.
    fn client(&self, started: Stopwatch, deadline: Duration) -> SlackClient<Connector> {
        SlackClient::new(Connector {
            client: self.client.clone(),
            api_url: self.api_url.clone(),
            started,
            deadline,
        })
    }

    /// Posts a message, at once as plain text where its form is refused.
    async fn tell(
        &self,
        started: Stopwatch,
        channel: &str,
        written: &SlackMessage,
        thread: Option<Reply<'_>>,
    ) -> Result<Receipt, Fate> {
        match self.post(started, channel, Body::of(written), thread).await {
            Err(Fate::BadForm(code)) => {
                say_plain(channel, &code);
                self.post(started, channel, Body::plain(&written.text), thread).await
            }
            ended => ended,
        }
    }

    /// Posts once; `thread` has no meaning for a webhook.
    async fn post(
        &self,
        started: Stopwatch,
        channel: &str,
        body: Body<'_>,
        thread: Option<Reply<'_>>,
    ) -> Result<Receipt, Fate> {
        let client = self.client(started, self.deadline);
        if let Some(webhook) = self.webhooks.get(channel) {
            let posted: ClientResult<Posted> = post_webhook(&client, webhook, &body).await;
            return posted.map(|_| Receipt::Webhook).map_err(|error| fate(&error));
        }
        let Some(token) = &self.token else {
            return Err(Fate::Refused(format!(
                "no webhook is set for {channel}, and no bot token"
            )));
        };
        let request = Message { channel, link_names: false, body, thread };
        let session = client.open_session(token);
        let posted: ClientResult<Posted> =
            session.http_session_api.http_post("chat.postMessage", &request, None).await;
        match posted {
            Ok(Posted { channel: Some(channel), ts: Some(ts) }) => {
                Ok(Receipt::posted(&channel, &ts, thread.map(|it| it.thread_ts)))
            }
            Ok(_) => Err(Fate::Unanswered("an answer without the message's name".into())),
            Err(error) => Err(fate(&error)),
        }
    }
}

/// Says that blocks were refused.
fn say_plain(channel: &str, code: &str) {
    tracing::warn!(channel, code, "Slack refused the form of a message; sending it plain");
}

async fn post_webhook(
    client: &SlackClient<Connector>,
    webhook: &Url,
    body: &Body<'_>,
) -> ClientResult<Posted> {
    let span = tracing::Span::none();
    let context = slack_morphism::SlackClientApiCallContext {
        rate_control_params: None,
        token: None,
        tracing_span: &span,
        is_sensitive_url: true,
    };
    client.http_api.connector.http_post_uri(webhook.clone(), body, context).await
}

#[async_trait]
impl Transport for Slack {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let started = Stopwatch::start();
        let channel = message.notification.recipient.address();
        let ended = match message.thread.filter(|_| !self.webhooks.contains_key(channel)) {
            Some(thread) => self.keep_living(started, &message, thread).await,
            None => self.tell(started, channel, &render::slack(&message), None).await,
        };
        match ended {
            Ok(receipt) => Attempt::Accepted { receipt: receipt.to_string() },
            Err(fate) => fate.into(),
        }
    }

    async fn show(&self, receipt: &str, picture: &Picture) -> Shown {
        self.show_in_thread(receipt, picture).await
    }

    /// Posts a message of its own: it is the root of no thread, and nothing edits it.
    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let channel = digest.head.recipient.address();
        let written = render::slack_digest(digest);
        match self.tell(Stopwatch::start(), channel, &written, None).await {
            Ok(receipt) => Attempt::Accepted { receipt: format!("digest {receipt}") },
            Err(fate) => fate.into(),
        }
    }
}

/// What both ways of posting take.
#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<&'a [SlackBlock]>,
    unfurl_links: bool,
    unfurl_media: bool,
}

impl<'a> Body<'a> {
    fn of(written: &'a SlackMessage) -> Self {
        Self { blocks: Some(&written.blocks), ..Self::plain(&written.text) }
    }

    fn plain(text: &'a str) -> Self {
        Self { text, blocks: None, unfurl_links: false, unfurl_media: false }
    }
}

/// `chat.postMessage`. Source: <https://docs.slack.dev/reference/methods/chat.postMessage>.
#[derive(Serialize)]
struct Message<'a> {
    channel: &'a str,
    link_names: bool,
    #[serde(flatten)]
    body: Body<'a>,
    #[serde(flatten)]
    thread: Option<Reply<'a>>,
}

/// Where a reply belongs.
#[derive(Clone, Copy, Serialize)]
struct Reply<'a> {
    /// The message that it answers.
    thread_ts: &'a str,
    /// Whether it is shown in the channel as well.
    reply_broadcast: bool,
}

/// As much of an answer as we need; the rest may look as it likes.
#[derive(Deserialize)]
struct Posted {
    channel: Option<String>,
    ts: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let access = Access {
            api_url: API_URL,
            bot_token: Some("xoxb-secret"),
            webhooks: [("#p1", "https://hooks.slack.com/services/T/B/secret")].into(),
            interactive: false,
        };
        let shown = format!("{:?}", Slack::new(&access).expect("good addresses"));
        assert!(shown.contains("#p1") && !shown.contains("secret"), "{shown}");
        let broken = Access { webhooks: [("#p1", "secret")].into(), ..access };
        let error = Slack::new(&broken).expect_err("not an address").to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
