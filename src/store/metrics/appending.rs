//! Storing points: those of periods that are not closed go into one frame, those of closed ones into
//! their chunks.
//!
//! What is there is known from the head, which has followed under the hold on the state, so each point
//! is new or not for all hubs alike.

use std::collections::BTreeMap;

use super::backing::{Backing, ChunkRow, FrameRow, SeriesRow, State};
use super::frame::{self, Entry};
use super::head::{Head, labels_stored, unreadable};
use super::levels::{HOUR, Level, ceiling, floor};
use super::points::{Points, part_of};
use super::rolling::{Change, Changed, read, roll_up};
use super::rollup::Kind;
use super::{Rules, Stored, chunk};
use crate::domain::Timestamp;
use crate::query::{Labels, Series};
use crate::store::Error;

/// Points that are further ahead of the clock are of no clock that is right.
const AHEAD: i64 = HOUR;

/// What was written, for the head after the commit.
#[derive(Debug)]
pub(in crate::store) struct Written {
    state: State,
    fresh: Vec<(SeriesRow, Labels)>,
    frame: Vec<Entry>,
    seen: Vec<(i64, i64)>,
    /// What became of the points.
    pub(in crate::store) stored: Stored,
}

/// Stores points in a transaction that the caller ends.
pub(in crate::store) async fn write(
    head: &mut Head,
    backing: &mut dyn Backing,
    rules: &Rules,
    series: &[Series],
    now: Timestamp,
) -> Result<Written, Error> {
    let now = now.timestamp_millis();
    let state = hold(head, backing, rules, now).await?;
    let mut intake = Intake::new(head, state, rules);
    for one in series {
        intake.take(one, now);
    }
    let Intake { fresh, live, late, mut state, mut stored, .. } = intake;
    if !fresh.is_empty() {
        let rows: Vec<SeriesRow> = fresh.iter().map(|(row, _)| row.clone()).collect();
        backing.add_series(&rows).await?;
    }
    let frame = news(head, live, rules, &mut stored);
    if !frame.is_empty() {
        let last_at = frame.iter().filter_map(|(_, points)| points.times.last()).max();
        let row = FrameRow {
            id: state.next_frame,
            last_at: last_at.copied().unwrap_or(i64::MAX),
            points: frame::packed(&frame),
        };
        backing.add_frame(&row).await?;
        state.next_frame += 1;
    }
    let seen = seen(head, &late);
    write_late(backing, &state, rules, late, &mut stored).await?;
    backing.note_seen(&seen).await?;
    if head.state() != Some(state) {
        backing.save(&state).await?;
    }
    Ok(Written { state, fresh, frame, seen, stored })
}

impl Head {
    /// Takes over what this hub has committed.
    pub(in crate::store) fn wrote(&mut self, written: &Written) {
        self.take_over(written.state, &written.fresh, &written.frame);
        for (series, until) in &written.seen {
            if let Some(place) = self.index.place(*series) {
                self.index.note_seen(place, *until);
            }
        }
    }
}

/// Keeps others from writing, and learns what they wrote; makes the first state if there is none.
async fn hold(
    head: &mut Head,
    backing: &mut dyn Backing,
    rules: &Rules,
    now: i64,
) -> Result<State, Error> {
    if let Some(state) = head.follow(backing).await? {
        return Ok(state);
    }
    let first = State {
        next_series: 1,
        next_frame: 1,
        closed: floor(now - rules.late_millis(), Level::Points.period()),
        forgotten: rules.horizons(now),
        generation: 0,
    };
    backing.make(&first).await?;
    let unmade = || Error::Unreadable { what: "metric", reason: "there is no state".to_owned() };
    head.follow(backing).await?.ok_or_else(unmade)
}

/// Points on their way in.
struct Intake<'h> {
    head: &'h Head,
    rules: &'h Rules,
    state: State,
    fresh: Vec<(SeriesRow, Labels)>,
    /// The numbers of fresh series.
    numbers: BTreeMap<Labels, (i64, Kind)>,
    /// How many series were seen lately, where that was looked up.
    current: Option<usize>,
    live: BTreeMap<i64, Points>,
    late: BTreeMap<i64, (Kind, Points)>,
    stored: Stored,
}

impl<'h> Intake<'h> {
    fn new(head: &'h Head, state: State, rules: &'h Rules) -> Self {
        Self {
            head,
            rules,
            state,
            fresh: Vec::new(),
            numbers: BTreeMap::new(),
            current: None,
            live: BTreeMap::new(),
            late: BTreeMap::new(),
            stored: Stored::default(),
        }
    }

    /// Looks at the points of one series.
    fn take(&mut self, series: &Series, now: i64) {
        let kept_since = self.state.forgotten[Level::Long.place()];
        let points: Points =
            series.times().iter().copied().zip(series.values().iter().copied()).collect();
        let (times, values) = points.within(kept_since, now.saturating_add(AHEAD));
        let too_old = points.times.partition_point(|time| *time <= kept_since);
        self.stored.too_old += count(too_old);
        self.stored.ahead += count(points.len() - too_old - times.len());
        let Some(last) = times.last() else { return };
        let Some((id, kind)) = self.number(series, (*last, now)) else {
            self.stored.over_limit += count(times.len());
            return;
        };
        let split = times.partition_point(|time| *time <= self.state.closed);
        let some = |range: std::ops::Range<usize>| -> Points {
            times[range.clone()].iter().copied().zip(values[range].iter().copied()).collect()
        };
        let (early, live) = (some(0..split), some(split..times.len()));
        if !live.is_empty() {
            self.stored.repeated += united(self.live.entry(id).or_default(), live);
        }
        if !early.is_empty() {
            let nothing = || (kind, Points::default());
            self.stored.repeated +=
                united(&mut self.late.entry(id).or_insert_with(nothing).1, early);
        }
    }

