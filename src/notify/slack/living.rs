//! One message per incident: the first is the root, all that follows edits it and answers it.
//!
//! | root | edit | reply | then |
//! |---|---|---|---|
//! | none | | | posted as the root |
//! | there | done | accepted | its receipt names the root |
//! | there | done | not now, no answer | again: the edit changes nothing more, the reply is marked |
//! | there | not now, no answer, the first times | not tried | again: nothing was said yet |
//! | there | not now, no answer, later | posted | the next change edits it |
//! | there | refused | not tried | posted as a new root |
//! | there | done | its thread is refused | posted as a new root |
//!
//! The edit comes first because repeating it is safe. What people must see does not wait long for
//! what only looks better.

use std::time::Duration;

use serde::Serialize;
use slack_morphism::ClientResult;
use slack_morphism::prelude::SlackBlock;

use super::fate::{Fate, fate};
use super::receipt::{Receipt, Root};
use super::{Posted, Reply, Slack, say_plain};
use crate::clock::Stopwatch;
use crate::notify::render::{self, Place, SlackMessage};
use crate::notify::{Outbound, Thread};

/// So often a message waits for the edit before it.
const WAITS: u32 = 2;

/// The part of an attempt's time that the edit may take: the reply needs the rest.
const SHARE: (u32, u32) = (3, 8);

impl Slack {
    /// Brings the incident's message up to date and says what changed.
    pub(super) async fn keep_living(
        &self,
        started: Stopwatch,
        message: &Outbound<'_>,
        thread: &Thread,
    ) -> Result<Receipt, Fate> {
        let Some(root) = thread.receipt.as_deref().and_then(Root::of) else {
            return self.post_root(started, message, thread).await;
        };
        let channel = message.notification.recipient.address();
        let written = render::living(message, thread, (Place::Edited, self.buttons));
        match self.edit(started, root, &written).await {
            Ok(()) => {}
            Err(Fate::BadForm(code) | Fate::Unthreaded(code) | Fate::Refused(code)) => {
                tracing::warn!(channel, code, "a message cannot be edited; a new one is posted");
                return self.post_root(started, message, thread).await;
            }
            Err(broken @ Fate::Broken(_)) => return Err(broken),
            Err(Fate::Later(reason, after))
                if after.is_some() || message.notification.failures < WAITS =>
            {
                return Err(Fate::Later(reason, after));
            }
            // Nothing was said yet, and an edit may be repeated.
            Err(Fate::Unanswered(reason)) if message.notification.failures < WAITS => {
                let reason = format!("no answer to an edit: {reason}");
                return Err(Fate::Later(reason, None));
            }
            Err(Fate::Later(reason, _) | Fate::Unanswered(reason)) => {
                tracing::warn!(channel, reason, "a message was not edited; what changed is told");
            }
        }
        let broadcast = is_broadcast(message, thread);
        let reply = Reply { thread_ts: root.ts, reply_broadcast: broadcast };
        let written = render::reply(message, broadcast);
        match self.tell(started, root.channel, &written, Some(reply)).await {
            Err(Fate::Unthreaded(code)) => {
                tracing::warn!(channel, code, "a thread is closed; a new message is posted");
                self.post_root(started, message, thread).await
            }
            ended => ended,
        }
    }

    async fn post_root(
        &self,
        started: Stopwatch,
        message: &Outbound<'_>,
        thread: &Thread,
    ) -> Result<Receipt, Fate> {
        let channel = message.notification.recipient.address();
        let written = render::living(message, thread, (Place::New, self.buttons));
        self.tell(started, channel, &written, None).await
    }

    /// Replaces what a message says, at once by plain text where the form is refused.
    async fn edit(
        &self,
        started: Stopwatch,
        root: Root<'_>,
        written: &SlackMessage,
    ) -> Result<(), Fate> {
        let text = written.text.as_str();
        match self.edit_once(started, root, (text, &written.blocks)).await {
            Err(Fate::BadForm(code)) => {
                say_plain(root.channel, &code);
                // Blocks that are left out would stay as they were.
                self.edit_once(started, root, (text, &[])).await
            }
            ended => ended,
        }
    }

    async fn edit_once(
        &self,
        started: Stopwatch,
        root: Root<'_>,
        (text, blocks): (&str, &[SlackBlock]),
    ) -> Result<(), Fate> {
        let Some(token) = &self.token else {
            return Err(Fate::Refused("no bot token".to_owned()));
        };
        let deadline: Duration = self.deadline * SHARE.0 / SHARE.1;
        let client = self.client(started, deadline);
        let Root { channel, ts } = root;
        let edit = Edit { channel, ts, text, blocks, link_names: false };
        let session = client.open_session(token);
        let edited: ClientResult<Posted> =
            session.http_session_api.http_post("chat.update", &edit, None).await;
        edited.map(|_| ()).map_err(|error| fate(&error))
    }
}

/// Whether a reply is shown in the channel as well: all that is to be seen now, and the end of what
/// was grave. Who only follows a thread is told of the rest.
fn is_broadcast(message: &Outbound<'_>, thread: &Thread) -> bool {
    let kind = message.notification.notice.kind;
    kind.is_alarm() || (kind.is_end() && thread.is_grave())
}

/// `chat.update`. Source: <https://docs.slack.dev/reference/methods/chat.update>.
#[derive(Serialize)]
struct Edit<'a> {
    channel: &'a str,
    ts: &'a str,
    text: &'a str,
    blocks: &'a [SlackBlock],
    link_names: bool,
}
