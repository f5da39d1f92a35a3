//! Clicks: what people do in Slack becomes what they do about an incident.
//!
//! Whoever receives a click may be another process than the one that sent the message: what it means
//! is decided on what is stored, and all that follows is owed from there. Whoever hands a click in
//! has made sure that it is Slack's.
//!
//! Must not: answer anything but what became of the click; changed messages come by delivery.

mod socket;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use serde_json::Value;

pub use self::socket::wrong;
use super::acts::Acts;
use super::errands::{self, Errands};
use crate::domain::id::IncidentId;
use crate::domain::incident::acting::Act;
use crate::domain::restraint::{Actor, Scope, Via};
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, after};
use crate::notify::slack::Slack;
use crate::notify::slack::clicks::{Click, Clicker, Foreign, REASON, Wish, silence_form};
use crate::notify::slack::signature::{self, Seal, WINDOW};
use crate::notify::slack::socket::Socket;
use crate::store::care::{Acted, NewSilence};
use crate::store::{Error, Ledger};

/// So many requests are remembered so that none counts twice; more within the window are refused.
const REMEMBERED: usize = 10_000;

/// What clicks are understood with.
pub struct Parts {
    /// Where incidents are.
    pub store: Arc<dyn Ledger>,
    /// What people ask to be run at once.
    pub errands: Arc<Errands>,
    /// Takes what they do.
    pub acts: Arc<Acts>,
}

/// What clicks are answered with.
#[derive(Clone)]
pub struct Desk {
    /// Opens forms, and tells those who clicked what came of it.
    pub slack: Arc<Slack>,
    /// What Slack signs requests with, where it brings clicks by requests.
    pub signing_secret: Option<String>,
    /// Opens the connections over which clicks come, where they come so.
    pub socket: Option<Arc<Socket>>,
}

/// Takes clicks.
pub struct Clicks {
    parts: Parts,
    desk: ArcSwapOption<Desk>,
    seen: Mutex<VecDeque<(Timestamp, Seal)>>,
}

impl std::fmt::Debug for Clicks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clicks").finish_non_exhaustive()
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not Slack's, or not of now.
    #[error(transparent)]
    Signature(#[from] signature::Refused),
    /// It came before.
    #[error("the request came before")]
    Replayed,
    /// Too many came.
    #[error("too many requests; try again later")]
    TooMany,
}

/// What Slack is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// That it was taken.
    Taken,
    /// What is wrong with the form: the part's name and a sentence.
    Wrong(&'static str, String),
}

impl Clicks {
    /// Understands clicks with these.
    pub fn new(parts: Parts, desk: Option<Arc<Desk>>) -> Self {
        Self { parts, desk: ArcSwapOption::new(desk), seen: Mutex::default() }
    }

