//! Answers: what people write back by SMS becomes what they do about an incident, and what the provider
//! tells of messages is noted.
//!
//! Whoever receives an answer may be another hub than the one that sent the message, and it may come
//! twice: it is acted upon once, by what is stored. Whoever is not among the project's people is not
//! answered.
//!
//! Must not: read anything of a request before its signature is found right.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::acts::Acts;
use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, PersonId};
use crate::domain::incident::Change;
use crate::domain::incident::acting::Act;
use crate::domain::policy::Roster;
use crate::domain::restraint::{Actor, Via};
use crate::notify::twilio::answer::{Answer, Wish};
use crate::notify::twilio::signature::{self, Form};
use crate::notify::twilio::status;
use crate::store::care::{Acted, ActedOnce};
use crate::store::succession::Heard;
use crate::store::{Error, IncidentRecord, Ledger};

/// So often within [`WHILE`] somebody is told that they were not understood: what answers may be a
/// machine that answers everything.
const EXPLAINED: usize = 5;
const WHILE: Duration = Duration::from_mins(10);
/// How long a message is waited for of which a provider tells, in milliseconds.
const PAUSES: [u64; 4] = [50, 150, 500, 1300];
/// So many open incidents are named in an answer.
const NAMED: usize = 5;

/// What answers are understood with.
pub struct Parts {
    /// Where incidents are.
    pub store: Arc<dyn Ledger>,
    /// Takes what they do.
    pub acts: Arc<Acts>,
    /// Woken when a message turns out not to have arrived.
    pub given_up: Arc<Notify>,
}

/// By what requests are found to be the provider's.
#[derive(Clone, PartialEq, Eq)]
pub struct Desk {
    /// What it signs with.
    pub token: String,
    /// Where it reaches the hub, without a slash at the end.
    pub url: String,
}

