//! Succession: who is told instead, when a message did not arrive.
//!
//! | what did not arrive | told instead |
//! |---|---|
//! | a message to a person | the person by their next way |
//! | by all of the person's ways | nobody, where another of their team has the same message |
//! | | whoever of the rota is next: who is on duty now, the next layers, the rest of its team |
//! | | the next of the person's teams |
//! | of all of these | the `fallback` of the project |
//! | and of those | nobody, where anybody has the same message; else everyone |
//! | a message in a Slack channel | the `fallback` of the project |
//! | by a channel that is broken | the `fallback` of the project; without one, as above, by other channels |
//! | a drill ([`drill`](super::drill)), and what is over or was acknowledged meanwhile | nobody |
//!
//! Nobody is told the same twice: whoever was told in the same telling is passed over, whatever came of
//! it. When everyone was tried, or is still being tried, a message is tried on until it arrives, others have it
//! or it is over, where what kept it from leaving may pass; else it is lost, and that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Timestamp;
use super::id::PersonId;
use super::notice::NoticeKind;
use super::notification::{Notification, NotificationState};
use super::path::Path;
use super::policy::{Channel, Recipient, Roster, Target};
use super::restraint::Actor;

/// The longest reason that a sentence quotes, in characters.
const LONGEST_REASON: usize = 160;

/// What nobody else can be told is tried again so long after it was given up.
pub const TRIED_ON_AFTER: Duration = Duration::from_mins(1);

/// In which order people are tried, as the project says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// How each person is told, the first way first; a person who is not here has a telephone or nothing.
    pub ways: BTreeMap<PersonId, Vec<Recipient>>,
    /// Who is told when nobody else can be.
    pub fallback: Vec<Target>,
    /// Who is reached by credentials of their own, whatever becomes of those of the channel.
    pub apart: BTreeSet<Recipient>,
}

impl Order {
    /// The ways of a person.
    pub fn ways_of(&self, person: &PersonId) -> Vec<Recipient> {
        let only = || vec![Recipient::Sms(person.clone())];
        self.ways.get(person).cloned().unwrap_or_else(only)
    }

    /// Whose way it is.
    pub fn person<'a>(&'a self, recipient: &'a Recipient) -> Option<&'a PersonId> {
        if let Recipient::Sms(person) = recipient {
            return Some(person);
        }
        self.ways.iter().find(|(_, ways)| ways.contains(recipient)).map(|(person, _)| person)
    }
}

/// How the incident stands by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Somebody is to be told.
    Open,
    /// Somebody takes care of it.
    Acknowledged(Actor),
    /// It is over.
    Over,
}

/// A message that did not arrive.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The message.
    pub notification: &'a Notification,
    /// Why it did not arrive.
    pub reason: &'a str,
    /// The rota in whose place the recipient was told.
    pub rota: Option<&'a str>,
    /// Who else was to be told the same, and how that stands.
    pub others: &'a [(Recipient, NotificationState)],
    /// The paths by which nothing can be sent now.
    pub broken: &'a BTreeSet<Path>,
    /// Whether this is the message that found its path broken.
    pub finds_it_broken: bool,
    /// Whether what kept it from leaving may pass: nobody answered, or the channel is broken.
    pub may_still_leave: bool,
    /// How the incident stands.
    pub standing: &'a Standing,
}

/// Who is told instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heirs {
    /// Who; nobody where somebody knows already, or nobody is left.
    pub recipients: Vec<Recipient>,
    /// Why they, or why nobody: a sentence without a full stop.
    pub sentence: String,
    /// What they read beside the message.
    pub note: String,
    /// Whether nobody is left who could be told, and the message is not tried any more.
    pub is_lost: bool,
    /// Whether nobody is left who could be told, and the message is tried on.
    pub is_tried_on: bool,
}

/// Who is told at `at` instead of the recipient of `case`.
pub fn heirs(roster: &Roster, order: &Order, case: &Case<'_>, at: Timestamp) -> Heirs {
    let recipient = &case.notification.recipient;
    let what = format!("{} did not arrive ({})", message_to(recipient, order), reason(case));
    let nobody = |why: &str| Heirs {
        recipients: Vec::new(),
        sentence: format!("{what}: {why}"),
        note: String::new(),
        is_lost: false,
        is_tried_on: false,
    };
    let lost = |why: &str| {
        if case.may_still_leave {
            let why = format!("{why}; it is tried on until it arrives or is over");
            Heirs { is_tried_on: true, ..nobody(&why) }
        } else {
            Heirs { is_lost: true, ..nobody(why) }
        }
    };
    if case.notification.notice.kind == NoticeKind::Drill {
        return nobody("it was a drill, so nobody is told instead");
    }
    match case.standing {
        Standing::Over => return nobody("it is over, so nobody is told instead"),
        Standing::Acknowledged(by) => {
            return nobody(&format!("{by} takes care of it, so nobody is told instead"));
        }
        Standing::Open => {}
    }
    let line = Line { roster, order, case, at };
    match line.next() {
        Next::Told(recipients) => Heirs {
            sentence: format!("{what}: {} instead", told(&recipients, order)),
            note: note(case, order, &recipients),
            recipients,
            is_lost: false,
            is_tried_on: false,
        },
        Next::Known(_) if line.is_alone() => lost("nobody has the same message yet"),
        Next::Known(who) => nobody(&format!("{who} told the same, so nobody is told instead")),
        Next::Unwritten => lost("nobody is told instead, because [hub] names no `fallback`"),
        Next::Nobody => lost("nobody is left who could be told"),
    }
}

