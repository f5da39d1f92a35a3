//! The optimised binary as a child process.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tripline::clock::Stopwatch;

use crate::project::Project;
use crate::{Priority, client, target};

const START: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(1);

/// A running daemon. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    /// From the start of the process to the first answer of the API.
    pub(crate) start_up: Duration,
    /// Where its API and the link of agents are.
    pub(crate) url: String,
}

impl Daemon {
    /// Starts `tripline up` on a project and waits for the first answer of its API.
    pub(crate) async fn start(project: &Project, priority: Priority) -> Result<Self> {
        project.write()?;
        Self::start_written(project, priority).await
    }

    /// The same on a project that was written before.
    pub(crate) async fn start_written(project: &Project, priority: Priority) -> Result<Self> {
        let port = target::free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let log_path = project.path().join(format!("daemon-{port}.log"));
        let log = File::create(&log_path)?;
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_tripline"));
        let mut command = target::prioritised(program, priority);
        command
            .args(["up", "--listen", &listen])
            .current_dir(project.path())
            .env("SLACK_BOT_TOKEN", "xoxb-load")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let client = client::client()?;
        let watch = Stopwatch::start();
        let child = command.spawn().context("failed to start tripline")?;
        let url = format!("http://{listen}");
        let mut daemon = Self { child, start_up: Duration::ZERO, url };
        loop {
            let answer = client.get(format!("{}/healthz", daemon.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                daemon.start_up = watch.elapsed();
                return Ok(daemon);
            }
            if daemon.child.try_wait()?.is_some() || watch.elapsed() > START {
                let log = std::fs::read_to_string(log_path).unwrap_or_default();
                bail!("tripline did not start:\n{log}");
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Stops a process in order, or else without.
pub(crate) fn end(child: &mut Child) {
    // Errors mean that it has ended already.
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_secs(15) {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}
