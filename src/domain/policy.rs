//! Who is told, and at which stage.

use std::collections::BTreeMap;
use std::fmt;

use super::id::PersonId;

/// Who is told at which stage of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name that checks use.
    pub name: String,
    /// How many regions must agree before a tier is reached.
    pub quorum: Quorum,
    /// How many passed runs in a row end being down in a region; at least 1.
    pub recover_after: u32,
    /// The stages, mildest first.
    pub tiers: Vec<Tier>,
}

impl Policy {
    /// The name of the policy that applies when none is written.
    pub const DEFAULT_NAME: &str = "p2-then-p1";

    /// The built-in policy: the first failure to Slack `#p2`, the second in a row to Slack `#p1`
    /// and, when there is a team to call, by SMS to everyone in it.
    pub fn built_in(team: Option<&str>) -> Self {
        let sms = team.map(|team| Target::Sms(team.to_owned()));
        let p1 = std::iter::once(Target::Slack("#p1".into())).chain(sms).collect();
        Self {
            name: Self::DEFAULT_NAME.into(),
            quorum: Quorum::Count(1),
            recover_after: 1,
            tiers: vec![
                Tier { failures_in_a_row: 1, notify: vec![Target::Slack("#p2".into())] },
                Tier { failures_in_a_row: 2, notify: p1 },
            ],
        }
    }
}

/// One stage: its condition and whom it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Reached by a region when this many runs in a row have failed there; at least 1.
    pub failures_in_a_row: u32,
    /// Who is told.
    pub notify: Vec<Target>,
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

/// Whom a tier tells, as written in a policy: `slack:#p2`, `sms:devops`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A Slack channel: `#name` or its id.
    Slack(String),
    /// SMS to a team (everyone in it) or a person.
    Sms(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack(channel) => write!(f, "slack:{channel}"),
            Self::Sms(name) => write!(f, "sms:{name}"),
        }
    }
}

/// One place that one notification goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A Slack channel: `#name` or its id.
    Slack(String),
    /// A person's telephone.
    Sms(PersonId),
}

/// A way to tell people. Each has a delivery lane of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Slack, by bot token or incoming webhook.
    Slack,
    /// SMS by Twilio.
    Sms,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 2] = [Self::Slack, Self::Sms];

    /// The word used in configuration, the store and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Sms => "sms",
        }
    }
}

impl Recipient {
    /// The channel that reaches this recipient.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Slack(_) => Channel::Slack,
            Self::Sms(_) => Channel::Sms,
        }
    }

    /// The channel's own name for the recipient: a Slack channel, a person.
    pub fn address(&self) -> &str {
        match self {
            Self::Slack(channel) => channel,
            Self::Sms(person) => person.as_str(),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel().as_str(), self.address())
    }
}

/// People and teams.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Telephone numbers (E.164) by person; a person may have none.
    pub people: BTreeMap<PersonId, Option<String>>,
    /// The members of each team.
    pub teams: BTreeMap<String, Vec<PersonId>>,
}

impl Roster {
    /// Spells out a target: a team becomes its members. Duplicates are the caller's to drop.
    pub fn recipients(&self, target: &Target) -> Vec<Recipient> {
        match target {
            Target::Slack(channel) => vec![Recipient::Slack(channel.clone())],
            Target::Sms(name) => match self.teams.get(name) {
                Some(members) => members.iter().cloned().map(Recipient::Sms).collect(),
                None => self
                    .people
                    .keys()
                    .filter(|person| person.as_str() == name)
                    .cloned()
                    .map(Recipient::Sms)
                    .collect(),
            },
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
        };
        let names = |target: &str| {
            let recipients = roster.recipients(&Target::Sms(target.into()));
            recipients.iter().map(Recipient::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names("devops"), ["sms:ana", "sms:bo"]);
        assert_eq!(names("bo"), ["sms:bo"]);
        assert!(names("nobody").is_empty());
    }
}
