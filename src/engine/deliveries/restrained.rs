//! Alarms that were owed before somebody asked that nobody be woken, and did not leave until then.
//!
//! | an alarm that wakes | then |
//! |---|---|
//! | leaves at once | what was decided a moment ago holds: nothing is asked |
//! | was tried before, or waited | it is held while a restraint is in force |
//! | may have arrived, in a digest | repeated as it was |
//!
//! What is held is looked at again every [`LOOK_AGAIN`], since a silence may be ended by hand. Where the end
//! of an acknowledgement tells all of it again, that takes its place.

use std::time::Duration;

use super::Departure;
use crate::domain::id::IncidentId;
use crate::domain::restraint::{About, HELD_BACK};
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, after};
use crate::store::Claim;
use crate::store::gathering::Background;

/// An alarm that is owed for longer than this did not leave at once.
const AT_ONCE: Duration = Duration::from_secs(5);
/// One looks so often whether what is held may leave.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// So long after the end of a restraint, what follows from that end is decided.
const DECIDED_BY: Duration = Duration::from_secs(5);

impl Departure {
    /// What is to be known of the incident of an alarm that would wake somebody, and did not leave at once.
    pub(super) fn doubtful<'a>(&self, claim: &'a Claim) -> Option<(IncidentId, &'a Subject)> {
        let it = &claim.notification;
        let is_alarm = it.recipient.wakes() && it.notice.kind.is_alarm();
        let has_waited = it.failures > 0 || self.moment() > after(it.owed_at, AT_ONCE);
        let is_asked = is_alarm && has_waited && claim.gathered.is_none();
        is_asked.then_some((it.incident, &it.notice.subject))
    }

    /// Until when a doubtful alarm is held, and why.
    pub(super) fn restraint(
        &self,
        claim: &Claim,
        background: &Background,
    ) -> Option<(Timestamp, String)> {
        let (_, subject) = self.doubtful(claim)?;
        let open = &background.story.as_ref()?.history.record.incident;
        let now = self.moment();
        let rulebook = self.judge.as_ref().map(|judge| judge.current());
        let down = &claim.notification.notice.down;
        let acknowledged = open.story.acknowledged.as_ref();
        let restraint = match &rulebook {
            Some(rulebook) => {
                let about = About { subject, labels: rulebook.labels(subject), down };
                rulebook.quiet(&background.silences).restrains(about, acknowledged, now)
            }
            None => None,
        }?;
        let until = after(restraint.until, DECIDED_BY).min(after(now, LOOK_AGAIN));
        Some((until, format!("{HELD_BACK}{}", restraint.why)))
    }
}
