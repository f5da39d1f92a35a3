//! `tripline policy replay`: whom the project would have told of the past.
//!
//! Reads the store beside the daemon; nothing is stored and nobody is told.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::args::{Form, Global, PolicyCommand, Replay};
use super::exit::Exit;
use super::look::{clean, clean_json};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use crate::app::project::Reading;
use crate::app::replays::{self, Replayed, Wanted};
use crate::app::storage;
use crate::clock::{Clock as _, System};
use crate::config::{Environment, MissingSecrets, Project};
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::engine::replay::{Row, Side};

/// Runs the command.
pub(super) async fn run(
    wanted: &PolicyCommand,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    match wanted {
        PolicyCommand::Replay(wanted) => Box::pin(replay(wanted, global, terminal)).await,
    }
}

async fn replay(wanted: &Replay, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let now = System.now();
    let until = wanted.until.map_or(now, |until| until.moment(now)).min(now);
    let since = wanted.since.moment(now);
    if since >= until {
        let text = "the time is empty: `--since` must lie before `--until`, and both in the past";
        return Err(Stop::Usage(text.to_owned()));
    }
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    let root = run::root(global, terminal)?;
    let current = read(Reading::begin(&root, &environment)).await?;
    let edited = match &wanted.config {
        Some(path) => Some(edited(&root, path, terminal, &environment).await?),
        None => None,
    };
    check_names(&wanted.checks, [Some(&current), edited.as_ref()])?;
    let store = storage::open_past(&current.settings.store.place).await;
    let store = store.map_err(|error| Stop::Broken(error.to_string()))?;
    let checks: BTreeSet<CheckId> = wanted.checks.iter().cloned().collect();
    let limit = wanted.limit;
    let asked = Wanted { since, until, checks, limit };
    let mut progress = Progress::new(asked.since);
    let projects = (&current, edited.as_ref());
    let replayed =
        replays::replayed(&*store, projects, &asked, &mut |at| progress.passed(at)).await;
    progress.end();
    let replayed = replayed.map_err(Stop::Broken)?;
    let text = match wanted.format {
        Form::Json => clean_json(&format!("{:#}\n", document(&replayed, &asked, edited.is_some()))),
        Form::Text => {
            let kept = current.settings.store.retention.incidents;
            let forgotten = kept
                .and_then(|kept| now.checked_sub_signed(chrono::TimeDelta::from_std(kept).ok()?));
            let shown = told::Shown {
                replayed: &replayed,
                asked: &asked,
                is_edited: edited.is_some(),
                forgotten: forgotten.filter(|forgotten| *forgotten > replayed.since),
            };
            shown.text(&terminal.look(Stream::Out))
        }
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

async fn read(reading: Reading) -> Result<Project, Stop> {
    let pool = run::pool(&reading)?;
    reading.finish(&pool).await.map_err(Stop::Invalid)
}

/// The edited project: a folder, or the project with another `tripline.toml`.
async fn edited(
    root: &Path,
    path: &Path,
    terminal: &Terminal,
    environment: &Environment,
) -> Result<Project, Stop> {
    let (full, shown) = (terminal.absolute(path), path.display().to_string());
    if !full.exists() {
        return Err(Stop::Usage(format!("there is no `{}`; name it with --config", clean(&shown))));
    }
    let reading = if full.is_dir() {
        Reading::begin(&full, environment)
    } else {
        Reading::edited(root, (&full, &shown), environment)
    };
    read(reading).await
}

/// Refuses checks that no project has.
fn check_names(checks: &[CheckId], projects: [Option<&Project>; 2]) -> Result<(), Stop> {
    let known: BTreeSet<&CheckId> =
        projects.into_iter().flatten().flat_map(|project| project.checks.keys()).collect();
    let Some(unknown) = checks.iter().find(|check| !known.contains(check)) else { return Ok(()) };
    let names: Vec<&str> = known.iter().map(|check| check.as_str()).collect();
    let text = format!("there is no check `{unknown}`; there are {}", names.join(", "));
    Err(Stop::Usage(text))
}

/// Says on a terminal how far a long replay has come.
struct Progress {
    since: Timestamp,
    is_shown: bool,
    day: Option<chrono::NaiveDate>,
}

impl Progress {
    fn new(since: Timestamp) -> Self {
        Self { since, is_shown: std::io::stderr().is_terminal(), day: None }
    }

    fn passed(&mut self, at: Timestamp) {
        let day = at.date_naive();
        if self.is_shown && at >= self.since && self.day != Some(day) {
            self.day = Some(day);
            // A closed output is no reason to stop.
            let _ = write!(anstream::stderr(), "\rreplaying {day} ...");
        }
    }

    fn end(&self) {
        if self.day.is_some() {
            let _ = write!(anstream::stderr(), "\r{:24}\r", "");
        }
    }
}

/// All of it, for programs.
fn document(replayed: &Replayed, asked: &Wanted, is_edited: bool) -> Value {
    let row = |row: &Row| {
        let (stood, counts) = (row.stood, &row.replayed);
        let mut value = json!({
            "target": row.recipient.to_string(),
            "told": stood.told,
            "told_instead_of_others": stood.instead,
            "superseded": stood.superseded,
            "given_up": stood.given_up,
            "owed": stood.owed,
            "current": counts.first(),
            "difference": told::difference(row, is_edited),
        });
        if is_edited {
            value["edited"] = json!(counts.last());
        }
        value
    };
    let messages = replayed.messages.iter().map(|(side, message)| {
        let mut value = json!({
            "at": message.at,
            "target": message.recipient.to_string(),
            "check": message.check.as_str(),
            "kind": message.kind.as_str(),
            "text": message.text,
            "why": message.why,
        });
        if is_edited {
            value["in"] = json!(match side {
                Side::Both => "both",
                Side::First => "current",
                Side::Second => "edited",
            });
        }
        value
    });
    let read = &replayed.read;
    let strangers: BTreeMap<&str, u64> =
        read.strangers.iter().map(|(check, results)| (check.as_str(), *results)).collect();
    json!({
        "asked_since": asked.since,
        "since": replayed.since,
        "until": replayed.until,
        "results_since": replayed.whole_since,
        "results": read.results,
        "checks": read.checks.iter().map(CheckId::as_str).collect::<Vec<_>>(),
        "results_of_unknown_checks": strangers,
        "acknowledgements": {
            "applied": replayed.cares.applied,
            "carried_over": replayed.cares.carried,
            "without_an_incident": replayed.cares.without,
        },
        "targets": replayed.rows.iter().map(row).collect::<Vec<_>>(),
        "count": replayed.told,
        "messages": messages.collect::<Vec<_>>(),
    })
}
