//! Who is told of what, by the real binary, while providers fail and the daemon is killed.

use std::time::Duration;

use crate::support::postgres::Database;
use crate::support::provider::Answer;
use crate::support::providers::{ANA, BO, Message, Providers};
use crate::support::random::Random;
use crate::support::site::Site;
use crate::support::told::{EVERYBODY, assert_told, counts, notifications, quiet};
use crate::support::tripline::{Notification, Project};
use crate::support::wait::{throughout, until, until_true};

/// How long something may take that takes a second or two on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where a lease of a killed daemon has to run out first.
const AFTER_A_CRASH: Duration = Duration::from_secs(90);

/// A project that watches `site` every second and tells `providers`.
fn project(site: &Site, providers: &Providers) -> Project {
    let check = format!("[[check]]\nname = \"shop\"\nurl = \"{}\"\nevery = \"1s\"\n", site.url());
    providers.told_by(Project::new()).toml(&check)
}

/// The same with its store in a database.
fn in_postgresql(project: Project, database: &Database) -> Project {
    let store = "[store]\nurl = { env = \"DATABASE_URL\" }\n";
    project.toml(store).env("DATABASE_URL", database.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_to_p2_a_second_to_p1_and_the_team_and_the_recovery_to_all() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let daemon = project(&site, &providers).up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    assert_eq!(counts(&providers), [0; 4]);

    site.answer(500);
    until_true("everybody is told", PATIENCE, async || counts(&providers) == [1; 4]).await;
    for to in EVERYBODY {
        let told = &providers.arrived(to)[0];
        assert!(told.text.contains("shop"), "{told:#?}");
    }

    site.answer(200);
    let owed = quiet(&daemon, PATIENCE).await;
    assert_eq!(counts(&providers), [2; 4]);
    assert!(owed.iter().all(|it| it.state == "sent" && !it.possible_repeat), "{owed:#?}");
    let (recovered, failed): (Vec<_>, Vec<_>) =
        owed.into_iter().partition(|it| it.notice.kind == "recovered");
    assert_eq!((recovered.len(), failed.len()), (4, 4), "{recovered:#?}{failed:#?}");
    let (first, later): (Vec<_>, Vec<_>) =
        failed.into_iter().partition(|it| it.recipient.address == "#p2");
    let failed_at = |it: &Notification| it.stamps.failed.expect("it is about a run");
    for second in &later {
        let between = (failed_at(second) - failed_at(&first[0])).num_milliseconds();
        assert!(between > 500, "of a failure {between} ms after that of #p2: {second:#?}");
    }

    let calm = async || counts(&providers) == [2; 4];
    throughout("nobody is told while all is well", Duration::from_secs(3), calm).await;
    assert!(daemon.stop().await.success());
}

/// A target that takes connections and says nothing, checked by `options`: `#p2`, then `#p1` and the
/// team are told.
async fn a_hanging_target_is_told(options: &str) {
    // The system takes the connections; nobody ever reads from them.
    let target = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = target.local_addr().expect("a bound listener has an address");
    let providers = Providers::start().await;
    let url = format!("http://{address}/");
    let script = format!(
        "export const options = {options};\n\
         export default async function () {{ await fetch(\"{url}\"); }}\n"
    );
    let plain = format!("[[check]]\nname = \"plain\"\nurl = \"{url}\"\n")
        + &options.trim_matches(['{', '}', ' ']).replace(", ", "\n").replace(": ", " = ")
        + "\n";
    let projects = [
        providers.told_by(Project::new()).script("script.js", &script),
        providers.told_by(Project::new()).toml(&plain),
    ];
    for (times, project) in (1..).zip(projects) {
        let daemon = project.up().await;
        let what = format!("everybody is told of a hanging target by {options}");
        until_true(&what, PATIENCE, async || counts(&providers) == [times; 4]).await;
        let (p2, p1) = (&providers.arrived("#p2")[times - 1], &providers.arrived("#p1")[times - 1]);
        assert!(p2.at < p1.at, "a second failure comes later: {p2:#?}\n{p1:#?}");
        let runs = daemon.runs(if times == 1 { "script" } else { "plain" }).await;
        let timeouts = runs.iter().filter_map(|run| run.failure.as_ref());
        assert!(timeouts.filter(|failure| failure.kind == "timeout").count() >= 2, "{runs:#?}");
        assert!(daemon.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_target_is_told_where_the_timeout_is_the_interval() {
    a_hanging_target_is_told("{ every: \"2s\", timeout: \"2s\" }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_target_is_told_where_no_timeout_is_set() {
    a_hanging_target_is_told("{ every: \"2s\" }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_failure_wakes_nobody() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let daemon = project(&site, &providers).up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    site.answer_once(500);
    quiet(&daemon, PATIENCE).await;
    assert_eq!(counts(&providers), [2, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_that_asks_to_wait_is_waited_for_and_sms_leave_meanwhile() {
    const WAIT: i64 = 6;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let wait = Answer::Limited(WAIT.unsigned_abs());
    providers.slack.answer([wait]);
    site.answer(500);
    let daemon = project(&site, &providers).up().await;
    until_true("everybody is told", PATIENCE, async || counts(&providers) == [1; 4]).await;

    let slack = providers.posts();
    let refused = slack.iter().find(|message| message.answer == wait).expect("one was refused");
    let later = &providers.arrived(&refused.to)[0];
    assert!((later.at - refused.at).num_seconds() >= WAIT, "{slack:#?}");
    for to in [ANA, BO] {
        let sms = &providers.arrived(to)[0];
        assert!(sms.at < later.at, "the SMS to {to} waited for Slack");
    }
    assert!(!later.is_marked(), "a refused message did not arrive, so this is no repeat");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_providers_are_tried_again_until_they_work() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    providers.slack.answer([Answer::Status(500), Answer::Status(503), Answer::Garbage]);
    providers.twilio.answer([Answer::Status(500), Answer::Limited(1), Answer::Status(503)]);
    site.answer(500);
    let daemon = project(&site, &providers).up().await;
    until_true("everybody is told", PATIENCE, async || {
        counts(&providers).iter().all(|count| *count >= 1)
    })
    .await;
    site.answer(200);
    let owed = quiet(&daemon, PATIENCE).await;
    assert!(owed.iter().all(|it| it.state == "sent"), "{owed:#?}");
    assert!(owed.iter().any(|it| it.deliveries.len() >= 2), "{owed:#?}");
    let last = owed.iter().filter_map(|it| it.deliveries.last());
    assert!(last.clone().all(|delivery| delivery.outcome == "accepted"), "{owed:#?}");
}

/// K7: the request has left, and nobody read the answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_when_the_daemon_was_killed_arrives_and_says_that_it_may_be_a_repeat() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers);
    killed_with_messages_on_their_way(&project, &site, &providers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_arrives_when_the_store_is_in_postgresql() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let database = Database::empty().await;
    let project = in_postgresql(project(&site, &providers), &database);
    killed_with_messages_on_their_way(&project, &site, &providers).await;
    database.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stood_still_sends_nothing_that_another_has_sent_meanwhile() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let database = Database::empty().await;
    let hub = || in_postgresql(project(&site, &providers), &database);
    providers.slack.answer_all(Answer::Hang);
    site.answer(500);
    let frozen = hub().up().await;
    until_true("a message is on its way", PATIENCE, async || !providers.posts().is_empty()).await;
    frozen.freeze();

    providers.slack.answer_all(Answer::Accept);
    let other = hub().up().await;
    until_true("the other tells everybody", AFTER_A_CRASH, async || {
        EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
    })
    .await;
    site.answer(200);
    quiet(&other, AFTER_A_CRASH).await;
    let before = counts(&providers);

    frozen.thaw();
    let as_before = async || counts(&providers) == before;
    throughout("the thawed hub sends nothing", Duration::from_secs(6), as_before).await;
    let owed = quiet(&frozen, PATIENCE).await;
    assert!(owed.iter().all(|it| it.state == "sent"), "{owed:#?}");
    assert_told(&providers, &owed, "after standing still");
    assert!(frozen.stop().await.success() && other.stop().await.success());
    database.discard().await;
}

async fn killed_with_messages_on_their_way(project: &Project, site: &Site, providers: &Providers) {
    providers.answer_all(Answer::Hang);
    site.answer(500);
    let daemon = project.up().await;
    until_true("each lane is at work", PATIENCE, async || {
        !providers.posts().is_empty() && !providers.texts().is_empty()
    })
    .await;
    daemon.kill().await;

    providers.answer_all(Answer::Accept);
    let daemon = project.up().await;
    until_true("everybody is told", AFTER_A_CRASH, async || {
        EVERYBODY.iter().all(|to| providers.arrived(to).iter().any(Message::answered))
    })
    .await;
    site.answer(200);
    let owed = quiet(&daemon, AFTER_A_CRASH).await;
    assert!(owed.iter().all(|it| it.state == "sent"), "{owed:#?}");
    let repeats = owed.iter().filter(|it| it.possible_repeat).count();
    assert!(repeats >= 2, "both lanes had a message on its way: {owed:#?}");
    assert_told(providers, &owed, "after one kill");
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_again_and_again_sends_no_message_a_third_time() {
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers);
    providers.answer_all(Answer::Hang);
    site.answer_once(500);
    for times in 1..=2 {
        let daemon = project.up().await;
        // Only the first failure of the check is told of, because the next runs pass.
        until_true("it is sent", AFTER_A_CRASH, async || {
            providers.arrived("#p2").iter().filter(|message| !message.about().1).count() >= times
        })
        .await;
        daemon.kill().await;
    }
    let daemon = project.up().await;
    let ended = until("it is given up", AFTER_A_CRASH, async || {
        let all = notifications(&daemon).await;
        all.into_iter().find(|it| it.notice.kind == "failing" && it.state == "given_up")
    })
    .await;
    assert!(ended.possible_repeat, "{ended:#?}");
    assert_told(&providers, &notifications(&daemon).await, "after two kills");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_times_lose_nothing_and_repeat_nothing_unmarked() {
    const SEED: u64 = 0x7121_9112_e000_0001;
    const KILLS: u32 = 8;
    let (site, providers) = (Site::start().await, Providers::start().await);
    let project = project(&site, &providers);
    let mut random = Random::new(SEED);
    let odd = [Answer::Accept, Answer::Status(500), Answer::Hang, Answer::Limited(1)];
    for _ in 0..KILLS {
        providers.slack.answer([random.one_of(&odd)]);
        providers.twilio.answer([random.one_of(&odd)]);
        site.answer(if random.below(3) == 0 { 200 } else { 500 });
        let daemon = project.up().await;
        tokio::time::sleep(Duration::from_millis(random.below(2_500))).await;
        daemon.kill().await;
    }

    // It fails once more, so that there is something to tell whatever happened before.
    site.answer(500);
    let daemon = project.up().await;
    daemon.run("shop", "failed", |run| run.outcome == "failed").await;
    site.answer(200);
    let owed = quiet(&daemon, AFTER_A_CRASH).await;
    // Given up is one that was answered neither time; then it arrived, which is looked at below.
    let settled = |it: &Notification| match it.state.as_str() {
        "sent" | "superseded" => true,
        "given_up" => it.possible_repeat,
        _ => false,
    };
    assert!(owed.iter().all(settled), "seed {SEED:#x}: {owed:#?}");
    assert_told(&providers, &owed, &format!("seed {SEED:#x}"));
    assert!(daemon.stop().await.success());
}
