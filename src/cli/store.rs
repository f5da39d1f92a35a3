//! `tripline store`: whether every expected slot is accounted for and all metrics can be read; backups,
//! and moving to another database.
//!
//! What reads does so beside the daemon and changes nothing; what writes only fills what is empty.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Global, StoreCommand};
use super::exit::Exit;
use super::look::{Look, Paint, clean, counted, spoken_bytes};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use crate::app::project::Reading;
use crate::app::storage;
use crate::clock::{Clock as _, System};
use crate::config::settings::Place;
use crate::config::{MissingSecrets, Secret};
use crate::domain::Timestamp;
use crate::domain::slot::Slot;
use crate::engine::accountant::{self, Audit};
use crate::store::copying::Copied;
use crate::store::metrics::Inspected;
use crate::store::{Error, Ledger};

/// The most slots that are named.
const NAMED: usize = 20;

/// Runs the command.
pub(super) async fn run(
    wanted: &StoreCommand,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    match wanted {
        StoreCommand::Check { json } => check(*json, global, terminal).await,
        StoreCommand::Backup { file, verbose } => {
            let reading = reading(global, terminal)?;
            let (place, path) = (place(&reading)?, terminal.folder.join(file));
            let copied = unless_stopped(storage::back_up(place, &path)).await?;
            let from = place.to_string();
            said(&copied, (&from, &Place::File(path)), *verbose, terminal)
        }
        StoreCommand::Restore { file, verbose } => {
            let reading = reading(global, terminal)?;
            let (place, path) = (place(&reading)?, terminal.folder.join(file));
            let scratch = match place {
                Place::File(store) => store.parent().unwrap_or(Path::new(".")).to_owned(),
                Place::Postgres { .. } => std::env::temp_dir(),
            };
            if !path.exists() {
                let text = format!("there is no backup at {}; name one", path.display());
                return Err(Stop::Usage(text));
            }
            let restored = storage::restore(&path, place, &scratch, &System);
            let copied = unless_stopped(restored).await?;
            let from = path.display().to_string();
            said(&copied, (&from, place), *verbose, terminal)
        }
        StoreCommand::Copy { from, to, verbose } => {
            let (from, to) =
                (named("FROM", from, global, terminal)?, named("TO", to, global, terminal)?);
            if from.to_string() == to.to_string() {
                return Err(Stop::Usage("FROM and TO are one store; name two".into()));
            }
            let copied = unless_stopped(storage::copy(&from, &to, &System)).await?;
            said(&copied, (&from.to_string(), &to), *verbose, terminal)
        }
    }
}

async fn check(json: bool, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let store = open(global, terminal).await?;
    let broken = |error: Error| Stop::Broken(error.to_string());
    // Runs that were forgotten cannot be asked for.
    let retention = reading(global, terminal)?.retention();
    let from = chrono::TimeDelta::from_std(retention)
        .ok()
        .and_then(|retention| System.now().checked_sub_signed(retention))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let audit = accountant::audit(&*store, from).await.map_err(broken)?;
    let metrics = store.inspect().await.map_err(broken)?;
    let look = terminal.look(Stream::Out);
    let text = if json {
        printed(&audit, &metrics)
    } else {
        told(&audit, &look) + &told_of_metrics(&metrics, &look)
    };
    anstream::stdout().write_all(text.as_bytes())?;
    let is_whole = audit.unaccounted.is_empty() && metrics.faults == 0;
    Ok(if is_whole { Exit::Good } else { Exit::Broken })
}

/// Waits for a copy. A signal ends it in between, so that nothing is left of it.
async fn unless_stopped(
    copying: impl Future<Output = Result<Copied, Error>>,
) -> Result<Copied, Stop> {
    let broken = |error: std::io::Error| Stop::Broken(format!("failed to watch signals: {error}"));
    let mut ended = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(broken)?;
    tokio::select! {
        copied = copying => copied.map_err(|error| refused(&error)),
        _ = ended.recv() => Err(Stop::Broken("stopped; nothing was kept of the copy".into())),
        _ = interrupted.recv() => Err(Stop::Broken("stopped; nothing was kept of the copy".into())),
    }
}

fn refused(error: &Error) -> Stop {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(reason) = cause {
        let _ = write!(text, ": {reason}");
        cause = reason.source();
    }
    match error {
        Error::Exists { .. } => Stop::Usage(text),
        _ => Stop::Broken(text),
    }
}

