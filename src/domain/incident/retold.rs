//! What people did about an incident, read back from the decisions that say so.
//!
//! The sentences are those that [`acting::act`](super::acting::act) writes; a test holds that whatever it
//! writes is read back. What time or a result decided is nobody's act.

use std::time::Duration;

use chrono::{NaiveDateTime, SubsecRound, TimeDelta};

use super::acting::{Act, LONGEST, SHORTEST};
use super::{Decision, DecisionKind};
use crate::domain::Timestamp;
use crate::domain::restraint::{Actor, Via};

/// Who did what by the decision that was made at `at`; `None` where nobody did anything, or asked that
/// nobody be told: silences are remembered themselves.
pub fn act_of(decision: &Decision, at: Timestamp) -> Option<(Actor, Act)> {
    let said = decision.reason.as_str();
    match decision.kind {
        DecisionKind::Acknowledged => {
            let (actor, rest) = actor(said.strip_prefix("acknowledged by ")?)?;
            let rest = rest.strip_prefix(" until ")?;
            let until = NaiveDateTime::parse_and_remainder(rest, "%Y-%m-%d %H:%M:%S UTC");
            let (until, rest) = until.ok()?;
            let rest = match rest.strip_prefix(", in place of ") {
                Some(before) => self::actor(before)?.1,
                None => rest,
            };
            let (_, reason) = ending(rest);
            // It lasts whole seconds, of which the sentence leaves out the parts.
            let parts = at - at.trunc_subsecs(0);
            let lasts = until.and_utc().checked_add_signed(parts)? - at;
            let lasts = lasts.to_std().unwrap_or_default().clamp(SHORTEST, LONGEST);
            Some((actor, Act::Acknowledge { reason, lasts: Some(lasts) }))
        }
        DecisionKind::LeftAlone => {
            let (actor, rest) = actor(said)?;
            (rest == " does not take care of it any more").then_some((actor, Act::TakeBack))
        }
        DecisionKind::Resolved => {
            let (actor, rest) = actor(said.strip_prefix("closed by ")?)?;
            let (_, reason) = ending(rest);
            Some((actor, Act::Resolve { reason }))
        }
        DecisionKind::Noted => {
            let (actor, rest) = actor(said)?;
            let act = match rest.strip_prefix(": ") {
                Some(text) => Act::Note { text: text.to_owned() },
                None => Act::Ran { deed: rest.strip_prefix(' ').filter(is_deed)?.to_owned() },
            };
            Some((actor, act))
        }
        _ => None,
    }
}

/// Whether somebody ran something by hand.
fn is_deed(text: &&str) -> bool {
    text.starts_with("ran it in ")
}

/// How long an acknowledgement of the past still lasts at `now`, if that is long enough for one.
pub fn still_lasts(until: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = until.signed_duration_since(now);
    let shortest = TimeDelta::from_std(SHORTEST).ok()?;
    (left >= shortest).then(|| left.to_std().unwrap_or(LONGEST).min(LONGEST))
}

/// The actor at the beginning of `text`, and what follows.
fn actor(text: &str) -> Option<(Actor, &str)> {
    let whole = |via: Via| {
        let named = Actor { name: String::new(), via }.to_string();
        let (name, rest) = text.split_once(&named)?;
        Some((name.len(), Actor { name: name.to_owned(), via }, rest))
    };
    let first = Via::ALL.into_iter().filter_map(whole).min_by_key(|(at, ..)| *at);
    first.map(|(_, actor, rest)| (actor, rest))
}

