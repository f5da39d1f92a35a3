//! Metrics: points come back as they were stored, whatever happened to them in between.

use std::sync::Arc;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::query::{
    Comparison, Labels, Limits, METRIC_NAME, Matcher, Measure, Outcome, STALE, Selection, Series,
    Settings, When, evaluate, is_stale, parse, plan,
};
use tripline::store::Ledger;
use tripline::store::metrics::{Bounds, Found, ROLLUP, Rules, Stored};

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A midnight.
pub(super) const START: i64 = 1_790_000_000_000 / DAY * DAY;

pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(millis).expect("a time")
}

pub(super) fn labels(name: &str, pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().chain([(METRIC_NAME, name)]).collect()
}

/// A series of points at milliseconds after [`START`].
pub(super) fn series(name: &str, pairs: &[(&str, &str)], points: &[(i64, f64)]) -> Series {
    let (times, values) = points.iter().map(|(time, value)| (START + time, *value)).unzip();
    Series::new(labels(name, pairs), times, values).expect("in order")
}

pub(super) fn matcher(name: &str, value: &str) -> Matcher {
    Matcher::new(name, Comparison::Equal, value).expect("no pattern")
}

fn named(name: &str) -> Vec<Matcher> {
    vec![matcher(METRIC_NAME, name)]
}

pub(super) const PLENTY: Bounds = Bounds { series: 100_000, points: 10_000_000 };

pub(super) async fn select(
    store: &dyn Ledger,
    matchers: &[Matcher],
    (after, until): (i64, i64),
) -> Vec<Arc<Series>> {
    let (after, until) = (START + after, START + until);
    let selection = Selection { matchers: matchers.into(), after, until };
    match store.select(&[selection], PLENTY).await.expect("read") {
        Found::Series(mut all) => all.pop().expect("one answer"),
        Found::TooMuch(why) => panic!("{why}"),
    }
}

/// The points of the one series of this name, after [`START`].
async fn points(store: &dyn Ledger, name: &str, span: (i64, i64)) -> Vec<(i64, f64)> {
    let found = select(store, &named(name), span).await;
    assert!(found.len() < 2, "{found:?}");
    let points = found.first().into_iter().flat_map(|it| it.times().iter().zip(it.values()));
    points.map(|(time, value)| (time - START, *value)).collect()
}

pub(super) async fn append(store: &dyn Ledger, series: &[Series], now: i64) -> Stored {
    store.append(series, moment(START + now)).await.expect("stored")
}

/// Compacts all that is due.
pub(super) async fn compact(store: &dyn Ledger, now: i64) {
    while store.compact(moment(START + now)).await.expect("compacted") {}
}

/// Forgets all that is due.
pub(super) async fn forget(store: &dyn Ledger, now: i64) {
    while store.forget_points(moment(START + now), 100).await.expect("forgotten") > 0 {}
}

fn new(new: u64) -> Stored {
    Stored { new, ..Stored::default() }
}

fn every(step: i64, until: i64) -> impl Iterator<Item = i64> {
    (1..=until / step).map(move |number| number * step)
}

pub(super) async fn points_are_found_by_their_labels(store: &dyn Ledger) {
    let nothing = select(store, &named("logins"), (0, HOUR)).await;
    assert!(nothing.is_empty(), "there is nothing in a new store");
    let all = [
        series("logins", &[("region", "eu")], &[(SECOND, 1.0), (2 * SECOND, f64::INFINITY)]),
        series("logins", &[("region", "us\0\u{1f511}")], &[(SECOND, -0.0), (MINUTE, STALE)]),
        series("other", &[], &[(SECOND, f64::NAN)]),
    ];
    assert_eq!(append(store, &all, MINUTE).await, new(5));
    for _ in 0..2 {
        let found = select(store, &named("logins"), (0, HOUR)).await;
        assert_eq!(found[0].labels(), &labels("logins", &[("region", "eu")]), "sorted by labels");
        assert_eq!(found[0].values(), [1.0, f64::INFINITY]);
        assert_eq!(found[1].labels(), &labels("logins", &[("region", "us\0\u{1f511}")]));
        assert!(found[1].values()[0].is_sign_negative() && is_stale(found[1].values()[1]));
        assert!(points(store, "other", (0, HOUR)).await[0].1.is_nan());
        // Spans are open on the left, and a series without points in one is left out.
        let later = select(store, &named("logins"), (SECOND, 2 * SECOND)).await;
        assert_eq!(later.len(), 1);
        assert_eq!(later[0].times(), [START + 2 * SECOND]);
        // And again when they are in chunks.
        compact(store, 3 * HOUR).await;
    }
}

