//! The command line.

mod act;
mod drill;
mod oncall;
mod policy;
mod rule;
mod token;
mod user;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(in crate::cli) use self::act::incident;
pub use self::act::{
    Ack, Acting, Chosen, Note, Resolve, Route, RunNow, Silence, Silences, Unack, Unsilence, Why,
};
pub use self::drill::Drill;
pub use self::oncall::{Oncall, OncallArguments, OncallCommand};
pub use self::policy::{Form, PolicyArguments, PolicyCommand, Replay, When};
pub use self::rule::{RuleArguments, RuleCommand};
pub use self::token::{Token, TokenCommand};
pub use self::user::{User, UserCommand};
use super::log::Format;
use crate::app::demo_site::Fault;
use crate::config::duration;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::net::guard::Network;

/// The exit codes as the help shows them; a test holds that they are those of [`super::exit::Exit`].
const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  Tripline itself failed; please report it if it looks like a bug
  2  the command line is wrong
  3  the project has mistakes
  4  a check, or the test of a rule, did not pass
  5  a test message or a drill did not arrive";

/// Signs in to your product every few seconds, the way your customers do, and tells the right people
/// when it can't.
///
/// A project is a folder with `tripline.toml` and scripts in `checks/`. Start with `tripline demo`
/// to see it work, or with `tripline init` to make a project of your own.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "tripline", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub struct Arguments {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What applies to every command.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The project folder
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,

    /// Look secrets up in this file too: lines of NAME=value; the environment goes first
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// How much Tripline says about itself
    ///
    /// One of `error`, `warn`, `info`, `debug`, `trace`; or directives for parts of it, such as
    /// `info,tripline::http=debug`.
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// The form in which it says it
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value = "human")]
    pub log_format: Format,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Make a new project with a first check
    Init(Init),
    /// Find mistakes in the project without running anything
    Validate(Validate),
    /// Run checks once, here and now, and show what happened
    ///
    /// Nothing is stored and nobody is told. Ends with 4 if a check did not pass.
    Test(Test),
    /// Send a test message, to see whether it arrives
    ///
    /// It goes out as messages go when something is wrong, and says that nothing is. Ends with 5 if it
    /// was not accepted.
    Tell(Tell),
    /// Watch: run the checks on schedule, and tell people when they fail
    ///
    /// Runs until it is interrupted. What is remembered, and whom to tell, stands in `tripline.toml`.
    Up(Up),
    /// Run the checks of another region, for a hub elsewhere
    ///
    /// It dials the hub and needs no project and no open port. While the hub is gone it goes on with
    /// what it knows, keeps its reports on disk, and sends them later.
    Agent(Agent),
    /// Make, list and revoke the tokens that agents of other regions show to the hub
    ///
    /// It works on the store of the project, whether or not `tripline up` runs.
    Token(Token),
    /// Make a token, or the hash of a password, for a user of the project
    User(User),
    /// Show how the checks did, and whether anybody was watching
    Uptime(Uptime),
    /// Show whether messages would arrive where people are told, and try that with `--now`
    ///
    /// A drill is a message that says that it is one, sent as messages are sent when something is wrong.
    Drill(Drill),
    /// Have the daemon run a check at once, and say what comes of it
    RunNow(RunNow),
    /// Say that you take care of an incident: further people are not told of it
    Ack(Ack),
    /// Say that you do not take care of it any more: whoever was told is told again
    Unack(Unack),
    /// Say that an incident is over; if it fails on, it is opened again
    Resolve(Resolve),
    /// Say something about an incident, to those who follow it
    Note(Note),
    /// Ask that nobody be told of something for a while
    Silence(Silence),
    /// List the silences that are not over
    Silences(Silences),
    /// End a silence; what it held back is told, if it still fails
    Unsilence(Unsilence),
    /// Show why people were told of an incident, or why not: all that was decided, sent and done
    ///
    /// Reads the store, whether or not `tripline up` runs.
    Why(Why),
    /// Show who would be told if a check failed now, when, and why these
    Route(Route),
    /// Try policies on what happened: whom they would have told, and whom an edited project would
    Policy(PolicyArguments),
    /// Ask the stored metrics, in PromQL
    ///
    /// Can be used while `tripline up` runs.
    Query(Query),
    /// Show how rules stand, what they stand for, what they would have said; and test them
    Rule(RuleArguments),
    /// Show who is on duty, now and next; and find where nobody is
    Oncall(OncallArguments),
    /// Bring in what was measured elsewhere
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Look after what is remembered
    #[command(subcommand)]
    Store(StoreCommand),
    /// Watch a small shop that breaks and recovers, to see how it looks
    ///
    /// Everything happens on this machine, in a folder that is removed afterwards; nobody is told.
    Demo(Demo),
    /// Run one script, told over standard input what to do
    #[command(hide = true)]
    SandboxChild,
}

