//! What is said to somebody who clicked: a form, or a word that only they see.

use serde::Serialize;
use serde_json::Value;
use slack_morphism::ClientResult;

use super::clicks::Clicker;
use super::fate::fate;
use super::{Posted, Slack};
use crate::clock::Stopwatch;
use crate::domain::notification::Attempt;
use crate::notify::render;

/// The longest word that only one person sees.
const LONGEST_WORD: usize = 500;

impl Slack {
    /// Opens a form for whoever the trigger is of.
    /// Source: <https://docs.slack.dev/reference/methods/views.open>.
    ///
    /// # Errors
    ///
    /// The reason, in a sentence.
    pub async fn open_form(&self, trigger: &str, form: &Value) -> Result<(), String> {
        #[derive(Serialize)]
        struct Open<'a> {
            trigger_id: &'a str,
            view: &'a Value,
        }
        self.call("views.open", &Open { trigger_id: trigger, view: form }).await
    }

    /// Tells one person something in the channel they clicked in, where that is known.
    /// Source: <https://docs.slack.dev/reference/methods/chat.postEphemeral>.
    ///
    /// # Errors
    ///
    /// The reason, in a sentence.
    pub async fn whisper(&self, to: &Clicker, text: &str) -> Result<(), String> {
        #[derive(Serialize)]
        struct Whisper<'a> {
            channel: &'a str,
            user: &'a str,
            text: &'a str,
            link_names: bool,
        }
        let Some(channel) = to.channel.as_deref() else { return Ok(()) };
        let text = render::prose(&render::line(text), LONGEST_WORD);
        let whisper = Whisper { channel, user: &to.user, text: &text, link_names: false };
        self.call("chat.postEphemeral", &whisper).await
    }

    async fn call(
        &self,
        method: &str,
        request: &(impl Serialize + Send + Sync),
    ) -> Result<(), String> {
        let Some(token) = &self.token else { return Err("no bot token".to_owned()) };
        let client = self.client(Stopwatch::start(), self.deadline);
        let session = client.open_session(token);
        let answer: ClientResult<Posted> =
            session.http_session_api.http_post(method, request, None).await;
        answer.map(|_| ()).map_err(|error| Attempt::from(fate(&error)).detail().to_owned())
    }
}
