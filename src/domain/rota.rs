//! Rotas: who is on duty when.
//!
//! | at a moment | on duty |
//! |---|---|
//! | an override that replaces nobody in particular | its person; of several the first written |
//! | an override that replaces whom the layers name | its person |
//! | a layer has somebody | that person; of several layers the last one that has |
//! | else | nobody: the team is told in its place |
//!
//! A layer hands over by the clocks on the wall of its zone: a rota that changes on Mondays at 09:00
//! does so on both sides of a change of the clocks. A hand-over at a time that the clocks skip is at
//! the first moment after the jump, and one at a time that comes twice is at the first of the two.
//!
//! A rota has no state and knows no telephone numbers. A notification is owed to the rota; who is told
//! in its place is asked when the message is about to leave ([`call`]), and recorded with the reason.
//! What is told of an incident's end goes to those who were told of the incident in the rota's place,
//! whoever is on duty by then: they must not go on looking for what is over. Only where nobody was told
//! yet, it goes to whoever is on duty now, and says both.

mod call;
mod findings;
mod hours;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use chrono::{Datelike as _, NaiveDateTime, NaiveTime, TimeDelta, Weekday};

pub use self::call::{Call, call, call_for};
pub use self::findings::{FORESEEN, Finding, findings};
pub use self::hours::{Hours, HoursError};
use self::hours::{time_of_day, weekday};
use super::Timestamp;
use super::id::PersonId;
use super::zone::Zone;

/// Who is on duty when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rota {
    /// The name that policies use.
    pub name: String,
    /// The team that is told when nobody is on duty.
    pub team: String,
    /// Its layers; a later one goes before an earlier one where it has somebody.
    pub layers: Vec<Layer>,
    /// Exceptions, which go before all layers.
    pub overrides: Vec<Override>,
}

/// People who take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// In the order in which they take turns. Nobody is on duty where it is empty.
    people: Vec<PersonId>,
    zone: Zone,
    starts: NaiveDateTime,
    turn: Turn,
    /// When the first turn ends.
    first_end: NaiveDateTime,
    hours: Vec<Hours>,
}

/// How long a turn is, as the clocks on the wall count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// So many hours; at least 1.
    Hours(u32),
    /// So many days; at least 1.
    Days(u32),
    /// So many weeks; at least 1.
    Weeks(u32),
}

/// When turns end, where that is not so long after they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// On which day; any where it is `None`.
    pub day: Option<Weekday>,
    /// At which time of the day.
    pub time: NaiveTime,
}

/// Somebody is on duty in place of whom the layers name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Who is.
    pub person: PersonId,
    /// From when.
    pub from: Timestamp,
    /// Until when; this moment is not in it.
    pub until: Timestamp,
    /// In whose place alone; in that of all, and of nobody, where it is `None`.
    pub replaces: Option<PersonId>,
}

/// Somebody is on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// Who.
    pub person: PersonId,
    /// By what.
    pub by: By,
}

/// By what somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A layer, counted from 1.
    Layer(usize),
    /// An override.
    Override,
}

/// A time in which the same person is on duty, or nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// From when.
    pub from: Timestamp,
    /// Until when; this moment is not in it.
    pub until: Timestamp,
    /// Who is on duty; `None` is a hole.
    pub duty: Option<Duty>,
}

/// How far [`Rota::next_change`] looks.
pub const FORESIGHT: TimeDelta = TimeDelta::days(400);

impl Rota {
    /// Who is on duty at `at`, and by what.
    pub fn duty(&self, at: Timestamp) -> Option<Duty> {
        let usual = self.layers.iter().enumerate().rev().find_map(|(index, layer)| {
            Some(Duty { person: layer.on_duty(at)?.clone(), by: By::Layer(index + 1) })
        });
        let applies = |it: &&Override| {
            let is_now = it.from <= at && at < it.until;
            let place = it.replaces.as_ref();
            is_now
                && place.is_none_or(|person| usual.as_ref().is_some_and(|it| it.person == *person))
        };
        match self.overrides.iter().find(applies) {
            Some(it) => Some(Duty { person: it.person.clone(), by: By::Override }),
            None => usual,
        }
    }

    /// Who is on duty at `at`.
    pub fn on_duty(&self, at: Timestamp) -> Option<PersonId> {
        self.duty(at).map(|duty| duty.person)
    }

