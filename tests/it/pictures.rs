//! Pictures in the threads of messages in Slack: drawn from what is stored, shown once, and in nobody's way.

use std::time::Duration;

use tripline::notify::slack::{self, Slack};
use tripline::notify::{Picture, Shown, Transport};

use crate::support::site::Site;
use crate::support::slack::{FakeSlack, TOKEN, channel_id};
use crate::support::tripline::Project;
use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_mins(1);

/// The first bytes of a PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn slack(fake: &FakeSlack) -> Slack {
    // An error means that another test of this process installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api_url = fake.api_url();
    let access =
        slack::Access { api_url: &api_url, bot_token: Some(TOKEN), ..slack::Access::default() };
    Slack::new(&access).expect("a good address").within(Duration::from_secs(2))
}

fn picture() -> Picture {
    Picture {
        name: "tripline.png".into(),
        title: "few logins & more".into(),
        words: "w".repeat(2_000),
        png: PNG.to_vec(),
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_shown_says_what_helps() {
    let fake = FakeSlack::slack().await;
    let slack = slack(&fake);
    let never = async |receipt: &str| match slack.show(receipt, &picture()).await {
        Shown::Never { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(never("webhook").await, "the message has no thread");
    assert_eq!(never("C1/17.2").await, "Slack answered thread_not_found");
    fake.refuse_pictures("missing_scope");
    let reason = never("C1/17.2").await;
    assert!(reason.contains("needs the scope files:write; add it to the app"), "{reason}");
    fake.refuse_pictures("internal_error");
    let later = slack.show("C1/17.2", &picture()).await;
    assert!(matches!(later, Shown::Later { after: None, .. }), "{later:?}");
    assert_eq!(fake.pictures(), []);
    assert!(fake.arrivals().is_empty(), "nobody was told anything");
}

/// A project whose check fails, and which tells Slack.
fn project(fake: &FakeSlack, site: &Site) -> Project {
    let (api, site) = (fake.api_url(), site.url());
    let toml = format!(
        "[slack]\nbot_token = {{ env = \"BOT_TOKEN\" }}\napi_url = \"{api}\"\n\
         [[policy]]\nname = \"tell\"\n[[policy.tier]]\nnotify = [\"slack:#p2\"]\n\
         when = {{ failures_in_a_row = 1 }}\n\
         [[check]]\nid = \"shop\"\nname = \"The shop\"\nurl = \"{site}\"\nevery = \"1s\"\n"
    );
    Project::new().toml(&toml).env("BOT_TOKEN", TOKEN)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thread_of_an_incident_has_a_picture_of_its_check() {
    let (fake, site) = (FakeSlack::slack().await, Site::start().await);
    site.answer(503);
    let daemon = project(&fake, &site).up().await;
    until_true("the picture is shown", PATIENCE, async || !fake.pictures().is_empty()).await;
    let [picture] = &fake.pictures()[..] else { panic!("{:?}", fake.pictures().len()) };
    let (channel, thread, title) = picture.shown.clone().expect("it is shown");
    assert_eq!((channel, title), (channel_id("#p2"), "The shop: how long runs took".to_owned()));
    assert!(fake.speak().is_root(&channel_id("#p2"), &thread), "in the thread of the incident");
    assert!(picture.png.starts_with(PNG) && picture.png.len() > 5_000);
    assert!(picture.words.contains("The shop"), "{}", picture.words);
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_scope_messages_are_sent_and_it_is_said_once() {
    let (fake, site) = (FakeSlack::slack().await, Site::start().await);
    fake.refuse_pictures("missing_scope");
    site.answer(503);
    let daemon = project(&fake, &site).up().await;
    until_true("it is said", PATIENCE, async || daemon.log().contains("files:write")).await;
    assert_eq!(fake.shown("#p2").len(), 1);
    let incidents = daemon.incidents().await;
    assert_eq!(incidents.len(), 1, "no path is broken: {incidents:?}");
    site.answer(200);
    until_true("it is over", PATIENCE, async || {
        fake.texts("#p2").iter().any(|text| text.contains("passes again") || text.contains("✅"))
            || fake.arrivals().len() >= 3
    })
    .await;
    assert_eq!(daemon.log().matches("files:write").count(), 1, "{}", daemon.log());
    assert_eq!(fake.pictures(), []);
    assert!(daemon.stop().await.success());
}