/// Says what was copied.
fn said(
    copied: &Copied,
    (from, to): (&str, &Place),
    verbose: bool,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let size = match to {
        Place::File(path) => std::fs::metadata(path).ok().map(|it| it.len()),
        Place::Postgres { .. } => None,
    };
    let look = terminal.look(Stream::Out);
    let line = summed(copied, from, (&to.to_string(), size));
    let text = if verbose { listed(copied) } else { String::new() };
    let text = text + &look.paint(Paint::Good, &line) + "\n";
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

fn listed(copied: &Copied) -> String {
    let mut text = String::new();
    for (table, rows) in &copied.0 {
        let _ = writeln!(text, "{rows:>12}  {}", clean(table));
    }
    text
}

/// What went where, in a line.
fn summed(copied: &Copied, from: &str, (to, size): (&str, Option<u64>)) -> String {
    let count = |rows: u64, noun| counted(usize::try_from(rows).unwrap_or(usize::MAX), noun);
    let of = |table: &str| copied.0.get(table).copied().unwrap_or_default();
    let size = size.map(|bytes| format!(" ({})", spoken_bytes(bytes))).unwrap_or_default();
    format!(
        "From {} to {}{size}: {} and {}, {} in all, were copied, and counted again on the other side.",
        clean(from),
        clean(to),
        count(of("runs"), "run"),
        count(of("incidents"), "incident"),
        count(copied.0.values().sum(), "row"),
    )
}

/// The store that a word of the command line means.
fn named(word: &str, text: &str, global: &Global, terminal: &Terminal) -> Result<Place, Stop> {
    let environment = run::environment(global, terminal)?;
    let password = environment.variables.get("PGPASSWORD").map(|it| Secret::new(it.as_str()));
    // The project knows the password of its own store; elsewhere there need not be a project.
    let own = run::root(global, terminal).ok().and_then(|_| reading(global, terminal).ok());
    let own = own.as_ref().and_then(|reading| reading.place().ok());
    Place::named(text, &terminal.folder, password.as_ref(), own)
        .map_err(|wrong| Stop::Usage(format!("{word}: {wrong}")))
}

/// The store of the project, for reading.
pub(super) async fn open(global: &Global, terminal: &Terminal) -> Result<Arc<dyn Ledger>, Stop> {
    let reading = reading(global, terminal)?;
    let place = place(&reading)?;
    storage::open_read_only(place).await.map_err(|error| Stop::Broken(error.to_string()))
}

fn place(reading: &Reading) -> Result<&Place, Stop> {
    reading.place().map_err(Stop::Invalid)
}

pub(super) fn reading(global: &Global, terminal: &Terminal) -> Result<Reading, Stop> {
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    Ok(Reading::begin(&run::root(global, terminal)?, &environment))
}

fn printed(audit: &Audit, metrics: &Inspected) -> String {
    let missed: BTreeMap<&str, u64> =
        audit.missed.iter().map(|(reason, slots)| (reason.as_str(), *slots)).collect();
    let slot = |slot: &Slot| json!({ "check": slot.check.as_str(), "region": slot.region.as_str(), "at": slot.at });
    let answer = json!({
        "until": audit.until,
        "expected": audit.expected,
        "ran": audit.ran,
        "missed": missed,
        "unaccounted": audit.unaccounted.iter().map(slot).collect::<Vec<_>>(),
        "metrics": {
            "series": metrics.series,
            "points": metrics.points,
            "chunks": metrics.chunks,
            "faults": metrics.faults,
            "told": metrics.told,
        },
    });
    format!("{answer:#}\n")
}

fn told_of_metrics(metrics: &Inspected, look: &Look) -> String {
    if metrics.series == 0 && metrics.faults == 0 {
        return String::new();
    }
    let mut text = format!("{} series of metrics, {} points\n", metrics.series, metrics.points);
    if metrics.faults == 0 {
        return text + &look.paint(Paint::Good, "All of them can be read.") + "\n";
    }
    let faults = usize::try_from(metrics.faults).unwrap_or(usize::MAX);
    text += &(look.paint(Paint::Bad, &format!("{} found:", counted(faults, "fault"))) + "\n");
    for fault in &metrics.told {
        let _ = writeln!(text, "  {}", clean(fault));
    }
    if faults > metrics.told.len() {
        let _ = writeln!(text, "  and {} more", faults - metrics.told.len());
    }
    text
}

fn told(audit: &Audit, look: &Look) -> String {
    if audit.expected == 0 {
        return "No slot is accounted for yet; each is when its run must have ended and been \
                reported.\n"
            .to_owned();
    }
    let count = |slots: u64| counted(usize::try_from(slots).unwrap_or(usize::MAX), "slot");
    let mut text = format!("{} expected, {} run", count(audit.expected), audit.ran);
    for (reason, slots) in &audit.missed {
        let _ = write!(text, ", {slots} missed ({})", reason.as_str());
    }
    text += "\n";
    if audit.unaccounted.is_empty() {
        return text + &look.paint(Paint::Good, "Every slot is accounted for.") + "\n";
    }
    let slots = audit.unaccounted.len();
    let line = format!("{} not accounted for:", counted(slots, "slot"));
    text += &(look.paint(Paint::Bad, &line) + "\n");
    for slot in audit.unaccounted.iter().take(NAMED) {
        let (check, region) = (clean(slot.check.as_str()), clean(slot.region.as_str()));
        let _ = writeln!(text, "  {check} in {region} at {}", slot.at.to_rfc3339());
    }
    if slots > NAMED {
        let _ = writeln!(text, "  and {} more", slots - NAMED);
    }
    text
}
