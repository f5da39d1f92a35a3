//! Which channels lack credentials, so that what they would send is shown where the daemon runs.

use std::fmt;

use super::Settings;
use crate::config::Secret;
use crate::domain::policy::{Channel, Policy, Target};

/// What a channel lacks without which nothing leaves by it; what it is, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Its section is not written.
    Section {
        /// The section's name.
        name: &'static str,
        /// The keys that it has to have.
        keys: &'static str,
    },
    /// `[slack]` is there, and says of no way into Slack.
    WayIntoSlack,
}

impl Lack {
    /// How to mend it.
    pub fn advice(self) -> String {
        match self {
            Self::Section { name, keys } => format!("write `[{name}]` with {keys}"),
            Self::WayIntoSlack => "add `bot_token` to it, or `[slack.webhooks]`".to_owned(),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section { name, .. } => write!(f, "there is no `[{name}]`"),
            Self::WayIntoSlack => f.write_str("`[slack]` has no `bot_token` and no webhook"),
        }
    }
}

impl Settings {
    /// What `channel` lacks, so that its messages are only shown; `None` where they leave.
    pub fn lack_of(&self, channel: Channel) -> Option<Lack> {
        let section = |name, keys| Some(Lack::Section { name, keys });
        match channel {
            Channel::Slack => match &self.slack {
                None => section("slack", "`bot_token`"),
                Some(slack) if slack.bot_token.is_none() && slack.webhooks.is_empty() => {
                    Some(Lack::WayIntoSlack)
                }
                Some(_) => None,
            },
            Channel::Sms | Channel::Rota if self.twilio.is_none() => {
                section("twilio", "`account_sid`, `auth_token` and `from`")
            }
            Channel::Email | Channel::EmailRota if self.email.is_none() => {
                section("email", "`host` and `from`")
            }
            // A webhook or service without its section is a mistake in whatever names it.
            Channel::Sms
            | Channel::Rota
            | Channel::Email
            | Channel::EmailRota
            | Channel::Webhook
            | Channel::Pagerduty => None,
        }
    }

    /// Why a credential of `channel` has no value here, in a project that is only looked at; `None` where
    /// all have one.
    pub fn missing_for(&self, channel: Channel) -> Option<&str> {
        let mut secrets: Vec<&Secret> = Vec::new();
        match channel {
            Channel::Slack => {
                let slack = self.slack.iter();
                secrets
                    .extend(slack.flat_map(|it| it.bot_token.iter().chain(it.webhooks.values())));
            }
            Channel::Sms | Channel::Rota => {
                let twilio = self.twilio.iter();
                secrets.extend(twilio.flat_map(|it| [&it.account_sid, &it.auth_token]));
            }
            Channel::Email | Channel::EmailRota => {
                secrets.extend(self.email.iter().flat_map(|it| &it.password));
            }
            Channel::Webhook => {
                secrets.extend(self.webhooks.values().map(|it| &it.url));
            }
            Channel::Pagerduty => {
                secrets.extend(self.pagerduty.values().map(|it| &it.routing_key));
            }
        }
        secrets.into_iter().find_map(Secret::missing)
    }

    /// The channels by which `policies`, the rules or the fallback tell somebody, and whose messages are
    /// only shown.
    pub fn lacking<'a>(
        &'a self,
        policies: impl IntoIterator<Item = &'a Policy>,
    ) -> Vec<(Channel, Lack)> {
        let rules = self.rules.all.iter().map(|rule| &rule.policy);
        let tiers = policies.into_iter().chain(rules).flat_map(|policy| &policy.tiers);
        let targets = tiers.flat_map(|tier| &tier.notify).chain(&self.fallback);
        let roster = &self.people.roster;
        let mut channels: Vec<Channel> = targets
            .filter(|target| !roster.recipients(target).is_empty())
            .map(Target::channel)
            .collect();
        channels.sort_unstable();
        channels.dedup();
        let lack = |channel| Some((channel, self.lack_of(channel)?));
        channels.into_iter().filter_map(lack).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Document;
    use crate::config::{Environment, Files, MissingSecrets, settings};

    fn read(text: &str) -> Settings {
        let files = Files {
            root: "/project".into(),
            settings: Some(Document::new(settings::FILE, text)),
            modules: Vec::new(),
            diagnostics: Vec::new(),
            edited_at: crate::domain::Timestamp::UNIX_EPOCH,
        };
        let environment =
            Environment { missing_secrets: MissingSecrets::Warn, ..Environment::default() };
        settings::read(&files, &environment).0.expect("settings")
    }

    fn lacking(text: &str) -> Vec<String> {
        let settings = read(text);
        let lacking = settings.lacking(settings.policies.values()).into_iter();
        lacking.map(|(channel, lack)| format!("{}: {lack}", channel.as_str())).collect()
    }

    #[test]
    fn what_tells_somebody_and_has_no_credentials_is_named_with_what_is_missing() {
        let people = "[people.ana]\nphone = '+4930123456'\nemail = 'ana@example.com'\n\
                      [teams]\ndevops = ['ana']\n";
        assert_eq!(lacking(""), ["slack: there is no `[slack]`"], "nobody would get an SMS");
        assert_eq!(
            lacking(people),
            ["slack: there is no `[slack]`", "sms: there is no `[twilio]`"]
        );
        assert_eq!(lacking("[slack]\n"), ["slack: `[slack]` has no `bot_token` and no webhook"]);
        let mailed = "[[policy]]\nname = 'p2-then-p1'\n[[policy.tier]]\n\
                      when = { failures_in_a_row = 1 }\nnotify = ['email:ana']\n";
        assert_eq!(lacking(&format!("{people}{mailed}")), ["email: there is no `[email]`"]);
        let fallback = "[hub]\nfallback = ['sms:ana']\n";
        assert_eq!(
            lacking(&format!("{fallback}{people}{mailed}")),
            ["sms: there is no `[twilio]`", "email: there is no `[email]`"]
        );
    }

    #[test]
    fn a_credential_whose_value_is_not_at_hand_is_no_lack() {
        let settings = read("[slack]\nbot_token = { env = 'SLACK_TOKEN' }\n");
        assert_eq!(settings.lack_of(Channel::Slack), None);
        let missing = "the environment variable `SLACK_TOKEN` is not set";
        assert_eq!(settings.missing_for(Channel::Slack), Some(missing));
        assert_eq!(settings.missing_for(Channel::Sms), None);
    }
}
