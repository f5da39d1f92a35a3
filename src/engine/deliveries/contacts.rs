//! What a message needs besides the notification: a telephone number, an e-mail address, a link.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, PersonId};
use crate::domain::policy::{Mailbox, Recipient, Roster};
use crate::domain::rota::{self, Call};

/// Looks up, at the moment of sending, how people are reached and where an incident is shown.
pub struct Contacts {
    roster: ArcSwap<Roster>,
    sms: ArcSwap<Sms>,
    link: Box<dyn Fn(IncidentId) -> Option<String> + Send + Sync>,
    list: Option<String>,
}

/// What becomes of an SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sms {
    /// It leaves.
    Sent,
    /// It is printed where the hub runs, since no way out is set up.
    Printed,
}

/// How somebody is reached: what there is of what the channel needs.
#[derive(Debug, Default)]
pub(super) struct Ways {
    pub(super) phone: Option<String>,
    pub(super) email: Option<String>,
}

impl fmt::Debug for Contacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contacts")
            .field("people", &self.roster.load().people.len())
            .finish_non_exhaustive()
    }
}

impl Contacts {
    /// People as they are now, and how a link to an incident is made.
    pub fn new(
        roster: Roster,
        link: impl Fn(IncidentId) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            roster: ArcSwap::from_pointee(roster),
            sms: ArcSwap::from_pointee(Sms::Sent),
            link: Box::new(link),
            list: None,
        }
    }

    /// The same, and all incidents are listed at `list`.
    #[must_use]
    pub fn listed_at(self, list: String) -> Self {
        Self { list: Some(list), ..self }
    }

    /// What becomes of every SMS from now on.
    pub fn say_sms_are(&self, sms: Sms) {
        self.sms.store(Arc::new(sms));
    }

    /// What becomes of an SMS.
    pub(super) fn sms(&self) -> Sms {
        **self.sms.load()
    }

    /// Puts another roster in force, for everything sent from now on.
    pub fn replace(&self, roster: Roster) {
        self.roster.store(Arc::new(roster));
    }

    /// The telephone number of `person`, who may have left since.
    pub fn phone(&self, person: &PersonId) -> Option<String> {
        self.roster.load().people.get(person).cloned().flatten()
    }

    /// How `recipient` is reached now.
    pub(super) fn ways(&self, recipient: &Recipient) -> Ways {
        let mut ways = Ways::default();
        match recipient {
            Recipient::Sms(person) => ways.phone = self.phone(person),
            Recipient::Email(Mailbox::Person(person)) => {
                ways.email = self.roster.load().emails.get(person).cloned();
            }
            Recipient::Email(Mailbox::Address(address)) => ways.email = Some(address.clone()),
            Recipient::Slack(_)
            | Recipient::Rota(_)
            | Recipient::EmailRota(_)
            | Recipient::Webhook(_)
            | Recipient::Pagerduty(_) => {}
        }
        ways
    }

    /// Who is told at `at` in place of a rota, which `recipient` is.
    pub fn call(&self, recipient: &Recipient, at: Timestamp) -> Call {
        let roster = self.roster.load();
        let call = rota::call_for(&roster, recipient, at);
        call.unwrap_or_else(|| rota::call(&roster, recipient.address(), at))
    }

    /// Where an incident is shown.
    pub fn link(&self, incident: IncidentId) -> Option<String> {
        (self.link)(incident)
    }

    /// Where all incidents are listed.
    pub fn list(&self) -> Option<String> {
        self.list.clone()
    }
}
