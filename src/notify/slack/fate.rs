//! What became of a request that Slack did not grant.
//!
//! Must not: show the address of a webhook, or words of an answer that are not cleaned.

use std::time::Duration;

use reqwest::StatusCode;
use slack_morphism::errors::SlackClientError;

use crate::domain::notification::Attempt;
use crate::notify::exchange::{Lost, said};

/// What became of a post that was not accepted.
#[derive(Debug)]
pub(super) enum Fate {
    /// Not now.
    Later(String, Option<Duration>),
    /// It may have been posted.
    Unanswered(String),
    /// The form was refused; a plainer one may do.
    BadForm(String),
    /// The message to answer is gone, or takes no answers; one of its own may do.
    Unthreaded(String),
    /// Not ever.
    Refused(String),
    /// Nothing will be posted until somebody sets it right.
    Broken(String),
}

impl From<Fate> for Attempt {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Later(reason, after) => Self::Retry { reason, after },
            Fate::Unanswered(reason) => Self::Ambiguous { reason },
            Fate::BadForm(code) => Self::GiveUp {
                reason: format!("Slack refused the message even as plain text: {code}"),
            },
            Fate::Unthreaded(reason) | Fate::Refused(reason) => Self::GiveUp { reason },
            Fate::Broken(reason) => Self::Broken { reason },
        }
    }
}

/// What an error of the library means.
pub(super) fn fate(error: &SlackClientError) -> Fate {
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
        "thread_not_found"
        | "message_not_found"
        | "cannot_reply_to_message"
        | "cant_broadcast_message"
        | "restricted_action_thread_locked"
        | "restricted_action_non_threadable_channel" => Fate::Unthreaded(explained(&code)),
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            Fate::Later(format!("Slack answered {code}"), None)
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "rollup_error" => Fate::Later(format!("Slack answered {code}"), None),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive"
        | "org_login_required" => Fate::Broken(explained(&code)),
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
