//! What a result means under the project's rules, as they are now.
//!
//! The rules are one immutable [`Rulebook`]; a reload replaces it whole, so a decision is made by
//! the old rules or the new ones and never by half of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::domain::Timestamp;
use crate::domain::attendance::Lost;
use crate::domain::blindness::shortfall::{self, Rule, Standing};
use crate::domain::blindness::{self, Watched};
use crate::domain::check::Check;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::{self, Change, CheckState, Incident, Rules, Transition, Verdict};
use crate::domain::policy::{Policy, Roster};
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::store::Judge;

/// A check names a policy that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the check {check} names the policy `{policy}`, which does not exist")]
pub struct UnknownPolicy {
    /// The check.
    pub check: CheckId,
    /// The name it uses.
    pub policy: String,
}

/// The checks of a project with their policies, and the people in it.
#[derive(Debug, Default)]
pub struct Rulebook {
    checks: HashMap<CheckId, (Arc<Check>, Arc<Policy>)>,
    roster: Roster,
    coverage: Rule,
    edition: Option<String>,
}

impl Rulebook {
    /// Finds each check its policy.
    ///
    /// # Errors
    ///
    /// [`UnknownPolicy`] names the first check whose policy is not among `policies`.
    pub fn new(
        checks: impl IntoIterator<Item = impl Into<Arc<Check>>>,
        policies: impl IntoIterator<Item = Policy>,
        roster: Roster,
    ) -> Result<Self, UnknownPolicy> {
        let by_name = |policy: Policy| (policy.name.clone(), Arc::new(policy));
        let policies: HashMap<String, Arc<Policy>> = policies.into_iter().map(by_name).collect();
        let ruled = |check: Arc<Check>| {
            let policy = policies.get(&check.policy).ok_or_else(|| UnknownPolicy {
                check: check.id.clone(),
                policy: check.policy.clone(),
            })?;
            Ok((check.id.clone(), (check, Arc::clone(policy))))
        };
        let checks = checks.into_iter().map(Into::into).map(ruled).collect::<Result<_, _>>()?;
        Ok(Self { checks, roster, coverage: Rule::default(), edition: None })
    }

    /// The same with another rule about how much is to be known of a region.
    #[must_use]
    pub fn with_coverage(self, coverage: Rule) -> Self {
        Self { coverage, ..self }
    }

    /// The same as those of an edition of the project.
    #[must_use]
    pub fn of_edition(self, edition: String) -> Self {
        Self { edition: Some(edition), ..self }
    }

    /// Which edition of the project has them, where hubs can have different ones.
    pub fn edition(&self) -> Option<&str> {
        self.edition.as_deref()
    }

    /// How much is to be known of a region.
    pub fn coverage(&self) -> &Rule {
        &self.coverage
    }

    /// What the states of all checks mean while no agent serves the regions `lost` and others stand
    /// as `standings` says.
    fn review_without(
        &self,
        (lost, standings): (&BTreeMap<Region, Lost>, &BTreeMap<Region, Standing>),
        states: &HashMap<CheckId, CheckState>,
        open: &BTreeMap<Subject, Incident>,
        now: Timestamp,
    ) -> Vec<Change> {
        let nothing = CheckState::default();
        let watched = self.checks.values().map(|(check, policy)| Watched {
            rules: Rules { check, policy, roster: &self.roster },
            state: states.get(&check.id).unwrap_or(&nothing),
        });
        let watched: Vec<Watched<'_>> = watched.collect();
        let mut changes = blindness::review(&watched, lost, open, now);
        changes.extend(shortfall::review(&watched, standings, open, &changes, now));
        changes
    }
}

impl Judge for Rulebook {
    fn judge(&self, state: &CheckState, report: &Report, now: Timestamp) -> Transition {
        // A result of a check that is gone is kept as a run and decides nothing.
        let Some((check, policy)) = self.checks.get(&report.slot.check) else {
            return Transition::default();
        };
        let rules = Rules { check, policy, roster: &self.roster };
        incident::step(state, &Verdict::from(report), rules, now)
    }

    fn judge_absent(&self, check: &CheckId, open: &Incident, now: Timestamp) -> Option<Transition> {
        let gone = !self.checks.contains_key(check);
        gone.then(|| incident::withdraw(open, check, check.as_str(), now))
    }

    fn review(
        &self,
        states: &HashMap<CheckId, CheckState>,
        open: &BTreeMap<Subject, Incident>,
        now: Timestamp,
    ) -> Vec<Change> {
        self.review_without((&BTreeMap::new(), &BTreeMap::new()), states, open, now)
    }
}

/// A rulebook, and what is known of regions.
#[derive(Debug)]
pub struct Overview<'a> {
    /// The rules.
    pub rulebook: &'a Rulebook,
    /// The regions that no agent serves.
    pub lost: &'a BTreeMap<Region, Lost>,
    /// Whether enough is known of those that were looked at.
    pub standings: &'a BTreeMap<Region, Standing>,
}

impl Judge for Overview<'_> {
    fn judge(&self, state: &CheckState, report: &Report, now: Timestamp) -> Transition {
        self.rulebook.judge(state, report, now)
    }

    fn judge_absent(&self, check: &CheckId, open: &Incident, now: Timestamp) -> Option<Transition> {
        self.rulebook.judge_absent(check, open, now)
    }

    fn review(
        &self,
        states: &HashMap<CheckId, CheckState>,
        open: &BTreeMap<Subject, Incident>,
        now: Timestamp,
    ) -> Vec<Change> {
        self.rulebook.review_without((self.lost, self.standings), states, open, now)
    }
}

/// The rulebook in force.
#[derive(Debug)]
pub struct ProjectJudge(ArcSwap<Rulebook>);

impl ProjectJudge {
    /// Puts a rulebook in force.
    pub fn new(rulebook: Rulebook) -> Self {
        Self(ArcSwap::from_pointee(rulebook))
    }

    /// The rulebook in force; whoever holds it decides by it to the end.
    pub fn current(&self) -> Arc<Rulebook> {
        self.0.load_full()
    }

    /// Puts another rulebook in force. Incidents of checks that are not in it stay open until
    /// [`Store::close_absent`](crate::store::Store::close_absent) is called.
    pub fn replace(&self, rulebook: Rulebook) {
        self.0.store(Arc::new(rulebook));
    }
}
