//! Expressions over time, ready to be drawn: what is compared with the threshold, and when it was beyond it. Pages
//! and messages show the same.

use std::time::Duration;

use super::queries::{Queries, Refusal};
use crate::chart::{Line, Millis, Shade, Threshold};
use crate::domain::rule::{Condition, Rule};
use crate::query::{self, Expression, Labels, METRIC_NAME, Outcome, Settings, When, parse};

/// At which times something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The first.
    pub start: Millis,
    /// The last.
    pub end: Millis,
    /// How far they are apart.
    pub step: Millis,
}

impl Grid {
    /// The same as a question.
    pub fn when(self) -> When {
        let Self { start, end, step } = self;
        When::Every { start, end, step }
    }
}

/// What is drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The series.
    pub lines: Vec<Line>,
    /// What they are held against.
    pub threshold: Option<Threshold>,
    /// When they were beyond it.
    pub shades: Vec<Shade>,
}

/// What a series is called in a chart or a table.
pub fn named(labels: &Labels) -> String {
    let own = labels.iter().filter(|it| *it.name != *METRIC_NAME);
    let own: Vec<String> = own.map(|it| format!("{}={}", it.name, it.value)).collect();
    match (labels.metric_name(), own.join(", ")) {
        ("", own) if own.is_empty() => "value".to_owned(),
        ("", own) => own,
        (name, own) if own.is_empty() => name.to_owned(),
        (name, own) => format!("{name} {own}"),
    }
}

/// A rule over time, answered `within` for each of its expressions.
///
/// # Errors
///
/// [`Refusal`] of one of them.
pub async fn of_rule(
    queries: &Queries,
    rule: &Rule,
    grid: Grid,
    within: Duration,
) -> Result<Drawing, Refusal> {
    let Condition::Change(change) = &rule.condition else {
        return of_text(queries, &rule.condition.expression(), grid, within).await;
    };
    let mut lines = Vec::new();
    for (word, text) in [("now", change.now()), ("usual", change.usual())] {
        let expression = parse(&text, &Settings::default().limits)?;
        for line in values(queries, expression, grid, within).await? {
            let name = if line.name == "value" {
                word.to_owned()
            } else {
                format!("{word} {}", line.name)
            };
            lines.push(Line { name, ..line });
        }
    }
    let beyond = parse(&change.expression(), &Settings::default().limits)?;
    let shades = shades(&values(queries, beyond, grid, within).await?, grid.step);
    Ok(Drawing { lines, threshold: None, shades })
}

/// An expression over time; of a comparison with a number, what is compared.
///
/// # Errors
///
/// [`Refusal`] of the expression.
pub async fn of_text(
    queries: &Queries,
    text: &str,
    grid: Grid,
    within: Duration,
) -> Result<Drawing, Refusal> {
    let whole = parse(text, &Settings::default().limits)?;
    let compared = whole.compared();
    let Some((bound, value)) = compared.and_then(|it| Some((it.bound?, it.value))) else {
        let lines = values(queries, whole, grid, within).await?;
        return Ok(Drawing { lines, threshold: None, shades: Vec::new() });
    };
    let lines = values(queries, value, grid, within).await?;
    let beyond = values(queries, whole, grid, within).await?;
    let name = format!("threshold {}", query::number(bound));
    let threshold = Some(Threshold { value: bound, name });
    Ok(Drawing { lines, threshold, shades: shades(&beyond, grid.step) })
}

async fn values(
    queries: &Queries,
    expression: Expression,
    grid: Grid,
    within: Duration,
) -> Result<Vec<Line>, Refusal> {
    let answer = queries.value(expression, grid.when(), &Settings::default(), within).await?;
    Ok(match answer.outcome {
        Outcome::Matrix(lines) => lines
            .into_iter()
            .map(|it| Line { name: named(&it.labels), points: it.points })
            .collect(),
        // Over time, nothing else is yielded.
        Outcome::Scalar(_) | Outcome::Text(_) | Outcome::Vector(_) => Vec::new(),
    })
}

/// When any of `beyond` had a value, a point standing for the step before it.
fn shades(beyond: &[Line], step: Millis) -> Vec<Shade> {
    let mut times: Vec<Millis> =
        beyond.iter().flat_map(|line| line.points.iter().map(|(at, _)| *at)).collect();
    times.sort_unstable();
    let mut spans: Vec<(Millis, Millis)> = Vec::new();
    for at in times {
        match spans.last_mut().filter(|(_, until)| at <= *until + step) {
            Some(last) => last.1 = at,
            None => spans.push((at - step, at)),
        }
    }
    let shade = |span| Shade { span, name: "beyond the threshold".to_owned() };
    spans.into_iter().map(shade).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_beyond_in_a_row_is_one_shade() {
        let line = |times: &[Millis]| Line {
            name: String::new(),
            points: times.iter().map(|at| (*at, 1.0)).collect(),
        };
        let spans: Vec<_> =
            shades(&[line(&[10, 20, 60]), line(&[20, 30])], 10).iter().map(|it| it.span).collect();
        assert_eq!(spans, [(0, 30), (50, 60)]);
    }
}
