//! What a project means for those who run its checks: turning its parts into the agent's, the
//! judge's and the sandbox's terms.

use std::sync::Arc;

use super::imports::{Modules, closure};
use super::project::seal;
use crate::agent::Assignments;
use crate::agent::secrets::Secrets;
use crate::config::settings::{Agent as AgentSettings, PrivateAddresses};
use crate::config::{Project, Settings};
use crate::domain::check::{Check, Work};
use crate::engine::judge::{Rulebook, UnknownPolicy};
use crate::net::guard;
use crate::sandbox::Options;

/// The checks that run, shared.
pub(super) fn checks(project: &Project) -> Vec<Arc<Check>> {
    project.checks.values().cloned().map(Arc::new).collect()
}

/// The modules and secrets that the project's runs need.
pub(super) fn assignments(project: &Project) -> Assignments {
    let modules: Modules<'_> =
        project.modules.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let entries = project.checks.values().filter_map(|check| match &check.work {
        Work::Script { entry } => Some(entry),
        Work::Request(_) => None,
    });
    Assignments {
        modules: entries.map(|entry| (entry.clone(), closure(entry, &modules))).collect(),
        secrets: Arc::new(secrets(&project.settings)),
    }
}

fn secrets(settings: &Settings) -> Secrets {
    let values = settings.secrets.iter();
    Secrets::new(values.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect())
}

/// The rules by which the project's results are judged.
///
/// # Errors
///
/// [`UnknownPolicy`] when a check names none that is there; a project that was read has no such.
pub(super) fn rulebook(project: &Project) -> Result<Rulebook, UnknownPolicy> {
    let settings = &project.settings;
    let (checks, policies) = (project.checks.values(), settings.policies.values());
    Rulebook::new(checks.cloned(), policies.cloned(), settings.people.roster.clone())
}

/// Where checks may connect to.
pub(super) fn egress(settings: &AgentSettings) -> guard::Policy {
    match settings.private_addresses {
        PrivateAddresses::Allow => guard::Policy::default(),
        PrivateAddresses::Refuse => guard::Policy::strict(),
    }
}

/// How the pool of sandboxed children is to be.
pub(super) fn pool_options(settings: &AgentSettings) -> Options {
    let defaults = Options::new(seal(settings.sandbox));
    let runs = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    Options { most: runs.saturating_add(defaults.most_idle), ..defaults }
}