    /// The number of a series and what it measures; none where there are too many.
    fn number(&mut self, series: &Series, (last, now): (i64, i64)) -> Option<(i64, Kind)> {
        let labels = series.labels();
        if let Some(place) = self.head.index.find(labels) {
            let known = self.head.index.at(place);
            return Some((known.id, known.kind));
        }
        if let Some(known) = self.numbers.get(labels) {
            return Some(*known);
        }
        if self.is_full(now) {
            return None;
        }
        let (id, measure) = (self.state.next_series, series.measure());
        self.state.next_series += 1;
        let seen_until = ceiling(last, Level::Long.period());
        let row = SeriesRow { id, labels: labels_stored(labels), measure, seen_until };
        self.fresh.push((row, labels.clone()));
        let kind = Kind::of(labels, measure);
        self.numbers.insert(labels.clone(), (id, kind));
        Some((id, kind))
    }

    /// Whether there are as many series as may be: of those seen lately, and in all.
    fn is_full(&mut self, now: i64) -> bool {
        let most = self.rules.max_series;
        let all = self.head.index.len() + self.fresh.len();
        if all < most {
            return false;
        }
        let head = self.head;
        let current = *self.current.get_or_insert_with(|| head.current(now));
        current + self.fresh.len() >= most || all >= most.saturating_mul(Rules::QUIET)
    }
}

/// Adds points of the same series; says how many of them are of a time that is taken.
fn united(points: &mut Points, others: Points) -> u64 {
    if points.is_empty() {
        *points = others;
        return 0;
    }
    let all = points.len() + others.len();
    points.unite(&others);
    count(all - points.len())
}

/// Those of the points of periods that are not closed which are new.
fn news(
    head: &Head,
    live: BTreeMap<i64, Points>,
    rules: &Rules,
    stored: &mut Stored,
) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(live.len());
    for (series, points) in live {
        let all = points.len();
        let place = head.index.place(series);
        let mut new = Points::default();
        let (mut start, mut there) = (None, Points::default());
        for (time, value) in points.iter() {
            let own = Level::Points.start(time);
            if start != Some(own) {
                start = Some(own);
                let open = place.and_then(|place| head.period(place, own));
                there = open.map_or_else(Points::default, |open| before(open, time, rules));
            }
            if there.add(time, value, rules.resolution_millis()) {
                new.push(time, value);
            }
        }
        stored.new += count(new.len());
        stored.repeated += count(all - new.len());
        if !new.is_empty() {
            entries.push((series, new));
        }
    }
    entries
}

/// The points of a period as far as they matter to one of `time` and later ones.
fn before(open: &super::head::Open, time: i64, rules: &Rules) -> Points {
    let resolution = rules.resolution_millis();
    let is_clear = open
        .last()
        .is_some_and(|last| last < time && part_of(last, resolution) != part_of(time, resolution));
    if is_clear { Points::default() } else { open.points() }
}

/// How far series are seen by late points, where that is further than is known.
fn seen(head: &Head, late: &BTreeMap<i64, (Kind, Points)>) -> Vec<(i64, i64)> {
    let further = |(series, (_, points)): (&i64, &(Kind, Points))| {
        let until = ceiling(*points.times.last()?, Level::Long.period());
        let known = head.index.at(head.index.place(*series)?).seen_until;
        (known < until).then_some((*series, until))
    };
    late.iter().filter_map(further).collect()
}

/// Adds points to closed periods.
async fn write_late(
    backing: &mut dyn Backing,
    state: &State,
    rules: &Rules,
    late: BTreeMap<i64, (Kind, Points)>,
    stored: &mut Stored,
) -> Result<(), Error> {
    let kept_since = state.forgotten[Level::Points.place()];
    let starts = |points: &Points| -> Vec<i64> {
        let times = points.times.iter().filter(|time| **time > kept_since);
        let mut starts: Vec<i64> = times.map(|time| Level::Points.start(*time)).collect();
        starts.dedup();
        starts
    };
    let pairs = |(series, (_, points)): (&i64, &(Kind, Points))| {
        let series = *series;
        starts(points).into_iter().map(move |start| (start, series)).collect::<Vec<_>>()
    };
    let wanted: Vec<(i64, i64)> = late.iter().flat_map(pairs).collect();
    let found = read(backing, Level::Points, wanted.iter()).await?;
    let (mut rows, mut changed) = (Vec::new(), Vec::with_capacity(late.len()));
    for (series, (kind, points)) in late {
        let mut steps = Vec::new();
        let rolled: Points = points.iter().filter(|(time, _)| *time <= kept_since).collect();
        if !rolled.is_empty() {
            stored.new += count(rolled.len());
            steps.push(Change::Added(rolled));
        }
        for start in starts(&points) {
            let (after, until) = (start, start + Level::Points.period());
            let mut all = match found.get(&(start, series)) {
                Some(bytes) => chunk::unpacked(bytes).ok_or_else(|| unreadable("chunk"))?,
                None => Points::default(),
            };
            let (times, values) = points.within(after, until);
            let before = all.len();
            for (time, value) in times.iter().zip(values) {
                all.add(*time, *value, rules.resolution_millis());
            }
            stored.new += count(all.len() - before);
            stored.repeated += count(times.len() - (all.len() - before));
            if all.len() > before {
                let points = chunk::Chunk::of(&all).stored();
                rows.push(ChunkRow { start_at: start, series, points });
                steps.push(Change::Known { after, until, points: all });
            }
        }
        changed.push(Changed { series, kind, changes: steps });
    }
    backing.put_chunks(Level::Points, &rows).await?;
    roll_up(backing, &changed, state.forgotten).await
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
