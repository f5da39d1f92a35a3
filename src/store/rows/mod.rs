//! The stored form of domain values, shared by the backends: numbers, words and JSON documents.
//!
//! The domain is not serialisable; the twins here are. What is stored lives for years, so a field
//! is added as optional, and none is renamed. Nothing here talks to a database.

pub(super) mod accounts;
pub(super) mod agents;
pub(super) mod errand;
mod exchange;
pub(super) mod failed_request;
pub(super) mod incident;
pub(super) mod notice;
pub(super) mod notification;
pub(super) mod output;
pub(super) mod past;
pub(super) mod path;
pub(super) mod rule;
pub(super) mod run;
pub(super) mod session;
pub(super) mod silence;
pub(super) mod story;
pub(super) mod streak;
pub(super) mod succession;
pub(super) mod trace;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SubsecRound};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Error;
use super::gathering::Answered;
use crate::domain::Timestamp;
use crate::domain::coverage::GapReason;
use crate::domain::id::{CheckId, NameError, PersonId, Region};
use crate::domain::incident::DecisionKind;
use crate::domain::notification::NotificationState;
use crate::domain::policy::{Channel, Mailbox, Recipient};
use crate::domain::run::Outcome;
use crate::domain::schedule::{Cron, Interval, Schedule};
use crate::domain::subject::{Subject, SubjectError};

/// What is stored keeps milliseconds; deciding with more would decide differently after a restart.
pub(super) fn whole_millis(at: Timestamp) -> Timestamp {
    at.trunc_subsecs(3)
}

pub(super) fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

pub(super) fn timestamp(millis: i64) -> Result<Timestamp, Error> {
    DateTime::from_timestamp_millis(millis)
        .ok_or_else(|| unreadable("time", format!("{millis} ms is out of range")))
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn duration(micros: i64) -> Result<Duration, Error> {
    let micros = u64::try_from(micros);
    micros.map(Duration::from_micros).map_err(|error| unreadable("duration", error))
}

pub(super) fn count(number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|error| unreadable("count", error))
}

pub(super) fn outcome(word: &str) -> Result<Outcome, Error> {
    let all = [Outcome::Passed, Outcome::Failed, Outcome::Unknown];
    named("outcome", &all, Outcome::as_str, word)
}

pub(super) fn decision_kind(word: &str) -> Result<DecisionKind, Error> {
    named("decision", &DecisionKind::ALL, DecisionKind::as_str, word)
}

pub(super) fn notification_state(word: &str) -> Result<NotificationState, Error> {
    named("state", &NotificationState::ALL, NotificationState::as_str, word)
}

pub(super) fn channel(word: &str) -> Result<Channel, Error> {
    named("channel", &Channel::ALL, Channel::as_str, word)
}

pub(super) fn recipient(channel_word: &str, address: String) -> Result<Recipient, Error> {
    Ok(match channel(channel_word)? {
        Channel::Slack => Recipient::Slack(address),
        Channel::Rota => Recipient::Rota(address),
        Channel::Sms => Recipient::Sms(person(&address)?),
        Channel::EmailRota => Recipient::EmailRota(address),
        Channel::Email if Mailbox::is_address(&address) => {
            Recipient::Email(Mailbox::Address(address))
        }
        Channel::Email => Recipient::Email(Mailbox::Person(person(&address)?)),
        Channel::Webhook => Recipient::Webhook(address),
        Channel::Pagerduty => Recipient::Pagerduty(address),
    })
}

/// Channel, when it was accepted, when it was acknowledged.
pub(super) fn answered(
    (word, accepted, acknowledged): (String, i64, i64),
) -> Result<Answered, Error> {
    Ok(Answered {
        channel: channel(&word)?,
        accepted_at: timestamp(accepted)?,
        acknowledged_at: timestamp(acknowledged)?,
    })
}

pub(super) fn person(text: &str) -> Result<PersonId, Error> {
    name("person", PersonId::new, text)
}

pub(super) fn check_id(text: &str) -> Result<CheckId, Error> {
    name("check", CheckId::new, text)
}

pub(super) fn subject(text: &str) -> Result<Subject, Error> {
    text.parse().map_err(|error: SubjectError| unreadable("subject", error.to_string()))
}

pub(super) fn region(text: &str) -> Result<Region, Error> {
    name("region", Region::new, text)
}

pub(super) fn gap_reason(word: &str) -> Result<GapReason, Error> {
    named("reason of a gap", &GapReason::ALL, GapReason::as_str, word)
}

pub(super) fn slots(what: &'static str, stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|error| unreadable(what, error))
}

/// `every <milliseconds>` or `cron <zone> <line>`.
pub(super) fn schedule_text(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(interval) => format!("every {}", interval.duration().as_millis()),
        Schedule::Cron(cron) => format!("cron {} {}", cron.zone(), cron.text()),
    }
}

pub(super) fn schedule(text: &str) -> Result<Schedule, Error> {
    let wrong = |reason: String| unreadable("schedule", format!("`{text}`: {reason}"));
    match text.split_once(' ') {
        Some(("every", millis)) => {
            let millis: u64 = millis.parse().map_err(|_| wrong("no number".to_owned()))?;
            let interval = Interval::new(Duration::from_millis(millis));
            interval.map(Schedule::Every).map_err(|error| wrong(error.to_string()))
        }
        Some(("cron", rest)) => {
            let (zone, line) =
                rest.split_once(' ').ok_or_else(|| wrong("no time zone".to_owned()))?;
            let cron = Cron::parse(line, zone).map_err(|error| wrong(error.to_string()))?;
            Ok(Schedule::Cron(Box::new(cron)))
        }
        _ => Err(wrong("neither `every` nor `cron`".to_owned())),
    }
}

pub(super) fn tiers_text(tiers: &BTreeSet<u32>) -> String {
    to_json(tiers)
}

pub(super) fn tiers(text: &str) -> Result<BTreeSet<u32>, Error> {
    from_json("list of tiers", text)
}

#[derive(Serialize, Deserialize)]
struct ToldRow(String, String);

pub(super) fn told_text(told: &BTreeSet<Recipient>) -> String {
    let row = |recipient: &Recipient| {
        ToldRow(recipient.channel().as_str().to_owned(), recipient.address().to_owned())
    };
    to_json(&told.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn told(text: &str) -> Result<BTreeSet<Recipient>, Error> {
    let rows: Vec<ToldRow> = from_json("list of recipients", text)?;
    rows.into_iter().map(|ToldRow(channel, address)| recipient(&channel, address)).collect()
}

pub(super) fn unreadable(
    what: &'static str,
    reason: impl Into<Box<dyn std::error::Error>>,
) -> Error {
    Error::Unreadable { what, reason: reason.into().to_string() }
}

/// PostgreSQL's text holds every character but one, and what SQLite reads out of JSON ends at that one; it is
/// shown as the replacement character.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("structs with text keys are always JSON")
}

fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}

fn name<T>(
    what: &'static str,
    new: impl Fn(&str) -> Result<T, NameError>,
    text: &str,
) -> Result<T, Error> {
    new(text).map_err(|error| unreadable(what, format!("`{text}`: {error}")))
}

fn named<T: Copy>(
    what: &'static str,
    all: &[T],
    word_of: impl Fn(T) -> &'static str,
    word: &str,
) -> Result<T, Error> {
    let found = all.iter().copied().find(|value| word_of(*value) == word);
    found.ok_or_else(|| unreadable(what, format!("`{word}` is not known")))
}
