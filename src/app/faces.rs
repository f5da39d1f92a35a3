//! All that the daemon answers over HTTP: the JSON API, and the link to the agents of other regions.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::http::agents::{self, Intake, Link};
use crate::http::{self, Api, CheckSnapshot, Hosts, Pulse, Tls};
use crate::link::publication::Publication;
use crate::store::Store;
use crate::store::agents::Agents;
use crate::store::sqlite::SqliteStore;

/// What the faces need.
pub(super) struct Parts {
    /// What is remembered.
    pub(super) store: Arc<SqliteStore>,
    /// Tells the time.
    pub(super) clock: Arc<dyn Clock>,
    /// Which checks there are.
    pub(super) checks: CheckSnapshot,
    /// Whether the scheduler keeps up.
    pub(super) pulse: Arc<Pulse>,
    /// By which names the API may be addressed.
    pub(super) hosts: Hosts,
    /// Where the reports of agents go.
    pub(super) intake: Arc<dyn Intake>,
    /// What the agents are to run.
    pub(super) publication: watch::Receiver<Arc<Publication>>,
    /// Ends the faces.
    pub(super) closing: CancellationToken,
}

/// Where the faces listen.
pub(super) struct Listeners {
    /// For everybody who may reach it.
    pub(super) all: TcpListener,
    /// For agents of other regions, and nobody else.
    pub(super) agents: Option<TcpListener>,
    /// What they prove themselves with.
    pub(super) tls: Option<Arc<Tls>>,
}

/// Answers from now on, until `parts.closing`.
pub(super) fn start(tasks: &TaskTracker, parts: Parts, listeners: Listeners) {
    let Parts { store, clock, checks, pulse, hosts, intake, publication, closing } = parts;
    let version = env!("CARGO_PKG_VERSION");
    let link = Link::new(agents::Parts {
        agents: Arc::clone(&store) as Arc<dyn Agents>,
        intake,
        publication,
        clock: Arc::clone(&clock),
        version,
        closing: closing.clone(),
    });
    let agents = Arc::clone(&store) as Arc<dyn Agents>;
    let store = store as Arc<dyn Store>;
    let api = Api { store, agents, clock, checks, version, pulse, hosts };
    let all = http::router(api).merge(agents::router(link.clone()));
    let Listeners { all: listener, agents: for_agents, tls } = listeners;
    tasks.spawn(http::serve(listener, tls.clone(), all, closing.clone().cancelled_owned()));
    if let Some(listener) = for_agents {
        let link = agents::router_alone(link);
        tasks.spawn(http::serve(listener, tls, link, closing.cancelled_owned()));
    }
}
