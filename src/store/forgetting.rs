//! What is forgotten, and the statements that both backends look for it with. Nothing here talks to a
//! database.

use uuid::Uuid;

use super::rows::run::first_id_at;
use super::{Error, Horizons, rows};
use crate::domain::Timestamp;
use crate::domain::coverage::hour_of;

/// The condition that no decision about an incident refers to a run.
pub(super) const ALONE: &str = "NOT EXISTS (SELECT 1 FROM decisions \
     WHERE run_id = runs.id AND incident_id IS NOT NULL)";

/// How many incidents are forgotten at a time.
pub(super) const INCIDENTS_AT_ONCE: i64 = 500;

/// Incidents that ended before `$1` and that nobody is still owed a message of, the oldest first. The
/// latest one stays whatever its age: the next is numbered after it.
pub(super) const OLD_INCIDENTS: &str = "SELECT id FROM incidents WHERE resolved_at < $1 \
     AND id < (SELECT max(id) FROM incidents) AND NOT EXISTS (SELECT 1 FROM notifications \
     WHERE incident_id = incidents.id AND state = 'owed') ORDER BY id LIMIT $2";

/// The word under which it is noted how far runs of all kinds were forgotten at once.
pub(super) const WHOLE: &str = "whole";

/// How far each part was forgotten.
pub(super) const FORGOTTEN: &str = "SELECT part, until_at FROM forgotten";

/// Before which slots runs were forgotten, as was `noted` of each part. Where nothing was noted of those
/// that were forgotten whole, as once nothing was, the `first` run that is left says so: hours are
/// `counted` from that of the first run on, and nothing is forgotten that is not counted.
pub(super) fn forgotten_until(
    noted: &[(String, i64)],
    first: Option<Timestamp>,
    counted: Option<(Timestamp, Timestamp)>,
) -> Result<Option<Timestamp>, Error> {
    let is_whole_noted = noted.iter().any(|(part, _)| part == WHOLE);
    let gone = match (first, counted) {
        _ if is_whole_noted => None,
        (Some(first), Some((from, _))) => Some(first).filter(|first| hour_of(*first) > from),
        (None, Some((_, until))) => Some(until),
        (_, None) => None,
    };
    let of_runs = noted.iter().filter(|(part, _)| part != Part::Details.as_str());
    let noted = of_runs.map(|(_, until)| *until).max().map(rows::timestamp).transpose()?;
    Ok(noted.max(gone))
}

/// Some of what is known of a time in which not everything is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What passed runs said.
    Details,
    /// Runs that passed.
    Passed,
    /// Runs that did not pass.
    Failed,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Details];

    /// The word under which it is noted how far it was forgotten.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Details => "details",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }

    /// Before which slots it is forgotten.
    pub(super) fn before(self, horizons: &Horizons) -> Timestamp {
        match self {
            Self::Details => horizons.details,
            Self::Passed => horizons.passed,
            Self::Failed => horizons.failed,
        }
    }

    /// The runs concerned, those that incidents refer to left out.
    fn condition(self) -> String {
        let kind = match self {
            Self::Details => "outcome = 'passed' AND trace IS NOT NULL",
            Self::Passed => "outcome = 'passed'",
            Self::Failed => "outcome <> 'passed'",
        };
        format!("{kind} AND {ALONE}")
    }

    /// Finds the last run of as many as are forgotten at a time, `$3` after the first, from the id
    /// `$1` on and below `$2`; none when there are fewer.
    pub(super) fn last(self) -> String {
        let condition = self.condition();
        format!(
            "SELECT id FROM runs WHERE id >= $1 AND id < $2 AND {condition} ORDER BY id \
             LIMIT 1 OFFSET $3"
        )
    }

    /// Forgets from the id `$1` on and below `$2`.
    pub(super) fn forget(self) -> String {
        let what = match self {
            Self::Details => "UPDATE runs SET trace = NULL",
            Self::Passed | Self::Failed => "DELETE FROM runs",
        };
        format!("{what} WHERE id >= $1 AND id < $2 AND {}", self.condition())
    }
}

/// Where some of a part is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// From this id on.
    pub(super) start: Uuid,
    /// Below this one.
    pub(super) end: Uuid,
}

