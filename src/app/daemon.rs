//! The daemon: hub, one agent and the JSON API in one process over one store.
//!
//! Parts are started from the store upwards and stopped from the schedule downwards: first no slot
//! is taken any more, then the works end, and the store is closed last.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;

use super::assignments::{assignments, checks, dialer, rulebook};
use super::channels::transports;
use super::housekeeping::Housekeeping;
use super::lanes::contacts;
use super::metronome::Metronome;
use super::project::Reading;
use super::storage;
use super::witness::Witness;
use super::works::{self, Works};
use crate::agent::{Agent, Limits, Scripts};
use crate::clock::Clock;
use crate::config::settings::{Agent as AgentSettings, Statsd as StatsdSettings, StatsdTags};
use crate::config::{Environment, Project};
use crate::engine::judge::ProjectJudge;
use crate::http::{self, Api, CheckSnapshot, Hosts, Pulse};
use crate::sandbox::Pool;
use crate::scheduler::{Scheduler, Tick};
use crate::statsd::{self, Sink};
use crate::store::{self, IncidentFilter, IncidentRecord, Store};

/// Plain requests under way at once.
const MOST_REQUESTS: usize = 512;

/// What a daemon is made from.
pub struct Plan {
    /// The project, without mistakes.
    pub project: Project,
    /// The children that run its scripts.
    pub pool: Arc<Pool>,
    /// What secrets are looked up in when the project is read again.
    pub environment: Environment,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who sees what happens.
    pub witness: Arc<dyn Witness>,
    /// Where the API listens, if not where the project says.
    pub listen: Option<SocketAddr>,
    /// What holds the store, for the message to the next one who tries: `tripline up`.
    pub command: &'static str,
}

