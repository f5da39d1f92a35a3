//! The pictures in the documentation are of what the daemon sends: this holds that what they are made
//! of (`docs/pictures/*.snap`) is what it sends now. `docs/pictures/make` makes them anew.

use super::scenario::{Down, Scenario, Up, scenario};
use super::setup::Watched;
use super::shown::Shown;
use super::told::m;

/// Holds that this is what the picture of that name is made of.
fn compare(name: &str, shown: Option<Vec<Shown>>) {
    let Some(mut shown) = shown else { return };
    shown.sort_by(|one, other| one.place().cmp(&other.place()));
    let shown = serde_json::to_string_pretty(&shown).expect("it can be written");
    // Which of two lanes is first is nobody's promise.
    let shown = shown.replace("(on its way)", "(sent)");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../docs/pictures");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

/// A check that customers care about, which runs in three regions.
fn sign_in() -> Scenario {
    let check = Watched::new("dashboard/sign-in")
        .regions(&["ap-south-1", "eu-west-1", "us-east-1"])
        .step("sign in")
        .with("name = \"Sign in to the dashboard\"")
        .with("runbook = \"https://wiki.example.com/sign-in\"");
    scenario(vec![check]).starting("2026-11-24T02:08:00Z").answered()
}

/// As the built-in policy, and again where nobody answers.
const POLICY: &str = "
[[policy]]
name = \"usual\"

[[policy.tier]]
when = { failures_in_a_row = 1 }
notify = [\"slack:#p2\"]

[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = [\"slack:#p1\", \"sms:ana\"]

[[policy.tier]]
when = { unacknowledged_for = \"3m\" }
notify = [\"slack:#p1\", \"sms:bo\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_in_slack() {
    let shown = sign_in()
        .toml(POLICY)
        .at(m(2))
        .target_in("dashboard/sign-in", "eu-west-1", Down)
        .at(m(3))
        .target_in("dashboard/sign-in", "us-east-1", Down)
        .at(m(5) + m(1) / 2)
        .click("bo", "acknowledge", 1)
        .at(m(6) + m(1) / 2)
        .note(1, "no connections to the database are left, restarting the pool")
        .at(m(9))
        .target("dashboard/sign-in", Up)
        .shown(m(10));
    compare("incident", shown.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_by_sms() {
    let shown = sign_in()
        .at(m(2))
        .target_in("dashboard/sign-in", "eu-west-1", Down)
        .at(m(3) + m(1) / 2)
        .answer("bo", "HELP")
        .at(m(4) + m(1) / 4)
        .answer("bo", "ACK 1")
        .at(m(9))
        .target("dashboard/sign-in", Up)
        .shown(m(10));
    compare("sms", shown.await);
}

const SHOP: [&str; 14] = [
    "Sign in",
    "Search",
    "Product page",
    "Cart",
    "Checkout",
    "Pay by card",
    "Pay by invoice",
    "Order history",
    "Returns",
    "Newsletter",
    "Gift cards",
    "Store finder",
    "Live chat",
    "API",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_storm() {
    let id = |name: &str| name.to_lowercase().replace(' ', "-");
    let checks = SHOP.map(|name| Watched::new(&id(name)).with(&format!("name = \"{name}\"")));
    let story =
        scenario(checks.into()).starting("2026-11-24T02:08:00Z").answered().closely().at(m(2));
    let story = SHOP.iter().fold(story, |story, name| story.target(&id(name), Down)).at(m(5));
    let story = SHOP.iter().fold(story, |story, name| story.target(&id(name), Up));
    compare("storm", story.shown(m(7)).await);
}
