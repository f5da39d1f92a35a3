//! The real binary: projects in temporary folders, runs of `tripline test`, and daemons.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tripline::domain::Timestamp;

use super::http;
use super::port;
use super::process::{self, Process};
use super::wait::{until, until_true};

/// How long the daemon may take to start, and to stop, on a busy machine.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(20);

/// The region of the agent in the tests.
pub(crate) const REGION: &str = "test";

/// A project folder.
#[derive(Debug)]
pub(crate) struct Project {
    /// Kept by its daemons, too.
    folder: Arc<TempDir>,
    settings: String,
    /// What else stands in `[hub]` where the daemon is started.
    hub: String,
    environment: Vec<(String, String)>,
    /// Options of every command.
    options: Vec<String>,
    /// What goes before every command, such as what makes it run on another host.
    before: Vec<String>,
}

impl Project {
    /// A project without settings and without checks.
    pub(crate) fn new() -> Self {
        let folder = Arc::new(TempDir::new().expect("a temporary folder"));
        fs::create_dir(folder.path().join("checks")).expect("a temporary folder can be written");
        let project = Self {
            folder,
            settings: String::new(),
            hub: String::new(),
            environment: Vec::new(),
            options: Vec::new(),
            before: Vec::new(),
        };
        project.write_settings("");
        project
    }

    /// Adds tables to `tripline.toml`; `[hub]` and `[agent]` are written already.
    pub(crate) fn toml(mut self, text: &str) -> Self {
        self.settings.push_str(text);
        self.settings.push('\n');
        self.write_settings("");
        self
    }

    /// Adds a line to `[hub]` of daemons.
    pub(crate) fn hub(mut self, line: &str) -> Self {
        self.hub.push_str(line);
        self.hub.push('\n');
        self
    }

    /// Adds `checks/NAME`.
    pub(crate) fn script(self, name: &str, text: &str) -> Self {
        self.write(&format!("checks/{name}"), text);
        self
    }

