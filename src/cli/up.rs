//! `tripline up`: runs the checks on schedule, and tells people when they fail.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::{Global, Up};
use super::exit::Exit;
use super::live::{Live, SUMMARY_EVERY};
use super::log::{self, Format};
use super::look::moment;
use super::onlooker::{Onlooker, Recorder};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal};
use crate::app::daemon::{Daemon, Plan, StartError};
use crate::app::project::Reading;
use crate::app::watch::Watch;
use crate::app::witness::Witness;
use crate::clock::{self, Clock};
use crate::config::Project;
use crate::config::settings::Place;
use crate::domain::check::Check;
use crate::store::IncidentRecord;

/// Runs the command until it is told to stop.
pub(super) async fn run(wanted: &Up, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    run::start_log(global, log::Stream::Stdout, Stream::Out, terminal)?;
    let root = run::root(global, terminal)?;
    let environment = run::environment(global, terminal)?;
    // Before it is read, so that no edit goes unnoticed, however long the start takes.
    let watch = Watch::start(&root);
    let reading = Reading::begin(&root, &environment);
    let pool = run::pool(&reading)?;
    let project = run::project(reading, &pool, global, terminal).await?;
    let clock: Arc<dyn Clock> = Arc::new(clock::System);
    let eyes = Eyes::open(global.log_format, &project, terminal, &clock);
    let welcome = Welcome::of(&project);
    let plan = Plan {
        project,
        pool,
        environment,
        clock,
        witness: eyes.witness(),
        listen: wanted.listen,
        command: "tripline up",
    };
    // From now on a signal is heeded; before, nothing is begun that it could leave half done.
    let mut signals = Signals::listen()?;
    let daemon = started(plan).await.map_err(|error| welcome.missed(&error))?;
    welcome.say(&daemon);
    say_open(&daemon).await;
    let mut watch = watch.inspect_err(tell_unwatched).ok();
    loop {
        let event = tokio::select! {
            event = signals.next() => event,
            () = changed(&mut watch) => Event::Reload,
            () = eyes.summarise() => continue,
        };
        if event == Event::Stop || reload(&daemon, &mut signals).await == Event::Stop {
            break;
        }
    }
    tracing::info!("stopping: no new runs; waiting for those under way");
    stop(&daemon, &mut signals).await;
    eyes.close();
    tracing::info!("stopped");
    Ok(Exit::Good)
}

/// Starts the daemon on the thread of the runtime, and not on this one: what a start takes of memory and
/// gives back would not be used again by the other.
async fn started(plan: Plan) -> Result<Daemon, StartError> {
    let started = tokio::spawn(Daemon::start(plan)).await;
    // Nobody takes the task away, so it ended, or it panicked.
    started.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Reads the project again, and once more when that is asked for meanwhile. A stop is not kept
/// waiting by scripts that take their time to be read.
async fn reload(daemon: &Daemon, signals: &mut Signals) -> Event {
    let mut again = true;
    while again {
        again = false;
        let mut reloading = std::pin::pin!(daemon.reload());
        loop {
            tokio::select! {
                () = &mut reloading => break,
                event = signals.next() => match event {
                    Event::Stop => return Event::Stop,
                    Event::Reload => again = true,
                },
            }
        }
    }
    Event::Reload
}

/// Stops in order; a second signal ends that at once.
pub(super) async fn stop(daemon: &Daemon, signals: &mut Signals) {
    let mut stopping = std::pin::pin!(daemon.stop(run::DAEMON_STOP));
    loop {
        tokio::select! {
            () = &mut stopping => return,
            event = signals.next() => if event == Event::Stop {
                tracing::warn!("stopping at once: runs under way are interrupted");
                daemon.hurry();
            },
        }
    }
}

/// An error and what caused it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let mut text = error.to_string();
    for cause in causes.map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Waits until files changed; forever where that cannot be noticed.
async fn changed(watch: &mut Option<Watch>) {
    if let Some(watching) = watch {
        match watching.changed().await {
            Ok(()) => return,
            Err(error) => tell_unwatched(&error),
        }
        *watch = None;
    }
    std::future::pending::<()>().await;
}

fn tell_unwatched(error: &file_watcher::Error) {
    tracing::warn!(%error, "changes of files go unnoticed; SIGHUP reads the project again");
}

/// What the operating system tells the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Reload,
    Stop,
}

