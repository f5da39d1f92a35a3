//! Runs the command that was asked for and says how it ended.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use super::args::{self, Arguments, Command, Global};
use super::exit::Exit;
use super::log::Format;
use super::terminal::{Stream, Terminal};
use super::{
    act, agent, demo, diagnostics, drill, env_file, init, log, metrics, oncall, policy, query,
    route, rule, run_now, store, tell, test, token, up, uptime, user, validate, why,
};
use crate::app::descriptors;
use crate::app::project::Reading;
use crate::clock;
use crate::config::{Diagnostic, Environment, MissingSecrets, Project, find_root};
use crate::sandbox::{Pool, child};

/// Runs the program as its arguments say.
pub fn run() -> Exit {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::ARGUMENT) {
        child::run(arguments);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done about an output that is closed.
            let _ = error.print();
            let is_asked =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if is_asked { Exit::Good } else { Exit::Usage };
        }
    };
    let (terminal, format) = (Terminal::read(), arguments.global.log_format);
    descriptors::raise();
    // One provider for every TLS client of the process; this is the first and only time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(MOST_BLOCKING)
        .thread_stack_size(STACK)
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(command(arguments, &terminal));
            // Dropped, it would wait for a lookup of a name, however long that takes.
            runtime.shutdown_timeout(RUNTIME_END);
            ended
        }
        Err(error) => Err(Stop::Broken(format!("failed to start the runtime: {error}"))),
    };
    ended.unwrap_or_else(|stop| stop.told(&terminal, format))
}

/// How long a daemon may take to stop, from the signal to the end of the process.
const STOP: Duration = Duration::from_secs(10);
/// How much of that is kept for what blocks threads of the runtime, and for burying the children,
/// which takes a second where the system is slow to let go of them.
const RUNTIME_END: Duration = Duration::from_millis(500);
const CHILDREN_END: Duration = Duration::from_secs(1);
/// How much of it there is for the daemon.
pub(super) const DAEMON_STOP: Duration =
    STOP.saturating_sub(CHILDREN_END).saturating_sub(RUNTIME_END);

/// Threads of the runtime: what they do is short, so few are enough, and each costs memory.
const WORKERS: usize = 1;
/// Threads for what blocks: looking up names, reading files.
const MOST_BLOCKING: usize = 32;
const STACK: usize = 1 << 20;

async fn command(arguments: Arguments, terminal: &Terminal) -> Result<Exit, Stop> {
    let Arguments { global, command } = arguments;
    if !matches!(command, Command::Up(_) | Command::Agent(_) | Command::Demo(_)) {
        start_log(&global, log::Stream::Stderr, Stream::Err, terminal)?;
    }
    match command {
        Command::Init(wanted) => made(&wanted, terminal),
        Command::Validate(wanted) => validated(&wanted, &global, terminal).await,
        Command::Test(wanted) => test::run(&wanted, &global, terminal).await,
        Command::Tell(wanted) => tell::run(&wanted, &global, terminal).await,
        Command::Up(wanted) => Box::pin(up::run(&wanted, &global, terminal)).await,
        Command::Agent(wanted) => agent::run(wanted, &global, terminal).await,
        Command::Token(wanted) => token::run(&wanted, &global, terminal).await,
        Command::User(wanted) => user::run(&wanted.command),
        Command::Demo(wanted) => Box::pin(demo::run(&wanted, &global, terminal)).await,
        Command::Uptime(wanted) => uptime::run(&wanted, &global, terminal).await,
        Command::Drill(wanted) => drill::drill(&wanted, &global, terminal).await,
        Command::RunNow(wanted) => run_now::run(&wanted, &global, terminal).await,
        Command::Ack(wanted) => act::ack(&wanted, &global, terminal).await,
        Command::Unack(wanted) => act::unack(&wanted, &global, terminal).await,
        Command::Resolve(wanted) => act::resolve(&wanted, &global, terminal).await,
        Command::Note(wanted) => act::note(&wanted, &global, terminal).await,
        Command::Silence(wanted) => act::silence(&wanted, &global, terminal).await,
        Command::Silences(wanted) => act::silences(&wanted, &global, terminal).await,
        Command::Unsilence(wanted) => act::unsilence(&wanted, &global, terminal).await,
        Command::Why(wanted) => why::run(&wanted, &global, terminal).await,
        Command::Route(wanted) => route::run(&wanted, &global, terminal).await,
        Command::Policy(wanted) => policy::run(&wanted.command, &global, terminal).await,
        Command::Query(wanted) => query::run(&wanted, &global, terminal).await,
        Command::Rule(wanted) => rule::run(&wanted.command, &global, terminal).await,
        Command::Oncall(wanted) => oncall::run(&wanted, &global, terminal),
        Command::Metrics(wanted) => metrics::run(&wanted, &global, terminal).await,
        Command::Store(wanted) => store::run(&wanted, &global, terminal).await,
        Command::SandboxChild => {
            Err(Stop::Usage("this command is started by tripline itself".into()))
        }
    }
}

