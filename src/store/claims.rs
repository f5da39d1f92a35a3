//! Claims: what is noted when one was lost, and what settling one changes. Decided here for all
//! backends, before anything is written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::{Claim, Ended, Epoch, Standing};
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::{Attempt, NotificationState, Settlement};
use crate::domain::path::Path;
use crate::domain::rota::Call;

/// Up to this far ahead of the clock, it was only corrected; beyond it, it was set back.
pub(super) const CORRECTION: Duration = Duration::from_secs(30);

/// What is noted of a lost lease on a possible repeat that had not left.
pub(super) const STOPPED_BEFORE: &str = "whoever was to repeat it stopped before it left";
/// What is noted of any other lost lease.
pub(super) const STOPPED_MEANWHILE: &str =
    "whoever was sending it stopped before its outcome was known";

/// What is stored of a notification when a claim on it is settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    pub(super) state: NotificationState,
    /// Its latest lease, running or not.
    pub(super) epoch: Epoch,
    /// Whether that lease was neither settled nor taken away.
    pub(super) leased: bool,
    /// Whether this very attempt is recorded.
    pub(super) recorded: bool,
}

/// Why a message of this kind takes the place of earlier ones that were not sent, if it does.
pub(super) fn supersedes(kind: NoticeKind) -> Option<&'static str> {
    if kind.is_end() {
        Some(OVER)
    } else if kind.is_alarm() {
        Some(TOLD_AGAIN)
    } else {
        None
    }
}

/// What is noted of what was not sent before the end of its incident was owed.
pub(super) const OVER: &str = "it was over before this could be sent; the recovery says both";
/// What is noted of what was not sent before it was told again.
pub(super) const TOLD_AGAIN: &str =
    "it was told again before this could be sent; the later message says both";

/// The kinds that say that it is over ([`NoticeKind::is_end`]).
macro_rules! ends {
    () => {
        "('recovered', 'lost', 'withdrawn', 'closed')"
    };
}
pub(super) use ends;

/// The kinds that say that something is wrong ([`NoticeKind::is_alarm`]).
macro_rules! alarms {
    () => {
        "('failing', 'blind')"
    };
}
pub(super) use alarms;

/// Supersedes those of `$1`, which were in somebody's hands and did not leave, in whose place another came
/// meanwhile, as [`supersedes`] says; [`OVER`] is `$2` and [`TOLD_AGAIN`] `$3`. To every database, which
/// says how `$1` holds numbers. They are found by those: `state || ''` keeps the indices of what is owed out
/// of it.
macro_rules! supersede_what_stayed {
    ($those:literal) => {
        concat!(
            "UPDATE notifications AS mine SET state = 'superseded', \
             settled_at = (SELECT max(later.owed_at) ",
            crate::store::claims::later!(),
            "), reason = CASE WHEN EXISTS (SELECT 1 ",
            crate::store::claims::later!(),
            " AND later.kind IN ",
            crate::store::claims::ends!(),
            ") THEN $2 ELSE $3 END WHERE ",
            $those,
            " AND state || '' = 'owed' AND lease_until IS NULL AND digest IS NULL \
             AND NOT possible_repeat AND EXISTS (SELECT 1 ",
            crate::store::claims::later!(),
            ")"
        )
    };
}
pub(super) use supersede_what_stayed;

/// What takes the place of `mine`. What is told in place of another says what became of that, which no
/// later message does but the end.
macro_rules! later {
    () => {
        concat!(
            "FROM notifications AS later WHERE later.incident_id = mine.incident_id \
             AND later.channel = mine.channel AND later.address = mine.address \
             AND later.telling > mine.telling AND (later.kind IN ",
            crate::store::claims::ends!(),
            " OR later.kind IN ",
            crate::store::claims::alarms!(),
            " AND mine.kind IN ",
            crate::store::claims::alarms!(),
            " AND mine.in_place_of IS NULL)"
        )
    };
}
pub(super) use later;

/// Says of `mine` whether its recipient has heard nothing of the incident before.
macro_rules! is_first_word {
    () => {
        "first_word = NOT EXISTS (SELECT 1 FROM notifications AS earlier \
         WHERE earlier.incident_id = mine.incident_id AND earlier.channel = mine.channel \
         AND earlier.address = mine.address AND earlier.id < mine.id \
         AND (earlier.state IN ('sent', 'in_digest') OR earlier.possible_repeat))"
    };
}
pub(super) use is_first_word;

/// What did not leave by these attempts and may be superseded now.
pub(super) fn stayed(settling: &[Settling<'_, '_>]) -> Vec<i64> {
    let held = settling.iter().filter(|(_, effect)| *effect == Effect::Settle);
    let all = held.flat_map(|(it, _)| {
        let own = (it.claim.notification.id, it.settlement);
        std::iter::once(own).chain(it.shared.iter().map(|(id, settlement)| (*id, settlement)))
    });
    let stayed = all.filter(|(_, follows)| {
        follows.state == NotificationState::Owed && !follows.possible_repeat
    });
    stayed.map(|(id, _)| id.0).collect()
}

/// What the message to a rota becomes when those of a call are told in its place.
pub(super) fn handed_on(call: &Call, told_before: bool) -> (NotificationState, String) {
    match (told_before, call.people.is_empty()) {
        (true, _) => (
            NotificationState::HandedOn,
            "it is over: those who were told in place of the rota are told".to_owned(),
        ),
        (false, false) => (NotificationState::HandedOn, call.reason.clone()),
        (false, true) => (NotificationState::GivenUp, call.reason.clone()),
    }
}

