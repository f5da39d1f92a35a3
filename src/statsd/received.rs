//! What was received, refused and lost, counted.
//!
//! Counting is all that happens here. The counts are exact, but for what the kernel drops on systems
//! that do not say. They become series of their own, `tripline_statsd_*`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::dropped::Counters;
use super::parse::Refusal;
use crate::query::{Labels, METRIC_NAME, Measure, Series};

/// By which way something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A UDP packet.
    Udp,
    /// Through a TCP connection.
    Tcp,
    /// A packet to a Unix socket.
    UnixDatagram,
    /// Through a connection to a Unix socket.
    UnixStream,
}

impl Way {
    /// All ways, in the order of the enumeration.
    pub const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::UnixDatagram, Self::UnixStream];

    /// The way in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::UnixDatagram => "unix",
            Self::UnixStream => "unix_stream",
        }
    }
}

/// The counts since the start.
#[derive(Debug)]
pub struct Received {
    lines: AtomicU64,
    events: AtomicU64,
    service_checks: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    bytes: [AtomicU64; Way::ALL.len()],
    series: AtomicU64,
    /// What the kernel dropped because we were too slow; with a bit that says whether that is known.
    kernel_drops: AtomicU64,
    /// Connections beyond those that may be open.
    connections_refused: AtomicU64,
    /// Points that were not stored, in words of [`Lost`].
    lost: [AtomicU64; Lost::ALL.len()],
    /// Whether the listener is about to end.
    is_leaving: AtomicBool,
    /// What the relay could not pass on.
    pub(super) relay: std::sync::Arc<Counters>,
}

/// The series that shows that a listener listens.
pub const LISTENING: &str = "tripline_statsd_listening";

/// What the series of a listener's own measure and say, by their names.
pub const ABOUT: [(&str, Measure, &str); 11] = [
    (
        LISTENING,
        Measure::Gauge,
        "Whether the hub receives statsd: 1, and 0 when it was told to end.",
    ),
    ("tripline_statsd_lines_total", Measure::Counter, "Lines that came by statsd."),
    ("tripline_statsd_bytes_total", Measure::Counter, "Bytes that came by statsd."),
    ("tripline_statsd_events_total", Measure::Counter, "Events, of which nothing is made."),
    (
        "tripline_statsd_service_checks_total",
        Measure::Counter,
        "Service checks, of which nothing is made.",
    ),
    (
        "tripline_statsd_refused_total",
        Measure::Counter,
        "Lines and parts of lines that were refused.",
    ),
    ("tripline_statsd_series", Measure::Gauge, "How many series come by statsd."),
    (KERNEL_DROPS, Measure::Counter, "UDP packets that the kernel dropped."),
    (
        "tripline_statsd_connections_refused_total",
        Measure::Counter,
        "Connections beyond those that may be open.",
    ),
    ("tripline_statsd_relay_drops_total", Measure::Counter, "Packets that were not passed on."),
    ("tripline_statsd_points_lost_total", Measure::Counter, "Points that were not stored."),
];

/// Why points were not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The store did not take them in time.
    Unstored,
    /// They are older than what the store keeps.
    TooOld,
    /// The store has as many series as it may.
    OverLimit,
    /// They are more than an hour ahead of the hub's clock.
    Ahead,
    /// The store will never take them: to try again would not help.
    Refused,
}

impl Lost {
    /// All reasons, in the order of the enumeration.
    pub const ALL: [Self; 5] =
        [Self::Unstored, Self::TooOld, Self::OverLimit, Self::Ahead, Self::Refused];

    /// The reason in a word or two.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unstored => "unstored",
            Self::TooOld => "too_old",
            Self::OverLimit => "over_limit",
            Self::Ahead => "ahead",
            Self::Refused => "refused",
        }
    }
}

/// The counts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Lines that were not empty.
    pub lines: u64,
    /// Lines and parts of lines that were refused, by reason.
    pub refused: Vec<(Refusal, u64)>,
    /// Series that there are.
    pub series: u64,
    /// Packets that the kernel dropped; none where it does not say.
    pub kernel_drops: Option<u64>,
    /// Packets that were not relayed.
    pub relay_drops: u64,
    /// Points that were not stored.
    pub points_lost: u64,
}

