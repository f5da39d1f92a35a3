use std::collections::BTreeMap;

use super::*;
use crate::query::{self, is_stale};

const SECOND: i64 = 1000;
/// A time on the grid.
const T: i64 = 1_700_000_000 * SECOND;

fn rules() -> Rules {
    Rules {
        interval: Duration::from_secs(10),
        silent_after: Duration::from_secs(20),
        totals_silent_after: Duration::from_secs(20),
        most_series: 100,
        buckets: [10.0, 100.0].into(),
        signs: Signs::Differences,
        labels: Vec::new(),
    }
}

struct World {
    aggregate: Aggregate,
    received: Arc<Received>,
    at: i64,
}

impl World {
    fn new(rules: Rules) -> Self {
        let received = Arc::<Received>::default();
        Self { aggregate: Aggregate::new(rules, Arc::clone(&received)), received, at: T }
    }

    /// Sends a packet and ends the interval: what is stored then, as text. The listener's own series
    /// are left out.
    fn after(&mut self, packet: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
        self.aggregate.packet(packet.as_bytes(), self.at + SECOND);
        self.at += 10 * SECOND;
        let is_sent = |series: &Series| !series.labels().metric_name().starts_with("tripline_");
        let points = self.aggregate.flush(self.at).into_iter().filter(is_sent);
        let mut all = BTreeMap::new();
        for series in points {
            let times = series.times().iter().map(|time| (time - self.at) / SECOND);
            let points = times.zip(series.values().iter().copied()).collect();
            let twice = all.insert(series.labels().to_string(), points);
            assert!(twice.is_none(), "{} comes twice", series.labels());
        }
        all
    }

    /// The last value of each series, by name, of those without labels.
    fn values(&mut self, packet: &str) -> Vec<(String, f64)> {
        let plain = |(labels, points): (String, Vec<(i64, f64)>)| {
            let name = labels.strip_prefix("{__name__=\"")?.strip_suffix("\"}")?.to_owned();
            Some((name, points.last()?.1))
        };
        self.after(packet).into_iter().filter_map(plain).collect()
    }

    fn refused(&self) -> Vec<(&'static str, u64)> {
        let refused = self.received.count().refused;
        refused.into_iter().map(|(refusal, lines)| (refusal.as_str(), lines)).collect()
    }
}

