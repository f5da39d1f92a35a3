//! What holds for every text, every expression and all series.

use std::sync::Arc;

use proptest::prelude::*;
use tripline::query::{
    EvaluationError, Labels, Limits, Outcome, STALE, Series, Settings, When, evaluate, parse, plan,
};

/// Pieces that expressions are made of, in no order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "x",
        "sum",
        "rate",
        "by",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ":",
        "5m",
        "1e9",
        "0x",
        "@",
        "offset",
        "-",
        "+",
        "^",
        "==",
        "=~",
        "!~",
        "\"a\"",
        "'\\",
        "`",
        ",",
        "bool",
        "on",
        "group_left",
        "start",
        "end",
        "or",
        "atan2",
        "NaN",
        "#",
        "\n",
        "\u{e9}",
        "\\xff",
        "1_0",
        "topk",
        "label_replace",
        "=",
        "*",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.join(" "))
}

fn scalar() -> BoxedStrategy<String> {
    let known = ["0", "1", "-2.5", "0.5", "NaN", "Inf", "time()", "scalar(x)", "pi()"];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned).boxed()
}

fn selector() -> BoxedStrategy<String> {
    let known = ["x", "y", "x{a=\"1\"}", "{__name__=~\"x|y\"}", "x{a!=\"1\"}", "y{b=~\"..?\"}"];
    let shifts = ["", "", " offset 45s", " offset -1m", " @ 120", " @ 90 offset 30s"];
    (prop::sample::select(known.to_vec()), prop::sample::select(shifts.to_vec()))
        .prop_map(|(selector, shift)| format!("{selector}{shift}"))
        .boxed()
}

fn range(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let plain = prop::sample::select(vec![
        "x[1m]",
        "y[100s]",
        "x[5m] offset 1m",
        "{a=\"2\"}[3m]",
        "y[2m] @ 150",
    ]);
    let spans =
        prop::sample::select(vec!["[2m:30s]", "[1m:]", "[90s:7s] offset 20s", "[2m:1m] @ 200"]);
    prop_oneof![
        plain.prop_map(str::to_owned),
        (inner, spans).prop_map(|(inner, span)| format!("({inner}){span}")),
    ]
    .boxed()
}

/// Functions of ranges.
const OVER: &str = "rate|increase|delta|irate|idelta|deriv|avg_over_time|min_over_time|\
    max_over_time|sum_over_time|count_over_time|stddev_over_time|last_over_time|\
    first_over_time|changes|resets|present_over_time|absent_over_time|mad_over_time|\
    ts_of_max_over_time";
/// Functions of each value.
const MAP: &str = "abs|ceil|sgn|-|absent|timestamp|day_of_week|minute|round|sort|sort_desc|ln|";
/// Aggregations without a parameter.
const SUM: &str = "sum|avg|min|max|count|group|stddev|stdvar";
/// What aggregations may be by.
const GROUPS: &str = "|by (a)|without (a)|by (__name__, b)";
/// Aggregations with a parameter.
const CHOOSE: &str = "topk|bottomk|limitk|quantile|limit_ratio";
/// Operators between vectors.
const OPERATOR: &str = "+|-|*|/|%|^|==|!=|> bool|<|>=|and|or|unless|atan2|* on (a) group_left ()|\
    - ignoring (b)|+ on (a) group_right (b)|and on ()|unless on (a)|or on (b)";

fn one_of(words: &'static str) -> BoxedStrategy<&'static str> {
    prop::sample::select(words.split('|').collect::<Vec<_>>()).boxed()
}

fn vector() -> BoxedStrategy<String> {
    selector()
        .prop_recursive(4, 24, 3, |inner| {
            let [over, map, sum, groups, choose, operator] =
                [OVER, MAP, SUM, GROUPS, CHOOSE, OPERATOR].map(one_of);
            let ranges = range(inner.clone());
            prop_oneof![
                (over, ranges.clone()).prop_map(|(over, range)| format!("{over}({range})")),
                (ranges.clone(), scalar()).prop_map(|(r, s)| format!("predict_linear({r}, {s})")),
                (scalar(), ranges).prop_map(|(s, r)| format!("quantile_over_time({s}, {r})")),
                (map, inner.clone()).prop_map(|(map, inner)| format!("{map}({inner})")),
                (sum, groups.clone(), inner.clone())
                    .prop_map(|(sum, groups, inner)| format!("{sum} {groups} ({inner})")),
                (choose, groups, scalar(), inner.clone())
                    .prop_map(|(choose, g, s, inner)| format!("{choose} {g} ({s}, {inner})")),
                (inner.clone(), operator, inner.clone())
                    .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
                (inner.clone(), scalar()).prop_map(|(left, right)| format!("({left}) * {right}")),
                (scalar(), inner.clone()).prop_map(|(left, right)| format!("{left} <= ({right})")),
                (inner.clone(), scalar(), scalar())
                    .prop_map(|(inner, a, b)| format!("clamp({inner}, {a}, {b})")),
                inner.clone().prop_map(|inner| format!("count_values(\"v\", {inner})")),
                inner.clone().prop_map(|inner| {
                    format!("label_replace({inner}, \"b\", \"$1x\", \"a\", \"(.*)\")")
                }),
                inner.prop_map(|inner| format!("vector(scalar({inner}))")),
            ]
        })
        .boxed()
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        10 => (-2i32..6).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(STALE),
        1 => any::<f64>(),
    ]
}

