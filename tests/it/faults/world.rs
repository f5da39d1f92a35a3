//! A hub or two, their store, and agents of three regions, each on a host of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tripline::domain::Timestamp;

use crate::support::agent::Agent;
use crate::support::certify::certify;
use crate::support::disk::Disk;
use crate::support::hosts::Hosts;
use crate::support::http;
use crate::support::memory::Memory;
use crate::support::postgres::Database;
use crate::support::process::Process;
use crate::support::providers::Providers;
use crate::support::relay::Relay;
use crate::support::site::Site;
use crate::support::told::{assert_told, quiet};
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{until, until_true};
use crate::support::wall::Wall;

/// How long anything may take that waits for leases, heartbeats and slots of a minute ago.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);
/// The regions of the agents, and the agent in each.
pub(super) const REGIONS: [(&str, &str); 3] = [("eu", "one"), ("us", "two"), ("ap", "three")];
/// The check that runs everywhere.
pub(super) const CHECK: &str = "shop";

const HOSTS: [&str; 6] = ["hub", "other", "store", "one", "two", "three"];
/// How big the disk of a store is that can be full.
pub(super) const DISK_MIB: u32 = 24;
/// Where a hub has its API, and where agents reach it.
const API: u16 = 7676;
const LINK: u16 = 7678;
/// Where an agent tells how it is doing.
const STATUS: u16 = 7677;

/// All that there is.
pub(super) struct World {
    pub(super) hosts: Hosts,
    pub(super) site: Site,
    pub(super) providers: Providers,
    /// The server of the store; none where it is a file of the hub.
    pub(super) database: Option<Database>,
    /// The disk of the store, where it is a small one.
    pub(super) disk: Option<Disk>,
    folder: Arc<TempDir>,
    hub: Project,
    other: Project,
    client: reqwest::Client,
    /// What the project says of its regions, where nothing else does.
    regions: String,
    _ways: Vec<Relay>,
}

/// Where the runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    InFile,
    /// On a disk that can be filled.
    OnSmallDisk,
    InPostgres,
}

impl World {
    /// Raises the hosts and what they share, and starts none of the programs. None where this
    /// machine cannot have hosts.
    pub(super) async fn raise(kept: Kept) -> Option<Self> {
        Self::raise_with(kept, |_| String::new()).await
    }

    /// The same with more tables in the project, where the site is at the address that `more` is given.
    pub(super) async fn raise_with(kept: Kept, more: impl Fn(&str) -> String) -> Option<Self> {
        let hosts = Hosts::raise(&HOSTS).await?;
        let folder = Arc::new(TempDir::new().expect("a temporary folder"));
        let outside = hosts.outside().to_string();
        let names = [hosts.address("hub"), hosts.address("other"), hosts.gate()];
        let names = names.map(|address| address.to_string());
        let authority = certify(folder.path(), &[&names[0], &names[1], &names[2]]);
        let client = http::client_of(&authority);
        let (site, providers) = (Site::start().await, Providers::start().await);
        let database = match kept {
            Kept::InFile | Kept::OnSmallDisk => None,
            Kept::InPostgres => {
                let (words, address) = (hosts.words("store"), hosts.address("store"));
                Some(Database::elsewhere(words, address).await)
            }
        };
        let link = |name| SocketAddr::from((hosts.address(name), LINK));
        let mut ways =
            vec![Relay::start((hosts.gate(), LINK).into(), vec![link("hub"), link("other")]).await];
        for url in [site.url(), providers.slack.origin(), providers.twilio.origin()] {
            let inside: SocketAddr = url.trim_start_matches("http://").parse().expect("an address");
            ways.push(Relay::start((hosts.outside(), inside.port()).into(), vec![inside]).await);
        }
        let place = folder.path().join("disk");
        let disk = (kept == Kept::OnSmallDisk).then(|| Disk::mount(&place, DISK_MIB));
        let project = |name: &str| {
            let regions = REGIONS.map(|(region, _)| format!("\"{region}\"")).join(", ");
            let check = format!(
                "[[check]]\nname = \"{CHECK}\"\nurl = \"{}/\"\nevery = \"1s\"\nregions = [{regions}]\n",
                site.url()
            );
            let project = providers.told_by(Project::new().behind(hosts.words(name)));
            let project = project.toml(&check).toml(&more(&site.url())).with("127.0.0.1", &outside);
            match &database {
                None if disk.is_some() => {
                    let url = format!("sqlite:{}/tripline.db", place.display());
                    project.toml(&format!("[store]\nurl = \"{url}\"\n"))
                }
                None => project,
                Some(database) => project
                    .toml("[store]\nurl = { env = \"DATABASE_URL\" }\n")
                    .env("DATABASE_URL", database.url()),
            }
        };
        let (hub, other) = (project("hub"), project("other"));
        let regions = REGIONS.map(|(region, _)| format!("\"{region}\"")).join(", ");
        let says_regions = more("").contains("[regions.");
        let regions = if says_regions { String::new() } else { format!("regions = [{regions}]\n") };
        Some(Self {
            hosts,
            site,
            providers,
            database,
            disk,
            folder,
            hub,
            other,
            client,
            regions,
            _ways: ways,
        })
    }

