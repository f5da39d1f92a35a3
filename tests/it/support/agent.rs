//! A running agent of the real binary.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::hosts::Host;
use super::http;
use super::process::Process;
use super::wait::until;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) process: Process,
    /// Where it keeps what it must not forget.
    pub(crate) folder: PathBuf,
    /// The file with its token.
    pub(crate) token_file: PathBuf,
    /// Where it tells how it is doing.
    pub(crate) status: String,
    pub(crate) client: reqwest::Client,
    /// The host on which it runs, where that is another one.
    pub(crate) host: Option<Host>,
}

impl Agent {
    /// What it says of itself, if it answers.
    pub(crate) async fn status(&self) -> Option<Value> {
        match &self.host {
            None => self.client.get(&self.status).send().await.ok()?.json().await.ok(),
            Some(host) => host.visit(get(self.status.clone())).await.flatten(),
        }
    }

    /// Waits until what it says of itself `fits`.
    pub(crate) async fn says(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let what = format!("the agent says that {what}");
        until(&what, PATIENCE, async || {
            assert!(self.process.ended().is_none(), "the agent ended\n{}", self.process.log());
            self.status().await.filter(|status| fits(status))
        })
        .await
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn stop(&mut self) {
        let ended = self.process.stop(Duration::from_secs(20)).await;
        assert!(ended.success(), "{ended}\n{}", self.process.log());
    }

    /// Waits until it ends by itself; what it said.
    pub(crate) async fn gives_up(&mut self) -> String {
        let ended = until("the agent gives up", PATIENCE, async || self.process.ended()).await;
        assert!(!ended.success());
        self.process.log()
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

async fn get(url: String) -> Option<Value> {
    http::client().get(url).send().await.ok()?.json().await.ok()
}
