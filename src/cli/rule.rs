//! `tripline rule`: how the rules stand, what they stand for, what they would have said, and whether
//! they say what their tests expect.
//!
//! Reads the store beside the daemon; nothing is asked of it.

mod chart;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::args::{Global, RuleCommand};
use super::diagnostics;
use super::exit::Exit;
use super::look::{Look, Paint, clean, counted, moment, padded};
use super::run::{self, Stop};
use super::store::{self, reading};
use super::terminal::{Stream, Terminal};
use crate::app::{rule_tests, rules};
use crate::clock::{Clock as _, System};
use crate::config::{MissingSecrets, Settings, duration};
use crate::domain::Timestamp;
use crate::domain::policy::Condition;
use crate::domain::rule::state::{Standing, Track};
use crate::domain::rule::{self, LabelSet, Rule, words};
use crate::engine::rules::replay::Replayed;
use crate::engine::rules::snapshot::{RuleStatus, Snapshot};

/// Runs the command.
pub(super) async fn run(
    wanted: &RuleCommand,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    match wanted {
        RuleCommand::List { json } => list(*json, global, terminal).await,
        RuleCommand::Show { name } => show(name, global, terminal).await,
        RuleCommand::Test { files } => test(files, global, terminal),
        RuleCommand::Replay { name, since, json } => {
            replay((name, *since, *json), global, terminal).await
        }
    }
}

fn settings(global: &Global, terminal: &Terminal) -> Result<Settings, Stop> {
    reading(global, terminal)?.settings().map_err(Stop::Invalid)
}

async fn snapshot(global: &Global, terminal: &Terminal) -> Result<Snapshot, Stop> {
    let settings = settings(global, terminal)?;
    let store = store::open(global, terminal).await?;
    let records = store.rule_records().await.map_err(|error| Stop::Broken(error.to_string()))?;
    Ok(Snapshot::of_rules(settings.rules.all, &records))
}