/// Who comes next.
enum Next {
    /// These are told.
    Told(Vec<Recipient>),
    /// Somebody has the same message: "bo is", "others are".
    Known(String),
    /// It was to a place and not to a person, and no other place is written.
    Unwritten,
    /// Everyone was tried.
    Nobody,
}

struct Line<'a> {
    roster: &'a Roster,
    order: &'a Order,
    case: &'a Case<'a>,
    at: Timestamp,
}

impl Line<'_> {
    fn next(&self) -> Next {
        let recipient = &self.case.notification.recipient;
        if self.is_broken(recipient) {
            let fallback = self.fallback();
            if !fallback.is_empty() {
                return Next::Told(fallback);
            }
            // Somebody told there reads it for all whose messages cannot leave.
            if self.others().any(|(it, has)| has && self.is_fallback(it)) {
                return Next::Known("the fallback is".into());
            }
        }
        match self.order.person(recipient) {
            Some(person) => self.after_person(person),
            None if matches!(recipient, Recipient::Rota(_)) => self.after_all(),
            None => self.after_place(),
        }
    }

    fn after_person(&self, person: &PersonId) -> Next {
        if let Some(way) = self.way_of(person) {
            return Next::Told(vec![way]);
        }
        let line = self.after(person);
        let has = |person: &&PersonId| {
            self.others().any(|(it, has)| has && self.order.person(it) == Some(*person))
        };
        if let Some(person) = line.iter().find(has) {
            return Next::Known(format!("{person} is"));
        }
        match line.iter().find_map(|person| self.way_of(person)) {
            Some(way) => Next::Told(vec![way]),
            None => self.after_all(),
        }
    }

    fn after_place(&self) -> Next {
        let fallback = self.fallback();
        if !fallback.is_empty() {
            Next::Told(fallback)
        } else if self.others().any(|(_, has)| has) {
            Next::Known("others are".into())
        } else if self.order.fallback.is_empty() {
            Next::Unwritten
        } else {
            self.everyone()
        }
    }

    fn after_all(&self) -> Next {
        let fallback = self.fallback();
        if !fallback.is_empty() {
            Next::Told(fallback)
        } else if self.others().any(|(_, has)| has) {
            Next::Known("others are".into())
        } else {
            self.everyone()
        }
    }

    fn everyone(&self) -> Next {
        let everyone = self.roster.people.keys().filter_map(|person| self.way_of(person));
        let everyone: Vec<Recipient> = everyone.collect();
        if everyone.is_empty() { Next::Nobody } else { Next::Told(everyone) }
    }

    fn is_broken(&self, recipient: &Recipient) -> bool {
        !self.order.apart.contains(recipient)
            && self.case.broken.iter().any(|path| path.reaches(recipient))
    }

    /// Whether the message may still leave by itself, and none of the others has left.
    fn is_alone(&self) -> bool {
        use NotificationState::{InDigest, Sent};
        let has = |state: &NotificationState| matches!(state, Sent | InDigest);
        self.case.may_still_leave
            && !self.is_broken(&self.case.notification.recipient)
            && !self.case.others.iter().any(|(_, state)| has(state))
    }

    /// Others who were to be told the same, and whether they have it or still may.
    fn others(&self) -> impl Iterator<Item = (&Recipient, bool)> {
        let has = |state| {
            use NotificationState::{InDigest, Owed, Sent};
            matches!(state, Sent | InDigest | Owed)
        };
        self.case.others.iter().map(move |(recipient, state)| (recipient, has(*state)))
    }

    /// Whether `recipient` was not tried and can be reached, as far as is known.
    fn is_open(&self, recipient: &Recipient) -> bool {
        let has_number = match recipient {
            Recipient::Sms(person) => matches!(self.roster.people.get(person), Some(Some(_))),
            _ => true,
        };
        has_number
            && *recipient != self.case.notification.recipient
            && !self.is_broken(recipient)
            && !self.others().any(|(tried, _)| tried == recipient)
    }

    /// The first way of a person that is open.
    fn way_of(&self, person: &PersonId) -> Option<Recipient> {
        self.order.ways_of(person).into_iter().find(|way| self.is_open(way))
    }

    fn fallback(&self) -> Vec<Recipient> {
        let mut open: Vec<Recipient> = Vec::new();
        for recipient in self.all_fallback() {
            if self.is_open(&recipient) && !open.contains(&recipient) {
                open.push(recipient);
            }
        }
        open
    }

    fn is_fallback(&self, recipient: &Recipient) -> bool {
        self.all_fallback().any(|it| it == *recipient)
    }

    fn all_fallback(&self) -> impl Iterator<Item = Recipient> {
        self.order.fallback.iter().flat_map(|target| self.roster.called(target, self.at))
    }

    /// Who follows `person`, the nearest first.
    fn after(&self, person: &PersonId) -> Vec<PersonId> {
        let mut line: Vec<PersonId> = Vec::new();
        let mut add = |next: PersonId| {
            if next != *person && !line.contains(&next) {
                line.push(next);
            }
        };
        if let Some(rota) = self.case.rota.and_then(|name| self.roster.rotas.get(name)) {
            rota.on_duty(self.at).into_iter().for_each(&mut add);
            let layers = rota.layers.iter().rev();
            layers.filter_map(|layer| layer.on_duty(self.at)).cloned().for_each(&mut add);
            from(person, &self.roster.members(&rota.team)).for_each(&mut add);
        }
        for team in self.roster.teams.values().filter(|team| team.contains(person)) {
            from(person, team).for_each(&mut add);
        }
        line
    }
}