/// Takes answers.
pub struct Answers {
    parts: Parts,
    desk: ArcSwapOption<Desk>,
    /// Whose number it is.
    people: ArcSwap<BTreeMap<String, PersonId>>,
    explained: Mutex<BTreeMap<PersonId, VecDeque<Timestamp>>>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// None are to come.
    #[error("answers are taken here once `callback_url` in [twilio] is set")]
    NotSetUp,
    /// It is not the provider's.
    #[error(transparent)]
    Signature(#[from] signature::Refused),
}

impl Answers {
    /// Understands answers with these, of nobody yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            desk: ArcSwapOption::empty(),
            people: ArcSwap::default(),
            explained: Mutex::default(),
        }
    }

    /// Takes answers of these people from now on, and of a provider where there is a desk.
    pub fn replace(&self, desk: Option<Desk>, roster: &Roster) {
        let numbers = roster.people.iter().rev();
        let people = numbers.filter_map(|(person, phone)| Some((phone.clone()?, person.clone())));
        self.people.store(Arc::new(people.collect()));
        self.desk.store(desk.map(Arc::new));
    }

    /// Makes sure that a request to `path` is the provider's.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing of the request was used then.
    pub fn verify(&self, path: &str, signature: &str, body: &[u8]) -> Result<Form, Refused> {
        let desk = self.desk.load_full().ok_or(Refused::NotSetUp)?;
        let address = format!("{}{path}", desk.url);
        Ok(Form::verify(&desk.token, &address, body, signature)?)
    }

    /// Notes what the provider tells of a message.
    ///
    /// # Errors
    ///
    /// [`Error`] when the store failed; nothing was noted then.
    pub async fn hear(&self, form: &Form) -> Result<(), Error> {
        let Some((receipt, word)) = status::read(form) else { return Ok(()) };
        let hear = || self.parts.store.hear(&receipt, word, self.parts.acts.now());
        let mut heard = hear().await?;
        // It may come before it is recorded that the message was taken.
        for pause in PAUSES.into_iter().map(Duration::from_millis) {
            if heard != Heard::Unknown {
                break;
            }
            sleep(pause).await;
            heard = hear().await?;
        }
        match heard {
            Heard::GivenUp => self.parts.given_up.notify_one(),
            Heard::Unknown => tracing::debug!(receipt, "a status of a message that is not known"),
            Heard::Known | Heard::Noted => {}
        }
        Ok(())
    }

    /// Does what somebody asks for; what they are answered, if anything.
    pub async fn take(&self, form: &Form) -> Option<String> {
        let Answer { message, from, wish } = Answer::read(form)?;
        let Some(person) = self.people.load().get(&from).cloned() else {
            tracing::warn!(event.action = "sms-of-a-stranger", "an SMS of nobody in [people]");
            return None;
        };
        let said = match wish {
            Wish::Acknowledge(Some(incident)) => {
                self.acknowledge(&message, incident, &person).await
            }
            Wish::Acknowledge(None) => self.acknowledge_only(&message, &person).await,
            Wish::Help => self.help(&person).await,
            Wish::Goodbye => {
                let person = person.as_str();
                tracing::warn!(
                    event.action = "sms-opt-out",
                    person,
                    "somebody wants no SMS, or again"
                );
                return None;
            }
            Wish::Unknown if self.has_heard_enough(&person) => return None,
            Wish::Unknown => {
                self.help(&person).await.map(|help| format!("That was not understood. {help}"))
            }
        };
        Some(said.unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "an answer by SMS was not stored");
            "It could not be stored; please send it again.".to_owned()
        }))
    }

    async fn acknowledge(
        &self,
        message: &str,
        incident: IncidentId,
        person: &PersonId,
    ) -> Result<String, Error> {
        let act = Act::Acknowledge { reason: None, lasts: None };
        let actor = Actor { name: person.to_string(), via: Via::Sms };
        Ok(match self.parts.acts.act_once(message, incident, &act, &actor).await? {
            ActedOnce::Acted(Acted::Done(change)) => taken(incident, &change),
            ActedOnce::Acted(Acted::Refused(why)) => format!("Nothing was changed: {why}."),
            ActedOnce::Acted(Acted::Unknown) => format!("There is no incident {incident}."),
            ActedOnce::Repeated => "That was done already.".to_owned(),
        })
    }

    /// Acknowledges the incident of which the person was told, where it is clear which.
    async fn acknowledge_only(&self, message: &str, person: &PersonId) -> Result<String, Error> {
        let open = self.parts.store.open_for(person).await?;
        let now = self.parts.acts.now();
        let is_taken = |record: &&IncidentRecord| {
            let acknowledged = &record.incident.story.acknowledged;
            acknowledged.as_ref().is_some_and(|it| now < it.until)
        };
        let waiting: Vec<&IncidentRecord> = open.iter().filter(|it| !is_taken(it)).collect();
        match (waiting.as_slice(), open.as_slice()) {
            ([only], _) => self.acknowledge(message, only.id, person).await,
            ([], [only]) => self.acknowledge(message, only.id, person).await,
            ([], []) => Ok("No incident of which you were told is open.".to_owned()),
            ([], all) => Ok(format!("Which one? {}", listed(all.iter()))),
            (several, _) => Ok(format!("Which one? {}", listed(several.iter().copied()))),
        }
    }

    async fn help(&self, person: &PersonId) -> Result<String, Error> {
        let open = self.parts.store.open_for(person).await?;
        let example = open.first().map_or(IncidentId(12), |record| record.id);
        let help = format!(
            "Answer ACK {example} to take care of incident {example}, or ACK where it is the only one."
        );
        Ok(match open.as_slice() {
            [] => format!("{help} None of yours is open."),
            open => format!("{help} {}", listed(open.iter())),
        })
    }

    /// Whether somebody was told often enough lately that they were not understood.
    fn has_heard_enough(&self, person: &PersonId) -> bool {
        let now = self.parts.acts.now();
        let mut explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        let times = explained.entry(person.clone()).or_default();
        let is_old = |at: &Timestamp| (now - *at).to_std().is_ok_and(|age| age > WHILE);
        while times.front().is_some_and(is_old) {
            times.pop_front();
        }
        let enough = times.len() >= EXPLAINED;
        if !enough {
            times.push_back(now);
        }
        enough
    }
}

/// What is answered when somebody takes care of an incident.
fn taken(incident: IncidentId, change: &Change) -> String {
    let story = change.transition.incident.as_ref().map(|it| &it.story);
    let acknowledged = story.and_then(|story| story.acknowledged.as_ref());
    let until = acknowledged.map(|it| format!(" until {}", it.until.format("%Y-%m-%d %H:%M UTC")));
    let name = change.subject.name();
    format!("You take care of incident {incident} ({name}){}.", until.unwrap_or_default())
}

/// "Open: 12 login, 15 shop."
fn listed<'a>(open: impl ExactSizeIterator<Item = &'a IncidentRecord>) -> String {
    let more = open.len().saturating_sub(NAMED);
    let name = |record: &IncidentRecord| format!("{} {}", record.id, record.subject.name());
    let mut names: Vec<String> = open.take(NAMED).map(name).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!("Open: {}.", names.join(", "))
}
