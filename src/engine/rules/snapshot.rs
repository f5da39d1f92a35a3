//! How all rules stand: what the API, the Prometheus API and the command line show.

use std::sync::Arc;

use super::compiled::RuleSet;
use crate::domain::Timestamp;
use crate::domain::rule::Rule;
use crate::domain::rule::state::RuleState;
use crate::store::rules::RuleRecords;

/// A rule with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleStatus {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What is known of it.
    pub state: RuleState,
    /// The last time of its grid at which it was evaluated.
    pub evaluated_at: Option<Timestamp>,
}

/// How all rules stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Up to which time they are evaluated; `None` when they never were.
    pub until: Option<Timestamp>,
    /// The rules, in the order of the project.
    pub rules: Vec<RuleStatus>,
}

impl Snapshot {
    /// Joins the rules in force with what the store knows of them.
    pub fn of(rules: &RuleSet, records: &RuleRecords) -> Self {
        Self::of_rules(rules.rules.iter().map(|it| Arc::clone(&it.rule)), records)
    }

    /// The same for rules that are not ready to be evaluated.
    pub fn of_rules(rules: impl IntoIterator<Item = Arc<Rule>>, records: &RuleRecords) -> Self {
        let status = |rule: Arc<Rule>| {
            let known = records.states.get(&rule.name);
            let evaluated_at = known.and(records.until).map(|until| last_before(&rule, until));
            RuleStatus { state: known.cloned().unwrap_or_default(), evaluated_at, rule }
        };
        Self { until: records.until, rules: rules.into_iter().map(status).collect() }
    }
}

/// The last time of a rule's grid until `until`.
fn last_before(rule: &Rule, until: Timestamp) -> Timestamp {
    let step = i64::try_from(rule.interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let millis = until.timestamp_millis().div_euclid(step) * step;
    Timestamp::from_timestamp_millis(millis).unwrap_or(until)
}
