//! Expressions over time, drawn: what is compared with the threshold, and when it was beyond it.

use chrono_tz::Tz;

use super::asked::{PATIENCE, Window};
use crate::chart::{self, Heading, Line, Lines, Millis, Shade, Threshold, Unit};
use crate::domain::Timestamp;
use crate::domain::rule::{Condition, Rule};
use crate::engine::queries::Refusal;
use crate::http::Api;
use crate::query::{Expression, Labels, METRIC_NAME, Outcome, Settings, parse};

/// What a series is called in a chart or a table.
pub(super) fn named(labels: &Labels) -> String {
    let own = labels.iter().filter(|it| *it.name != *METRIC_NAME);
    let own: Vec<String> = own.map(|it| format!("{}={}", it.name, it.value)).collect();
    match (labels.metric_name(), own.join(", ")) {
        ("", own) if own.is_empty() => "value".to_owned(),
        ("", own) => own,
        (name, own) if own.is_empty() => name.to_owned(),
        (name, own) => format!("{name} {own}"),
    }
}

/// A rule over time.
pub(super) async fn of_rule(
    api: &Api,
    rule: &Rule,
    window: Window,
    now: Timestamp,
) -> Result<String, Refusal> {
    let Condition::Change(change) = &rule.condition else {
        return of_text(api, &rule.condition.expression(), window, now).await;
    };
    let mut lines = Vec::new();
    for (word, text) in [("now", change.now()), ("usual", change.usual())] {
        let expression = parse(&text, &Settings::default().limits)?;
        for line in values(api, expression, window, now).await? {
            let name = if line.name == "value" {
                word.to_owned()
            } else {
                format!("{word} {}", line.name)
            };
            lines.push(Line { name, ..line });
        }
    }
    let beyond = parse(&change.expression(), &Settings::default().limits)?;
    let shades = shades(&values(api, beyond, window, now).await?, window.grid(now).2);
    Ok(svg(lines, None, shades, (window, now)))
}

/// An expression over time; of a comparison with a number, what is compared.
pub(super) async fn of_text(
    api: &Api,
    text: &str,
    window: Window,
    now: Timestamp,
) -> Result<String, Refusal> {
    let whole = parse(text, &Settings::default().limits)?;
    let compared = whole.compared();
    let Some((bound, value)) = compared.and_then(|it| Some((it.bound?, it.value))) else {
        return Ok(svg(values(api, whole, window, now).await?, None, Vec::new(), (window, now)));
    };
    let lines = values(api, value, window, now).await?;
    let beyond = values(api, whole, window, now).await?;
    let name = format!("threshold {}", crate::query::number(bound));
    let threshold = Threshold { value: bound, name };
    let shades = shades(&beyond, window.grid(now).2);
    Ok(svg(lines, Some(threshold), shades, (window, now)))
}

async fn values(
    api: &Api,
    expression: Expression,
    window: Window,
    now: Timestamp,
) -> Result<Vec<Line>, Refusal> {
    let answer =
        api.queries.value(expression, window.when(now), &Settings::default(), PATIENCE).await?;
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

fn svg(
    lines: Vec<Line>,
    threshold: Option<Threshold>,
    shades: Vec<Shade>,
    (window, now): (Window, Timestamp),
) -> String {
    let (start, end, step) = window.grid(now);
    let lines = Lines {
        frame: chart::Frame {
            title: "The expression over time".to_owned(),
            heading: Heading::Spoken,
            span: (start, end),
            zone: Tz::UTC,
        },
        unit: Unit::Number,
        lines,
        gap: step * 2,
        threshold,
        shades,
        marks: Vec::new(),
    };
    chart::fluid(|width| lines.svg(width))
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
