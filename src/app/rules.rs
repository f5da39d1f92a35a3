//! Rules of a project: made ready, evaluated in the daemon, replayed over the past.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::accounting;
use super::hub::Aftermath;
use super::witness::Witness;
use super::works::Works;
use crate::clock::{Clock, Pulse};
use crate::config::{Project, Settings};
use crate::domain::Timestamp;
use crate::domain::incident::Change;
use crate::domain::rule::Rule;
use crate::engine::judge::ProjectJudge;
use crate::engine::rules::replay::{Replayed, replay};
use crate::engine::rules::{Compiled, Observer, Rounds, RuleSet, WrongRule};
use crate::store::Ledger;
use crate::store::metrics::Metrics;

/// The rules in force.
pub(super) type InForce = Arc<ArcSwap<RuleSet>>;

/// The rules of a project, ready to be evaluated.
///
/// # Errors
///
/// [`WrongRule`] when an expression is none; a project that was read has no such.
pub fn rule_set(settings: &Settings) -> Result<RuleSet, WrongRule> {
    let around = (settings.people.roster.clone(), settings.agent.region.clone());
    let rules = RuleSet::new(settings.rules.all.iter().cloned(), around, settings.rules.settle)?;
    Ok(rules.about(settings.metrics.most_series()))
}

/// The same as those of its edition, which hubs that share a store can have several of.
pub(super) fn of_project(project: &Project) -> Result<RuleSet, WrongRule> {
    Ok(rule_set(&project.settings)?.of_edition(accounting::edition(project)))
}

/// Evaluates the rules in force from now on, until the works end; `pulse` is told when the next look
/// is due.
pub(super) fn begin(
    works: &Works,
    store: &Arc<dyn Ledger>,
    (rules, judge): (&InForce, &Arc<ProjectJudge>),
    (clock, witness, pulse): (&Arc<dyn Clock>, &Arc<dyn Witness>, Arc<Pulse>),
) {
    let aftermath = Aftermath::of(works, witness);
    let mut rounds = Rounds::new(
        (Arc::clone(store), Arc::clone(store) as Arc<dyn Metrics>),
        (Arc::clone(rules), Arc::clone(judge)),
        Arc::clone(clock),
        Arc::new(aftermath),
        Uuid::new_v4().to_string(),
    );
    rounds.pulse = pulse;
    works.spawn(|halt| rounds.run(halt));
}

impl Observer for Aftermath {
    fn on_evaluated(&self, changes: &[Change]) {
        crate::engine::review::Observer::on_reviewed(self, changes);
    }
}

/// What the rule called `name` would have said between two times.
///
/// # Errors
///
/// A sentence that says why that cannot be told.
pub async fn replayed(
    settings: &Settings,
    store: &Arc<dyn Ledger>,
    name: &str,
    period: (Timestamp, Timestamp),
) -> Result<(Arc<Rule>, Replayed), String> {
    let rules = rule_set(settings).map_err(|error| error.to_string())?;
    let Some(rule) = rules.rules.iter().find(|it| it.rule.name.as_str() == name) else {
        return Err(format!("there is no rule called `{name}`; `tripline rule list` names them"));
    };
    let metrics = Arc::clone(store) as Arc<dyn Metrics>;
    let replayed = replay(&*metrics, (&rules, rule), period).await?;
    Ok((Arc::clone(&rule.rule), replayed))
}

/// Makes the rules of a file ready for a test.
pub(super) fn compiled(
    rules: &[Arc<Rule>],
    file: &Path,
) -> Result<Vec<Compiled>, Box<crate::config::Diagnostic>> {
    let settings = crate::query::Settings::default();
    let compiled = rules.iter().map(|rule| Compiled::new(Arc::clone(rule), &settings));
    compiled.collect::<Result<_, _>>().map_err(|error: WrongRule| {
        let file = file.display().to_string();
        Box::new(crate::config::Diagnostic::of_file(file, error.to_string()))
    })
}
