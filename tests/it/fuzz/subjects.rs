//! What reads the texts of strangers, and what holds whatever they write.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tripline::exposition::{self, Batch, Reader};
use tripline::query::{
    Limits, Outcome, STALE, Series, Settings, When, evaluate, is_stale, parse, plan,
};
use tripline::statsd::{Aggregate, Received, Rules, Signs};

use super::fuzz;

const NOW: i64 = 1_795_234_351_500;

#[test]
fn statsd() {
    const SERIES: usize = 40;
    let words = [
        ":",
        "|",
        "|c",
        "|g",
        "|ms",
        "|h",
        "|d",
        "|s",
        "|m",
        "|@0.1",
        "|#a:b,c",
        "|c:x",
        "|T1795234351",
        "\n",
        "_e{1,1}:",
        "_sc|",
        ";a=b",
        "+",
        "Infinity",
        "constructor",
        "__proto__",
    ];
    fuzz("statsd", &words, |text| {
        let received = Arc::<Received>::default();
        let rules = Rules {
            interval: Duration::from_secs(10),
            silent_after: Duration::from_secs(10),
            totals_silent_after: Duration::from_secs(10),
            most_series: SERIES,
            buckets: [1.0, 10.0].into(),
            signs: Signs::Differences,
            labels: vec![("hub".into(), "a".into())],
        };
        let mut aggregate = Aggregate::new(rules, Arc::clone(&received));
        for interval in 1..=4 {
            aggregate.packet(if interval == 1 { text } else { b"" }, NOW);
            let points = aggregate.flush(NOW + interval * 10_000);
            let names: HashSet<_> = points.iter().map(Series::labels).collect();
            assert_eq!(names.len(), points.len(), "a series comes twice");
            for series in &points {
                let labels = series.labels();
                assert!(!labels.metric_name().is_empty() && labels.value("hub") == "a", "{labels}");
                let is_good = |value: &f64| value.is_finite() || is_stale(*value);
                assert!(series.values().iter().all(is_good), "{labels}: {:?}", series.values());
            }
            assert!(aggregate.series() <= SERIES);
        }
        assert_eq!(aggregate.series(), 0, "all have fallen silent");
    });
}

#[test]
fn openmetrics() {
    let words = [
        "{",
        "}",
        "\"",
        "\\",
        "# EOF",
        "# TYPE a counter",
        "=",
        ",",
        " ",
        "\n",
        "#",
        "+Inf",
        "NaN",
        "__name__",
        "a{b=\"c\"} 1 1",
        "# {a=\"b\"} 1 1",
    ];
    fuzz("openmetrics", &words, |text| {
        let text = String::from_utf8_lossy(text);
        let (mut reader, mut batch) = (Reader::default(), Batch::default());
        for (number, line) in text.lines().enumerate() {
            match reader.line(line) {
                Ok(sample) => sample.into_iter().for_each(|sample| batch.push(sample, NOW)),
                Err(mistake) => {
                    assert_eq!(mistake.line, number as u64 + 1);
                    assert!((1..=line.chars().count() as u64 + 1).contains(&mistake.column));
                    break;
                }
            }
        }
        reads_again(batch);
    });
}

/// What is written of what was read is read as the same.
fn reads_again(mut batch: Batch) {
    let (series, _) = batch.take();
    let mut text = String::new();
    for one in &series {
        exposition::write(one, &mut text);
    }
    let (mut reader, mut again) = (Reader::default(), Batch::default());
    for line in text.split_terminator('\n') {
        let read = reader.line(line).unwrap_or_else(|mistake| panic!("{line:?}: {mistake}"));
        // Beside values there are lines that say what a series measures.
        if let Some(sample) = read {
            again.push(sample, NOW);
        }
    }
    let (again, repeated) = again.take();
    assert_eq!((again.len(), repeated), (series.len(), 0));
    for (one, other) in series.iter().zip(&again) {
        assert_eq!((one.labels(), one.times()), (other.labels(), other.times()));
    }
}

#[test]
fn json() {
    let words = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "\"series\"",
        "\"name\"",
        "\"labels\"",
        "\"points\"",
        "\"value\"",
        "\"at\"",
        "null",
        "\"2026-11-21T04:12:31Z\"",
        "\\u0000",
        "\\ud800",
        "1e999",
    ];
    fuzz("json", &words, |text| {
        let Ok(samples) = exposition::read_json(text) else { return };
        let mut batch = Batch::default();
        for sample in samples {
            assert!(sample.value.is_finite() && !sample.labels.metric_name().is_empty());
            batch.push(sample, NOW);
        }
        reads_again(batch);
    });
}

#[test]
fn promql() {
    let words = [
        "(",
        ")",
        "{",
        "}",
        "[5m]",
        "[1m:10s]",
        "[",
        "]",
        " offset 1m",
        " @ 100",
        " @ end()",
        "sum",
        " by (a)",
        "rate",
        "x",
        "y{a=\"1\"}",
        "=~\".*\"",
        "-",
        "^",
        " and ",
        " or ",
        "1e300",
        "NaN",
        "histogram_quantile",
        "label_replace",
        "\"",
        "\\",
        "5000000000s",
        "#",
        "\n",
        " on(a) group_left ",
    ];
    let settings = Settings {
        limits: Limits {
            expression_bytes: 1000,
            depth: 20,
            patterns: 5,
            selectors: 10,
            steps: 50,
            series: 30,
            samples: 5_000,
            work: 50_000,
        },
        ..Settings::default()
    };
    let series = series();
    fuzz("promql", &words, |text| {
        let Ok(expression) = parse(&String::from_utf8_lossy(text), &settings.limits) else {
            return;
        };
        for when in [When::At(300_000), When::Every { start: 0, end: 600_000, step: 60_000 }] {
            let Ok(selections) = plan(&expression, when, &settings) else { continue };
            let found: Vec<Vec<Arc<Series>>> = selections
                .iter()
                .map(|it| {
                    let fits = |series: &&Arc<Series>| {
                        it.matchers.iter().all(|matcher| matcher.selects(series.labels()))
                    };
                    series.iter().filter(fits).cloned().collect()
                })
                .collect();
            let Ok(answer) = evaluate(&expression, when, &found, &settings) else { continue };
            if let Outcome::Vector(samples) = answer.outcome {
                assert!(samples.len() <= settings.limits.series);
            }
        }
    });
}

fn series() -> Vec<Arc<Series>> {
    let mut all = Vec::new();
    for (name, label, value) in [
        ("x", "a", "1"),
        ("x", "a", "2"),
        ("y", "a", "1"),
        ("b_bucket", "le", "+Inf"),
        ("b_bucket", "le", "1"),
    ] {
        let labels = [("__name__", name), (label, value)].into_iter().collect();
        let times: Vec<i64> = (0..40).map(|at| at * 15_000).collect();
        let values = [1.0, 5.0, 2.0, STALE, f64::INFINITY, f64::NAN, -0.0, 1e308];
        let values = values.into_iter().cycle().take(times.len()).collect();
        all.push(Arc::new(Series::new(labels, times, values).expect("a series")));
    }
    all
}
