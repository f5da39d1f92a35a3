use super::*;
use crate::domain::policy::Policy;
use crate::domain::rule::OnMissing;
use crate::domain::rule::change::{Baseline, Reading, Threshold};

const NOW: i64 = 1_795_200_000_000;
const MINUTE: i64 = 60_000;
const WEEK: i64 = 7 * 24 * 60 * MINUTE;

fn rule(condition: Condition) -> Arc<Rule> {
    Arc::new(Rule {
        name: RuleName::new("logins").expect("a name"),
        condition,
        interval: Duration::from_mins(1),
        hold: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        on_missing: OnMissing::Tell,
        missing_after: Rule::MISSING_AFTER,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        policy: Policy::of("", Vec::new()),
        runbook: None,
    })
}

fn change(baseline: Baseline, reading: Reading) -> Change {
    Change {
        metric: "logins".into(),
        reading,
        by: Vec::new(),
        window: Duration::from_hours(1),
        baseline,
        rises_by: None,
        falls_by: Some(Threshold::Share(0.5)),
        minimum: 0.0,
        hysteresis: 0.8,
    }
}

/// So many totals that grow by one every ten minutes, at the times at which anybody looks.
fn logins(count: usize) -> Vec<Arc<Series>> {
    let day = WEEK / 7;
    let looked_at = [4 * WEEK, 3 * WEEK, 2 * WEEK, WEEK, day, 0];
    let times: Vec<i64> = looked_at
        .iter()
        .flat_map(|ago| (-24..=6).map(move |at| NOW - ago + at * 10 * MINUTE))
        .filter(|at| *at <= NOW)
        .collect();
    let value = |at: &i64| f64::from(i32::try_from((at - NOW) / (10 * MINUTE)).expect("small"));
    let values: Vec<f64> = times.iter().map(|at| value(at) + 10_000.0).collect();
    let series = |number: usize| {
        let number = number.to_string();
        let labels = [(METRIC_NAME, "logins"), ("customer", number.as_str())].into_iter().collect();
        Arc::new(Series::new(labels, times.clone(), values.clone()).expect("in order"))
    };
    (0..count).map(series).collect()
}

/// What is, and what is usual, over all that is selected.
fn looked(change: Change, all: &[Arc<Series>]) -> (usize, usize) {
    let mut settings = Settings::default();
    settings.limits.series = 20_000;
    let compiled = Compiled::new(rule(Condition::Change(change)), &settings).expect("a rule");
    let when = When::At(NOW);
    let selections = compiled.selections(when, &settings).expect("few steps");
    let of = |selection: &Selection| {
        let is_of = |it: &&Arc<Series>| selection.matchers.iter().all(|m| m.selects(it.labels()));
        // All have the same labels but for the customer, of whom no rule here speaks.
        if all.iter().take(1).any(|it| is_of(&it)) { all.to_vec() } else { Vec::new() }
    };
    let data: Vec<_> = selections.iter().map(of).collect();
    match compiled.look(when, &data, &[], &settings).expect("it can be evaluated") {
        Look::Change { now, usual, .. } => (now[0].len(), usual[0].len()),
        Look::Filter { .. } => panic!("it is a change"),
    }
}

#[test]
fn a_change_of_ten_thousand_series_can_be_evaluated_against_each_baseline() {
    let all = logins(10_000);
    for (words, baseline) in Baseline::ALL {
        for reading in [Reading::Counter, Reading::Counts, Reading::Gauge] {
            assert_eq!(looked(change(baseline, reading), &all), (1, 1), "{words}, {reading:?}");
        }
    }
}

#[test]
fn what_has_no_value_for_each_time_is_no_condition() {
    for (text, found) in
        [("x[5m]", "a range vector"), ("x[5m:]", "a range vector"), ("(\"abc\")", "a string")]
    {
        let rule = rule(Condition::Expression(text.to_owned()));
        let error = Compiled::new(rule, &Settings::default()).expect_err(text).to_string();
        assert!(error.contains(found), "{error}");
    }
    for text in ["x", "1", "time()", "rate(x[5m]) > 1", "-(x)"] {
        let rule = rule(Condition::Expression(text.to_owned()));
        Compiled::new(rule, &Settings::default()).expect(text);
    }
}
