//! From sign-ins that an application counts to what Slack reads, by the real binary and clients of
//! other languages.
//!
//! Intervals are short by configuration; what is usual is imported before the start.

mod guide;
mod stories;

use std::fmt::Write as _;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;

use crate::support::port;
use crate::support::slack::{FakeSlack, TOKEN};
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{until, until_true};

/// How long something may take that takes up to half a minute.
const PATIENCE: Duration = Duration::from_mins(3);

/// A project that receives statsd at this port and tells `slack`.
fn project(slack: &FakeSlack, rules: &str) -> (Project, u16) {
    let port = port::free();
    let project = Project::new()
        .toml(&format!(
            "[statsd]\nlisten = \"127.0.0.1:{port}\"\nflush = \"1s\"\nsilent_after = \"1m\"\n"
        ))
        .toml(&format!(
            "[slack]\nbot_token = {{ env = \"SLACK_BOT_TOKEN\" }}\napi_url = \"{}\"\n",
            slack.api_url()
        ))
        .toml(rules)
        .env("SLACK_BOT_TOKEN", TOKEN);
    (project, port)
}

/// The past of a counter, for `tripline metrics import`.
#[derive(Debug, Default)]
struct Past(String);

impl Past {
    /// A counter that grew by `a_minute`, around this time of day so many days ago, a point every
    /// `step`.
    fn counted(
        mut self,
        name: &str,
        a_minute: i32,
        days: &[i64],
        (around, step): (TimeDelta, TimeDelta),
    ) -> Self {
        let now = System.now();
        let mut total = 0.0;
        for ago in days {
            let mut at = now - TimeDelta::days(*ago) - around;
            while at < now - TimeDelta::days(*ago) + around {
                writeln!(self.0, "{name} {total} {}", at.timestamp()).expect("a string takes all");
                total += f64::from(a_minute) * step.as_seconds_f64() / 60.0;
                at += step;
            }
        }
        self
    }

    /// The hours from which the medians of the last four weeks are.
    fn of_four_weeks(self, name: &str, a_minute: i32) -> Self {
        let spans = (TimeDelta::minutes(90), TimeDelta::minutes(1));
        self.counted(name, a_minute, &[28, 21, 14, 7], spans)
    }

    /// The minutes to which the present is compared.
    fn of_yesterday(self, name: &str, a_minute: i32) -> Self {
        let spans = (TimeDelta::minutes(30), TimeDelta::seconds(1));
        self.counted(name, a_minute, &[1], spans)
    }

    async fn import(self, project: &Project) {
        project.write("history.om", &(self.0 + "# EOF\n"));
        let (code, told, words) = project.run(&["metrics", "import", "history.om"]).await;
        assert_eq!(code, Some(0), "{told}{words}");
    }
}

/// How a rule stands, as the Prometheus API shows it.
async fn standing(daemon: &Daemon, name: &str) -> Value {
    let all: Value = daemon.ask("/api/v1/rules").await;
    let rules = all["data"]["groups"][0]["rules"].as_array().expect("a list of rules");
    let rule = rules.iter().find(|it| it["name"] == name);
    rule.unwrap_or_else(|| panic!("no rule {name} in {all:#}")).clone()
}

/// Waits until nothing is wrong with a rule and it has what it needs to say so.
async fn until_fine(daemon: &Daemon, name: &str) {
    until_true(&format!("{name} is fine"), PATIENCE, async || {
        let rule = standing(daemon, name).await;
        (&rule["health"], &rule["state"]) == (&"ok".into(), &"inactive".into())
    })
    .await;
}

/// Waits until a rule was evaluated three times more.
async fn evaluated_again(daemon: &Daemon, name: &str) {
    let last = async || {
        let rule = standing(daemon, name).await;
        let at = rule["lastEvaluation"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        at.expect("a time")
    };
    let begin = last().await;
    until_true(&format!("{name} is evaluated again"), PATIENCE, async || {
        last().await >= begin + TimeDelta::seconds(15)
    })
    .await;
}

/// Waits for the `number`th message of a Slack channel.
async fn told(slack: &FakeSlack, channel: &str, number: usize) -> String {
    until(&format!("message {number} in {channel}"), PATIENCE, async || {
        slack.texts(channel).get(number - 1).cloned()
    })
    .await
}
