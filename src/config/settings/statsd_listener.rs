//! The keys of `[statsd]` that say where and how metrics are received.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hub::is_open;
use super::statsd::host_and_port;
use crate::config::reader::{Field, Report, Table};
use crate::config::value::Kind;

/// The keys that make a listener.
pub(super) const KEYS: [&str; 4] = ["listen", "listen_tcp", "listen_unix", "listen_unix_stream"];
/// The keys that say how it is to be.
const WAYS: [&str; 8] = [
    "open_to_network",
    "relay_to",
    "flush",
    "silent_after",
    "max_series",
    "buckets",
    "labels",
    "signed_gauges",
];

/// Where and how metrics are received.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsdListener {
    /// Where UDP packets are taken.
    pub udp: Option<SocketAddr>,
    /// Where TCP connections are taken.
    pub tcp: Option<SocketAddr>,
    /// The path of a Unix socket for packets; absolute when the project folder is.
    pub unix: Option<PathBuf>,
    /// The path of a Unix socket for connections; absolute when the project folder is.
    pub unix_stream: Option<PathBuf>,
    /// Another statsd that all is passed on to, as host and port.
    pub relay_to: Option<String>,
    /// How long an interval is; a minute is a whole number of them.
    pub flush: Duration,
    /// After how long a series that nobody sends any more ends.
    pub silent_after: Duration,
    /// The same for counters and timers.
    pub totals_silent_after: Duration,
    /// The most series that there may be.
    pub max_series: u32,
    /// The upper bounds of the buckets of timers, ascending.
    pub buckets: Vec<f64>,
    /// Labels that all series have.
    pub labels: Vec<(String, String)>,
    /// What a sign before the value of a gauge means.
    pub signed_gauges: SignedGauges,
}

/// What a sign before the value of a gauge means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedGauges {
    /// A difference, as for statsd's own daemon.
    Differences,
    /// A sign, as for Datadog's agent.
    Values,
}

impl StatsdListener {
    /// How long an interval is when nothing is written.
    pub const FLUSH: Duration = Duration::from_secs(10);
    /// After how long a series ends when nothing is written.
    pub const SILENT_AFTER: Duration = Duration::from_hours(1);
    /// The same for counters and timers: a night in which nothing happens is shorter.
    pub const TOTALS_SILENT_AFTER: Duration = Duration::from_hours(24);
    /// The most series when nothing is written.
    pub const MAX_SERIES: u32 = 50_000;
    /// The buckets when nothing is written, for times in milliseconds.
    pub const BUCKETS: [f64; 14] = [
        1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
        30_000.0,
    ];

    /// What is written, if anything is received.
    pub(super) fn read(table: &mut Table<'_>, root: &Path, report: &mut Report) -> Option<Self> {
        let [udp, tcp, unix, unix_stream] = KEYS.map(|key| table.optional(key));
        let [open, relay, flush, silent, most, buckets, labels, signs] =
            WAYS.map(|key| table.optional(key));
        let fields = [&udp, &tcp, &unix, &unix_stream];
        if fields.iter().all(|field| field.is_none()) {
            let ways = [&open, &relay, &flush, &silent, &most, &buckets, &labels, &signs];
            for field in ways.into_iter().flatten() {
                report
                    .error(&field.key_span, format!("nothing is received for `{}`", field.name))
                    .advise("say where to receive: `listen = \"127.0.0.1:8126\"`");
            }
            return None;
        }
        let is_open = open.and_then(|it| it.boolean(report)) == Some(true);
        let address = |field: &Option<Field<'_>>, report: &mut Report| {
            field.as_ref().and_then(|it| allowed_address(it, is_open, report))
        };
        let path = |field: &Option<Field<'_>>, report: &mut Report| {
            field.as_ref().and_then(|it| Some(root.join(it.filled_text(report)?)))
        };
        let silent = silent.and_then(|it| it.duration(LEAST_SILENCE..=MOST_SILENCE, report));
        let listener = Self {
            udp: address(&udp, report),
            tcp: address(&tcp, report),
            unix: path(&unix, report),
            unix_stream: path(&unix_stream, report),
            relay_to: None,
            flush: flush.and_then(|it| interval(&it, report)).unwrap_or(Self::FLUSH),
            silent_after: silent.unwrap_or(Self::SILENT_AFTER),
            totals_silent_after: silent.unwrap_or(Self::TOTALS_SILENT_AFTER),
            max_series: most
                .and_then(|it| it.integer(1..=10_000_000, report))
                .unwrap_or(Self::MAX_SERIES),
            buckets: buckets
                .and_then(|it| bounds(&it, report))
                .unwrap_or_else(|| Self::BUCKETS.to_vec()),
            labels: labels.and_then(|it| fixed_labels(&it, report)).unwrap_or_default(),
            signed_gauges: signs
                .and_then(|it| it.word(&SIGNS, report))
                .unwrap_or(SignedGauges::Differences),
        };
        let relay_to = relay.and_then(|it| listener.relay(&it, report));
        if let (Some(one), Some(other)) = (&listener.unix, &unix_stream)
            && listener.unix_stream.as_ref() == Some(one)
        {
            report.error(&other.span, "`listen_unix` has that path already");
        }
        Some(Self { relay_to, ..listener })
    }

    /// Whether what is sent to `place`, a host and port, comes to this listener by UDP, as far as
    /// that can be told without a name server.
    pub(super) fn is_at(&self, place: &str) -> bool {
        let Some((udp, (host, port))) = self.udp.zip(place.rsplit_once(':')) else { return false };
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let is_here = match address {
            Some(address) => {
                let is_reached = address.is_loopback() || address.is_unspecified();
                address == udp.ip() || udp.ip().is_unspecified() && is_reached
            }
            None => host == "localhost" && !is_foreign(udp),
        };
        is_here && port.parse() == Ok(udp.port())
    }

    fn relay(&self, field: &Field<'_>, report: &mut Report) -> Option<String> {
        let place = field.parsed(host_and_port, report)?;
        if self.is_at(&place) {
            let message = format!("`{place}` is this listener itself: every line would go round");
            report.error(&field.span, message).advise("name the statsd that stands behind it");
            return None;
        }
        Some(place)
    }
}

