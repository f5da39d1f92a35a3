//! What it means that somebody does something about an open incident.
//!
//! | act | condition | then |
//! |---|---|---|
//! | acknowledge | | further tiers are held back until it ends; those who follow are told who takes care |
//! | acknowledge | acknowledged already | the new one takes its place, and says whose |
//! | take back | acknowledged | as if its time were over: all who were told are told again |
//! | resolve | | resolved; what fails on opens it again |
//! | note, silence | | those who follow are told |
//! | a run asked for by hand | | those who follow are told |
//! | | it is over by then | those are told who follow it in a thread; it stays over |
//!
//! Those who follow are the recipients that were told and whom such a message does not wake
//! ([`Recipient::follows`](crate::domain::policy::Recipient::follows)).

use std::time::Duration;

use super::tending::{self, Surroundings};
use super::{Decision, DecisionKind, Incident, Owed, Transition, resolved, telling};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::policy::Policy;
use crate::domain::restraint::{Acknowledgement, Actor, moment};
use crate::domain::{Timestamp, after};

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Takes care of it.
    Acknowledge {
        /// What they say.
        reason: Option<String>,
        /// For how long; else the policy says.
        lasts: Option<Duration>,
    },
    /// Does not take care of it any more.
    TakeBack,
    /// Says that it is over.
    Resolve {
        /// What they say.
        reason: Option<String>,
    },
    /// Says something about it.
    Note {
        /// What they say.
        text: String,
    },
    /// Had the check run once, outside its schedule.
    Ran {
        /// What came of it, as what follows their name.
        deed: String,
    },
    /// Asked that nobody be told of it, by a silence that was made beside.
    Silenced {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
}

/// Why an act changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is over already.
    #[error("the incident is resolved already, since {}", moment(*.0))]
    Resolved(Timestamp),
    /// Nobody has acknowledged it.
    #[error("nobody has acknowledged the incident")]
    NotAcknowledged,
    /// An acknowledgement that ends at once, or not within [`LONGEST`].
    #[error("an acknowledgement lasts from one minute to seven days")]
    Length,
}

/// The longest that an acknowledgement may last.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The shortest.
pub const SHORTEST: Duration = Duration::from_mins(1);

/// What `act` by `actor` means at `now`.
///
/// # Errors
///
/// [`Refused`] where it means nothing.
pub fn act(
    open: &Incident,
    (act, actor): (&Act, &Actor),
    around: Surroundings<'_>,
    now: Timestamp,
) -> Result<Transition, Refused> {
    let Surroundings { policy, notice, about, quiet, .. } = around;
    // Whoever asked for a run learns what came of it, be it over by then.
    if let Some(at) = open.resolved_at.filter(|_| !matches!(act, Act::Ran { .. })) {
        return Err(Refused::Resolved(at));
    }
    let mut transition = match act {
        Act::Acknowledge { reason, lasts } => {
            acknowledge(open, (reason.as_ref(), *lasts), actor, around, now)?
        }
        Act::TakeBack => {
            let mut incident = open.clone();
            let acknowledged = incident.story.acknowledged.as_mut().filter(|it| now < it.until);
            let Some(acknowledged) = acknowledged else { return Err(Refused::NotAcknowledged) };
            // The next look at it finds that its time is over, and tells.
            (acknowledged.until, acknowledged.taken_back) = (now, true);
            let note = format!("{actor} does not take care of it any more");
            followed(incident, (DecisionKind::LeftAlone, NoticeKind::Noted), note, notice)
        }
        Act::Resolve { reason } => {
            let note = format!("closed by {actor}{}", said(reason.as_ref()));
            let notice = Notice {
                kind: NoticeKind::Closed,
                at: now,
                note: Some(note.clone()),
                ..notice.clone()
            };
            resolved(open, &notice, note, now)
        }
        Act::Note { text } => {
            let kinds = (DecisionKind::Noted, NoticeKind::Noted);
            followed(open.clone(), kinds, format!("{actor}: {text}"), notice)
        }
        Act::Ran { deed } => {
            let kinds = (DecisionKind::Noted, NoticeKind::Noted);
            in_threads(followed(open.clone(), kinds, format!("{actor} {deed}"), notice))
        }
        Act::Silenced { until, reason } => {
            let note = format!("silenced by {actor} until {}: {reason}", moment(*until));
            followed(open.clone(), (DecisionKind::Noted, NoticeKind::Noted), note, notice)
        }
    };
    for owed in &mut transition.owed {
        owed.notice.at = now;
    }
    telling::number(&mut transition, now);
    if let Some(incident) = transition.incident.as_mut().filter(|it| it.resolved_at.is_none()) {
        incident.due_at = tending::due(incident, policy, (about, quiet), now);
    }
    Ok(transition)
}

/// Somebody takes care of it from now on, in place of whoever did.
fn acknowledge(
    open: &Incident,
    (reason, lasts): (Option<&String>, Option<Duration>),
    actor: &Actor,
    Surroundings { policy, notice, .. }: Surroundings<'_>,
    now: Timestamp,
) -> Result<Transition, Refused> {
    let default = policy.map_or(Policy::ACKNOWLEDGED_FOR, |it| it.acknowledged_for);
    if lasts.is_some_and(|lasts| !(SHORTEST..=LONGEST).contains(&lasts)) {
        return Err(Refused::Length);
    }
    let until = after(now, lasts.unwrap_or(default));
    let mut incident = open.clone();
    let mine = Acknowledgement {
        by: actor.clone(),
        reason: reason.cloned(),
        at: now,
        until,
        taken_back: false,
    };
    let before = incident.story.acknowledged.replace(mine).filter(|it| now < it.until);
    let before = before.filter(|it| it.by.name != actor.name);
    let instead = before.map(|it| format!(", in place of {}", it.by)).unwrap_or_default();
    let until = moment(until);
    let note = format!("acknowledged by {actor} until {until}{instead}{}", said(reason));
    let kinds = (DecisionKind::Acknowledged, NoticeKind::Acknowledged);
    Ok(followed(incident, kinds, note, notice))
}

/// Their reason, as the end of a sentence.
fn said(reason: Option<&String>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// What is said of an incident that is over: by itself, it would read as if that went on.
fn in_threads(mut said: Transition) -> Transition {
    if said.incident.as_ref().is_some_and(|it| it.resolved_at.is_some()) {
        said.owed.retain(|owed| owed.recipient.channel().has_thread());
    }
    said
}

/// A change that only those who follow are told of.
fn followed(
    incident: Incident,
    (decided, kind): (DecisionKind, NoticeKind),
    note: String,
    notice: &Notice,
) -> Transition {
    let notice = Notice { kind, note: Some(note.clone()), ..notice.clone() };
    let following = incident.told.iter().filter(|it| it.follows(kind));
    Transition {
        streak: None,
        owed: following.map(|it| Owed::to(it, &notice)).collect(),
        decisions: vec![Decision { kind: decided, reason: note }],
        incident: Some(incident),
    }
}
