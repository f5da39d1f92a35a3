//! `tripline query`: what an expression says of the series in the store.
//!
//! Reads the store beside the daemon; nothing is asked of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use super::args::{Global, Query};
use super::chart::{Curve, Frame, drawn, number};
use super::exit::Exit;
use super::look::{Look, Paint, clean, padded};
use super::run::Stop;
use super::store::{open, reading};
use super::terminal::{Stream, Terminal};
use crate::clock::{Clock as _, System};
use crate::domain::Timestamp;
use crate::engine::queries::{LONGEST, Queries, Refusal};
use crate::http;
use crate::query::{Answer, Labels, Line, Outcome, Settings, When};

/// How many steps a chart has when no step is asked for.
const USUAL_STEPS: u128 = 240;

/// The shortest step that is chosen.
const SHORTEST_STEP: u128 = 1_000;

/// Runs the command.
pub(super) async fn run(
    wanted: &Query,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let at = wanted.at.unwrap_or_else(|| System.now());
    let when = when(wanted, at)?;
    let most_series = reading(global, terminal)?.most_series();
    let queries = Queries::of(open(global, terminal).await?).about(most_series);
    let asked = queries.ask(&wanted.expression, when, &Settings::default(), LONGEST).await;
    let answer = asked.map_err(|refusal| stop(&refusal, &wanted.expression))?;
    let look = terminal.look(Stream::Out);
    let mut out = anstream::stdout();
    if wanted.json {
        let text = serde_json::to_string_pretty(&http::value_of(answer, when));
        writeln!(out, "{}", text.map_err(|error| Stop::Broken(error.to_string()))?)?;
        return Ok(Exit::Good);
    }
    let mut text = shown(&answer, when, &look);
    for note in answer.notes.warnings().chain(answer.notes.infos()) {
        let _ = writeln!(text, "{}", look.paint(Paint::Unsure, &clean(note)));
    }
    out.write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

fn when(wanted: &Query, at: Timestamp) -> Result<When, Stop> {
    let end = at.timestamp_millis();
    let Some(range) = wanted.range else { return Ok(When::At(end)) };
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let usual = || (range.as_millis() / USUAL_STEPS).max(SHORTEST_STEP);
    let step = wanted.step.map_or_else(|| i64::try_from(usual()).unwrap_or(i64::MAX), milliseconds);
    if step == 0 {
        return Err(Stop::Usage("--step is 0; name a longer one, such as 1m".to_owned()));
    }
    Ok(When::Every { start: end.saturating_sub(milliseconds(range)), end, step })
}

/// What is said of an expression that has no value.
fn stop(refusal: &Refusal, expression: &str) -> Stop {
    match refusal {
        Refusal::Parse(error) => {
            let line = expression.lines().nth(error.line - 1).unwrap_or_default();
            let place = " ".repeat(error.column - 1);
            Stop::Usage(format!("{error}\n  {}\n  {place}^", clean(line)))
        }
        Refusal::Evaluation(_) | Refusal::TooMuch(_) => Stop::Usage(refusal.to_string()),
        Refusal::Crowded | Refusal::TooLong | Refusal::Store(_) | Refusal::Broken => {
            Stop::Broken(refusal.to_string())
        }
    }
}

fn shown(answer: &Answer, when: When, look: &Look) -> String {
    match (&answer.outcome, when) {
        (Outcome::Scalar(value), _) => format!("{}\n", number(*value)),
        (Outcome::Text(text), _) => format!("{}\n", clean(text)),
        (Outcome::Vector(samples), _) if samples.is_empty() => "No series.\n".to_owned(),
        (Outcome::Vector(samples), _) => {
            let rows = samples.iter().map(|it| (&it.labels, number(it.value))).collect();
            table(rows)
        }
        (Outcome::Matrix(lines), When::Every { start, end, step }) => {
            let curve =
                |line: &Line| Curve { name: line.labels.to_string(), points: line.points.clone() };
            let curves: Vec<Curve> = lines.iter().map(curve).collect();
            drawn(&curves, Frame { span: (start, end), step, band: None }, look)
        }
        (Outcome::Matrix(lines), When::At(_)) => {
            let value = |points: &[(i64, f64)]| -> String {
                let shown = |(time, value): &(i64, f64)| {
                    let time = chrono::DateTime::from_timestamp_millis(*time);
                    let time = time.map(|time| look.time_of_day(time)).unwrap_or_default();
                    format!("{} at {time}", number(*value))
                };
                points.iter().map(shown).collect::<Vec<_>>().join(", ")
            };
            table(lines.iter().map(|it| (&it.labels, value(&it.points))).collect())
        }
    }
}

/// The values with their series, values first: they are short.
fn table(rows: Vec<(&Labels, String)>) -> String {
    let width = rows.iter().map(|(_, value)| value.len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for (labels, value) in rows {
        let _ = writeln!(text, "{}{}", padded(&value, width), clean(&named(labels)));
    }
    text
}

/// A series as people write it: the name of the metric before its labels.
fn named(labels: &Labels) -> String {
    let (name, others) = (labels.metric_name(), labels.nameless());
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    match (is_plain, others.is_empty()) {
        (false, _) => labels.to_string(),
        (true, true) if !name.is_empty() => name.to_owned(),
        (true, _) => format!("{name}{others}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_named_as_people_write_them() {
        let name = |name: &str, labels: &[(&str, &str)]| {
            let all = labels.iter().copied().chain([("__name__", name)]);
            named(&all.collect::<Labels>())
        };
        assert_eq!(name("up", &[("region", "eu")]), r#"up{region="eu"}"#);
        assert_eq!(name("up", &[]), "up");
        assert_eq!(name("", &[]), "{}");
        assert_eq!(name("shop.queue", &[]), r#"{__name__="shop.queue"}"#);
    }
}
