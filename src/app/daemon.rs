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
use uuid::Uuid;

use super::accounting::Accounting;
use super::assignments::{assignments, checks, dialer, rulebook};
use super::channels::{Transports, transports};
use super::descriptors;
use super::housekeeping::Housekeeping;
use super::hub::Aftermath;
use super::lanes::contacts;
use super::metronome::Metronome;
use super::project::Reading;
use super::storage;
use super::witness::Witness;
use super::works::{self, Works};
use crate::agent::{Agent, Limits, Scripts};
use crate::clock::Clock;
use crate::config::settings::{
    self, Agent as AgentSettings, Hub, Statsd as StatsdSettings, StatsdTags,
};
use crate::config::{Diagnostic, Environment, Project, Settings};
use crate::engine::judge::{ProjectJudge, Rulebook};
use crate::engine::review::{self, Reviews};
use crate::http::{self, Api, CheckSnapshot, Hosts, Pulse};
use crate::sandbox::Pool;
use crate::scheduler::{Scheduler, Tick};
use crate::statsd::{self, Sink};
use crate::store::accounts::Accounts;
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
    /// The API would be open to other machines, and the project does not say that it may.
    #[error(
        "`{0}` is open to other machines, which read all runs and incidents without signing in; \
         listen on 127.0.0.1, or allow it with `open_to_network = true` in [hub]"
    )]
    Open(SocketAddr),
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
    accounting: Arc<Accounting>,
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
        let listen = place_to_listen(listen, &settings.hub)?;
        let judge = Arc::new(ProjectJudge::new(rulebook(&project)?));
        let store = storage::open(&settings.store.place, command, &*clock).await?;
        let (listener, address) = listen_on(listen).await?;
        let works = Works::start(works::Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            judge: Arc::clone(&judge),
            clock: Arc::clone(&clock),
            witness: Arc::clone(&witness),
            transports: transports(settings, &witness)?,
            contacts: contacts(&settings.hub, address, settings.people.roster.clone()),
            statsd: sink(settings),
            scripts: Arc::clone(&pool) as Arc<dyn Scripts>,
            dialer: dialer(&settings.agent),
            limits: limits(&settings.agent),
        });
        descriptors::warn_if_too_low(&limits(&settings.agent));
        works.agent.assign(assignments(&project));
        let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(checks(&project)));
        let pulse = Arc::new(Pulse::default());
        let region = settings.agent.region.clone();
        let accounting = Accounting::new(&store, &clock, &snapshot, region.clone());
        let accounting = Arc::new(accounting);
        // Before the schedule begins: what it hands out is what is expected.
        accounting.expect().await?;
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
            store: Arc::clone(&store) as Arc<dyn Store>,
            accounts: Arc::clone(&store) as Arc<dyn Accounts>,
            clock: Arc::clone(&clock),
            checks: Arc::clone(&snapshot),
            version: env!("CARGO_PKG_VERSION"),
            pulse,
            intake: works.intake(),
            hosts,
        };
        works.spawn(|halt| http::serve(listener, http::router(api), halt));
        works.spawn(|halt| Arc::clone(&accounting).run(halt));
        let housekeeping = Housekeeping::new(&store, &clock, settings.store.retention);
        let store: Arc<dyn Store> = store;
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
            accounting,
            judge,
            works,
            metronome: std::sync::Mutex::new(metronome),
        };
        daemon.close_absent().await?;
        daemon.review();
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
        let project = self.with_fixed(project);
        let fresh = match self.prepare(&project) {
            Ok(fresh) => fresh,
            Err(error) => {
                let reason = Diagnostic::of_file(settings::FILE, error.to_string());
                return self.witness.refused(&[reason]);
            }
        };
        self.put_in_force(&project, fresh);
        if let Err(error) = self.accounting.expect().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "slots of the new checks are not accounted for");
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

    /// The project with what cannot change while the daemon runs as it was, so that no part of it
    /// goes by a value that another part does not have; says so.
    fn with_fixed(&self, mut project: Project) -> Project {
        let current = self.project.load();
        let (old, new) = (&current.settings, &mut project.settings);
        let (was, is) = (&old.agent, &mut new.agent);
        let changed = [
            // Listeners are not moved, and a store is not left while results are on their way.
            ("[hub]", keep(&old.hub, &mut new.hub)),
            ("[store]", keep(&old.store, &mut new.store)),
            // The children were started so.
            ("[agent] max_runs", keep(&was.max_runs, &mut is.max_runs)),
            ("[agent] sandbox", keep(&was.sandbox, &mut is.sandbox)),
        ];
        for (setting, _) in changed.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("{setting} was changed; that takes effect at the next start");
        }
        project
    }

    /// All of a new project that can be refused, made before any of it is in force.
    fn prepare(&self, new: &Project) -> Result<Fresh, StartError> {
        let current = self.project.load();
        let rulebook = rulebook(new)?;
        let (old, new) = (&current.settings, &new.settings);
        let same = old.slack == new.slack && old.twilio == new.twilio;
        Ok(Fresh {
            rulebook,
            transports: if same { Vec::new() } else { transports(new, &self.witness)? },
        })
    }

    /// Replaces the old project by a new one. Nothing here can fail or waits.
    fn put_in_force(&self, project: &Project, fresh: Fresh) {
        let settings = &project.settings;
        // The ways out first: a message that the new rules owe must find them.
        self.works.lanes.replace_transports(fresh.transports);
        self.works.lanes.replace_roster(settings.people.roster.clone());
        if self.project.load().settings.statsd != settings.statsd {
            self.works.replace_statsd(sink(settings));
        }
        self.judge.replace(fresh.rulebook);
        self.works.agent.assign_over(dialer(&settings.agent), assignments(project));
        let now_checked = checks(project);
        self.snapshot.store(Arc::new(now_checked.clone()));
        self.accounting.serve(settings.agent.region.clone());
        if let Ok(metronome) = self.metronome.lock() {
            metronome.replace(settings.agent.region.clone(), now_checked);
        }
    }

    /// Looks from time to time whether anybody knows how the checks are doing.
    fn review(&self) {
        let (witness, wake) = (Arc::clone(&self.witness), self.works.lanes.waker());
        let reviews = Reviews {
            store: Arc::clone(&self.store),
            judge: Arc::clone(&self.judge),
            clock: Arc::clone(&self.clock),
            observer: Arc::new(Aftermath { witness, wake }),
            holder: Uuid::new_v4().to_string(),
        };
        self.works.spawn(|halt| reviews.run(review::PAUSE, halt));
    }
}

/// What of a new project had to be made and could have been refused.
struct Fresh {
    rulebook: Rulebook,
    /// Empty where the channels stay as they are.
    transports: Transports,
}

/// Gives `new` the value of `old`; whether it had another.
fn keep<T: Clone + PartialEq>(old: &T, new: &mut T) -> bool {
    let changed = old != new;
    if changed {
        *new = old.clone();
    }
    changed
}

/// Where measurements go, if anywhere.
fn sink(settings: &Settings) -> Option<Arc<Sink>> {
    settings.statsd.as_ref().map(|it| Arc::new(Sink::start(statsd_options(it))))
}

/// Where the API listens: as told on the command line, or else as written.
fn place_to_listen(told: Option<SocketAddr>, hub: &Hub) -> Result<SocketAddr, StartError> {
    let place = told.unwrap_or(hub.listen);
    if settings::is_open(place) {
        if !hub.open_to_network {
            return Err(StartError::Open(place));
        }
        tracing::warn!(
            address = %place,
            "THE API IS OPEN TO THE NETWORK: whoever reaches it reads all runs and incidents \
             without signing in"
        );
    }
    Ok(place)
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
