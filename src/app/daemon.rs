//! The daemon: hub, one agent and the JSON API in one process over one SQLite file.
//!
//! Parts are started from the store upwards and stopped from the schedule downwards: first no slot
//! is taken any more, then runs end, then what they reported is committed, then messages on their
//! way are finished, and the store is closed last.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::assignments::{assignments, checks, egress, rulebook};
use super::hub::{Aftermath, LocalHub};
use super::lanes::Lanes;
use super::metronome::Metronome;
use super::project::Reading;
use super::witness::Witness;
use crate::agent::{self, Agent, Limits};
use crate::clock::Clock;
use crate::config::settings::{Statsd as StatsdSettings, StatsdTags};
use crate::config::{Environment, Project};
use crate::engine::ingest::{self, Ingest, Pace};
use crate::engine::judge::ProjectJudge;
use crate::engine::review::{self, Reviews};
use crate::http::{self, Api, CheckSnapshot, Hosts, Pulse};
use crate::net::Dialer;
use crate::sandbox::Pool;
use crate::scheduler::{Scheduler, Tick};
use crate::statsd::{self, Sink};
use crate::store::sqlite::{Holder, SqliteStore};
use crate::store::{self, Store};

/// How long runs may go on after the stop, before they are interrupted.
const RUNS_GRACE: Duration = Duration::from_secs(5);
/// How long everything after the runs may take at the stop.
const REST_GRACE: Duration = Duration::from_secs(4);
/// Plain requests under way at once.
const MOST_REQUESTS: usize = 512;
/// How often old runs are looked for, and how many are forgotten at a time.
const HOUSEKEEPING: Duration = Duration::from_mins(10);
const FORGET_AT_ONCE: u32 = 5_000;

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
    #[error("failed to listen on {address}: {source}; choose another with [hub] listen")]
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
    store: Arc<SqliteStore>,
    judge: Arc<ProjectJudge>,
    agent: Agent,
    metronome: std::sync::Mutex<Metronome>,
    lanes: Lanes,
    statsd: Option<Arc<Sink>>,
    tasks: TaskTracker,
    committing: CancellationToken,
    serving: CancellationToken,
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
        let holder = Holder { command: command.to_owned(), since: clock.now() };
        let store = Arc::new(SqliteStore::open(&settings.store.path, &holder).await?);
        let (listener, address) = listen_on(listen.unwrap_or(settings.hub.listen)).await?;
        let lanes = Lanes::start(settings, &store, &clock, &witness, address)?;
        let observer = Arc::new(Aftermath { witness: Arc::clone(&witness), wake: lanes.waker() });
        let parts = ingest::Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            judge: Arc::clone(&judge),
            clock: Arc::clone(&clock),
            observer,
        };
        let (ingest, committer) = Ingest::new(parts, Pace::default());
        let (tasks, committing, serving) =
            (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        tasks.spawn(committer.run(committing.clone()));
        let statsd = settings.statsd.as_ref().map(|it| Arc::new(Sink::start(statsd_options(it))));
        let hub = LocalHub { ingest, statsd: statsd.clone() };
        let agent = agent_of(&project, &clock, &pool, hub);
        let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(checks(&project)));
        let pulse = Arc::new(Pulse::default());
        let region = settings.agent.region.clone();
        let scheduler = Scheduler::new(region, &snapshot.load(), clock.now());
        let metronome = Metronome::start(
            scheduler,
            Arc::clone(&clock),
            dispatch(agent.clone(), Arc::clone(&pulse)),
        )
        .map_err(StartError::Thread)?;
        let public = url::Url::parse(&settings.hub.url).ok();
        let hosts = Hosts::new(address, public.as_ref());
        let api = Api {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::clone(&clock),
            checks: Arc::clone(&snapshot),
            version: env!("CARGO_PKG_VERSION"),
            pulse,
            hosts,
        };
        let stopped = serving.clone().cancelled_owned();
        tasks.spawn(http::serve(listener, http::router(api), stopped));
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
            agent,
            metronome: std::sync::Mutex::new(metronome),
            lanes,
            statsd,
            tasks,
            committing,
            serving,
        };
        daemon.close_absent().await?;
        daemon.keep_house();
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
        let reading = Reading::begin(&self.root, &self.environment);
        let project = match reading.finish(&self.pool).await {
            Ok(project) => project,
            Err(diagnostics) => return self.witness.refused(&diagnostics),
        };
        let Ok(rulebook) = rulebook(&project) else { return };
        self.warn_of_fixed(&project);
        self.judge.replace(rulebook);
        self.lanes.replace_roster(project.settings.people.roster.clone());
        self.agent.assign(assignments(&project));
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

    /// Ends all runs at once; they are reported as interrupted.
    pub fn interrupt(&self) {
        self.agent.interrupt();
    }

    /// Stops everything in order, within ten seconds.
    pub async fn stop(&self) {
        if let Ok(mut metronome) = self.metronome.lock() {
            metronome.stop();
        }
        self.agent.stop(RUNS_GRACE).await;
        let rest = async {
            self.lanes.stop().await;
            if let Some(statsd) = &self.statsd {
                statsd.stop().await;
            }
            self.committing.cancel();
            self.serving.cancel();
            self.tasks.close();
            self.tasks.wait().await;
            self.store.close().await;
        };
        if tokio::time::timeout(REST_GRACE, rest).await.is_err() {
            tracing::warn!("stopped before everything was finished; it goes on at the next start");
        }
    }

    async fn close_absent(&self) -> Result<(), store::Error> {
        let rulebook = self.judge.current();
        let closed = self.store.close_absent(&*rulebook, self.clock.now()).await?;
        if !closed.is_empty() {
            self.lanes.wake();
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

    /// Looks from time to time whether anybody knows how the checks are doing.
    fn review(&self) {
        let (witness, wake) = (Arc::clone(&self.witness), self.lanes.waker());
        let reviews = Reviews {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            judge: Arc::clone(&self.judge),
            clock: Arc::clone(&self.clock),
            observer: Arc::new(Aftermath { witness, wake }),
        };
        self.tasks.spawn(reviews.run(review::PAUSE, self.serving.clone()));
    }

    /// Forgets old runs from time to time.
    fn keep_house(&self) {
        let (store, clock, stop) =
            (Arc::clone(&self.store), Arc::clone(&self.clock), self.serving.clone());
        let retention = self.project.load().settings.store.retention;
        self.tasks.spawn(async move {
            loop {
                let before = clock.now() - retention;
                let more = match store.forget_runs(before, FORGET_AT_ONCE).await {
                    Ok(forgotten) => forgotten >= u64::from(FORGET_AT_ONCE),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "old runs were not forgotten");
                        false
                    }
                };
                let pause = if more { Duration::from_secs(1) } else { HOUSEKEEPING };
                if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        });
    }
}

async fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// The agent of this process, with its assignments.
fn agent_of(project: &Project, clock: &Arc<dyn Clock>, pool: &Arc<Pool>, hub: LocalHub) -> Agent {
    let settings = &project.settings.agent;
    let scripts = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    let parts = agent::Parts {
        clock: Arc::clone(clock),
        dialer: Arc::new(Dialer::new(egress(settings))),
        scripts: Arc::clone(pool) as Arc<dyn agent::Scripts>,
        hub: Arc::new(hub),
    };
    let agent = Agent::new(parts, Limits { scripts, requests: MOST_REQUESTS });
    agent.assign(assignments(project));
    agent
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
