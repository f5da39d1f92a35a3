//! A project whose checks run in other regions, with tokens for their agents.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tripline::clock::Stopwatch;

use crate::daemon::end;
use crate::project::Project;
use crate::{Priority, client, target};

/// The regions.
pub(crate) const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "us-west-2"];

const START: Duration = Duration::from_mins(2);

/// The id of the check with this number.
pub(crate) fn check(number: usize) -> String {
    format!("check-{number:05}")
}

/// The optimised binary in the folder of a project.
fn program(project: &Project, priority: Priority) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_tripline"));
    let mut command = target::prioritised(program, priority);
    command.current_dir(project.path()).stdin(Stdio::null());
    command
}

/// Makes a token for each of `regions`. The store must be there.
pub(crate) fn tokens(project: &Project, regions: &[&str]) -> Result<Vec<String>> {
    let token = |region: &&str| {
        let mut command = program(project, Priority::Usual);
        let output = command.args(["token", "create", "--region", region]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "no token for {region}: {said}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    regions.iter().map(token).collect()
}

/// A running `tripline agent`. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    status: String,
    client: reqwest::Client,
}

impl Agent {
    /// Starts an agent of `region` of the hub at `hub`. Its data stays in the project's folder, for
    /// another start.
    pub(crate) fn start(
        project: &Project,
        hub: &str,
        (region, token): (&str, &str),
        priority: Priority,
    ) -> Result<Self> {
        let token_file = project.path().join(format!("{region}.token"));
        fs::write(&token_file, token)?;
        let log = File::create(project.path().join(format!("{region}.log")))?;
        let status = format!("127.0.0.1:{}", target::free_port()?);
        let mut command = program(project, priority);
        command
            .args(["agent", "--hub", hub, "--region", region, "--name", region])
            .args(["--status", &status, "--data-dir", &format!("agent-{region}"), "--token-file"])
            .arg(token_file)
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("failed to start an agent")?;
        let status = format!("http://{status}/healthz");
        let agent = Self { child, status, client: client::client()? };
        Ok(agent)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it says of itself; `None` before it answers.
    pub(crate) async fn status(&self) -> Option<Value> {
        let text = client::text(&self.client, &self.status).await.ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Waits until it runs `checks` checks itself.
    pub(crate) async fn runs(&self, checks: usize) -> Result<()> {
        let watch = Stopwatch::start();
        loop {
            let status = self.status().await;
            if status.as_ref().is_some_and(|it| it["own_checks"] == checks) {
                return Ok(());
            }
            ensure!(watch.elapsed() < START, "the agent does not run its checks: {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
