//! The process that serves a region away from the hub: `tripline agent`.
//!
//! It runs slots exactly as the daemon's own agent does; only what to run comes over the link, and
//! reports go into the spool, from where they go to the hub. Without the hub it runs what it last
//! knew, and keeps what it saw. It dials out and listens to nobody but its own machine.
//!
//! It stops from the schedule downwards: no slot is taken any more and its name is given back, runs
//! end, their reports go into the spool, and as many as can be go to the hub.

mod contact;
mod course;
mod errands;
mod folder;
mod following;
mod handing;
mod keeper;
mod line;
mod registration;
mod shipping;
mod status;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::contact::Contact;
use self::errands::UnderWay;
use self::folder::Folder;
pub use self::folder::FolderError;
use self::keeper::{Keeper, Trouble};
use self::line::Line;
use super::assignments::{dialer, pool_options};
use super::descriptors;
use super::share::Share;
use super::works;
use crate::agent::{self, Agent};
use crate::clock::{Clock, Halt, Pulse};
use crate::config::settings::Agent as AgentSettings;
use crate::domain::backoff::Backoff;
use crate::http::agents::status::Source;
use crate::http::{self, Hosts};
use crate::link::cache::{Cache, Cached};
use crate::link::client::{self, Client, Route};
use crate::link::protocol::Goodbye;
use crate::link::spool::{self, Spool};
use crate::link::token::{self, Token};
use crate::sandbox::Pool;

/// How much longer a stop may take once there is hurry.
const HURRY: Duration = Duration::from_millis(500);
/// Waits between attempts to reach the hub.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(15) };

