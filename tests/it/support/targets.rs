//! Real applications, written by others, that the tests watch or are told by.
//!
//! They are installed once into `target/targets/`, in the versions that `tests/targets/` pins, and
//! started as child processes on free ports. Installing needs Python 3, Node.js and npm, and their
//! registries the first time.

mod browser;
mod clients;
mod django;
mod install;
mod oidc;
mod schemathesis;
mod statsd;
mod typescript;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::wait::until;
use super::{http, port};

pub(crate) use browser::browser_modules;
pub(crate) use clients::{Application, datadog, hot_shots};
pub(crate) use django::{PASSWORD, USER, django};
pub(crate) use oidc::{CLIENT, oidc_provider};
pub(crate) use schemathesis::schemathesis;
pub(crate) use statsd::{Graphite, statsd, statsd_to_graphite};
pub(crate) use typescript::{mistakes, mistakes_in_dashboards, mistakes_in_slack};
pub(crate) use webhooks::verdicts;

/// How long an application may take to start on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A running application over HTTP. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Target {
    /// Starts `command`, made for a port, and waits until `ready_path` answers 200.
    async fn start(
        name: &str,
        folder: TempDir,
        ready_path: &str,
        command: impl FnOnce(u16, &TempDir) -> Command,
    ) -> Self {
        let port = port::free();
        let log = folder.path().join("application.log");
        let process = Process::start(name, &mut command(port, &folder), log);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut target = Self { process, address, _folder: folder };
        let url = format!("{}{ready_path}", target.url());
        let client = http::client();
        until(&format!("{name} answers"), START, async || {
            let ended = target.process.ended();
            assert!(ended.is_none(), "{name} ended at its start: {ended:?}");
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        target
    }

    /// Where it is, as `http://...` without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