/// Why a daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The API cannot listen.
    #[error(
        "failed to listen on {address}: {source}; choose another with --listen or [hub] listen"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A channel cannot be used.
    #[error("failed to set up {channel}: {source}")]
    Channel {
        /// Which.
        channel: &'static str,
        /// Why.
        source: crate::notify::SetupError,
    },
    /// A check names a policy that is not there.
    #[error(transparent)]
    Policy(#[from] crate::engine::judge::UnknownPolicy),
    /// The system refused a thread.
    #[error("failed to start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// A running daemon.
pub struct Daemon {
    root: PathBuf,
    environment: Environment,
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    witness: Arc<dyn Witness>,
    project: ArcSwap<Project>,
    snapshot: CheckSnapshot,
    address: SocketAddr,
    store: Arc<dyn Store>,
    judge: Arc<ProjectJudge>,
    works: Works,
    metronome: std::sync::Mutex<Metronome>,
}

impl Daemon {
    /// Starts everything. Slots are run from now on.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let Plan { project, pool, environment, clock, witness, listen, command } = plan;
        let settings = &project.settings;
        let judge = Arc::new(ProjectJudge::new(rulebook(&project)?));
        let store = storage::open(&settings.store.place, command, &*clock).await?;
        let (listener, address) = listen_on(listen.unwrap_or(settings.hub.listen)).await?;
        let works = Works::start(works::Parts {
            store: Arc::clone(&store),
            judge: Arc::clone(&judge),
            clock: Arc::clone(&clock),
            witness: Arc::clone(&witness),
            transports: transports(settings, &witness)?,
            contacts: contacts(&settings.hub, address, settings.people.roster.clone()),
            statsd: settings.statsd.as_ref().map(|it| Arc::new(Sink::start(statsd_options(it)))),
            scripts: Arc::clone(&pool) as Arc<dyn Scripts>,
            dialer: dialer(&settings.agent),
            limits: limits(&settings.agent),
        });
        works.agent.assign(assignments(&project));
        let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(checks(&project)));
        let pulse = Arc::new(Pulse::default());
        let region = settings.agent.region.clone();
        let scheduler = Scheduler::new(region, &snapshot.load(), clock.now());
        let metronome = Metronome::start(
            scheduler,
            Arc::clone(&clock),
            dispatch(works.agent.clone(), Arc::clone(&pulse)),
        )
        .map_err(StartError::Thread)?;
        let public = url::Url::parse(&settings.hub.url).ok();
        let hosts = Hosts::new(address, public.as_ref());
        let api = Api {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            checks: Arc::clone(&snapshot),
            version: env!("CARGO_PKG_VERSION"),
            pulse,
            hosts,
        };
        works.spawn(|halt| http::serve(listener, http::router(api), halt));
        let housekeeping = Housekeeping::new(&store, &clock, settings.store.retention);
        works.spawn(|halt| housekeeping.run(halt));
        let daemon = Self {
            root: project.root.clone(),
            environment,
            pool,
            clock,
            witness,
            project: ArcSwap::from_pointee(project),
            snapshot,
            address,
            store,
            judge,
            works,
            metronome: std::sync::Mutex::new(metronome),
        };
        daemon.close_absent().await?;
        Ok(daemon)
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The project folder.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// Reads the project again and puts it in force, or leaves the old one in force if the new one
    /// has mistakes. Says either to the witness.
    pub async fn reload(&self) {
        tracing::debug!("reading the project again");
        let reading = Reading::begin(&self.root, &self.environment);
        let project = match reading.finish(&self.pool).await {
            Ok(project) => project,
            Err(diagnostics) => return self.witness.refused(&diagnostics),
        };
        let Ok(rulebook) = rulebook(&project) else { return };
        self.warn_of_fixed(&project);
        self.judge.replace(rulebook);
        self.works.lanes.replace_roster(project.settings.people.roster.clone());
        self.works.agent.assign(assignments(&project));
        let now_checked = checks(&project);
        self.snapshot.store(Arc::new(now_checked.clone()));
        if let Ok(metronome) = self.metronome.lock() {
            metronome.replace(now_checked);
        }
        if let Err(error) = self.close_absent().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "incidents of removed checks were not closed");
        }
        self.witness.reloaded(&project);
        self.project.store(Arc::new(project));
    }

    /// Stops everything in order, within `budget`. What that is too short for goes on at the next
    /// start.
    pub async fn stop(&self, budget: Duration) {
        if let Ok(mut metronome) = self.metronome.lock() {
            metronome.stop();
        }
        self.works.stop(budget).await;
    }

    /// Hurries a stop that is under way: runs are cut off, and nothing else is waited for longer
    /// than half a second.
    pub fn hurry(&self) {
        self.works.hurry();
    }

    /// The incidents that are open, the latest first; no more than 100.
    ///
    /// # Errors
    ///
    /// [`store::Error`] when the store cannot be read.
    pub async fn open_incidents(&self) -> Result<Vec<IncidentRecord>, store::Error> {
        let filter = IncidentFilter { check: None, open_only: true, limit: 100 };
        self.store.incidents(&filter).await
    }

    async fn close_absent(&self) -> Result<(), store::Error> {
        let rulebook = self.judge.current();
        let closed = self.store.close_absent(&*rulebook, self.clock.now()).await?;
        if !closed.is_empty() {
            self.works.lanes.wake();
        }
        Ok(())
    }

    /// Some settings are read at the start only.
    fn warn_of_fixed(&self, new: &Project) {
        let (old, new) = (&self.project.load().settings, &new.settings);
        let sections = [
            ("hub", old.hub == new.hub),
            ("store", old.store == new.store),
            ("statsd", old.statsd == new.statsd),
            ("slack", old.slack == new.slack),
            ("twilio", old.twilio == new.twilio),
            ("agent", old.agent == new.agent),
        ];
        for (section, _) in sections.iter().filter(|(_, same)| !same) {
            tracing::warn!("[{section}] was changed; that takes effect at the next start");
        }
    }
}

async fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// How many runs there may be at a time.
fn limits(settings: &AgentSettings) -> Limits {
    let scripts = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    Limits { scripts, requests: MOST_REQUESTS }
}

fn statsd_options(settings: &StatsdSettings) -> statsd::Options {
    statsd::Options {
        send_to: settings.send_to.clone(),
        prefix: settings.prefix.clone(),
        tags: match settings.tags {
            StatsdTags::None => statsd::Style::Plain,
            StatsdTags::Dogstatsd => statsd::Style::Dogstatsd,
        },
    }
}

/// Hands slots to the agent, from the metronome's thread.
fn dispatch(agent: Agent, pulse: Arc<Pulse>) -> impl Fn(Tick) + Send + 'static {
    let runtime = tokio::runtime::Handle::current();
    move |tick| {
        let _guard = runtime.enter();
        for due in tick.due {
            if due.missed > 0 {
                tracing::warn!(
                    check = %due.check.id,
                    slots = due.missed,
                    "slots went by unasked: this machine slept or its clock jumped"
                );
            }
            agent.start(due.slot);
        }
        pulse.expect(tick.wake_at);
    }
}
