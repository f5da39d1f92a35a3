//! A path: a way by which messages reach somebody, and what is known of its being broken.
//!
//! | path | text |
//! |---|---|
//! | to one recipient | `slack:#p1`, `sms:ana`, `pagerduty:shop` |
//! | all of a channel | `slack` |
//!
//! The text is stored and shown; it never changes its meaning.

use std::fmt;
use std::str::FromStr;

use super::Timestamp;
use super::id::{NameError, PersonId};
use super::notification::Attempt;
use super::policy::{Channel, Mailbox, Recipient};

/// A way by which messages reach somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    ends: Ends,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Ends {
    One(Recipient),
    All(Channel),
}

/// Why a text names no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is no known channel before a colon.
    #[error("`{0}` is no path; write one like `slack:#p1`, `sms:ana`, `email:ana`")]
    Channel(String),
    /// What follows is no name of a person.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Path {
    /// The way to one recipient.
    pub fn to(recipient: Recipient) -> Self {
        Self { text: recipient.to_string(), ends: Ends::One(recipient) }
    }

    /// All ways by a channel.
    pub fn by(channel: Channel) -> Self {
        Self { text: channel.as_str().to_owned(), ends: Ends::All(channel) }
    }

    /// What is broken when the credentials are refused by which `recipient` is reached: all of its
    /// channel, or what has credentials of its own.
    pub fn of_credentials(recipient: &Recipient) -> Self {
        match recipient {
            Recipient::Pagerduty(_) | Recipient::Webhook(_) => Self::to(recipient.clone()),
            other => Self::by(other.channel()),
        }
    }

    /// Whose credentials a message to `recipient` proves that was taken with `receipt`; a webhook of Slack
    /// proves nothing of the bot.
    pub fn proven_by(recipient: &Recipient, receipt: &str) -> Option<Self> {
        let is_bot = recipient.channel() != Channel::Slack || receipt != Attempt::BY_WEBHOOK;
        is_bot.then(|| Self::of_credentials(recipient))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whom it reaches, where that is one.
    pub fn recipient(&self) -> Option<&Recipient> {
        match &self.ends {
            Ends::One(recipient) => Some(recipient),
            Ends::All(_) => None,
        }
    }

    /// By what it leads.
    pub fn channel(&self) -> Channel {
        match &self.ends {
            Ends::One(recipient) => recipient.channel(),
            Ends::All(channel) => *channel,
        }
    }

    /// Whether messages to `recipient` take it. Those to a rota take the way of its people.
    pub fn reaches(&self, recipient: &Recipient) -> bool {
        match &self.ends {
            Ends::One(one) => one == recipient,
            Ends::All(channel) => {
                let is_rota = Channel::ROTAS.contains(&recipient.channel());
                let by = if is_rota { recipient.handed_by() } else { recipient.channel() };
                by == *channel
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let channel = |word: &str| Channel::ALL.into_iter().find(|it| it.as_str() == word);
        let unknown = || PathError::Channel(text.to_owned());
        let Some((word, address)) = text.split_once(':') else {
            return channel(text).map(Self::by).ok_or_else(unknown);
        };
        let channel = channel(word).filter(|_| !address.is_empty()).ok_or_else(unknown)?;
        let address = address.to_owned();
        Ok(Self::to(match channel {
            Channel::Slack => Recipient::Slack(address),
            Channel::Sms => Recipient::Sms(PersonId::new(&address)?),
            Channel::Rota => Recipient::Rota(address),
            Channel::Email if Mailbox::is_address(&address) => {
                Recipient::Email(Mailbox::Address(address))
            }
            Channel::Email => Recipient::Email(Mailbox::Person(PersonId::new(&address)?)),
            Channel::EmailRota => Recipient::EmailRota(address),
            Channel::Webhook => Recipient::Webhook(address),
            Channel::Pagerduty => Recipient::Pagerduty(address),
        }))
    }
}

/// A path by which nothing can be sent until somebody sets its credentials right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakage {
    /// The path.
    pub path: Path,
    /// Since when.
    pub since: Timestamp,
    /// What its provider said.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_from_its_text() {
        for text in
            ["slack:#p1", "slack", "sms:ana", "email:ana", "email:a@example.com", "pagerduty:a:b"]
        {
            let path: Path = text.parse().expect("a path");
            assert_eq!((path.to_string(), path.as_str()), (text.to_owned(), text));
        }
        for text in ["", "fax:ana", "sms:", "sms:a b", "Slack"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rota_is_reached_by_the_way_of_its_people() {
        let sms = Path::by(Channel::Sms);
        assert!(sms.reaches(&Recipient::Rota("first".into())));
        assert!(!sms.reaches(&Recipient::EmailRota("first".into())));
        assert!(!Path::by(Channel::Rota).reaches(&Recipient::Slack("#p1".into())));
        let one = Path::of_credentials(&Recipient::Pagerduty("shop".into()));
        assert!(!one.reaches(&Recipient::Pagerduty("other".into())));
        assert_eq!(Path::of_credentials(&Recipient::Slack("#p1".into())).as_str(), "slack");
    }
}
