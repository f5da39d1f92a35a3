//! What is known of a rule, as JSON. Times are milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{from_json, millis, named, timestamp, to_json, unreadable};
use crate::domain::rule::change::Direction;
use crate::domain::rule::state::{RuleState, Standing, Track};
use crate::domain::rule::{LabelSet, RuleName};
use crate::store::Error;

#[derive(Serialize, Deserialize)]
struct StateRow {
    standing: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tracks: Vec<TrackRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluated_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unseen_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    is_lost: bool,
    #[serde(default)]
    in_a_row: u32,
    #[serde(default)]
    growths: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grown_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct TrackRow {
    labels: BTreeMap<String, String>,
    since: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    breached_at: Option<i64>,
    found_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cleared_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_since: Option<i64>,
    /// As text: JSON has no infinity.
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usual: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    direction: Option<String>,
    #[serde(default)]
    told: bool,
}

/// The JSON of a state.
pub(in crate::store) fn state_text(state: &RuleState) -> String {
    let pairs = |labels: &LabelSet| {
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let track = |(labels, track): (&LabelSet, &Track)| TrackRow {
        labels: pairs(labels),
        since: millis(track.since),
        breached_at: track.breached_at.map(millis),
        found_at: millis(track.found_at),
        cleared_at: track.cleared_at.map(millis),
        missing_since: track.missing_since.map(millis),
        value: track.value.to_string(),
        usual: track.usual.map(|usual| usual.to_string()),
        direction: track.direction.map(|direction| direction.as_str().to_owned()),
        told: track.told,
    };
    to_json(&StateRow {
        standing: state.standing.as_str().to_owned(),
        tracks: state.tracks.iter().map(track).collect(),
        evaluated_at: state.evaluated_at.map(millis),
        unseen_since: state.unseen_since.map(millis),
        seen_at: state.seen_at.map(millis),
        missing: state.missing.iter().map(pairs).collect(),
        is_lost: state.is_lost,
        in_a_row: state.in_a_row,
        growths: state.growths.0,
        grown_at: state.growths.1.map(millis),
        error: state.error.clone(),
    })
}

/// Reads a rule with its state.
pub(in crate::store) fn read(name: &str, json: &str) -> Result<(RuleName, RuleState), Error> {
    let name = RuleName::new(name).map_err(|error| unreadable("rule", error.to_string()))?;
    let row: StateRow = from_json("state of a rule", json)?;
    let time = |at: Option<i64>| at.map(timestamp).transpose();
    let state = RuleState {
        tracks: row.tracks.into_iter().map(TrackRow::read).collect::<Result<_, _>>()?,
        standing: named("standing", &Standing::ALL, Standing::as_str, &row.standing)?,
        evaluated_at: time(row.evaluated_at)?,
        unseen_since: time(row.unseen_since)?,
        seen_at: time(row.seen_at)?,
        missing: row.missing.into_iter().map(|labels| labels.into_iter().collect()).collect(),
        is_lost: row.is_lost,
        in_a_row: row.in_a_row,
        growths: (row.growths, time(row.grown_at)?),
        error: row.error,
    };
    Ok((name, state))
}

impl TrackRow {
    fn read(self) -> Result<(LabelSet, Track), Error> {
        const WAYS: [Direction; 2] = [Direction::Rising, Direction::Falling];
        let time = |at: Option<i64>| at.map(timestamp).transpose();
        let number = |text: &str| {
            text.parse::<f64>().map_err(|error| unreadable("value", format!("`{text}`: {error}")))
        };
        let way = |word: &str| named("direction", &WAYS, Direction::as_str, word);
        let track = Track {
            since: timestamp(self.since)?,
            breached_at: time(self.breached_at)?,
            found_at: timestamp(self.found_at)?,
            cleared_at: time(self.cleared_at)?,
            missing_since: time(self.missing_since)?,
            value: number(&self.value)?,
            usual: self.usual.as_deref().map(number).transpose()?,
            direction: self.direction.as_deref().map(way).transpose()?,
            told: self.told,
        };
        Ok((self.labels.into_iter().collect(), track))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_went() {
        let at = timestamp(1_790_000_000_123).expect("in range");
        let track = Track {
            since: at,
            breached_at: Some(at),
            found_at: at,
            cleared_at: Some(at),
            missing_since: Some(at),
            value: f64::INFINITY,
            usual: Some(0.1 + 0.2),
            direction: Some(Direction::Rising),
            told: true,
        };
        let pending = Track {
            breached_at: None,
            missing_since: None,
            usual: None,
            direction: None,
            ..track.clone()
        };
        let labels = |host: &str| [("host", host), ("quoted", "a\"b")].into_iter().collect();
        for standing in Standing::ALL {
            let whole = RuleState {
                tracks: [(labels("a"), track.clone()), (labels("b"), pending.clone())].into(),
                standing,
                evaluated_at: Some(at),
                unseen_since: Some(at),
                seen_at: None,
                missing: [labels("c")].into(),
                is_lost: true,
                in_a_row: 3,
                growths: (2, Some(at)),
                error: Some("too much".into()),
            };
            let (name, state) = read("logins: collapse", &state_text(&whole)).expect("readable");
            assert_eq!((name.as_str(), state), ("logins: collapse", whole));
        }
        let (_, empty) = read("a", &state_text(&RuleState::default())).expect("readable");
        assert_eq!(empty, RuleState::default());
    }
}
