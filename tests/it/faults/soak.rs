//! All faults by chance, for a time.
//!
//! A minute, with a seed of the day, unless `TRIPLINE_SOAK_SECONDS` and `TRIPLINE_SOAK_SEED` say
//! otherwise; the seed is printed, so that what it showed can be repeated.

use std::io::Write as _;
use std::time::Duration;

use tripline::clock::Stopwatch;

use super::world::{Kept, REGIONS, World, now};
use crate::support::agent::Agent;
use crate::support::random::Random;
use crate::support::tripline::Daemon;
use crate::support::wall::Wall;

const SECONDS: &str = "TRIPLINE_SOAK_SECONDS";
const SEED: &str = "TRIPLINE_SOAK_SEED";

/// What is done to the world; each is undone seconds later.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// What the agent says does not reach the hubs.
    AgentUnheard,
    AgentKilled,
    /// The clock of the first agent jumps, and back.
    AgentClockJumps,
    HubKilled,
    HubFrozen,
    /// The clock of the first hub jumps, and back.
    HubClockJumps,
    HubWithoutDatabase,
    DatabaseStopped,
    DiskFull,
    SiteBroken,
    /// A check is put in, switched off, or taken out, at one hub after the other.
    ProjectEdited,
}

/// With two hubs on a database.
const SHARED: [Fault; 10] = [
    Fault::AgentUnheard,
    Fault::AgentKilled,
    Fault::AgentClockJumps,
    Fault::HubKilled,
    Fault::HubFrozen,
    Fault::HubClockJumps,
    Fault::HubWithoutDatabase,
    Fault::DatabaseStopped,
    Fault::SiteBroken,
    Fault::ProjectEdited,
];

/// With one hub on a small disk.
const ALONE: [Fault; 9] = [
    Fault::AgentUnheard,
    Fault::AgentKilled,
    Fault::AgentClockJumps,
    Fault::HubKilled,
    Fault::HubFrozen,
    Fault::HubClockJumps,
    Fault::DiskFull,
    Fault::SiteBroken,
    Fault::ProjectEdited,
];