/// Arguments of `tripline init`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Init {
    /// The folder to make the project in; existing files are never overwritten
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
}

/// Arguments of `tripline validate`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Validate {
    /// Print the mistakes as JSON
    #[arg(long)]
    pub json: bool,

    /// Let secrets be missing, as on a machine that only looks at the project
    #[arg(long)]
    pub without_secrets: bool,
}

/// Arguments of `tripline test`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Test {
    /// The checks to run, by id (`shop/login`) or file (`checks/shop/login.js`); all if none is named
    #[arg(value_name = "CHECK")]
    pub checks: Vec<String>,

    /// The region to run as; the first of each check if not given
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Print the runs as JSON, as the API has them
    #[arg(long)]
    pub json: bool,

    /// Also write the results to this file as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Arguments of `tripline tell`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Tell {
    /// Whom to tell, as in a policy: `slack:#p2`, `sms:devops`, `email:ana`, `webhook:chat`
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Tell everybody whom the policies of the checks name
    #[arg(long, conflicts_with = "targets")]
    pub all: bool,
}

/// Arguments of `tripline up`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Up {
    /// Where the API listens, instead of the address in `tripline.toml`
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
}

/// Arguments of `tripline agent`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Agent {
    /// The hub's address, such as `https://hub.example`; `http` for this machine's loopback only
    #[arg(long, value_name = "URL")]
    pub hub: String,

    /// The region to serve
    #[arg(long, value_name = "REGION", value_parser = Region::new)]
    pub region: Region,

    /// The file that holds the token; it is read again when it is replaced
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,

    /// The agent's name, one in its region; the name of this machine if not given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Where it keeps what it must not forget
    #[arg(long, value_name = "DIR", default_value = "tripline-agent")]
    pub data_dir: PathBuf,

    /// Trust this certificate authority too, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Reach the hub by this proxy, instead of the one in the environment
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,

    /// Where it tells how it is doing (`GET /healthz`)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7677")]
    pub status: SocketAddr,

    /// How many reports it keeps while the hub is gone, in MiB
    #[arg(long, value_name = "MIB", default_value = "256",
        value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub spool: u64,

    /// How many runs it makes at the same time
    #[arg(long, value_name = "NUMBER", default_value = "64",
        value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub max_runs: u32,

    /// What to do when this system lacks a layer of the sandbox
    #[arg(long, value_name = "MODE", value_enum, default_value = "require")]
    pub sandbox: AgentSandbox,

    /// Whether checks may reach addresses that are not public
    #[arg(long, value_name = "MODE", value_enum, default_value = "allow")]
    pub private_addresses: AgentPrivateAddresses,

    /// Let checks reach this network although it is private, such as `10.1.0.0/16`
    #[arg(long, value_name = "NETWORK")]
    pub allow_network: Vec<Network>,

    /// Keep checks out of this network
    #[arg(long, value_name = "NETWORK")]
    pub refuse_network: Vec<Network>,

    /// Let checks reach this port, and none that is not named
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
}

/// What an agent does when its system lacks a layer of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentSandbox {
    /// Run no script
    Require,
    /// Run scripts with the layers there are, and say so
    Degrade,
}

