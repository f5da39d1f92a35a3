//! What people were shown, as the pictures in the documentation are made of it.

use serde::Serialize;
use serde_json::Value;
use tripline::domain::Timestamp;

use crate::support::slack::SlackPost;

/// Something that appears on a screen.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Shown {
    /// A message in a channel of Slack.
    Post { at: String, channel: String, text: String, blocks: Value },
    /// What the message of the incident says from now on.
    Edit { at: String, channel: String, text: String, blocks: Value },
    /// An answer in its thread, in the channel as well where it is `broadcast`.
    Reply { at: String, channel: String, broadcast: bool, text: String, blocks: Value },
    /// An SMS to a person.
    Sms { at: String, to: String, text: String },
    /// An SMS of a person, and what it was answered.
    Answer { at: String, from: String, text: String, answered: String },
}

fn clock(at: Timestamp) -> String {
    at.format("%H:%M:%S").to_string()
}

impl Shown {
    /// What Slack was told.
    pub(super) fn post(at: Timestamp, channel: &str, post: &SlackPost) -> Self {
        let (at, channel, text) = (clock(at), channel.to_owned(), post.text.clone());
        let blocks = post.blocks.clone().unwrap_or_default();
        if post.edits.is_some() {
            return Self::Edit { at, channel, text, blocks };
        }
        match post.thread {
            Some(_) => Self::Reply { at, channel, broadcast: post.is_broadcast(), text, blocks },
            None => Self::Post { at, channel, text, blocks },
        }
    }

    /// An SMS that was sent to a person.
    pub(super) fn sms(at: Timestamp, to: &str, text: &str) -> Self {
        Self::Sms { at: clock(at), to: to.to_owned(), text: text.to_owned() }
    }

    /// An SMS of a person, and the answer to it.
    pub(super) fn answer(at: Timestamp, from: &str, (text, said): (&str, &str)) -> Self {
        let (text, answered) = (text.to_owned(), said.to_owned());
        Self::Answer { at: clock(at), from: from.to_owned(), text, answered }
    }

    /// What all that is shown at one moment is sorted by: lanes are not ordered among each other.
    pub(super) fn place(&self) -> (&str, &str) {
        match self {
            Self::Post { at, channel, .. }
            | Self::Edit { at, channel, .. }
            | Self::Reply { at, channel, .. } => (at, channel),
            Self::Sms { at, to, .. } => (at, to),
            Self::Answer { at, from, .. } => (at, from),
        }
    }
}
