//! A check as it travels from the hub to an agent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Malformed;
use crate::domain::check::{
    Check, Expectations, JsonExpectation, RequestSpec, StatusRange, TextExpectation, Work,
};
use crate::domain::exchange::Bodies;
use crate::domain::id::{CheckId, Region};
use crate::domain::schedule::{Cron, Interval, Schedule};

/// A check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckMessage {
    id: String,
    name: String,
    schedule: ScheduleMessage,
    regions: Vec<String>,
    timeout_ms: u64,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    runbook: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Later than the first versions, which keep none.
    #[serde(default, skip_serializing_if = "is_no")]
    omit_bodies: bool,
    work: WorkMessage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScheduleMessage {
    EveryMs(u64),
    Cron { line: String, zone: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WorkMessage {
    Script { entry: String },
    Request(Box<RequestMessage>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RequestMessage {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
    /// First and last.
    #[serde(default)]
    status: Vec<(u16, u16)>,
    #[serde(default)]
    body_texts: Vec<TextMessage>,
    /// Path and JSON text.
    #[serde(default)]
    json: Vec<(String, String)>,
    #[serde(default)]
    header_texts: Vec<(String, TextMessage)>,
    #[serde(default)]
    max_time_us: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TextMessage {
    Contains(String),
    Lacks(String),
    Matches(String),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_no(flag: &bool) -> bool {
    !flag
}

impl From<&Check> for CheckMessage {
    fn from(check: &Check) -> Self {
        Self {
            id: check.id.to_string(),
            name: check.name.clone(),
            schedule: match &check.schedule {
                Schedule::Every(interval) => ScheduleMessage::EveryMs(millis(interval.duration())),
                Schedule::Cron(cron) => ScheduleMessage::Cron {
                    line: cron.text().to_owned(),
                    zone: cron.zone().to_owned(),
                },
            },
            regions: check.regions.iter().map(ToString::to_string).collect(),
            timeout_ms: millis(check.timeout),
            policy: check.policy.clone(),
            runbook: check.runbook.clone(),
            labels: check.labels.clone(),
            omit_bodies: check.bodies == Bodies::Omitted,
            work: match &check.work {
                Work::Script { entry } => WorkMessage::Script { entry: entry.clone() },
                Work::Request(spec) => WorkMessage::Request(Box::new(spec.as_ref().into())),
            },
        }
    }
}

impl TryFrom<CheckMessage> for Check {
    type Error = Malformed;

    fn try_from(message: CheckMessage) -> Result<Self, Malformed> {
        let id = CheckId::new(&message.id).map_err(|error| Malformed::new("the id", error))?;
        let region =
            |text: &String| Region::new(text).map_err(|error| Malformed::new("a region", error));
        Ok(Self {
            id,
            name: message.name,
            schedule: message.schedule.try_into()?,
            regions: message.regions.iter().map(region).collect::<Result<_, _>>()?,
            timeout: Duration::from_millis(message.timeout_ms),
            policy: message.policy,
            runbook: message.runbook,
            labels: message.labels,
            bodies: if message.omit_bodies { Bodies::Omitted } else { Bodies::Kept },
            work: match message.work {
                WorkMessage::Script { entry } => Work::Script { entry },
                WorkMessage::Request(request) => Work::Request(Box::new((*request).into())),
            },
        })
    }
}

impl TryFrom<ScheduleMessage> for Schedule {
    type Error = Malformed;

    fn try_from(message: ScheduleMessage) -> Result<Self, Malformed> {
        let wrong = |error| Malformed::new("the schedule", error);
        match message {
            ScheduleMessage::EveryMs(millis) => {
                Interval::new(Duration::from_millis(millis)).map(Self::Every).map_err(wrong)
            }
            ScheduleMessage::Cron { line, zone } => {
                Cron::parse(&line, &zone).map(|cron| Self::Cron(Box::new(cron))).map_err(wrong)
            }
        }
    }
}

impl From<&RequestSpec> for RequestMessage {
    fn from(spec: &RequestSpec) -> Self {
        let Expectations { status, body, json, header, max_time } = &spec.expect;
        Self {
            method: spec.method.clone(),
            url: spec.url.clone(),
            headers: spec.headers.clone(),
            body: spec.body.clone(),
            status: status.iter().map(|range| (range.first, range.last)).collect(),
            body_texts: body.iter().map(TextMessage::from).collect(),
            json: json.iter().map(|it| (it.path.clone(), it.equals.clone())).collect(),
            header_texts: header.iter().map(|(name, it)| (name.clone(), it.into())).collect(),
            max_time_us: max_time.map(super::micros),
        }
    }
}

impl From<RequestMessage> for RequestSpec {
    fn from(message: RequestMessage) -> Self {
        let json = message.json.into_iter();
        let header = message.header_texts.into_iter();
        Self {
            method: message.method,
            url: message.url,
            headers: message.headers,
            body: message.body,
            expect: Expectations {
                status: message
                    .status
                    .into_iter()
                    .map(|(first, last)| StatusRange { first, last })
                    .collect(),
                body: message.body_texts.into_iter().map(TextExpectation::from).collect(),
                json: json.map(|(path, equals)| JsonExpectation { path, equals }).collect(),
                header: header.map(|(name, text)| (name, text.into())).collect(),
                max_time: message.max_time_us.map(Duration::from_micros),
            },
        }
    }
}

impl From<&TextExpectation> for TextMessage {
    fn from(text: &TextExpectation) -> Self {
        match text {
            TextExpectation::Contains(text) => Self::Contains(text.clone()),
            TextExpectation::Lacks(text) => Self::Lacks(text.clone()),
            TextExpectation::Matches(text) => Self::Matches(text.clone()),
        }
    }
}

impl From<TextMessage> for TextExpectation {
    fn from(message: TextMessage) -> Self {
        match message {
            TextMessage::Contains(text) => Self::Contains(text),
            TextMessage::Lacks(text) => Self::Lacks(text),
            TextMessage::Matches(text) => Self::Matches(text),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