/// What stands before the reason, and the reason, if there is one.
fn ending(text: &str) -> (&str, Option<String>) {
    match text.split_once(": ") {
        Some((before, reason)) => (before, Some(reason.to_owned())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::incident::tending::Surroundings;
    use crate::domain::incident::{Cause, Incident, acting};
    use crate::domain::notice::{Notice, NoticeKind};
    use crate::domain::policy::Roster;
    use crate::domain::restraint::{About, Quiet};
    use crate::domain::subject::Subject;

    fn written(act: &Act, actor: &Actor, now: Timestamp) -> Decision {
        let region = Region::new("eu").expect("a name");
        let subject = Subject::Check(CheckId::new("login").expect("a name"));
        let cause = Cause::new(region.clone(), "503");
        let mut open = Incident::opening(now, now, cause);
        if *act == Act::TakeBack {
            open = taken_by(actor, &open, &subject, now);
        }
        decided(&open, act, actor, &subject, now).decisions.remove(0)
    }

    /// The same, of which `actor` takes care.
    fn taken_by(actor: &Actor, open: &Incident, subject: &Subject, now: Timestamp) -> Incident {
        let begun = Act::Acknowledge { reason: None, lasts: Some(Duration::from_hours(1)) };
        decided(open, &begun, actor, subject, now).incident.expect("acknowledged")
    }

    fn decided(
        open: &Incident,
        act: &Act,
        actor: &Actor,
        subject: &Subject,
        now: Timestamp,
    ) -> super::super::Transition {
        let labels = std::collections::BTreeMap::new();
        let notice = Notice {
            check_name: "login".into(),
            failures_in_a_row: 1,
            ..Notice::new(
                NoticeKind::Failing { tier: 1 },
                subject.clone(),
                open.cause.region.clone(),
                now,
            )
        };
        let around = Surroundings {
            policy: None,
            roster: &Roster::default(),
            about: About { subject, labels: &labels, down: &[] },
            notice: &notice,
            quiet: Quiet::default(),
        };
        acting::act(open, (act, actor), around, now).expect("it means something")
    }

    #[test]
    fn whatever_people_do_is_read_back() {
        let now: Timestamp = "2026-11-21T03:00:00.125Z".parse().expect("a time");
        let lasts = Some(Duration::from_mins(90));
        let acts = [
            Act::Acknowledge { reason: Some("on it: now".into()), lasts },
            Act::Acknowledge { reason: None, lasts },
            Act::TakeBack,
            Act::Resolve { reason: Some("rolled back: v2".into()) },
            Act::Resolve { reason: None },
            Act::Note { text: "it is (API): the database".into() },
        ];
        for (act, via) in acts.iter().flat_map(|act| Via::ALL.map(|via| (act, via))) {
            let actor = Actor { name: "Ana (shop)".into(), via };
            let read = act_of(&written(act, &actor, now), now);
            assert_eq!(read, Some((actor, act.clone())));
        }
    }

    #[test]
    fn what_is_taken_over_is_read_back() {
        let now: Timestamp = "2026-11-21T03:00:00.125Z".parse().expect("a time");
        let subject = Subject::Check(CheckId::new("login").expect("a name"));
        let cause = Cause::new(Region::new("eu").expect("a name"), "503");
        let before = Actor { name: "Bo: (night)".into(), via: Via::Sms };
        let open = taken_by(&before, &Incident::opening(now, now, cause), &subject, now);
        let actor = Actor { name: "ana".into(), via: Via::Web };
        for reason in [Some("mine: it is the cache".to_owned()), None] {
            let act = Act::Acknowledge { reason, lasts: Some(Duration::from_mins(90)) };
            let written = decided(&open, &act, &actor, &subject, now).decisions.remove(0);
            assert!(written.reason.contains("in place of Bo: (night) (SMS)"), "{written:?}");
            assert_eq!(act_of(&written, now), Some((actor.clone(), act)));
        }
    }

    #[test]
    fn what_nobody_did_is_no_act() {
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let silenced = Act::Silenced { until: now, reason: "a deploy".into() };
        let actor = Actor { name: "ana".into(), via: Via::Slack };
        assert_eq!(act_of(&written(&silenced, &actor, now), now), None);
        let said = |kind, reason: &str| act_of(&Decision { kind, reason: reason.into() }, now);
        let over = "the acknowledgement by ana (Slack) is over after 1 h, and it still fails";
        assert_eq!(said(DecisionKind::LeftAlone, over), None);
        assert_eq!(said(DecisionKind::Resolved, "passed in eu"), None);
        assert_eq!(
            said(DecisionKind::Acknowledged, "acknowledged by ana (Slack) until then"),
            None
        );
    }
}