/// A series of the listener's own: its name, the label that tells it from others of the name, its
/// value.
type Own = (&'static str, Option<(&'static str, &'static str)>, u64);

/// Says that the kernel does not say what it dropped.
const UNKNOWN: u64 = u64::MAX;

impl Default for Received {
    fn default() -> Self {
        Self {
            lines: AtomicU64::default(),
            events: AtomicU64::default(),
            service_checks: AtomicU64::default(),
            refused: Default::default(),
            bytes: Default::default(),
            series: AtomicU64::default(),
            kernel_drops: AtomicU64::new(UNKNOWN),
            connections_refused: AtomicU64::default(),
            lost: Default::default(),
            is_leaving: AtomicBool::new(false),
            relay: std::sync::Arc::default(),
        }
    }
}

fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Received {
    pub(super) fn line(&self) {
        one(&self.lines);
    }

    pub(super) fn event(&self) {
        one(&self.events);
    }

    pub(super) fn service_check(&self) {
        one(&self.service_checks);
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        one(&self.refused[refusal as usize]);
    }

    pub(super) fn refuse_connection(&self) {
        one(&self.connections_refused);
    }

    pub(super) fn bytes(&self, way: Way, bytes: usize) {
        self.bytes[way as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn series(&self, series: usize) {
        self.series.store(series as u64, Ordering::Relaxed);
    }

    pub(super) fn kernel_drops(&self, drops: Option<u64>) {
        self.kernel_drops.store(drops.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Notes that the listener ends because it was told to: nobody need wait for it.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Counts points that were not stored.
    pub fn lose(&self, why: Lost, points: u64) {
        self.lost[why as usize].fetch_add(points, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn count(&self) -> Count {
        let drops = read(&self.kernel_drops);
        let refused = Refusal::ALL.iter().map(|it| (*it, read(&self.refused[*it as usize])));
        Count {
            lines: read(&self.lines),
            refused: refused.filter(|(_, lines)| *lines > 0).collect(),
            series: read(&self.series),
            kernel_drops: (drops != UNKNOWN).then_some(drops),
            relay_drops: self.relay_drops(),
            points_lost: self.lost.iter().map(read).sum(),
        }
    }

    /// The counts as points at `at`, with the labels `fixed`.
    pub(super) fn points(&self, at: i64, fixed: &[(String, String)]) -> Vec<Series> {
        let own = self.all().into_iter().map(|(name, label, value)| {
            let series = Series::new(labels(name, label, fixed), vec![at], vec![precise(value)]);
            let measure =
                ABOUT.iter().find(|(own, ..)| *own == name).map(|(_, measure, _)| *measure);
            series.expect("one time and one value").measuring(measure)
        });
        own.collect()
    }

    fn relay_drops(&self) -> u64 {
        let dropped = self.relay.read();
        dropped.packets + dropped.lines + dropped.reports
    }

    fn all(&self) -> Vec<Own> {
        let listens = u64::from(!self.is_leaving.load(Ordering::Relaxed));
        let mut all = vec![
            (LISTENING, None, listens),
            ("tripline_statsd_lines_total", None, read(&self.lines)),
            ("tripline_statsd_events_total", None, read(&self.events)),
            ("tripline_statsd_service_checks_total", None, read(&self.service_checks)),
            ("tripline_statsd_series", None, read(&self.series)),
            ("tripline_statsd_connections_refused_total", None, read(&self.connections_refused)),
            ("tripline_statsd_relay_drops_total", None, self.relay_drops()),
        ];
        let drops = read(&self.kernel_drops);
        all.extend((drops != UNKNOWN).then_some((KERNEL_DROPS, None, drops)));
        all.extend(Refusal::ALL.iter().map(|it| {
            let refused = read(&self.refused[*it as usize]);
            ("tripline_statsd_refused_total", Some(("reason", it.as_str())), refused)
        }));
        all.extend(Way::ALL.map(|way| {
            let bytes = read(&self.bytes[way as usize]);
            ("tripline_statsd_bytes_total", Some(("way", way.as_str())), bytes)
        }));
        all.extend(Lost::ALL.map(|why| {
            let lost = read(&self.lost[why as usize]);
            ("tripline_statsd_points_lost_total", Some(("reason", why.as_str())), lost)
        }));
        all
    }
}

const KERNEL_DROPS: &str = "tripline_statsd_kernel_drops_total";

fn labels(name: &str, label: Option<(&str, &str)>, fixed: &[(String, String)]) -> Labels {
    let fixed = fixed.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    label.into_iter().chain(fixed).chain([(METRIC_NAME, name)]).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn precise(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_is_something_to_say_of_each_series() {
        let received = Received::default();
        let said: BTreeSet<&str> = ABOUT.iter().map(|(name, ..)| *name).collect();
        received.kernel_drops(Some(1));
        let own = received.points(1, &[]);
        let named = own.iter().map(|it| it.labels().metric_name());
        assert_eq!(named.collect::<BTreeSet<_>>(), said);
        assert!(own.iter().all(|it| it.measure().is_some()));
        let listens = || received.points(1, &[])[0].values()[0].to_string();
        assert_eq!(listens(), "1");
        received.leave();
        assert_eq!(listens(), "0");
    }
}
