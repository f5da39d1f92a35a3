//! What an agent is to run: checks, the modules they are made of, and secrets.
//!
//! A snapshot: it is replaced as a whole, and a run keeps the one it started with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use url::Url;

use super::control::Control;
use super::imports;
use super::request::Plan;
use super::secrets::Secrets;
use crate::domain::check::{Check, Work};
use crate::domain::id::CheckId;

/// Modules as path relative to the project folder, and text.
pub type Modules = Vec<(String, String)>;

/// What an agent is to run.
#[derive(Debug, Default)]
pub struct Assignments {
    checks: HashMap<CheckId, Arc<Assignment>>,
    secrets: Arc<Secrets>,
    control: Control,
}

/// A check with all that its runs need.
pub(super) struct Assignment {
    pub(super) check: Arc<Check>,
    pub(super) work: Prepared,
}

/// What a run does, prepared once for all runs.
pub(super) enum Prepared {
    /// Runs a script with these modules.
    Script {
        /// The module to run.
        entry: String,
        /// It and what it imports.
        modules: Modules,
    },
    /// Makes one request.
    Request(Box<Plan>),
    /// Cannot be done; says why.
    Impossible(String),
}

impl Assignments {
    /// Checks without scripts.
    pub fn new(checks: Vec<Check>, secrets: Secrets) -> Self {
        Self::with_modules(checks, &Modules::new(), secrets)
    }

    /// Checks with the modules of the project; each script is given those that it may import.
    pub fn with_modules(
        checks: impl IntoIterator<Item = impl Into<Arc<Check>>>,
        modules: &Modules,
        secrets: Secrets,
    ) -> Self {
        let modules = imports::index(modules);
        let mut assigned = HashMap::new();
        for check in checks {
            let check: Arc<Check> = check.into();
            let work = match &check.work {
                Work::Script { entry } => Prepared::Script {
                    entry: entry.clone(),
                    modules: imports::closure(entry, &modules),
                },
                Work::Request(spec) => match Plan::new(spec, &secrets) {
                    Ok(plan) => Prepared::Request(Box::new(plan)),
                    Err(reason) => Prepared::Impossible(reason),
                },
            };
            assigned.insert(check.id.clone(), Arc::new(Assignment { check, work }));
        }
        Self { checks: assigned, secrets: Arc::new(secrets), control: Control::default() }
    }

    /// The same, with targets of which one at least must answer before a failure counts.
    #[must_use]
    pub fn with_control(self, targets: Vec<Url>) -> Self {
        Self { control: Control::new(targets), ..self }
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// The secrets that checks may use.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// How many checks there are.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether there are no checks.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// The check of that id.
    pub fn check(&self, id: &CheckId) -> Option<&Check> {
        self.checks.get(id).map(|assignment| assignment.check.as_ref())
    }

    pub(super) fn assignment(&self, id: &CheckId) -> Option<Arc<Assignment>> {
        self.checks.get(id).map(Arc::clone)
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Assignment").field(&self.check.id).finish()
    }
}
