//! Evaluation in the small: limits, errors, and what Prometheus' own tests do not reach.

use super::super::parse::parse;
use super::super::plan::plan;
use super::super::series::STALE;
use super::*;

fn series(labels: &[(&'static str, &'static str)], values: &[f64]) -> Arc<Series> {
    let times = (0..).map(|at| at * 60_000).take(values.len()).collect();
    let labels = labels.iter().copied().collect();
    Arc::new(Series::new(labels, times, values.to_vec()).expect("in order"))
}

fn world() -> Vec<Arc<Series>> {
    let name = ("__name__", "x_total");
    vec![
        series(&[name, ("a", "1"), ("le", "1")], &[0.0, 1.0, 2.0, 3.0]),
        series(&[name, ("a", "2"), ("le", "+Inf")], &[5.0, 6.0, 7.0, STALE]),
    ]
}

fn answered(text: &str, when: When, settings: &Settings) -> Evaluated<Answer> {
    let expression = parse(text, &settings.limits).expect(text);
    let selections = plan(&expression, when, settings)?;
    let all = world();
    let select = |selection: &super::super::Selection| {
        let chosen = |one: &&Arc<Series>| {
            selection.matchers.iter().all(|matcher| matcher.selects(one.labels()))
        };
        all.iter().filter(chosen).cloned().collect::<Vec<_>>()
    };
    let data: Vec<_> = selections.iter().map(select).collect();
    evaluate(&expression, when, &data, settings)
}

fn shown(text: &str, when: When) -> String {
    match answered(text, when, &Settings::default()) {
        Err(error) => error.to_string(),
        Ok(Answer { outcome: Outcome::Vector(samples), .. }) => {
            let sample = |sample: &Sample| format!("{} {}", sample.labels, sample.value);
            samples.iter().map(sample).collect::<Vec<_>>().join("; ")
        }
        Ok(Answer { outcome: Outcome::Matrix(lines), .. }) => {
            let line = |line: &Line| format!("{} {:?}", line.labels, line.points);
            lines.iter().map(line).collect::<Vec<_>>().join("; ")
        }
        Ok(Answer { outcome, .. }) => format!("{outcome:?}"),
    }
}

const AT: When = When::At(180_000);

