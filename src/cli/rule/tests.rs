use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::*;
use crate::cli::look::Look;
use crate::domain::policy::Policy;
use crate::domain::rule::{Condition, OnMissing, RuleName};
use crate::engine::rules::replay::{Episode, Moment};

fn rule(name: &str) -> Rule {
    Rule {
        name: RuleName::new(name).expect("a name"),
        condition: Condition::Expression("rate(errors_total[5m]) > 1".into()),
        interval: Duration::from_secs(30),
        hold: Duration::from_mins(2),
        keep_firing_for: Duration::ZERO,
        on_missing: OnMissing::Tell,
        missing_after: Rule::MISSING_AFTER,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        policy: Policy::built_in(None),
        runbook: None,
    }
}

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
    start + TimeDelta::minutes(minute)
}

#[test]
fn a_replay_is_readable_in_eighty_columns() {
    let moment = |minute: i32| Moment {
        at: at(i64::from(minute)),
        standing: match minute {
            600..700 => Standing::Breached,
            590..600 => Standing::Pending,
            1000..1060 => Standing::NoData,
            _ => Standing::Ok,
        },
        value: Some(
            10.0 + f64::from(minute / 10 % 30)
                + if (590..700).contains(&minute) { 90.0 } else { 0.0 },
        ),
        usual: None,
    };
    let replayed = Replayed {
        moments: (0..1440).map(moment).collect(),
        episodes: vec![
            Episode {
                since: at(590),
                from: at(600),
                until: Some(at(700)),
                series: 2,
                said: "{host=\"a\"} 120; {host=\"b\"} 110".into(),
            },
            Episode {
                since: at(1430),
                from: at(1435),
                until: None,
                series: 1,
                said: "value 7".into(),
            },
        ],
        bound: Some(60.0),
    };
    let text = told(&rule("errors"), &replayed, &Look::plain(80));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_rule_shows_what_it_stands_for() {
    insta::assert_snapshot!(definition(&rule("errors")));
}

#[test]
fn rules_are_listed_with_how_they_stand() {
    let status = |name: &str, standing, error: Option<&str>| RuleStatus {
        rule: Arc::new(rule(name)),
        state: crate::domain::rule::state::RuleState {
            standing,
            error: error.map(str::to_owned),
            ..Default::default()
        },
        evaluated_at: Some(at(3)),
    };
    let rules = vec![
        status("a", Standing::Ok, None),
        status("b", Standing::NoData, None),
        status("c", Standing::NoHistory, None),
        status("d", Standing::Failing, Some("the query exceeds the limit of 20000 series")),
    ];
    let snapshot = Snapshot { until: Some(at(3)), rules };
    insta::assert_snapshot!(table(&snapshot, &Look::plain(80)));
}
