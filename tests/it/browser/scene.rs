//! A project with something on each of its pages.

use std::time::Duration;

use reqwest::header;
use serde_json::{Value, json};

use crate::support::site::Site;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::until_true;
use crate::support::{http, port};

const PATIENCE: Duration = Duration::from_secs(30);

const PASSWORD: &str = "correct horse battery";

/// How many checks there are.
pub(super) const CHECKS: usize = 4;

/// What is wrong, and what was.
const INCIDENTS: [(&str, &str); 3] =
    [("check:shop/sign-in", "open"), ("check:cart", "resolved"), ("rule:checks fail", "open")];

/// A check of a sign-in that breaks in its second step, and says something before.
const SIGN_IN: &str = r#"
import { expect, metric, step } from "tripline";
export const options = {
  name: "Sign in to the shop", every: "2s", timeout: "2s", labels: { team: "shop" },
  runbook: "https://wiki.example.com/shop/sign-in",
};
export default async function () {
  await step("open the sign-in page", async () => {
    const page = await fetch("SITE/login?from=a-rather-long-address-that-has-to-be-broken-somewhere");
    expect(page.status).toBe(200);
  });
  console.log("signing in as synthetic@example.com");
  console.warn("the session of yesterday is still there");
  metric("cart_items", 3, { shop: "main" });
  await step("sign in", async () => {
    const home = await fetch("SITE/broken");
    expect(home.status).toBe(200);
  });
}
"#;

/// A check that is due rarely, so that nothing comes between when it is run by hand; it goes on until its gate is
/// open, and fails.
const NIGHTLY: &str = r#"
import { expect, sleep, step } from "tripline";
export const options = { name: "Nightly report", every: "24h", timeout: "20s" };
export default async function () {
  await step("begin", async () => {
    const page = await fetch("SITE/report", { headers: { accept: "text/html" } });
    expect(page.status).toBe(200);
  });
  console.log("counting the orders of yesterday");
  while ((await fetch("GATE")).status !== 200) await sleep(100);
  await step("end", async () => {
    const page = await fetch("SITE/broken");
    expect(page.status).toBe(200);
  });
}
"#;

/// A running project: a check that passes, one that fails, one that failed and recovered, a rule that is
/// breached, people who take turns, messages, and a silence.
#[derive(Debug)]
pub(super) struct Scene {
    daemon: Daemon,
    _sites: [Site; 2],
    /// See [`NIGHTLY`].
    gate: Site,
}

impl Scene {
    /// Starts it, and waits until everything of it is there.
    pub(super) async fn start() -> Self {
        let (site, cart, gate) = (Site::start().await, Site::start().await, Site::start().await);
        site.answer_at("/broken", 503);
        gate.answer(503);
        cart.answer_once(500);
        let rest = format!(
            "{}\n{}\n{PEOPLE}\n{RULES}",
            request("front", "Front page", &site.url()),
            request("cart", "Cart", &cart.url()),
        );
        let [sign_in, nightly] = [SIGN_IN, NIGHTLY]
            .map(|it| it.replace("SITE", &site.url()).replace("GATE", &gate.url()));
        let project = Project::new().toml(&rest);
        std::fs::create_dir(project.path().join("checks/shop")).expect("it can be written");
        let project = project.script("shop/sign-in.js", &sign_in).script("nightly.js", &nightly);
        let daemon = project.up().await;
        let scene = Self { daemon, _sites: [site, cart], gate };
        until_true("incidents begin and end", PATIENCE, async || {
            let found = scene.daemon.incidents().await;
            let is_there =
                |(about, status)| found.iter().any(|it| it.subject == about && it.status == status);
            INCIDENTS.into_iter().all(is_there)
        })
        .await;
        scene.silence().await;
        scene
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.daemon.url()
    }

    /// Where a `PUT` of 200 lets the check that is due rarely go on.
    pub(super) fn gate(&self) -> String {
        self.gate.url()
    }

    /// Every page, with the status that it is answered with.
    pub(super) async fn pages(&self) -> Vec<Value> {
        let incidents = self.daemon.incidents().await;
        let incident = |(subject, status): (&str, &str)| {
            let found = incidents.iter().find(|it| it.subject == subject && it.status == status);
            format!("/incidents/{}", found.expect("it was waited for").id)
        };
        let run = async |check: &str, outcome: &str| {
            let path = format!("/api/v1/runs?check={check}&outcome={outcome}&limit=1");
            let found: Value = self.daemon.ask(&path).await;
            found["runs"][0]["id"].as_str().expect("there is one").to_owned()
        };
        let pages = json!([
            ["/", 200],
            ["/?state=up&label=team%3Dshop", 200],
            ["/checks/shop/sign-in", 200],
            ["/checks/front?window=6h", 200],
            ["/checks/nightly", 200],
            [format!("/runs/{}", run("shop/sign-in", "failed").await), 200],
            [format!("/runs/{}", run("front", "passed").await), 200],
            ["/incidents", 200],
            ["/incidents?q=nothing+is+called+so", 200],
            [incident(INCIDENTS[0]), 200],
            [incident(INCIDENTS[1]), 200],
            [incident(INCIDENTS[2]), 200],
            ["/regions", 200],
            ["/rules", 200],
            ["/rules?try=tripline_check_up&window=1h", 200],
            ["/rules?try=sum(", 200],
            ["/rules/checks%20fail", 200],
            ["/on-call", 200],
            ["/deliveries", 200],
            ["/deliveries?state=sent", 200],
            ["/sign-in", 200],
            ["/nowhere", 404],
            ["/?state=sideways", 400],
        ]);
        pages.as_array().expect("a list").clone()
    }

