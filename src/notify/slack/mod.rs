//! Slack, by bot token (`chat.postMessage`) or by incoming webhook.
//!
//! The library's rate control stays off: it counts per workspace, Slack per channel, and the
//! delivery lane paces. Neither token nor webhook URL appears in `Debug`, in a reason or in a log.

mod connector;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::SlackBlock;
use slack_morphism::{ClientResult, SlackApiToken, SlackClient, SlackClientHttpConnector as _};
use url::Url;

use self::connector::Connector;
use super::exchange::{self, Lost, SetupError, said};
use super::{Outbound, Transport, render};
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
}

/// Posts to Slack.
pub struct Slack {
    client: reqwest::Client,
    api_url: String,
    token: Option<SlackApiToken>,
    webhooks: BTreeMap<String, Url>,
    deadline: Duration,
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
        })
    }

    /// Allows an attempt this long instead of ten seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Posts `text` once, to see whether messages arrive in `channel`.
    pub async fn rehearse(&self, channel: &str, text: &str) -> Attempt {
        let body = Body { text, blocks: None, unfurl_links: false, unfurl_media: false };
        match self.post(Stopwatch::start(), channel, body).await {
            Ok(receipt) => Attempt::Accepted { receipt },
            Err(fate) => fate.into(),
        }
    }

    /// Posts once; `blocks` may be left out. Returns the receipt.
    async fn post(
        &self,
        started: Stopwatch,
        channel: &str,
        body: Body<'_>,
    ) -> Result<String, Fate> {
        let connector = Connector {
            client: self.client.clone(),
            api_url: self.api_url.clone(),
            started,
            deadline: self.deadline,
        };
        let client = SlackClient::new(connector);
        if let Some(webhook) = self.webhooks.get(channel) {
            let posted: ClientResult<Posted> = post_webhook(&client, webhook, &body).await;
            return posted.map(|_| "webhook".to_owned()).map_err(|error| fate(&error));
        }
        let Some(token) = &self.token else {
            return Err(Fate::Refused(format!(
                "no webhook is set for {channel}, and no bot token"
            )));
        };
        let request = Message { channel, link_names: false, body };
        let session = client.open_session(token);
        let posted: ClientResult<Posted> =
            session.http_session_api.http_post("chat.postMessage", &request, None).await;
        match posted {
            Ok(Posted { channel: Some(channel), ts: Some(ts) }) => {
                Ok(said(&format!("{channel}/{ts}")))
            }
            Ok(_) => Err(Fate::Unanswered("an answer without the message's name".into())),
            Err(error) => Err(fate(&error)),
        }
    }
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
        let written = render::slack(&message);
        let body =
            |blocks| Body { text: &written.text, blocks, unfurl_links: false, unfurl_media: false };
        let first = self.post(started, channel, body(Some(&written.blocks))).await;
        let ended = match first {
            Err(Fate::BadForm(code)) => {
                tracing::warn!(
                    channel,
                    code,
                    "Slack refused the form of a message; sending it plain"
                );
                self.post(started, channel, body(None)).await
            }
            ended => ended,
        };
        match ended {
            Ok(receipt) => Attempt::Accepted { receipt },
            Err(fate) => fate.into(),
        }
    }
}

/// What both ways of posting take.
#[derive(Serialize)]
struct Body<'a> {
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<&'a Vec<SlackBlock>>,
    unfurl_links: bool,
    unfurl_media: bool,
}

/// `chat.postMessage`. Source: <https://docs.slack.dev/reference/methods/chat.postMessage>.
#[derive(Serialize)]
struct Message<'a> {
    channel: &'a str,
    link_names: bool,
    #[serde(flatten)]
    body: Body<'a>,
}

/// As much of an answer as we need; the rest may look as it likes.
#[derive(Deserialize)]
struct Posted {
    channel: Option<String>,
    ts: Option<String>,
}