/// How far a clock jumps. None of it is undone by what a lease or a heartbeat allows for.
const JUMPS: [&str; 4] = ["+20s", "+10m", "-90s", "-10m"];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_is_lost_and_nobody_is_told_twice() {
    soak(Kept::InPostgres, &SHARED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_one_hub_and_its_disk_nothing_is_lost() {
    soak(Kept::OnSmallDisk, &ALONE).await;
}

async fn soak(kept: Kept, faults: &[Fault]) {
    let number = |name: &str| {
        let text = std::env::var_os(name)?.into_string().unwrap_or_default();
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a whole number")))
    };
    let time = Duration::from_secs(number(SECONDS).unwrap_or(60));
    let seed = number(SEED).unwrap_or_else(|| now().timestamp().unsigned_abs() / 86_400);
    let Some(mut stage) = Stage::set(kept).await else { return };
    let _ = writeln!(std::io::stderr(), "soaking for {time:?} with {SEED}={seed}");
    let mut random = Random::new(seed);
    let hubs = u64::try_from(stage.hubs.len()).expect("two at most");
    let watch = Stopwatch::start();
    let mut story = Vec::new();
    while watch.elapsed() < time {
        let (fault, whom) = (random.one_of(faults), random.below(2));
        let jump = random.one_of(&JUMPS);
        // Some outlast the leases on names, parts and messages, and what is waited for a sign of life.
        let lasting = Duration::from_millis(match random.below(4) {
            0 => 16_000 + random.below(9_000),
            _ => 1_000 + random.below(7_000),
        });
        story.push(format!("{:?}: {fault:?} {whom} {jump} for {lasting:?}", watch.elapsed()));
        let at = |most: u64| usize::try_from(whom % most).expect("0 or 1");
        match fault {
            Fault::AgentUnheard | Fault::AgentKilled => {
                stage.strike_agent(fault, at(2), lasting).await;
            }
            Fault::HubKilled | Fault::HubFrozen | Fault::HubWithoutDatabase => {
                stage.strike_hub(fault, at(hubs), lasting).await;
            }
            Fault::AgentClockJumps | Fault::HubClockJumps => {
                stage.set_clock(fault, jump, lasting).await;
            }
            Fault::DatabaseStopped | Fault::DiskFull | Fault::SiteBroken => {
                stage.strike_world(fault, lasting).await;
            }
            Fault::ProjectEdited => stage.edit(random.one_of(&EXTRA), lasting).await,
        }
        tokio::time::sleep(Duration::from_millis(random.below(3_000))).await;
    }
    let _ = writeln!(std::io::stderr(), "{story:#?}");
    let Stage { world, hubs, .. } = &stage;
    let hub = hubs[0].as_ref().expect("it was started again");
    world.watched(hub, &REGIONS.map(|(region, _)| region)).await;
    let when = format!("{SEED}={seed}, {story:#?}");
    world.verdict(hub, &when).await;
}

/// How the project has a check that comes and goes.
const EXTRA: [&str; 4] = [
    "",
    "[[check]]\nname = \"extra\"\nurl = \"SITE/extra\"\nevery = \"1s\"\nregions = [\"eu\", \"us\"]\n",
    "[[check]]\nname = \"extra\"\nurl = \"SITE/extra\"\nevery = \"2s\"\nregions = [\"eu\", \"ap\"]\n",
    "[[check]]\nname = \"extra\"\nurl = \"SITE/extra\"\nevery = \"1s\"\nregions = [\"us\"]\nenabled = false\n",
];
/// Where that is.
const MARK: &str = "# what comes and goes\n";

/// A world with hubs and agents in it.
struct Stage {
    world: World,
    hubs: Vec<Option<Daemon>>,
    agents: Vec<Agent>,
    /// The clocks of the first hub and of the first agent, where they can be set.
    walls: Option<[Wall; 2]>,
    /// How the project has the check that comes and goes.
    extra: String,
}

impl Stage {
    async fn set(kept: Kept) -> Option<Self> {
        let mut world = World::raise_with(kept, |_| MARK.to_owned()).await?;
        world.site.answer_at("/extra", 200);
        let folders = ["hub-wall", "agent-wall"].map(|name| world.path().join(name));
        for folder in &folders {
            std::fs::create_dir(folder).expect("a folder of ours");
        }
        let [of_hub, of_agent] = folders.map(|folder| Wall::find(&folder));
        let walls = of_hub.zip(of_agent).map(|(hub, agent)| [hub, agent]);
        if let Some([hub, _]) = &walls {
            world.show_hub(hub);
        }
        let mut hubs = vec![Some(world.start_hub().await)];
        if kept == Kept::InPostgres {
            hubs.push(Some(world.start_other().await));
        }
        let agents = world.start_agents().await;
        let mut stage = Self { world, hubs, agents, walls, extra: String::new() };
        // Stopped sooner, it might hold its name without knowing that it does.
        stage.agents[0].says("the hub knows it", |it| it["hub_reachable"] == true).await;
        stage.agents[0].stop().await;
        stage.start_agent(0);
        Some(stage)
    }

    fn start_agent(&mut self, at: usize) {
        let (region, name) = REGIONS[at];
        let wall = self.walls.as_ref().filter(|_| at == 0).map(|[_, agent]| agent.environment());
        self.agents[at] = self.world.start_agent(region, name, wall.unwrap_or_default());
    }

    async fn strike_agent(&mut self, fault: Fault, at: usize, lasting: Duration) {
        let (hosts, agent) = (&self.world.hosts, REGIONS[at].1);
        if let Fault::AgentKilled = fault {
            self.agents[at].kill();
            tokio::time::sleep(lasting).await;
            self.start_agent(at);
        } else {
            // What it dials: a hub, or what stands before several.
            let hub = self.world.dialled();
            hosts.cut(agent, hub);
            tokio::time::sleep(lasting).await;
            hosts.mend(agent, hub);
        }
    }

    async fn strike_hub(&mut self, fault: Fault, at: usize, lasting: Duration) {
        let host = ["hub", "other"][at];
        let wait = || tokio::time::sleep(lasting);
        match fault {
            Fault::HubKilled => {
                self.hubs[at].take().expect("it runs").kill().await;
                wait().await;
                let world = &self.world;
                self.hubs[at] = Some(match at {
                    0 => world.start_hub().await,
                    _ => world.start_other().await,
                });
            }
            Fault::HubFrozen => {
                let hub = self.hubs[at].as_ref().expect("it runs");
                hub.freeze();
                wait().await;
                hub.thaw();
            }
            _ => {
                self.world.hosts.part(host, "store");
                wait().await;
                self.world.hosts.join(host, "store");
            }
        }
    }

    async fn edit(&mut self, extra: &str, lasting: Duration) {
        let before = format!("{MARK}{}", self.extra);
        let site =
            self.world.site.url().replace("127.0.0.1", &self.world.hosts.outside().to_string());
        self.extra = extra.replace("SITE", &site);
        let after = format!("{MARK}{}", self.extra);
        self.world.edit(&before, &after, lasting).await;
    }

    async fn set_clock(&self, fault: Fault, jump: &str, lasting: Duration) {
        let Some([hub, agent]) = &self.walls else { return };
        let wall = if let Fault::HubClockJumps = fault { hub } else { agent };
        wall.set(jump);
        tokio::time::sleep(lasting).await;
        wall.set("+0");
    }

    async fn strike_world(&mut self, fault: Fault, lasting: Duration) {
        let world = &mut self.world;
        let wait = || tokio::time::sleep(lasting);
        match fault {
            Fault::DatabaseStopped => {
                let database = world.database.as_mut().expect("it is in PostgreSQL");
                database.stop_server();
                wait().await;
                world.database.as_mut().expect("it is in PostgreSQL").start_server();
            }
            Fault::DiskFull => {
                let disk = world.disk.as_ref().expect("a small disk");
                disk.fill();
                wait().await;
                disk.free();
            }
            _ => {
                world.site.answer(500);
                wait().await;
                world.site.answer(200);
            }
        }
    }
}