    /// Writes a file of the folder, in place of the one that may be there.
    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.path().join(path), text).expect("a temporary folder can be written");
    }

    /// Removes a file of the folder.
    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).expect("the file is there");
    }

    /// Replaces the one place of `tripline.toml` where `old` stands.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path().join("tripline.toml")).expect("it was written");
        assert_eq!(text.matches(old).count(), 1, "`{old}` in:\n{text}");
        self.write("tripline.toml", &text.replace(old, new));
    }

    /// The same, and for all starts to come.
    pub(crate) fn change(&mut self, old: &str, new: &str) {
        self.settings = self.settings.replace(old, new);
        self.edit(old, new);
    }

    /// Adds an option that stands before every command.
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Puts `words` before every command.
    pub(crate) fn behind(mut self, words: Vec<String>) -> Self {
        self.before = words;
        self
    }

    /// Puts `words` before all that stands before commands, from now on.
    pub(crate) fn put_behind(&mut self, words: Vec<String>) {
        self.before.splice(..0, words);
    }

    /// Replaces a text wherever it stands in the settings.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        self.settings = self.settings.replace(old, new);
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.set_env(name, value);
        self
    }

    /// Sets a variable of the environment of what is started from now on.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `tripline test --json` with `arguments` and waits for its end.
    pub(crate) async fn test(&self, arguments: &[&str]) -> Tested {
        let mut command = self.command();
        command.args(["test", "--json"]).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the task was not aborted")
            .expect("the binary can be started");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let runs = match serde_json::from_str::<Runs>(&stdout) {
            Ok(list) => list.runs,
            Err(_) if stdout.trim().is_empty() => Vec::new(),
            Err(error) => panic!("not the JSON of runs: {error}\n{stdout}\n{stderr}"),
        };
        Tested { code: output.status.code(), runs, stderr }
    }

    /// Runs `tripline test --json` on the one check of the project.
    pub(crate) async fn test_one(&self) -> Run {
        let mut tested = self.test(&[]).await;
        assert_eq!(tested.runs.len(), 1, "{tested:#?}");
        tested.runs.remove(0)
    }

    /// The same for a program that may have no more than so many files open.
    pub(crate) async fn test_one_with_files(&self, most: u32) -> Run {
        let program = self.command();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
        command.arg(program.get_program()).args(["test", "--json"]);
        command.current_dir(self.path()).env("NO_PROXY", "127.0.0.1");
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the task was not aborted")
            .expect("a shell can be started");
        let runs: Runs = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        runs.runs.into_iter().next().expect("a run")
    }

    /// Runs `tripline validate --json` and waits for its end: the exit code, and what it said.
    pub(crate) async fn validate(&self) -> (Option<i32>, serde_json::Value) {
        let mut command = self.command();
        command.args(["validate", "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the task was not aborted")
            .expect("the binary can be started");
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("not JSON: {error}\n{}{}", text(&output.stdout), text(&output.stderr))
        });
        (output.status.code(), said)
    }

    /// Runs a command that ends by itself: its exit code, what it printed, and its words.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = self.command();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the task was not aborted")
            .expect("the binary can be started");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// The same, with `input` on its standard input.
    pub(crate) async fn run_fed(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> (Option<i32>, String, String) {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        let mut stdin = child.stdin.take().expect("it is a pipe");
        stdin.write_all(input.as_bytes()).expect("it is read");
        drop(stdin);
        let output = tokio::task::spawn_blocking(move || child.wait_with_output())
            .await
            .expect("the task was not aborted")
            .expect("it ends");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Starts `tripline up` and waits until it answers.
    pub(crate) async fn up(&self) -> Daemon {
        let listen = format!("127.0.0.1:{}", port::free());
        let hub = format!("[hub]\nlisten = \"{listen}\"\n{}", self.hub);
        self.up_as(&hub, format!("http://{listen}"), http::client()).await
    }

    /// Starts `tripline up` with its `[hub]` written so, and waits until it answers `client` at
    /// `api`.
    pub(crate) async fn up_as(&self, hub: &str, api: String, client: reqwest::Client) -> Daemon {
        self.write_settings(hub);
        let process = self.start(&["up"], "daemon.log");
        let folder = Arc::clone(&self.folder);
        Daemon { process, api, client, folder }.answers().await
    }

    /// Starts `tripline up` beside a daemon that runs already, and waits for its end: how it ended,
    /// and what it said.
    pub(crate) async fn up_again(&self) -> (ExitStatus, String) {
        self.up_in_vain("127.0.0.1:0").await
    }

    /// Starts a `tripline up` that listens at `listen` and ends by itself: how, and what it said.
    pub(crate) async fn up_in_vain(&self, listen: &str) -> (ExitStatus, String) {
        let mut process = self.start(&["up", "--listen", listen], "second.log");
        let status = until("the daemon ends", START, async || process.ended()).await;
        (status, process.log())
    }

    /// Starts a command and waits for nothing.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Process {
        self.start(arguments, "spawned.log")
    }

    fn start(&self, arguments: &[&str], log: &str) -> Process {
        let mut command = self.command();
        command.args(arguments);
        Process::start("tripline up", &mut command, self.path().join(log))
    }

    fn command(&self) -> Command {
        const PROGRAM: &str = env!("CARGO_BIN_EXE_tripline");
        let mut words = self.before.iter().map(String::as_str).chain([PROGRAM]);
        let mut command = Command::new(words.next().unwrap_or(PROGRAM));
        command.args(words);
        command.current_dir(self.path()).env("NO_COLOR", "1").env("NO_PROXY", "127.0.0.1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.options);
        command
    }

    fn write_settings(&self, hub: &str) {
        let text = format!("{hub}[agent]\nregion = \"{REGION}\"\n{}", self.settings);
        fs::write(self.path().join("tripline.toml"), text)
            .expect("a temporary folder can be written");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `tripline test --json` said.
#[derive(Debug)]
pub(crate) struct Tested {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The runs.
    pub(crate) runs: Vec<Run>,
    /// The words.
    pub(crate) stderr: String,
}

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    api: String,
    client: reqwest::Client,
    /// Dropped last, when nothing is stored in it any more.
    folder: Arc<TempDir>,
}

impl Daemon {
    async fn answers(mut self) -> Self {
        let url = format!("{}/healthz", self.api);
        until_true("the daemon answers", START, async || {
            if let Some(status) = self.process.ended() {
                panic!("the daemon ended at its start: {status}\n{}", self.process.log());
            }
            // Any answer will do: with messages that cannot leave it is not healthy, and answers.
            self.client.get(&url).send().await.is_ok()
        })
        .await;
        self
    }

    /// The status and the reasons of the health page.
    pub(crate) async fn health(&self) -> (u16, String) {
        let answer = self.client.get(format!("{}/healthz", self.api)).send().await;
        let answer = answer.expect("the daemon answers");
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await.expect("JSON");
        (status, body["reasons"].to_string())
    }

    /// The last 500 runs of `check`, the latest first.
    pub(crate) async fn runs(&self, check: &str) -> Vec<Run> {
        self.ask::<Runs>(&format!("/api/v1/runs?check={check}&limit=500")).await.runs
    }

    /// All incidents, the latest first.
    pub(crate) async fn incidents(&self) -> Vec<Incident> {
        self.ask::<Incidents>("/api/v1/incidents").await.incidents
    }

    /// The notifications of an incident, in the order owed.
    pub(crate) async fn notifications(&self, incident: i64) -> Vec<Notification> {
        let path = format!("/api/v1/incidents/{incident}");
        self.ask::<IncidentDetail>(&path).await.notifications
    }

    /// Waits for a run of `check` that `fits`.
    pub(crate) async fn run(&self, check: &str, what: &str, fits: impl Fn(&Run) -> bool) -> Run {
        let what = format!("a run of {check} that {what}");
        until(&what, START, async || self.runs(check).await.into_iter().find(|run| fits(run))).await
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Where it is, as `http://...` without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.api
    }

    /// The folder of its project.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The memory in use, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        number.and_then(|number| number.parse().ok()).expect("a process has VmRSS")
    }

    /// Makes it stand still, as a machine that sleeps or swaps does.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.process.stop(STOP).await
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        until("the daemon ends", STOP, async || self.process.ended()).await
    }

    /// Kills it without warning, and waits until none of its children is left.
    pub(crate) async fn kill(mut self) {
        let children = process::descendants(self.process.id());
        self.process.kill();
        until_true("the children end with the daemon", STOP, async || {
            !children.iter().copied().any(process::runs)
        })
        .await;
    }

    /// Asks for what is at `path`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        let url = format!("{}{path}", self.api);
        let answer = self.client.get(&url).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("failed to ask {url}: {error}"));
        let (status, body) = (answer.status(), answer.text().await.expect("an answer has a body"));
        assert!(status.is_success(), "{url} answered {status}: {body}\n{}", self.process.log());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}\n{body}"))
    }
}

