//! What is promised of regions, hubs and stores, while networks part, machines stop and disks are
//! full: nothing is lost, nobody is told twice, and every slot is accounted for.
//!
//! Each test is a network of hosts on this machine. Where there can be none, it says so loudly and
//! holds nothing.

mod soak;
mod world;

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use rustix::process::Signal;
use tripline::clock::Stopwatch;

use self::world::{Audit, CHECK, DISK_MIB, Kept, PATIENCE, World, now};
use crate::support::disk::Disk;
use crate::support::memory::Memory;
use crate::support::told::counts;
use crate::support::wait::{throughout, until_true};
use crate::support::wall::Wall;

/// Longer than every lease by which something is decided, and what is promised of a frozen hub.
const FREEZE: Duration = Duration::from_mins(1);
/// In so long, what a jump of a clock does is seen: checks and agents are reviewed every five seconds.
const REVIEWED: Duration = Duration::from_secs(10);

const EVERY_REGION: [&str; 3] = ["eu", "us", "ap"];

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_cut_off_goes_on_and_hands_over_what_it_saw() {
    let Some(world) = World::raise(Kept::InFile).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;

    let parted = now();
    world.hosts.part("one", "hub");
    agents[0].says("the hub is out of reach", |it| it["hub_reachable"] == false).await;
    agents[0]
        .says("it keeps what it cannot report", |it| it["spool"]["reports"].as_u64() >= Some(20))
        .await;
    until_true("the region is missed", PATIENCE, async || world.blind(&hub).await == ["region:eu"])
        .await;
    world.hosts.join("one", "hub");
    world.watched(&hub, &["eu"]).await;
    world.whole(&hub, "eu", parted).await;
    until_true("the region is back", PATIENCE, async || world.blind(&hub).await.is_empty()).await;
    world.verdict(&hub, "after a partition").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_hub_is_replaced_and_sends_nothing_when_it_thaws() {
    let Some(world) = World::raise(Kept::InPostgres).await else { return };
    let first = world.start_hub().await;
    let second = world.start_other().await;
    let _agents = world.start_agents().await;
    world.watched(&second, &EVERY_REGION).await;
    first.freeze();
    let frozen = Stopwatch::start();
    world.site.answer(500);
    until_true("the other tells everybody", PATIENCE, async || counts(&world.providers) == [1; 4])
        .await;
    // An agent that still waits for the frozen hub hands these failures over with what passed after them.
    let told = async || counts(&world.providers) == [1; 4];
    throughout("it goes on failing", Duration::from_secs(4), told).await;
    world.site.answer(200);
    world.watched(&second, &EVERY_REGION).await;
    until_true("the other tells of the recovery", PATIENCE, async || {
        counts(&world.providers) == [2; 4]
    })
    .await;
    let calm = async || counts(&world.providers) == [2; 4];
    let rest = FREEZE.saturating_sub(frozen.elapsed());
    throughout("nobody is told again", rest, calm).await;
    first.thaw();
    throughout("the thawed hub sends nothing", Duration::from_secs(10), calm).await;
    world.watched(&first, &EVERY_REGION).await;
    world.verdict(&first, "after a freeze").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hears_and_is_not_heard_is_cut_off() {
    lost_in_one_direction("one", "hub").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_heard_and_hears_nothing_is_cut_off() {
    lost_in_one_direction("hub", "one").await;
}

async fn lost_in_one_direction(from: &str, to: &str) {
    let Some(world) = World::raise(Kept::InFile).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let parted = now();
    world.hosts.cut(from, world.hosts.address(to));
    agents[0].says("the hub is out of reach", |it| it["hub_reachable"] == false).await;
    until_true("the region is missed", PATIENCE, async || world.blind(&hub).await == ["region:eu"])
        .await;
    world.hosts.mend(from, world.hosts.address(to));
    world.watched(&hub, &["eu"]).await;
    world.whole(&hub, "eu", parted).await;
    world.verdict(&hub, &format!("after losing what {from} sends")).await;
}

/// More checks of one region, and by what it finds out whether it is cut off.
fn with_control(url: &str) -> String {
    let check = |name: &str| {
        format!(
            "[[check]]\nname = \"{name}\"\nurl = \"{url}/{name}\"\nevery = \"1s\"\nregions = [\"eu\"]\n"
        )
    };
    let control = format!(
        "[regions.eu]\ncontrol = [\"{url}/one\", \"{url}/two\"]\n[regions.us]\n[regions.ap]\n"
    );
    [check("cart"), check("search"), control].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_reaches_no_target_is_one_incident_and_none_of_a_check() {
    let Some(world) = World::raise_with(Kept::InFile, with_control).await else { return };
    let hub = world.start_hub().await;
    let _agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let targets = world.hosts.outside();
    world.hosts.cut("one", targets);
    until_true("the region is missed", PATIENCE, async || {
        world.blind(&hub).await.contains(&"region:eu".to_owned())
    })
    .await;
    world.hosts.mend("one", targets);
    world.watched(&hub, &["eu"]).await;
    until_true("the region is back", PATIENCE, async || world.blind(&hub).await.is_empty()).await;
    let about: Vec<String> = hub.incidents().await.into_iter().map(|it| it.subject).collect();
    assert_eq!(about, ["region:eu"]);
    world.verdict(&hub, "after no target was reached").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_hub_is_waited_for() {
    let Some(world) = World::raise(Kept::InFile).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let killed = now();
    hub.kill().await;
    for agent in &mut agents {
        agent
            .says("it keeps what it cannot report", |it| {
                it["spool"]["reports"].as_u64() >= Some(10)
            })
            .await;
    }
    let hub = world.start_hub().await;
    world.watched(&hub, &EVERY_REGION).await;
    for region in EVERY_REGION {
        world.whole(&hub, region, killed).await;
    }
    world.verdict(&hub, "after a hub was killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_database_is_waited_for() {
    let Some(mut world) = World::raise(Kept::InPostgres).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let stopped = now();
    let database = world.database.as_mut().expect("it is in PostgreSQL");
    database.stop_server();
    agents[0]
        .says("it keeps what it cannot report", |it| it["spool"]["reports"].as_u64() >= Some(10))
        .await;
    world.database.as_mut().expect("it is in PostgreSQL").start_server();
    world.watched(&hub, &EVERY_REGION).await;
    for region in EVERY_REGION {
        world.whole(&hub, region, stopped).await;
    }
    world.verdict(&hub, "after the database was stopped").await;
}

/// F1, for as long as it is promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_for_two_minutes_costs_no_slot_and_is_told_of_once() {
    let Some(mut world) = World::raise(Kept::InPostgres).await else { return };
    let hub = world.start_hub().await;
    let agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let before = world.accounted("before the outage").await;
    world.database.as_mut().expect("it is in PostgreSQL").stop_server();
    // Each keeps one a second.
    until_true("two minutes of reports are kept", PATIENCE, async || {
        let status = agents[0].status().await;
        status.is_some_and(|it| it["spool"]["reports"].as_u64() >= Some(120))
    })
    .await;
    world.database.as_mut().expect("it is in PostgreSQL").start_server();
    world.watched(&hub, &EVERY_REGION).await;
    let audit = world.accounted("after an outage of two minutes").await;
    let missed = |audit: &Audit| audit.missed.values().sum::<u64>();
    assert_eq!(missed(&audit), missed(&before), "{audit:#?}\n{before:#?}");
    let told = world.providers.arrived("#p2");
    let degraded = told.iter().filter(|it| it.text.contains("STORAGE DEGRADED")).count();
    assert_eq!(degraded, 1, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_is_missed_and_what_nobody_ran_is_told() {
    let Some(world) = World::raise(Kept::InFile).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    agents[0].kill();
    until_true("the region is missed", PATIENCE, async || world.blind(&hub).await == ["region:eu"])
        .await;
    agents[0] = world.start_agent("eu", "one", Vec::new());
    world.watched(&hub, &["eu"]).await;
    until_true("the region is back", PATIENCE, async || world.blind(&hub).await.is_empty()).await;
    let audit = world.verdict(&hub, "after an agent was killed").await;
    let lost = audit.missed.get("agent_lost").copied().unwrap_or_default();
    assert!(lost >= 20, "{audit:?}");
    // In each region a slot that came due while hub and agent started may have another reason.
    let others = audit.missed.values().sum::<u64>() - lost;
    assert!(others <= 3, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_hub_is_replaced_by_the_other() {
    let Some(world) = World::raise(Kept::InPostgres).await else { return };
    let (first, second) = (world.start_hub().await, world.start_other().await);
    let _agents = world.start_agents().await;
    world.watched(&second, &EVERY_REGION).await;
    let killed = now();
    first.kill().await;
    world.site.answer(500);
    until_true("the other tells everybody", PATIENCE, async || counts(&world.providers) == [1; 4])
        .await;
    world.site.answer(200);
    until_true("and of the recovery", PATIENCE, async || counts(&world.providers) == [2; 4]).await;
    for region in EVERY_REGION {
        world.whole(&second, region, killed).await;
    }
    world.verdict(&second, "after one of two hubs was killed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let Some(world) = World::raise(Kept::OnSmallDisk).await else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let (full, disk) = (now(), world.disk.as_ref().expect("a small disk"));
    disk.fill();
    agents[0]
        .says("it keeps what it cannot report", |it| it["spool"]["reports"].as_u64() >= Some(15))
        .await;
    assert!(!hub.runs(CHECK).await.is_empty(), "what is there can be read");
    let (status, reasons) = hub.health().await;
    assert_eq!(status, 503, "{reasons}");
    disk.free();
    world.watched(&hub, &EVERY_REGION).await;
    for region in EVERY_REGION {
        world.whole(&hub, region, full).await;
    }
    world.verdict(&hub, "after the disk was full").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_for_want_of_memory_goes_on_where_it_was() {
    let Some(mut world) = World::raise(Kept::InFile).await else { return };
    let Some(memory) = Memory::find() else { return };
    world.confine_hub(&memory);
    let mut hub = world.start_hub().await;
    let _agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    world.site.answer(500);
    until_true("everybody is told", PATIENCE, async || counts(&world.providers) == [1; 4]).await;

    let killed = now();
    let eater = memory.exhaust();
    assert_eq!(hub.end().await.signal(), Some(Signal::KILL.as_raw()), "the kernel killed it");
    drop(eater);
    memory.free();
    let hub = world.start_hub().await;
    world.watched(&hub, &EVERY_REGION).await;
    for region in EVERY_REGION {
        world.whole(&hub, region, killed).await;
    }
    assert_eq!(counts(&world.providers), [1; 4], "nobody is told again");
    world.site.answer(200);
    until_true("and of the recovery", PATIENCE, async || counts(&world.providers) == [2; 4]).await;
    world.verdict(&hub, "after the hub's memory was used up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_disk_is_full_is_told_past_the_store() {
    let Some(world) = World::raise(Kept::OnSmallDisk).await else { return };
    let hub = world.start_hub().await;
    let _agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let disk = world.disk.as_ref().expect("a small disk");
    disk.fill();
    until_true("those who hear of a first failure are told", PATIENCE, async || {
        let told = world.providers.arrived("#p2");
        told.iter().any(|message| message.text.contains("STORAGE DEGRADED"))
    })
    .await;
    let (status, reasons) = hub.health().await;
    assert_eq!(status, 503, "{reasons}");
    disk.free();
    world.watched(&hub, &EVERY_REGION).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_one_of_two_hubs_took_back_is_not_taken_up_again() {
    let mark = "# what comes and goes\n";
    let Some(mut world) = World::raise_with(Kept::InPostgres, |_| mark.to_owned()).await else {
        return;
    };
    let first = world.start_hub().await;
    let _second = world.start_other().await;
    let url = format!("http://{}/", world.hosts.outside());
    let check = format!(
        "[[check]]\nname = \"extra\"\nurl = \"{url}\"\nevery = \"1s\"\nregions = [\"eu\"]\n"
    );
    let more = format!("{mark}{check}");
    let mut connection = world.database.as_ref().expect("in PostgreSQL").connect().await;
    let begun = "SELECT count(*) FROM watches WHERE check_id = 'extra'";
    world.edit(mark, &more, Duration::from_secs(1)).await;
    let count = tokio::spawn(async move {
        let mut counts = Vec::new();
        // Both hubs have come round a few times after the edit, then again.
        for pause in [15, 25] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let open = format!("{begun} AND until_at IS NULL");
            for query in [begun.to_owned(), open] {
                let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query));
                counts.push(query.fetch_one(&mut connection).await.expect("counted"));
            }
        }
        counts
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.edit(&more, mark, Duration::from_secs(40)).await;
    let counts = count.await.expect("it counts");
    assert!(counts[0] > 0, "it was watched");
    assert_eq!(counts, [counts[0], 0, counts[0], 0], "nobody edited anything");
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_disk_is_full_reports_all_the_same() {
    let Some(world) = World::raise(Kept::InFile).await else { return };
    let disk = Disk::mount(&world.path().join("agent-one"), DISK_MIB);
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let full = now();
    disk.fill();
    until_true("its disk takes nothing", PATIENCE, async || {
        agents[0].log().contains("database or disk is full")
    })
    .await;
    world.watched(&hub, &["eu"]).await;
    world.whole(&hub, "eu", full).await;
    disk.free();
    let status = agents[0].says("its disk works", |it| it["spool_trouble"].is_null()).await;
    assert_eq!((&status["spool"]["lost"], &status["spool"]["thinned"]), (&0.into(), &0.into()));
    world.verdict(&hub, "after an agent's disk was full").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_clock_jumps_wakes_nobody_for_that() {
    let Some(mut world) = World::raise(Kept::InFile).await else { return };
    let Some(wall) = Wall::find(world.path()) else { return };
    world.show_hub(&wall);
    let hub = world.start_hub().await;
    let _agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    let begin = now();
    for offset in ["+1h", "+0", "-10m", "+0", "-1h", "+0"] {
        wall.set(offset);
        let calm = async || counts(&world.providers) == [0; 4];
        let when = format!("nobody is told that the clock is off by {offset}");
        throughout(&when, REVIEWED, calm).await;
    }
    world.watched(&hub, &EVERY_REGION).await;
    for region in EVERY_REGION {
        world.whole(&hub, region, begin).await;
    }
    world.verdict(&hub, "after the hub's clock jumped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_clock_is_off_wakes_nobody_for_that() {
    let more = |site: &str| {
        format!(
            "[[check]]\nname = \"own\"\nurl = \"{site}/own\"\nevery = \"1s\"\nregions = [\"eu\"]\n"
        )
    };
    let Some(world) = World::raise_with(Kept::InFile, more).await else { return };
    let Some(wall) = Wall::find(world.path()) else { return };
    let hub = world.start_hub().await;
    let mut agents = world.start_agents().await;
    world.watched(&hub, &EVERY_REGION).await;
    agents[0].stop().await;
    agents[0] = world.start_agent("eu", "one", wall.environment());
    world.watched(&hub, &["eu"]).await;
    for offset in ["+10m", "+0", "-10m", "+0"] {
        wall.set(offset);
        let calm = async || counts(&world.providers) == [0; 4];
        let when = format!("nobody is told that an agent's clock is off by {offset}");
        throughout(&when, REVIEWED, calm).await;
    }
    // What it sees counts all the same.
    wall.set("-10m");
    world.site.answer_at("/own", 500);
    until_true("everybody is told", PATIENCE, async || counts(&world.providers) == [1; 4]).await;
    world.site.answer_at("/own", 200);
    until_true("everybody is told", PATIENCE, async || counts(&world.providers) == [2; 4]).await;
    wall.set("+0");
    world.watched(&hub, &["eu"]).await;
    world.verdict(&hub, "after an agent's clock was off").await;
}
