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

const SECONDS: &str = "TRIPLINE_SOAK_SECONDS";
const SEED: &str = "TRIPLINE_SOAK_SEED";

/// What is done to the world; each is undone a few seconds later.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// What the agent says does not reach the hubs.
    AgentUnheard,
    AgentKilled,
    HubKilled,
    HubFrozen,
    HubWithoutDatabase,
    DatabaseStopped,
    SiteBroken,
}

const FAULTS: [Fault; 7] = [
    Fault::AgentUnheard,
    Fault::AgentKilled,
    Fault::HubKilled,
    Fault::HubFrozen,
    Fault::HubWithoutDatabase,
    Fault::DatabaseStopped,
    Fault::SiteBroken,
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_is_lost_and_nobody_is_told_twice() {
    let number = |name: &str| {
        let text = std::env::var_os(name)?.into_string().unwrap_or_default();
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a whole number")))
    };
    let time = Duration::from_secs(number(SECONDS).unwrap_or(60));
    let seed = number(SEED).unwrap_or_else(|| now().timestamp().unsigned_abs() / 86_400);
    let Some(mut world) = World::raise(Kept::InPostgres).await else { return };
    let _ = writeln!(std::io::stderr(), "soaking for {time:?} with {SEED}={seed}");
    let mut random = Random::new(seed);
    let mut hubs = [Some(world.start_hub().await), Some(world.start_other().await)];
    let mut agents = world.start_agents().await;
    let watch = Stopwatch::start();
    let mut story = Vec::new();
    while watch.elapsed() < time {
        let (fault, whom) = (random.one_of(&FAULTS), random.below(2));
        let lasting = Duration::from_millis(1_000 + random.below(7_000));
        story.push(format!("{:?}: {fault:?} {whom} for {lasting:?}", watch.elapsed()));
        strike(fault, whom, lasting, &mut world, &mut hubs, &mut agents).await;
        tokio::time::sleep(Duration::from_millis(random.below(3_000))).await;
    }
    let hub = hubs[0].as_ref().expect("it was started again");
    world.watched(hub, &REGIONS.map(|(region, _)| region)).await;
    let when = format!("{SEED}={seed}, {story:#?}");
    world.verdict(hub, &when).await;
}

async fn strike(
    fault: Fault,
    whom: u64,
    lasting: Duration,
    world: &mut World,
    hubs: &mut [Option<Daemon>; 2],
    agents: &mut [Agent],
) {
    let at = usize::try_from(whom).expect("0 or 1");
    let (region, agent) = REGIONS[at];
    let host = ["hub", "other"][at];
    let wait = || tokio::time::sleep(lasting);
    match fault {
        Fault::AgentUnheard => {
            world.hosts.cut(agent, world.hosts.gate());
            wait().await;
            world.hosts.mend(agent, world.hosts.gate());
        }
        Fault::AgentKilled => {
            agents[at].kill();
            wait().await;
            agents[at] = world.start_agent(region, agent, Vec::new());
        }
        Fault::HubKilled => {
            hubs[at].take().expect("it runs").kill().await;
            wait().await;
            let again = if at == 0 { world.start_hub().await } else { world.start_other().await };
            hubs[at] = Some(again);
        }
        Fault::HubFrozen => {
            let hub = hubs[at].as_ref().expect("it runs");
            hub.freeze();
            wait().await;
            hub.thaw();
        }
        Fault::HubWithoutDatabase => {
            world.hosts.part(host, "store");
            wait().await;
            world.hosts.join(host, "store");
        }
        Fault::DatabaseStopped => {
            let database = world.database.as_mut().expect("it is in PostgreSQL");
            database.stop_server();
            wait().await;
            world.database.as_mut().expect("it is in PostgreSQL").start_server();
        }
        Fault::SiteBroken => {
            world.site.answer(500);
            wait().await;
            world.site.answer(200);
        }
    }
}