pub(super) async fn what_a_metric_measures_is_as_was_said_first(store: &dyn Ledger) {
    assert!(store.measures().await.expect("read").is_empty());
    let (counter, gauge) = (Some(Measure::Counter), Some(Measure::Gauge));
    for (name, said) in
        [("logins", counter), ("logins", gauge), ("size_total", gauge), ("sent_total", None)]
    {
        let one = series(name, &[], &[(SECOND, 1.0)]).measuring(said);
        append(store, &[one], MINUTE).await;
    }
    let said = store.measures().await.expect("read");
    let said: Vec<_> = said.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
    assert_eq!(said, [("logins", "counter"), ("sent_total", "counter"), ("size_total", "gauge")]);
}

pub(super) async fn the_first_point_of_a_time_stays(store: &dyn Ledger) {
    let first = series("x", &[], &[(10 * SECOND, 1.0), (20 * SECOND, 2.0)]);
    let again = series("x", &[], &[(5 * SECOND, 5.0), (10 * SECOND, 9.0), (20 * SECOND, 9.0)]);
    assert_eq!(append(store, std::slice::from_ref(&first), MINUTE).await, new(2));
    let stored = append(store, &[again.clone(), first], MINUTE).await;
    assert_eq!(stored, Stored { new: 1, repeated: 4, ..Stored::default() });
    let all = vec![(5 * SECOND, 5.0), (10 * SECOND, 1.0), (20 * SECOND, 2.0)];
    assert_eq!(points(store, "x", (0, HOUR)).await, all);
    compact(store, 3 * HOUR).await;
    assert_eq!(append(store, &[again], 3 * HOUR).await.repeated, 3);
    assert_eq!(points(store, "x", (0, HOUR)).await, all);
}

pub(super) async fn a_part_of_time_has_one_point(store: &dyn Ledger) {
    store.keep_by(Rules { resolution: Duration::from_secs(10), ..Rules::default() });
    let fine = [(SECOND, 1.0), (10 * SECOND, 2.0), (11 * SECOND, 3.0), (12 * SECOND, STALE)];
    let stored = append(store, &[series("x", &[], &fine)], MINUTE).await;
    assert_eq!(stored, Stored { new: 3, repeated: 1, ..Stored::default() });
    let more = series("x", &[], &[(19 * SECOND, 4.0), (21 * SECOND, 5.0)]);
    assert_eq!(append(store, &[more], MINUTE).await.new, 1);
    let times: Vec<i64> =
        points(store, "x", (0, HOUR)).await.iter().map(|(time, _)| time / SECOND).collect();
    assert_eq!(times, [1, 11, 12, 21]);
}

pub(super) async fn points_of_any_age_are_taken(store: &dyn Ledger) {
    append(store, &[series("x", &[], &[(0, 0.0)])], 0).await;
    let ages = [405 * DAY, 300 * DAY, 100 * DAY, 80 * DAY, 20 * DAY, 10 * DAY, DAY, HOUR];
    let old: Vec<(i64, f64)> = ages.iter().map(|age| (-age, 7.0)).collect();
    let ahead = [(50 * MINUTE, 1.0), (2 * HOUR, 1.0)];
    let all = [series("x", &[], &old), series("x", &[], &ahead)];
    let stored = append(store, &all, 0).await;
    assert_eq!(stored, Stored { new: 8, too_old: 1, ahead: 1, ..Stored::default() });
    // Points while they are kept, then one for five minutes, then one every five of an hour.
    let found = points(store, "x", (-399 * DAY, HOUR)).await;
    assert_eq!(found.len(), 12 + 12 + 1 + 1 + 1 + 1 + 1 + 2, "{found:?}");
    let old = found.iter().filter(|(time, _)| *time < 0);
    assert!(old.map(|(_, value)| value).all(|value| (value - 7.0).abs() < f64::EPSILON));
    assert!(store.inspect().await.expect("looked at").told.is_empty());
}