fn named(values: &[(&str, f64)]) -> Vec<(String, f64)> {
    values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn a_counter_only_goes_on_and_begins_at_zero() {
    let mut world = World::new(rules());
    let first = world.after("logins:1|c\nlogins:2|c|@0.1\n");
    assert_eq!(first[r#"{__name__="logins"}"#], [(-10, 0.0), (0, 21.0)]);
    assert_eq!(world.after("logins:1|m")[r#"{__name__="logins"}"#], [(0, 22.0)]);
    assert_eq!(world.after("")[r#"{__name__="logins"}"#], [(0, 22.0)]);
    // Tags in another order are the same series.
    let tagged = world.after("a:1|c|#x:1,y:2\na:1|c|#y:2,x:1");
    assert_eq!(tagged[r#"{__name__="a", x="1", y="2"}"#], [(-10, 0.0), (0, 2.0)]);
}

/// What `increase` says of a counter in the last intervals, over the points of all of them.
fn increase(name: &str, sent: &[&str]) -> f64 {
    let mut world = World::new(rules());
    let mut points = BTreeMap::new();
    for packet in sent {
        let stored = world.after(packet).remove(&format!("{{__name__=\"{name}\"}}"));
        let times = stored.into_iter().flatten();
        points.extend(times.map(|(at, value)| (world.at + at * SECOND, value)));
    }
    let labels: Labels = [("__name__", name)].into_iter().collect();
    let (times, values) = points.into_iter().unzip();
    let series = vec![Arc::new(Series::new(labels, times, values).expect("in order"))];
    let range = (world.at - T) / SECOND + 1;
    let settings = query::Settings::default();
    let text = format!("sum(increase({name}[{range}s]))");
    let expression = query::parse(&text, &settings.limits).expect("an expression");
    let at = query::When::At(world.at);
    match query::evaluate(&expression, at, &[series], &settings).expect("a value").outcome {
        query::Outcome::Vector(samples) => samples.first().map_or(0.0, |it| it.value),
        other => panic!("{other:?}"),
    }
}

/// A total that falls is a counter that began anew, and all that it has is new.
#[test]
fn what_a_counter_takes_back_is_counted_apart_and_no_new_beginning() {
    let sent = ["a:1000|c", "a:10|c\na:-10|c", "a:-17|c|@0.5", "a:5:-5|c|#x:1", "a:1|c"];
    let is = |name: &str, wanted: f64| {
        let found = increase(name, &sent);
        assert!((found - wanted).abs() < 1e-6 * wanted, "{name}: {found}, and not {wanted}");
    };
    is("a", 1011.0);
    is("a_decrements", 44.0);
    let mut world = World::new(rules());
    let first = world.after("a;x=1:5:-2|c\na:-0|c");
    assert_eq!(first[r#"{__name__="a_decrements", x="1"}"#], [(-10, 0.0), (0, 2.0)]);
    assert_eq!(first[r#"{__name__="a", x="1"}"#], [(-10, 0.0), (0, 5.0)]);
    assert_eq!(first[r#"{__name__="a"}"#], [(-10, 0.0), (0, 0.0)]);
    assert_eq!(world.refused(), []);
    // Who counts something of that name is not mixed with it.
    world.after("a_decrements:7|c|#x:1");
    assert_eq!(world.refused(), [("conflict", 1)]);
}

#[test]
fn values_below_zero_lower_no_sum() {
    let mut world = World::new(rules());
    let first = world.after("t:10:-5|ms\nt:-1|h|@0.5\nt:-0|d");
    assert_eq!(first[r#"{__name__="t_sum"}"#], [(-10, 0.0), (0, 10.0)]);
    assert_eq!(first[r#"{__name__="t_sum_decrements"}"#], [(-10, 0.0), (0, 7.0)]);
    assert_eq!(first[r#"{__name__="t_count"}"#], [(-10, 0.0), (0, 5.0)]);
    assert_eq!(first[r#"{__name__="t_lower"}"#], [(0, -5.0)]);
    assert_eq!(world.refused(), []);
    let sent = ["t:1000|ms", "t:-20|ms", "t:1|ms"];
    assert!((increase("t_sum", &sent) - 1001.0).abs() < 1e-6);
}

#[test]
fn a_gauge_is_what_it_is_and_signs_are_differences() {
    let mut world = World::new(rules());
    let sent = "queue:10|g\nqueue:+4|g\nqueue:-1.5|g\nbelow:-3|g\n";
    assert_eq!(world.values(sent), named(&[("below", -3.0), ("queue", 12.5)]));
    assert_eq!(world.values("queue:7|g|@0.1"), named(&[("below", -3.0), ("queue", 7.0)]));
}

#[test]
fn a_sign_may_be_nothing_but_a_sign() {
    let mut world = World::new(Rules { signs: Signs::Values, ..rules() });
    assert_eq!(
        world.values("queue:-4.5|g\nqueue:-3|g\na:+2|g"),
        named(&[("a", 2.0), ("queue", -3.0)])
    );
}

#[test]
fn a_set_counts_its_members_in_each_interval() {
    let mut world = World::new(rules());
    assert_eq!(world.values("users:ana|s\nusers:bo|s\nusers:ana|s"), named(&[("users", 2.0)]));
    assert_eq!(world.values("users:ana|s"), named(&[("users", 1.0)]));
    assert_eq!(world.values(""), named(&[("users", 0.0)]));
}

#[test]
fn a_timer_is_a_histogram_with_extremes() {
    let mut world = World::new(rules());
    let first = world.after("t:10:50|ms\nt:1000|ms|@0.5");
    let last = |name: &str| first[name].last().copied();
    assert_eq!(last(r#"{__name__="t_count"}"#), Some((0, 4.0)));
    assert_eq!(last(r#"{__name__="t_sum"}"#), Some((0, 2060.0)));
    assert_eq!(first[r#"{__name__="t_bucket", le="10"}"#], [(-10, 0.0), (0, 1.0)]);
    assert_eq!(last(r#"{__name__="t_bucket", le="100"}"#), Some((0, 2.0)));
    assert_eq!(last(r#"{__name__="t_bucket", le="+Inf"}"#), Some((0, 4.0)));
    assert_eq!(first[r#"{__name__="t_lower"}"#], [(0, 10.0)]);
    assert_eq!(first[r#"{__name__="t_upper"}"#], [(0, 1000.0)]);
    // An interval without values has no extremes, and says so once.
    let silent = world.after("");
    assert!(is_stale(silent[r#"{__name__="t_upper"}"#][0].1));
    assert_eq!(silent[r#"{__name__="t_count"}"#], [(0, 4.0)]);
    assert!(!world.after("").contains_key(r#"{__name__="t_upper"}"#));
}

/// That nothing happened is something else than that nobody knows.
#[test]
fn totals_go_on_while_nothing_happens_unless_there_are_many() {
    let patient = Rules { totals_silent_after: Duration::from_mins(10), ..rules() };
    let mut world = World::new(patient.clone());
    world.after("a:5|c\ng:1|g");
    for _ in 0..59 {
        world.after("");
    }
    assert_eq!(world.values(""), named(&[("a", 5.0)]), "the gauge has ended");
    assert!(is_stale(world.values("")[0].1));
    let mut crowded = World::new(Rules { most_series: 3, ..patient });
    crowded.after("a:5|c\nb:1|c");
    crowded.after("");
    crowded.after("");
    assert!(crowded.values("").iter().all(|(_, value)| is_stale(*value)));
}

#[test]
fn what_falls_silent_ends_and_begins_anew() {
    let mut world = World::new(rules());
    world.after("a:5|c");
    for _ in 0..2 {
        assert_eq!(world.values(""), named(&[("a", 5.0)]));
    }
    let ended = world.after("");
    assert!(matches!(ended[r#"{__name__="a"}"#][..], [(0, value)] if is_stale(value)));
    assert_eq!((world.after("").len(), world.aggregate.series()), (0, 0));
    assert_eq!(world.after("a:1|c")[r#"{__name__="a"}"#], [(-10, 0.0), (0, 1.0)]);
}

#[test]
fn a_gauge_may_say_when_it_was() {
    let mut world = World::new(rules());
    let (late, now, ahead) = (T / 1000 - 60, T / 1000, T / 1000 + 3600);
    let sent = format!("a:1|g|T{late}\na:2|g|T{now}\na:3|g|T{ahead}\nb:4|g|T{late}\nc:1|c|T{late}");
    let points = world.after(&sent);
    assert_eq!(points[r#"{__name__="a"}"#], [(-70, 1.0), (0, 2.0)]);
    assert_eq!(points[r#"{__name__="b"}"#], [(-70, 4.0)]);
    assert_eq!(points[r#"{__name__="c"}"#], [(-10, 0.0), (0, 1.0)]);
    assert_eq!(world.refused(), [("timestamp", 1)]);
}

#[test]
fn there_are_no_more_series_than_allowed_and_none_twice() {
    let mut world = World::new(Rules { most_series: 8, ..rules() });
    world.after("a:1|c\na:1|g\nt:1|ms\nt_count:1|c\nb:1|g\nb:1|g|#x:1\n");
    assert_eq!(world.refused(), [("conflict", 2), ("series_limit", 2)]);
    world.after("a:1|c\na:2|c\nt:1|ms\ntripline_statsd_lines_total:1|c");
    assert_eq!(world.refused(), [("reserved", 1), ("conflict", 2), ("series_limit", 2)]);
    assert_eq!(world.aggregate.series(), 8);
    let count = world.received.count();
    assert_eq!((count.lines, count.series), (10, 8));
}

#[test]
fn ever_new_orders_of_tags_fill_no_memory() {
    let mut world = World::new(Rules { most_series: 3, ..rules() });
    for number in 0..100 {
        let commas = ",".repeat(number);
        world.aggregate.line(format!("a:1|c|#x:1{commas}").as_bytes(), T);
    }
    assert!(world.aggregate.spellings.len() <= 12);
    assert_eq!(world.after("a:1|c|#x:1")[r#"{__name__="a", x="1"}"#].last(), Some(&(0, 101.0)));
}

#[test]
fn nothing_overflows_and_a_refused_value_makes_no_series() {
    let mut world = World::new(rules());
    let values = world.values("a:1e308|c\na:1e308|c\nb:Infinity|c\nc:NaN|g\nconstructor:1|ms");
    assert_eq!(values[0], ("a".to_owned(), 1e308));
    assert!(values.iter().all(|(name, value)| value.is_finite() && name != "b" && name != "c"));
    assert!(values.iter().any(|(name, _)| name == "constructor_count"));
    assert_eq!(world.refused(), [("value", 2)]);
}

#[test]
fn what_was_received_is_told_in_series_of_its_own() {
    let mut world = World::new(Rules { labels: vec![("hub".into(), "a".into())], ..rules() });
    world.aggregate.packet(b"a:1|c\n_e{1,1}:a|b\n_sc|db|0\nwrong\n", T);
    let points = world.aggregate.flush(T);
    let value = |text: &str| {
        let found = points.iter().find(|series| series.labels().to_string() == text);
        found.map(|series| series.values()[0])
    };
    assert_eq!(value(r#"{__name__="tripline_statsd_lines_total", hub="a"}"#), Some(4.0));
    assert_eq!(value(r#"{__name__="tripline_statsd_events_total", hub="a"}"#), Some(1.0));
    let refused = r#"{__name__="tripline_statsd_refused_total", hub="a", reason="value"}"#;
    assert_eq!(value(refused), Some(1.0));
}
