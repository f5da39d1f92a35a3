//! statsd's own daemon, with its console backend.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::{Process, START, TempDir, oidc, port, until};

/// A running daemon. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Statsd {
    process: Process,
    port: u16,
    _folder: TempDir,
}

/// Starts a daemon that prints what it received every second.
pub(crate) async fn statsd() -> Statsd {
    started("backends: ['./backends/console']").await
}

/// Starts a daemon that sends what it received to a Graphite every second, and that Graphite.
pub(crate) async fn statsd_to_graphite() -> (Statsd, Graphite) {
    let graphite = Graphite::start().await;
    let backends = format!(
        "backends: ['./backends/graphite'], graphiteHost: '127.0.0.1', graphitePort: {}, \
         graphite: {{ legacyNamespace: false }}",
        graphite.port
    );
    (started(&backends).await, graphite)
}

async fn started(backends: &str) -> Statsd {
    let modules = oidc::node_modules().await;
    let folder = TempDir::new().expect("a temporary folder");
    let (port, management) = (port::free(), port::free());
    let configuration = folder.path().join("config.js");
    let text = format!(
        "{{ port: {port}, address: '127.0.0.1', mgmt_port: {management}, \
         mgmt_address: '127.0.0.1', flushInterval: 1000, {backends} }}"
    );
    fs::write(&configuration, text).expect("a temporary folder can be written");
    let mut command = Command::new("node");
    command.arg(modules.join("node_modules/statsd/stats.js")).arg(&configuration);
    let log = folder.path().join("statsd.log");
    let mut process = Process::start("statsd", &mut command, log);
    until("statsd answers", START, async || {
        let ended = process.ended();
        assert!(ended.is_none(), "statsd ended at its start: {ended:?}");
        TcpStream::connect((Ipv4Addr::LOCALHOST, management)).await.ok()
    })
    .await;
    Statsd { process, port, _folder: folder }
}

impl Statsd {
    /// Where metrics are sent to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The sum of a counter over everything printed so far; `None` when it was never printed.
    pub(crate) fn counter(&self, name: &str) -> Option<f64> {
        // The daemon prints each flush with the counters first and their rates per second, under
        // the same names, last; the flush interval of one second makes both alike.
        let log = self.process.log();
        let counters = log.split("counters: {").skip(1).filter_map(|rest| rest.split('}').next());
        counters.filter_map(|text| number_after(text, name)).reduce(|sum, value| sum + value)
    }

    /// The last value of a gauge that was printed; `None` when it never was.
    pub(crate) fn gauge(&self, name: &str) -> Option<f64> {
        let log = self.process.log();
        let gauges = log.split("gauges: {").skip(1).filter_map(|rest| rest.split('}').next());
        gauges.filter_map(|text| number_after(text, name)).last()
    }

    /// The values that a timer received, over everything printed so far.
    pub(crate) fn timer(&self, name: &str) -> Vec<f64> {
        let log = self.process.log();
        let quoted = format!("'{name}': [");
        log.split("timers: {")
            .skip(1)
            .filter_map(|rest| rest.split("timer_data").next()?.split(&quoted).nth(1))
            .filter_map(|rest| rest.split(']').next())
            .flat_map(|list| list.split(',').filter_map(|value| value.trim().parse().ok()))
            .collect()
    }
}

/// Takes lines as Graphite does: `NAME VALUE TIME`.
#[derive(Debug)]
pub(crate) struct Graphite {
    port: u16,
    lines: Arc<Mutex<Vec<(String, f64)>>>,
    taking: tokio::task::AbortHandle,
}

impl Graphite {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let lines = Arc::<Mutex<Vec<(String, f64)>>>::default();
        let kept = Arc::clone(&lines);
        let taking = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = String::new();
                let _ = stream.read_to_string(&mut text).await;
                let read = |line: &str| {
                    let mut words = line.rsplitn(3, ' ').skip(1);
                    let value = match words.next()? {
                        "Infinity" => f64::INFINITY,
                        word => word.parse().ok()?,
                    };
                    Some((words.next()?.to_owned(), value))
                };
                let mut lines = kept.lock().expect("no test panics with it");
                lines.extend(text.lines().filter_map(read));
            }
        });
        Self { port, lines, taking: taking.abort_handle() }
    }

    /// All values of `name`, in the order in which they came.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        let lines = self.lines.lock().expect("no test panics with it");
        lines.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect()
    }

    /// All names that came.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let lines = self.lines.lock().expect("no test panics with it");
        lines.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Drop for Graphite {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.split(&format!("'{name}': ")).nth(1)?;
    rest.split([',', '\n']).next()?.trim().parse().ok()
}
