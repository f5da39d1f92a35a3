//! The rules of a store that remembers: one that is breached for one region.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use chrono::TimeDelta;

use super::super::now;
use super::{Remembered, broken};
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::domain::incident::Change;
use crate::domain::policy::{Policy, Roster};
use crate::domain::rule::state::{Data, Evaluation, Found, RuleState};
use crate::domain::rule::{Condition, LabelSet, OnMissing, Rule, RuleName, Template};
use crate::engine::rules::RuleSet;
use crate::http::Rules;
use crate::store::Error;
use crate::store::rules::{RuleJudge, RuleRecords};

fn rule() -> Rule {
    let template = |text| Template::parse(text).expect("a template");
    Rule {
        name: RuleName::new("few logins").expect("a name"),
        condition: Condition::Expression("rate(logins_total[5m]) < 1".to_owned()),
        interval: Duration::from_secs(30),
        hold: Duration::from_mins(2),
        keep_firing_for: Duration::ZERO,
        on_missing: OnMissing::Tell,
        missing_after: Rule::MISSING_AFTER,
        labels: BTreeMap::from([("severity".to_owned(), template("page"))]),
        annotations: BTreeMap::from([(
            "summary".to_owned(),
            template("only {{ $value }} a second"),
        )]),
        policy: Policy::built_in(None),
        runbook: None,
    }
}

/// The rules in force over `records`.
pub(in crate::http::tests) fn rules(records: &Arc<Remembered>) -> Rules {
    let around = (Roster::default(), Region::new("eu-west-1").expect("a good name"));
    let set = RuleSet::new([Arc::new(rule())], around, Duration::ZERO).expect("an expression");
    let records = Arc::clone(records) as Arc<dyn crate::store::rules::Rules>;
    Rules { in_force: Arc::new(ArcSwap::from_pointee(set)), records }
}

#[async_trait]
impl crate::store::rules::Rules for Remembered {
    async fn rule_records(&self) -> Result<RuleRecords, Error> {
        self.mood().await?;
        let rule = rule();
        let labels: LabelSet = [("region", "us")].into_iter().collect();
        let found = Found { labels, value: 0.5, usual: None, direction: None };
        let step = |state: RuleState, minute: i64| {
            let (found, missing) = (vec![found.clone()], std::collections::BTreeSet::new());
            let seen = Evaluation::Seen { found, missing, data: Data::There };
            state.step(&rule, now() - TimeDelta::minutes(minute), &seen)
        };
        let mut state = step(step(RuleState::default(), 3), 0);
        if let Some(error) = self.rules_fail.get() {
            state = state.step(&rule, now(), &Evaluation::Failed((*error).to_owned()));
        }
        let states = BTreeMap::from([(rule.name.clone(), state)]);
        Ok(RuleRecords { until: Some(now()), states })
    }

    async fn pass(
        &self,
        _: Option<Timestamp>,
        _: Timestamp,
        _: &dyn RuleJudge,
        _: Timestamp,
    ) -> Result<Option<Vec<Change>>, Error> {
        Err(broken())
    }
}
