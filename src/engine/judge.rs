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
use crate::domain::group::Group;
use crate::domain::id::{CheckId, Region};
use crate::domain::incident::acting::{self, Act, Refused};
use crate::domain::incident::telling::{self, Situation};
use crate::domain::incident::tending::{self, Surroundings};
use crate::domain::incident::{self, Change, CheckState, Incident, Rules, Transition, Verdict};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::policy::{Policy, Roster};
use crate::domain::restraint::{About, Actor, Maintenance, Quiet, Scope, Silence};
use crate::domain::rule::RuleName;
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::store::care::{Caretaker, Case};
use crate::store::{Judge, Remembered};

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
    maintenance: Vec<Maintenance>,
    rules: HashMap<RuleName, (Arc<Policy>, Labels)>,
    groups: Vec<Group>,
}

type Labels = BTreeMap<String, String>;

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
        Ok(Self { checks, roster, ..Self::default() })
    }

    /// The same with planned times in which nobody is told.
    #[must_use]
    pub fn with_maintenance(self, maintenance: Vec<Maintenance>) -> Self {
        Self { maintenance, ..self }
    }

    /// The same with rules: who is told of each, and the labels by which it is chosen.
    #[must_use]
    pub fn with_rules(self, rules: impl IntoIterator<Item = (RuleName, Policy, Labels)>) -> Self {
        let known = |(name, policy, labels)| (name, (Arc::new(policy), labels));
        Self { rules: rules.into_iter().map(known).collect(), ..self }
    }

    /// The check of that id.
    pub fn check(&self, id: &CheckId) -> Option<&Arc<Check>> {
        self.checks.get(id).map(|(check, _)| check)
    }

    /// The policy by which people are told of the check.
    pub fn policy(&self, id: &CheckId) -> Option<&Policy> {
        self.checks.get(id).map(|(_, policy)| policy.as_ref())
    }

    /// What keeps people from being told, where there are `silences`.
    pub fn quiet<'a>(&'a self, silences: &'a [Silence]) -> Quiet<'a> {
        Quiet { silences, maintenance: &self.maintenance }
    }

    /// The labels of what an incident is about.
    pub fn labels(&self, subject: &Subject) -> &Labels {
        self.ruled(subject).1
    }

    /// The policy and the labels of what an incident is about.
    fn ruled(&self, subject: &Subject) -> (Option<&Policy>, &Labels) {
        static NONE: Labels = Labels::new();
        if let Some((check, policy)) = subject.check().and_then(|it| self.checks.get(it)) {
            return (Some(policy), &check.labels);
        }
        match subject.rule().and_then(|it| self.rules.get(it)) {
            Some((policy, labels)) => (Some(policy), labels),
            None => (None, &NONE),
        }
    }

    /// Makes what was decided about a subject whole.
    pub fn finish(
        &self,
        Change { subject, transition }: Change,
        remembered: &Remembered,
        now: Timestamp,
    ) -> Change {
        let (policy, labels) = self.ruled(&subject);
        let transition = telling::finish(
            transition,
            Situation {
                open: remembered.open.get(&subject),
                // Evaluations of a rule that are made up for later must decide as in their time; what
                // keeps a rule from flapping is its `keep_firing_for`.
                closed: remembered.closed.get(&subject).filter(|_| subject.rule().is_none()),
                policy,
                about: About { subject: &subject, labels, down: &[] },
                quiet: self.quiet(&remembered.silences),
                now,
            },
        );
        Change { subject, transition }
    }

    /// What is wrong with what `case` is about, as it is now.
    fn notice(&self, case: Case<'_>, now: Timestamp) -> Notice {
        let open = case.open;
        let mut notice = open.story.notice.clone().unwrap_or_else(|| {
            let kind = NoticeKind::Failing { tier: open.tiers.last().copied().unwrap_or(1) };
            let region = open.cause.region.clone();
            Notice {
                step: open.cause.step.clone(),
                request: open.cause.request.clone(),
                error: open.cause.error.clone(),
                since: open.since,
                ..Notice::new(kind, case.subject.clone(), region, now)
            }
        });
        notice.note = None;
        if let (Subject::Check(id), Some(state)) = (case.subject, case.state)
            && let Some((check, policy)) = self.checks.get(id)
        {
            let rules = Rules { check, policy, roster: &self.roster };
            incident::refresh(&mut notice, state, rules, now);
        }
        notice
    }

    fn around<'a>(&'a self, case: Case<'a>, notice: &'a Notice) -> Surroundings<'a> {
        let (policy, labels) = self.ruled(case.subject);
        let about = About { subject: case.subject, labels, down: &notice.down };
        let quiet = self.quiet(case.silences);
        Surroundings { policy, roster: &self.roster, about, notice, quiet }
    }

    /// The same with another rule about how much is to be known of a region.
    #[must_use]
    pub fn with_coverage(self, coverage: Rule) -> Self {
        Self { coverage, ..self }
    }

    /// The same with groups of checks.
    #[must_use]
    pub fn with_groups(self, groups: Vec<Group>) -> Self {
        Self { groups, ..self }
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The people of the project.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The policies by which people are told of checks and rules, by name and each once.
    pub fn policies(&self) -> Vec<&Policy> {
        let of_checks = self.checks.values().map(|(_, policy)| &**policy);
        let of_rules = self.rules.values().map(|(policy, _)| &**policy);
        let by_name: BTreeMap<&str, &Policy> =
            of_rules.chain(of_checks).map(|policy| (policy.name.as_str(), policy)).collect();
        by_name.into_values().collect()
    }

    /// All checks, in no order.
    pub fn checks(&self) -> impl Iterator<Item = &Arc<Check>> {
        self.checks.values().map(|(check, _)| check)
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
        remembered: &Remembered,
        now: Timestamp,
    ) -> Vec<Change> {
        let open = &remembered.open;
        let nothing = CheckState::default();
        let watched = self.checks.values().map(|(check, policy)| Watched {
            rules: Rules { check, policy, roster: &self.roster },
            state: states.get(&check.id).unwrap_or(&nothing),
        });
        let watched: Vec<Watched<'_>> = watched.collect();
        let mut changes = blindness::review(&watched, lost, open, now);
        changes.extend(shortfall::review(&watched, standings, open, &changes, now));
        changes.into_iter().map(|change| self.finish(change, remembered, now)).collect()
    }
}