const SIGNS: [(&str, SignedGauges); 2] =
    [("differences", SignedGauges::Differences), ("values", SignedGauges::Values)];
const LEAST_SILENCE: Duration = Duration::from_mins(1);
const MOST_SILENCE: Duration = Duration::from_hours(24 * 30);

/// Whether `localhost` does not lead to `address`.
fn is_foreign(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && is_open(address)
}

fn allowed_address(field: &Field<'_>, open: bool, report: &mut Report) -> Option<SocketAddr> {
    const FORM: &str = "it is not an IP address with a port, such as `127.0.0.1:8126`";
    let address = field.parsed(|text| text.parse::<SocketAddr>().map_err(|_| FORM), report)?;
    if is_open(address) && !open {
        let message = format!("`{address}` is open to other machines");
        report.error(&field.span, message).advise(
            "whoever reaches it writes metrics, without signing in: listen on `127.0.0.1`, or \
             allow it with `open_to_network = true` in [statsd]",
        );
        return None;
    }
    Some(address)
}

/// Intervals stand on a grid of which each minute is a whole part.
fn interval(field: &Field<'_>, report: &mut Report) -> Option<Duration> {
    let flush = field.duration(Duration::from_secs(1)..=Duration::from_mins(1), report)?;
    if !Duration::from_mins(1).as_millis().is_multiple_of(flush.as_millis()) {
        report
            .error(&field.span, "a minute must be a whole number of intervals")
            .advise("such as `1s`, `5s`, `10s`, `15s`, `30s` or `60s`");
        return None;
    }
    Some(flush)
}

fn bounds(field: &Field<'_>, report: &mut Report) -> Option<Vec<f64>> {
    let items = field.list(report)?;
    let mut bounds = Vec::with_capacity(items.len());
    for item in &items {
        let bound = match item.kind() {
            Kind::Float(bound) if bound.is_finite() => *bound,
            Kind::Integer(bound) => f64::from(i32::try_from(*bound).unwrap_or(i32::MAX)),
            _ => {
                item.unfit("a number", report);
                return None;
            }
        };
        if bounds.last().is_some_and(|last| *last >= bound) {
            report.error(&item.span, "each bound must be greater than the one before it");
            return None;
        }
        bounds.push(bound);
    }
    if bounds.len() > 100 {
        report.error(&field.span, "there can be no more than 100 buckets");
        return None;
    }
    Some(bounds)
}

fn fixed_labels(field: &Field<'_>, report: &mut Report) -> Option<Vec<(String, String)>> {
    let wanted = report.table_like("of texts", "instance", "\"hub-1\"");
    let table = field.table(&wanted, report)?;
    let mut labels = Vec::new();
    for field in table.all() {
        if field.name.is_empty() || field.name.starts_with("__") || field.name == "le" {
            let message = format!("`{}` cannot be the name of a label here", field.name);
            report.error(&field.key_span, message);
        } else if let Some(value) = field.line(200, report) {
            labels.push((field.name.to_owned(), value.to_owned()));
        }
    }
    Some(labels)
}
