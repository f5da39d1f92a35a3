//! A route: who would be told if a check failed, when, and what keeps them from being told; in words.
//!
//! It decides nothing: what it says is what [`incident`](super::incident) and
//! [`restraint`](super::restraint) do. Telephone numbers are masked.

use std::collections::BTreeSet;

use super::Timestamp;
use super::check::Check;
use super::id::Region;
use super::policy::{Channel, Mailbox, Policy, Quorum, Recipient, Roster, Target};
use super::restraint::{About, Maintenance, Quiet, Scope, moment};
use super::rule::span;
use super::subject::Subject;

/// A tier of a policy in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its number, from 1.
    pub number: u32,
    /// What has to happen, after "after".
    pub condition: String,
    /// Who is told; empty where nobody is.
    pub told: Vec<Told>,
}

/// A target of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// By what it is told.
    pub channel: Channel,
    /// The target as it is written.
    pub target: String,
    /// The people that it means now; nobody's name where it means no people.
    pub people: Option<String>,
}

impl Told {
    /// The target, and in brackets what there is to say of it: the people that it means, and whether it
    /// `is_sent`.
    pub fn in_words(&self, is_sent: bool) -> String {
        let unsent = (!is_sent).then_some("NOT sent");
        let said: Vec<&str> = unsent.into_iter().chain(self.people.as_deref()).collect();
        if said.is_empty() {
            self.target.clone()
        } else {
            format!("{} ({})", self.target, said.join("; "))
        }
    }
}

/// Who is told when; those on duty at `at` where a rota is.
pub fn stages(policy: &Policy, roster: &Roster, at: Timestamp) -> Vec<Stage> {
    let stage = |(number, tier): (u32, &super::policy::Tier)| Stage {
        number,
        condition: tier.when.to_string(),
        told: tier.notify.iter().map(|it| spelled_out(it, roster, at)).collect(),
    };
    policy.numbered().map(stage).collect()
}

/// A target with the people that it means, those on duty at `at` where it is a rota.
fn spelled_out(target: &Target, roster: &Roster, at: Timestamp) -> Told {
    let people: Vec<String> = roster
        .called(target, at)
        .iter()
        .filter_map(|recipient| match recipient {
            Recipient::Sms(person) => {
                let phone = roster.people.get(person).and_then(Option::as_deref);
                Some(format!("{person} {}", phone.map_or("without a phone".into(), masked)))
            }
            Recipient::Email(Mailbox::Person(person)) => {
                let address = roster.emails.get(person).map(String::as_str);
                Some(format!("{person} {}", address.unwrap_or("without an e-mail address")))
            }
            Recipient::Email(Mailbox::Address(_))
            | Recipient::Slack(_)
            | Recipient::Rota(_)
            | Recipient::EmailRota(_)
            | Recipient::Webhook(_)
            | Recipient::Pagerduty(_) => None,
        })
        .collect();
    let people = match (target, people.is_empty()) {
        (Target::Slack(_) | Target::Webhook(_) | Target::Pagerduty(_), _) => None,
        (Target::Email(address), _) if Mailbox::is_address(address) => None,
        (Target::Sms(_) | Target::Email(_), true) => Some("nobody".to_owned()),
        (Target::Sms(_) | Target::Email(_), false) => Some(people.join(", ")),
    };
    Told { channel: target.channel(), target: target.to_string(), people }
}

/// A telephone number of which whoever has it knows that it is theirs, and nobody else can call it.
fn masked(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().collect();
    let hidden = digits.len().saturating_sub(3 + 2);
    let shown = |(place, digit): (usize, &char)| {
        if (3..3 + hidden).contains(&place) { '*' } else { *digit }
    };
    digits.iter().enumerate().map(shown).collect()
}

/// What else the policy says of a check with so many regions, a line each.
pub fn terms(policy: &Policy, regions: usize) -> Vec<String> {
    let wanted = policy.quorum.of(regions);
    let quorum = match policy.quorum {
        Quorum::All => "all".to_owned(),
        Quorum::Majority => format!("a majority, {wanted} of {regions}"),
        Quorum::Count(_) => format!("{wanted} of {regions}"),
    };
    let passes = match policy.recover_after {
        1 => "the first run that passes".to_owned(),
        runs => format!("{runs} passed runs in a row"),
    };
    let mut terms = vec![
        format!("regions that must agree: {quorum}"),
        format!("over after {passes} where it was down"),
    ];
    if !policy.reopen_within.is_zero() {
        let within = span(policy.reopen_within);
        terms.push(format!("the same incident again if it fails within {within} of its end"));
    }
    if let Some(every) = policy.repeat_every {
        let every = span(every);
        terms.push(format!("told again every {every} while nobody has acknowledged it"));
    }
    let lasts = span(policy.acknowledged_for);
    terms.push(format!("an acknowledgement holds what follows back for {lasts}"));
    terms
}

/// What keeps people from being told of a check, a sentence each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restraints {
    /// Now.
    pub now: Vec<String>,
    /// Later, by a plan.
    pub planned: Vec<String>,
}

/// What keeps people from being told of `check` at `at`, but for acknowledgements.
pub fn restraints(check: &Check, quiet: Quiet<'_>, at: Timestamp) -> Restraints {
    let subject = Subject::Check(check.id.clone());
    let fits = |scope: &Scope| {
        let anywhere = Scope { regions: BTreeSet::new(), ..scope.clone() };
        let about = About { subject: &subject, labels: &check.labels, down: &[] };
        let region = |region| scope.regions.contains(region);
        anywhere.covers(about) && (scope.regions.is_empty() || check.regions.iter().any(region))
    };
    let mut found = Restraints::default();
    for silence in quiet.silences.iter().filter(|it| it.from <= at && fits(&it.scope)) {
        let (id, by, until) = (silence.id, &silence.by, moment(silence.until));
        let only = only(&silence.scope);
        found.now.push(format!(
            "nobody is told now{only}: silence {id} by {by} until {until}: {}",
            silence.reason
        ));
    }
    for planned in quiet.maintenance.iter().filter(|it| fits(&it.scope)) {
        let Maintenance { name, scope, window } = planned;
        let only = only(scope);
        if let Some(until) = window.open_until(at) {
            let until = moment(until);
            found.now.push(format!("nobody is told now{only}: maintenance `{name}` until {until}"));
        } else if let Some(next) = window.next_after(at) {
            let next = moment(next);
            found.planned.push(format!("nobody is told{only} from {next}: maintenance `{name}`"));
        }
    }
    found
}

/// Where it runs elsewhere, too, and fails there, people are told.
fn only(scope: &Scope) -> String {
    let regions: Vec<&str> = scope.regions.iter().map(Region::as_str).collect();
    if regions.is_empty() {
        String::new()
    } else {
        format!(" where it is down in {} only", regions.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_cannot_be_called() {
        assert_eq!(masked("+4930123456"), "+49******56");
        assert_eq!(masked("+49"), "+49");
    }
}
