//! Alarms that were owed before somebody asked that nobody be woken, and did not leave until then.
//!
//! | an alarm that wakes | then |
//! |---|---|
//! | leaves at once | what was decided a moment ago holds: nothing is asked |
//! | was tried before, or waited | it is held while a restraint is in force |
//! | would be told with others, in a digest | it is left out of that while a restraint is in force |
//! | may have arrived, in a digest | repeated as it was |
//!
//! What is held is looked at again every [`LOOK_AGAIN`], since a silence may be ended by hand. Where the end
//! of an acknowledgement tells all of it again, that takes its place.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Departure;
use crate::domain::id::{IncidentId, NotificationId};
use crate::domain::restraint::{About, HELD_BACK};
use crate::domain::storm::Crowd;
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, after};
use crate::store::gathering::{Asked, Background, MOST};
use crate::store::{Claim, Error, IncidentFilter, IncidentRecord};

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
        let rulebook = self.judge.as_ref()?.current();
        // By now it may be down elsewhere, too, where nobody asked for quiet.
        let down = match &background.story.as_ref()?.down[..] {
            [] => &claim.notification.notice.down[..],
            down => down,
        };
        let acknowledged = open.story.acknowledged.as_ref();
        let about = About { subject, labels: rulebook.labels(subject), down };
        let restraint = rulebook.quiet(&background.silences).restrains(about, acknowledged, now)?;
        let until = after(restraint.until, DECIDED_BY).min(after(now, LOOK_AGAIN));
        Some((until, format!("{HELD_BACK}{}", restraint.why)))
    }

    /// Those of `others` that may be told with a message that wakes somebody: no alarm of an incident that
    /// somebody takes care of by now, or of which nobody is to be told.
    pub(super) async fn unrestrained(
        &self,
        claim: &Claim,
        crowd: &Crowd,
        mut others: Vec<NotificationId>,
    ) -> Result<Vec<NotificationId>, Error> {
        let wakes = claim.notification.recipient.wakes() && !others.is_empty();
        let Some(judge) = self.judge.as_ref().filter(|_| wakes) else { return Ok(others) };
        let (store, now) = (&self.parts.store, self.moment());
        let filter = IncidentFilter { open_only: true, limit: MOST, ..IncidentFilter::default() };
        let open = store.incidents(&filter).await?;
        let asked = Asked { silences: Some(now), ..Asked::default() };
        let silences = store.background(&asked).await?.silences;
        let rulebook = judge.current();
        let quiet = rulebook.quiet(&silences);
        let is_restrained = |record: &&IncidentRecord| {
            let (subject, incident) = (&record.subject, &record.incident);
            let told = incident.story.notice.as_ref().map_or(&[][..], |notice| &notice.down);
            let began = std::slice::from_ref(&incident.cause.region);
            let down = if told.is_empty() { began } else { told };
            let about = About { subject, labels: rulebook.labels(subject), down };
            quiet.restrains(about, incident.story.acknowledged.as_ref(), now).is_some()
        };
        let restrained: BTreeSet<IncidentId> =
            open.iter().filter(is_restrained).map(|record| record.id).collect();
        let held: BTreeSet<NotificationId> = crowd
            .waiting
            .iter()
            .filter(|it| restrained.contains(&it.incident))
            .map(|it| it.id)
            .collect();
        others.retain(|id| !held.contains(id));
        Ok(others)
    }
}