/// Whether something stays in its digest, for which an attempt at that means `own`, and for the digest
/// `head`: what was told by it names it, and what may have arrived with it is repeated with it.
pub(super) fn stays_gathered(head: &Settlement, own: &Settlement) -> bool {
    let is_frozen = head.state == NotificationState::Owed && head.possible_repeat;
    own.state != NotificationState::Owed || is_frozen
}

/// What settling changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The attempt is recorded and the settlement comes true.
    Settle,
    /// The attempt is recorded and the notification was sent, whoever claims it now.
    Accept,
    /// Nothing.
    Nothing(Standing),
}

/// An attempt with what recording it changes.
pub(super) type Settling<'e, 'a> = (&'e Ended<'a>, Effect);

/// When a message left that was sent alone; of digests, that is written with all in them.
pub(super) fn left_at(ended: &Ended<'_>) -> Option<Timestamp> {
    let was_sent =
        ended.claim.gathered.is_none() && ended.settlement.state == NotificationState::Sent;
    was_sent.then_some(ended.started_at)
}

/// Those by which a message was sent whose claims are no longer held: they say still when it left and was
/// accepted.
pub(super) fn stamped<'e, 'a>(settling: &[Settling<'e, 'a>]) -> Vec<&'e Ended<'a>> {
    let was_sent =
        |(it, effect): &&Settling<'e, 'a>| *effect == Effect::Accept && left_at(it).is_some();
    settling.iter().filter(was_sent).map(|(it, _)| *it).collect()
}

/// The paths that are broken by what came of messages that are tried on, with why and since when. Of those
/// that are given up, whoever decides who is told instead finds that out.
pub(super) fn found_broken<'e>(
    settling: &[Settling<'e, '_>],
) -> BTreeMap<Path, (&'e str, Timestamp)> {
    let is_tried_on = |(it, effect): &&Settling<'e, '_>| {
        *effect == Effect::Settle
            && it.settlement.state == NotificationState::Owed
            && matches!(it.attempt, Attempt::Broken { .. })
    };
    let broken = settling.iter().filter(is_tried_on).map(|(it, _)| {
        let path = Path::of_credentials(&it.claim.notification.recipient);
        (path, (it.settlement.reason.as_str(), it.ended_at))
    });
    broken.collect()
}

/// What settling each of `ended` changes; what is not `present` was forgotten.
pub(super) fn effects(
    ended: &[Ended<'_>],
    present: &HashMap<NotificationId, Present>,
) -> Vec<Effect> {
    let of = |it: &Ended<'_>| match present.get(&it.claim.notification.id) {
        Some(present) => Effect::of(*present, it.claim, it.attempt),
        None => Effect::Nothing(Standing::Lost),
    };
    ended.iter().map(of).collect()
}

/// Parts of `ended`, in order, in each of which no notification is named twice, so that it can be written
/// by statements that do not see what they write.
pub(super) fn rounds<'e, 'a>(ended: &'e [Ended<'a>]) -> Vec<&'e [Ended<'a>]> {
    let (mut rounds, mut first, mut named) = (Vec::new(), 0, HashSet::new());
    for (at, it) in ended.iter().enumerate() {
        let id = it.claim.notification.id;
        if !named.insert(id) {
            rounds.push(&ended[first..at]);
            first = at;
            named = HashSet::from([id]);
        }
    }
    if first < ended.len() {
        rounds.push(&ended[first..]);
    }
    rounds
}

impl Effect {
    /// What settling `claim` after `attempt` changes.
    pub(super) fn of(present: Present, claim: &Claim, attempt: &Attempt) -> Self {
        let Present { state, epoch, leased, recorded } = present;
        let owed = state == NotificationState::Owed;
        if recorded {
            Self::Nothing(Standing::Held)
        } else if owed && leased && epoch == claim.epoch {
            Self::Settle
        } else if matches!(attempt, Attempt::Accepted { .. }) {
            Self::Accept
        } else {
            Self::Nothing(Standing::Lost)
        }
    }

    /// Whether the claim was held.
    pub(super) fn standing(self) -> Standing {
        match self {
            Self::Settle => Standing::Held,
            Self::Accept => Standing::Lost,
            Self::Nothing(standing) => standing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_mean_the_kinds_that_the_domain_means() {
        let listed = |words: &[&str]| format!("('{}')", words.join("', '"));
        let kinds = [
            NoticeKind::Failing { tier: 1 },
            NoticeKind::Blind,
            NoticeKind::Recovered,
            NoticeKind::Lost,
            NoticeKind::Withdrawn,
            NoticeKind::Closed,
            NoticeKind::Acknowledged,
            NoticeKind::Noted,
            NoticeKind::Drill,
        ];
        let kinds = kinds.map(|kind| (kind, kind.as_str()));
        let ends: Vec<&str> = kinds.iter().filter(|it| it.0.is_end()).map(|it| it.1).collect();
        let alarms: Vec<&str> = kinds.iter().filter(|it| it.0.is_alarm()).map(|it| it.1).collect();
        assert_eq!((ends!(), alarms!()), (&*listed(&ends), &*listed(&alarms)));
    }
}
