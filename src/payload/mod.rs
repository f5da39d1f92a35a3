//! What a webhook is sent: an event as JSON, in our own form or in one that a template gives it, and the
//! signature that goes with it.
//!
//! The form is a promise to programs of others: fields are added, and none is renamed or taken away.
//! Must not: send, read files or the clock, or know how a notice came to be.

mod signature;
mod template;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use signature::{KeyError, SigningKey};
pub use template::{Template, TemplateError};

use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::run::Outcome;

/// What happened: the `type` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// This is the first word about an incident.
    Opened,
    /// It is still wrong: a further tier was reached, or people are reminded.
    Escalated,
    /// Somebody takes care of it.
    Acknowledged,
    /// It had been over, and is wrong again.
    Reopened,
    /// Somebody said something about it, or asked that nobody be told.
    Noted,
    /// What was wrong is over.
    Recovered,
    /// Its data are gone, so it is taken as over.
    Lost,
    /// What it was about is not watched any more.
    Withdrawn,
    /// Somebody says that it is over.
    Closed,
    /// Nothing: it shows that messages arrive.
    Drill,
    /// It tells of no incident: a message by hand, or one about Tripline itself.
    Message,
}

impl EventType {
    /// All types.
    pub const ALL: [Self; 11] = [
        Self::Opened,
        Self::Escalated,
        Self::Reopened,
        Self::Acknowledged,
        Self::Noted,
        Self::Recovered,
        Self::Lost,
        Self::Withdrawn,
        Self::Closed,
        Self::Drill,
        Self::Message,
    ];

    /// What a notice of this kind is to somebody who has heard of the incident before, or has not.
    pub fn of(notice: &Notice, first_word: bool) -> Self {
        match notice.kind {
            NoticeKind::Failing { .. } | NoticeKind::Blind if first_word => Self::Opened,
            NoticeKind::Failing { .. } | NoticeKind::Blind if notice.fails_again => Self::Reopened,
            NoticeKind::Failing { .. } | NoticeKind::Blind => Self::Escalated,
            NoticeKind::Acknowledged => Self::Acknowledged,
            NoticeKind::Noted => Self::Noted,
            NoticeKind::Recovered => Self::Recovered,
            NoticeKind::Lost => Self::Lost,
            NoticeKind::Withdrawn => Self::Withdrawn,
            NoticeKind::Closed => Self::Closed,
            NoticeKind::Drill => Self::Drill,
        }
    }

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "incident.opened",
            Self::Escalated => "incident.escalated",
            Self::Reopened => "incident.reopened",
            Self::Acknowledged => "incident.acknowledged",
            Self::Noted => "incident.noted",
            Self::Recovered => "incident.recovered",
            Self::Lost => "incident.lost",
            Self::Withdrawn => "incident.withdrawn",
            Self::Closed => "incident.closed",
            Self::Drill => "drill",
            Self::Message => "message",
        }
    }

    /// Whether the incident goes on.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Opened | Self::Escalated | Self::Reopened | Self::Acknowledged | Self::Noted
        )
    }
}

/// An event as it is sent where there is no template: the shape that the Standard Webhooks
/// specification recommends (<https://github.com/standard-webhooks/standard-webhooks>).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Payload {
    /// What happened, such as `incident.opened`.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// What there is to say.
    pub data: Data,
}

/// What there is to say of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// The number of the incident; null in a message that tells of none.
    pub incident: Option<i64>,
    /// The number of the notification, the same however often it is sent.
    pub notification: Option<i64>,
    /// Where the incident is shown.
    pub link: Option<String>,
    /// What it is about: `check:shop/login`.
    pub subject: Option<String>,
    /// What people call that.
    pub name: String,
    /// Whether the incident goes on.
    pub open: bool,
    /// Which tier was reached, counted from 1; null where none was.
    pub tier: Option<u32>,
    /// What happened, in one line.
    pub title: String,
    /// The whole message, as lines of text.
    pub text: String,
    /// The first failing step.
    pub step: Option<String>,
    /// The request on which it failed.
    pub request: Option<RequestRow>,
    /// The latest failure in one line.
    pub error: Option<String>,
    /// What else there is to say, in a sentence.
    pub note: Option<String>,
    /// Where whoever is told finds what to do.
    pub runbook: Option<String>,
    /// The region whose result led to this.
    pub region: Option<String>,
    /// All regions that are down.
    pub down: Vec<String>,
    /// How it is doing in each region.
    pub regions: Vec<RegionRow>,
    /// Failures in a row in `region`.
    pub failures_in_a_row: u32,
    /// The first failed slot.
    pub since: Timestamp,
    /// For how long it had lasted at `timestamp`, in seconds.
    pub lasted_seconds: u64,
    /// Whether this is the first that the receiver hears of the incident.
    pub first_word: bool,
    /// Whether this may have arrived before.
    pub possible_repeat: bool,
    /// What is wrong with the template, where this is sent in place of what it could not give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_error: Option<String>,
}

