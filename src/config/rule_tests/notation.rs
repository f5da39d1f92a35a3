//! How promtool writes durations, series and their points: `1h30m`, `up{job="a"}`, `0+1x10 _ stale`.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::query::{Comparison, Labels, METRIC_NAME, STALE, Settings, When, parse, plan};

/// What is wrong with a notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotationError(String);

fn wrong<T>(message: String) -> Result<T, NotationError> {
    Err(NotationError(message))
}

/// The most points of one series.
const MOST_POINTS: usize = 1_000_000;

/// Reads a duration.
pub(super) fn span(text: &str) -> Result<Duration, NotationError> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let broken = || wrong(format!("`{text}` is no duration; write it like `1m30s`"));
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut millis) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return broken();
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let part = number.parse::<u64>().ok().zip(unit);
        let part = part.and_then(|(number, (_, millis))| number.checked_mul(*millis));
        let Some(sum) = part.and_then(|part| millis.checked_add(part)) else { return broken() };
        (millis, rest) = (sum, after);
    }
    Ok(Duration::from_millis(millis))
}

/// Reads the name and labels of a series.
///
/// # Errors
///
/// What is wrong with them.
pub fn labels(text: &str) -> Result<Labels, NotationError> {
    let text = text.trim();
    if text.is_empty() || text == "{}" {
        return Ok(Labels::default());
    }
    let settings = Settings::default();
    // What PromQL does not take alone, such as labels without a name, it takes beside a name.
    let selector = if text.starts_with('{') && !text.contains(METRIC_NAME) {
        format!("__named__{text}")
    } else {
        text.to_owned()
    };
    let expression = parse(&selector, &settings.limits)
        .map_err(|error| NotationError(format!("`{text}` is no series: {}", error.message)))?;
    // Only a selector can be followed by both.
    if parse(&format!("{selector}[1m] offset 1m"), &settings.limits).is_err() {
        return wrong(format!("`{text}` is no series"));
    }
    let selections = plan(&expression, When::At(0), &settings).unwrap_or_default();
    let [selection] = selections.as_slice() else {
        return wrong(format!("`{text}` is no series"));
    };
    let mut labels = Vec::new();
    for matcher in selection.matchers.iter() {
        if matcher.comparison != Comparison::Equal {
            return wrong(format!("`{text}` is no series: `{matcher}` does not say which label"));
        }
        if &*matcher.value != "__named__" {
            labels.push((matcher.name.clone(), matcher.value.clone()));
        }
    }
    Ok(labels.into_iter().collect())
}

/// Reads points; `None` stands for a missing one.
///
/// # Errors
///
/// Names what is no point.
pub fn points(text: &str) -> Result<Vec<Option<f64>>, NotationError> {
    static EXPANDED: LazyLock<Regex> = LazyLock::new(|| {
        let number = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?";
        let pattern = format!(r"(?i)^([+-]?(?:{number}|inf|nan))(?:([+-])({number}))?x([0-9]+)$");
        Regex::new(&pattern).expect("a good pattern")
    });
    let mut points = Vec::new();
    for item in text.split_whitespace() {
        let unknown =
            || NotationError(format!("`{item}` is no point; write `1`, `1+2x3`, `_` or `stale`"));
        if let Some(missing) = item.strip_prefix('_') {
            let count = match missing.strip_prefix('x') {
                Some(count) => count.parse::<usize>().map_err(|_| unknown())?,
                None if missing.is_empty() => 1,
                None => return Err(unknown()),
            };
            points.extend(std::iter::repeat_n(None, count.min(MOST_POINTS)));
        } else if item == "stale" {
            points.push(Some(STALE));
        } else if let Some(parts) = EXPANDED.captures(item) {
            let first = number(&parts[1]).ok_or_else(unknown)?;
            let step = parts.get(3).and_then(|it| number(it.as_str())).unwrap_or(0.0);
            let step = if parts.get(2).is_some_and(|it| it.as_str() == "-") { -step } else { step };
            let count = parts[4].parse::<usize>().map_err(|_| unknown())?.min(MOST_POINTS);
            let mut value = first;
            for _ in 0..=count {
                points.push(Some(value));
                value += step;
            }
        } else if item.starts_with("{{") {
            return wrong("native histograms are not supported".to_owned());
        } else {
            points.push(Some(number(item).ok_or_else(unknown)?));
        }
        if points.len() > MOST_POINTS {
            return wrong(format!("a series has at most {MOST_POINTS} points"));
        }
    }
    Ok(points)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_those_of_promtool() {
        let read = |text: &str| points(text).expect("points");
        assert_eq!(read("-2+4x3"), [-2.0, 2.0, 6.0, 10.0].map(Some));
        assert_eq!(read("1-2x2 1x1"), [1.0, -1.0, -3.0, 1.0, 1.0].map(Some));
        assert_eq!(read("1 _x3 2 _"), [Some(1.0), None, None, None, Some(2.0), None]);
        assert!(read("stale")[0].is_some_and(crate::query::is_stale));
        assert_eq!(read("1e3+1e1x1 Inf"), [1000.0, 1010.0, f64::INFINITY].map(Some));
        for text in ["a", "1x", "_y", "{{schema:1}}", "1+x3", "1x9999999"] {
            assert!(points(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_and_labels_are_read() {
        assert_eq!(span("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!([span("0"), span("2w")], [Duration::ZERO, Duration::from_hours(336)].map(Ok));
        assert!(span("soon").is_err() && span("").is_err() && span("5").is_err());
        let read = labels("up{job=\"a b\", x='1'}").expect("a series");
        assert_eq!((read.metric_name(), read.value("job"), read.value("x")), ("up", "a b", "1"));
        assert_eq!(labels("{a=\"1\"}").expect("labels").metric_name(), "");
        assert!(labels("").expect("none").is_empty());
        for text in ["up > 1", "up{a=~\"b\"}", "{"] {
            assert!(labels(text).is_err(), "{text}");
        }
    }
}
