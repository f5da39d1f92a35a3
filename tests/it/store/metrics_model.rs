//! Metrics against a model: whatever is appended in whatever order, by one hub or by two, between
//! closing hours and forgetting, the points that are still kept are those of the model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tripline::query::Series;
use tripline::store::metrics::{Rules, Stored};
use tripline::store::{Ledger, Store as _};

use super::metrics::{DAY, HOUR, MINUTE, START, append, compact, forget, labels, moment, select};
use super::{postgres, sqlite};

/// What happens, by the hub whose turn it is.
#[derive(Debug, Clone)]
enum Step {
    /// Points arrive: of which series, and how long before now.
    Append(Vec<(u8, i64)>),
    /// A part of what is due is compacted.
    Compact,
    /// All of it is.
    CompactAll,
    /// What is due is forgotten.
    Forget,
    /// Time passes.
    Pass(i64),
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    let age = prop_oneof![3 => 0..HOUR, 2 => 0..5 * HOUR, 1 => 0..3 * DAY];
    let points = prop::collection::vec((0_u8..4, age), 1..12);
    let what = prop_oneof![
        5 => points.prop_map(Step::Append),
        2 => Just(Step::Compact),
        1 => Just(Step::CompactAll),
        1 => Just(Step::Forget),
        3 => (0..2 * HOUR).prop_map(Step::Pass),
    ];
    (any::<bool>(), what)
}

/// Points are kept for a day, and asked for as long as that is certain.
const KEPT: i64 = DAY;

#[derive(Debug, Default)]
struct Model {
    points: BTreeMap<u8, BTreeMap<i64, f64>>,
    next: f64,
    now: i64,
}

impl Model {
    /// What arrives, each point with a value of its own, and what should become of it.
    fn append(&mut self, ages: &[(u8, i64)]) -> Vec<Series> {
        let mut arriving: BTreeMap<u8, BTreeMap<i64, f64>> = BTreeMap::new();
        for (series, age) in ages {
            // Coarse, so that times come again.
            let time = (self.now - age) / (5 * MINUTE) * (5 * MINUTE);
            self.next += 1.0;
            let value = self.next;
            arriving.entry(*series).or_default().entry(time).or_insert(value);
            self.points.entry(*series).or_default().entry(time).or_insert(value);
        }
        let series = |(series, points): (u8, BTreeMap<i64, f64>)| {
            let (times, values) = points.into_iter().map(|(at, v)| (START + at, v)).unzip();
            let labels = labels("x", &[("series", &series.to_string())]);
            Series::new(labels, times, values).expect("in order")
        };
        arriving.into_iter().map(series).collect()
    }

    async fn agrees(&self, store: &dyn Ledger) -> Result<(), TestCaseError> {
        let since = self.now - KEPT;
        let found = select(store, &[], (since, self.now)).await;
        let mut wanted = Vec::new();
        for (series, points) in &self.points {
            let points = points.range(since + 1..=self.now);
            let points: Vec<(i64, f64)> = points.map(|(at, v)| (START + at, *v)).collect();
            if !points.is_empty() {
                wanted.push((labels("x", &[("series", &series.to_string())]), points));
            }
        }
        let pairs = |it: &Series| {
            it.times().iter().copied().zip(it.values().iter().copied()).collect::<Vec<_>>()
        };
        let found: Vec<_> = found.iter().map(|it| (it.labels().clone(), pairs(it))).collect();
        prop_assert_eq!(found, wanted);
        Ok(())
    }
}

async fn holds(stores: [&dyn Ledger; 2], steps: Vec<(bool, Step)>) -> Result<(), TestCaseError> {
    let (keep, short) = (std::time::Duration::from_hours(24), std::time::Duration::from_hours(48));
    for store in stores {
        store.keep_by(Rules { keep, keep_short: short, keep_long: short * 2, ..Rules::default() });
    }
    let mut model = Model { now: 30 * DAY, ..Model::default() };
    let now = |model: &Model| model.now;
    // The same for both hubs: what is forgotten when the first point arrives is forgotten.
    append(stores[0], &model.append(&[(0, 0)]), now(&model)).await;
    for (first, step) in steps {
        let store = stores[usize::from(first)];
        match step {
            Step::Append(ages) => {
                let series = model.append(&ages);
                let became = append(store, &series, now(&model)).await;
                let all: usize = series.iter().map(|it| it.times().len()).sum();
                let Stored { new, repeated, too_old, ahead, over_limit } = became;
                prop_assert_eq!(usize::try_from(new + repeated + too_old).ok(), Some(all));
                prop_assert_eq!((ahead, over_limit), (0, 0));
            }
            Step::Compact => {
                let moment = moment(START + now(&model));
                store.compact(moment).await.expect("compacted");
            }
            Step::CompactAll => compact(store, now(&model)).await,
            Step::Forget => forget(store, now(&model)).await,
            Step::Pass(time) => model.now += time,
        }
        model.agrees(stores[usize::from(!first)]).await?;
    }
    let inspected = stores[0].inspect().await.expect("looked at");
    prop_assert_eq!(inspected.told, Vec::<String>::new());
    Ok(())
}

fn cases(count: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases: count, ..ProptestConfig::default() })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn one_hub_on_sqlite_agrees_with_the_model() {
    let steps = prop::collection::vec(step(), 1..40);
    cases(24)
        .run(&steps, |steps| {
            runtime().block_on(async {
                let fresh = sqlite::Fresh::new().await;
                let held = holds([&fresh.store, &fresh.store], steps).await;
                fresh.close().await;
                held
            })
        })
        .expect("it agrees");
}

#[test]
fn two_hubs_on_postgresql_agree_with_the_model() {
    let steps = prop::collection::vec(step(), 1..40);
    cases(12)
        .run(&steps, |steps| {
            runtime().block_on(async {
                let fresh = postgres::Fresh::new().await;
                let other = fresh.another().await;
                let held = holds([&fresh.store, &other], steps).await;
                other.close().await;
                fresh.close().await;
                held
            })
        })
        .expect("it agrees");
}