/// A request that failed, with what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRow {
    /// The method.
    pub method: String,
    /// The URL without its query.
    pub url: String,
    /// The status of the answer; null where there was none.
    pub status: Option<u16>,
    /// Why there was none, in one line.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// How something is doing in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionRow {
    /// The region.
    pub region: String,
    /// `passed`, `failed` or `unknown`.
    pub outcome: &'static str,
    /// Failures in a row, where it failed.
    pub failures_in_a_row: u32,
}

impl From<&RegionState> for RegionRow {
    fn from(state: &RegionState) -> Self {
        Self {
            region: state.region.to_string(),
            outcome: state.outcome.as_str(),
            failures_in_a_row: state.failures_in_a_row,
        }
    }
}

impl Payload {
    /// Takes over what needs no cleaning: all but the texts.
    pub fn of(notice: &Notice, first_word: bool) -> Self {
        let event = EventType::of(notice, first_word);
        let tier = match notice.kind {
            NoticeKind::Failing { tier } => Some(tier),
            _ => None,
        };
        let data = Data {
            subject: Some(notice.subject.to_string()),
            open: event.is_open(),
            tier,
            region: Some(notice.region.to_string()),
            down: notice.down.iter().map(Region::to_string).collect(),
            regions: notice.regions.iter().map(RegionRow::from).collect(),
            failures_in_a_row: notice.failures_in_a_row,
            since: notice.since,
            lasted_seconds: notice.lasted().as_secs(),
            first_word,
            ..Data::empty(notice.at)
        };
        Self { event: event.as_str(), timestamp: notice.at, data }
    }

    /// A message that tells of no incident.
    pub fn message(text: &str, at: Timestamp) -> Self {
        let (title, text) = (text.to_owned(), text.to_owned());
        let data = Data { name: "Tripline".to_owned(), title, text, ..Data::empty(at) };
        Self { event: EventType::Message.as_str(), timestamp: at, data }
    }

    /// Our own form, as the bytes of JSON.
    pub fn to_json(&self) -> String {
        // Structs with text keys are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One of each type, with and without all that may be missing: what a template is tried on.
    pub fn samples() -> Vec<Self> {
        let at = Timestamp::UNIX_EPOCH;
        let of = |event: EventType, data: Data| Self { event: event.as_str(), timestamp: at, data };
        let whole = |event: EventType| Data {
            incident: Some(42),
            notification: Some(7),
            link: Some("https://tripline.example.com/incidents/42".into()),
            subject: Some("check:login".into()),
            name: "Sign \"in\"".into(),
            open: event.is_open(),
            tier: Some(1),
            title: "Failing: Sign \"in\"".into(),
            text: "Failing: Sign \"in\"\nin eu".into(),
            step: Some("sign in".into()),
            request: Some(RequestRow {
                method: "POST".into(),
                url: "https://shop.example.com/login".into(),
                status: Some(503),
                error: None,
                took_ms: 412,
            }),
            error: Some("expected 200, received 503".into()),
            note: Some("acknowledged by ana".into()),
            runbook: Some("https://wiki.example.com/login".into()),
            region: Some("eu".into()),
            down: vec!["eu".into()],
            regions: vec![RegionRow {
                region: "eu".into(),
                outcome: Outcome::Failed.as_str(),
                failures_in_a_row: 1,
            }],
            failures_in_a_row: 1,
            first_word: true,
            ..Data::empty(at)
        };
        let sparse = |event: EventType| Data {
            incident: Some(42),
            notification: Some(7),
            open: event.is_open(),
            ..Data::empty(at)
        };
        let incidents = EventType::ALL.into_iter().filter(|it| *it != EventType::Message);
        let mut samples: Vec<Self> =
            incidents.flat_map(|it| [of(it, whole(it)), of(it, sparse(it))]).collect();
        samples.push(Self::message("TEST", at));
        samples
    }
}

impl Data {
    fn empty(at: Timestamp) -> Self {
        Self {
            incident: None,
            notification: None,
            link: None,
            subject: None,
            name: String::new(),
            open: false,
            tier: None,
            title: String::new(),
            text: String::new(),
            step: None,
            request: None,
            error: None,
            note: None,
            runbook: None,
            region: None,
            down: Vec::new(),
            regions: Vec::new(),
            failures_in_a_row: 0,
            since: at,
            lasted_seconds: 0,
            first_word: false,
            possible_repeat: false,
            template_error: None,
        }
    }
}
