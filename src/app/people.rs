//! What happens after messages to people left: who asks how they fare, who has others told instead, and
//! who takes what people answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::works::Works;
use crate::clock::Clock;
use crate::config::{Secret, Settings};
use crate::domain::id::PersonId;
use crate::domain::policy::{Channel, Mailbox, Recipient};
use crate::domain::succession::Order;
use crate::engine::acts::Acts;
use crate::engine::answers::{self, Answers, Desk};
use crate::engine::following::Follower;
use crate::engine::succession::{InForce, Succession};
use crate::store::Ledger;
use crate::store::succession::Following;

/// What follows messages, by the project in force.
#[derive(Debug)]
pub(super) struct People {
    /// Who takes answers.
    pub(super) answers: Arc<Answers>,
    in_force: Arc<ArcSwap<InForce>>,
    /// Whether providers tell by themselves how messages fare.
    is_told: Arc<AtomicBool>,
}

impl People {
    /// Follows messages from now on, until the works end.
    pub(super) fn start(
        settings: &Settings,
        works: &Works,
        store: &Arc<dyn Ledger>,
        (clock, acts): (&Arc<dyn Clock>, &Arc<Acts>),
    ) -> Self {
        let given_up = works.lanes.given_up();
        let people = Self {
            answers: Arc::new(Answers::new(answers::Parts {
                store: Arc::clone(store),
                acts: Arc::clone(acts),
                given_up: Arc::clone(&given_up),
            })),
            in_force: Arc::default(),
            is_told: Arc::default(),
        };
        people.replace(settings);
        let succession = Succession {
            store: Arc::clone(store) as Arc<dyn Following>,
            in_force: Arc::clone(&people.in_force),
            clock: Arc::clone(clock),
            send: works.lanes.waker(),
            given_up: Arc::clone(&given_up),
        };
        works.spawn(|halt| succession.run(halt));
        if let Some(transport) = works.lanes.outlet(Channel::Sms) {
            let follower = Follower {
                store: Arc::clone(store) as Arc<dyn Following>,
                transport,
                clock: Arc::clone(clock),
                is_told: Arc::clone(&people.is_told),
                given_up,
            };
            works.spawn(|halt| follower.run(halt));
        }
        people
    }

    /// Goes by these settings from now on.
    pub(super) fn replace(&self, settings: &Settings) {
        let roster = settings.people.roster.clone();
        let desk = desk(settings);
        self.is_told.store(desk.is_some(), Ordering::Relaxed);
        self.answers.replace(desk, &roster);
        self.in_force.store(Arc::new(InForce { roster, order: order(settings) }));
    }
}

/// By what requests are found to be Twilio's; `None` where none are to come.
fn desk(settings: &Settings) -> Option<Desk> {
    let twilio = settings.twilio.as_ref()?;
    let url = twilio.callback_url.clone()?;
    Some(Desk { token: Secret::expose(&twilio.auth_token).to_owned(), url })
}

/// In which order people are tried: as written, or by all ways that there are.
pub(super) fn order(settings: &Settings) -> Order {
    let people = &settings.people;
    let has_email = settings.email.is_some();
    let ways = people.roster.people.iter().map(|(person, phone)| {
        let written = people.particulars.get(person);
        let has_bot = settings.slack.as_ref().is_some_and(|slack| slack.bot_token.is_some());
        let slack = written.and_then(|it| it.slack.clone()).filter(|_| has_bot);
        let by = |channel: &Channel| match channel {
            Channel::Sms => phone.is_some().then(|| Recipient::Sms(person.clone())),
            Channel::Slack => slack.clone().map(Recipient::Slack),
            Channel::Email if has_email && people.roster.emails.contains_key(person) => {
                Some(Recipient::Email(Mailbox::Person(person.clone())))
            }
            Channel::Email
            | Channel::Rota
            | Channel::EmailRota
            | Channel::Webhook
            | Channel::Pagerduty => None,
        };
        let order = written.and_then(|it| it.ways.as_deref()).unwrap_or(&Channel::OUT_TO_PEOPLE);
        (person.clone(), order.iter().filter_map(by).collect())
    });
    let ways: BTreeMap<PersonId, Vec<Recipient>> = ways.collect();
    let webhooks = settings.slack.iter().flat_map(|slack| slack.webhooks.keys().cloned());
    let apart = webhooks.map(Recipient::Slack).collect();
    Order { ways, fallback: settings.fallback.clone(), apart }
}
