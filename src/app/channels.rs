//! How each channel reaches people: by its provider, or, without credentials, by showing what would
//! have been sent.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::daemon::StartError;
use super::witness::Witness;
use crate::config::settings::{Slack as SlackSettings, Twilio as TwilioSettings};
use crate::config::{Secret, Settings};
use crate::domain::Timestamp;
use crate::domain::notification::Attempt;
use crate::domain::policy::{Channel, Recipient};
use crate::notify::printed::Printed;
use crate::notify::slack::{self, Slack};
use crate::notify::twilio::{self, Twilio};
use crate::notify::{Inquiry, Outbound, SetupError, Transport, render};

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
    match channel {
        Channel::Slack => match settings.slack.as_ref().filter(|slack| reaches(slack)) {
            Some(slack) => Ok(Arc::new(by_slack(slack)?)),
            None => Ok(shown(witness)),
        },
        Channel::Sms | Channel::Rota => match &settings.twilio {
            Some(twilio) => Ok(Arc::new(by_twilio(twilio)?)),
            None => Ok(shown(witness)),
        },
    }
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
    say(settings, recipient, &render::rehearsal(now)).await
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
    let channel = recipient.channel().as_str();
    let failed = |source| StartError::Channel { channel, source };
    Ok(match recipient {
        Recipient::Slack(name) => match settings.slack.as_ref().filter(|slack| reaches(slack)) {
            Some(slack) => Some(by_slack(slack).map_err(failed)?.rehearse(name, text).await),
            None => None,
        },
        Recipient::Rota(name) => {
            let reason = format!("the rota {name} has no telephone number of its own");
            Some(Attempt::GiveUp { reason })
        }
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

fn reaches(slack: &SlackSettings) -> bool {
    slack.bot_token.is_some() || !slack.webhooks.is_empty()
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
