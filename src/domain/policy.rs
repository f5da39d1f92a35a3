//! Who is told, and at which stage.

mod recipient;

pub use recipient::{Channel, Mailbox, Recipient};

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Timestamp;
use super::id::PersonId;
use super::rota::{self, Rota};
use super::rule::span;
use super::streak::Streak;

/// Who is told at which stage of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name that checks use.
    pub name: String,
    /// How many regions must agree before a tier is reached.
    pub quorum: Quorum,
    /// How many passed runs in a row end being down in a region; at least 1.
    pub recover_after: u32,
    /// What fails again so soon after its incident was resolved opens that one again; zero never.
    pub reopen_within: Duration,
    /// How often those whom the tiers reached so far have told are told again, while nobody has
    /// acknowledged it.
    pub repeat_every: Option<Duration>,
    /// How long an acknowledgement holds when whoever gives it does not say.
    pub acknowledged_for: Duration,
    /// The stages, mildest first. The first one is reached by failures.
    pub tiers: Vec<Tier>,
}

impl Policy {
    /// The name of the policy that applies when none is written.
    pub const DEFAULT_NAME: &str = "p2-then-p1";

    /// How soon a failure opens an incident again, where nothing is written.
    pub const REOPEN_WITHIN: Duration = Duration::from_mins(10);
    /// How long an acknowledgement holds, where nothing is written.
    pub const ACKNOWLEDGED_FOR: Duration = Duration::from_hours(4);

    /// One that tells of tiers, with all else as where nothing is written.
    pub fn of(name: &str, tiers: Vec<Tier>) -> Self {
        Self {
            name: name.to_owned(),
            quorum: Quorum::Count(1),
            recover_after: 1,
            reopen_within: Self::REOPEN_WITHIN,
            repeat_every: None,
            acknowledged_for: Self::ACKNOWLEDGED_FOR,
            tiers,
        }
    }

    /// The tiers with their numbers, from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, &Tier)> {
        (1u32..).zip(&self.tiers)
    }

    /// How many failures of a region are to be remembered one by one.
    pub fn failures_remembered(&self) -> usize {
        let most = self.tiers.iter().filter_map(|tier| tier.when.failures_remembered()).max();
        most.map_or(0, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// The built-in policy: the first failure to Slack `#p2`, the second in a row to Slack `#p1`
    /// and, when there is a team to call, by SMS to everyone in it.
    pub fn built_in(team: Option<&str>) -> Self {
        let sms = team.map(|team| Target::Sms(team.to_owned()));
        let p1 = std::iter::once(Target::Slack("#p1".into())).chain(sms).collect();
        let tiers = vec![Tier::after(1, vec![Target::Slack("#p2".into())]), Tier::after(2, p1)];
        Self::of(Self::DEFAULT_NAME, tiers)
    }
}

/// One stage: its condition and whom it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// When it is reached.
    pub when: Condition,
    /// Who is told.
    pub notify: Vec<Target>,
}

impl Tier {
    /// One that is reached after so many failures in a row.
    pub fn after(failures_in_a_row: u32, notify: Vec<Target>) -> Self {
        Self { when: Condition::FailuresInARow(failures_in_a_row), notify }
    }
}

/// When a tier is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// By a region in which this many runs in a row have failed; at least 1.
    FailuresInARow(u32),
    /// By a region in which so many of the last runs that passed or failed have failed.
    FailuresOfLast {
        /// How many; from 1 to [`Condition::MOST_FAILURES`].
        failures: u32,
        /// Of how many; at least as many.
        of_last: u32,
    },
    /// By a region in which so many runs have failed within so long.
    FailuresWithin {
        /// How many; from 1 to [`Condition::MOST_FAILURES`].
        failures: u32,
        /// From the first of these failures to the last.
        within: Duration,
    },
    /// By an incident that nobody has acknowledged for so long.
    UnacknowledgedFor(Duration),
    /// By an incident that has been open for so long.
    OpenFor(Duration),
}

impl Condition {
    /// The most failures that are counted otherwise than in a row.
    pub const MOST_FAILURES: u32 = 100;