/// Why a command ended before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The command line asks for what is not there.
    Usage(String),
    /// The project cannot be used.
    Invalid(Vec<Diagnostic>),
    /// There is no project.
    NoProject(String),
    /// Something of ours failed.
    Broken(String),
    /// Nobody reads the output any more.
    Unread,
}

impl Stop {
    /// Says why, in the form of the log where that is for machines and there is one.
    fn told(self, terminal: &Terminal, format: Format) -> Exit {
        if format == Format::Json {
            match &self {
                Self::Invalid(diagnostics) => {
                    diagnostics::log(diagnostics, "the project is invalid");
                    return Exit::ProjectInvalid;
                }
                Self::NoProject(reason) => {
                    tracing::error!(event.action = "start", reason, "there is no project");
                    return Exit::ProjectInvalid;
                }
                Self::Broken(reason) => {
                    tracing::error!(event.action = "start", reason, "the command failed");
                    return Exit::Broken;
                }
                Self::Usage(_) | Self::Unread => {}
            }
        }
        let (text, exit) = match self {
            Self::Usage(text) => (format!("error: {text}\n"), Exit::Usage),
            Self::NoProject(text) => (format!("error: {text}\n"), Exit::ProjectInvalid),
            Self::Broken(text) => (format!("error: {text}\n"), Exit::Broken),
            Self::Invalid(diagnostics) => (
                diagnostics::to_text(&diagnostics, terminal.style(Stream::Err)),
                Exit::ProjectInvalid,
            ),
            // Whoever read the output has read enough.
            Self::Unread => return Exit::Broken,
        };
        let _ = anstream::stderr().write_all(text.as_bytes());
        exit
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Broken(format!("failed to write the output: {error}")),
        }
    }
}

/// Starts the log; `at` is where it goes, by the two names it has.
pub(super) fn start_log(
    global: &Global,
    to: log::Stream,
    at: Stream,
    terminal: &Terminal,
) -> Result<(), Stop> {
    let clock = Arc::new(clock::System);
    log::start(global.log_format, &global.log_level, to, terminal.look(at), clock)
        .map_err(|error| Stop::Usage(error.to_string()))
}

fn made(wanted: &args::Init, terminal: &Terminal) -> Result<Exit, Stop> {
    let folder = terminal.folder.join(&wanted.folder);
    let laid = init::lay(&folder).map_err(|error| Stop::Broken(error.to_string()))?;
    init::report(&laid, &wanted.folder, &mut anstream::stdout())?;
    Ok(Exit::Good)
}

async fn validated(
    wanted: &args::Validate,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut environment = environment(global, terminal)?;
    if wanted.without_secrets {
        environment.missing_secrets = MissingSecrets::Warn;
    }
    let reading = Reading::begin(&root(global, terminal)?, &environment);
    let pool = pool(&reading)?;
    let form = if wanted.json {
        validate::Form::Json
    } else {
        validate::Form::Text(terminal.style(Stream::Err))
    };
    let project = reading.finish(&pool).await;
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    match validate::report(&project, form, &mut out, &mut err)? {
        validate::Verdict::Good => Ok(Exit::Good),
        validate::Verdict::Bad => Ok(Exit::ProjectInvalid),
    }
}

/// The project folder that the command line means.
pub(super) fn root(global: &Global, terminal: &Terminal) -> Result<PathBuf, Stop> {
    find_root(&terminal.absolute(&global.project)).map_err(|error| {
        Stop::NoProject(format!(
            "{error}; make one with `tripline init`, or name it with --project"
        ))
    })
}

/// What secrets are looked up in: the environment, and below it the file of `--env-file`.
pub(super) fn environment(global: &Global, terminal: &Terminal) -> Result<Environment, Stop> {
    let mut variables = terminal.variables.clone();
    if let Some(file) = &global.env_file {
        let path = terminal.folder.join(file);
        let shown = file.display().to_string();
        for (name, value) in env_file::read(&path, &shown).map_err(Stop::Usage)? {
            variables.entry(name).or_insert(value);
        }
    }
    Ok(Environment::new(variables))
}

/// The children that evaluate and run the project's scripts.
pub(super) fn pool(reading: &Reading) -> Result<Arc<Pool>, Stop> {
    let pool = Pool::start(reading.pool_options());
    let pool =
        pool.map_err(|error| Stop::Broken(format!("failed to start the sandbox: {error}")))?;
    Ok(Arc::new(pool))
}

/// The project, with its warnings told.
pub(super) async fn project(
    reading: Reading,
    pool: &Pool,
    global: &Global,
    terminal: &Terminal,
) -> Result<Project, Stop> {
    let project = reading.finish(pool).await.map_err(Stop::Invalid)?;
    if global.log_format == Format::Json {
        diagnostics::log(&project.warnings, "the project may have a mistake");
    } else if !project.warnings.is_empty() {
        let text = diagnostics::to_text(&project.warnings, terminal.style(Stream::Err));
        anstream::stderr().write_all(text.as_bytes())?;
    }
    Ok(project)
}
