//! statsd's own daemon and our listener, fed the same bytes: ours relays what it receives.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::UdpSocket;

use tripline::query::{Labels, METRIC_NAME};

use super::{Heard, Listening, PATIENCE, udp};
use crate::support::random::Random;
use crate::support::targets::{Graphite, statsd_to_graphite};
use crate::support::wait::until_true;

/// Lines that both read alike, but for the random ones.
const LINES: &str = "\
logins:5|c
logins:-1|c
sampled:1|c|@0.1
sampled:2|c|@0.25
spelled:1e3|c
spelled:+.5|c
tagged:3|c|#region:eu,plan:free
tagged:4|c|#region:us
graphite;region=eu:2|c
several:1|c:2|c:320|ms
queue:10|g
queue:+4.5|g
queue:-1|g
below:-3|g
below:-1|g
rated:7|g|@0.1
checkout:320|ms
checkout:12.5|ms
checkout:0|ms
late:1|ms|@0.1
late:2|ms|@0.5
not a line
nothing:|c
wrong:x|c
wrong:1|c|@x
negative:3|g
a space:1|c
";

/// Packets of `LINES`, of a set in one packet, and of random lines.
fn packets(random: &mut Random) -> Vec<String> {
    let mut packets: Vec<String> = LINES.lines().map(str::to_owned).collect();
    packets.push("users:ana|s\nusers:bo|s\nusers:ana|s\nusers:3|s".into());
    for _ in 0..100 {
        let mut packet = String::new();
        for _ in 0..=random.below(9) {
            let (name, number) = (random.below(20), random.below(100_000));
            let sign = random.one_of(&["", "", "-", "+"]);
            let rate = random.one_of(&["", "", "|@0.5", "|@0.1", "|@1"]);
            let line = match random.below(4) {
                0 => format!("r.counter-{name}:{sign}{number}|c{rate}"),
                1 => format!("r.gauge-{name}:{sign}{number}.25|g"),
                2 => format!("r.timer-{name}:{number}.5|ms"),
                _ => format!("r.mixed-{name}:{number}|c:{sign}{number}|c{rate}"),
            };
            let _ = writeln!(packet, "{line}");
        }
        packets.push(packet);
    }
    packets
}

/// The series of ours that Graphite's `name` is of, between `begin` and `end`; with its tags.
fn series(name: &str, begin: &str, end: &str, suffix: &str) -> Option<String> {
    let mut parts = name.split(';');
    let name = parts.next()?.strip_prefix(begin)?.strip_suffix(end)?;
    let tags = parts.filter_map(|tag| tag.split_once('='));
    let name = format!("{name}{suffix}");
    let labels: Labels = tags.chain([(METRIC_NAME, name.as_str())]).collect();
    Some(labels.to_string())
}

/// What was counted less what was taken back, which is a total of its own; docs tell of that.
fn growth(ours: &BTreeMap<String, f64>, series: &str) -> Option<f64> {
    let (name, rest) = series.strip_prefix("{__name__=\"")?.split_once('"')?;
    let taken_back = ours.get(&format!("{{__name__=\"{name}_decrements\"{rest}"));
    match (ours.get(series), taken_back) {
        (None, None) => None,
        (counted, taken_back) => {
            Some(counted.copied().unwrap_or_default() - taken_back.copied().unwrap_or_default())
        }
    }
}

#[expect(clippy::type_complexity, reason = "a table of ways to sum up")]
fn compared(graphite: &Graphite, ours: &BTreeMap<String, f64>) -> usize {
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let last = |values: &[f64]| *values.last().expect("it was named");
    let largest = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let ways: [(&str, &str, &str, &dyn Fn(&[f64]) -> f64); 7] = [
        ("stats.counters.", ".count", "", &sum),
        ("stats.gauges.", "", "", &last),
        ("stats.sets.", ".count", "", &largest),
        ("stats.timers.", ".count", "_count", &sum),
        ("stats.timers.", ".sum", "_sum", &sum),
        ("stats.timers.", ".lower", "_lower", &smallest),
        ("stats.timers.", ".upper", "_upper", &largest),
    ];
    let mut compared = 0;
    for name in graphite.names() {
        // What the daemon counts about itself, and the difference that docs tell of.
        if name.contains("statsd") || name == "stats.timers.late.sum" {
            continue;
        }
        for (begin, end, suffix, whole) in &ways {
            let Some(series) = series(&name, begin, end, suffix) else { continue };
            let theirs = whole(&graphite.values(&name));
            let own = growth(ours, &series);
            let own = own.unwrap_or_else(|| panic!("{name}: {theirs}, and we have no {series}"));
            let bound = 1e-9 * theirs.abs().max(1.0);
            assert!((own - theirs).abs() <= bound, "{name}: {theirs}, and ours is {own}");
            compared += 1;
        }
    }
    compared
}