    /// When who is on duty, or by what, changes next after `after`; `None` when it does not within
    /// [`FORESIGHT`].
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let end = after.checked_add_signed(FORESIGHT)?;
        let duty = self.duty(after);
        let mut at = after;
        while let Some(next) = self.next_boundary(at).filter(|next| *next <= end) {
            if self.duty(next) != duty {
                return Some(next);
            }
            at = next;
        }
        None
    }

    /// The shifts from `from` to `until`, which they cover without a gap and without an overlap.
    pub fn shifts(&self, from: Timestamp, until: Timestamp) -> Vec<Shift> {
        let mut shifts = Vec::new();
        let (mut at, mut begin, mut duty) = (from, from, self.duty(from));
        while let Some(next) = self.next_boundary(at).filter(|next| *next < until) {
            let there = self.duty(next);
            if there != duty {
                shifts.push(Shift { from: begin, until: next, duty });
                (begin, duty) = (next, there);
            }
            at = next;
        }
        if begin < until {
            shifts.push(Shift { from: begin, until, duty });
        }
        shifts
    }

    /// The zone by whose clocks it is shown: that of its first layer.
    pub fn zone(&self) -> Zone {
        self.layers.first().map_or(Zone::UTC, Layer::zone)
    }

    /// All whom it can name, each once, in the order written.
    pub fn people(&self) -> Vec<&PersonId> {
        let mut people: Vec<&PersonId> = Vec::new();
        let layers = self.layers.iter().flat_map(Layer::people);
        for person in layers.chain(self.overrides.iter().map(|it| &it.person)) {
            if !people.contains(&person) {
                people.push(person);
            }
        }
        people
    }

    /// The first moment after `after` at which something could change.
    fn next_boundary(&self, after: Timestamp) -> Option<Timestamp> {
        let layers = self.layers.iter().filter_map(|layer| layer.next_boundary(after));
        let overrides = self.overrides.iter().flat_map(|it| [it.from, it.until]);
        layers.chain(overrides.filter(|at| *at > after)).min()
    }
}

impl Turn {
    fn length(self) -> TimeDelta {
        match self {
            Self::Hours(count) => TimeDelta::hours(count.max(1).into()),
            Self::Days(count) => TimeDelta::days(count.max(1).into()),
            Self::Weeks(count) => TimeDelta::weeks(count.max(1).into()),
        }
    }
}

impl Layer {
    /// People who take turns from the local time `starts` on.
    pub fn new(people: Vec<PersonId>, zone: Zone, starts: NaiveDateTime, turn: Turn) -> Self {
        let first_end = starts.checked_add_signed(turn.length()).unwrap_or(NaiveDateTime::MAX);
        Self { people, zone, starts, turn, first_end, hours: Vec::new() }
    }

    /// The same with turns that end at a time of their own: the first one at the first such time
    /// that is more than a turn less one day (or, where a day of the week is named, one week) after
    /// its begin, all others a turn later each.
    #[must_use]
    pub fn handing_over(mut self, handover: Handover) -> Self {
        let step = if handover.day.is_some() { TimeDelta::weeks(1) } else { TimeDelta::days(1) };
        let length = self.turn.length();
        let earliest = self.starts + (length - step).max(TimeDelta::zero());
        let days = earliest.date().iter_days();
        let fits = |end: &NaiveDateTime| {
            *end > earliest && handover.day.is_none_or(|day| end.weekday() == day)
        };
        let first = days.map(|day| day.and_time(handover.time)).find(fits);
        self.first_end = first.unwrap_or(self.first_end);
        self
    }

    /// The same, but with nobody outside of `hours`.
    #[must_use]
    pub fn only(mut self, hours: Vec<Hours>) -> Self {
        self.hours = hours;
        self
    }

    /// Who take turns.
    pub fn people(&self) -> &[PersonId] {
        &self.people
    }

    /// The zone of its times.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Who is on duty at `at`.
    pub fn on_duty(&self, at: Timestamp) -> Option<&PersonId> {
        let is_open =
            self.hours.is_empty() || self.hours.iter().any(|hours| hours.contains(self.zone, at));
        if at < self.zone.instant_of(self.starts) || !is_open {
            return None;
        }
        let count = i64::try_from(self.people.len()).ok()?;
        let index = self.turn_at(at).checked_rem_euclid(count)?;
        self.people.get(usize::try_from(index).ok()?)
    }

    /// The number of the turn at `at`, from 0; negative before the first.
    fn turn_at(&self, at: Timestamp) -> i64 {
        let length = self.turn.length().num_seconds();
        let mut turn = (self.zone.wall_clock(at) - self.first_end).num_seconds().div_euclid(length);
        // Where the clocks go back, the wall shows times whose hand-over has been.
        while self.end_of(turn).is_some_and(|end| end > at) {
            turn -= 1;
        }
        while self.end_of(turn + 1).is_some_and(|end| end <= at) {
            turn += 1;
        }
        turn + 1
    }

    /// When a turn, counted from 0, ends.
    fn end_of(&self, turn: i64) -> Option<Timestamp> {
        let seconds = self.turn.length().num_seconds().checked_mul(turn)?;
        let local = self.first_end.checked_add_signed(TimeDelta::try_seconds(seconds)?)?;
        Some(self.zone.instant_of(local))
    }

    fn next_boundary(&self, after: Timestamp) -> Option<Timestamp> {
        let starts = self.zone.instant_of(self.starts);
        if after < starts {
            return Some(starts);
        }
        // Of one person, a turn's end changes nothing.
        let end = (self.people.len() > 1).then(|| self.end_of(self.turn_at(after))).flatten();
        let hours = self.hours.iter().filter_map(|hours| hours.next_boundary(self.zone, after));
        end.into_iter().chain(hours).min()
    }
}

impl FromStr for Handover {
    type Err = HoursError;

    /// Reads `09:00` or `Mon 09:00`.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            [time] => Ok(Self { day: None, time: time_of_day(time)? }),
            [day, time] => Ok(Self { day: Some(weekday(day)?), time: time_of_day(time)? }),
            _ => Err(HoursError::Handover(text.to_owned())),
        }
    }
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layer(number) => write!(f, "layer {number}"),
            Self::Override => f.write_str("override"),
        }
    }
}