/// What an expression says of one moment, at hours after [`START`].
async fn says(store: &dyn Ledger, text: &str, at: i64) -> f64 {
    let limits = Limits::default();
    let expression = parse(text, &limits).expect("an expression");
    let (when, settings) = (When::At(START + at), Settings::default());
    let selections = plan(&expression, when, &settings).expect("planned");
    let Found::Series(found) = store.select(&selections, PLENTY).await.expect("read") else {
        panic!("too much")
    };
    let answer = evaluate(&expression, when, &found, &settings).expect("evaluated");
    match answer.outcome {
        Outcome::Vector(samples) => samples.first().expect("one series").value,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn what_is_old_is_rolled_up(store: &dyn Ledger) {
    let day = Duration::from_hours(24);
    let (keep, keep_short, keep_long) = (day, day * 10, day * 40);
    store.keep_by(Rules { keep, keep_short, keep_long, ..Rules::default() });
    // A counter that is reset now and then, and a gauge with a peak in each hour.
    let (mut counter, mut gauge, mut total) = (Vec::new(), Vec::new(), 0.0);
    for (number, time) in (1_i32..).zip(every(30 * SECOND, 2 * DAY)) {
        total = if number % 997 == 0 { 1.0 } else { total + 2.0 };
        counter.push((time, total));
        gauge.push((time, if number % 120 == 60 { 100.0 } else { 1.0 }));
    }
    append(store, &[series("start", &[], &[(0, 0.0)])], 0).await;
    let all = [series("logins_total", &[], &counter), series("temperature", &[], &gauge)];
    append(store, &all, 2 * DAY).await;
    let questions = [
        ("increase(logins_total[12h])", 0.01),
        ("avg_over_time(temperature[12h])", 0.001),
        ("rate(logins_total[2h])", 0.2),
    ];
    let mut before = Vec::new();
    for (text, _) in questions {
        before.push(says(store, text, 20 * HOUR).await);
    }
    compact(store, 2 * DAY + HOUR).await;
    for now in [3 * DAY, 15 * DAY] {
        forget(store, now).await;
        for ((text, tolerance), before) in questions.into_iter().zip(&before) {
            let now = says(store, text, 20 * HOUR).await;
            assert!((now / before - 1.0).abs() < tolerance, "{text}: {before}, now {now}");
        }
        let found = select(store, &named("temperature"), (0, DAY)).await;
        assert_eq!(found[0].times().len(), 24 * 12, "one for each five minutes");
        let asked = [named("temperature"), vec![matcher(ROLLUP, "max")]].concat();
        let peaks = select(store, &asked, (0, DAY)).await;
        assert!(peaks[0].values().contains(&100.0));
        assert!(says(store, "temperature", 10 * HOUR + 7 * MINUTE).await > 0.9);
    }
    // Points that come when those of their time are forgotten are in the roll-ups.
    let late = series("late", &[], &[(HOUR + 1, 1.0), (HOUR + 2, 3.0)]);
    append(store, &[late], 15 * DAY).await;
    let late: Vec<f64> = points(store, "late", (0, DAY)).await.iter().map(|it| it.1).collect();
    assert_eq!(late, [2.0; 12], "the average of the hour");
    compact(store, 60 * DAY).await;
    forget(store, 60 * DAY).await;
    assert!(select(store, &[], (0, 2 * DAY)).await.is_empty());
    assert_eq!(store.census().await.expect("counted").series, 0);
    assert_eq!(append(store, &[series("new", &[], &[(60 * DAY, 1.0)])], 60 * DAY).await, new(1));
}

pub(super) async fn no_more_is_kept_or_read_than_may_be(store: &dyn Ledger) {
    store.keep_by(Rules { max_series: 3, ..Rules::default() });
    let of = |name: &str| series("x", &[("name", name)], &[(SECOND, 1.0), (2 * SECOND, 1.0)]);
    let stored = append(store, &[of("a"), of("b"), of("c"), of("d")], MINUTE).await;
    assert_eq!(stored, Stored { new: 6, over_limit: 2, ..Stored::default() });
    for _ in 0..2 {
        let selection =
            Selection { matchers: named("x").into(), after: START, until: START + HOUR };
        let bounded = async |series, points| {
            let selections = std::slice::from_ref(&selection);
            store.select(selections, Bounds { series, points }).await.expect("read")
        };
        assert!(matches!(bounded(3, 6).await, Found::Series(all) if all[0].len() == 3));
        let Found::TooMuch(why) = bounded(2, 6).await else { panic!("too much") };
        assert!(why.contains("more than 2 series"), "{why}");
        let Found::TooMuch(why) = bounded(3, 5).await else { panic!("too much") };
        assert!(why.contains("more than 5 points"), "{why}");
        compact(store, 5 * HOUR).await;
    }
}

pub(super) async fn series_that_fell_silent_make_room(store: &dyn Ledger) {
    store.keep_by(Rules { max_series: 2, ..Rules::default() });
    let of = |name: &str, at: i64| series("x", &[("name", name)], &[(at, 1.0)]);
    let over = Stored { over_limit: 1, ..Stored::default() };
    for (day, name) in (0..20).zip('a'..) {
        let (own, now) = (name.to_string(), day * 10 * DAY + HOUR);
        assert_eq!(append(store, &[of(&own, now)], now).await, new(1), "{name}");
        assert_eq!(append(store, &[of("steady", now)], now).await, new(1), "{name}");
        assert_eq!(append(store, &[of("one too many", now)], now).await, over, "{name}");
        compact(store, now + 3 * HOUR).await;
        assert_eq!(append(store, &[of("one too many", now)], now + 3 * HOUR).await, over);
        if day == 18 {
            break;
        }
    }
    // But not for ever more: all that is remembered is bounded, too.
    let now = 190 * DAY + HOUR;
    assert_eq!(append(store, &[of("another", now)], now).await, over);
    // Nothing is left of the first ones at the end of their time.
    forget(store, 420 * DAY).await;
    assert!(store.census().await.expect("counted").series < 20);
    assert_eq!(append(store, &[of("another", 420 * DAY)], 420 * DAY).await, new(1));
}

pub(super) async fn what_a_series_measures_is_said_by_its_source(store: &dyn Ledger) {
    append(store, &[series("start", &[], &[(0, 0.0)])], 0).await;
    let points: Vec<(i64, f64)> = every(10 * SECOND, 24 * HOUR).zip((1..).map(f64::from)).collect();
    let total = series("logins", &[], &points).measuring(Some(Measure::Counter));
    let (times, values) = (total.times().to_vec(), vec![5.0; total.times().len()]);
    let level = Series::new(labels("size_total", &[]), times, values).expect("in order");
    let level = level.measuring(Some(Measure::Gauge));
    append(store, &[total, level], 2 * DAY).await;
    compact(store, 2 * DAY + HOUR).await;
    forget(store, 20 * DAY).await;
    let grown = says(store, "increase(logins[12h])", 20 * HOUR).await;
    assert!((grown / (12.0 * 360.0) - 1.0).abs() < 0.01, "{grown}");
    let last = select(store, &named("logins"), (0, 20 * HOUR)).await;
    assert!(last[0].values().iter().all(|it| it.fract() == 0.0), "points, and no averages");
    let counted = [named("size_total"), vec![matcher(ROLLUP, "count")]].concat();
    let counted = select(store, &counted, (HOUR, 20 * HOUR)).await;
    assert_eq!(counted[0].values()[..1], [30.0], "a level is put together");
}

pub(super) async fn much_at_once_is_stored_in_parts(store: &dyn Ledger) {
    store.keep_by(Rules { keep: Duration::from_hours(24 * 400), ..Rules::default() });
    append(store, &[series("start", &[], &[(0, 0.0)])], 300 * DAY).await;
    // A point an hour of half a year: more chunks than one transaction may change.
    let points: Vec<(i64, f64)> = every(HOUR, 190 * DAY).map(|at| (at + 1, 1.0)).collect();
    let many = points.len() as u64;
    let all = [series("hourly", &[], &points), series("after", &[], &[(290 * DAY, 1.0)])];
    assert_eq!(append(store, &all, 300 * DAY).await, new(many + 1));
    let found = select(store, &named("hourly"), (0, 200 * DAY)).await;
    assert_eq!(found[0].times().len(), points.len());
    let again = Stored { repeated: many + 1, ..Stored::default() };
    assert_eq!(append(store, &all, 300 * DAY).await, again);
}

pub(super) async fn series_of_a_time_are_listed(store: &dyn Ledger) {
    append(store, &[series("start", &[], &[(0, 0.0)])], 0).await;
    let all = [
        series("early", &[], &[(10 * MINUTE, 1.0)]),
        series("late", &[], &[(50 * HOUR, 1.0)]),
        series("both", &[], &[(10 * MINUTE, 1.0), (50 * HOUR, 1.0)]),
    ];
    append(store, &all, 50 * HOUR).await;
    let listed = async |matchers: &[Vec<Matcher>], after: i64, until: i64, limit| {
        let found = store.labels(matchers, START + after, START + until, limit).await;
        let names = found.expect("listed").into_iter().map(|it| it.metric_name().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    for _ in 0..2 {
        assert_eq!(listed(&[], -1, 60 * HOUR, 9).await, "both early late start");
        assert_eq!(listed(&[], 0, 20 * MINUTE, 9).await, "both early");
        assert_eq!(listed(&[], 0, 20 * MINUTE, 1).await, "both");
        assert_eq!(listed(&[], 10 * MINUTE, 50 * HOUR - 1, 9).await, "");
        assert_eq!(listed(&[], HOUR, 100 * HOUR, 9).await, "both late");
        let any = [named("late"), named("start"), named("none")];
        assert_eq!(listed(&any, -1, 60 * HOUR, 9).await, "late start");
        compact(store, 60 * HOUR).await;
    }
    // Of what is rolled up, the parts of five minutes tell.
    forget(store, 20 * DAY).await;
    assert_eq!(listed(&[], 0, 20 * MINUTE, 9).await, "both early");
    assert_eq!(listed(&[], 10 * MINUTE, 49 * HOUR, 9).await, "");
}