async fn list(json: bool, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let snapshot = snapshot(global, terminal).await?;
    let text = if json {
        let rules: Vec<_> = snapshot.rules.iter().map(described).collect();
        format!("{:#}\n", json!({ "evaluated_until": snapshot.until, "rules": rules }))
    } else {
        table(&snapshot, &terminal.look(Stream::Out))
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

fn described(status: &RuleStatus) -> serde_json::Value {
    let RuleStatus { rule, state, evaluated_at } = status;
    let plain = |labels: &LabelSet| json!(labels.iter().collect::<BTreeMap<_, _>>());
    let breach = |(labels, track): (&LabelSet, &Track)| {
        json!({
            "labels": plain(labels),
            "since": track.since,
            "breached_at": track.breached_at,
            "missing_since": track.missing_since,
            "value": track.value,
            "usual": track.usual,
        })
    };
    json!({
        "name": rule.name.as_str(),
        "kind": rule.condition.kind(),
        "expr": rule.condition.expression(),
        "standing": state.standing.as_str(),
        "evaluated_at": evaluated_at,
        "unseen_since": state.unseen_since,
        "missing": state.missing.iter().map(plain).collect::<Vec<_>>(),
        "error": state.error,
        "breaches": state.tracks.iter().map(breach).collect::<Vec<_>>(),
    })
}

/// Columns of how a rule stands.
const STANDING: usize = 24;

fn table(snapshot: &Snapshot, look: &Look) -> String {
    if snapshot.rules.is_empty() {
        return "There is no rule; write one as `[[rule]]` in tripline.toml.\n".to_owned();
    }
    let mut text =
        look.paint(Paint::Faint, &format!("{}rule", padded("standing", STANDING))) + "\n";
    for RuleStatus { rule, state, .. } in &snapshot.rules {
        let paint = match state.standing {
            Standing::Breached | Standing::Failing => Paint::Bad,
            Standing::Ok => Paint::Good,
            _ => Paint::Unsure,
        };
        text += &look.paint(paint, &padded(state.standing.in_words(), STANDING));
        text += &clean(rule.name.as_str());
        let said = match (&state.error, state.standing) {
            (Some(error), _) => error.clone(),
            (None, Standing::Breached) => words::breaches(rule, &state.breaches()),
            (None, Standing::NoData) if !state.missing.is_empty() => words::missing(state),
            _ => String::new(),
        };
        if !said.is_empty() {
            let _ = write!(text, ": {}", clean(&said));
        }
        text.push('\n');
    }
    let line = match snapshot.until {
        Some(until) => format!("evaluated until {}\n", moment(until)),
        None => "not evaluated yet; `tripline up` evaluates\n".to_owned(),
    };
    text + &look.paint(Paint::Faint, &line)
}

async fn show(name: &str, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    // The expression can be shown where there is no store yet.
    let settings = settings(global, terminal)?;
    let found = settings.rules.all.iter().find(|it| it.name.as_str() == name);
    let rule = found.ok_or_else(|| unknown(name, &settings.rules.all))?;
    let mut text = definition(rule);
    if let Ok(store) = store::open(global, terminal).await {
        let records = store.rule_records().await;
        let records = records.map_err(|error| Stop::Broken(error.to_string()))?;
        let snapshot = Snapshot::of_rules([Arc::clone(rule)], &records);
        for RuleStatus { state, .. } in &snapshot.rules {
            let _ = writeln!(text, "Standing: {}", state.standing.in_words());
            for (labels, track) in state.breaches() {
                let line = words::breaches(rule, &[(labels, track)]);
                let _ = writeln!(text, "  {}", clean(&line));
            }
        }
    }
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

fn unknown(name: &str, rules: &[Arc<Rule>]) -> Stop {
    let names: Vec<&str> = rules.iter().map(|it| it.name.as_str()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Stop::Usage(format!("there is no rule called `{name}`; there is: {known}"))
}

/// A rule, and the expression that it stands for.
fn definition(rule: &Rule) -> String {
    let mut text = format!("{}\n\n", clean(rule.name.as_str()));
    if let rule::Condition::Change(change) = &rule.condition {
        let _ = writeln!(text, "{}\n", clean(&change.in_words()));
    }
    for line in rule.condition.expression().lines() {
        let _ = writeln!(text, "    {line}");
    }
    let _ = write!(text, "\nEvery {}", duration::format(rule.interval));
    for (word, span) in [("for", rule.hold), ("kept for", rule.keep_firing_for)] {
        if !span.is_zero() {
            let _ = write!(text, ", {word} {}", duration::format(span));
        }
    }
    text.push('\n');
    for (number, tier) in rule.policy.numbered() {
        let targets: Vec<String> = tier.notify.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "Tier {number}, {}: {}", in_words(tier.when), targets.join(", "));
    }
    text
}

/// When a tier of a rule is reached.
fn in_words(when: Condition) -> String {
    match when {
        Condition::FailuresInARow(times) => {
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            format!("breached {} in a row", counted(times, "time"))
        }
        other => format!("after {other}"),
    }
}

fn test(files: &[PathBuf], global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    let mut out = anstream::stdout();
    let mut exit = Exit::Good;
    for file in files {
        writeln!(out, "Unit Testing:  {}", file.display())?;
        match rule_tests::run(&terminal.folder.join(file), &environment) {
            Err(mistakes) => {
                writeln!(out, "  FAILED:\n    the file has mistakes\n")?;
                let text = diagnostics::to_text(&mistakes, terminal.style(Stream::Err));
                anstream::stderr().write_all(text.as_bytes())?;
                exit = Exit::ProjectInvalid;
            }
            Ok(tested) if tested.failures.is_empty() => writeln!(out, "  SUCCESS\n")?,
            Ok(tested) => {
                writeln!(out, "  FAILED:")?;
                for failure in &tested.failures {
                    writeln!(out, "{failure}\n")?;
                }
                if exit == Exit::Good {
                    exit = Exit::CheckFailed;
                }
            }
        }
    }
    Ok(exit)
}

async fn replay(
    (name, since, json): (&str, Duration, bool),
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let settings = settings(global, terminal)?;
    if !settings.rules.all.iter().any(|it| it.name.as_str() == name) {
        return Err(unknown(name, &settings.rules.all));
    }
    let store = store::open(global, terminal).await?;
    let end = System.now();
    let start = chrono::TimeDelta::from_std(since)
        .ok()
        .and_then(|since| end.checked_sub_signed(since))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let replayed = rules::replayed(&settings, &store, name, (start, end)).await;
    let (rule, replayed) = replayed.map_err(Stop::Broken)?;
    let text = if json {
        format!("{:#}\n", episodes(&replayed))
    } else {
        told(&rule, &replayed, &terminal.look(Stream::Out))
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

fn episodes(replayed: &Replayed) -> serde_json::Value {
    let episode = |it: &crate::engine::rules::replay::Episode| {
        json!({
            "since": it.since, "from": it.from, "until": it.until, "series": it.series,
            "said": it.said,
        })
    };
    json!({
        "evaluations": replayed.standings(),
        "breached_seconds": replayed.breached_for().num_seconds(),
        "episodes": replayed.episodes.iter().map(episode).collect::<Vec<_>>(),
    })
}

/// When a rule would have been breached, for people.
fn told(rule: &Rule, replayed: &Replayed, look: &Look) -> String {
    let mut text = chart::drawn(replayed, look);
    let lasting = |span: chrono::TimeDelta| words::lasting(span.to_std().unwrap_or_default());
    if replayed.episodes.is_empty() {
        text += &look.paint(Paint::Good, &format!("{} would not have been breached.", rule.name));
        text.push('\n');
    } else {
        let line = format!(
            "{} would have been breached {}, for {} in all:",
            rule.name,
            counted(replayed.episodes.len(), "time"),
            lasting(replayed.breached_for())
        );
        text += &(look.paint(Paint::Bad, &line) + "\n");
    }
    for it in &replayed.episodes {
        let lasted = match it.until {
            Some(until) => lasting(until - it.from),
            None => "goes on".to_owned(),
        };
        let from = it.from.format("%Y-%m-%d %H:%M UTC");
        let _ = writeln!(text, "  {from}  {}  {}", padded(&lasted, 12), clean(&it.said));
    }
    let counts: Vec<String> =
        replayed.standings().iter().map(|(word, count)| format!("{count} {word}")).collect();
    text + &look.paint(Paint::Faint, &format!("evaluations: {}", counts.join(", "))) + "\n"
}

#[cfg(test)]
mod tests;
