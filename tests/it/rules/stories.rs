//! What people read when logins collapse, grow, fall silent, or are few at night.

use super::world::{World, at, rules};

const WEEK: i64 = 7 * 24 * 60;

const LOGINS: &str = r#"
[[rule]]
name = "logins change"
kind = "change"
metric = "logins_total"
window = "5m"
compare_to = "median of the last four weeks at this hour"
falls_by = "50%"
rises_by = "100%"
minimum = 20
for = "2m"
every = "1m"
notify = ["slack:#p2"]
"#;

const NAME: [(&str, &str); 1] = [("__name__", "logins_total")];

/// `usual` logins a minute in `weeks` weeks, then `now`.
async fn world(weeks: i64, usual: f64, now: impl Fn(i64) -> f64) -> World {
    let world = World::new(LOGINS).await;
    world.count(
        &NAME,
        (-weeks * WEEK - 120, 60),
        |minute| {
            if minute > 0 { now(minute) } else { usual }
        },
    );
    let mut hub = world.hub("one");
    world.until(&mut hub, 60).await;
    world
}

#[tokio::test]
async fn a_collapse_is_told_in_words() {
    let world =
        world(4, 118.0, |minute| if (10..40).contains(&minute) { 41.0 } else { 118.0 }).await;
    assert_eq!(world.incidents().await, ["rule:logins change since 02:13:00 resolved"]);
    let texts = world.told(1).await;
    assert_eq!(texts.len(), 1, "the recovery says both");
    assert!(
        texts[0].starts_with("Recovered: `logins change`. Was breached 02:13:00-"),
        "{texts:?}"
    );
    assert!(
        texts[0].contains("`logins_total 41/min, usual at this hour 118, falling since 02:13 UTC`"),
        "{texts:?}"
    );
}

#[tokio::test]
async fn the_readme_shows_a_rule_and_what_it_says() {
    const README: &str = include_str!("../../../README.md");
    let block = |language: &str, with: &str| {
        let opening = format!("```{language}\n");
        let mut blocks =
            README.split(opening.as_str()).skip(1).filter_map(|it| it.split("```").next());
        blocks.find(|it| it.contains(with)).expect("it is in the README")
    };
    let world = World::new(block("toml", "[[rule]]")).await;
    world.count(&NAME, (-4 * WEEK - 120, 60), |minute| if minute > 10 { 41.0 } else { 118.0 });
    let mut hub = world.hub("one");
    world.until(&mut hub, 18).await;
    let texts = world.told(1).await;
    let shown = block("text", "Breached").trim();
    assert!(texts[0].starts_with(shown), "{texts:?} is not {shown}");
}

#[tokio::test]
async fn a_growth_that_goes_on_is_told_while_it_does() {
    let world = world(4, 50.0, |minute| if minute >= 10 { 180.0 } else { 50.0 }).await;
    let texts = world.told(1).await;
    assert!(texts[0].starts_with("Breached: `logins change`: `logins_total "), "{texts:?}");
    assert!(texts[0].contains("/min, usual at this hour 50, rising since 02:1"), "{texts:?}");
    assert!(!texts[0].contains("in a row") && !texts[0].contains(" in `"), "{texts:?}");
}

#[tokio::test]
async fn silence_is_not_fine() {
    let silent = World::new(LOGINS).await;
    silent.count(&NAME, (-4 * WEEK - 120, 9), |_| 118.0);
    let mut hub = silent.hub("one");
    silent.until(&mut hub, 40).await;
    assert_eq!(silent.incidents().await, ["unseen:logins change since 02:11:00 open"]);
    let texts = silent.told(1).await;
    let said = "there are no data of logins_total since 02:11 UTC: nobody knows whether the rule is \
                breached";
    assert!(texts[0].starts_with(&format!("Blind: `logins change`: `{said}`")), "{texts:?}");
}

