//! A picture in the thread of a message: a place for it is asked for, it is brought there, and shown.
//!
//! What was brought and not shown is deleted by Slack. Showing it is not repeated where it may have happened.
//!
//! Sources: <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>,
//! <https://docs.slack.dev/reference/methods/files.completeUploadExternal>.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;

use super::receipt::Root;
use super::{Picture, Shown, Slack};
use crate::notify::exchange::{Answer, Lost, address, exchange, is_loopback, said};

/// The scope without which there is no place for pictures.
const SCOPE: &str = "files:write";

/// The longest description, in characters.
const LONGEST_WORDS: usize = 1_000;

/// As much of an answer as we need.
#[derive(Deserialize)]
struct Said {
    ok: bool,
    error: Option<String>,
    upload_url: Option<String>,
    file_id: Option<String>,
}

impl Slack {
    /// Shows a picture in the thread of the message with this receipt.
    pub(super) async fn show_in_thread(&self, receipt: &str, picture: &Picture) -> Shown {
        match self.try_to_show(receipt, picture).await {
            Ok(()) => Shown::Done,
            Err(shown) => shown,
        }
    }

    async fn try_to_show(&self, receipt: &str, picture: &Picture) -> Result<(), Shown> {
        let Some(Root { channel, ts }) = Root::of(receipt) else {
            return Err(never("the message has no thread"));
        };
        let length = picture.png.len().to_string();
        let words: String = picture.words.chars().take(LONGEST_WORDS).collect();
        let wanted = [("filename", &*picture.name), ("length", &length), ("alt_txt", &words)];
        let place = self.ask("files.getUploadURLExternal", &wanted).await?;
        let (Some(url), Some(file)) = (place.upload_url, place.file_id) else {
            return Err(later("Slack named no place for a picture"));
        };
        self.bring(&url, picture).await?;
        let files = json!([{ "id": file, "title": picture.title }]).to_string();
        let shown = [("files", &*files), ("channel_id", channel), ("thread_ts", ts)];
        let shown = self.ask("files.completeUploadExternal", &shown).await;
        shown.map(|_| ()).map_err(|error| match error {
            // It may be there; a second one beside it would help nobody.
            Shown::Later { reason, after: None } => Shown::Never { reason },
            other => other,
        })
    }

    /// Brings a picture to the place that Slack named for it. The token is not shown there.
    async fn bring(&self, url: &str, picture: &Picture) -> Result<(), Shown> {
        let url = address(url, "the place for a picture");
        // Only a Slack that is on this machine, a test's, may be talked to in the clear.
        let url = url.ok().filter(|url| url.scheme() == "https" || is_loopback(url));
        let url = url.ok_or_else(|| never("Slack named no place that a picture can be sent to"))?;
        let request = self.client.post(url).header(CONTENT_TYPE, "image/png");
        let answer = self.answered(request.body(picture.png.clone())).await?;
        match answer.status.as_u16() {
            200 => Ok(()),
            status => Err(later(&format!("Slack answered {status} to a picture"))),
        }
    }

    async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Result<Said, Shown> {
        let Some(token) = &self.token else { return Err(never("there is no bot token")) };
        let url = format!("{}/{method}", self.api_url);
        let request = self.client.post(url).bearer_auth(&token.token_value.0).form(fields);
        let answer = self.answered(request).await?;
        if answer.status.as_u16() == 429 {
            let after = answer.retry_after.unwrap_or(Duration::from_secs(30));
            let reason = "Slack answered 429 (too many requests)".to_owned();
            return Err(Shown::Later { reason, after: Some(after) });
        }
        let said_of_it = serde_json::from_slice::<Said>(answer.body.as_deref().unwrap_or_default());
        match said_of_it {
            Ok(said) if said.ok => Ok(said),
            Ok(said) => Err(refused(said.error.as_deref().unwrap_or_default())),
            Err(_) => Err(later(&format!("Slack answered {}", answer.status.as_u16()))),
        }
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Answer, Shown> {
        exchange(request, self.deadline).await.map_err(|lost| match lost {
            Lost::Unsent(reason) | Lost::Unanswered(reason) => later(&reason),
        })
    }
}

fn never(reason: &str) -> Shown {
    Shown::Never { reason: reason.to_owned() }
}

fn later(reason: &str) -> Shown {
    Shown::Later { reason: reason.to_owned(), after: None }
}

/// Judges an error that Slack names.
fn refused(code: &str) -> Shown {
    let code = said(code);
    match code.as_str() {
        "missing_scope" | "no_permission" | "not_allowed_token_type" => never(&format!(
            "Slack answered {code}: for pictures the bot needs the scope {SCOPE}; add it to the app and \
             install it in the workspace anew"
        )),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "ratelimited" => later(&format!("Slack answered {code}")),
        _ => never(&format!("Slack answered {code}")),
    }
}
