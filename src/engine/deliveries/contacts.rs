//! What a message needs besides the notification: a telephone number, a link.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::Timestamp;
use crate::domain::id::{IncidentId, PersonId};
use crate::domain::policy::Roster;
use crate::domain::rota::{self, Call};

/// Looks up, at the moment of sending, how people are reached and where an incident is shown.
pub struct Contacts {
    roster: ArcSwap<Roster>,
    link: Box<dyn Fn(IncidentId) -> Option<String> + Send + Sync>,
    list: Option<String>,
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
        Self { roster: ArcSwap::from_pointee(roster), link: Box::new(link), list: None }
    }

    /// The same, and all incidents are listed at `list`.
    #[must_use]
    pub fn listed_at(self, list: String) -> Self {
        Self { list: Some(list), ..self }
    }

    /// Puts another roster in force, for everything sent from now on.
    pub fn replace(&self, roster: Roster) {
        self.roster.store(Arc::new(roster));
    }

    /// The telephone number of `person`, who may have left since.
    pub fn phone(&self, person: &PersonId) -> Option<String> {
        self.roster.load().people.get(person).cloned().flatten()
    }

    /// Who is called in place of a rota at `at`.
    pub fn call(&self, rota: &str, at: Timestamp) -> Call {
        rota::call(&self.roster.load(), rota, at)
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
