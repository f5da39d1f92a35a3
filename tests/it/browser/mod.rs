//! The pages of the real binary in a real browser: scenarios in `tests/browser/`, driven by Playwright.
//!
//! They take Chromium and Node.js; where one is missing, [`Driver::find`] says so where it cannot be
//! overlooked.

mod scene;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use self::scene::Scene;
use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::skip::skipped;
use crate::support::targets::browser_modules;
use crate::support::tripline::Project;
use crate::support::wait::until;

/// How long a scenario may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// A browser takes a processor and half a gigabyte: one at a time.
static BROWSERS: Semaphore = Semaphore::const_new(1);

/// What drives a browser.
#[derive(Debug)]
struct Driver {
    chromium: PathBuf,
    modules: PathBuf,
}

impl Driver {
    /// None, and a line on standard error, where this machine has no browser.
    async fn find() -> Option<Self> {
        let chromium =
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path);
        let (Some(chromium), Some(_)) = (chromium, on_path("node")) else {
            skipped("the pages are in no browser", "install `chromium` and Node.js");
            return None;
        };
        Some(Self { chromium, modules: browser_modules().await })
    }

    /// Goes through a scenario, which is told `facts`; fails the test with what it says if it fails.
    async fn play(&self, scenario: &str, facts: &Value) {
        let _place = BROWSERS.acquire().await.expect("it is never closed");
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(scenario);
        let mut command = Command::new("node");
        command.arg(script).arg(facts.to_string()).env("NO_PROXY", "127.0.0.1");
        command.env("TRIPLINE_CHROMIUM", &self.chromium).env("TRIPLINE_MODULES", &self.modules);
        let log = folder.path().join("scenario.log");
        let mut process = Process::start(scenario, &mut command, log);
        let ended = until(scenario, PATIENCE, async || process.ended()).await;
        assert!(ended.success(), "{scenario}:\n{}", process.log());
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|it| it.join(program)).find(|it| it.is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_see_what_they_may() {
    let Some(driver) = Driver::find().await else { return };
    let site = Site::start().await;
    site.answer(503);
    let (daemon, password) = scene::with_users(&site).await;
    scene::open_incidents(&daemon, 1).await;
    let facts = json!({
        "url": daemon.url(), "password": password, "operator": "ana", "viewer": "vic",
    });
    driver.play("signing_in.mjs", &facts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_filter_run_and_act_with_keys_alone_and_without_javascript() {
    let Some(driver) = Driver::find().await else { return };
    let scene = Scene::start().await;
    let facts = json!({ "url": scene.url(), "checks": scene::CHECKS, "gate": scene.gate() });
    driver.play("working.mjs", &facts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_followed_from_its_beginning_to_its_end_on_pages_that_stay_open() {
    let Some(driver) = Driver::find().await else { return };
    let site = Site::start().await;
    let check = scene::request("shop", "Shop", &site.url());
    let daemon = Project::new().toml(&check).up().await;
    daemon.run("shop", "passed", |run| run.outcome == "passed").await;
    driver.play("incident.mjs", &json!({ "url": daemon.url(), "site": site.url() })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_for_everybody_light_and_dark_narrow_and_wide() {
    let Some(driver) = Driver::find().await else { return };
    let (scene, calm) = (Scene::start().await, scene::calm().await);
    let mut pages = scene.pages().await;
    pages.extend(
        ["/on-call", "/deliveries", "/"].map(|path| json!([format!("{}{path}", calm.url()), 200])),
    );
    let facts = json!({ "url": scene.url(), "pages": pages });
    driver.play("pages.mjs", &facts).await;
}