impl Span {
    /// What is to be looked through of a part that was forgotten up to `mark`; none when there is
    /// nothing. What is older than all horizons is forgotten whole and not looked through, nor is
    /// what runs said that are forgotten themselves.
    pub(super) fn of(part: Part, horizons: &Horizons, mark: Option<Timestamp>) -> Option<Self> {
        let whole = match part {
            Part::Details => horizons.passed,
            Part::Passed | Part::Failed => horizons.oldest(),
        };
        let start = mark.map_or(whole, |mark| mark.max(whole));
        let end = part.before(horizons);
        (start < end).then(|| Self { start: first_id_at(start), end: first_id_at(end) })
    }

    /// The same up to a run and with it.
    pub(super) fn up_to(self, last: Option<Uuid>) -> Self {
        let after = last.and_then(|last| last.as_u128().checked_add(1)).map(Uuid::from_u128);
        Self { end: after.unwrap_or(self.end), ..self }
    }

    /// The slots before which all is forgotten then, in milliseconds: ids begin with them.
    pub(super) fn mark(self) -> i64 {
        i64::try_from(self.end.as_u128() >> 80).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> Timestamp {
        format!("2026-11-{day:02}T00:00:00Z").parse().expect("a time")
    }

    #[test]
    fn only_what_was_not_looked_through_is() {
        let before = Horizons { details: at(20), passed: at(15), failed: at(5), incidents: None };
        let span = |part, mark| Span::of(part, &before, mark);
        let between = |start, end| Some(Span { start: first_id_at(start), end: first_id_at(end) });
        assert_eq!(span(Part::Passed, None), between(at(5), at(15)));
        assert_eq!(span(Part::Passed, Some(at(1))), between(at(5), at(15)));
        assert_eq!(span(Part::Passed, Some(at(12))), between(at(12), at(15)));
        assert_eq!(span(Part::Passed, Some(at(15))), None);
        assert_eq!(span(Part::Details, None), between(at(15), at(20)));
        assert_eq!(span(Part::Details, Some(at(17))), between(at(17), at(20)));
        assert_eq!(span(Part::Failed, None), None, "all of that is forgotten whole");
    }

    #[test]
    fn what_was_forgotten_is_known_though_it_was_not_noted() {
        let until = |noted: &[(&str, Timestamp)], first, counted| {
            let millis = |(part, at): &(&str, Timestamp)| ((*part).into(), at.timestamp_millis());
            let noted: Vec<(String, i64)> = noted.iter().map(millis).collect();
            forgotten_until(&noted, first, counted).expect("times")
        };
        let moment = std::time::Duration::from_millis(1);
        assert_eq!(until(&[], None, None), None, "nothing ran");
        assert_eq!(until(&[], Some(at(3)), None), None, "nothing is counted");
        let counted = Some((at(3), at(9)));
        assert_eq!(
            until(&[], Some(at(3) + moment), counted),
            None,
            "all are there from the first on"
        );
        assert_eq!(until(&[], Some(at(5)), counted), Some(at(5)));
        assert_eq!(until(&[], None, counted), Some(at(9)), "of what is counted, nothing is left");
        let details = ("details", at(8));
        assert_eq!(until(&[details], Some(at(3) + moment), counted), None, "runs are there");
        assert_eq!(until(&[details, ("passed", at(6))], Some(at(5)), counted), Some(at(6)));
        assert_eq!(until(&[(WHOLE, at(4))], Some(at(5)), counted), Some(at(4)));
        assert_eq!(until(&[(WHOLE, at(4)), ("failed", at(6))], None, counted), Some(at(6)));
    }

    #[test]
    fn a_part_goes_on_where_it_was_left() {
        let before = Horizons { details: at(20), passed: at(20), failed: at(5), incidents: None };
        let span = Span::of(Part::Passed, &before, None).expect("there is something");
        assert_eq!(span.up_to(None).mark(), at(20).timestamp_millis());
        let last = Uuid::from_u128(first_id_at(at(7)).as_u128() + 17);
        let some = span.up_to(Some(last));
        assert_eq!(some.end.as_u128(), last.as_u128() + 1);
        assert_eq!(some.mark(), at(7).timestamp_millis());
    }
}
