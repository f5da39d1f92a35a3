//! To whom one notification goes, and by which channel.

use std::fmt;

use crate::domain::id::PersonId;
use crate::domain::notice::NoticeKind;

/// One place that one notification goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A Slack channel: `#name` or its id.
    Slack(String),
    /// A person's telephone.
    Sms(PersonId),
    /// Whoever of a rota is on duty when the message leaves, by SMS.
    Rota(String),
    /// A mailbox.
    Email(Mailbox),
    /// Whoever of a rota is on duty when the message leaves, by e-mail.
    EmailRota(String),
    /// A webhook, by its name in the project.
    Webhook(String),
    /// A service of PagerDuty, by its name in the project.
    Pagerduty(String),
}

/// Where an e-mail goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mailbox {
    /// To a person, wherever their mail goes when it leaves.
    Person(PersonId),
    /// To an address as it is written.
    Address(String),
}

impl Mailbox {
    /// Whether `text` is an address; no name has an `@`.
    pub fn is_address(text: &str) -> bool {
        text.contains('@')
    }

    /// The person's name or the address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Person(person) => person.as_str(),
            Self::Address(address) => address,
        }
    }
}

/// A way to tell people. Each has a delivery lane of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Slack, by bot token or incoming webhook.
    Slack,
    /// SMS by Twilio.
    Sms,
    /// No way of its own: what is owed to a rota is owed to people in its place.
    Rota,
    /// E-mail by SMTP.
    Email,
    /// As [`Self::Rota`], for those who are told by e-mail.
    EmailRota,
    /// A request to whoever wants it.
    Webhook,
    /// PagerDuty's Events API.
    Pagerduty,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 7] = [
        Self::Slack,
        Self::Sms,
        Self::Rota,
        Self::Email,
        Self::EmailRota,
        Self::Webhook,
        Self::Pagerduty,
    ];

    /// Those by which messages leave.
    pub const OUT: [Self; 5] =
        [Self::Slack, Self::Sms, Self::Email, Self::Webhook, Self::Pagerduty];

    /// Those of which what is owed is handed on to people.
    pub const ROTAS: [Self; 2] = [Self::Rota, Self::EmailRota];

    /// Those by which one person can be told, in the order in which they are tried where nothing is
    /// written.
    pub const OUT_TO_PEOPLE: [Self; 3] = [Self::Sms, Self::Slack, Self::Email];

    /// The word used in configuration, the store and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Sms => "sms",
            Self::Rota => "rota",
            Self::Email => "email",
            Self::EmailRota => "email_rota",
            Self::Webhook => "webhook",
            Self::Pagerduty => "pagerduty",
        }
    }

    /// Whether what a recipient was told of an incident before is to be known for the next message.
    pub fn has_thread(self) -> bool {
        matches!(self, Self::Slack)
    }

    /// How many messages may be on their way to one recipient at once: one where people read them in
    /// their order, more where a program does. Those about one incident always follow each other.
    pub fn abreast(self) -> Option<u32> {
        match self {
            Self::Webhook => Some(256),
            Self::Slack
            | Self::Sms
            | Self::Rota
            | Self::Email
            | Self::EmailRota
            | Self::Pagerduty => None,
        }
    }

    /// Whether all its recipients are reached by one provider, so that what it asks for by
    /// `Retry-After` holds for all.
    pub fn has_one_provider(self) -> bool {
        !matches!(self, Self::Webhook)
    }
}

impl Recipient {
    /// The channel that reaches this recipient.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Slack(_) => Channel::Slack,
            Self::Sms(_) => Channel::Sms,
            Self::Rota(_) => Channel::Rota,
            Self::Email(_) => Channel::Email,
            Self::EmailRota(_) => Channel::EmailRota,
            Self::Webhook(_) => Channel::Webhook,
            Self::Pagerduty(_) => Channel::Pagerduty,
        }
    }

    /// Whether it may be told what wakes nobody: who takes care of an incident, what somebody said.
    /// PagerDuty knows no notes.
    pub fn follows(&self, kind: NoticeKind) -> bool {
        match self {
            Self::Slack(_) | Self::Webhook(_) | Self::Email(_) | Self::EmailRota(_) => true,
            Self::Pagerduty(_) => kind != NoticeKind::Noted,
            Self::Sms(_) | Self::Rota(_) => false,
        }
    }

    /// Whether a message to it is meant to wake somebody.
    pub fn wakes(&self) -> bool {
        match self {
            Self::Sms(_) | Self::Rota(_) | Self::Pagerduty(_) => true,
            Self::Slack(_) | Self::Webhook(_) | Self::Email(_) | Self::EmailRota(_) => false,
        }
    }

    /// A person in place of this rota, by the same way.
    #[must_use]
    pub fn handed_to(&self, person: PersonId) -> Self {
        match self {
            Self::EmailRota(_) | Self::Email(_) => Self::Email(Mailbox::Person(person)),
            _ => Self::Sms(person),
        }
    }

    /// The channel of those who are told in place of this rota.
    pub fn handed_by(&self) -> Channel {
        match self {
            Self::EmailRota(_) | Self::Email(_) => Channel::Email,
            _ => Channel::Sms,
        }
    }

    /// The channel's own name for the recipient: a Slack channel, a person.
    pub fn address(&self) -> &str {
        match self {
            Self::Slack(name)
            | Self::Rota(name)
            | Self::EmailRota(name)
            | Self::Webhook(name)
            | Self::Pagerduty(name) => name,
            Self::Sms(person) => person.as_str(),
            Self::Email(mailbox) => mailbox.as_str(),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel().as_str(), self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pagerduty_is_told_what_it_knows() {
        let service = Recipient::Pagerduty("shop".into());
        assert!(service.follows(NoticeKind::Acknowledged) && service.wakes());
        assert!(!service.follows(NoticeKind::Noted));
        assert!(Recipient::Webhook("chat".into()).follows(NoticeKind::Noted));
    }
}