#[derive(Debug, Deserialize)]
struct Runs {
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Incidents {
    incidents: Vec<Incident>,
}

#[derive(Debug, Deserialize)]
struct IncidentDetail {
    notifications: Vec<Notification>,
}

/// A run as the API and `tripline test --json` show it. What was done and seen in it is in the
/// latter only.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    pub(crate) check: String,
    pub(crate) region: String,
    pub(crate) slot_at: Timestamp,
    pub(crate) duration_ms: f64,
    pub(crate) outcome: String,
    pub(crate) failure: Option<Failure>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) requests: Vec<RequestMade>,
    #[serde(default)]
    pub(crate) logs: Vec<LogLine>,
    #[serde(default)]
    pub(crate) dropped: Vec<String>,
}

impl Run {
    /// The failure; fails the test when the run passed.
    pub(crate) fn failure(&self) -> &Failure {
        self.failure.as_ref().unwrap_or_else(|| panic!("it did not fail: {self:#?}"))
    }
}

/// Why a run did not pass.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Failure {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) step: Option<String>,
}

/// A part of a run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
}

/// A request of a run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RequestMade {
    pub(crate) certificate_until: Option<Timestamp>,
}

/// A line of the console.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) text: String,
}

/// Something being wrong.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Incident {
    pub(crate) id: i64,
    pub(crate) subject: String,
    pub(crate) check: Option<String>,
    pub(crate) status: String,
}

/// A message owed to one recipient.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Notification {
    pub(crate) id: i64,
    /// Which incident it is about.
    #[serde(skip)]
    pub(crate) incident: i64,
    pub(crate) recipient: Recipient,
    pub(crate) state: String,
    pub(crate) notice: Notice,
    pub(crate) possible_repeat: bool,
    pub(crate) deliveries: Vec<Delivery>,
    /// The notification by whose message it is told, where that is a digest.
    pub(crate) digest: Option<i64>,
    pub(crate) stamps: Stamps,
}

/// When what happened to a message.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stamps {
    pub(crate) failed: Option<Timestamp>,
    pub(crate) decided: Timestamp,
    pub(crate) sent: Option<Timestamp>,
    pub(crate) accepted: Option<Timestamp>,
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Recipient {
    pub(crate) channel: String,
    pub(crate) address: String,
}

/// What is said.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Notice {
    pub(crate) kind: String,
}

/// An attempt to send.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) outcome: String,
}
