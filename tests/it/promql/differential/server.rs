//! A Prometheus with given series.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::client;
use crate::support::port;
use crate::support::process::Process;
use crate::support::skip::skipped;
use crate::support::wait::until_true;

/// How long it has to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running Prometheus.
pub(super) struct Server {
    origin: String,
    client: reqwest::Client,
    _process: Process,
    _folder: TempDir,
}

impl Server {
    /// Starts one over the series of `exposition`; none, and says so, where it is not installed.
    pub(super) async fn start(exposition: &str) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary folder");
        let at = |name: &str| -> PathBuf { folder.path().join(name) };
        fs::write(at("series"), exposition).expect("written");
        fs::write(at("prometheus.yml"), "global: {}\n").expect("written");
        let mut promtool = Command::new("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(at("series"));
        let made = promtool.arg(at("data")).stdout(Stdio::null()).output();
        let Ok(made) = made else {
            let needs = "`promtool` is missing (Debian: `apt-get install prometheus`)";
            skipped("nothing is compared with Prometheus", needs);
            return None;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let address = format!("127.0.0.1:{}", port::free());
        let mut command = Command::new("prometheus");
        command.arg("--storage.tsdb.retention.time=100y");
        command.arg(format!("--web.listen-address={address}"));
        command.arg("--config.file").arg(at("prometheus.yml"));
        command.arg("--storage.tsdb.path").arg(at("data"));
        let process = Process::start("prometheus", &mut command, at("log"));
        let server = Self {
            origin: format!("http://{address}"),
            client: client(),
            _process: process,
            _folder: folder,
        };
        let ready = format!("{}/-/ready", server.origin);
        until_true("Prometheus is ready", PATIENCE, async || {
            let answer = server.client.get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        Some(server)
    }

    /// Its answer; times in milliseconds.
    pub(super) async fn query_range(
        &self,
        text: &str,
        (start, end): (i64, i64),
        step: i64,
    ) -> Value {
        let seconds = |time: i64| format!("{}.{:03}", time / 1000, time % 1000);
        let form = [
            ("query", text.to_owned()),
            ("start", seconds(start)),
            ("end", seconds(end)),
            ("step", seconds(step)),
        ];
        let asked = self.client.post(format!("{}/api/v1/query_range", self.origin)).form(&form);
        let answer = asked.send().await.expect("it answers");
        let text = answer.text().await.expect("a body");
        serde_json::from_str(&text).expect("JSON")
    }
}
