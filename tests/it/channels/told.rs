//! All three by the real binary: a failure, an acknowledgement and the end of it, while they fail.

use std::time::Duration;

use serde_json::Value;

use crate::support::hook::{FakeHook, FakePagerduty, Hooked, ROUTING_KEY, SECRET};
use crate::support::provider::Answer;
use crate::support::site::Site;
use crate::support::smtp::{FakeSmtp, Fate};
use crate::support::targets::verdicts;
use crate::support::told::quiet;
use crate::support::tripline::Project;
use crate::support::wait::until_true;

/// How long something may take that takes a second or two on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(1);

struct Receivers {
    hook: FakeHook,
    mail: FakeSmtp,
    pagerduty: FakePagerduty,
}

impl Receivers {
    async fn start() -> Self {
        Self {
            hook: FakeHook::hook().await,
            mail: FakeSmtp::plain().await,
            pagerduty: FakePagerduty::pagerduty().await,
        }
    }

    /// A project that watches `site` every second and tells all of them of the first failure.
    fn project(&self, site: &Site) -> Project {
        let settings = format!(
            r#"
[webhook.chat]
url = {{ env = "CHAT_URL" }}
secret = {{ env = "CHAT_SECRET" }}
headers = {{ x-team = "shop" }}

[webhook.wall]
url = "{hook}/wall"
template = '''{{ "text": "{{{{ title }}}}", "open": "{{{{ open }}}}" }}'''

[email]
host = "127.0.0.1"
port = {port}
tls = "none"
from = "Tripline <tripline@example.com>"

[pagerduty.shop]
routing_key = {{ env = "PAGERDUTY_KEY" }}
api_url = "{pagerduty}"

[people.ana]
email = "ana@example.com"

[people.bo]
email = "bo@example.com"

[teams]
shop = ["ana", "bo"]

[rota.primary]
team = "shop"

[[rota.primary.layer]]
people = ["bo"]
turn = "daily"
starts = "2026-11-01 00:00"

[[policy]]
name = "shop"
[[policy.tier]]
when = {{ failures_in_a_row = 1 }}
notify = ["webhook:chat", "webhook:wall", "email:ana", "email:primary", "email:ops@example.com", "pagerduty:shop"]

[[check]]
name = "shop"
url = "{site}"
every = "1s"
"#,
            hook = self.hook.origin(),
            port = self.mail.port,
            pagerduty = self.pagerduty.origin(),
            site = site.url(),
        );
        Project::new()
            .toml(&settings)
            .env("CHAT_URL", &(self.hook.origin() + "/chat-path"))
            .env("CHAT_SECRET", SECRET)
            .env("PAGERDUTY_KEY", ROUTING_KEY)
            .env("USER", "eva")
    }

    /// The types of events that the webhook took in our own form.
    fn events(&self) -> Vec<String> {
        let taken = self.hook.accepted().into_iter().map(|it| it.json());
        taken.filter_map(|it| it["type"].as_str().map(str::to_owned)).collect()
    }

    fn actions(&self) -> Vec<String> {
        let taken = self.pagerduty.accepted().into_iter();
        taken.filter_map(|it| it["event_action"].as_str().map(str::to_owned)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_an_acknowledgement_and_the_end_are_told_by_all_of_them() {
    let (site, to) = (Site::start().await, Receivers::start().await);
    let project = to.project(&site);
    let daemon = project.up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    // The first mail may have arrived; the first webhook and event are to come again.
    to.mail.fates([Fate::Cut]);
    to.hook.answer([Answer::Status(500)]);
    to.pagerduty.answer([Answer::Limited(1)]);

    site.answer(500);
    let told = || {
        let mail = ["ana@example.com", "bo@example.com", "ops@example.com"];
        to.hook.accepted().len() == 2
            && mail.iter().all(|address| to.mail.taken(address).len() == 1)
            && to.actions() == ["trigger"]
    };
    until_true("all are told", PATIENCE, async || told()).await;
    let mailed = to.mail.mailed();
    let cut = mailed.iter().find(|it| it.fate == Fate::Cut).expect("one was cut");
    let again = &to.mail.taken(&cut.to)[0];
    assert!(!cut.text().contains("(possible repeat)"), "{cut:#?}");
    assert!(again.text().contains("(possible repeat)"), "{again:#?}");
    assert_eq!(again.header("Message-ID"), cut.header("Message-ID"));

    let (code, out, words) = project.run(&["ack", "1", "--reason", "on it"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    until_true("all hear who takes care", PATIENCE, async || {
        to.events() == ["incident.opened", "incident.acknowledged"]
            && to.actions() == ["trigger", "acknowledge"]
            && to.mail.taken("bo@example.com").len() == 2
    })
    .await;

    site.answer(200);
    let owed = quiet(&daemon, PATIENCE).await;
    assert!(owed.iter().all(|it| ["sent", "handed_on"].contains(&it.state.as_str())), "{owed:#?}");
    assert_eq!(to.events()[2..], ["incident.recovered"]);
    assert_eq!(to.actions(), ["trigger", "acknowledge", "resolve"]);
    for address in ["ana@example.com", "bo@example.com", "ops@example.com"] {
        let mails = to.mail.taken(address);
        assert_eq!(mails.len(), 3, "{mails:#?}");
        assert_eq!(mails[2].header("References"), mails[0].header("Message-ID"));
        assert!(mails[1].text().contains("eva"), "{mails:#?}");
        assert!(mails[2].text().contains("Recovered: shop"), "{mails:#?}");
    }
    let signed: Vec<_> = to.hook.accepted();
    let signed: Vec<Value> = signed
        .iter()
        .filter(|it| it.headers["webhook-signature"] != "")
        .map(|it| serde_json::json!({ "secret": SECRET, "headers": it.headers, "body": it.body }))
        .collect();
    assert_eq!(verdicts(&signed).await, ["ok"; 3]);
    let wall: Vec<Value> =
        to.hook.accepted().iter().map(Hooked::json).filter(|it| it["text"].is_string()).collect();
    assert_eq!(wall[0], serde_json::json!({ "text": "Failing: shop", "open": true }));
    assert_eq!(wall[2], serde_json::json!({ "text": "Recovered: shop", "open": false }));
    let log = daemon.log();
    for secret in [SECRET, ROUTING_KEY, "chat-path"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_names_them_and_a_test_message_reaches_them() {
    let (site, to) = (Site::start().await, Receivers::start().await);
    let project = to.project(&site);
    let (code, out, words) = project.run(&["route", "shop"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    let expected = "webhook:chat, webhook:wall, email:ana (ana ana@example.com), email:primary (bo \
                    bo@example.com), email:ops@example.com, pagerduty:shop";
    let folded = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(folded.contains(expected), "{out}");

    let (code, out, words) = project.run(&["tell", "--all"]).await;
    assert_eq!(code, Some(0), "{out}{words}");
    assert_eq!(out.lines().count(), 6, "{out}");
    assert_eq!(to.actions(), ["trigger", "resolve"]);
    assert_eq!(to.events(), ["message"]);
    let mail = &to.mail.taken("ops@example.com")[0];
    assert!(mail.text().contains("TEST from Tripline"), "{mail:#?}");
    to.mail.all(Fate::RefuseRecipient(550));
    let (code, out, _) = project.run(&["tell", "email:ana"]).await;
    assert!(out.contains("NOT TOLD: the mail server refused the recipient"), "{out}");
    assert_ne!(code, Some(0));
    let (code, _, words) = project.run(&["oncall", "lint"]).await;
    // None of them has a telephone, which the rota is not for.
    assert_ne!(code, Some(0), "{words}");
}
