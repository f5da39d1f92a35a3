//! SMS by Twilio's Programmable Messaging API.
//!
//! Where Twilio can reach the hub, it tells there how messages fare ([`status`]) and what people answer
//! ([`answer`]); elsewhere it is asked.
//!
//! Our own client, because the crate twilio-rs 0.1.1 cannot send an SMS: its `create_message` has
//! no recipient, sender or body. Errors are told apart by their HTTP status only, as Twilio advises
//! against logic on its error codes. Creating a message is not idempotent.

pub mod answer;
pub mod signature;
pub mod status;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::exchange::{self, Answer, Lost, SetupError, exchange, said};
use super::{Digest, Inquiry, Outbound, Transport, render};
use crate::domain::notification::Attempt;

/// Twilio's own API.
pub const API_URL: &str = "https://api.twilio.com";

/// What Twilio is reached with.
pub struct Access<'a> {
    /// Where the API is, without a slash at the end; [`API_URL`] but for tests.
    pub api_url: &'a str,
    /// The account (`AC...`).
    pub account_sid: &'a str,
    /// Its token.
    pub auth_token: &'a str,
    /// The number (E.164) or messaging service (`MG...`) that messages come from.
    pub from: &'a str,
}

/// Sends SMS.
pub struct Twilio {
    client: reqwest::Client,
    url: url::Url,
    account_sid: String,
    auth_token: String,
    from: String,
    /// Where Twilio reaches the hub, without a slash at the end.
    callback_url: Option<String>,
    deadline: Duration,
}

impl fmt::Debug for Twilio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Twilio").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Twilio {
    /// Prepares to send.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the address is not one or the HTTP client cannot be made.
    pub fn new(access: &Access<'_>) -> Result<Self, SetupError> {
        let mut url = exchange::address(access.api_url, "the address of Twilio's API")?;
        let path = ["2010-04-01", "Accounts", access.account_sid, "Messages.json"];
        let not_one = SetupError::Address("the address of Twilio's API");
        url.path_segments_mut().map_err(|()| not_one)?.pop_if_empty().extend(path);
        Ok(Self {
            client: exchange::client(&url)?,
            url,
            account_sid: access.account_sid.to_owned(),
            auth_token: access.auth_token.to_owned(),
            from: access.from.to_owned(),
            callback_url: None,
            deadline: exchange::DEADLINE,
        })
    }

    /// Has Twilio tell at `url`, without a slash at the end, how messages fare; and messages say how they
    /// are answered, because answers come there, too.
    #[must_use]
    pub fn reached_at(self, url: Option<&str>) -> Self {
        Self { callback_url: url.map(str::to_owned), ..self }
    }

    /// Allows an attempt this long instead of ten seconds.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sends `text` once, to see whether messages arrive at `phone` (E.164).
    pub async fn rehearse(&self, phone: &str, text: &str) -> Attempt {
        self.create(phone, text).await
    }

    async fn create(&self, to: &str, body: &str) -> Attempt {
        let sender = if self.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let callback = self.callback_url.as_ref().map(|url| format!("{url}{}", status::PATH));
        let mut form = vec![("To", to), (sender, self.from.as_str()), ("Body", body)];
        form.extend(callback.as_deref().map(|url| ("StatusCallback", url)));
        let request = self
            .client
            .post(self.url.clone())
            .basic_auth(&self.account_sid, Some(&self.auth_token))
            .form(&form);
        match exchange(request, self.deadline).await {
            Ok(answer) => judge(&answer, to),
            Err(Lost::Unsent(reason)) => Attempt::Retry {
                reason: format!("Twilio cannot be reached: {reason}"),
                after: None,
            },
            Err(Lost::Unanswered(reason)) => Attempt::Ambiguous { reason },
        }
    }
}

