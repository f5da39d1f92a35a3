//! The daemon: hub, one agent, the JSON API and the link to other regions in one process over one
//! SQLite file.
//!
//! Parts are started from the store upwards and stopped from the schedule downwards: first no slot
//! is taken any more, then runs end, then what they reported is committed, then messages on their
//! way are finished, and the store is closed last.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::assignments::{assignments, checks, egress, rulebook};
use super::faces::{self, Listeners};
use super::hub::{Aftermath, LocalHub};
use super::lanes::Lanes;
use super::membership::Membership;
use super::project::Reading;
use super::publication::{other_regions, publication};
use super::share::Share;
use super::witness::Witness;
use crate::agent::{self, Agent, Limits};
use crate::clock::Clock;
use crate::config::settings::{Hub as HubSettings, Statsd as StatsdSettings, StatsdTags};
use crate::config::{Environment, Project};
use crate::domain::id::Region;
use crate::engine::ingest::{self, Committer, Ingest, Pace};
use crate::engine::judge::ProjectJudge;
use crate::http::{self, CheckSnapshot, Hosts, Pulse, Tls};
use crate::link::publication::Publication;
use crate::net::Dialer;
use crate::sandbox::Pool;
use crate::statsd::{self, Sink};
use crate::store::agents::Agents;
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
/// How long an agent that is gone is remembered.
const AGENTS_KEPT: TimeDelta = TimeDelta::days(30);

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
    #[error("failed to listen on {address}: {source}; choose another in [hub]")]
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
    /// The API's certificate cannot be used.
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] http::tls::Error),
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
    share: Arc<Share>,
    publication: watch::Sender<Arc<Publication>>,
    tls: Option<Arc<Tls>>,
    told_regions: std::sync::Mutex<BTreeSet<Region>>,
    membership: CancellationToken,
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
        let tls = tls_of(&settings.hub)?;
        let (listener, address) = listen_on(listen.unwrap_or(settings.hub.listen)).await?;
        let for_agents = listen_for_agents(&settings.hub).await?;
        let lanes = Lanes::start(settings, &store, &clock, &witness, address)?;
        let observer = Arc::new(Aftermath { witness: Arc::clone(&witness), wake: lanes.waker() });
        let (ingest, committer) = ingest_of(&store, &judge, &clock, observer);
        let (tasks, committing, serving) =
            (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        tasks.spawn(committer.run(committing.clone()));
        let statsd = settings.statsd.as_ref().map(|it| Arc::new(Sink::start(statsd_options(it))));
        let hub = Arc::new(LocalHub { ingest, statsd: statsd.clone(), clock: Arc::clone(&clock) });
        let agent = agent_of(&project, &clock, &pool, Arc::clone(&hub));
        let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(checks(&project)));
        let pulse = Arc::new(Pulse::default());
        let to = (agent.clone(), Arc::clone(&pulse));
        let agents = Arc::clone(&store) as Arc<dyn Agents>;
        let region = settings.agent.region.clone();
        let member = Membership::join(region, checks(&project), &clock, agents, to);
        let member = member.map_err(StartError::Thread)?;
        let (share, membership) = (Arc::clone(&member.share), CancellationToken::new());
        tasks.spawn(member.run(membership.clone()));
        let (publication, published) = watch::channel(Arc::new(publication(&project)));
        let public = url::Url::parse(&settings.hub.url).ok();
        let parts = faces::Parts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            checks: Arc::clone(&snapshot),
            pulse,
            hosts: Hosts::new(address, public.as_ref()),
            intake: hub,
            publication: published,
            closing: serving.clone(),
        };
        let listeners = Listeners { all: listener, agents: for_agents, tls: tls.clone() };
        faces::start(&tasks, parts, listeners);
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
            share,
            publication,
            tls,
            told_regions: std::sync::Mutex::default(),
            membership,
            lanes,
            statsd,
            tasks,
            committing,
            serving,
        };
        daemon.close_absent().await?;
        daemon.tell_of_other_regions().await;
        daemon.keep_house();
        Ok(daemon)
    }

    /// Where the API can be asked on this machine.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
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
        self.share.replace_checks(now_checked);
        self.publication.send_replace(Arc::new(publication(&project)));
        if let Some(tls) = &self.tls
            && let Err(error) = tls.reload()
        {
            tracing::error!(%error, "the certificate before stays in force");
        }
        if let Err(error) = self.close_absent().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "incidents of removed checks were not closed");
        }
        self.witness.reloaded(&project);
        self.project.store(Arc::new(project));
        self.tell_of_other_regions().await;
    }

    /// Ends all runs at once; they are reported as interrupted.
    pub fn interrupt(&self) {
        self.agent.interrupt();
    }

    /// Stops everything in order, within ten seconds.
    pub async fn stop(&self) {
        self.share.stop();
        self.membership.cancel();
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

    /// Says once of each region that checks name and no token is for that nobody runs them there.
    async fn tell_of_other_regions(&self) {
        let Ok(tokens) = self.store.tokens().await else { return };
        let project = self.project.load();
        for region in other_regions(&project, &project.settings.agent.region) {
            let may_come = tokens.iter().any(|it| it.region == region && it.revoked_at.is_none());
            let is_news = |mut told: MutexGuard<'_, BTreeSet<Region>>| told.insert(region.clone());
            if !may_come && self.told_regions.lock().is_ok_and(is_news) {
                tracing::warn!(
                    region = region.as_str(),
                    "checks name a region that no agent can serve yet; `tripline token create \
                     --region {region}` makes a token for one"
                );
            }
        }
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

    /// Forgets old runs from time to time.
    fn keep_house(&self) {
        let (store, clock, stop) =
            (Arc::clone(&self.store), Arc::clone(&self.clock), self.serving.clone());
        let retention = self.project.load().settings.store.retention;
        self.tasks.spawn(async move {
            loop {
                let before = clock.now() - retention;
                if let Err(error) = store.forget_agents(clock.now() - AGENTS_KEPT).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "agents that are gone were not forgotten");
                }
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

async fn listen_for_agents(hub: &HubSettings) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = hub.agents_listen else { return Ok(None) };
    let (listener, address) = listen_on(address).await?;
    tracing::info!(%address, "agents of other regions can dial in");
    Ok(Some(listener))
}

async fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn tls_of(hub: &HubSettings) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(tls) = &hub.tls else { return Ok(None) };
    Ok(Some(Arc::new(Tls::load(tls.certificate.clone(), tls.key.clone())?)))
}

fn ingest_of(
    store: &Arc<SqliteStore>,
    judge: &Arc<ProjectJudge>,
    clock: &Arc<dyn Clock>,
    observer: Arc<Aftermath>,
) -> (Ingest, Committer) {
    let parts = ingest::Parts {
        store: Arc::clone(store) as Arc<dyn Store>,
        judge: Arc::clone(judge),
        clock: Arc::clone(clock),
        observer,
    };
    Ingest::new(parts, Pace::default())
}

/// The agent of this process, with its assignments.
fn agent_of(
    project: &Project,
    clock: &Arc<dyn Clock>,
    pool: &Arc<Pool>,
    hub: Arc<LocalHub>,
) -> Agent {
    let settings = &project.settings.agent;
    let scripts = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    let parts = agent::Parts {
        clock: Arc::clone(clock),
        dialer: Arc::new(Dialer::new(egress(settings))),
        scripts: Arc::clone(pool) as Arc<dyn agent::Scripts>,
        hub,
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
