//! Who is called in place of a rota, at the moment a message leaves.
//!
//! | the rota | then |
//! |---|---|
//! | has somebody on duty who has a telephone | that person |
//! | has somebody on duty who has none, or nobody | all of its team who have one |
//! | is not there any more | all of the team, or the person, who has its name now |
//! | none of these reaches anybody | everyone who has a telephone; else everyone |
//!
//! The same holds of e-mail addresses in place of telephones, where it is told by e-mail.
//! So a message to a rota goes to nobody only where there are no people at all.

use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::policy::{Recipient, Roster};

/// Who is called, and why they.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who; empty only where there are no people.
    pub people: Vec<PersonId>,
    /// Why: a sentence without a full stop.
    pub reason: String,
}

/// Who is told in place of `recipient` at `at`, by the way that it names; `None` where it is no rota.
pub fn call_for(roster: &Roster, recipient: &Recipient, at: Timestamp) -> Option<Call> {
    match recipient {
        Recipient::Rota(name) => Some(call(roster, name, at)),
        Recipient::EmailRota(name) => {
            let has_address = |person: &PersonId| roster.emails.contains_key(person);
            Some(call_whom(roster, name, at, ("e-mail address", &has_address)))
        }
        _ => None,
    }
}

/// Who is called in place of the rota `name` at `at`.
pub fn call(roster: &Roster, name: &str, at: Timestamp) -> Call {
    let has_phone = |person: &PersonId| matches!(roster.people.get(person), Some(Some(_)));
    call_whom(roster, name, at, ("telephone number", &has_phone))
}

/// The same of those who have `what` it takes.
fn call_whom(
    roster: &Roster,
    name: &str,
    at: Timestamp,
    (what, has_it): (&str, &dyn Fn(&PersonId) -> bool),
) -> Call {
    let rota = roster.rotas.get(name);
    let duty = rota.and_then(|rota| rota.duty(at));
    if let Some(duty) = duty.as_ref().filter(|duty| has_it(&duty.person)) {
        let reason = format!("{} is on duty (rota {name}, {})", duty.person, duty.by);
        return Call { people: vec![duty.person.clone()], reason };
    }
    let why = match (rota, duty) {
        (Some(_), Some(duty)) => {
            format!("{} is on duty (rota {name}, {}) and has no {what}", duty.person, duty.by)
        }
        (Some(_), None) => format!("nobody is on duty (rota {name})"),
        (None, _) => format!("there is no rota {name} any more"),
    };
    let team = rota.map_or(name, |rota| &rota.team);
    let mut people = roster.members(team);
    people.retain(has_it);
    if !people.is_empty() {
        return Call { people, reason: format!("{why}, so all of {team} are told") };
    }
    let all = || roster.people.keys().cloned();
    people.extend(all().filter(has_it));
    if people.is_empty() {
        people.extend(all());
    }
    let told = if people.is_empty() { "and there is nobody else" } else { "so everyone is told" };
    Call { people, reason: format!("{why}, and {team} cannot be reached, {told}") }
}
