//! What a project means for those who run its checks: turning its parts into the agent's, the
//! judge's and the sandbox's terms.

use std::sync::Arc;

use super::accounting;
use super::project::seal;
use crate::agent::{Assignments, Secrets};
use crate::config::Project;
use crate::config::settings::Agent as AgentSettings;
use crate::domain::check::Check;
use crate::engine::judge::{Rulebook, UnknownPolicy};
use crate::net::Dialer;
use crate::sandbox::Options;

/// The checks that run, shared.
pub(super) fn checks(project: &Project) -> Vec<Arc<Check>> {
    project.checks.values().cloned().collect()
}

/// What the agent is to run.
pub(super) fn assignments(project: &Project) -> Arc<Assignments> {
    let values = project.settings.secrets.iter();
    let secrets = values.map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let checks = project.checks.values().chain(project.disabled.values()).cloned();
    let settings = &project.settings;
    let control = settings.control.get(&settings.agent.region).cloned().unwrap_or_default();
    let assignments = Assignments::with_modules(checks, &project.modules, Secrets::new(secrets));
    Arc::new(assignments.with_control(control))
}

/// The rules by which the project's results are judged.
///
/// # Errors
///
/// [`UnknownPolicy`] when a check names none that is there; a project that was read has no such.
pub(super) fn rulebook(project: &Project) -> Result<Rulebook, UnknownPolicy> {
    let settings = &project.settings;
    let (checks, policies) = (project.checks.values(), settings.policies.values());
    let rules = Rulebook::new(checks.cloned(), policies.cloned(), settings.people.roster.clone())?;
    let all = settings.rules.all.iter();
    let by_name = all.map(|rule| (rule.name.clone(), rule.policy.clone(), rule.fixed_labels()));
    let rules = rules.with_coverage(settings.coverage).with_rules(by_name);
    let rules = rules.with_maintenance(settings.maintenance.clone());
    let rules = rules.with_groups(settings.groups.clone());
    Ok(rules.of_edition(accounting::edition(project)))
}

/// How checks connect, and where they may.
pub(super) fn dialer(settings: &AgentSettings) -> Arc<Dialer> {
    let dialer = Dialer::new(settings.egress.clone());
    Arc::new(match &settings.proxy {
        Some(proxy) => dialer.with_proxy(proxy.clone()),
        None => dialer,
    })
}

/// How the pool of sandboxed children is to be.
pub(super) fn pool_options(settings: &AgentSettings) -> Options {
    let defaults = Options::new(seal(settings.sandbox));
    let runs = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    Options { most: runs.saturating_add(defaults.most_idle), ..defaults }
}
