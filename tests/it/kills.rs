//! Killed, stopped and failed by the disk where it hurts most: nothing is lost, and nothing is half
//! done.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::store::first_version;
use crate::support::dump;
use crate::support::provider::Answer;
use crate::support::providers::{Message, Providers};
use crate::support::random::Random;
use crate::support::site::Site;
use crate::support::strace;
use crate::support::told::{EVERYBODY, assert_told, quiet};
use crate::support::tripline::Project;
use crate::support::wait::{until, until_true};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const SEED: u64 = 0x7121_9112_e000_0002;

fn project(site: &Site) -> Project {
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}/\"\nevery = \"1s\"\n", site.url());
    Project::new().toml(&check)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_while_it_brings_its_store_up_to_date_does_so_at_the_next_start() {
    let (site, mut random) = (Site::start().await, Random::new(SEED));
    for _ in 0..8 {
        let project = project(&site);
        first_version(&project.path().join("tripline.db")).await;
        let mut daemon = project.spawn(&["up", "--listen", "127.0.0.1:0"]);
        tokio::time::sleep(Duration::from_millis(random.below(120))).await;
        daemon.kill();
        let daemon = project.up().await;
        daemon.run("shop", "passed", |run| run.outcome == "passed").await;
        let owed = daemon.incidents().await;
        assert!(!owed.is_empty(), "what the first version knew is there");
        daemon.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_whole_or_it_is_not_there() {
    let (site, mut random) = (Site::start().await, Random::new(SEED));
    let project = project(&site);
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    daemon.stop().await;
    dump::fill(&project.path().join("tripline.db")).await;
    let before = dump::rows(&project.path().join("tripline.db")).await;
    for number in 0..12 {
        let name = format!("{number}.backup");
        let mut backup = project.spawn(&["store", "backup", &name]);
        tokio::time::sleep(Duration::from_millis(random.below(150))).await;
        backup.kill();
        let file = project.path().join(&name);
        if file.exists() {
            assert_eq!(dump::rows(&file).await, before, "{name}");
        }
        assert_eq!(dump::rows(&project.path().join("tripline.db")).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_told_to_stop_while_messages_are_on_their_way_loses_and_repeats_none_unmarked() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = providers.told_by(project(&site));
    for signals in 1..=2 {
        providers.answer_all(Answer::Hang);
        site.answer(500);
        let mut daemon = project.up().await;
        let before = providers.posts().len();
        until_true("a message is on its way", PATIENCE, async || providers.posts().len() > before)
            .await;
        // It reads its project again meanwhile.
        daemon.signal(Signal::HUP);
        for _ in 0..signals {
            daemon.signal(Signal::TERM);
        }
        daemon.end().await;
        providers.answer_all(Answer::Accept);
        let daemon = project.up().await;
        until_true("everybody is told", PATIENCE, async || {
            EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
        })
        .await;
        site.answer(200);
        let owed = quiet(&daemon, PATIENCE).await;
        assert_told(&providers, &owed, &format!("after {signals} SIGTERM"));
        assert!(daemon.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_while_messages_are_on_their_way_changes_nothing_for_them() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = providers.told_by(project(&site));
    providers.answer_all(Answer::Late);
    site.answer(500);
    let daemon = project.up().await;
    for message in 1..=2 {
        until_true("a message is on its way", PATIENCE, async || {
            providers.posts().len() >= message
        })
        .await;
        daemon.signal(Signal::HUP);
    }
    let has_it = |to: &str| !providers.arrived(to).is_empty();
    until_true("everybody is told", PATIENCE, async || EVERYBODY.iter().all(|to| has_it(to))).await;
    let reloads = || daemon.log().matches("the project was read again").count();
    until_true("the project is read again", PATIENCE, async || reloads() >= 1).await;
    for to in EVERYBODY {
        let told = providers.arrived(to);
        assert!(told.len() == 1 && !told[0].is_marked(), "{told:#?}");
    }
    site.answer(200);
    let owed = quiet(&daemon, PATIENCE).await;
    assert_told(&providers, &owed, "after a reload");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_to_write_back_loses_nothing_that_was_acknowledged() {
    const ROUNDS: u32 = 10;
    if !strace::works() {
        return;
    }
    let (site, providers) = (Site::start().await, Providers::start().await);
    let failing = "inject=fdatasync,fsync:error=EIO:when=12..40+3";
    let words =
        ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", failing];
    let project = providers.told_by(project(&site));
    // The store is made while the disk is good.
    assert!(project.up().await.stop().await.success());
    let project = project.behind(words.map(str::to_owned).into());
    let daemon = project.up().await;
    // Which thread writes how often differs, and the errors are counted by thread.
    for _ in 0..ROUNDS {
        site.answer(500);
        until_true("it is down, and everybody has been told of it once", PATIENCE, async || {
            daemon.incidents().await.iter().any(|it| it.status != "resolved")
                && EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
        })
        .await;
        site.answer(200);
        let owed = quiet(&daemon, PATIENCE).await;
        assert_told(&providers, &owed, "after errors of the disk");
        if daemon.log().contains("disk I/O error") {
            break;
        }
    }
    assert!(daemon.log().contains("disk I/O error"), "the disk failed, and this is told");
    let known = daemon.runs("shop").await.len();
    assert!(daemon.stop().await.success());

    let project = project.behind(Vec::new());
    let daemon = project.up().await;
    assert!(daemon.runs("shop").await.len() >= known, "what was shown is there");
    let accounted = until("the slots are accounted for", PATIENCE, async || {
        let (code, told, words) = project.run(&["store", "check"]).await;
        assert_eq!(code, Some(0), "{told}{words}");
        told.contains("Every slot is accounted for.").then_some(told)
    });
    accounted.await;
    assert!(fs::exists(daemon.folder().join("tripline.db")).is_ok_and(|there| there));
    assert!(daemon.stop().await.success());
}