    /// Makes the hub see this clock from its next start on.
    pub(super) fn show_hub(&mut self, wall: &Wall) {
        for (name, value) in wall.environment() {
            self.hub.set_env(&name, &value);
        }
    }

    /// Gives the hub this memory from its next start on.
    pub(super) fn confine_hub(&mut self, memory: &Memory) {
        self.hub.put_behind(memory.words());
    }

    /// The folder of certificates, tokens and agents.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Edits the project of the first hub, and after a while that of the second, where there is one.
    pub(super) async fn edit(&mut self, old: &str, new: &str, lasting: Duration) {
        self.hub.change(old, new);
        tokio::time::sleep(lasting).await;
        if self.database.is_some() {
            self.other.change(old, new);
        }
    }

    /// Starts the hub and waits until it answers.
    pub(super) async fn start_hub(&self) -> Daemon {
        self.start(&self.hub, "hub").await
    }

    /// Starts the second hub of the same store and waits until it answers.
    pub(super) async fn start_other(&self) -> Daemon {
        self.start(&self.other, "other").await
    }

    async fn start(&self, project: &Project, name: &str) -> Daemon {
        let address = self.hosts.address(name);
        let folder = self.folder.path().display();
        let regions = &self.regions;
        let table = format!(
            "{regions}[hub]\nlisten = \"{address}:{API}\"\nopen_to_network = true\n\
             agents_listen = \"{address}:{LINK}\"\n\
             tls = {{ certificate = \"{folder}/cert.pem\", key = \"{folder}/key.pem\" }}\n"
        );
        project.up_as(&table, format!("https://{address}:{API}"), self.client.clone()).await
    }

    /// Starts the agent of each region. They reach either hub.
    pub(super) async fn start_agents(&self) -> Vec<Agent> {
        let mut agents = Vec::new();
        for (region, name) in REGIONS {
            let token = self.folder.path().join(format!("{name}.token"));
            if !token.exists() {
                let (code, text, words) =
                    self.hub.run(&["token", "create", "--region", region]).await;
                assert_eq!(code, Some(0), "{words}");
                std::fs::write(&token, text.trim()).expect("written");
            }
            agents.push(self.start_agent(region, name, Vec::new()));
        }
        agents
    }

    /// Starts the agent of a region, with `environment`.
    pub(super) fn start_agent(
        &self,
        region: &str,
        name: &str,
        environment: Vec<(String, String)>,
    ) -> Agent {
        let folder = self.folder.path().join(format!("agent-{name}"));
        let token_file = self.folder.path().join(format!("{name}.token"));
        let status = SocketAddr::from((Ipv4Addr::LOCALHOST, STATUS));
        let mut command = self.hosts.command(name, env!("CARGO_BIN_EXE_tripline"));
        command
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env("NO_PROXY", "*")
            .envs(environment)
            .args(["agent", "--region", region, "--name", name, "--ca-file", "ca.pem"])
            .args(["--hub", &format!("https://{}:{LINK}", self.dialled())])
            .args(["--status", &status.to_string(), "--data-dir"])
            .arg(&folder)
            .arg("--token-file")
            .arg(&token_file);
        let log = self.folder.path().join(format!("{name}.log"));
        let process = Process::start(&format!("agent {name}"), &mut command, log);
        let status = format!("http://{status}/healthz");
        let host = Some(self.hosts.host(name));
        Agent { process, folder, token_file, status, client: self.client.clone(), host }
    }