#[tokio::test(flavor = "multi_thread")]
async fn both_agree_on_what_is_whole() {
    let seed = 0x5bd1_e995_7a3c_11d7;
    let (daemon, graphite) = statsd_to_graphite().await;
    let heard = Heard::start(Listening { relay_to: Some(daemon.address()), ..udp() });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut lines = 0;
    for packet in packets(&mut Random::new(seed)) {
        socket.send_to(packet.as_bytes(), ("127.0.0.1", heard.port())).expect("it is sent");
        lines += packet.lines().count() as u64;
        heard.until_lines(lines).await;
    }
    socket.send_to(b"the.end:1|c", ("127.0.0.1", heard.port())).expect("it is sent");
    until_true("the end at Graphite", PATIENCE, async || {
        !graphite.values("stats.counters.the.end.count").is_empty()
    })
    .await;
    assert_eq!(heard.count().relay_drops, 0);
    let refused: Vec<_> =
        heard.count().refused.iter().map(|(refusal, lines)| (refusal.as_str(), *lines)).collect();
    assert_eq!(refused, [("value", 3), ("rate", 1)]);
    let ours = heard.end().await;
    assert_eq!(ours.get(r#"{__name__="a_space"}"#), Some(&1.0));
    let compared = compared(&graphite, &ours);
    assert!(compared > 100, "seed {seed:#x}: only {compared} values were compared");
    // Of a sampled timer both count the same; our sum stands for all, theirs for what was sent.
    let theirs = graphite.values("stats.timers.late.sum").into_iter().reduce(|a, b| a + b);
    assert_eq!(theirs, Some(3.0));
    assert_eq!(ours.get(r#"{__name__="late_sum"}"#), Some(&14.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_daemon_is_not_copied() {
    let (daemon, graphite) = statsd_to_graphite().await;
    let heard = Heard::start(Listening { relay_to: Some(daemon.address()), ..udp() });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let lines = "zero:1|c|@0\nendless:Infinity|g\n:4|c\nkv:5|kv\nhistogram:7|h\nhex:0x10|c\n\
                 rate:1|c|@2\nbelow:-5|ms\nback:2|c\nback:-7|c\nend:1|c";
    socket.send_to(lines.as_bytes(), ("127.0.0.1", heard.port())).expect("it is sent");
    until_true("the end at Graphite", PATIENCE, async || {
        !graphite.values("stats.counters.end.count").is_empty()
    })
    .await;
    let first = |name: &str| graphite.values(name).first().copied();
    assert_eq!(first("stats.counters.zero.count"), Some(f64::INFINITY));
    assert_eq!(first("stats.gauges.endless"), Some(f64::INFINITY));
    assert_eq!(first("stats.counters..count"), Some(4.0));
    assert_eq!(first("stats.counters.kv.count"), Some(5.0));
    assert_eq!(first("stats.counters.histogram.count"), Some(7.0));
    assert_eq!(first("stats.counters.hex.count"), Some(16.0));
    assert_eq!(first("stats.counters.rate.count"), Some(0.5));
    let refused: u64 = heard.count().refused.iter().map(|(_, lines)| lines).sum();
    assert_eq!(first("stats.counters.back.count"), Some(-5.0));
    assert_eq!(first("stats.timers.below.sum"), None);
    assert_eq!(refused, 6);
    let ours = heard.end().await;
    assert_eq!(ours.get(r#"{__name__="histogram_count"}"#), Some(&1.0));
    assert_eq!(ours.get(r#"{__name__="end"}"#), Some(&1.0));
    assert_eq!(ours.get(r#"{__name__="back"}"#), Some(&2.0));
    assert_eq!(ours.get(r#"{__name__="back_decrements"}"#), Some(&7.0));
    assert_eq!(ours.get(r#"{__name__="below_sum"}"#), Some(&0.0));
    assert_eq!(ours.get(r#"{__name__="below_sum_decrements"}"#), Some(&5.0));
    assert!(ours.values().all(|value| value.is_finite()));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_javascript_has_a_meaning_for_are_names_like_any_other() {
    let (daemon, graphite) = statsd_to_graphite().await;
    let heard = Heard::start(Listening { relay_to: Some(daemon.address()), ..udp() });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let lines = "constructor:3|c\nhasOwnProperty:7|c\n__proto__:4|c\nend:1|c";
    socket.send_to(lines.as_bytes(), ("127.0.0.1", heard.port())).expect("it is sent");
    until_true("the end at Graphite", PATIENCE, async || {
        !graphite.values("stats.counters.end.count").is_empty()
    })
    .await;
    let ours = heard.end().await;
    for (name, value) in [("constructor", 3.0), ("hasOwnProperty", 7.0), ("__proto__", 4.0)] {
        assert_eq!(ours.get(&format!("{{__name__=\"{name}\"}}")), Some(&value), "{name}");
        let theirs = graphite.values(&format!("stats.counters.{name}.count"));
        assert!(!theirs.contains(&value), "the daemon counts {name} by now: {theirs:?}");
    }
}
