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

/// Two points: of the window before, and of the present one.
fn two(usual: f64, now: f64) -> Arc<Series> {
    let labels = [(METRIC_NAME, "logins")].into_iter().collect();
    let times = vec![NOW - 90 * MINUTE, NOW - 30 * MINUTE];
    Arc::new(Series::new(labels, times, vec![usual, now]).expect("in order"))
}

fn is_beyond(change: &Change, usual: f64, now: f64) -> bool {
    let settings = Settings::default();
    let expression = parse(&change.expression(), &settings.limits).expect("an expression");
    let count = plan(&expression, When::At(NOW), &settings).expect("a plan").len();
    let data = vec![vec![two(usual, now)]; count];
    let answer = evaluate(&expression, When::At(NOW), &data, &settings).expect("an answer");
    let Outcome::Vector(samples) = answer.outcome else { panic!("a change yields series") };
    samples.len() == 1
}

#[test]
fn the_expression_of_a_change_yields_what_is_judged_a_breach() {
    let (share, amount) = (|it| Some(Threshold::Share(it)), |it| Some(Threshold::Amount(it)));
    let thresholds = [
        (None, share(0.5)),
        (share(1.5), None),
        (share(0.25), share(0.25)),
        (None, amount(30.0)),
        (amount(30.0), None),
        (amount(5.0), share(0.5)),
    ];
    let values = [-200.0, -20.0, -3.0, 0.0, 4.0, 9.0, 10.0, 12.0, 15.0, 30.0, 41.0, 300.0];
    for (rises_by, falls_by) in thresholds {
        for (minimum, usual, now) in [0.0, 10.0]
            .iter()
            .flat_map(|minimum| values.iter().map(move |usual| (*minimum, *usual)))
            .flat_map(|(minimum, usual)| values.iter().map(move |now| (minimum, usual, *now)))
        {
            let change = change(Baseline::PreviousWindow, Reading::Gauge);
            let change = Change { rises_by, falls_by, minimum, ..change };
            let judged = change.judge(Some(now), Some(usual), None);
            let is_breach = matches!(judged, Judgement::Beyond(_));
            let (yields, text) = (is_beyond(&change, usual, now), change.expression());
            assert_eq!(yields, is_breach, "{now} now, {usual} before: {text}");
        }
    }
}
