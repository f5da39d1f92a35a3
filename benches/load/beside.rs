//! A server of somebody else's, to be measured beside ours.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tripline::clock::Stopwatch;

use crate::target::free_port;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running server of the Prometheus family. It ends when this is dropped.
pub(crate) struct Beside {
    child: Child,
    /// Where it listens.
    pub(crate) origin: String,
}

impl Beside {
    /// Starts `command`, and waits until it answers.
    pub(crate) async fn start(mut command: Command, client: &reqwest::Client) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        command.arg(format!("--web.listen-address={address}"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("failed to start {command:?}"))?;
        let mut server = Self { child, origin: format!("http://{address}") };
        let watch = Stopwatch::start();
        while watch.elapsed() < PATIENCE {
            let answer = client.get(format!("{}/-/ready", server.origin)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}: {command:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("it did not answer: {command:?}");
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `program`, of the Debian package of this name, says of its version.
pub(crate) fn version(program: &str) -> Result<String> {
    let said = Command::new(program).arg("--version").output();
    let said = said.with_context(|| format!("failed to start {program} (Debian: {program})"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(said.lines().next().unwrap_or_default().to_owned())
}
