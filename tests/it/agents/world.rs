//! A hub and agents of other regions: the real binary, over TLS with an authority of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tripline::domain::Timestamp;
use tripline::link::token::Token;

use crate::support::agent::Agent;
use crate::support::certify::certify;
use crate::support::http;
use crate::support::port;
use crate::support::process::Process;
use crate::support::stream::Stream;
use crate::support::wait::until_true;

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// The region of the agents.
pub(super) const REGION: &str = "eu";
/// The name by which a proxy knows the hub; nobody else does.
pub(super) const HUB: &str = "hub.example";
/// The region of the hub's own agent.
pub(super) const HOME: &str = "home";

/// A project, the files of its hub's certificate, and a place for agents.
#[derive(Debug)]
pub(super) struct World {
    folder: TempDir,
    port: u16,
    /// Where there is the link alone.
    link: u16,
    client: reqwest::Client,
}

/// A run as the API lists it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ran {
    pub(super) region: String,
    pub(super) slot_at: Timestamp,
    pub(super) started_at: Timestamp,
    pub(super) outcome: String,
    pub(super) failure: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Runs {
    runs: Vec<Ran>,
}

impl World {
    /// A world whose project consists of `toml` besides `[hub]`, `[agent]` and,
    /// unless it says them itself, `regions`.
    pub(super) fn new(toml: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::create_dir(folder.path().join("checks")).expect("a folder");
        let authority = certify(folder.path(), &["localhost", HUB]);
        let (port, link) = (port::free(), port::free());
        let client = http::client_of(&authority);
        let world = Self { folder, port, link, client };
        world.write(toml);
        world
    }

    /// Writes the project anew.
    pub(super) fn write(&self, toml: &str) {
        let (port, link) = (self.port, self.link);
        let says_regions = toml.contains("[regions.");
        let regions = if says_regions { "" } else { "regions = [\"eu\", \"us\"]\n" };
        let text = format!(
            "{regions}[hub]\nlisten = \"127.0.0.1:{port}\"\n\
             agents_listen = \"127.0.0.1:{link}\"\n\
             tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }}\n\
             [agent]\nregion = \"{HOME}\"\n{toml}"
        );
        fs::write(self.path().join("tripline.toml"), text).expect("written");
    }

    /// Adds `checks/NAME`.
    pub(super) fn script(&self, name: &str, text: &str) {
        fs::write(self.path().join("checks").join(name), text).expect("written");
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        command.current_dir(self.path()).env("NO_COLOR", "1").env("NO_PROXY", "localhost");
        command
            .envs([("SHOP_PASSWORD", "correct-horse-battery"), ("OTHER", "another-secret-value")]);
        command
    }

    /// Starts the hub and waits until it answers.
    pub(super) async fn hub(&self) -> Process {
        let mut command = self.command();
        command.arg("up");
        let log = self.path().join("hub.log");
        let mut hub = Process::start("the hub", &mut command, log);
        let url = format!("{}/healthz", self.url());
        until_true("the hub answers", PATIENCE, async || {
            assert!(hub.ended().is_none(), "the hub ended at its start\n{}", hub.log());
            self.client.get(&url).send().await.is_ok()
        })
        .await;
        hub
    }

    /// Runs `tripline token` with these words.
    pub(super) async fn token(&self, words: &str) -> Output {
        let mut command = self.command();
        command.arg("token").args(words.split_whitespace());
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("the task was not aborted")
            .expect("the binary can be started")
    }

