//! What is kept of one metric between flushes, and the points that are made of it.
//!
//! Pure. Counters, and the counts, sums and buckets of timers, only ever go on from where they were,
//! as counters do in PromQL: one that falls would be taken for a new beginning, and all that it had
//! counted for new. So what is taken back is a total of its own. Gauges are what they are; what is said of one interval alone (the members
//! of a set, the least and the greatest time) begins anew with each.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::identity::Identity;
use super::parse::{Kind, Number};
use crate::query::{Labels, Measure, STALE, Series};

/// Where the least value of a timer is among its series.
const LOWER: usize = 2;
/// Where the greatest is.
const UPPER: usize = 3;

/// The series that metrics become, with what is to be stored of each.
#[derive(Debug)]
pub(super) struct Tracked {
    /// The series, in the order of [`outputs`].
    pub(super) series: Vec<Labels>,
    state: State,
    /// Whether something came since the last flush.
    is_heard: bool,
    /// How many flushes in a row nothing had come.
    pub(super) silent: u32,
    /// Whether nothing was stored of it yet.
    is_new: bool,
}

#[derive(Debug)]
enum State {
    Counter(f64),
    Gauge {
        /// None until a value came that is of now.
        value: Option<f64>,
        /// Values of times that are past, by their times in milliseconds.
        late: BTreeMap<i64, f64>,
    },
    Timer(Timer),
    Set(HashSet<u64>),
}

#[derive(Debug)]
struct Timer {
    bounds: Arc<[f64]>,
    /// How many values were at most each bound and more than the one before, and then the rest; a
    /// number, all together.
    buckets: Box<[f64]>,
    sum: f64,
    /// The least and the greatest value since the last flush.
    extremes: Option<(f64, f64)>,
    /// Whether there were extremes in the interval before.
    had_extremes: bool,
}

/// The labels of the series that a metric of `kind` becomes.
pub(super) fn outputs(identity: &Identity, kind: Kind, bounds: &[f64]) -> Vec<Labels> {
    match kind {
        Kind::Timer => {}
        Kind::SumDecrement => return vec![identity.labels("_sum_decrements", &[])],
        Kind::Decrement => return vec![identity.labels("_decrements", &[])],
        Kind::Counter | Kind::Gauge | Kind::Set => return vec![identity.labels("", &[])],
    }
    let suffixes = ["_count", "_sum", "_lower", "_upper"];
    let mut series: Vec<Labels> = suffixes.map(|suffix| identity.labels(suffix, &[])).into();
    let bounds = bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    series.extend(bounds.map(|bound| identity.labels("_bucket", &[("le", &bound)])));
    series
}

impl Tracked {
    pub(super) fn new(series: Vec<Labels>, kind: Kind, bounds: &Arc<[f64]>) -> Self {
        let state = match kind {
            Kind::Counter | Kind::Decrement | Kind::SumDecrement => State::Counter(0.0),
            Kind::Gauge => State::Gauge { value: None, late: BTreeMap::new() },
            Kind::Set => State::Set(HashSet::new()),
            Kind::Timer => State::Timer(Timer {
                bounds: Arc::clone(bounds),
                buckets: vec![0.0; bounds.len() + 1].into(),
                sum: 0.0,
                extremes: None,
                had_extremes: false,
            }),
        };
        Self { series, state, is_heard: false, silent: 0, is_new: true }
    }

    /// Whether it is a total that says as long as it goes on how much came.
    pub(super) fn is_total(&self) -> bool {
        matches!(self.state, State::Counter(_) | State::Timer(_))
    }

    /// Takes a number that stands for `1 / rate` of its kind. Totals only grow: those of decrements are
    /// below zero, and none of a counter is.
    pub(super) fn take(&mut self, number: Number, rate: f64) {
        self.is_heard = true;
        match &mut self.state {
            State::Counter(total) => add(total, number.value.abs() / rate),
            State::Gauge { value, .. } if number.is_signed => {
                add(value.get_or_insert(0.0), number.value);
            }
            State::Gauge { value, .. } => *value = Some(number.value),
            State::Timer(timer) => timer.take(number.value, 1.0 / rate),
            State::Set(_) => {}
        }
    }

    /// Takes the value of a gauge at a time that is past, in milliseconds; whether it is one more.
    pub(super) fn take_late(&mut self, at: i64, number: Number) -> bool {
        self.is_heard = true;
        match &mut self.state {
            State::Gauge { late, .. } => late.insert(at, number.value).is_none(),
            _ => false,
        }
    }

    /// Takes a member of a set; whether it is one more. Members are told apart by their hashes.
    pub(super) fn join(&mut self, member: &str, hasher: &RandomState) -> bool {
        self.is_heard = true;
        match &mut self.state {
            State::Set(members) => members.insert(hasher.hash_one(member)),
            _ => false,
        }
    }

    /// Makes the points of the interval that ends at `at` and lasted `interval` milliseconds, and
    /// begins the next.
    pub(super) fn flush(&mut self, at: i64, interval: i64, points: &mut Vec<Series>) {
        self.silent = if self.is_heard { 0 } else { self.silent.saturating_add(1) };
        let (is_heard, is_new) = (self.is_heard, self.is_new);
        (self.is_heard, self.is_new) = (false, false);
        let measure = match &self.state {
            State::Counter(_) => |_| Measure::Counter,
            State::Gauge { .. } | State::Set(_) => |_| Measure::Gauge,
            State::Timer(_) => |index| {
                if matches!(index, LOWER | UPPER) { Measure::Gauge } else { Measure::Counter }
            },
        };
        let mut out = Out { series: &self.series, measure, points };
        let before = is_new.then_some(at - interval);
        match &mut self.state {
            State::Counter(total) => out.total(0, at, *total, before),
            State::Gauge { value, late } => {
                let mut late = std::mem::take(late);
                if let Some(value) = value {
                    late.insert(at, *value);
                }
                out.all(0, late);
            }
            State::Set(members) => {
                let most = members.len();
                out.one(0, at, count(most));
                members.clear();
                // One interval with a million must not be paid for ever after.
                members.shrink_to(most);
            }
            State::Timer(timer) => timer.flush(at, before, is_heard, &mut out),
        }
    }
}

