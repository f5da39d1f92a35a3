//! Clients that others wrote.

use std::collections::BTreeMap;

use tripline::statsd::Signs;

use super::{Heard, Listening, nowhere, udp};
use crate::support::targets::{datadog, hot_shots};
use crate::support::wait::until_true;

fn assert_one_of_everything(values: &BTreeMap<String, f64>, language: &str, queue: f64) {
    for (name, labels, expected) in [
        ("logins", r#", env="test", region="eu""#, 3.0),
        ("logins_decrements", r#", env="test", region="eu""#, 1.0),
        ("queue", r#", env="test""#, queue),
        ("checkout_count", r#", env="test""#, 1.0),
        ("checkout_sum", r#", env="test""#, 320.0),
        ("checkout_bucket", r#", env="test", le="100""#, 0.0),
        ("checkout_bucket", r#", env="test", le="1000""#, 1.0),
        ("size_sum", r#", env="test""#, 12.5),
        ("weight_upper", r#", env="test""#, 7.0),
        ("users", r#", env="test""#, 2.0),
    ] {
        let series = format!(r#"{{__name__="{language}.{name}"{labels}}}"#);
        assert_eq!(values.get(&series), Some(&expected), "{series} of {values:#?}");
    }
}

async fn until_the_last(heard: &Heard) {
    until_true("the event and the service check", super::PATIENCE, async || {
        heard.count().lines >= 11
    })
    .await;
    assert_eq!(heard.count().refused, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_shots_of_node_is_understood() {
    for protocol in ["udp", "tcp"] {
        let tcp = Some("127.0.0.1:0".parse().expect("an address"));
        let heard =
            Heard::start(if protocol == "udp" { udp() } else { Listening { tcp, ..nowhere() } });
        hot_shots(heard.port(), protocol).await;
        until_the_last(&heard).await;
        assert_one_of_everything(&heard.end().await, "js", 40.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datadog_of_python_is_understood() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("statsd.sock");
    let mut listening = Listening { unix: Some(path.clone()), ..udp() };
    // To Datadog a negative gauge is no difference.
    listening.rules.signs = Signs::Values;
    let heard = Heard::start(listening);
    for place in [heard.port().to_string(), path.display().to_string()] {
        datadog(place).await;
    }
    until_true("both times", super::PATIENCE, async || heard.count().lines >= 22).await;
    assert_eq!(heard.count().refused, []);
    let mut values = heard.end().await;
    // What is counted was sent twice.
    for name in [
        "logins",
        "logins_decrements",
        "checkout_count",
        "checkout_sum",
        "checkout_bucket",
        "size_sum",
    ] {
        let begin = format!(r#"{{__name__="py.{name}""#);
        for (_, value) in values.iter_mut().filter(|(series, _)| series.starts_with(&begin)) {
            *value /= 2.0;
        }
    }
    assert_one_of_everything(&values, "py", -4.5);
}
