//! How each channel reaches people: by its provider, or, without credentials, by showing what would
//! have been sent.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::daemon::StartError;
use super::witness::Witness;
use crate::clock::{Clock as _, System};
use crate::config::settings::{
    Email as EmailSettings, EmailTls, Slack as SlackSettings, Twilio as TwilioSettings,
};
use crate::config::{Secret, Settings};
use crate::domain::Timestamp;
use crate::domain::notification::Attempt;
use crate::domain::policy::{Channel, Mailbox, Recipient};
use crate::notify::email::{self, Encryption, Smtp};
use crate::notify::pagerduty::{self, Pagerduty};
use crate::notify::printed::Printed;
use crate::notify::slack::{self, Slack};
use crate::notify::twilio::{self, Twilio};
use crate::notify::webhook::{self, Webhooks};
use crate::notify::{Digest, Inquiry, Outbound, Picture, SetupError, Shown, Transport, render};

/// The way out of each channel.
pub(super) type Transports = Vec<(Channel, Arc<dyn Transport>)>;

/// The way out of one channel, which a reload can exchange. A message on its way is finished by the
/// transport that began it.
#[derive(Debug)]
pub(super) struct Outlet(ArcSwap<Arc<dyn Transport>>);

impl Outlet {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self(ArcSwap::from_pointee(transport))
    }

    /// Sends by this one from now on.
    pub(super) fn replace(&self, transport: Arc<dyn Transport>) {
        self.0.store(Arc::new(transport));
    }
}

#[async_trait]
impl Transport for Outlet {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let transport = self.0.load_full();
        transport.send(message).await
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let transport = self.0.load_full();
        transport.send_digest(digest).await
    }

    async fn show(&self, receipt: &str, picture: &Picture) -> Shown {
        let transport = self.0.load_full();
        transport.show(receipt, picture).await
    }

    async fn ask(&self, receipt: &str) -> Inquiry {
        let transport = self.0.load_full();
        transport.ask(receipt).await
    }
}

/// The transports of all channels under `settings`.
///
/// # Errors
///
/// [`StartError::Channel`] when the credentials of one cannot be used.
pub(super) fn transports(
    settings: &Settings,
    witness: &Arc<dyn Witness>,
) -> Result<Transports, StartError> {
    let one = |channel: Channel| match transport(channel, settings, witness) {
        Ok(transport) => Ok((channel, transport)),
        Err(source) => Err(StartError::Channel { channel: channel.as_str(), source }),
    };
    Channel::OUT.into_iter().map(one).collect()
}

fn transport(
    channel: Channel,
    settings: &Settings,
    witness: &Arc<dyn Witness>,
) -> Result<Arc<dyn Transport>, SetupError> {
    if settings.lack_of(channel).is_some() {
        return Ok(shown(witness));
    }
    let Settings { slack, twilio, email, .. } = settings;
    Ok(match (channel, slack, twilio, email) {
        (Channel::Slack, Some(slack), ..) => Arc::new(by_slack(slack)?),
        (Channel::Sms | Channel::Rota, _, Some(twilio), _) => Arc::new(by_twilio(twilio)?),
        (Channel::Email | Channel::EmailRota, .., Some(email)) => Arc::new(by_email(email)?),
        (Channel::Webhook, ..) => Arc::new(by_webhook(settings)?),
        (Channel::Pagerduty, ..) => Arc::new(by_pagerduty(settings)?),
        // It has no section, and so it lacks credentials, as is said above.
        (
            Channel::Slack | Channel::Sms | Channel::Rota | Channel::Email | Channel::EmailRota,
            ..,
        ) => shown(witness),
    })
}

/// Why something is said past the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// To see whether it arrives: nobody has to do anything about it.
    Rehearsal,
    /// Somebody has to know it.
    Trouble,
}

/// Sends a message that tells of nothing to `recipient`, once, as it is sent when something is wrong;
/// `None` where the channel has no credentials.
///
/// # Errors
///
/// [`StartError::Channel`] when the credentials cannot be used.
pub async fn rehearse(
    settings: &Settings,
    recipient: &Recipient,
    now: Timestamp,
) -> Result<Option<Attempt>, StartError> {
    tell(settings, recipient, &render::rehearsal(now), Why::Rehearsal).await
}

/// Sends `text` to `recipient`, once, past the store; `None` where the channel has no credentials.
///
/// # Errors
///
/// [`StartError::Channel`] when the credentials cannot be used.
pub(super) async fn say(
    settings: &Settings,
    recipient: &Recipient,
    text: &str,
) -> Result<Option<Attempt>, StartError> {
    tell(settings, recipient, text, Why::Trouble).await
}