prop_compose! {
    fn one_series(name: &'static str, a: &'static str, b: &'static str)(
        samples in prop::collection::vec((1i64..60, value()), 0..30)
    ) -> Arc<Series> {
        let labels: Labels = [("__name__", name), ("a", a), ("b", b)].into_iter().collect();
        let (mut time, mut times, mut values) = (0, Vec::new(), Vec::new());
        for (gap, value) in samples {
            time += gap * 1000;
            times.push(time);
            values.push(value);
        }
        Arc::new(Series::new(labels, times, values).expect("in order"))
    }
}

fn world() -> impl Strategy<Value = Vec<Arc<Series>>> {
    let x = (one_series("x", "1", "b1"), one_series("x", "2", "b1"), one_series("x", "2", "b2"));
    let y = (one_series("y", "1", "b1"), one_series("y", "2", "b3"), one_series("y", "", "b2"));
    (x, y).prop_map(|((a, b, c), (d, e, f))| vec![a, b, c, d, e, f])
}

fn settings() -> Settings {
    Settings { lookback: 60_000, subquery_step: 15_000, ..Settings::default() }
}

type Lines = Vec<(Labels, Vec<(i64, f64)>)>;

/// Evaluates over all samples, or over those alone that the plan asks for.
fn lines(
    text: &str,
    when: When,
    world: &[Arc<Series>],
    only_planned: bool,
) -> Result<Lines, EvaluationError> {
    let settings = settings();
    let expression = parse(text, &settings.limits)
        .unwrap_or_else(|error| panic!("{text} is an expression: {error}"));
    let mut data = Vec::new();
    for selection in plan(&expression, when, &settings)? {
        let mut found = Vec::new();
        for series in world {
            if !selection.matchers.iter().all(|matcher| matcher.selects(series.labels())) {
                continue;
            }
            if !only_planned {
                found.push(Arc::clone(series));
                continue;
            }
            let samples = series.times().iter().copied().zip(series.values().iter().copied());
            let asked =
                samples.filter(|(time, _)| *time > selection.after && *time <= selection.until);
            let (times, values): (Vec<i64>, Vec<f64>) = asked.unzip();
            let cut = Series::new(series.labels().clone(), times, values).expect("in order");
            found.push(Arc::new(cut));
        }
        data.push(found);
    }
    let time = match when {
        When::At(time) => time,
        When::Every { start, .. } => start,
    };
    let mut lines: Lines = match evaluate(&expression, when, &data, &settings)?.outcome {
        Outcome::Vector(samples) => {
            samples.into_iter().map(|sample| (sample.labels, vec![(time, sample.value)])).collect()
        }
        Outcome::Matrix(lines) => {
            lines.into_iter().map(|line| (line.labels, line.points)).collect()
        }
        Outcome::Scalar(value) => vec![(Labels::default(), vec![(time, value)])],
        Outcome::Text(_) => Vec::new(),
    };
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(lines)
}

fn same(a: &Lines, b: &Lines) -> bool {
    let value = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.0 == b.0
                && a.1.len() == b.1.len()
                && a.1.iter().zip(&b.1).all(|(a, b)| a.0 == b.0 && value(a.1, b.1))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_strange(text in prop_oneof![".*", soup(), vector()]) {
        let limits = Limits::default();
        if let Ok(expression) = parse(&text, &limits) {
            let settings = Settings::default();
            let when = When::Every { start: -1000, end: 1000, step: 100 };
            if let Ok(selections) = plan(&expression, when, &settings) {
                let none = vec![Vec::new(); selections.len()];
                let _ = evaluate(&expression, when, &none, &settings);
            }
        }
    }

    #[test]
    fn a_range_is_an_instant_at_each_step(text in vector(), world in world()) {
        let (start, end, step) = (60_000, 300_000, 37_000);
        let range = lines(&text, When::Every { start, end, step }, &world, false);
        if let Ok(range) = range {
            for time in (start..=end).step_by(37_000) {
                let at = |(labels, points): &(Labels, Vec<(i64, f64)>)| {
                    let point = points.iter().find(|(at, _)| *at == time)?;
                    Some((labels.clone(), vec![*point]))
                };
                let step: Lines = range.iter().filter_map(at).collect();
                let once = lines(&text, When::At(time), &world, false);
                let once = once.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
                prop_assert!(same(&step, &once), "{text} at {time}: {step:?}, not {once:?}");
            }
        }
    }

    #[test]
    fn the_plan_asks_for_all_that_is_needed(text in vector(), world in world()) {
        for when in [When::At(200_000), When::Every { start: 50_000, end: 250_000, step: 20_000 }] {
            match (lines(&text, when, &world, false), lines(&text, when, &world, true)) {
                (Ok(all), Ok(planned)) => prop_assert!(same(&all, &planned), "{text}"),
                (all, planned) => prop_assert_eq!(all.err(), planned.err(), "{}", text),
            }
        }
    }
}