/// The signals that a daemon heeds.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Stop> {
        let of = |kind| {
            let failed = |error| Stop::Broken(format!("failed to listen to signals: {error}"));
            signal(kind).map_err(failed)
        };
        Ok(Self {
            hangup: of(SignalKind::hangup())?,
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.hangup.recv() => Event::Reload,
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
        }
    }
}

/// Who looks on: lines for people, or records for machines.
pub(super) enum Eyes {
    People(Arc<Onlooker>),
    Machines(Arc<Recorder>),
}

impl Eyes {
    pub(super) fn open(
        format: Format,
        project: &Project,
        terminal: &Terminal,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        match format {
            Format::Json => Self::Machines(Arc::new(Recorder)),
            Format::Human => {
                let checks: Vec<Arc<Check>> = project.checks.values().cloned().collect();
                let live = Live::new(terminal.look(Stream::Out), &checks);
                let style = terminal.style(Stream::Err);
                Self::People(Arc::new(Onlooker::new(live, style, Arc::clone(clock))))
            }
        }
    }

    pub(super) fn witness(&self) -> Arc<dyn Witness> {
        match self {
            Self::People(onlooker) => Arc::clone(onlooker) as Arc<dyn Witness>,
            Self::Machines(recorder) => Arc::clone(recorder) as Arc<dyn Witness>,
        }
    }

    /// Waits a while, then writes about what was folded meanwhile.
    pub(super) async fn summarise(&self) {
        match self {
            Self::People(onlooker) => {
                tokio::time::sleep(SUMMARY_EVERY).await;
                onlooker.summarise();
            }
            Self::Machines(_) => std::future::pending().await,
        }
    }

    /// Writes what is left to be written.
    pub(super) fn close(&self) {
        if let Self::People(onlooker) = self {
            onlooker.summarise();
        }
    }
}

/// Says what was wrong before, since only what changes is said from now on.
async fn say_open(daemon: &Daemon) {
    let open = match daemon.open_incidents().await {
        Ok(open) => open,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            return tracing::error!(error, "it is not known which incidents are open");
        }
    };
    for IncidentRecord { id, subject, incident } in open {
        let since = moment(incident.since);
        let told: Vec<String> = incident.told.iter().map(ToString::to_string).collect();
        let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
        tracing::warn!(%subject, told, incident = id.0, "incident {id} is open since {since}");
    }
}

/// What is said when all is up.
struct Welcome {
    checks: usize,
    disabled: usize,
    region: String,
    store: Place,
    shown: Vec<&'static str>,
}

impl Welcome {
    fn of(project: &Project) -> Self {
        let settings = &project.settings;
        // Whoever sends nothing by a channel misses nothing.
        let shown = settings.lacking(project.policies_in_use()).into_iter();
        Self {
            checks: project.checks.len(),
            disabled: project.disabled.len(),
            region: settings.agent.region.to_string(),
            store: settings.store.place.clone(),
            shown: shown.map(|(channel, _)| channel.as_str()).collect(),
        }
    }

    /// Why there is no daemon; names the file of the store where that is what failed.
    fn missed(&self, error: &StartError) -> Stop {
        let text = with_causes(error);
        if !matches!(error, StartError::Store(_)) {
            return Stop::Broken(text);
        }
        let store = self.store.to_string();
        Stop::Broken(match self.store.obstacle() {
            Some(obstacle) => format!("no store can be at {store}: {obstacle} as `url` in [store]"),
            None if text.contains(&store) => text,
            None => format!("{text}; the store is {store}"),
        })
    }

    fn say(&self, daemon: &Daemon) {
        tracing::info!(
            checks = self.checks,
            disabled = self.disabled,
            region = self.region,
            store = self.store.to_string(),
            api = daemon.url(),
            "watching"
        );
        if self.checks == 0 {
            tracing::warn!(
                "there is nothing to watch yet: write a check in checks/, or a [[check]] in \
                 tripline.toml"
            );
        }
        if !self.shown.is_empty() {
            let channels = self.shown.join(", ");
            tracing::warn!(channels, "no credentials: messages are shown here instead of sent");
        }
    }
}
