//! Sign-ins collapse, grow, fall silent, and are few at night.

use serde_json::Value;

use super::{PATIENCE, Past, evaluated_again, project, standing, told, until_fine};
use crate::support::slack::FakeSlack;
use crate::support::targets::Application;
use crate::support::wait::until_true;

const CHANGES: &str = r#"
[rules]
every = "5s"
settle = "2s"

[[rule]]
name = "logins collapse"
kind = "change"
metric = "logins_total"
window = "10s"
compare_to = "median of the last four weeks at this hour"
falls_by = "50%"
minimum = 20
for = "10s"
notify = ["slack:#logins"]

[[rule]]
name = "signups grow"
kind = "change"
metric = "signups_total"
window = "10s"
compare_to = "same time yesterday"
rises_by = "100%"
minimum = 20
for = "10s"
notify = ["slack:#signups"]

[[rule]]
name = "logins collapse at night"
kind = "change"
metric = "night_logins_total"
window = "10s"
compare_to = "median of the last four weeks at this hour"
falls_by = "50%"
minimum = 20
missing_after = "10s"
for = "10s"
notify = ["slack:#night"]

[[rule]]
name = "any logins collapse at night"
kind = "change"
metric = "night_logins_total"
window = "10s"
compare_to = "median of the last four weeks at this hour"
falls_by = "50%"
for = "10s"
notify = ["slack:#any"]
"#;

/// The number before `/min` in a message about `metric`.
fn a_minute(text: &str, metric: &str) -> f64 {
    let rest = text.split(&format!("`{metric} ")).nth(1);
    let number = rest.and_then(|rest| rest.split("/min").next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number of {metric} in: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collapse_and_a_growth_are_each_told_once_and_few_at_night_never() {
    let slack = FakeSlack::slack().await;
    let (project, port) = project(&slack, CHANGES);
    let past = Past::default()
        .of_four_weeks("logins_total", 600)
        .of_four_weeks("night_logins_total", 12)
        .of_yesterday("signups_total", 120);
    past.import(&project).await;
    let daemon = project.up().await;
    let mut node = Application::in_node(port).await;
    let mut python = Application::in_python(port).await;
    node.counts("logins_total", 10.0);
    node.counts("night_logins_total", 0.2);
    python.counts("signups_total", 2.0);
    let rules = [
        "logins collapse",
        "signups grow",
        "logins collapse at night",
        "any logins collapse at night",
    ];
    for rule in rules {
        until_fine(&daemon, rule).await;
    }
    assert!(slack.accepted().is_empty(), "{:#?}", slack.accepted());

    node.counts("logins_total", 1.0);
    node.counts("night_logins_total", 0.0);
    python.counts("signups_total", 10.0);
    let collapsed = told(&slack, "#logins", 1).await;
    assert!(collapsed.starts_with("Breached: `logins collapse`: `logins_total "), "{collapsed}");
    assert!(collapsed.contains("/min, usual at this hour 600, falling since "), "{collapsed}");
    assert!(a_minute(&collapsed, "logins_total") < 300.0, "{collapsed}");
    let grown = told(&slack, "#signups", 1).await;
    assert!(grown.starts_with("Breached: `signups grow`: `signups_total "), "{grown}");
    assert!(grown.contains("/min, same time yesterday 120, rising since "), "{grown}");
    assert!(a_minute(&grown, "signups_total") > 240.0, "{grown}");
    let few = told(&slack, "#any", 1).await;
    assert!(few.contains("usual at this hour 12, falling since "), "{few}");
    for rule in rules {
        evaluated_again(&daemon, rule).await;
    }
    for channel in ["#logins", "#signups", "#any"] {
        let texts = slack.texts(channel);
        assert_eq!(texts.len(), 1, "{channel}: {texts:#?}");
    }

    // Nobody logs in for so long that the series ends: nothing would be said of so few.
    until_true("the counter of the night ends", PATIENCE, async || {
        let found: Value = daemon.ask("/api/v1/query?query=night_logins_total").await;
        found["data"]["result"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    for _ in 0..2 {
        evaluated_again(&daemon, rules[2]).await;
    }
    assert_eq!(slack.texts("#night"), [""; 0]);

    node.counts("logins_total", 10.0);
    node.counts("night_logins_total", 0.2);
    python.counts("signups_total", 2.0);
    for (channel, rule) in [("#logins", rules[0]), ("#signups", rules[1]), ("#any", rules[3])] {
        let over = told(&slack, channel, 2).await;
        assert!(over.starts_with(&format!("Recovered: `{rule}`. Was breached ")), "{over}");
        evaluated_again(&daemon, rule).await;
        let texts = slack.texts(channel);
        assert_eq!(texts.len(), 2, "{channel}: {texts:#?}");
    }
    // Not told, though it could have been: it was evaluated, over enough history.
    assert_eq!(slack.texts("#night"), [""; 0]);
    let night = standing(&daemon, rules[2]).await;
    assert_eq!((&night["health"], &night["lastError"]), (&"ok".into(), &"".into()), "{night:#}");
    assert_eq!(daemon.incidents().await.len(), 3);
    assert!(daemon.stop().await.success());
}

const SILENCE: &str = r#"
[rules]
every = "5s"
settle = "2s"

[[rule]]
name = "no orders are reported"
kind = "absent"
metric = "orders_total"
window = "10s"
notify = ["slack:#orders"]

[[rule]]
name = "logins collapse"
kind = "change"
metric = "logins_total"
window = "10s"
compare_to = "same time yesterday"
rises_by = "1000%"
missing_after = "10s"
notify = ["slack:#logins"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_once_and_its_end() {
    let slack = FakeSlack::slack().await;
    let (project, port) = project(&slack, SILENCE);
    Past::default().of_yesterday("logins_total", 600).import(&project).await;
    let daemon = project.up().await;
    let mut node = Application::in_node(port).await;
    node.counts("orders_total", 5.0);
    let mut python = Application::in_python(port).await;
    python.counts("logins_total", 10.0);
    for rule in ["no orders are reported", "logins collapse"] {
        until_fine(&daemon, rule).await;
    }
    // It may have been absent before the first of them came.
    let before = slack.texts("#orders").len();
    assert_eq!(slack.texts("#logins"), [""; 0]);

    // Both applications are gone: the series end after a minute.
    drop((node, python));
    let absent = told(&slack, "#orders", before + 1).await;
    let said = "Breached: `no orders are reported`: `no point of orders_total for 10s, since ";
    assert!(absent.starts_with(said), "{absent}");
    let blind = told(&slack, "#logins", 1).await;
    assert!(blind.starts_with("Blind: `logins collapse`: `"), "{blind}");
    for rule in ["no orders are reported", "logins collapse"] {
        evaluated_again(&daemon, rule).await;
    }
    assert_eq!(slack.texts("#orders").len(), before + 1, "{:#?}", slack.texts("#orders"));
    assert_eq!(slack.texts("#logins").len(), 1, "{:#?}", slack.texts("#logins"));

    let mut node = Application::in_node(port).await;
    for metric in ["orders_total", "logins_total"] {
        node.counts(metric, 10.0);
    }
    let over = told(&slack, "#orders", before + 2).await;
    assert!(over.starts_with("Recovered: `no orders are reported`. Was breached "), "{over}");
    let seen = told(&slack, "#logins", 2).await;
    assert!(seen.starts_with("Seen again: `logins collapse`. Was blind "), "{seen}");
    assert!(daemon.stop().await.success());
}
