//! `tripline agent`: runs the checks of another region.

use std::sync::Arc;

use super::args::{self, AgentPrivateAddresses, AgentSandbox, Global};
use super::exit::Exit;
use super::log;
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use super::up::{Event, Signals, with_causes};
use crate::app::agent::{AgentProcess, Plan, pool};
use crate::clock::{self, Clock};
use crate::config::settings::{Agent as AgentSettings, SandboxMode};
use crate::link::client::Route;
use crate::net::guard::{Policy, Ports, Private};

/// Runs the command until it is told to stop, or the hub does not want it.
pub(super) async fn run(
    wanted: args::Agent,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    run::start_log(global, log::Stream::Stdout, Stream::Out, terminal)?;
    let settings = AgentSettings {
        region: wanted.region,
        max_runs: wanted.max_runs,
        sandbox: match wanted.sandbox {
            AgentSandbox::Require => SandboxMode::Require,
            AgentSandbox::Degrade => SandboxMode::Degrade,
        },
        egress: Policy {
            private: match wanted.private_addresses {
                AgentPrivateAddresses::Allow => Private::Allow,
                AgentPrivateAddresses::Refuse => Private::Refuse,
            },
            allow: wanted.allow_network,
            refuse: wanted.refuse_network,
            ports: if wanted.port.is_empty() { Ports::Usual } else { Ports::Only(wanted.port) },
        },
        proxy: None,
    };
    if !wanted.status.ip().is_loopback() {
        let text = "--status must be an address of this machine's loopback, such as 127.0.0.1:7677";
        return Err(Stop::Usage(text.into()));
    }
    let authority = wanted.ca_file.map(|file| {
        std::fs::read(terminal.folder.join(&file))
            .map_err(|error| Stop::Usage(format!("failed to read {}: {error}", file.display())))
    });
    let pool = pool(&settings);
    let pool =
        pool.map_err(|error| Stop::Broken(format!("failed to start the sandbox: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(clock::System);
    let region = settings.region.to_string();
    let plan = Plan {
        settings,
        name: wanted.name,
        hub: wanted.hub.clone(),
        route: Route { authority: authority.transpose()?, proxy: wanted.proxy },
        token_file: terminal.folder.join(wanted.token_file),
        folder: terminal.folder.join(wanted.data_dir),
        spool_limit: wanted.spool << 20,
        listen: wanted.status,
        pool,
        clock,
    };
    let started = AgentProcess::start(plan).await;
    let process = started.map_err(|error| Stop::Broken(with_causes(&error)))?;
    let status = format!("http://{}/healthz", process.address());
    tracing::info!(region, name = process.name(), hub = wanted.hub, status, "serving");
    let mut signals = Signals::listen()?;
    let fatal = loop {
        tokio::select! {
            event = signals.next() => if event == Event::Stop { break None },
            why = process.fatal() => break Some(why),
        }
    };
    if fatal.is_none() {
        tracing::info!("stopping: no new runs; waiting for those under way");
    }
    stop(&process, &mut signals).await;
    if let Some(why) = fatal {
        return Err(Stop::Broken(why));
    }
    tracing::info!("stopped");
    Ok(Exit::Good)
}

/// Stops in order; a second signal ends that at once.
async fn stop(process: &AgentProcess, signals: &mut Signals) {
    let mut stopping = std::pin::pin!(process.stop(run::DAEMON_STOP));
    loop {
        tokio::select! {
            () = &mut stopping => return,
            event = signals.next() => if event == Event::Stop {
                tracing::warn!("stopping at once: runs under way are interrupted");
                process.hurry();
            },
        }
    }
}
