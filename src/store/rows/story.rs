//! What people were told of an incident and what they did, as JSON. Times are milliseconds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::notice::{notice, notice_text};
use super::{from_json, millis, named, timestamp, to_json, told, told_text};
use crate::domain::incident::Story;
use crate::domain::restraint::{Acknowledgement, Actor, Restraint, Via};
use crate::store::Error;

#[derive(Serialize, Deserialize, Default, PartialEq)]
#[serde(default)]
struct StoryRow {
    tellings: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    told_at: Option<i64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    held: BTreeSet<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<String>,
    /// JSON in a text, as it is stored elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_from: Option<String>,
    /// What it is called in a sentence, and until when it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    maintained: Option<(String, i64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AcknowledgementRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_alone_since: Option<i64>,
    reopened: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reopened_at: Option<i64>,
    /// JSON in a text, as it is stored elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
}

#[derive(Serialize, Deserialize, PartialEq)]
struct AcknowledgementRow {
    by: ActorRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    at: i64,
    until: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    taken_back: bool,
}

/// Name and way.
#[derive(Serialize, Deserialize, PartialEq)]
struct ActorRow(String, String);

/// The word of a way.
pub(in crate::store) fn via(word: &str) -> Result<Via, Error> {
    named("way", &Via::ALL, Via::as_str, word)
}

/// The JSON of a story.
pub(in crate::store) fn text(story: &Story) -> String {
    let acknowledged = story.acknowledged.as_ref().map(|it| AcknowledgementRow {
        by: ActorRow(it.by.name.clone(), it.by.via.as_str().to_owned()),
        reason: it.reason.clone(),
        at: millis(it.at),
        until: millis(it.until),
        taken_back: it.taken_back,
    });
    to_json(&StoryRow {
        tellings: story.tellings,
        told_at: story.told_at.map(millis),
        held: story.held.clone(),
        held_by: story.held_by.clone(),
        held_from: (!story.held_from.is_empty()).then(|| told_text(&story.held_from)),
        maintained: story.maintained.as_ref().map(|it| (it.why.clone(), millis(it.until))),
        acknowledged,
        left_alone_since: story.left_alone_since.map(millis),
        reopened: story.reopened,
        reopened_at: story.reopened_at.map(millis),
        notice: story.notice.as_ref().map(notice_text),
    })
}

/// Reads the JSON of a story.
pub(in crate::store) fn read(text: &str) -> Result<Story, Error> {
    let row: StoryRow = from_json("story of an incident", text)?;
    let time = |millis: Option<i64>| millis.map(timestamp).transpose();
    let acknowledged = row.acknowledged.map(|it| {
        let ActorRow(name, way) = it.by;
        Ok::<_, Error>(Acknowledgement {
            by: Actor { name, via: via(&way)? },
            reason: it.reason,
            at: timestamp(it.at)?,
            until: timestamp(it.until)?,
            taken_back: it.taken_back,
        })
    });
    Ok(Story {
        tellings: row.tellings,
        told_at: time(row.told_at)?,
        held: row.held,
        held_by: row.held_by,
        held_from: row.held_from.as_deref().map(told).transpose()?.unwrap_or_default(),
        maintained: row
            .maintained
            .map(|(why, until)| Ok::<_, Error>(Restraint { why, until: timestamp(until)? }))
            .transpose()?,
        acknowledged: acknowledged.transpose()?,
        left_alone_since: time(row.left_alone_since)?,
        reopened: row.reopened,
        reopened_at: time(row.reopened_at)?,
        notice: row.notice.as_deref().map(notice).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Recipient;

    #[test]
    fn a_story_comes_back_as_it_went() {
        let at = timestamp(1_790_000_000_123).expect("in range");
        let whole = Story {
            tellings: 3,
            told_at: Some(at),
            held: [2].into(),
            held_by: Some("maintenance `db`".into()),
            maintained: Some(Restraint { why: "maintenance `db`".into(), until: at }),
            held_from: [Recipient::Slack("#p2".into())].into(),
            acknowledged: Some(Acknowledgement {
                by: Actor { name: "ana".into(), via: Via::Sms },
                reason: Some("on it".into()),
                at,
                until: at,
                taken_back: true,
            }),
            left_alone_since: Some(at),
            reopened: 1,
            reopened_at: Some(at),
            notice: None,
        };
        for story in [whole, Story::default()] {
            assert_eq!(read(&text(&story)).expect("readable"), story);
        }
        assert_eq!(read("{}").expect("readable"), Story::default());
    }
}