/// What became of a post that was not accepted.
#[derive(Debug)]
enum Fate {
    /// Not now.
    Later(String, Option<Duration>),
    /// It may have been posted.
    Unanswered(String),
    /// The form was refused; a plainer one may do.
    BadForm(String),
    /// Not ever.
    Refused(String),
}

impl From<Fate> for Attempt {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Later(reason, after) => Self::Retry { reason, after },
            Fate::Unanswered(reason) => Self::Ambiguous { reason },
            Fate::BadForm(code) => Self::GiveUp {
                reason: format!("Slack refused the message even as plain text: {code}"),
            },
            Fate::Refused(reason) => Self::GiveUp { reason },
        }
    }
}

fn fate(error: &SlackClientError) -> Fate {
    match error {
        SlackClientError::RateLimitError(limit) => {
            Fate::Later("Slack answered 429 (too many requests)".into(), limit.retry_after)
        }
        SlackClientError::ApiError(refusal) => refused(&refusal.code),
        SlackClientError::HttpError(error) => {
            let body = error.http_response_body.as_deref().unwrap_or_default();
            answered(error.status_code, body)
        }
        SlackClientError::HttpProtocolError(error) => {
            match error.cause.as_ref().and_then(|cause| cause.downcast_ref::<Lost>()) {
                Some(Lost::Unsent(reason)) => {
                    Fate::Later(format!("Slack cannot be reached: {reason}"), None)
                }
                Some(Lost::Unanswered(reason)) => Fate::Unanswered(reason.clone()),
                None => Fate::Refused("the address of Slack's API is not one".into()),
            }
        }
        SlackClientError::ProtocolError(_) => {
            Fate::Unanswered("an answer that is not Slack's".into())
        }
        SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_) => {
            Fate::Unanswered("an unexpected error of the Slack library".into())
        }
    }
}

/// Judges a status other than 200 and 429. Webhooks name the reason in the body: as text, or as
/// the API does.
fn answered(status: StatusCode, body: &str) -> Fate {
    let code = serde_json::from_str::<slack_morphism::SlackEnvelopeMessage>(body);
    let code = code.ok().and_then(|envelope| envelope.error);
    let code = code.unwrap_or_else(|| said(body));
    let known = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let reason = if known && !code.is_empty() {
        format!("Slack answered {}: {code}", status.as_u16())
    } else {
        format!("Slack answered {}", status.as_u16())
    };
    match status.as_u16() {
        500.. | 408 | 300..=399 => Fate::Later(reason, None),
        413 => Fate::BadForm(reason),
        400..=499 if known && !code.is_empty() => match refused(&code) {
            Fate::Refused(_) => Fate::Refused(reason),
            fate => fate,
        },
        // Slack has no such success: something else answered.
        200..=299 => Fate::Unanswered(reason),
        _ => Fate::Refused(reason),
    }
}

/// Judges an error that Slack names.
/// Source: <https://docs.slack.dev/reference/methods/chat.postMessage#errors>.
fn refused(code: &str) -> Fate {
    let code = said(code);
    match code.as_str() {
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_payload"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "too_many_attachments"
        | "invalid_attachments" => Fate::BadForm(code),
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            Fate::Later(format!("Slack answered {code}"), None)
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "rollup_error" => Fate::Later(format!("Slack answered {code}"), None),
        _ => Fate::Refused(explained(&code)),
    }
}

fn explained(code: &str) -> String {
    let advice = match code {
        "channel_not_found" => "no such channel, or a private one without the bot",
        "not_in_channel" => "invite the bot to the channel",
        "is_archived" | "channel_is_archived" => "the channel is archived",
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            "the bot token is not valid any more"
        }
        "missing_scope" => "the bot needs the scope chat:write",
        _ => return format!("Slack answered {code}"),
    };
    format!("Slack answered {code}: {advice}")
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
        };
        let shown = format!("{:?}", Slack::new(&access).expect("good addresses"));
        assert!(shown.contains("#p1") && !shown.contains("secret"), "{shown}");
        let broken = Access { webhooks: [("#p1", "secret")].into(), ..access };
        let error = Slack::new(&broken).expect_err("not an address").to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