/// Whether an agent's checks may reach addresses that are not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentPrivateAddresses {
    /// They may
    Allow,
    /// They may not
    Refuse,
}

/// Arguments of `tripline uptime`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Uptime {
    /// The checks to show, by id; all if none is named
    #[arg(value_name = "CHECK")]
    pub checks: Vec<String>,

    /// How far back to look, such as `30m`, `24h` or `7d`
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "24h")]
    pub since: Duration,

    /// Print it as JSON, as the API has it
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `tripline query`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Query {
    /// The expression, such as `rate(logins_total[5m])`
    #[arg(value_name = "EXPR")]
    pub expression: String,

    /// Draw the values of so long a time, such as `30m`, `24h` or `7d`
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub range: Option<Duration>,

    /// How far apart values are; some hundred of them if not given
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "range")]
    pub step: Option<Duration>,

    /// The moment, or the end of the range, such as `2026-11-21T04:00:00Z`; now if not given
    #[arg(long, value_name = "MOMENT")]
    pub at: Option<Timestamp>,

    /// Print it as JSON, as the API has it
    #[arg(long)]
    pub json: bool,
}

/// What to do with metrics.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum MetricsCommand {
    /// Store the points of a file of OpenMetrics text
    ///
    /// Each value needs its timestamp, which may be of any age. What is stored already is counted and
    /// left as it is, so a file can be imported again. It works on the store of the project, through
    /// the API of the daemon where one holds it.
    Import {
        /// The file; `-` reads from standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Send it to the daemon at this address, such as `http://127.0.0.1:7676`
        #[arg(long, value_name = "URL")]
        hub: Option<url::Url>,
    },
}

/// What to do with the store.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum StoreCommand {
    /// Find out whether every slot that was due was run, or why not
    ///
    /// Ends with 1 if there are slots of which nothing is known. Can be used while `tripline up` runs.
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write all of it to a new file
    ///
    /// Can be used while `tripline up` runs. Whichever database the store is in, the file is a store
    /// in SQLite.
    Backup {
        /// The file to make; nothing is overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say how many rows of each table were copied
        #[arg(long, short)]
        verbose: bool,
    },
    /// Fill the store of the project, which must be empty, from a backup
    Restore {
        /// What `tripline store backup` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say how many rows of each table were copied
        #[arg(long, short)]
        verbose: bool,
    },
    /// Copy all of a store into another one, which must be empty
    ///
    /// Stop `tripline up` before: what it records later is not copied. Stores are named as in
    /// `tripline.toml`: `sqlite:PATH`, with a path from the present folder, or
    /// `postgres://user@host/database`. A password is taken from PGPASSWORD or ~/.pgpass, or from
    /// `tripline.toml` if it is the project's store.
    Copy {
        /// The store to read
        #[arg(value_name = "FROM")]
        from: String,
        /// The store to fill
        #[arg(value_name = "TO")]
        to: String,
        /// Say how many rows of each table were copied
        #[arg(long, short)]
        verbose: bool,
    },
}

/// Arguments of `tripline demo`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Demo {
    /// Where the pages and the API are; a free port if not given
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0",
        value_parser = listen_address)]
    pub listen: SocketAddr,

    /// Break the shop after this time, such as `20s`, and end when it has recovered; if not given, it
    /// breaks after 20 s and the demo goes on until Ctrl+C
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub break_after: Option<Duration>,

    /// How long it stays broken
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s")]
    pub mend_after: Duration,

    /// Do not open the page in a browser
    #[arg(long)]
    pub no_open: bool,

    /// How it breaks
    #[arg(long, value_name = "FAULT", value_enum, default_value = "server-error")]
    pub fault: DemoFault,
}

/// Reads a duration, or says how to write it.
fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| match text.parse::<u64>() {
        Ok(_) => format!("{error}; write `{text}s`"),
        Err(_) => format!("{error}; write it like `20s` or `1m30s`"),
    })
}

