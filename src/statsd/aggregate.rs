//! Lines in, points out: what is received between two flushes, series by series.
//!
//! Pure: it is told the time, and nothing here waits or speaks to anybody. A line of a known series
//! allocates nothing: series are found by the bytes of name, tags and type as they were sent, and
//! only what is sent for the first time is taken apart. What is refused is counted by reason.

use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use super::identity::identity;
use super::parse::{self, Item, Kind, Metric, Number, Refusal};
use super::received::Received;
use super::state::{Tracked, outputs};
use crate::query::{Labels, STALE, Series};

/// The most members of all sets together in one interval.
const MOST_MEMBERS: usize = 1_000_000;
/// The most values with a time of their own in one interval.
const MOST_LATE: usize = 100_000;
/// How far a timestamp may lie ahead, in milliseconds: clocks differ.
const AHEAD: i64 = 60_000;
/// How many ways to write the same series are remembered, for each series on average.
const SPELLINGS: usize = 4;

/// What a sign before the value of a gauge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// A difference, as for statsd's own daemon.
    Differences,
    /// A sign, as for Datadog's agent.
    Values,
}

/// How series are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How long an interval is, in whole seconds or parts that a minute is made of.
    pub interval: Duration,
    /// After how long a series that nobody sends any more ends.
    pub silent_after: Duration,
    /// The same for counters and timers, whose totals say that nothing happened as long as they go on;
    /// as soon as half of the series are taken, they end with all others.
    pub totals_silent_after: Duration,
    /// The most series that there may be, of all types together.
    pub most_series: usize,
    /// The upper bounds of the buckets that timers have besides `+Inf`, ascending.
    pub buckets: Arc<[f64]>,
    /// What a sign before the value of a gauge means.
    pub signs: Signs,
    /// Labels that all series have.
    pub labels: Vec<(String, String)>,
}

/// What was received since the last flush, and what series there are.
#[derive(Debug)]
pub struct Aggregate {
    rules: Rules,
    received: Arc<Received>,
    tracked: HashMap<usize, Tracked>,
    /// Which metric is meant by which bytes.
    spellings: HashMap<Box<[u8]>, usize>,
    /// The number of each metric, by the labels of its first series and its type.
    numbers: HashMap<(Labels, Kind), usize>,
    /// All series there are.
    taken: HashSet<Labels>,
    next: usize,
    hasher: RandomState,
    members: usize,
    late: usize,
    spelling: Vec<u8>,
}

impl Aggregate {
    /// Nothing yet; what is refused is counted in `received`.
    pub fn new(rules: Rules, received: Arc<Received>) -> Self {
        Self {
            rules,
            received,
            tracked: HashMap::new(),
            spellings: HashMap::new(),
            numbers: HashMap::new(),
            taken: HashSet::new(),
            next: 0,
            hasher: RandomState::new(),
            members: 0,
            late: 0,
            spelling: Vec::new(),
        }
    }

    /// Takes the lines of a packet that came at `now`, milliseconds since 1970.
    pub fn packet(&mut self, packet: &[u8], now: i64) {
        for line in packet.split(|byte| *byte == b'\n') {
            self.line(line, now);
        }
    }

    /// Takes one line that came at `now`.
    pub fn line(&mut self, line: &[u8], now: i64) {
        if !line.is_empty() {
            self.received.line();
        }
        parse::read(line, |item| {
            let taken = match item {
                Ok(Item::Metric(metric)) => self.metric(&metric, now),
                Ok(Item::Event) => {
                    self.received.event();
                    Ok(())
                }
                Ok(Item::ServiceCheck) => {
                    self.received.service_check();
                    Ok(())
                }
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = taken {
                self.received.refuse(refusal);
            }
        });
    }

    /// The points of the interval that ends at `at`, milliseconds since 1970; the next begins. Points
    /// of one series are together.
    pub fn flush(&mut self, at: i64) -> Vec<Series> {
        let interval = millis(self.rules.interval);
        let patience = |after: Duration| millis(after) / interval.max(1);
        let is_crowded = self.series() > self.rules.most_series / 2;
        let (others, totals) = (self.rules.silent_after, self.rules.totals_silent_after);
        let others = patience(others);
        let totals = if is_crowded { others } else { patience(totals) };
        let mut points = Vec::with_capacity(self.taken.len());
        let mut ended = HashSet::new();
        for (number, tracked) in &mut self.tracked {
            tracked.flush(at, interval, &mut points);
            let patience = if tracked.is_total() { totals } else { others };
            if i64::from(tracked.silent) > patience {
                ended.insert(*number);
            }
        }
        if !ended.is_empty() {
            self.end(&ended, at, &mut points);
        }
        (self.members, self.late) = (0, 0);
        self.received.series(self.series());
        points.extend(self.received.points(at, &self.rules.labels));
        points
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.taken.len()
    }

    fn metric(&mut self, metric: &Metric<'_>, now: i64) -> Result<(), Refusal> {
        if metric.kind == Kind::Set {
            return self.member(metric);
        }
        let past = self.past(metric, now)?;
        let mut found = None;
        for number in metric.numbers() {
            let number = match number {
                Ok(number) if self.rules.signs == Signs::Values => number.unsigned(),
                Ok(number) => number,
                Err(refusal) => {
                    self.received.refuse(refusal);
                    continue;
                }
            };
            let is_below = number.value < 0.0;
            let taken_back = match metric.kind {
                Kind::Counter if is_below => Some(Kind::Decrement),
                Kind::Timer if is_below => Some(Kind::SumDecrement),
                _ => None,
            };
            if let Some(kind) = taken_back {
                self.take_back(&metric.as_kind(kind), number)?;
                if kind == Kind::Decrement {
                    continue;
                }
            }
            let key = match found {
                Some(key) => key,
                None => *found.insert(self.find(metric)?),
            };
            let Some(tracked) = self.tracked.get_mut(&key) else { continue };
            match past {
                None => tracked.take(number, metric.rate),
                Some(_) if self.late >= MOST_LATE => return Err(Refusal::Timestamp),
                Some(at) => self.late += usize::from(tracked.take_late(at, number)),
            }
        }
        Ok(())
    }

    /// Counts what must not lower the total that it is of.
    fn take_back(&mut self, metric: &Metric<'_>, number: Number) -> Result<(), Refusal> {
        let key = self.find(metric)?;
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.take(number, metric.rate);
        }
        Ok(())
    }