/// A minute without Tripline is no minute without logins.
#[tokio::test]
async fn an_outage_of_tripline_is_no_collapse() {
    for (down, expected) in [
        // Long enough to be told, and told as what it is.
        (10..25, &["unseen:logins change since 02:12:00 resolved"][..]),
        (10..16, &[]),
    ] {
        let world = World::new(LOGINS).await;
        world.count(&NAME, (-4 * WEEK - 120, down.start), |_| 118.0);
        // The daemon starts again with a counter that begins at zero.
        world.count(&NAME, (down.end, 60), |minute| if minute == down.end { 0.0 } else { 118.0 });
        let mut hub = world.hub("one");
        world.until(&mut hub, 60).await;
        assert_eq!(world.incidents().await, expected, "{down:?}");
        let records = world.store.rule_records().await.expect("read");
        let standings: Vec<_> = records.states.values().map(|it| it.standing.as_str()).collect();
        assert_eq!(standings, ["ok"]);
    }
}

const LISTENING: &str = "tripline_statsd_listening";

/// A hub that listens from minute `from` to minute `to` and counts logins; when it is stopped in good
/// order, that is the last it says.
fn listens(
    world: &World,
    hub: &str,
    (from, to): (i64, i64),
    is_stopped: bool,
    a_minute: impl Fn(i64) -> f64,
) {
    let own = |name| [("__name__", name), ("hub", hub)];
    // The first point is the zero that it begins with.
    world.count(&own("logins_total"), (from, to), |minute| {
        if minute == from { 0.0 } else { a_minute(minute) }
    });
    for minute in from..=to {
        world.metrics.add(&own(LISTENING), at(minute), 1.0);
    }
    if is_stopped {
        let moment = at(to) + chrono::TimeDelta::seconds(1);
        world.metrics.add(&own(LISTENING), moment, 0.0);
    }
}

#[tokio::test]
async fn the_outage_of_one_hub_of_several_is_no_collapse() {
    for (is_stopped, expected) in [
        (false, "unseen:logins change since 02:12:00 open"),
        // Told to end: then nobody waits for it, and what it took goes elsewhere.
        (true, "rule:logins change since 02:14:00 open"),
    ] {
        let world = World::new(LOGINS).await;
        listens(&world, "a", (-4 * WEEK - 120, 10), is_stopped, |_| 100.0);
        listens(&world, "b", (-4 * WEEK - 120, 60), false, |_| 18.0);
        let mut hub = world.hub("one");
        world.until(&mut hub, 60).await;
        assert_eq!(world.incidents().await, [expected]);
    }
}