    /// Makes a token for `region`; its text.
    pub(super) async fn create_token(&self, region: &str) -> String {
        let output = self.token(&format!("create --region {region}")).await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// Starts an agent with a token in a file of its own.
    pub(super) fn agent(&self, name: &str, token: &str) -> Agent {
        let file = self.path().join(format!("{name}.token"));
        fs::write(&file, token).expect("written");
        self.agent_in(name, &format!("agent-{name}"), &file)
    }

    /// The same with `words` more on its command line.
    pub(super) fn agent_told(&self, name: &str, token: &str, words: &[&str]) -> Agent {
        let file = self.path().join(format!("{name}.token"));
        fs::write(&file, token).expect("written");
        let (folder, link) = (format!("agent-{name}"), self.link());
        self.start_with((REGION, &link), name, (&folder, &file), |command| {
            command.args(words);
        })
    }

    /// Starts an agent of the hub's own region.
    pub(super) fn agent_at_home(&self, name: &str, token: &str) -> Agent {
        let file = self.path().join(format!("{name}.token"));
        fs::write(&file, token).expect("written");
        self.start(HOME, name, &format!("agent-{name}"), &file, &self.link())
    }

    /// Starts an agent that dials the hub by the name that only a proxy knows, with `words` more and
    /// these variables in its environment.
    pub(super) fn agent_through(
        &self,
        name: &str,
        token: &str,
        words: &[&str],
        environment: &[(&str, &str)],
    ) -> Agent {
        let file = self.path().join(format!("{name}.token"));
        fs::write(&file, token).expect("written");
        let hub = format!("https://{HUB}:{}", self.link);
        let (folder, place) = (format!("agent-{name}"), (REGION, hub.as_str()));
        self.start_with(place, name, (&folder, &file), |command| {
            command.args(words).envs(environment.iter().copied());
        })
    }

    /// Starts an agent that takes what is at `hub` for one.
    pub(super) fn agent_of(&self, hub: &str, name: &str) -> Agent {
        let file = self.path().join(format!("{name}.token"));
        let token = Token::generate().expect("random numbers").expose();
        fs::write(&file, token).expect("written");
        self.start(REGION, name, &format!("agent-{name}"), &file, hub)
    }

    /// Starts an agent with its data in `folder`.
    pub(super) fn agent_in(&self, name: &str, folder: &str, token_file: &Path) -> Agent {
        self.start(REGION, name, folder, token_file, &self.link())
    }

    /// The port at which agents reach the hub.
    pub(super) fn link_port(&self) -> u16 {
        self.link
    }

    /// Where agents reach the hub.
    fn link(&self) -> String {
        format!("https://localhost:{}", self.link)
    }

    fn start(&self, region: &str, name: &str, folder: &str, token_file: &Path, hub: &str) -> Agent {
        self.start_with((region, hub), name, (folder, token_file), |_| {})
    }

    fn start_with(
        &self,
        (region, hub): (&str, &str),
        name: &str,
        (folder, token_file): (&str, &Path),
        more: impl FnOnce(&mut Command),
    ) -> Agent {
        let status = port::free();
        let mut command = self.command();
        command
            .args(["agent", "--region", region, "--ca-file", "ca.pem", "--name", name])
            .args(["--hub", hub, "--status", &format!("127.0.0.1:{status}")])
            .args(["--data-dir", folder, "--token-file"])
            .arg(token_file);
        more(&mut command);
        let log = self.path().join(format!("{folder}.log"));
        let process = Process::start(&format!("agent {name}"), &mut command, log);
        Agent {
            process,
            folder: self.path().join(folder),
            token_file: token_file.to_owned(),
            status: format!("http://127.0.0.1:{status}/healthz"),
            client: self.client.clone(),
            host: None,
        }
    }

    /// The runs of a check, the latest first.
    pub(super) async fn runs(&self, check: &str) -> Vec<Ran> {
        self.ask::<Runs>(&format!("/api/v1/runs?check={check}&limit=500")).await.runs
    }

    /// What the API says of the agents of the region, by name.
    pub(super) async fn listed(&self, name: &str) -> Option<Value> {
        let all: Value = self.ask("/api/v1/agents").await;
        let mut all = all["agents"].as_array().cloned().unwrap_or_default().into_iter();
        all.find(|agent| agent["region"] == REGION && agent["name"] == name)
    }

    /// What the health page says.
    pub(super) async fn health(&self) -> Value {
        self.ask("/healthz").await
    }

    /// All incidents, the latest first.
    pub(super) async fn incidents(&self) -> Vec<Value> {
        let all: Value = self.ask("/api/v1/incidents").await;
        all["incidents"].as_array().cloned().expect("a list")
    }

    /// What was owed to people about an incident: `slack:#p2 blind`.
    pub(super) async fn owed(&self, incident: &Value) -> Vec<String> {
        let all: Value = self.ask(&format!("/api/v1/incidents/{}", incident["id"])).await;
        let words = |it: &Value| {
            let (to, kind) = (&it["recipient"], &it["notice"]["kind"]);
            let words = [&to["channel"], &to["address"], kind].map(|it| it.as_str().unwrap_or("?"));
            format!("{}:{} {}", words[0], words[1], words[2])
        };
        all["notifications"].as_array().expect("a list").iter().map(words).collect()
    }

    /// Why slots of a check have no run.
    pub(super) async fn gap_reasons(&self, check: &str) -> Vec<String> {
        let all: Value = self.ask(&format!("/api/v1/gaps?check={check}")).await;
        let gaps = all["gaps"].as_array().expect("a list").iter();
        gaps.filter_map(|gap| Some(gap["reason"].as_str()?.to_owned())).collect()
    }

    /// The status of an answer where there is the link alone.
    pub(super) async fn asked_at_link(&self, path: &str) -> u16 {
        let url = format!("{}{path}", self.link());
        self.client.get(url).send().await.expect("the hub answers").status().as_u16()
    }

    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str) -> T {
        let url = format!("{}{path}", self.url());
        let answer = self.client.get(&url).send().await.expect("the hub answers");
        let body = answer.text().await.expect("a body");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}\n{body}"))
    }

    /// Posts something that is taken; what is answered.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.url());
        let answer = self.client.post(&url).json(body).send().await.expect("the hub answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a body"));
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// What a page is told of the runs of an errand.
    pub(super) async fn stream(&self, errand: &Value) -> Stream {
        let id = errand["id"].as_str().expect("an id");
        Stream::open(&self.client, &format!("{}/errands/{id}/output", self.url())).await
    }

    /// Asks as an agent would; the status and the body.
    pub(super) async fn as_agent(
        &self,
        token: &str,
        path: &str,
        protocol: &str,
        body: Option<String>,
    ) -> (u16, String) {
        let url = format!("{}/agent/v1/{path}", self.url());
        let request = match body {
            Some(body) => self.client.post(url).body(body),
            None => self.client.get(url),
        };
        let request = request.bearer_auth(token).header("tripline-protocol", protocol);
        let answer = request.send().await.expect("the hub answers");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }
}

/// Ends a hub without warning.
pub(super) fn kill(hub: &mut Process) {
    hub.signal(Signal::KILL);
    hub.kill();
}
