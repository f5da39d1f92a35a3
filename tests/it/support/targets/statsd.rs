//! statsd's own daemon, with its console backend.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use tokio::net::TcpStream;

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
    let modules = oidc::node_modules().await;
    let folder = TempDir::new().expect("a temporary folder");
    let (port, management) = (port::free(), port::free());
    let configuration = folder.path().join("config.js");
    let text = format!(
        "{{ port: {port}, address: '127.0.0.1', mgmt_port: {management}, \
         mgmt_address: '127.0.0.1', flushInterval: 1000, backends: ['./backends/console'] }}"
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

fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.split(&format!("'{name}': ")).nth(1)?;
    rest.split([',', '\n']).next()?.trim().parse().ok()
}