/// Whoever looks at an hour must not be blind for an hour whenever a hub comes or goes.
#[tokio::test]
async fn hubs_that_come_and_go_blind_nobody() {
    use tripline::domain::rule::state::Standing;
    use tripline::engine::rules::replay::replay;
    let long = LOGINS.replace("window = \"5m\"", "window = \"1h\"");
    let start = -4 * WEEK - 180;
    let whole = |_| 118.0;
    let half = |_| 59.0;
    let since = |from: i64| move |minute| if minute > from { 59.0 } else { 118.0 };
    let until = |to: i64| move |minute| if minute > to { 118.0 } else { 59.0 };
    for story in ["joins", "leaves", "restarts", "is replaced", "is silent"] {
        for collapse in [None, Some(40)] {
            let falls = |usual: &dyn Fn(i64) -> f64, minute: i64| match collapse {
                Some(from) if minute > from => usual(minute) * 0.1,
                _ => usual(minute),
            };
            let world = World::new(&long).await;
            let comes = |hub: &str, span, is_stopped, usual: &dyn Fn(i64) -> f64| {
                listens(&world, hub, span, is_stopped, |minute| falls(usual, minute));
            };
            match story {
                "joins" => {
                    comes("a", (start, 150), false, &since(10));
                    comes("b", (10, 150), false, &half);
                }
                "leaves" => {
                    comes("a", (start, 150), false, &until(10));
                    comes("b", (start, 10), true, &half);
                }
                "restarts" => {
                    comes("a", (start, 150), false, &|minute| {
                        if (11..=12).contains(&minute) { 118.0 } else { 59.0 }
                    });
                    comes("b", (start, 10), true, &half);
                    comes("b", (12, 150), false, &half);
                }
                // A deployment with another host's name.
                "is replaced" => {
                    comes("a", (start, 10), true, &whole);
                    comes("b", (10, 150), false, &whole);
                }
                // Clients go elsewhere, the series ends, and the hub listens on.
                _ => {
                    comes("a", (start, 150), false, &until(10));
                    comes("b", (start, 10), false, &half);
                    for minute in 11..=150 {
                        let own = [("__name__", LISTENING), ("hub", "b")];
                        world.metrics.add(&own, at(minute), 1.0);
                    }
                }
            }
            let rules = world.rules.load_full();
            let replayed = replay(&*world.metrics, (&rules, &rules.rules[0]), (at(0), at(150)));
            let replayed = replayed.await.expect("evaluated");
            let blind = replayed.moments.iter().filter(|it| it.standing == Standing::NoData);
            assert_eq!(blind.count(), 0, "{story} {collapse:?}");
            let said: Vec<_> = replayed.episodes.iter().map(|it| it.from <= at(85)).collect();
            let expected = if collapse.is_some() { vec![true] } else { Vec::new() };
            assert_eq!(said, expected, "{story} {collapse:?}: {:?}", replayed.episodes);
            let mut hub = world.hub("one");
            world.until(&mut hub, 120).await;
            let incidents = world.incidents().await;
            assert_eq!(incidents.len(), expected.len(), "{story}: {incidents:?}");
            assert!(incidents.iter().all(|it| it.starts_with("rule:")), "{story}: {incidents:?}");
        }
    }
}

#[tokio::test]
async fn a_group_that_vanishes_is_missing_and_never_fine() {
    let rule = LOGINS.replace("window", "by = \"region\"\nwindow");
    let world = World::new(&rule).await;
    for (region, end) in [("eu", 60), ("us", 20)] {
        let labels = [("__name__", "logins_total"), ("region", region)];
        world.count(&labels, (-4 * WEEK - 120, end), |minute| {
            if minute < 10 || region == "eu" { 118.0 } else { 10.0 }
        });
    }
    let mut hub = world.hub("one");
    world.until(&mut hub, 60).await;
    let incidents = world.incidents().await;
    assert!(
        incidents.contains(&"unseen:logins change since 02:22:00 open".to_owned()),
        "{incidents:?}"
    );
    assert!(
        incidents.iter().any(|it| it.starts_with("rule:") && it.ends_with("open")),
        "{incidents:?}"
    );
    let texts = world.told(2).await;
    let said = "there are no data of logins_total for {region=\"us\"} since 02:22 UTC";
    assert!(texts.iter().any(|text| text.contains(said)), "{texts:?}");
}

#[tokio::test]
async fn few_logins_at_night_are_nobodys_business() {
    let world = world(4, 8.0, |minute| if minute >= 10 { 1.0 } else { 8.0 }).await;
    assert_eq!(world.incidents().await, Vec::<String>::new());
}

/// Also where nobody knows whether there are any: of so few nothing would be said.
#[tokio::test]
async fn no_logins_at_night_are_nobodys_business() {
    let falls = LOGINS.replace("rises_by = \"100%\"\n", "");
    let world = World::new(&falls).await;
    world.count(&NAME, (-4 * WEEK - 120, 10), |_| 8.0);
    let mut hub = world.hub("one");
    world.until(&mut hub, 90).await;
    assert_eq!(world.incidents().await, Vec::<String>::new());
    let records = world.store.rule_records().await.expect("read");
    let standings: Vec<&str> = records.states.values().map(|it| it.standing.as_str()).collect();
    assert_eq!(standings, ["ok"]);
}

