//! The daemon: hub, one agent, the JSON API and the link to other regions in one process over one
//! store.
//!
//! Parts are started from the store upwards and stopped from the schedule downwards: first no slot
//! is taken any more, then the works end, and the store is closed last.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::accounting::Accounting;
use super::alarm::{self, Alarmed};
use super::assignments::{assignments, checks, dialer, rulebook};
use super::channels::{Transports, transports};
use super::clicks;
use super::emitting::sink;
use super::errands;
use super::faces;
use super::heart::Beat;
use super::housekeeping::Housekeeping;
use super::hub::{self, Aftermath};
use super::listening;
use super::membership::{self, Membership, OwnName};
use super::metering::{self, Meter, Points};
use super::people::People;
use super::project::Reading;
use super::proving::Proving;
use super::publication::{other_regions, publication};
use super::rules;
use super::share::{Expected, Share};
use super::storage;
use super::witness::Witness;
use super::works::{self, Works};
use crate::agent::Agent;
use crate::clock::{Clock, Pulse, haste};
use crate::config::settings;
use crate::config::{Diagnostic, Environment, Project, Settings};
use crate::domain::attendance::Listening;
use crate::domain::id::Region;
use crate::engine::clicks::{Clicks, Desk};
use crate::engine::judge::{ProjectJudge, Rulebook};
use crate::engine::review::{self, Reviews};
use crate::engine::rules::{RuleSet, WrongRule};
use crate::engine::tending::Tending;
use crate::engine::turns::Turns;
use crate::http::{self, CheckSnapshot, Loops, Tls};
use crate::link::publication::Publication;
use crate::sandbox::Pool;
use crate::statsd;
use crate::store::agents::Agents;
use crate::store::{self, IncidentFilter, IncidentRecord, Ledger};

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
        "`{0}` is open to other machines, which would read all runs and incidents without signing in; \
         have people sign in with `[[user]]`, listen on 127.0.0.1, or allow it with \
         `open_to_network = true` in [hub]"
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
    /// A rule's expression is none.
    #[error(transparent)]
    Rule(#[from] WrongRule),
    /// The API's certificate cannot be used.
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] http::tls::Error),
    /// Metrics cannot be received.
    #[error(transparent)]
    Statsd(#[from] statsd::BindError),
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
    access: Arc<http::Access>,
    address: SocketAddr,
    store: Arc<dyn Ledger>,
    accounting: Arc<Accounting>,
    alarmed: Arc<ArcSwap<Alarmed>>,
    judge: Arc<ProjectJudge>,
    rules: rules::InForce,
    works: Works,
    clicks: Arc<Clicks>,
    people: People,
    proving: Proving,
    share: Arc<Share>,
    membership: CancellationToken,
    publication: watch::Sender<Arc<Publication>>,
    tls: Option<Arc<Tls>>,
    told_regions: std::sync::Mutex<BTreeSet<Region>>,
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
        let listen = faces::place_to_listen(listen, (&settings.hub, &settings.users))?;
        let judge = Arc::new(ProjectJudge::new(rulebook(&project)?));
        let rules = Arc::new(ArcSwap::from_pointee(rules::of_project(&project)?));
        let (store, clock) = storage::open(&settings.store.place, command, clock).await?;
        let (snapshot, meter, points) = measured(&project);
        let (listeners, address, tls) = faces::bind(listen, &settings.hub).await?;
        let around = ((&store, &clock), (&judge, &witness), (&pool, meter));
        let works = Works::start(works::Parts::of(settings, address, around)?);
        works.agent.assign(assignments(&project));
        let (pulse, loops) = (Arc::new(Pulse::default()), Loops::new(works.intake().trouble));
        let accounting =
            Accounting::of(&project, (&store, &clock), (&snapshot, &judge), &loops).await?;
        let to = (works.agent.clone(), Arc::clone(&pulse), accounting.expected());
        let (share, membership) = join(&works, member_of(&project, address, &store, &clock, to)?);
        let acts = hub::acts(&works, (&store, &judge), (&clock, &witness));
        let errands = errands::start(settings, &works, (&store, &judge), (&share, &clock, &acts));
        let clicks = clicks::start(settings, &works, (&store, &errands, &acts))?;
        let people = People::start(settings, &works, &store, (&clock, &acts));
        let proving = Proving::start(&project, &works, (&store, &judge), (&clock, &witness))?;
        let (publication, published) = watch::channel(Arc::new(publication(&project)));
        let parts = faces::Parts {
            store: Arc::clone(&store),
            measured: listening::start(settings, &works, (&store, &clock), address)?,
            rules: Arc::clone(&rules),
            hub: (settings.hub.clone(), settings.users.clone(), address),
            clock: Arc::clone(&clock),
            checks: Arc::clone(&snapshot),
            pulse,
            loops: loops.clone(),
            retention: settings.store.retention,
            errands,
            acts,
            clicks: Arc::clone(&clicks),
            answers: Arc::clone(&people.answers),
            proving: proving.clone(),
            publication: published,
        };
        let access = faces::start(&works, parts, listeners);
        keep_house(&works, settings, (&store, &clock), (&accounting, (points, address)));
        let daemon = Self {
            alarmed: alarm_by(&works, &project, address),
            root: project.root.clone(),
            environment,
            pool,
            clock,
            witness,
            project: ArcSwap::from_pointee(project),
            snapshot,
            access,
            address,
            store,
            accounting,
            judge,
            rules,
            works,
            clicks,
            people,
            proving,
            share,
            membership,
            publication,
            tls,
            told_regions: std::sync::Mutex::default(),
        };
        daemon.begin(loops).await
    }

    /// What is done once all parts are there.
    async fn begin(self, loops: Loops) -> Result<Self, StartError> {
        works::warn_of_few_descriptors(&self.project.load().settings);
        self.close_absent().await?;
        self.tell_of_other_regions().await;
        self.review(loops.review);
        let around = (&self.clock, &self.witness, loops.rules);
        rules::begin(&self.works, &self.store, (&self.rules, &self.judge), around);
        Ok(self)
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
        // Before the schedule changes: what it hands out is what is expected.
        if let Err(error) = self.accounting.expect(&project).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "no slots are accounted for until the store takes the new ones");
        }
        self.put_in_force(&project, fresh);
        // After that: agents elsewhere run nothing that is not expected of them.
        self.publication.send_replace(Arc::new(publication(&project)));
        if let Err(error) = self.close_absent().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "incidents of removed checks were not closed");
        }
        self.witness.reloaded(&project);
        self.project.store(Arc::new(project));
        self.tell_of_other_regions().await;
    }

    /// Stops everything in order, within `budget`. What that is too short for goes on at the next
    /// start.
    pub async fn stop(&self, budget: Duration) {
        self.share.stop();
        // The other agents of the region take over while the last runs end.
        self.membership.cancel();
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
        let filter = IncidentFilter { open_only: true, limit: 100, ..IncidentFilter::default() };
        self.store.incidents(&filter).await
    }

    async fn close_absent(&self) -> Result<(), store::Error> {
        let is_closed = self.accounting.close_absent().await?;
        // Whatever is open is looked at by the rules as they are now.
        self.store.reconsider(self.clock.now()).await?;
        if is_closed {
            self.works.lanes.wake();
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
            ("how [statsd] receives", keep(&old.statsd_listener, &mut new.statsd_listener)),
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
    fn prepare(&self, project: &Project) -> Result<Fresh, StartError> {
        let current = self.project.load();
        let rulebook = rulebook(project)?;
        let (old, new) = (&current.settings, &project.settings);
        let same = old.has_channels_of(new);
        Ok(Fresh {
            rulebook,
            rules: rules::of_project(project)?,
            desk: if same { self.clicks.desk() } else { clicks::desk(new)? },
            transports: if same { Vec::new() } else { transports(new, &self.witness)? },
            beat: Beat::of(new)?,
            certificate: self.tls.as_deref().map(Tls::read_again).transpose()?,
        })
    }

    /// Replaces the old project by a new one. Nothing here can fail or waits.
    fn put_in_force(&self, project: &Project, fresh: Fresh) {
        let settings = &project.settings;
        self.access.replace(settings.users.clone());
        // The ways out first: a message that the new rules owe must find them.
        self.works.lanes.replace_transports(fresh.transports);
        self.clicks.replace(fresh.desk);
        self.works.lanes.replace_settings(settings);
        self.people.replace(settings);
        self.proving.replace(project, fresh.beat);
        if self.project.load().settings.statsd != settings.statsd {
            self.works.replace_statsd(sink(settings));
        }
        self.alarmed.store(Arc::new(Alarmed::of(project, membership::hub_name(self.address))));
        self.store.keep_by(metering::rules(&settings.metrics));
        self.judge.replace(fresh.rulebook);
        self.rules.store(Arc::new(fresh.rules));
        self.works.agent.assign_over(dialer(&settings.agent), assignments(project));
        let now_checked = checks(project);
        self.snapshot.store(Arc::new(now_checked.clone()));
        self.accounting.serve(settings.agent.region.clone());
        self.share.replace_in(settings.agent.region.clone(), now_checked);
        if let (Some(tls), Some(certificate)) = (&self.tls, fresh.certificate) {
            tls.replace(certificate);
        }
    }

    /// Looks from time to time whether anybody knows how the checks are doing, and whether the agents
    /// of all regions are there.
    fn review(&self, pulse: Arc<Pulse>) {
        let observer = Arc::new(Aftermath::of(&self.works, &self.witness));
        let (store, judge) = (Arc::clone(&self.store), Arc::clone(&self.judge));
        let clock = Arc::clone(&self.clock);
        let tending = Tending { store, judge, clock, observer: observer.clone() };
        let reviews = Reviews {
            store: Arc::clone(&self.store),
            judge: Arc::clone(&self.judge),
            clock: Arc::clone(&self.clock),
            observer,
            turns: Turns::new((&self.store, &self.clock), review::PART),
            listening: Listening::begun(self.clock.now()),
            looked: None,
            pulse,
        };
        self.works.spawn(|halt| reviews.run(haste::pause(review::PAUSE), halt));
        self.works.spawn(|halt| tending.run(halt));
    }
}

/// What of a new project had to be made and could have been refused.
struct Fresh {
    rulebook: Rulebook,
    rules: RuleSet,
    /// Empty where the channels stay as they are.
    transports: Transports,
    desk: Option<Arc<Desk>>,
    /// None where nobody is told that everything works.
    beat: Option<Arc<Beat>>,
    /// None where the hub speaks no TLS.
    certificate: Option<http::tls::Certificate>,
}

/// Gives `new` the value of `old`; whether it had another.
fn keep<T: Clone + PartialEq>(old: &T, new: &mut T) -> bool {
    let changed = old != new;
    if changed {
        *new = old.clone();
    }
    changed
}

/// The agent of this process among those of its region; the schedule begins.
fn member_of(
    project: &Project,
    api: SocketAddr,
    store: &Arc<dyn Ledger>,
    clock: &Arc<dyn Clock>,
    to: (Agent, Arc<Pulse>, Expected),
) -> Result<Membership, StartError> {
    let settings = &project.settings;
    let name = OwnName::new(&settings.store.place, api);
    let who = (settings.agent.region.clone(), name);
    let agents = Arc::clone(store) as Arc<dyn Agents>;
    Membership::join(who, checks(project), clock, agents, to).map_err(StartError::Thread)
}

/// Keeps what is stored in order, until the works end.
fn keep_house(
    works: &Works,
    settings: &Settings,
    (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
    (accounting, measured): (&Arc<Accounting>, (Points, SocketAddr)),
) {
    works.spawn(|halt| Arc::clone(accounting).run(halt));
    works.spawn(|halt| Housekeeping::new(store, clock, settings.store.retention).run(halt));
    metering::start(works, &settings.metrics, (store, clock), measured);
}

/// Tells from now on when the store takes nothing; whom, until others are named.
fn alarm_by(works: &Works, project: &Project, api: SocketAddr) -> Arc<ArcSwap<Alarmed>> {
    let alarmed = Alarmed::of(project, membership::hub_name(api));
    let (alarmed, trouble) = (Arc::new(ArcSwap::from_pointee(alarmed)), works.intake().trouble);
    works.spawn(|halt| alarm::run(trouble, Arc::clone(&alarmed), halt));
    alarmed
}

/// The checks of a project, and who measures their runs.
fn measured(project: &Project) -> (CheckSnapshot, Arc<Meter>, Points) {
    let snapshot: CheckSnapshot = Arc::new(ArcSwap::from_pointee(checks(project)));
    let (meter, points) = Meter::new(&snapshot);
    (snapshot, meter, points)
}

/// Takes part in the region from now on; says in what share, and how that is ended.
fn join(works: &Works, member: Membership) -> (Arc<Share>, CancellationToken) {
    let (share, ends) = (Arc::clone(&member.share), CancellationToken::new());
    works.spawn(|_| member.run(ends.clone()));
    (share, ends)
}