#[test]
fn a_stale_series_has_no_value_but_a_past() {
    assert_eq!(shown("x_total", AT), r#"{__name__="x_total", a="1", le="1"} 3"#);
    assert_eq!(shown("sum(count_over_time(x_total[3m]))", AT), "{} 5");
    let range = When::Every { start: 120_000, end: 180_000, step: 60_000 };
    assert_eq!(shown("sum(x_total)", range), "{} [(120000, 9.0), (180000, 3.0)]");
}

#[test]
fn a_range_alone_is_its_samples() {
    let expected = r#"{__name__="x_total", a="2", le="+Inf"} [(120000, 7.0)]"#;
    assert_eq!(shown("x_total{a=\"2\"}[2m]", AT), expected);
    let range = When::Every { start: 0, end: 1, step: 1 };
    assert!(shown("x_total[2m]", range).starts_with("invalid expression type"));
}

#[test]
fn series_that_follow_each_other_are_one() {
    let text = "count_over_time((sum(x_total{a=\"2\"}) or -sum(x_total))[3m:1m])";
    assert_eq!(shown(text, AT), "{} 3");
}

#[test]
fn series_that_do_not_fit_together_say_so() {
    assert_eq!(
        shown("x_total offset 1m + on () x_total offset 1m", AT),
        "found duplicate series for the match group {} on the right hand-side of the operation: \
         [{__name__=\"x_total\", a=\"2\", le=\"+Inf\"}, {__name__=\"x_total\", a=\"1\", \
         le=\"1\"}];many-to-many matching not allowed: matching labels must be unique on one side"
    );
    let many = "multiple matches for labels: many-to-one matching must be explicit \
                (group_left/group_right)";
    let one = "sum(x_total offset 1m)";
    // Both are filtered away, and still there were two.
    assert_eq!(shown(&format!("x_total offset 1m > on () {one}"), AT), many);
    assert_eq!(
        shown(&format!("x_total offset 1m * on () group_left {one}"), AT),
        r#"{a="1", le="1"} 18; {a="2", le="+Inf"} 63"#
    );
    assert_eq!(
        shown("sum without (le) (x_total offset 1m) and on () vector(1)", AT),
        r#"{a="1"} 2; {a="2"} 7"#
    );
    let same = "vector cannot contain metrics with the same labelset";
    assert_eq!(shown("label_replace(x_total offset 1m, \"a\", \"\", \"\", \"\")", AT), {
        r#"{__name__="x_total", le="1"} 2; {__name__="x_total", le="+Inf"} 7"#
    });
    assert_eq!(shown("label_join(sum by (a) (x_total offset 1m), \"a\", \"\")", AT), same);
}

#[test]
fn limitk_and_limit_ratio_choose_the_same_each_time() {
    assert_eq!(shown("count(limitk(1, x_total offset 1m))", AT), "{} 1");
    assert_eq!(
        shown("count(limit_ratio(0.4, x_total) or limit_ratio(-0.6, x_total))", AT),
        shown("count(x_total)", AT)
    );
    assert_eq!(shown("limit_ratio(0.4, x_total) and limit_ratio(-0.6, x_total)", AT), "");
}

#[test]
fn a_series_that_is_selected_again_and_again_counts_once() {
    let limits = Limits { series: 2, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let often = vec!["sum(x_total offset 1m)"; 24].join(" + ");
    answered(&often, AT, &settings).expect("two series, 24 times");
    let limits = Limits { series: 1, ..limits };
    let error = answered(&often, AT, &Settings { limits, ..settings }).expect_err("two series");
    assert_eq!(error.to_string(), "the query exceeds the limit of 1 series");
}

#[test]
fn each_limit_is_named() {
    let hours = When::Every { start: 0, end: 3_600_000, step: 1000 };
    let small = Limits { steps: 4000, series: 1, samples: 5000, work: 6000, ..Limits::default() };
    for (text, when, limits, what) in [
        ("1", hours, Limits { steps: 3600, ..small }, "3600 steps"),
        ("max_over_time(vector(1)[1y:1s])", AT, small, "4000 steps"),
        ("x_total", AT, small, "1 series"),
        ("vector(time()) + vector(time())", hours, Limits { series: 9, ..small }, "5000 samples"),
        (
            "sum_over_time(vector(1)[4000s:1s]) + sum_over_time(vector(1)[4000s:1s])",
            AT,
            Limits { samples: 1 << 20, series: 9, ..small },
            "6000 units of work",
        ),
    ] {
        let error = answered(text, when, &Settings { limits, ..Settings::default() });
        let error = error.expect_err(text).to_string();
        assert_eq!(error, format!("the query exceeds the limit of {what}"), "{text}");
    }
}

#[test]
fn a_label_does_not_double_without_end() {
    let mut text = "vector(1)".to_owned();
    text = format!("label_replace({text}, \"a\", \"0123456789\", \"\", \"\")");
    for _ in 0..20 {
        text = format!("label_join({text}, \"a\", \"\", \"a\", \"a\")");
    }
    assert_eq!(shown(&text, AT), "the query exceeds the limit of 65536 bytes in a label");
    let text = "label_replace(x_total, \"a\", \"$1$1\", \"a\", \"(.*)\")";
    assert_eq!(shown(text, AT), r#"{__name__="x_total", a="11", le="1"} 3"#);
}

#[test]
fn times_that_make_no_sense_are_refused() {
    let wrong = [
        When::At(i64::MAX),
        When::Every { start: 0, end: i64::MAX, step: 1 },
        When::Every { start: 1, end: 0, step: 1 },
        When::Every { start: 0, end: 1, step: 0 },
    ];
    for when in wrong {
        let error = answered("1", when, &Settings::default()).expect_err("no sense");
        assert!(matches!(error, EvaluationError::Invalid(_)), "{error}");
    }
    for lookback in [0, i64::MAX] {
        let settings = Settings { lookback, ..Settings::default() };
        answered("x_total", AT, &settings).expect_err("no lookback");
    }
    answered("1", When::At(i64::MIN), &Settings::default()).expect_err("no time");
    let expression = parse("x", &Limits::default()).expect("a selector");
    let error = evaluate(&expression, AT, &[], &Settings::default()).expect_err("no data");
    assert_eq!(error.to_string(), "series for 0 selections of 1");
}

#[test]
fn the_deepest_tree_is_evaluated_on_a_small_stack() {
    let times = Limits::default().depth - 3;
    let text = "max_over_time(".repeat(times / 2) + "x_total" + &"[5m:1m])".repeat(times / 2);
    let sums = "sum(".repeat(times) + "x_total" + &")".repeat(times);
    let work = move || {
        assert_eq!(shown(&sums, AT), "{} 3");
        answered(&text, AT, &Settings::default()).map(|_| ())
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work);
    thread.expect("a thread").join().expect("it does not overflow").expect("within the limits");
}