#[async_trait]
impl Transport for Twilio {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let Some(phone) = message.phone else {
            let person = message.notification.recipient.address();
            return Attempt::GiveUp { reason: format!("{person} has no telephone number") };
        };
        let text = match self.callback_url {
            Some(_) => render::answerable_sms(&message),
            None => render::sms(&message),
        };
        self.create(phone, &text).await
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let Some(phone) = digest.phone else {
            let person = digest.head.recipient.address();
            return Attempt::GiveUp { reason: format!("{person} has no telephone number") };
        };
        self.create(phone, &render::sms_digest(digest, self.callback_url.is_some())).await
    }

    async fn ask(&self, receipt: &str) -> Inquiry {
        // It stands in the path of the request.
        if !receipt.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Inquiry::Untold("the receipt is not Twilio's".into());
        }
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().extend(["Messages", &format!("{receipt}.json")]);
        }
        let request = self.client.get(url).basic_auth(&self.account_sid, Some(&self.auth_token));
        match exchange(request, self.deadline).await {
            Ok(answer) => told(&answer),
            Err(lost) => Inquiry::Untold(lost.to_string()),
        }
    }
}

/// A message as Twilio has it.
#[derive(Deserialize)]
struct Kept {
    status: String,
    error_code: Option<u32>,
}

fn told(answer: &Answer) -> Inquiry {
    let kept = answer.body.as_deref().ok().filter(|_| answer.status.is_success());
    let kept = kept.and_then(|body| serde_json::from_slice::<Kept>(body).ok());
    match kept.and_then(|kept| status::word(&kept.status, kept.error_code)) {
        Some(word) => Inquiry::Told(word),
        None => Inquiry::Untold(format!("Twilio answered {}", answer.status.as_u16())),
    }
}

/// A message that was taken.
#[derive(Deserialize)]
struct Created {
    sid: String,
}

/// Twilio's own words. Source: <https://www.twilio.com/docs/usage/twilios-response#errors>.
#[derive(Deserialize)]
struct Refusal {
    code: Option<u32>,
    message: Option<String>,
}

fn judge(answer: &Answer, to: &str) -> Attempt {
    let status = answer.status.as_u16();
    let reason = || refusal(status, &answer.text(), to);
    match status {
        200..=299 => match answer.body.as_deref().map(serde_json::from_slice::<Created>) {
            Ok(Ok(created)) => Attempt::Accepted { receipt: said(&created.sid) },
            Ok(Err(_)) => Attempt::Ambiguous { reason: "an answer that is not Twilio's".into() },
            Err(reason) => Attempt::Ambiguous { reason: reason.to_owned() },
        },
        429 => Attempt::Retry { reason: reason(), after: answer.retry_after },
        500.. | 408 | 300..=399 => Attempt::Retry { reason: reason(), after: None },
        401 | 403 => Attempt::Broken { reason: format!("credentials refused: {}", reason()) },
        _ => Attempt::GiveUp { reason: reason() },
    }
}

/// What Twilio says, without the telephone number, which belongs in no log.
fn refusal(status: u16, body: &str, to: &str) -> String {
    let Ok(refusal) = serde_json::from_str::<Refusal>(body) else {
        return format!("Twilio answered {status}");
    };
    let message = refusal.message.unwrap_or_default();
    let message =
        said(&message.replace(to, "the number").replace(to.trim_start_matches('+'), "the number"));
    match refusal.code {
        Some(code) => format!("Twilio answered {status} ({code}): {message}"),
        None => format!("Twilio answered {status}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_token_nor_number_is_shown() {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let access =
            Access { api_url: API_URL, account_sid: "AC1", auth_token: "secret", from: "+1500" };
        let twilio = Twilio::new(&access).expect("a good address");
        assert_eq!(format!("{twilio:?}"), "Twilio { from: \"+1500\", .. }");
        let path = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json";
        assert_eq!(twilio.url.as_str(), path);
        let body = r#"{"code":21211,"message":"The 'To' number +4930 is not valid."}"#;
        let reason = refusal(400, body, "+4930");
        assert_eq!(reason, "Twilio answered 400 (21211): The 'To' number the number is not valid.");
    }
}