    /// What they are answered with; `None` where none are to come.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        self.desk.load_full()
    }

    /// Answers them with this from now on.
    pub fn replace(&self, desk: Option<Arc<Desk>>) {
        self.desk.store(desk);
    }

    /// Makes sure that a request is Slack's, of now, and comes for the first time.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing of the body was read then.
    pub fn verify(&self, secret: &str, headers: (&str, &str), body: &[u8]) -> Result<(), Refused> {
        let now = self.parts.acts.now();
        let seal = signature::verify(secret, headers, body, now)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A signature may be of a time to come, and is good for as long after that.
        let kept = chrono::TimeDelta::from_std(WINDOW * 2).unwrap_or_default();
        while seen.front().is_some_and(|(at, _)| now - *at > kept) {
            seen.pop_front();
        }
        if seen.iter().any(|(_, known)| *known == seal) {
            return Err(Refused::Replayed);
        }
        if seen.len() >= REMEMBERED {
            return Err(Refused::TooMany);
        }
        seen.push_back((now, seal));
        Ok(())
    }

    /// Does what a payload asks for, through `slack` where somebody is to be asked or told.
    ///
    /// # Errors
    ///
    /// [`Foreign`] where it is no click on a message of ours.
    pub async fn take(&self, slack: &Slack, payload: &Value) -> Result<Reply, Foreign> {
        let Some(Click { by, wish }) = Click::read(payload)? else { return Ok(Reply::Taken) };
        let actor = Actor { name: by.name.clone(), via: Via::Slack };
        let word = match wish {
            Wish::Acknowledge(incident) => self.acknowledge(incident, &actor).await,
            Wish::Run(incident) => match self.run(incident, actor.clone()).await {
                // What comes of it is said in the thread; until then there is nothing to see.
                Ok(sentence) | Err(sentence) => Err(sentence),
            },
            Wish::AskSilence { incident, trigger } => {
                slack.open_form(&trigger, &silence_form(incident)).await.map_err(|reason| {
                    tracing::warn!(%incident, reason, "a form was not opened in Slack");
                    "The form could not be opened; please try again.".to_owned()
                })
            }
            Wish::Silence { incident, lasts, reason } => {
                if reason.is_empty() {
                    let sentence = "Please say why, in a few words.".to_owned();
                    return Ok(Reply::Wrong(REASON, sentence));
                }
                let until = after(self.parts.acts.now(), lasts);
                let silenced = self.silence(incident, &actor, (until, reason)).await;
                if let Err(sentence) = silenced {
                    return Ok(Reply::Wrong(REASON, sentence));
                }
                Ok(())
            }
        };
        if let Err(sentence) = word {
            say(slack, &by, &sentence).await;
        }
        Ok(Reply::Taken)
    }

    async fn acknowledge(&self, incident: IncidentId, actor: &Actor) -> Result<(), String> {
        let act = Act::Acknowledge { reason: None, lasts: None };
        let acted = self.parts.acts.act(incident, &act, actor).await;
        match acted.map_err(|error| unstored(&error))? {
            Acted::Done(_) => Ok(()),
            Acted::Refused(why) => Err(format!("Nothing was changed: {why}.")),
            Acted::Unknown => Err(unknown(incident)),
        }
    }

    /// Has the check of an incident run at once; what to say until something came of it.
    async fn run(&self, incident: IncidentId, actor: Actor) -> Result<String, String> {
        let found = self.parts.store.incident(incident).await.map_err(|error| unstored(&error))?;
        let record = found.ok_or_else(|| unknown(incident))?.record;
        if record.incident.resolved_at.is_some() {
            return Err(format!("Incident {incident} is over already."));
        }
        let Some(check) = record.subject.check().cloned() else {
            return Err(format!("Incident {incident} is about no check that could be run."));
        };
        let wish = errands::Wish { check, region: None, incident: Some(incident) };
        let errand =
            self.parts.errands.ask(wish, actor).await.map_err(|refused| match refused {
                errands::Refused::Store(error) => unstored(&error),
                refused => format!("It is not run: {refused}."),
            })?;
        let regions: Vec<&str> = errand.legs.iter().map(|leg| leg.region.as_str()).collect();
        Ok(format!(
            "{} is being run in {}; what comes of it is said in the thread.",
            errand.check,
            regions.join(", ")
        ))
    }

    async fn silence(
        &self,
        incident: IncidentId,
        actor: &Actor,
        (until, reason): (Timestamp, String),
    ) -> Result<(), String> {
        let found = self.parts.store.incident(incident).await.map_err(|error| unstored(&error))?;
        let history = found.ok_or_else(|| unknown(incident))?;
        if history.record.incident.resolved_at.is_some() {
            return Err(format!("Incident {incident} is over already."));
        }
        let scope = scope(&history.record.subject).ok_or_else(|| {
            "A path is not silenced: acknowledge the incident instead.".to_owned()
        })?;
        let wanted = NewSilence { scope, reason, by: actor.clone(), until };
        let silenced = self.parts.acts.silence(&wanted).await;
        silenced.map(drop).map_err(|error| unstored(&error))
    }
}

/// What a silence given at one incident is about; none where there are no silences of such.
fn scope(subject: &Subject) -> Option<Scope> {
    let mut scope = Scope::default();
    match subject {
        Subject::Check(check) | Subject::Coverage(check) => {
            scope.checks.insert(check.clone());
        }
        Subject::Rule(rule) | Subject::Unseen(rule) => {
            scope.rules.insert(rule.clone());
        }
        Subject::Region(region) | Subject::Shortfall(region) => {
            scope.regions.insert(region.clone());
        }
        Subject::Path(_) | Subject::Drill => return None,
    }
    Some(scope)
}

fn unknown(incident: IncidentId) -> String {
    format!("There is no incident {incident} any more.")
}

fn unstored(error: &Error) -> String {
    let error = error as &dyn std::error::Error;
    tracing::error!(error, "a click in Slack was not stored");
    "It could not be stored; please try again.".to_owned()
}

async fn say(slack: &Slack, to: &Clicker, sentence: &str) {
    if let Err(reason) = slack.whisper(to, sentence).await {
        tracing::warn!(reason, "somebody who clicked in Slack was not told what came of it");
    }
}