    fn member(&mut self, metric: &Metric<'_>) -> Result<(), Refusal> {
        let member = metric.word()?;
        if self.members >= MOST_MEMBERS {
            return Err(Refusal::SetLimit);
        }
        let key = self.find(metric)?;
        if let Some(tracked) = self.tracked.get_mut(&key) {
            self.members += usize::from(tracked.join(member, &self.hasher));
        }
        Ok(())
    }

    /// The time of a gauge's value that is older than this interval and the one before, in
    /// milliseconds. What a counter counted before counts now: it only ever goes on.
    fn past(&self, metric: &Metric<'_>, now: i64) -> Result<Option<i64>, Refusal> {
        let Some(seconds) = metric.timestamp else { return Ok(None) };
        let at = seconds.checked_mul(1000).ok_or(Refusal::Timestamp)?;
        if at > now.saturating_add(AHEAD) {
            return Err(Refusal::Timestamp);
        }
        let is_late = at < now - 2 * millis(self.rules.interval);
        Ok((metric.kind == Kind::Gauge && is_late).then_some(at))
    }

    /// The number of a metric, which is made if it is new.
    fn find(&mut self, metric: &Metric<'_>) -> Result<usize, Refusal> {
        let mut spelling = std::mem::take(&mut self.spelling);
        spelling.clear();
        spelling.push(metric.kind as u8);
        spelling.extend_from_slice(metric.name.as_bytes());
        // Neither a name nor a tag has it.
        spelling.push(0);
        spelling.extend_from_slice(metric.tags.as_bytes());
        let found = match self.spellings.get(spelling.as_slice()) {
            Some(number) => Ok(*number),
            None => self.find_anew(metric, &spelling),
        };
        self.spelling = spelling;
        found
    }

    fn find_anew(&mut self, metric: &Metric<'_>, spelling: &[u8]) -> Result<usize, Refusal> {
        let identity = identity(metric, &self.rules.labels)?;
        let series = outputs(&identity, metric.kind, &self.rules.buckets);
        let number = match self.numbers.get(&(series[0].clone(), metric.kind)) {
            Some(number) => *number,
            None => self.make(series, metric.kind)?,
        };
        // Tags in ever new orders must not fill the memory; they only take longer.
        if self.spellings.len() < self.rules.most_series.saturating_mul(SPELLINGS) {
            self.spellings.insert(spelling.into(), number);
        }
        Ok(number)
    }

    fn make(&mut self, series: Vec<Labels>, kind: Kind) -> Result<usize, Refusal> {
        if series.iter().any(|labels| self.taken.contains(labels)) {
            return Err(Refusal::Conflict);
        }
        if self.series() + series.len() > self.rules.most_series {
            return Err(Refusal::SeriesLimit);
        }
        let number = self.next;
        self.next += 1;
        self.taken.extend(series.iter().cloned());
        self.numbers.insert((series[0].clone(), kind), number);
        self.tracked.insert(number, Tracked::new(series, kind, &self.rules.buckets));
        Ok(number)
    }

    /// Ends series that nobody sends any more, and forgets them.
    fn end(&mut self, ended: &HashSet<usize>, at: i64, points: &mut Vec<Series>) {
        let series: HashSet<Labels> = ended
            .iter()
            .filter_map(|number| self.tracked.remove(number))
            .flat_map(|tracked| tracked.series)
            .collect();
        // The end takes the place of a last value.
        points.retain(|point| !series.contains(point.labels()));
        for labels in &series {
            self.taken.remove(labels);
        }
        points.extend(series.into_iter().map(|labels| ended_at(labels, at)));
        self.numbers.retain(|_, number| !ended.contains(number));
        self.spellings.retain(|_, number| !ended.contains(number));
    }
}

fn ended_at(labels: Labels, at: i64) -> Series {
    Series::new(labels, vec![at], vec![STALE]).expect("one time and one value")
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