/// What an agent process is made from.
pub struct Plan {
    /// What it serves, and how.
    pub settings: AgentSettings,
    /// Its name, one in its region.
    pub name: Option<String>,
    /// The hub's address.
    pub hub: String,
    /// How the hub is reached.
    pub route: Route,
    /// The file that holds the token.
    pub token_file: PathBuf,
    /// Where it keeps what it must not forget.
    pub folder: PathBuf,
    /// How many bytes of reports it keeps while the hub is gone.
    pub spool_limit: u64,
    /// Where it tells how it is doing.
    pub listen: SocketAddr,
    /// The children that run scripts.
    pub pool: Arc<Pool>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Why an agent process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The hub cannot be asked at all.
    #[error(transparent)]
    Client(#[from] client::SetupError),
    /// There is no token.
    #[error("no token can be read from {path}: {reason}")]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The name cannot be one.
    #[error("the agent cannot be called `{name}`: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// The status cannot be told.
    #[error("failed to listen on {address}: {source}; choose another with --status")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refused a thread.
    #[error("failed to start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// The children that run scripts.
///
/// # Errors
///
/// When the system refuses them.
pub fn pool(settings: &AgentSettings) -> std::io::Result<Arc<Pool>> {
    Pool::start(pool_options(settings)).map(Arc::new)
}

/// What all parts of the process share.
struct Shared {
    settings: AgentSettings,
    name: String,
    instance: Uuid,
    hub: String,
    client: Arc<Client>,
    token_file: PathBuf,
    clock: Arc<dyn Clock>,
    folder: Folder,
    cache: Cache,
    spool: Arc<Spool>,
    /// There is something in the spool.
    spooled: Arc<Notify>,
    /// Reports that are not in the spool yet.
    line: Arc<Line>,
    /// Why the disk takes no reports.
    trouble: Arc<Trouble>,
    agent: Agent,
    /// What is run because somebody asked for it.
    errands: UnderWay,
    share: Share,
    pulse: Arc<Pulse>,
    contact: Mutex<Contact>,
    /// What is run.
    work: ArcSwapOption<Cached>,
    /// Something else is run than before.
    assigned: Notify,
    /// Whether the hub knows this agent.
    registered: watch::Sender<bool>,
    /// Why it is of no use to go on.
    fatal: watch::Sender<Option<String>>,
}

/// A running agent process.
pub struct AgentProcess {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: TaskTracker,
    /// What says that it lives.
    registering: TaskTracker,
    /// Ends what makes it an agent of its region.
    leaving: CancellationToken,
    /// Ends what brings reports.
    shipping: CancellationToken,
    /// Ends the rest.
    halt: Halt,
}

fn valid_name(name: String) -> Result<String, StartError> {
    match crate::domain::id::validate_name(&name) {
        Ok(()) => Ok(name),
        Err(error) => Err(StartError::Name { reason: error.to_string(), name }),
    }
}

impl AgentProcess {
    /// Starts everything. What was known before is run from now on.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let Plan {
            settings,
            name,
            hub,
            route,
            token_file,
            folder,
            spool_limit,
            listen,
            pool,
            clock,
        } = plan;
        let base = client::hub_address(&hub)?;
        let client = Arc::new(Client::new(base, read_token(&token_file)?, &route)?);
        warn_if_open(&token_file);
        let name = valid_name(name.unwrap_or_else(super::membership::host_name))?;
        let folder = Folder::take(folder)?;
        let spool = Arc::new(Spool::open(&folder.spool(), spool_limit).await?);
        let (address, listener) = bound_to(listen).await?;
        let spooled = Arc::new(Notify::new());
        let (registered, known) = watch::channel(false);
        let way = keeper::Hub::new(&client, &name, known);
        let trouble = Arc::new(Trouble::default());
        let line = keeper::line(spool_limit);
        let keeper = Keeper::start((&spool, &spooled), &line, way, &trouble);
        let agent = agent_of(&settings, &clock, pool, keeper);
        let pulse = Arc::new(Pulse::default());
        // Its hub assigns what is expected.
        let to = (agent.clone(), Arc::clone(&pulse), Arc::default());
        let share = Share::start(name.clone(), settings.region.clone(), Vec::new(), &clock, to);
        let share = share.map_err(StartError::Thread)?;
        let cache = Cache::new(folder.cache());
        let errands = UnderWay::beside(settings.max_runs);
        let shared = Arc::new(Shared {
            settings,
            name,
            instance: Uuid::new_v4(),
            hub,
            client,
            token_file,
            clock,
            folder,
            cache,
            spool,
            spooled,
            line,
            trouble,
            agent,
            errands,
            share,
            pulse,
            contact: Mutex::default(),
            work: ArcSwapOption::empty(),
            assigned: Notify::new(),
            registered,
            fatal: watch::Sender::new(None),
        });
        following::run_remembered(&shared);
        let process = Self {
            shared,
            address,
            tasks: TaskTracker::new(),
            registering: TaskTracker::new(),
            leaving: CancellationToken::new(),
            shipping: CancellationToken::new(),
            halt: Halt::new(),
        };
        process.spawn_loops(listener);
        Ok(process)
    }

    fn spawn_loops(&self, listener: TcpListener) {
        let shared = &self.shared;
        let until = |stop: &CancellationToken, work: futures::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            self.tasks.spawn(async move {
                stop.run_until_cancelled(work).await;
            });
        };
        self.registering.spawn(registration::run(Arc::clone(shared), self.leaving.clone()));
        self.registering.close();
        until(&self.leaving, Box::pin(following::run(Arc::clone(shared))));
        until(&self.shipping, Box::pin(shipping::run(Arc::clone(shared))));
        let source = Arc::clone(shared) as Arc<dyn Source>;
        let router = http::agents::status::router(source, Hosts::new(self.address, None));
        self.tasks.spawn(http::serve(listener, None, router, self.halt.clone()));
        self.tasks.close();
    }

    /// Where it tells how it is doing.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Waits until it is of no use to go on, and says why.
    pub async fn fatal(&self) -> String {
        let mut fatal = self.shared.fatal.subscribe();
        let why = fatal.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// Hurries a stop that is under way: runs are cut off, and nothing else is waited for longer
    /// than half a second.
    pub fn hurry(&self) {
        self.shared.agent.interrupt();
        self.halt.within(HURRY);
    }

    /// Stops everything in order, within `budget`: runs may take four tenths of it, and if they do,
    /// putting their reports into the spool a tenth; the last reports may take a fifth to the hub.
    /// What that is too short for is sent after the next start.
    pub async fn stop(&self, budget: Duration) {
        let (shared, tenth) = (&self.shared, budget / 10);
        self.halt.within(budget);
        shared.share.stop();
        // The other agents of the region take over while the last runs end.
        self.leaving.cancel();
        let ended = self.halt.bound(shared.agent.stop(tenth * 4, tenth));
        let (ended, ()) = tokio::join!(ended, self.say_goodbye(tenth * 4));
        if ended.is_none() {
            tracing::error!("some runs did not end, or their reports could not be kept");
        }
        self.shipping.cancel();
        let last = async { tokio::join!(shipping::drain(shared), shared.errands.ended()) };
        let last = tokio::time::timeout(tenth * 2, last);
        if self.halt.bound(last).await.is_none_or(|last| last.is_err()) {
            tracing::warn!("not all reports are with the hub; they are sent after the next start");
        }
        self.halt.ask();
        self.halt.bound(self.tasks.wait()).await;
    }

    async fn say_goodbye(&self, within: Duration) {
        let shared = &self.shared;
        let said = async {
            self.registering.wait().await;
            if *shared.registered.borrow() {
                let goodbye = Goodbye { name: shared.name.clone(), instance: shared.instance };
                // The lease ends by itself; this only makes it known sooner.
                let _ = shared.client.goodbye(&goodbye).await;
            }
        };
        let _ = self.halt.bound(tokio::time::timeout(within, said)).await;
    }
}