/// What overflows stays where it was: a series has no infinite values.
fn add(total: &mut f64, more: f64) {
    let sum = *total + more;
    if sum.is_finite() {
        *total = sum;
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer members than 2^52")]
fn count(members: usize) -> f64 {
    members as f64
}

impl Timer {
    fn take(&mut self, value: f64, weight: f64) {
        // Each bucket alone may be finite when all together are not.
        if !(self.buckets.iter().sum::<f64>() + weight).is_finite() {
            return;
        }
        let at = self.bounds.partition_point(|bound| *bound < value);
        add(&mut self.buckets[at], weight);
        add(&mut self.sum, value.max(0.0) * weight);
        let (lower, upper) = self.extremes.unwrap_or((value, value));
        self.extremes = Some((lower.min(value), upper.max(value)));
    }

    fn flush(&mut self, at: i64, before: Option<i64>, is_heard: bool, out: &mut Out<'_>) {
        let mut total = 0.0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            total += bucket;
            out.total(4 + index, at, total, before);
        }
        out.total(0, at, total, before);
        out.total(1, at, self.sum, before);
        match self.extremes.take().filter(|_| is_heard) {
            Some((lower, upper)) => {
                out.one(LOWER, at, lower);
                out.one(UPPER, at, upper);
                self.had_extremes = true;
            }
            None if std::mem::take(&mut self.had_extremes) => {
                out.one(LOWER, at, STALE);
                out.one(UPPER, at, STALE);
            }
            None => {}
        }
    }
}

/// Where the points of one metric go.
struct Out<'a> {
    series: &'a [Labels],
    /// What each of them measures.
    measure: fn(usize) -> Measure,
    points: &'a mut Vec<Series>,
}

impl Out<'_> {
    fn one(&mut self, index: usize, at: i64, value: f64) {
        self.all(index, [(at, value)]);
    }

    /// A total that has grown from zero: where nothing was stored of it yet, that is said, so that
    /// the first values are seen as a growth.
    fn total(&mut self, index: usize, at: i64, value: f64, before: Option<i64>) {
        self.all(index, before.map(|before| (before, 0.0)).into_iter().chain([(at, value)]));
    }

    fn all(&mut self, index: usize, points: impl IntoIterator<Item = (i64, f64)>) {
        let (times, values): (Vec<_>, Vec<_>) = points.into_iter().unzip();
        if times.is_empty() {
            return;
        }
        let series = Series::new(self.series[index].clone(), times, values);
        let series = series.expect("the times ascend, with one value for each");
        self.points.push(series.measuring(Some((self.measure)(index))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(kind: Kind) -> Tracked {
        let bounds: Arc<[f64]> = [10.0, 100.0].into();
        let series = vec![Labels::default(); 4 + bounds.len() + 1];
        Tracked::new(series, kind, &bounds)
    }

    #[test]
    fn a_set_lets_go_of_what_one_interval_took() {
        let (mut set, hasher) = (tracked(Kind::Set), RandomState::new());
        let capacity = |set: &Tracked| match &set.state {
            State::Set(members) => members.capacity(),
            _ => 0,
        };
        for member in 0..10_000 {
            set.join(&member.to_string(), &hasher);
        }
        assert!(capacity(&set) >= 10_000);
        let mut points = Vec::new();
        set.flush(10_000, 10_000, &mut points);
        set.join("one", &hasher);
        set.flush(20_000, 10_000, &mut points);
        assert!(capacity(&set) < 100, "{}", capacity(&set));
        assert_eq!(points.iter().map(|it| it.values()[0]).collect::<Vec<_>>(), [10_000.0, 1.0]);
    }

    #[test]
    fn sample_rates_make_nothing_infinite() {
        let mut timer = tracked(Kind::Timer);
        let number = |value| Number { value, is_signed: false };
        // Each stands for so many that two are more than a number can be.
        for (value, rate) in [(5.0, 1e-308), (50.0, 1e-308), (500.0, f64::MIN_POSITIVE / 4.0)] {
            timer.take(number(value), rate);
        }
        let mut points = Vec::new();
        timer.flush(10_000, 10_000, &mut points);
        let values: Vec<f64> = points.iter().flat_map(|it| it.values().to_vec()).collect();
        assert!(!values.is_empty() && values.iter().all(|it| it.is_finite()), "{values:?}");
    }

    #[test]
    fn what_only_grows_is_said_to() {
        let mut timer = tracked(Kind::Timer);
        timer.take(Number { value: 5.0, is_signed: false }, 1.0);
        let mut points = Vec::new();
        timer.flush(10_000, 10_000, &mut points);
        let levels = points.iter().filter(|it| it.measure() == Some(Measure::Gauge));
        assert_eq!((levels.count(), points.len()), (2, 7), "the least and the greatest");
        let mut counter = tracked(Kind::Counter);
        points.clear();
        counter.flush(10_000, 10_000, &mut points);
        assert_eq!(points[0].measure(), Some(Measure::Counter));
    }
}