    /// What agents dial: the hub itself, or where there may be two, what stands before them.
    pub(super) fn dialled(&self) -> Ipv4Addr {
        match self.database {
            None => self.hosts.address("hub"),
            Some(_) => self.hosts.gate(),
        }
    }

    /// Waits until each region reports runs of slots from now on.
    pub(super) async fn watched(&self, hub: &Daemon, regions: &[&str]) {
        let now = now();
        for region in regions {
            until_true(&format!("{region} watches"), PATIENCE, async || {
                hub.runs(CHECK).await.iter().any(|run| run.region == *region && run.slot_at > now)
            })
            .await;
        }
    }

    /// Waits for the runs of all slots of a region since `begin`.
    pub(super) async fn whole(&self, hub: &Daemon, region: &str, begin: Timestamp) {
        let end = now();
        let mut slots = Vec::new();
        until_true(&format!("{region} has run all its slots"), PATIENCE, async || {
            let runs = hub.runs(CHECK).await.into_iter();
            slots = runs.filter(|it| it.region == region).map(|it| it.slot_at).collect();
            slots.retain(|at| (begin..=end).contains(at));
            slots.sort();
            let reaches = |from: Timestamp, to: Timestamp| to - from <= TimeDelta::seconds(1);
            slots.windows(2).all(|pair| reaches(pair[0], pair[1]))
                && slots.first().is_some_and(|first| reaches(begin, *first))
                && slots.last().is_some_and(|last| reaches(*last, end))
        })
        .await;
    }

    /// The open incidents about a region, by their subject.
    pub(super) async fn blind(&self, hub: &Daemon) -> Vec<String> {
        let open = hub.incidents().await.into_iter().filter(|it| it.status != "resolved");
        open.filter(|it| it.check.is_none()).map(|it| it.subject).collect()
    }

    /// Lets the site fail and mend, waits until everybody was told of both, and then holds that
    /// nothing is lost, nothing came twice, and every slot is accounted for.
    pub(super) async fn verdict(&self, hub: &Daemon, when: &str) -> Audit {
        // What fails while an incident is open is no news.
        until_true(&format!("{when}: what was before is over"), PATIENCE, async || {
            let incidents = hub.incidents().await;
            incidents.iter().all(|it| it.check.is_none() || it.status == "resolved")
        })
        .await;
        let before = self.providers.arrived("#p1").len();
        self.site.answer(500);
        until_true(&format!("{when}: #p1 is told"), PATIENCE, async || {
            self.providers.arrived("#p1").len() > before
        })
        .await;
        self.site.answer(200);
        let owed = quiet(hub, PATIENCE).await;
        assert!(
            owed.iter().all(|it| matches!(it.state.as_str(), "sent" | "superseded" | "in_digest")),
            "{when}: {owed:#?}"
        );
        assert_told(&self.providers, &owed, when);
        self.accounted(when).await
    }

    /// Waits until all slots up to now are accounted for, and holds that none is left over.
    pub(super) async fn accounted(&self, when: &str) -> Audit {
        let now = now();
        until(&format!("{when}: the slots are accounted for"), PATIENCE, async || {
            let (code, told, words) = self.hub.run(&["store", "check", "--json"]).await;
            assert_eq!(code, Some(0), "{when}: {told}{words}");
            let audit: Audit = serde_json::from_str(&told).expect("JSON");
            assert!(audit.unaccounted.is_empty(), "{when}: {told}");
            (audit.until > Some(now)).then_some(audit)
        })
        .await
    }
}

/// What `tripline store check` says.
#[derive(Debug, Deserialize)]
pub(super) struct Audit {
    until: Option<Timestamp>,
    pub(super) missed: std::collections::BTreeMap<String, u64>,
    unaccounted: Vec<Value>,
}

/// The time of day.
pub(super) fn now() -> Timestamp {
    tripline::clock::Clock::now(&tripline::clock::System)
}
