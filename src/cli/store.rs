//! `tripline store check`: whether every expected slot is accounted for.
//!
//! Reads the store beside the daemon and changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::args::{Global, StoreCommand};
use super::exit::Exit;
use super::look::{Look, Paint, clean, counted};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use crate::app::project::Reading;
use crate::app::storage;
use crate::clock::{Clock as _, System};
use crate::config::MissingSecrets;
use crate::domain::Timestamp;
use crate::domain::slot::Slot;
use crate::engine::accountant::{self, Audit};
use crate::store::Ledger;

/// The most slots that are named.
const NAMED: usize = 20;

/// Runs the command.
pub(super) async fn run(
    wanted: &StoreCommand,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let StoreCommand::Check { json } = wanted;
    let store = open(global, terminal).await?;
    let broken = |error: crate::store::Error| Stop::Broken(error.to_string());
    // Runs that were forgotten cannot be asked for.
    let retention = reading(global, terminal)?.retention();
    let from = chrono::TimeDelta::from_std(retention)
        .ok()
        .and_then(|retention| System.now().checked_sub_signed(retention))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let audit = accountant::audit(&*store, from).await.map_err(broken)?;
    let text = if *json { printed(&audit) } else { told(&audit, &terminal.look(Stream::Out)) };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(if audit.unaccounted.is_empty() { Exit::Good } else { Exit::Broken })
}

/// The store of the project, for reading.
pub(super) async fn open(global: &Global, terminal: &Terminal) -> Result<Arc<dyn Ledger>, Stop> {
    let reading = reading(global, terminal)?;
    let place = reading.place().map_err(Stop::Invalid)?;
    storage::open_read_only(place).await.map_err(|error| Stop::Broken(error.to_string()))
}

fn reading(global: &Global, terminal: &Terminal) -> Result<Reading, Stop> {
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    Ok(Reading::begin(&run::root(global, terminal)?, &environment))
}

fn printed(audit: &Audit) -> String {
    let missed: BTreeMap<&str, u64> =
        audit.missed.iter().map(|(reason, slots)| (reason.as_str(), *slots)).collect();
    let slot = |slot: &Slot| json!({ "check": slot.check.as_str(), "region": slot.region.as_str(), "at": slot.at });
    let answer = json!({
        "until": audit.until,
        "expected": audit.expected,
        "ran": audit.ran,
        "missed": missed,
        "unaccounted": audit.unaccounted.iter().map(slot).collect::<Vec<_>>(),
    });
    format!("{answer:#}\n")
}

fn told(audit: &Audit, look: &Look) -> String {
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
