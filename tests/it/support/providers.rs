//! Slack and Twilio as a daemon of the tests is told to use them, and a team to tell.

use std::collections::HashMap;

use tripline::domain::Timestamp;

use super::provider::{Answer, Arrival};
use super::slack::{self, FakeSlack, SlackPost, channel_id};
use super::tripline::Project;
use super::twilio::{self, FakeTwilio, Sms};

/// The team's numbers.
pub(crate) const ANA: &str = "+4930111111";
pub(crate) const BO: &str = "+4930222222";

/// Whatever could be used to speak in the daemon's name.
pub(crate) const CREDENTIALS: [&str; 2] = [slack::TOKEN, twilio::TOKEN];

/// A message that reached a provider.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The Slack channel or the telephone number.
    pub(crate) to: String,
    /// Everything that it says, as it came.
    pub(crate) text: String,
    /// What the provider was to answer.
    pub(crate) answer: Answer,
    /// When it came.
    pub(crate) at: Timestamp,
    accepted: bool,
}

impl Message {
    fn new<M>(arrival: Arrival<M>, read: impl FnOnce(M) -> (String, String)) -> Option<Self> {
        let (to, text) = read(arrival.message?);
        let Arrival { at, answer, accepted, .. } = arrival;
        Some(Self { to, text, answer, at, accepted })
    }

    /// Whether whoever it is for has it. A provider that reads it and falls silent may have sent it.
    pub(crate) fn arrived(&self) -> bool {
        self.accepted || self.answer == Answer::Hang
    }

    /// Whether the daemon was told that it arrived.
    pub(crate) fn answered(&self) -> bool {
        self.accepted
    }

    /// What it is about: the number of the incident, and whether it says that this is over.
    pub(crate) fn about(&self) -> (String, bool) {
        let number = self.text.split_once("incidents/").map(|(_, rest)| rest);
        let number = number.or_else(|| self.text.strip_prefix('#'));
        let number = number.unwrap_or_else(|| panic!("no incident is named: {self:#?}"));
        let number = number.chars().take_while(char::is_ascii_digit).collect();
        (number, self.text.to_lowercase().contains("recovered"))
    }

    /// Whether it tells of many incidents at once.
    pub(crate) fn is_digest(&self) -> bool {
        self.text.starts_with("Tripline") || self.text.contains("|All incidents>")
    }

    /// Whether it says that it may be a repeat.
    pub(crate) fn is_marked(&self) -> bool {
        self.text.contains("(possible repeat)")
    }
}

/// Both providers; they end when this is dropped.
pub(crate) struct Providers {
    pub(crate) slack: FakeSlack,
    pub(crate) twilio: FakeTwilio,
}

impl Providers {
    /// Starts both, each on a free port.
    pub(crate) async fn start() -> Self {
        Self { slack: FakeSlack::slack().await, twilio: FakeTwilio::twilio().await }
    }

    /// Gives this answer to every message that has none of its own.
    pub(crate) fn answer_all(&self, answer: Answer) {
        self.slack.answer_all(answer);
        self.twilio.answer_all(answer);
    }

    /// The messages that Slack was handed so far, refused ones too, and not what was edited. What
    /// answers one in a channel is by the name of that channel.
    pub(crate) fn posts(&self) -> Vec<Message> {
        let arrivals = self.slack.arrivals();
        let posts = || arrivals.iter().filter_map(|arrival| arrival.message.as_ref());
        let names: HashMap<String, String> =
            posts().map(|post| (channel_id(&post.channel), post.channel.clone())).rev().collect();
        let read = |post: SlackPost| {
            let name = names.get(&post.channel).cloned();
            (name.unwrap_or(post.channel), post.body.to_string())
        };
        let is_said = |arrival: &Arrival<SlackPost>| {
            arrival.message.as_ref().is_some_and(|post| post.edits.is_none())
        };
        let said = arrivals.clone().into_iter().filter(is_said);
        said.filter_map(|arrival| Message::new(arrival, read)).collect()
    }

    /// The messages that Twilio was handed so far, refused ones too.
    pub(crate) fn texts(&self) -> Vec<Message> {
        let arrivals = self.twilio.arrivals().into_iter();
        let read = |arrival| Message::new(arrival, |sms: Sms| (sms.to, sms.body));
        arrivals.filter_map(read).collect()
    }

    /// The messages that arrived at one place, oldest first.
    pub(crate) fn arrived(&self, to: &str) -> Vec<Message> {
        let messages = if to.starts_with('#') { self.posts() } else { self.texts() };
        messages.into_iter().filter(|message| message.to == to && message.arrived()).collect()
    }

    /// Makes `project` tell these providers, and gives it a team of two: ana and bo.
    pub(crate) fn told_by(&self, project: Project) -> Project {
        let settings = format!(
            r#"
[slack]
bot_token = {{ env = "SLACK_BOT_TOKEN" }}
api_url = "{slack}"

[storm]
sms = 10000

[twilio]
account_sid = {{ env = "TWILIO_ACCOUNT_SID" }}
auth_token = {{ env = "TWILIO_AUTH_TOKEN" }}
from = "+15005550006"
api_url = "{twilio}"

[people.ana]
phone = "{ANA}"

[people.bo]
phone = "{BO}"

[teams]
devops = ["ana", "bo"]
"#,
            slack = self.slack.api_url(),
            twilio = self.twilio.origin(),
        );
        project
            .toml(&settings)
            .env("SLACK_BOT_TOKEN", slack::TOKEN)
            .env("TWILIO_ACCOUNT_SID", twilio::ACCOUNT)
            .env("TWILIO_AUTH_TOKEN", twilio::TOKEN)
    }
}