    /// Whether results reach it, and not time alone.
    pub fn is_of_results(self) -> bool {
        match self {
            Self::FailuresInARow(_) | Self::FailuresOfLast { .. } | Self::FailuresWithin { .. } => {
                true
            }
            Self::UnacknowledgedFor(_) | Self::OpenFor(_) => false,
        }
    }

    /// Whether a region with `streak`, whose last answer is a failure, meets it.
    pub fn is_met_in(self, streak: &Streak) -> bool {
        match self {
            Self::FailuresInARow(wanted) => streak.failures >= wanted,
            Self::FailuresOfLast { failures, of_last } => {
                streak.recent.failed_of_last(of_last) >= failures
            }
            Self::FailuresWithin { failures, within } => {
                streak.recent.failed_within(within) >= failures
            }
            Self::UnacknowledgedFor(_) | Self::OpenFor(_) => false,
        }
    }

    fn failures_remembered(self) -> Option<u32> {
        match self {
            Self::FailuresOfLast { failures, .. } | Self::FailuresWithin { failures, .. } => {
                Some(failures)
            }
            Self::FailuresInARow(_) | Self::UnacknowledgedFor(_) | Self::OpenFor(_) => None,
        }
    }
}

impl fmt::Display for Condition {
    /// What has to happen, after "when" or "after".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FailuresInARow(1) => f.write_str("the first failure"),
            Self::FailuresInARow(failures) => write!(f, "{failures} failures in a row"),
            Self::FailuresOfLast { failures, of_last } => {
                write!(f, "{failures} failures of the last {of_last}")
            }
            Self::FailuresWithin { failures, within } => {
                write!(f, "{failures} failures within {}", span(within))
            }
            Self::UnacknowledgedFor(time) => write!(f, "{} without an acknowledgement", span(time)),
            Self::OpenFor(time) => write!(f, "{} of being open", span(time)),
        }
    }
}

/// How many regions must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// This many, or all where a check has fewer regions.
    Count(u32),
    /// More than half.
    Majority,
    /// Every region.
    All,
}

impl Quorum {
    /// Whether it wants more regions than there are, so that all of them count as enough.
    pub fn exceeds(self, regions: usize) -> bool {
        matches!(self, Self::Count(count) if usize::try_from(count).is_ok_and(|it| it > regions))
    }

    /// How many of `regions` regions must agree; at least 1.
    pub fn of(self, regions: usize) -> usize {
        let wanted = match self {
            Self::Count(n) => usize::try_from(n).unwrap_or(usize::MAX),
            Self::Majority => regions / 2 + 1,
            Self::All => regions,
        };
        wanted.clamp(1, regions.max(1))
    }
}

/// Whom a tier tells, as written in a policy: `slack:#p2`, `sms:devops`, `webhook:chat`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Slack channel: `#name` or its id.
    Slack(String),
    /// SMS to a rota (whoever is on duty), a team (everyone in it) or a person.
    Sms(String),
    /// E-mail to a rota (whoever is on duty), a team (everyone in it), a person, or an address.
    Email(String),
    /// A webhook, by its name in the project.
    Webhook(String),
    /// A service of PagerDuty, by its name in the project.
    Pagerduty(String),
}

impl Target {
    /// By what whoever it means is told, once it is known who that is.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Slack(_) => Channel::Slack,
            Self::Sms(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
            Self::Webhook(_) => Channel::Webhook,
            Self::Pagerduty(_) => Channel::Pagerduty,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack(channel) => write!(f, "slack:{channel}"),
            Self::Sms(name) => write!(f, "sms:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Pagerduty(name) => write!(f, "pagerduty:{name}"),
        }
    }
}

/// People and teams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Telephone numbers (E.164) by person; a person may have none.
    pub people: BTreeMap<PersonId, Option<String>>,
    /// E-mail addresses by person, of those who have one.
    pub emails: BTreeMap<PersonId, String>,
    /// The members of each team.
    pub teams: BTreeMap<String, Vec<PersonId>>,
    /// Who is on duty when, by the name of the rota.
    pub rotas: BTreeMap<String, Rota>,
}

