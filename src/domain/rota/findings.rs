//! What is wrong with who is told: holes in rotas, people without a telephone number or an e-mail
//! address, policies that tell one person again and again.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Timestamp;
use crate::domain::id::PersonId;
use crate::domain::policy::{Channel, Mailbox, Policy, Recipient, Roster, Target};
use crate::domain::rota::Rota;
use crate::domain::zone::Zone;

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nobody of a rota is on duty for a while.
    Hole {
        /// The rota.
        rota: String,
        /// Who is told in their place.
        team: String,
        /// When; each a first moment, and one after the last.
        spans: Vec<(Timestamp, Timestamp)>,
    },
    /// No SMS can reach somebody who is to get some.
    NoPhone {
        /// Who.
        person: PersonId,
        /// The rotas and teams that name them.
        named_by: Vec<String>,
    },
    /// No e-mail can reach somebody to whom a policy sends some.
    NoEmail {
        /// Who.
        person: PersonId,
        /// The policies that name them, or a team or rota of theirs.
        named_by: Vec<String>,
    },
    /// Messages by a channel are only printed where the hub runs.
    NotSent {
        /// By what nothing is sent.
        channel: Channel,
        /// What it lacks.
        lack: String,
    },
    /// Of a policy with several tiers that call people, each calls the same person alone.
    SamePerson {
        /// The policy.
        policy: String,
        /// Who.
        person: PersonId,
        /// When; each a first moment, and one after the last.
        spans: Vec<(Timestamp, Timestamp)>,
    },
}

impl Finding {
    /// What is wrong, without when: a sentence without a full stop.
    pub fn in_words(&self) -> String {
        match self {
            Self::Hole { rota, team, .. } => {
                format!("{rota}: nobody is on duty, all of {team} are told")
            }
            Self::NoPhone { person, named_by } => {
                format!("{person}: no telephone number, though in {}", named_by.join(", "))
            }
            Self::NoEmail { person, named_by } => {
                format!("{person}: no e-mail address, though told by {}", named_by.join(", "))
            }
            Self::NotSent { channel, lack } => {
                let channel = channel.as_str();
                format!("{channel} is not sent, only printed by `tripline up`: {lack}")
            }
            Self::SamePerson { policy, person, .. } => {
                format!("policy {policy}: each tier calls {person} and nobody else")
            }
        }
    }

    /// When that is so; none where it is so always. Each is a first moment, and one after the last.
    pub fn spans(&self) -> &[(Timestamp, Timestamp)] {
        match self {
            Self::Hole { spans, .. } | Self::SamePerson { spans, .. } => spans,
            Self::NoPhone { .. } | Self::NoEmail { .. } | Self::NotSent { .. } => &[],
        }
    }

    /// The zone by whose clocks people read that: the rota's, where it is about one.
    pub fn zone(&self, roster: &Roster) -> Zone {
        match self {
            Self::Hole { rota, .. } => roster.rotas.get(rota).map_or(Zone::UTC, Rota::zone),
            _ => Zone::UTC,
        }
    }
}

/// How far one looks ahead for what is wrong.
pub const FORESEEN: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// All that is wrong from `from` to `until`.
pub fn findings<'a>(
    roster: &Roster,
    policies: impl IntoIterator<Item = &'a Policy>,
    (from, until): (Timestamp, Timestamp),
) -> Vec<Finding> {
    let policies: Vec<&Policy> = policies.into_iter().collect();
    let holes = roster.rotas.values().filter_map(|rota| {
        let shifts = rota.shifts(from, until).into_iter().filter(|it| it.duty.is_none());
        let spans: Vec<_> = shifts.map(|it| (it.from, it.until)).collect();
        let (name, team) = (rota.name.clone(), rota.team.clone());
        (!spans.is_empty()).then_some(Finding::Hole { rota: name, team, spans })
    });
    let repeated = policies.iter().flat_map(|it| same_person(roster, it, (from, until)));
    let unwritten = addressless(roster, &policies);
    holes.chain(phoneless(roster)).chain(unwritten).chain(repeated).collect()
}

