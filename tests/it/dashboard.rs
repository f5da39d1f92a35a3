//! The dashboards ask for metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tripline::domain::run::Outcome;

/// What a query asks for, without what statsd puts around it; variables are still in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// A counter. Alternatives stand in braces.
    Counter(String),
    /// A timer.
    Timer(String),
}

/// What statsd's daemon makes of a timer and the dashboards may ask for.
const TIMER_PARTS: [&str; 5] = ["mean", "upper_90", "upper", "lower", "count"];

/// Every name for which a panel of the Graphite dashboard asks.
pub(crate) fn asked() -> Vec<Asked> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let mut found: Vec<Asked> = targets
        .flat_map(|target| paths(target["target"].as_str().expect("a query")))
        .map(|path| name(&path))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/runs-graphite.json");
    let text = std::fs::read_to_string(path).expect("the dashboard can be read");
    serde_json::from_str(&text).expect("the dashboard is JSON")
}

/// The paths of series in a Graphite query: what begins with `stats`. A comma within braces belongs
/// to the path.
fn paths(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find("stats") {
        let mut depth = 0;
        let end = rest[start..].find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            matches!(c, ')' | ' ') || c == ',' && depth == 0
        });
        let end = end.map_or(rest.len(), |length| start + length);
        found.push(rest[start..end].to_owned());
        rest = &rest[end..];
    }
    found
}

/// Takes away what statsd's daemon puts around a name.
fn name(path: &str) -> Asked {
    if let Some(name) = path.strip_prefix("stats_counts.") {
        return Asked::Counter(name.to_owned());
    }
    let timer = path.strip_prefix("stats.timers.").and_then(|rest| rest.rsplit_once('.'));
    let (name, part) = timer.unwrap_or_else(|| panic!("`{path}` is neither counter nor timer"));
    assert!(TIMER_PARTS.contains(&part), "statsd makes no `{part}` of a timer");
    Asked::Timer(name.to_owned())
}

#[test]
fn every_panel_asks_for_runs_or_durations_of_the_chosen_checks_and_regions() {
    let outcomes = [Outcome::Passed, Outcome::Failed, Outcome::Unknown].map(Outcome::as_str);
    let asked = asked();
    for asked in &asked {
        match asked {
            Asked::Counter(name) => {
                let outcome = name.strip_prefix("$prefix.runs.$check.$region.");
                let outcome = outcome.unwrap_or_else(|| panic!("`{name}` is no counter of runs"));
                let alternatives = outcome.trim_matches(['{', '}']).split(',');
                assert!(alternatives.clone().all(|word| outcomes.contains(&word)), "{name}");
            }
            Asked::Timer(name) => assert_eq!(name, "$prefix.duration.$check.$region"),
        }
    }
    assert!(asked.iter().any(|asked| matches!(asked, Asked::Timer(_))), "{asked:?}");
    for outcome in outcomes {
        let counter = Asked::Counter(format!("$prefix.runs.$check.$region.{outcome}"));
        assert!(asked.contains(&counter), "nothing shows {outcome} runs");
    }
}

#[test]
fn every_variable_that_is_used_is_defined() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<&str> =
        variables.iter().map(|variable| variable["name"].as_str().expect("a name")).collect();
    for name in ["prefix", "check", "region", "source"] {
        assert!(names.contains(&name), "{name} is used and not defined: {names:?}");
    }
    let ids: Vec<i64> = dashboard["panels"]
        .as_array()
        .expect("panels")
        .iter()
        .map(|panel| panel["id"].as_i64().expect("an id"))
        .collect();
    let unique: BTreeSet<i64> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "two panels have one id: {ids:?}");
}