impl Shared {
    fn contact(&self) -> std::sync::MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives up; the process ends with these words.
    fn give_up(&self, why: String) {
        self.fatal.send_replace(Some(why));
    }

    /// Takes the token from its file again, which may have been replaced; whether it was.
    fn refresh_token(&self) -> bool {
        match read_token(&self.token_file) {
            Ok(token) if token != self.client.token() => {
                tracing::info!("there is a new token");
                self.client.replace_token(token);
                return true;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the token stays as it is"),
        }
        false
    }
}

/// A random number in `0.0..=1.0`, so that agents do not come back all at once.
fn jitter() -> f64 {
    let random = Uuid::new_v4().as_u128() >> 96;
    u32::try_from(random).map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The longest file that can hold a token, in bytes.
const LONGEST_TOKEN_FILE: u64 = 4 << 10;

fn read_token(path: &PathBuf) -> Result<Token, StartError> {
    use std::io::Read as _;
    let failed = |reason: String| StartError::Token { path: path.clone(), reason };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(LONGEST_TOKEN_FILE).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    Token::parse(&text).map_err(|error: token::Malformed| failed(error.to_string()))
}

/// Says so where everybody on this machine may read the token.
fn warn_if_open(path: &Path) {
    if let Some(mode) = mode_if_open(path) {
        tracing::warn!(
            event.action = "token-open",
            file = %path.display(),
            mode = format!("{mode:o}"),
            "everybody on this machine may read the token; `chmod 600` the file"
        );
    }
}

/// The mode of a file that everybody may read.
fn mode_if_open(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.permissions().mode() & 0o777).filter(|mode| mode & 0o004 != 0)
}

async fn bound_to(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = TcpListener::bind(address).await;
    let bound = listener.and_then(|it| Ok((it.local_addr()?, it)));
    bound.map_err(|source| StartError::Listen { address, source })
}

fn agent_of(
    settings: &AgentSettings,
    clock: &Arc<dyn Clock>,
    pool: Arc<Pool>,
    keeper: Keeper,
) -> Agent {
    let parts = agent::Parts {
        clock: Arc::clone(clock),
        dialer: dialer(settings),
        scripts: pool,
        hub: Arc::new(keeper),
    };
    let limits = works::limits(settings);
    descriptors::warn_if_too_low(&limits, 0);
    Agent::new(parts, limits)
}

/// An error and what caused it, in one line.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_everybody_may_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "x").expect("written");
        for (mode, expected) in [(0o600, None), (0o640, None), (0o644, Some(0o644))] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, permissions).expect("set");
            assert_eq!(mode_if_open(&file), expected, "{mode:o}");
        }
        assert_eq!(mode_if_open(&folder.path().join("none")), None);
    }
}
