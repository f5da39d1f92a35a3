//! The series that a script has loaded, and an evaluation over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tripline::query::{
    Answer, Labels, METRIC_NAME, Outcome, Series, Settings, When, evaluate, parse, plan,
};

use super::script::{Eval, Expected, Loaded, Point};

/// How an evaluation ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Passed,
    /// Refused by name.
    Unsupported(String),
    Failed(String),
}

#[derive(Default)]
pub(super) struct World {
    series: BTreeMap<Labels, BTreeMap<i64, Point>>,
}

impl World {
    pub(super) fn clear(&mut self) {
        self.series.clear();
    }

    pub(super) fn load(&mut self, loaded: Loaded) {
        if loaded.as_native {
            let name = loaded.labels.metric_name().trim_end_matches("_bucket").to_owned();
            let mut native = loaded.labels.without(&["le"]).draft();
            native.set(METRIC_NAME, name);
            let points = loaded.samples.iter().map(|(time, _)| (*time, Point::Native));
            let is_bucket = !loaded.labels.value("le").is_empty();
            if is_bucket {
                self.series.entry(native.finish()).or_default().extend(points);
            }
        }
        self.series.entry(loaded.labels).or_default().extend(loaded.samples);
    }

    /// Evaluates an expression; `Err` holds what is not supported.
    fn answer(&self, text: &str, when: When) -> Result<Result<Answer, String>, String> {
        let settings = Settings::default();
        let expression = match parse(text, &settings.limits) {
            Ok(expression) => expression,
            Err(error) if error.unsupported => return Err(error.message),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let selections = match plan(&expression, when, &settings) {
            Ok(selections) => selections,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut data = Vec::new();
        for selection in &selections {
            let mut found = Vec::new();
            let selected = |labels: &Labels| selection.matchers.iter().all(|m| m.selects(labels));
            for (labels, samples) in self.series.iter().filter(|(labels, _)| selected(labels)) {
                if selection.after >= selection.until {
                    continue;
                }
                let needed = samples.range(selection.after + 1..=selection.until);
                let (mut times, mut values) = (Vec::new(), Vec::new());
                for (time, point) in needed {
                    let Point::Value(value) = point else {
                        return Err("native histograms are not supported".to_owned());
                    };
                    times.push(*time);
                    values.push(*value);
                }
                if !times.is_empty() {
                    let series = Series::new(labels.clone(), times, values).expect("in order");
                    found.push(Arc::new(series));
                }
            }
            data.push(found);
        }
        let answer = evaluate(&expression, when, &data, &settings);
        Ok(answer.map_err(|error| error.to_string()))
    }

    pub(super) fn judge(&self, eval: &Eval) -> Verdict {
        let answer = match self.answer(&eval.expression, eval.when) {
            Err(what) => return Verdict::Unsupported(what),
            Ok(answer) => answer,
        };
        let checked = match (answer, eval.fails) {
            (Err(error), true) if eval.message.fits(&[&error]) => Ok(()),
            (Err(error), true) => Err(format!("the error is {error:?}, not {:?}", eval.message)),
            (Err(error), false) => Err(error),
            (Ok(_), true) => Err("it has a value".to_owned()),
            (Ok(answer), false) => check(eval, &answer).and_then(|()| self.as_range(eval, &answer)),
        };
        checked.map_or_else(Verdict::Failed, |()| Verdict::Passed)
    }

    /// An instant query is the same as the step of a range query, as Prometheus checks too.
    fn as_range(&self, eval: &Eval, answer: &Answer) -> Result<(), String> {
        let When::At(time) = eval.when else { return Ok(()) };
        let mut once: Vec<(Labels, f64)> = match &answer.outcome {
            Outcome::Vector(samples) => {
                samples.iter().map(|sample| (sample.labels.clone(), sample.value)).collect()
            }
            Outcome::Scalar(value) => vec![(Labels::default(), *value)],
            Outcome::Text(_) | Outcome::Matrix(_) => return Ok(()),
        };
        if eval.ordered || eval.expression.contains("start()") || eval.expression.contains("end()")
        {
            return Ok(());
        }
        let when = When::Every { start: time - 60_000, end: time + 60_000, step: 60_000 };
        let Ok(Ok(range)) = self.answer(&eval.expression, when) else {
            // Beside the time there may be what is not supported, or what does not match.
            return Ok(());
        };
        let Outcome::Matrix(lines) = range.outcome else {
            return Err("a range query has no matrix".to_owned());
        };
        let mut middle: Vec<(Labels, f64)> = Vec::new();
        for line in lines {
            for (_, value) in line.points.iter().filter(|(at, _)| *at == time) {
                middle.push((line.labels.clone(), *value));
            }
        }
        once.sort_by(|a, b| a.0.cmp(&b.0));
        middle.sort_by(|a, b| a.0.cmp(&b.0));
        let same = once.len() == middle.len()
            && once.iter().zip(&middle).all(|(a, b)| a.0 == b.0 && nearly(a.1, b.1));
        if same { Ok(()) } else { Err(format!("as a range query it is {middle:?}, not {once:?}")) }
    }
}

fn check(eval: &Eval, answer: &Answer) -> Result<(), String> {
    note("warnings", &eval.warns, &answer.notes.warnings().collect::<Vec<_>>())?;
    note("infos", &eval.informs, &answer.notes.infos().collect::<Vec<_>>())?;
    match &answer.outcome {
        Outcome::Scalar(value) => match eval.scalar {
            Some(expected) if nearly(expected, *value) => Ok(()),
            expected => Err(format!("it is {value}, not {expected:?}")),
        },
        Outcome::Text(text) => {
            if eval.text.as_ref() == Some(text) {
                Ok(())
            } else {
                Err(format!("it is {text:?}"))
            }
        }
        Outcome::Vector(samples) => {
            let mut found: Vec<(Labels, Vec<(i64, f64)>)> = samples
                .iter()
                .map(|sample| (sample.labels.clone(), vec![(0, sample.value)]))
                .collect();
            let mut wanted = wanted(eval, |_| 0);
            if !eval.ordered {
                found.sort_by(|a, b| a.0.cmp(&b.0));
                wanted.sort_by(|a, b| a.0.cmp(&b.0));
            }
            compare(&found, &wanted)
        }
        Outcome::Matrix(lines) => {
            let ((When::Every { start, step, .. }, _) | (_, Some((start, step)))) =
                (eval.when, eval.raw)
            else {
                return Err("a matrix of an instant query".to_owned());
            };
            let time = |at: usize| start + step * i64::try_from(at).expect("a small step");
            let found: Vec<(Labels, Vec<(i64, f64)>)> =
                lines.iter().map(|line| (line.labels.clone(), line.points.clone())).collect();
            let mut wanted = wanted(eval, time);
            wanted.sort_by(|a, b| a.0.cmp(&b.0));
            compare(&found, &wanted)
        }
    }
}

fn wanted(eval: &Eval, time: impl Fn(usize) -> i64) -> Vec<(Labels, Vec<(i64, f64)>)> {
    let scalar = eval.scalar.map(|value| (Labels::default(), vec![(time(0), value)]));
    let series = eval.series.iter().map(|(labels, points)| {
        let points = points.iter().enumerate().filter_map(|(at, point)| match point {
            Some(Point::Value(value)) => Some((time(at), *value)),
            Some(Point::Native) => Some((time(at), f64::NEG_INFINITY)),
            None => None,
        });
        (labels.clone(), points.collect())
    });
    series.chain(scalar).collect()
}

type Lines = [(Labels, Vec<(i64, f64)>)];

fn compare(found: &Lines, wanted: &Lines) -> Result<(), String> {
    let same = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| {
            found.0 == wanted.0
                && found.1.len() == wanted.1.len()
                && found.1.iter().zip(&wanted.1).all(|(a, b)| a.0 == b.0 && nearly(a.1, b.1))
        });
    if same { Ok(()) } else { Err(format!("it is {}, not {}", shown(found), shown(wanted))) }
}

fn shown(lines: &Lines) -> String {
    let value = |(time, value): &(i64, f64)| format!("{value}@{time}");
    let line = |(labels, points): &(Labels, Vec<(i64, f64)>)| {
        format!("{labels} {}", points.iter().map(value).collect::<Vec<_>>().join(" "))
    };
    format!("[{}]", lines.iter().map(line).collect::<Vec<_>>().join("; "))
}

fn note(what: &str, expected: &Expected, found: &[&str]) -> Result<(), String> {
    if expected.fits(found) {
        Ok(())
    } else {
        Err(format!("its {what} are {found:?}, not {expected:?}"))
    }
}

/// Prometheus' `almost.Equal` with the tolerance of its tests.
fn nearly(a: f64, b: f64) -> bool {
    const TOLERANCE: f64 = 1e-6;
    #[expect(clippy::float_cmp, reason = "the shortcut for what is exactly equal")]
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