fn addressless(roster: &Roster, policies: &[&Policy]) -> Vec<Finding> {
    let mut named: BTreeMap<PersonId, Vec<String>> = BTreeMap::new();
    for policy in policies {
        let mut people: BTreeSet<PersonId> = BTreeSet::new();
        for target in policy.tiers.iter().flat_map(|tier| &tier.notify) {
            for recipient in roster.recipients(target) {
                match recipient {
                    Recipient::Email(Mailbox::Person(person)) => people.extend([person]),
                    Recipient::EmailRota(rota) => {
                        let rota = roster.rotas.get(&rota);
                        people.extend(rota.into_iter().flat_map(Rota::people).cloned());
                    }
                    _ => {}
                }
            }
        }
        people.retain(|person| !roster.emails.contains_key(person));
        for person in people {
            named.entry(person).or_default().push(format!("policy {}", policy.name));
        }
    }
    let find = |(person, named_by)| Finding::NoEmail { person, named_by };
    named.into_iter().map(find).collect()
}

fn phoneless(roster: &Roster) -> Vec<Finding> {
    let has_none = |person: &PersonId| !matches!(roster.people.get(person), Some(Some(_)));
    let mut named: BTreeMap<PersonId, Vec<String>> = BTreeMap::new();
    let rotas = roster.rotas.iter().map(|(name, rota)| (format!("rota {name}"), rota.people()));
    let teams = roster.teams.iter();
    let teams = teams.map(|(name, team)| (format!("team {name}"), team.iter().collect()));
    for (name, people) in rotas.chain(teams) {
        for person in people.into_iter().filter(|it| has_none(it)) {
            named.entry(person.clone()).or_default().push(name.clone());
        }
    }
    let find = |(person, named_by)| Finding::NoPhone { person, named_by };
    named.into_iter().map(find).collect()
}

fn same_person(
    roster: &Roster,
    policy: &Policy,
    (from, until): (Timestamp, Timestamp),
) -> Vec<Finding> {
    let called = |target: &Target| match target {
        Target::Sms(name) => Some(name.clone()),
        Target::Slack(_) | Target::Email(_) | Target::Webhook(_) | Target::Pagerduty(_) => None,
    };
    let tiers = policy.tiers.iter().map(|it| it.notify.iter().filter_map(called).collect());
    let tiers: Vec<Vec<String>> = tiers.filter(|tier: &Vec<_>| !tier.is_empty()).collect();
    if tiers.len() < 2 {
        return Vec::new();
    }
    let rotas = tiers.iter().flatten().filter_map(|name| roster.rotas.get(name));
    let mut times: BTreeSet<Timestamp> = [from, until].into();
    times.extend(rotas.flat_map(|it| it.shifts(from, until)).map(|shift| shift.from));
    let mut spans: BTreeMap<PersonId, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for (begin, end) in times.iter().zip(times.iter().skip(1)) {
        let mut alone = tiers.iter().map(|tier| only_one(roster, tier, *begin));
        let Some(Some(person)) = alone.next() else { continue };
        if !alone.all(|other| other.as_ref() == Some(&person)) {
            continue;
        }
        let spans = spans.entry(person).or_default();
        match spans.last_mut().filter(|last| last.1 == *begin) {
            Some(last) => last.1 = *end,
            None => spans.push((*begin, *end)),
        }
    }
    let policy = || policy.name.clone();
    let find = |(person, spans)| Finding::SamePerson { policy: policy(), person, spans };
    spans.into_iter().map(find).collect()
}

/// Whom a tier calls at `at`, where that is one person.
fn only_one(roster: &Roster, tier: &[String], at: Timestamp) -> Option<PersonId> {
    let mut people: BTreeSet<PersonId> = BTreeSet::new();
    for name in tier {
        people.extend(roster.reached(name, at));
    }
    if people.len() == 1 { people.pop_first() } else { None }
}