/// Reads an address to listen on, or says how to write it.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.trim_start_matches(':');
        match (port.parse::<u16>(), text.strip_prefix("localhost:")) {
            (Ok(port), _) => format!("write the address, too: 127.0.0.1:{port}"),
            (_, Some(port)) => format!("write the address in numbers: 127.0.0.1:{port}"),
            _ => "write an IP address and a port, such as 127.0.0.1:7676 or [::1]:7676".to_owned(),
        }
    })
}

/// How the demo's shop breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoFault {
    /// It refuses connections
    Down,
    /// It takes five seconds for each answer
    Slow,
    /// It shows another page after the sign-in, with status 200
    WrongPage,
    /// It answers with status 503
    ServerError,
}

impl From<DemoFault> for Fault {
    fn from(fault: DemoFault) -> Self {
        match fault {
            DemoFault::Down => Self::Down,
            DemoFault::Slow => Self::Slow(Duration::from_secs(5)),
            DemoFault::WrongPage => Self::WrongPage,
            DemoFault::ServerError => Self::ServerError,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::exit::Exit;

    /// The help of `tripline WORDS --help` at a width that does not depend on the terminal.
    fn help(words: &[&str]) -> String {
        let mut command = Arguments::command().term_width(90);
        command.build();
        let mut found = &mut command;
        for word in words {
            found = found.find_subcommand_mut(word).expect("a command");
        }
        found.render_long_help().to_string()
    }

    #[test]
    fn help_is_readable() {
        Arguments::command().debug_assert();
        insta::assert_snapshot!(help(&[]));
        insta::assert_snapshot!(help(&["test"]));
        insta::assert_snapshot!(help(&["up"]));
        insta::assert_snapshot!(help(&["validate"]));
        insta::assert_snapshot!(help(&["demo"]));
        insta::assert_snapshot!(help(&["tell"]));
        insta::assert_snapshot!(help(&["agent"]));
        insta::assert_snapshot!(help(&["token"]));
    }

    #[test]
    fn the_help_names_every_exit_code() {
        let named: Vec<String> =
            Exit::ALL.iter().map(|exit| format!("  {}  {}", exit.code(), exit.meaning())).collect();
        assert_eq!(EXIT_CODES.lines().skip(1).collect::<Vec<_>>(), named);
    }

    #[test]
    fn the_demo_breaks_when_and_how_it_is_told() {
        let demo = |words: &str| {
            let line = format!("tripline demo {words}");
            let arguments = Arguments::try_parse_from(line.split_whitespace())?;
            let Command::Demo(demo) = arguments.command else { panic!("another command") };
            Ok::<_, clap::Error>(demo)
        };
        let unasked = demo("").expect("a good line");
        assert_eq!((unasked.break_after, unasked.fault), (None, DemoFault::ServerError));
        assert_eq!(unasked.mend_after, Duration::from_secs(30));
        let asked = demo("--break-after 1m30s --fault wrong-page").expect("a good line");
        assert_eq!(asked.break_after, Some(Duration::from_secs(90)));
        assert_eq!(Fault::from(asked.fault), Fault::WrongPage);
        let error = demo("--break-after 20").expect_err("no unit").to_string();
        assert!(error.contains("`20` has no unit; write `20s`"), "{error}");
    }

    #[test]
    fn global_options_stand_anywhere() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words);
        let before = parse(&["tripline", "--project", "x", "test", "--json", "login"]);
        let after = parse(&["tripline", "test", "login", "--json", "--project", "x"]);
        let before = before.expect("a good line");
        assert_eq!(before, after.expect("a good line"));
        assert_eq!(before.global.log_format, Format::Human);
        let error = parse(&["tripline", "tset"]).expect_err("no such command").to_string();
        assert!(error.contains("'test'"), "{error}");
        assert_eq!(parse(&["tripline", "up", "--listen", "x"]).expect_err("bad").exit_code(), 2);
        for (text, wanted) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("watch.example.com:80", "an IP address and a port"),
        ] {
            let error = parse(&["tripline", "up", "--listen", text]).expect_err("no address");
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let child = parse(&["tripline", "sandbox-child"]).expect("a good line");
        assert_eq!(child.command, Command::SandboxChild);
    }
}
