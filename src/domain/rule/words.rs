//! What people read of a rule: one line, however many series are breached.
//!
//! Where the rule has a `summary` (or else a `description`), that is what is said of the first
//! breach; else a change speaks of what is and what is usual, and an expression of its value.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::change::Direction;
use super::state::{RuleState, Track};
use super::template::Filling;
use super::{Absent, Condition, LabelSet, Rule, span};
use crate::domain::Timestamp;

/// So many breaches are named, the others counted.
const NAMED: usize = 3;

/// What the breaches of `rule` are, oldest first, in one line.
pub fn breaches(rule: &Rule, breaches: &[(&LabelSet, &Track)]) -> String {
    let Some(((labels, track), others)) = breaches.split_first() else {
        return String::new();
    };
    let first = annotated(rule, labels, track).unwrap_or_else(|| told(rule, labels, track));
    let mut parts = vec![first];
    let named = others.iter().take(NAMED - 1);
    parts.extend(named.map(|(labels, track)| told(rule, labels, track)));
    let mut text = parts.join("; ");
    if breaches.len() > parts.len() {
        _ = write!(text, "; + {} more", breaches.len() - parts.len());
    }
    text
}

/// What the rule's author wants to be said.
fn annotated(rule: &Rule, labels: &LabelSet, track: &Track) -> Option<String> {
    let template = ["summary", "description"].iter().find_map(|it| rule.annotations.get(*it))?;
    let text = template.render(filling(labels, track.value));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// What templates of a rule are filled with.
pub fn filling(labels: &LabelSet, value: f64) -> Filling<'_> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Filling { labels, value, external_labels: &NONE, external_url: "" }
}

/// One breach.
fn told(rule: &Rule, labels: &LabelSet, track: &Track) -> String {
    let kept = match track.missing_since {
        Some(since) => format!(" (no data since {})", moment(since)),
        None => String::new(),
    };
    match &rule.condition {
        Condition::Expression(_) if labels.is_empty() => {
            format!("value {}{kept}", number(track.value))
        }
        Condition::Expression(_) => format!("{labels} {}{kept}", number(track.value)),
        Condition::Absent(Absent { metric, window }) => {
            let seen = span(*window);
            format!("no point of {metric} for {seen}, since {}", moment(track.since))
        }
        Condition::Change(change) => {
            let unit = change.unit();
            let way = match track.direction {
                Some(Direction::Rising) => "rising",
                Some(Direction::Falling) | None => "falling",
            };
            let usual = track.usual.map(number).unwrap_or_default();
            format!(
                "{}{labels} {}{unit}, {} {usual}, {way} since {}{kept}",
                change.metric,
                number(track.value),
                change.baseline.in_words(),
                moment(track.since)
            )
        }
    }
}

/// Why nobody knows how the rule stands.
pub fn unseen(rule: &Rule, state: &RuleState, since: Timestamp) -> String {
    let since = moment(since);
    if let Some(error) = &state.error {
        return format!("the rule cannot be evaluated since {since}: {error}");
    }
    let what = match &rule.condition {
        Condition::Change(change) => format!(" of {}", change.metric),
        Condition::Expression(_) | Condition::Absent(_) => String::new(),
    };
    if state.missing.is_empty() {
        return format!(
            "there are no data{what} since {since}: nobody knows whether the rule is breached"
        );
    }
    let which = missing(state);
    format!(
        "there are no data{what} for {which} since {since}: nobody knows whether it is breached there"
    )
}

/// The first label sets of which there are no data, and how many more there are.
pub fn missing(state: &RuleState) -> String {
    let named: Vec<String> = state.missing.iter().take(NAMED).map(LabelSet::to_string).collect();
    let mut which = named.join(", ");
    if state.missing.len() > named.len() {
        _ = write!(which, " + {} more", state.missing.len() - named.len());
    }
    which
}

/// A time of day; messages are in UTC throughout.
fn moment(at: Timestamp) -> String {
    at.format("%H:%M UTC").to_string()
}

/// A number with as many digits as people take in: 118, 41, 0.53, 0.0012, 1234567.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => format!("{value}"),
        0.0 => "0".to_owned(),
        _ if size < 1e-6 => format!("{value:.1e}"),
        _ => significant(value, if size >= 1.0 { 3 } else { 2 }),
    }
}

/// A finite number that is not 0 with so many figures that say something, and no others behind the
/// point.
pub fn significant(value: f64, figures: i32) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "between -324 and 308")]
    let power = value.abs().log10().floor() as i32;
    let digits = usize::try_from(figures - 1 - power).unwrap_or(0);
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How long something lasted, as people say it.
pub fn lasting(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", duration.as_secs()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::{Baseline, Reading, Threshold};
    use super::super::{Change, OnMissing, RuleName, Template};
    use super::*;
    use crate::domain::policy::Policy;

    fn rule(condition: Condition) -> Rule {
        Rule {
            name: RuleName::new("logins collapse").expect("a name"),
            condition,
            interval: Duration::from_mins(1),
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            on_missing: OnMissing::Tell,
            missing_after: Rule::MISSING_AFTER,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            policy: Policy::built_in(None),
            runbook: None,
        }
    }

    fn track(value: f64) -> Track {
        let since: Timestamp = "2026-11-21T02:10:00Z".parse().expect("a time");
        Track {
            since,
            breached_at: Some(since),
            found_at: since,
            cleared_at: None,
            missing_since: None,
            value,
            usual: Some(118.2),
            direction: Some(Direction::Falling),
            told: false,
        }
    }

    #[test]
    fn a_change_speaks_in_words() {
        let change = Change {
            metric: "logins".into(),
            reading: Reading::Counter,
            by: Vec::new(),
            window: Duration::from_mins(5),
            baseline: Baseline::FourWeeks,
            rises_by: None,
            falls_by: Some(Threshold::Share(0.5)),
            minimum: 10.0,
            hysteresis: 0.8,
        };
        let (labels, track) = (LabelSet::default(), track(41.0));
        assert_eq!(
            breaches(&rule(Condition::Change(change)), &[(&labels, &track)]),
            "logins 41/min, usual at this hour 118, falling since 02:10 UTC"
        );
    }

    #[test]
    fn a_thousand_breaches_are_one_line() {
        let tracks: Vec<(LabelSet, Track)> = (0..1000)
            .map(|number| ([("host", format!("h{number:03}"))].into_iter().collect(), track(93.25)))
            .collect();
        let pairs: Vec<(&LabelSet, &Track)> = tracks.iter().map(|(l, t)| (l, t)).collect();
        let mut disk = rule(Condition::Expression("disk > 90".into()));
        assert_eq!(
            breaches(&disk, &pairs),
            "{host=\"h000\"} 93.2; {host=\"h001\"} 93.2; {host=\"h002\"} 93.2; + 997 more"
        );
        let summary = Template::parse("{{ $labels.host }} is at\n {{ $value }} %").expect("good");
        disk.annotations.insert("summary".into(), summary);
        assert_eq!(breaches(&disk, &pairs[..1]), "h000 is at 93.25 %");
    }

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 41.0, 118.2, 1_234_567.0, 12.34, 1.5, 0.53, 0.001_24, 1e-9, -7.25];
        assert_eq!(
            said.map(number),
            ["0", "41", "118", "1234567", "12.3", "1.5", "0.53", "0.0012", "1.0e-9", "-7.25"]
        );
    }
}