#[tokio::test]
async fn a_young_system_says_that_it_has_not_enough_history() {
    let world = world(1, 118.0, |minute| if minute >= 10 { 1.0 } else { 118.0 }).await;
    assert_eq!(world.incidents().await, Vec::<String>::new());
    let records = world.store.rule_records().await.expect("read");
    let standings: Vec<&str> = records.states.values().map(|it| it.standing.in_words()).collect();
    assert_eq!(standings, ["not enough history yet"]);
}

#[tokio::test]
async fn absence_is_told_in_words() {
    let absent = r#"
        [[rule]]
        name = "logins are missing"
        kind = "absent"
        metric = "logins_total"
        window = "5m"
        notify = ["slack:#p2"]
    "#;
    let world = World::new(absent).await;
    world.count(&NAME, (-30, 10), |_| 118.0);
    let mut hub = world.hub("one");
    world.until(&mut hub, 20).await;
    let texts = world.told(1).await;
    let said = "no point of logins_total for 5m, since 02:15 UTC";
    assert!(
        texts[0].starts_with(&format!("Breached: `logins are missing`: `{said}`")),
        "{texts:?}"
    );
}

#[tokio::test]
async fn a_thousand_breached_series_are_one_message() {
    let disks = r#"
        [[rule]]
        name = "disks fill"
        expr = "disk_percent > 90"
        notify = ["slack:#p2"]
        annotations = { summary = "{{ $labels.host }} is {{ $value | humanize }} % full" }
    "#;
    let world = World::new(disks).await;
    for host in 0..1000 {
        let host = format!("h{host:04}");
        let labels = [("__name__", "disk_percent"), ("host", host.as_str())];
        for minute in 0..5 {
            world.metrics.add(&labels, at(minute), 93.0);
        }
    }
    let mut hub = world.hub("one");
    world.until(&mut hub, 5).await;
    let texts = world.told(1).await;
    assert_eq!(texts.len(), 1);
    let said = "h0000 is 93 % full; {host=\"h0001\"} 93; {host=\"h0002\"} 93; + 997 more";
    assert!(texts[0].contains(said), "{texts:?}");
}

/// The expression that is printed finds what is evaluated, but for the hysteresis.
#[tokio::test]
async fn a_change_is_the_expression_that_it_prints() {
    use tripline::engine::rules::replay::replay;
    for compare_to in [
        "previous window",
        "same time yesterday",
        "same time last week",
        "median of the last four weeks at this hour",
    ] {
        let change = format!(
            "[[rule]]\nname = \"change\"\nkind = \"change\"\nmetric = \"logins_total\"\n\
             by = \"region\"\nwindow = \"5m\"\ncompare_to = \"{compare_to}\"\nfalls_by = \"40%\"\n\
             rises_by = 60\nminimum = 20\nhysteresis = 1\nevery = \"1m\"\nnotify = \"slack:#p2\"\n"
        );
        let text = rules(&change).rules[0].rule.condition.expression();
        let whole = format!(
            "{change}\n[[rule]]\nname = \"expr\"\nexpr = '''\n{text}\n'''\nevery = \"1m\"\n\
             notify = \"slack:#p2\"\n"
        );
        let world = World::new(&whole).await;
        for (region, usual) in [("eu", 100.0), ("us", 30.0), ("ap", 5.0)] {
            let labels = [("__name__", "logins_total"), ("region", region)];
            world.count(&labels, (-4 * WEEK - 120, 90), |minute| match minute {
                10..30 => usual * 0.3,
                40..60 => usual * 4.0,
                _ => usual,
            });
        }
        let rules = world.rules.load_full();
        let mut found = Vec::new();
        for rule in &rules.rules {
            let replayed = replay(&*world.metrics, (&rules, rule), (at(0), at(90))).await;
            let episodes = replayed.expect("evaluated").episodes.into_iter();
            found.push(episodes.map(|it| (it.from, it.until, it.series)).collect::<Vec<_>>());
        }
        assert!(found[0].len() >= 2, "{compare_to}: {found:?}");
        assert_eq!(found[0], found[1], "{compare_to}: {text}");
    }
}
