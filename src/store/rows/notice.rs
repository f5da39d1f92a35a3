//! What a notification says, as JSON. Times are milliseconds.

use serde::{Deserialize, Serialize};

use super::failed_request::FailedRequestRow;
use super::{
    check_id, from_json, millis, outcome, region, subject, timestamp, to_json, unreadable,
};
use crate::domain::id::Region;
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::subject::Subject;
use crate::store::Error;

#[derive(Serialize, Deserialize)]
struct NoticeRow {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<u32>,
    /// Where the subject is a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
    /// Where it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    check_name: String,
    region: String,
    down: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regions: Vec<RegionStateRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<FailedRequestRow>,
    error: String,
    since: i64,
    failures_in_a_row: u32,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fails_again: bool,
}

/// Region, outcome, failures in a row.
#[derive(Serialize, Deserialize)]
struct RegionStateRow(String, String, u32);

impl From<&RegionState> for RegionStateRow {
    fn from(state: &RegionState) -> Self {
        let outcome = state.outcome.as_str().to_owned();
        Self(state.region.to_string(), outcome, state.failures_in_a_row)
    }
}

impl RegionStateRow {
    fn read(&self) -> Result<RegionState, Error> {
        let Self(name, word, failures_in_a_row) = self;
        Ok(RegionState {
            region: region(name)?,
            outcome: outcome(word)?,
            failures_in_a_row: *failures_in_a_row,
        })
    }
}

/// The tier of a notice as a number: 0 where its kind has none.
pub(in crate::store) fn tier(kind: NoticeKind) -> u32 {
    match kind {
        NoticeKind::Failing { tier } => tier,
        _ => 0,
    }
}

/// The JSON of a notice.
pub(in crate::store) fn notice_text(notice: &Notice) -> String {
    let (check, subject) = match &notice.subject {
        Subject::Check(check) => (Some(check.to_string()), None),
        other => (None, Some(other.to_string())),
    };
    to_json(&NoticeRow {
        kind: notice.kind.as_str().to_owned(),
        tier: Some(tier(notice.kind)).filter(|tier| *tier > 0),
        check,
        subject,
        check_name: notice.check_name.clone(),
        region: notice.region.as_str().to_owned(),
        down: notice.down.iter().map(Region::to_string).collect(),
        regions: notice.regions.iter().map(RegionStateRow::from).collect(),
        step: notice.step.clone(),
        request: notice.request.as_ref().map(FailedRequestRow::from),
        error: notice.error.clone(),
        since: millis(notice.since),
        failures_in_a_row: notice.failures_in_a_row,
        at: millis(notice.at),
        runbook: notice.runbook.clone(),
        note: notice.note.clone(),
        fails_again: notice.fails_again,
    })
}

/// Reads the JSON of a notice.
pub(in crate::store) fn notice(json: &str) -> Result<Notice, Error> {
    let row: NoticeRow = from_json("notice", json)?;
    let kind = match row.kind.as_str() {
        "failing" => NoticeKind::Failing { tier: row.tier.unwrap_or(1) },
        "blind" => NoticeKind::Blind,
        "recovered" => NoticeKind::Recovered,
        "lost" => NoticeKind::Lost,
        "withdrawn" => NoticeKind::Withdrawn,
        "closed" => NoticeKind::Closed,
        "acknowledged" => NoticeKind::Acknowledged,
        "noted" => NoticeKind::Noted,
        "drill" => NoticeKind::Drill,
        other => return Err(unreadable("notice", format!("`{other}` is not known"))),
    };
    let subject = match (row.subject, row.check) {
        (Some(text), _) => subject(&text)?,
        (None, Some(check)) => Subject::Check(check_id(&check)?),
        (None, None) => return Err(unreadable("notice", "it is about nothing")),
    };
    Ok(Notice {
        kind,
        subject,
        check_name: row.check_name,
        region: region(&row.region)?,
        down: row.down.iter().map(|name| region(name)).collect::<Result<_, _>>()?,
        regions: row.regions.iter().map(RegionStateRow::read).collect::<Result<_, _>>()?,
        step: row.step,
        request: row.request.map(FailedRequestRow::read).transpose()?,
        error: row.error,
        since: timestamp(row.since)?,
        failures_in_a_row: row.failures_in_a_row,
        at: timestamp(row.at)?,
        runbook: row.runbook,
        note: row.note,
        fails_again: row.fails_again,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::failed_request::FailedRequest;
    use crate::domain::id::CheckId;
    use crate::domain::run::Outcome;

    #[test]
    fn a_notice_comes_back_as_it_went() {
        let [eu, us, ap] = ["eu", "us", "ap"].map(|name| Region::new(name).expect("a good name"));
        let state = |region: &Region, outcome, failures_in_a_row| RegionState {
            region: region.clone(),
            outcome,
            failures_in_a_row,
        };
        let at = timestamp(1_790_000_000_123).expect("in range");
        let check = CheckId::new("shop/login").expect("a good name");
        let kinds = [
            (NoticeKind::Failing { tier: 2 }, Subject::Check(check.clone())),
            (NoticeKind::Recovered, Subject::Check(check.clone())),
            (NoticeKind::Withdrawn, Subject::Coverage(check)),
            (NoticeKind::Blind, Subject::Region(eu.clone())),
            (NoticeKind::Closed, Subject::Region(eu.clone())),
            (NoticeKind::Acknowledged, Subject::Region(eu.clone())),
            (NoticeKind::Noted, Subject::Region(eu.clone())),
            (NoticeKind::Drill, Subject::Drill),
            (NoticeKind::Recovered, Subject::Path("slack:#p1".parse().expect("a path"))),
        ];
        for (kind, subject) in kinds {
            let whole = Notice {
                kind,
                subject,
                check_name: "Sign in".into(),
                region: eu.clone(),
                down: vec![eu.clone()],
                regions: vec![
                    state(&eu, Outcome::Failed, 2),
                    state(&us, Outcome::Passed, 0),
                    state(&ap, Outcome::Unknown, 0),
                ],
                step: None,
                request: Some(FailedRequest {
                    method: "POST".into(),
                    url: "https://shop.example/login".into(),
                    status: Some(503),
                    error: None,
                    took: Duration::from_micros(412_345),
                }),
                error: "expected 200".into(),
                since: at,
                failures_in_a_row: 2,
                at,
                runbook: Some("https://wiki.example.com/login".into()),
                note: Some("fails again".into()),
                fails_again: true,
            };
            assert_eq!(notice(&notice_text(&whole)).expect("readable"), whole);
        }
    }
}
