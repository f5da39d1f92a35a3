//! The dashboards for Grafana ask for series that a running daemon has.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use tripline::clock::{Clock as _, System};
use url::form_urlencoded::Serializer;

use crate::net::trust::{Authority, for_localhost, serve};
use crate::support::http::client;
use crate::support::providers::Providers;
use crate::support::site::Site;
use crate::support::targets::mistakes_in_dashboards;
use crate::support::tripline::{Daemon, Project};
use crate::support::wait::{until, until_true};

const PATIENCE: Duration = Duration::from_mins(3);

const DASHBOARDS: [&str; 5] = ["checks", "check", "logins", "paging", "tripline"];

fn dashboard_text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dashboards/{name}.json"));
    fs::read_to_string(path).expect("the dashboard can be read")
}

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&dashboard_text(name)).expect("the dashboard is JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("no list of {key}"))
}

/// Every expression of a dashboard with the title of its panel.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let panels = list(dashboard, "panels").iter();
    let of_panel = |panel: &Value| -> Vec<(String, String)> {
        let targets = list(panel, "targets").iter();
        targets.map(|it| (text(&panel["title"]), text(&it["expr"]))).collect()
    };
    panels.flat_map(of_panel).collect()
}

/// What Grafana puts in place of the variables when one of each, or all, is chosen.
fn filled(expression: &str) -> String {
    let filled = expression.replace("\"$check\"", "\"shop\"").replace("$metric", "logins");
    filled.replace("$region", ".*").replace("$hub", ".*")
}

async fn ask(daemon: &Daemon, path: &str, query: (&str, &str)) -> Value {
    let query = Serializer::new(String::new()).append_pair(query.0, query.1).finish();
    daemon.ask(&format!("{path}?{query}")).await
}

/// A counter that grew over the last hours, a day before, and a week before.
async fn remember_logins(daemon: &Daemon) {
    let mut text = String::new();
    for ago in [TimeDelta::days(7), TimeDelta::days(1), TimeDelta::zero()] {
        for minute in (0..120).rev() {
            let time = System.now() - ago - TimeDelta::minutes(minute);
            let value = (time.timestamp() - 1_700_000_000) / 3;
            writeln!(text, "logins {value} {}", time.timestamp()).expect("a string takes all");
        }
    }
    let request = client().post(format!("{}/api/v1/metrics", daemon.url())).body(text + "# EOF\n");
    let request = request.header("content-type", "application/openmetrics-text");
    let answer = request.send().await.expect("it answers");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_has_data_in_a_running_daemon() {
    let site = Site::start().await;
    let authority = Authority::new();
    let secure = serve(&authority, for_localhost(), "http/1.1").await;
    let script = format!(
        "import {{ step }} from \"tripline\";\nexport const options = {{ every: \"1s\" }};\n\
         export default async function () {{\n  await step(\"open\", () => fetch(\"{}/\"));\n  \
         await fetch(\"https://localhost:{}/\");\n}}\n",
        site.url(),
        secure.port
    );
    // One check that fails, so that somebody is told and acknowledges it.
    let broken = "export const options = { every: \"1s\" };\n\
                  export default function () { throw new Error(\"broken\"); }\n";
    let providers = Providers::start().await;
    let project = providers.told_by(Project::new());
    let project = project.script("shop.js", &script).script("broken.js", broken);
    project.write("ca.pem", &authority.pem);
    let authorities = project.path().join("ca.pem").display().to_string();
    let project = project.env("SSL_CERT_FILE", &authorities);
    let daemon = project.up().await;
    remember_logins(&daemon).await;
    until_true("somebody is told", PATIENCE, async || !providers.posts().is_empty()).await;
    let (code, ..) = project.run(&["ack", "#1", "--by", "eva"]).await;
    assert_eq!(code, Some(0));
    for name in DASHBOARDS {
        for (panel, expression) in expressions(&dashboard(name)) {
            let expression = filled(&expression);
            assert!(!expression.contains('$'), "{name}, {panel}: {expression}");
            let what = format!("{name}, {panel}: {expression}");
            until(&what, PATIENCE, async || {
                let answer = ask(&daemon, "/api/v1/query", ("query", &expression)).await;
                assert_eq!(answer["status"], "success", "{what}: {answer}");
                let found = answer["data"]["result"].as_array().expect("series");
                (!found.is_empty()).then_some(())
            })
            .await;
        }
        for variable in list(&dashboard(name)["templating"], "list") {
            let Some(query) = variable["definition"].as_str() else { continue };
            let inner = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')'));
            let (metric, label) = inner.and_then(|it| it.split_once(", ")).expect("label values");
            let path = format!("/api/v1/label/{label}/values");
            let values = ask(&daemon, &path, ("match[]", metric)).await;
            assert!(!list(&values, "data").is_empty(), "{name}: {query}");
        }
    }
    assert!(daemon.stop().await.success());
}

#[tokio::test]
async fn grafanas_own_types_hold() {
    let all = DASHBOARDS.into_iter().chain(["runs-graphite"]);
    let all: Vec<_> = all.map(|name| (name, dashboard_text(name))).collect();
    let found = mistakes_in_dashboards(&all).await;
    assert!(found.is_empty(), "{found:#?}");
    // Typos are found where they are.
    for (right, wrong) in [
        ("\"schemaVersion\"", "\"schemaVersoin\""),
        ("\"fillOpacity\"", "\"fillOpacty\""),
        ("\"legendFormat\"", "\"legendformat\""),
        ("\"placement\": \"bottom\"", "\"placement\": \"botom\""),
    ] {
        let text = dashboard_text("logins");
        let line = text.lines().position(|line| line.contains(right)).expect("it is there") + 2;
        let found = mistakes_in_dashboards(&[("logins", text.replace(right, wrong))]).await;
        let near = |told: &String| {
            let at = told.strip_prefix("logins.ts(").and_then(|it| it.split(',').next());
            at.and_then(|it| it.parse::<usize>().ok()).is_some_and(|at| at.abs_diff(line) < 20)
        };
        assert!(found.iter().any(near), "{wrong} in line {line}: {found:#?}");
    }
}

#[test]
fn data_sources_are_chosen_and_variables_defined() {
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let variables = list(&dashboard["templating"], "list").iter();
        let names: Vec<&str> = variables.filter_map(|it| it["name"].as_str()).collect();
        assert!(names.contains(&"datasource"), "{name}");
        for panel in list(&dashboard, "panels") {
            for part in list(panel, "targets").iter().chain([panel]) {
                assert_eq!(
                    part["datasource"]["uid"], "${datasource}",
                    "{name}: {}",
                    panel["title"]
                );
            }
        }
        for (panel, expression) in expressions(&dashboard) {
            let used = expression.split('$').skip(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                &rest[..end]
            });
            for variable in used {
                assert!(names.contains(&variable), "{name}, {panel}: ${variable} is not defined");
            }
        }
    }
}