impl Judge for Rulebook {
    fn judge(
        &self,
        state: &CheckState,
        report: &Report,
        silences: &[Silence],
        now: Timestamp,
    ) -> Transition {
        // A result of a check that is gone is kept as a run and decides nothing.
        let Some((check, policy)) = self.checks.get(&report.slot.check) else {
            return Transition::default();
        };
        let rules = Rules { check, policy, roster: &self.roster };
        let verdict = Verdict::from(report);
        let mut transition = incident::step(state, &verdict, rules, now);
        let open = state.incident.as_deref();
        // Nearly every result.
        if open.is_none() && transition.incident.is_none() {
            return transition;
        }
        let counted = transition.streak.as_ref().map(|streak| (&verdict.region, streak));
        let down = incident::down(state, counted, check, now);
        if transition.incident.is_none() {
            if down == incident::down(state, None, check, now) {
                return transition;
            }
            // What restrains only some regions may not cover it any more, or cover it now.
            transition.incident = open.cloned();
        }
        let subject = Subject::Check(check.id.clone());
        let situation = Situation {
            open,
            closed: state.closed.as_deref(),
            policy: Some(policy),
            about: About { subject: &subject, labels: &check.labels, down: &down },
            quiet: self.quiet(silences),
            now,
        };
        let mut transition = telling::finish(transition, situation);
        transition.incident.take_if(|it| open == Some(&*it));
        transition
    }

    fn judge_absent(&self, check: &CheckId, open: &Incident, now: Timestamp) -> Option<Transition> {
        let gone = !self.checks.contains_key(check);
        gone.then(|| telling::numbered(incident::withdraw(open, check, check.as_str(), now), now))
    }

    fn review(
        &self,
        states: &HashMap<CheckId, CheckState>,
        remembered: &Remembered,
        now: Timestamp,
    ) -> Vec<Change> {
        self.review_without((&BTreeMap::new(), &BTreeMap::new()), states, remembered, now)
    }
}

impl Caretaker for Rulebook {
    fn tend(&self, case: Case<'_>, now: Timestamp) -> Transition {
        let notice = self.notice(case, now);
        tending::tend(case.open, self.around(case, &notice), now)
    }

    fn act(
        &self,
        case: Case<'_>,
        act: &Act,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Transition, Refused> {
        let notice = self.notice(case, now);
        acting::act(case.open, (act, actor), self.around(case, &notice), now)
    }

    fn covers(&self, scope: &Scope, case: Case<'_>) -> bool {
        let notice = self.notice(case, case.open.opened_at);
        scope.covers(self.around(case, &notice).about)
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
    fn judge(
        &self,
        state: &CheckState,
        report: &Report,
        silences: &[Silence],
        now: Timestamp,
    ) -> Transition {
        self.rulebook.judge(state, report, silences, now)
    }

    fn judge_absent(&self, check: &CheckId, open: &Incident, now: Timestamp) -> Option<Transition> {
        self.rulebook.judge_absent(check, open, now)
    }

    fn review(
        &self,
        states: &HashMap<CheckId, CheckState>,
        remembered: &Remembered,
        now: Timestamp,
    ) -> Vec<Change> {
        self.rulebook.review_without((self.lost, self.standings), states, remembered, now)
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
