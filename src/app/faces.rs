//! All that the daemon answers over HTTP: the JSON API, and the link to the agents of other regions.

use std::sync::Arc;

use axum::Router;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http::agents::{self, Intake, Link};
use crate::http::{self, Api, CheckSnapshot, Hosts, Pulse};
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
    /// Ends questions of agents that are left open.
    pub(super) closing: CancellationToken,
}

/// The router of all faces.
pub(super) fn router(parts: Parts) -> Router {
    let Parts { store, clock, checks, pulse, hosts, intake, publication, closing } = parts;
    let version = env!("CARGO_PKG_VERSION");
    let link = Link::new(agents::Parts {
        agents: Arc::clone(&store) as Arc<dyn Agents>,
        intake,
        publication,
        clock: Arc::clone(&clock),
        version,
        closing,
    });
    let agents = Arc::clone(&store) as Arc<dyn Agents>;
    let store = store as Arc<dyn Store>;
    let api = Api { store, agents, clock, checks, version, pulse, hosts };
    http::router(api).merge(agents::router(link))
}
