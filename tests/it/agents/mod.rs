//! Agents in other regions: they share checks, take over, outlive the hub, and see no more than
//! they must.

mod absence;
mod egress;
mod errands;
mod hubs;
mod names;
mod proxies;
mod replacing;
mod sharing;
mod stopping;
mod trust;
mod world;

use std::time::Duration;

use serde_json::Value;
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::schedule::{Interval, Schedule};

use self::world::{PATIENCE, REGION, Ran};
use crate::support::site::Site;
use crate::support::wait::until_true;

/// A plain check of the agents' region, each second.
fn check(id: &str, site: &Site) -> String {
    format!(
        "[[check]]\nid = \"{id}\"\nurl = \"{}/{id}\"\nevery = \"1s\"\nregions = [\"{REGION}\"]\n",
        site.url()
    )
}

fn is_at_work(status: &Value, own: usize) -> bool {
    status["hub_reachable"] == true && status["own_checks"] == own
}

/// The first slot of a check of a second after `at`.
fn slot_after(check: &str, at: Timestamp) -> Timestamp {
    let (check, region) = (CheckId::new(check), Region::new(REGION));
    let every = Schedule::Every(Interval::new(Duration::from_secs(1)).expect("in range"));
    let next = every.next_after(at, &check.expect("a name"), &region.expect("a name"));
    next.expect("there is one")
}

fn now() -> Timestamp {
    tripline::clock::Clock::now(&tripline::clock::System)
}

/// The next slot of a check of a second, when it has come.
async fn next_slot(check: &str) -> Timestamp {
    let at = slot_after(check, now());
    until_true("the next slot comes", PATIENCE, async || now() >= at).await;
    at
}

/// The slots of `runs`, oldest first.
fn slots(runs: &[Ran]) -> Vec<Timestamp> {
    let mut slots: Vec<_> = runs.iter().map(|run| run.slot_at).collect();
    slots.sort();
    slots
}