async fn tell(
    settings: &Settings,
    recipient: &Recipient,
    text: &str,
    why: Why,
) -> Result<Option<Attempt>, StartError> {
    let channel = recipient.channel().as_str();
    let failed = |source| StartError::Channel { channel, source };
    let now = System.now();
    let slack = settings.slack.as_ref().filter(|_| settings.lack_of(Channel::Slack).is_none());
    Ok(match recipient {
        Recipient::Slack(name) => match slack {
            Some(slack) => Some(by_slack(slack).map_err(failed)?.rehearse(name, text).await),
            None => None,
        },
        Recipient::Rota(name) | Recipient::EmailRota(name) => {
            let reason = format!("the rota {name} has no number or address of its own");
            Some(Attempt::GiveUp { reason })
        }
        Recipient::Webhook(name) => {
            Some(by_webhook(settings).map_err(failed)?.rehearse(name, text, now).await)
        }
        Recipient::Pagerduty(name) => {
            let pagerduty = by_pagerduty(settings).map_err(failed)?;
            Some(match why {
                Why::Rehearsal => pagerduty.rehearse(name, text, now).await,
                Why::Trouble => pagerduty.say(name, text, now).await,
            })
        }
        Recipient::Email(mailbox) => match &settings.email {
            Some(email) => {
                let smtp = by_email(email).map_err(failed)?;
                let address = match mailbox {
                    Mailbox::Address(address) => Some(address),
                    Mailbox::Person(person) => settings.people.roster.emails.get(person),
                };
                let reason = format!("{} has no e-mail address", mailbox.as_str());
                Some(match address {
                    Some(address) => smtp.rehearse(address, text, now).await,
                    None => Attempt::GiveUp { reason },
                })
            }
            None => None,
        },
        Recipient::Sms(person) => match &settings.twilio {
            Some(twilio) => {
                let twilio = by_twilio(twilio).map_err(failed)?;
                let phone = settings.people.roster.people.get(person).and_then(Option::as_deref);
                Some(match phone {
                    Some(phone) => twilio.rehearse(phone, text).await,
                    None => Attempt::GiveUp { reason: format!("{person} has no telephone number") },
                })
            }
            None => None,
        },
    })
}

/// Whether messages to `recipient` leave, and are not only shown.
pub(super) fn is_set_up(settings: &Settings, recipient: &Recipient) -> bool {
    if settings.lack_of(recipient.channel()).is_some() || !has_address(settings, recipient) {
        return false;
    }
    match recipient {
        Recipient::Slack(channel) => settings
            .slack
            .as_ref()
            .is_some_and(|slack| slack.bot_token.is_some() || slack.webhooks.contains_key(channel)),
        Recipient::Sms(_) | Recipient::Email(_) => true,
        Recipient::Webhook(name) => settings.webhooks.contains_key(name),
        Recipient::Pagerduty(name) => settings.pagerduty.contains_key(name),
        Recipient::Rota(_) | Recipient::EmailRota(_) => false,
    }
}

/// Whether the number or address of `recipient` is known, where one is needed.
pub(super) fn has_address(settings: &Settings, recipient: &Recipient) -> bool {
    let roster = &settings.people.roster;
    match recipient {
        Recipient::Sms(person) => matches!(roster.people.get(person), Some(Some(_))),
        Recipient::Email(Mailbox::Person(person)) => roster.emails.contains_key(person),
        _ => true,
    }
}

fn shown(witness: &Arc<dyn Witness>) -> Arc<dyn Transport> {
    let witness = Arc::clone(witness);
    Arc::new(Printed::new(move |message| witness.printed(message)))
}

pub(super) fn by_slack(slack: &SlackSettings) -> Result<Slack, SetupError> {
    let webhooks = slack.webhooks.iter();
    Slack::new(&slack::Access {
        api_url: &slack.api_url,
        bot_token: slack.bot_token.as_ref().map(Secret::expose),
        webhooks: webhooks.map(|(channel, url)| (channel.as_str(), url.expose())).collect(),
        interactive: slack.is_interactive(),
    })
}

fn by_twilio(twilio: &TwilioSettings) -> Result<Twilio, SetupError> {
    let made = Twilio::new(&twilio::Access {
        api_url: &twilio.api_url,
        account_sid: twilio.account_sid.expose(),
        auth_token: twilio.auth_token.expose(),
        from: &twilio.from,
    })?;
    Ok(made.reached_at(twilio.callback_url.as_deref()))
}

fn by_email(email: &EmailSettings) -> Result<Smtp, SetupError> {
    let password = email.password.as_ref().map_or("", Secret::expose);
    Smtp::new(&email::Access {
        host: &email.host,
        port: email.port,
        encryption: match email.tls {
            EmailTls::StartTls => Encryption::StartTls,
            EmailTls::Implicit => Encryption::Tls,
            EmailTls::None => Encryption::None,
        },
        login: email.username.as_deref().map(|username| (username, password)),
        from: &email.from,
        authority: email.ca.as_ref().map(Secret::expose),
    })
}

fn by_webhook(settings: &Settings) -> Result<Webhooks, SetupError> {
    let mut all = Vec::new();
    for (name, hook) in &settings.webhooks {
        let keys: Vec<&str> =
            hook.secret.iter().chain(&hook.former_secret).map(Secret::expose).collect();
        let headers: Vec<(&str, &str)> =
            hook.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        all.push((name.as_str(), hook, keys, headers));
    }
    Webhooks::new(all.iter().map(|(name, hook, keys, headers)| {
        let (url, template) = (hook.url.expose(), hook.template.as_ref());
        (*name, webhook::Access { url, keys, headers, template })
    }))
}

fn by_pagerduty(settings: &Settings) -> Result<Pagerduty, SetupError> {
    Pagerduty::new(settings.pagerduty.iter().map(|(name, service)| {
        let access = pagerduty::Access {
            api_url: &service.api_url,
            routing_key: service.routing_key.expose(),
            severity: service.severity,
        };
        (name.as_str(), access)
    }))
}