    async fn silence(&self) {
        let silence = json!({ "checks": ["cart"], "for": "2h", "reason": "a deploy", "by": "eva" });
        let url = format!("{}/api/v1/silences", self.url());
        let answer = http::client().post(url).json(&silence).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

const PEOPLE: &str = r#"
[people.ana]
phone = "+4930123456"
[people.bo]
phone = "+15005550006"
[teams]
devops = ["ana", "bo"]
[rota.primary]
team = "devops"
timezone = "Europe/Berlin"
[[rota.primary.layer]]
people = ["ana", "bo"]
starts = "2026-01-05 09:00"
turn = "weekly"
hours = "Mon-Fri 08:00-20:00"
[[policy]]
name = "shop"
[[policy.tier]]
when = { failures_in_a_row = 1 }
notify = ["slack:#p2"]
[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = ["slack:#p1", "sms:primary"]
[defaults]
policy = "shop"
"#;

/// A project with nothing to say: no checks, and somebody on duty at any time.
pub(super) async fn calm() -> Daemon {
    let people = "[people.ana]\nphone = \"+4930123456\"\n[teams]\ndevops = [\"ana\"]\n";
    let rota = "[rota.primary]\nteam = \"devops\"\ntimezone = \"Europe/Berlin\"\n[[rota.primary.layer]]\n\
                people = [\"ana\"]\nstarts = \"2026-01-05 09:00\"\nturn = \"weekly\"\n";
    Project::new().toml(&format!("{people}{rota}")).up().await
}

const RULES: &str = r#"
[rules]
every = "5s"
settle = "1s"
[[rule]]
name = "checks fail"
expr = "count(tripline_check_up == 0) > 0"
notify = ["slack:#p2"]
runbook = "https://wiki.example.com/checks"
[[rule]]
name = "no logins are reported"
kind = "absent"
metric = "logins_total"
window = "10m"
notify = ["slack:#p2"]
"#;

/// A check that is one request every other second.
pub(super) fn request(id: &str, name: &str, url: &str) -> String {
    format!(
        "[[check]]\nid = \"{id}\"\nname = \"{name}\"\nurl = \"{url}\"\nevery = \"2s\"\ntimeout = \"2s\"\n"
    )
}

/// A running daemon with somebody who may look, `vic`, and somebody who may act, `ana`; and the password of both.
pub(super) async fn with_users(site: &Site) -> (Daemon, &'static str) {
    let project = Project::new().toml(&request("shop", "Shop", &site.url()));
    let (code, hash, said) = project.run_fed(&["user", "hash"], &format!("{PASSWORD}\n")).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, token, said) = project.run(&["user", "token", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let token: Value = serde_json::from_str(&token).expect("JSON");
    let user = |name: &str, role: &str, proof: &str| {
        format!("[[user]]\nname = \"{name}\"\nrole = \"{role}\"\n{proof}\n")
    };
    let password = "password_hash = { env = \"HASH\" }";
    let project = project
        .toml(&user("vic", "viewer", password))
        .toml(&user("ana", "operator", password))
        .toml(&user("tests", "viewer", &format!("token_hash = {}", token["token_hash"])))
        .env("HASH", hash.trim());
    let shown = format!("Bearer {}", token["token"].as_str().expect("a text"));
    let headers = [(header::AUTHORIZATION, shown.parse().expect("a header"))];
    let client =
        reqwest::Client::builder().no_proxy().default_headers(headers.into_iter().collect());
    let listen = format!("127.0.0.1:{}", port::free());
    let hub = format!("[hub]\nlisten = \"{listen}\"\n");
    let client = client.build().expect("a client");
    (project.up_as(&hub, format!("http://{listen}"), client).await, PASSWORD)
}

/// Waits until so many incidents are open.
pub(super) async fn open_incidents(daemon: &Daemon, number: usize) {
    until_true("incidents are open", PATIENCE, async || {
        let incidents = daemon.incidents().await;
        incidents.iter().filter(|it| it.status == "open").count() >= number
    })
    .await;
}