/// All of `team`, beginning with whoever comes after `person`.
fn from(person: &PersonId, team: &[PersonId]) -> impl Iterator<Item = PersonId> + use<> {
    let first = team.iter().position(|it| it == person).map_or(0, |place| place + 1);
    let (before, after) = team.split_at(first);
    [after, before].concat().into_iter()
}

/// "the SMS to ana", "the message in #p2".
fn message_to(recipient: &Recipient, order: &Order) -> String {
    match (recipient, order.person(recipient)) {
        (Recipient::Sms(person), _) => format!("the SMS to {person}"),
        (Recipient::Rota(name), _) => format!("the message to the rota {name}"),
        (_, Some(person)) => format!("the message to {person} by {}", way(recipient.channel())),
        (_, None) => format!("the message to {recipient}"),
    }
}

/// How a channel is called.
fn way(channel: Channel) -> &'static str {
    if channel == Channel::Slack {
        "Slack"
    } else if channel == Channel::Sms {
        "SMS"
    } else {
        channel.as_str()
    }
}

/// "bo is told by SMS", "slack:#ops and slack:#it are told".
fn told(recipients: &[Recipient], order: &Order) -> String {
    let name = |recipient: &Recipient| match order.person(recipient) {
        Some(person) => format!("{person} (by {})", way(recipient.channel())),
        None => recipient.to_string(),
    };
    if let [one] = recipients {
        return match order.person(one) {
            Some(person) => format!("{person} is told by {}", way(one.channel())),
            None => format!("{one} is told"),
        };
    }
    let names: Vec<String> = recipients.iter().map(name).collect();
    let (last, first) = names.split_last().map_or(("nobody", &[][..]), |(it, rest)| (it, rest));
    format!("{} and {last} are told", first.join(", "))
}

fn reason(case: &Case<'_>) -> String {
    let mut reason: String = case.reason.chars().take(LONGEST_REASON).collect();
    if reason.len() < case.reason.len() {
        reason.push('…');
    }
    reason
}

/// What those who are told instead read: why they, in a few words.
fn note(case: &Case<'_>, order: &Order, recipients: &[Recipient]) -> String {
    let recipient = &case.notification.recipient;
    if case.finds_it_broken {
        let path = Path::of_credentials(recipient);
        let what = match path.recipient() {
            Some(_) => path.as_str(),
            None => way(path.channel()),
        };
        return format!(
            "nothing can be sent by {what} until somebody sets it right, {}",
            reason(case)
        );
    }
    let person = order.person(recipient);
    let is_same = recipients.iter().any(|it| person.is_some() && order.person(it) == person);
    let whom = match person {
        Some(_) if is_same => "you".to_owned(),
        Some(person) => person.to_string(),
        None => recipient.to_string(),
    };
    format!("told to you because {} did not reach {whom}", by(recipient.channel()))
}

fn by(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "an SMS",
        _ => "a message",
    }
}

#[cfg(test)]
mod tests;
