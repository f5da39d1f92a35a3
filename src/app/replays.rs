//! What a project, and an edited one, would have told people of the past.

use std::collections::BTreeSet;

use super::assignments::rulebook;
use crate::config::Project;
use crate::domain::Timestamp;
use crate::domain::id::CheckId;
use crate::domain::incident::acting::LONGEST;
use crate::engine::replay::{Cares, Deeds, LEAD, Message, Read, Row, Side, World};
use crate::engine::replay::{merged, replay, rows};
use crate::store;
use crate::store::past::Past;

/// What is to be replayed.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// From when.
    pub since: Timestamp,
    /// Until when; this moment is not in it.
    pub until: Timestamp,
    /// Of which checks; all where none is named.
    pub checks: BTreeSet<CheckId>,
    /// How many messages are listed.
    pub limit: usize,
}

/// What would have been told.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// From when; later than what was asked for where older results are forgotten.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// From when on the store has all results; `None` where it has none.
    pub whole_since: Option<Timestamp>,
    /// What was read.
    pub read: Read,
    /// Messages by recipient: those that were really told, and those of each project.
    pub rows: Vec<Row>,
    /// The first messages, with the projects that they are of.
    pub messages: Vec<(Side, Message)>,
    /// How many messages there are in all, of the last project.
    pub told: u64,
    /// What became of the acknowledgements that people made, in the last project.
    pub cares: Cares,
}

/// Replays the past by the rules of `current`, and of `edited` where there is one. `passed` is told how
/// far it has come.
///
/// # Errors
///
/// A sentence that says why the store cannot be read.
pub async fn replayed(
    store: &dyn Past,
    (current, edited): (&Project, Option<&Project>),
    wanted: &Wanted,
    passed: &mut (dyn FnMut(Timestamp) + Send),
) -> Result<Replayed, String> {
    let broken = |error: store::Error| error.to_string();
    let projects = std::iter::once(current).chain(edited);
    let rulebooks = projects.map(rulebook).collect::<Result<Vec<_>, _>>();
    let rulebooks = rulebooks.map_err(|error| error.to_string())?;
    let whole_since = store.whole_since().await.map_err(broken)?;
    let (until, begun) = (wanted.until, whole_since.unwrap_or(wanted.until));
    let since = wanted.since.max(begun).min(until);
    let start = since.checked_sub_signed(LEAD).unwrap_or(since).max(begun).min(until);
    // Whatever still holds at the start.
    let longest = chrono::TimeDelta::from_std(LONGEST).unwrap_or_default();
    let lasting = (start.checked_sub_signed(longest).unwrap_or(start), until);
    let mut decisions = store.past_acts(lasting).await.map_err(broken)?;
    if !wanted.checks.is_empty() {
        decisions.retain(|it| it.subject.check().is_some_and(|it| wanted.checks.contains(it)));
    }
    let silences = store.past_silences(lasting).await.map_err(broken)?;
    let deeds = Deeds::of(&decisions, &silences);
    let limit = wanted.limit;
    let world = |rulebook| World::new(rulebook, &deeds, since, limit);
    let mut worlds: Vec<World<'_>> = rulebooks.iter().map(world).collect();
    let read = replay(store, &mut worlds, (start, until), &wanted.checks, passed).await;
    let read = read.map_err(broken)?;
    let told = store.past_told((since, until)).await.map_err(broken)?;
    let rows = rows(&told, &wanted.checks, &worlds);
    let messages = if let [first, second] = worlds.as_slice() {
        merged(&first.messages, &second.messages, limit)
    } else {
        let only = worlds.iter().flat_map(|world| &world.messages);
        only.map(|message| (Side::Both, message.clone())).collect()
    };
    let last = worlds.last();
    Ok(Replayed {
        since,
        until,
        whole_since,
        read,
        rows,
        messages,
        told: last.map(|world| world.counts.values().sum()).unwrap_or_default(),
        cares: last.map(|world| world.cares).unwrap_or_default(),
    })
}