impl Roster {
    /// Whom an SMS to a rota, a team or a person reaches at `at`; of a rota without anybody on duty,
    /// all of its team.
    pub fn reached(&self, name: &str, at: Timestamp) -> Vec<PersonId> {
        let team = match self.rotas.get(name) {
            Some(rota) => match rota.on_duty(at) {
                Some(person) => return vec![person],
                None => &rota.team,
            },
            None => name,
        };
        self.members(team)
    }

    /// All of a team, or the person who has that name.
    pub fn members(&self, name: &str) -> Vec<PersonId> {
        match self.teams.get(name) {
            Some(members) => members.clone(),
            None => self.people.keys().filter(|it| it.as_str() == name).cloned().collect(),
        }
    }

    /// Spells out a target as [`Self::recipients`] does, with those who are called at `at` in place
    /// of a rota: for what is told past the store.
    pub fn called(&self, target: &Target, at: Timestamp) -> Vec<Recipient> {
        let called = |recipient: Recipient| match rota::call_for(self, &recipient, at) {
            Some(call) => call.people.into_iter().map(|it| recipient.handed_to(it)).collect(),
            None => vec![recipient],
        };
        self.recipients(target).into_iter().flat_map(called).collect()
    }

    /// Spells out a target: a team becomes its members, a rota stays one. Duplicates are the caller's to drop.
    pub fn recipients(&self, target: &Target) -> Vec<Recipient> {
        match target {
            Target::Slack(channel) => vec![Recipient::Slack(channel.clone())],
            Target::Sms(name) if self.rotas.contains_key(name) => {
                vec![Recipient::Rota(name.clone())]
            }
            Target::Sms(name) => self.members(name).into_iter().map(Recipient::Sms).collect(),
            Target::Email(address) if Mailbox::is_address(address) => {
                vec![Recipient::Email(Mailbox::Address(address.clone()))]
            }
            Target::Email(name) if self.rotas.contains_key(name) => {
                vec![Recipient::EmailRota(name.clone())]
            }
            Target::Email(name) => {
                let mailbox = |person| Recipient::Email(Mailbox::Person(person));
                self.members(name).into_iter().map(mailbox).collect()
            }
            Target::Webhook(name) => vec![Recipient::Webhook(name.clone())],
            Target::Pagerduty(name) => vec![Recipient::Pagerduty(name.clone())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_possible_whatever_the_number_of_regions() {
        let of = |quorum: Quorum| [0, 1, 2, 3, 4].map(|regions| quorum.of(regions));
        assert_eq!(of(Quorum::Count(1)), [1, 1, 1, 1, 1]);
        assert_eq!(of(Quorum::Count(3)), [1, 1, 2, 3, 3]);
        assert_eq!(of(Quorum::Majority), [1, 1, 2, 2, 3]);
        assert_eq!(of(Quorum::All), [1, 1, 2, 3, 4]);
    }

    #[test]
    fn a_team_is_its_members_and_a_person_is_one() {
        let person = |name: &str| PersonId::new(name).expect("a good name");
        let roster = Roster {
            people: [(person("ana"), None), (person("bo"), None)].into(),
            teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
            ..Roster::default()
        };
        let names = |target: Target| {
            let recipients = roster.recipients(&target);
            recipients.iter().map(Recipient::to_string).collect::<Vec<_>>()
        };
        let sms = |name: &str| names(Target::Sms(name.into()));
        assert_eq!(sms("devops"), ["sms:ana", "sms:bo"]);
        assert_eq!(sms("bo"), ["sms:bo"]);
        assert!(sms("nobody").is_empty());
        let mail = |name: &str| names(Target::Email(name.into()));
        assert_eq!(mail("devops"), ["email:ana", "email:bo"]);
        assert_eq!(mail("ops@example.com"), ["email:ops@example.com"]);
        assert_eq!(names(Target::Webhook("chat".into())), ["webhook:chat"]);
        assert_eq!(names(Target::Pagerduty("shop".into())), ["pagerduty:shop"]);
    }
}
