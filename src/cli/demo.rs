//! `tripline demo`: watches a small shop on this machine, breaks it, has somebody take care and mends it
//! again, so that its page shows how that looks.
//!
//! Everything is real but the credentials: the shop, the checks, the sandbox, the store and the
//! escalation. The project lives in a temporary folder that is removed at the end.

mod browser;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Demo, Global};
use super::exit::Exit;
use super::log::{self, Format};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal, is_output_closed};
use super::up::{self, Event, Eyes, Signals};
use crate::app::asking::{self, Asked};
use crate::app::daemon::{Daemon, Plan};
use crate::app::demo_site::{DemoSite, Fault, PASSWORD};
use crate::app::project::Reading;
use crate::clock::{self, Clock};
use crate::config::{Environment, Project, duration};
use crate::store::IncidentRecord;

/// The files of the project; `SHOP_URL` in them stands for where the shop is.
const FILES: [(&str, &str); 3] = [
    ("tripline.toml", include_str!("demo/tripline.toml")),
    ("checks/login.js", include_str!("demo/login.js")),
    ("checks/profile.js", include_str!("demo/profile.js")),
];

/// When the shop breaks, where nobody says when.
const USUAL_CALM: Duration = Duration::from_secs(20);

/// How long to go on after the shop was mended, so that the recovery is seen.
const EPILOGUE: Duration = Duration::from_secs(8);

/// How long after the second tier was told somebody takes care.
const ANSWER: Duration = Duration::from_secs(5);

/// How often is looked how far it has come.
const GLANCE: Duration = Duration::from_millis(250);

/// The check whose incident somebody takes care of.
const CHECK: &str = "login";

/// Runs the command.
pub(super) async fn run(wanted: &Demo, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    run::start_log(global, log::Stream::Stdout, Stream::Out, terminal)?;
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Stop::Broken(format!("failed to {what}: {error}"))
    };
    let shop = DemoSite::start(([127, 0, 0, 1], 0).into())
        .map_err(|error| failed("start the shop", &error))?;
    let folder = tempfile::Builder::new()
        .prefix("tripline-demo-")
        .tempdir()
        .map_err(|error| failed("make a temporary folder", &error))?;
    write_project(folder.path(), &shop.url())
        .map_err(|error| failed("write the demo's project", &error))?;
    let variables = [("SHOP_PASSWORD".to_owned(), PASSWORD.to_owned())];
    let environment = Environment::new(variables);
    let reading = Reading::begin(folder.path(), &environment);
    let pool = run::pool(&reading)?;
    let project = run::project(reading, &pool, global, terminal).await?;
    let clock: Arc<dyn Clock> = Arc::new(clock::System);
    let eyes = Eyes::open(global.log_format, &project, terminal, &clock);
    introduce(&shop, &project);
    let plan = Plan {
        project,
        pool,
        environment,
        clock,
        witness: eyes.witness(),
        listen: Some(wanted.listen),
        command: "tripline demo",
    };
    let mut signals = Signals::listen()?;
    let daemon =
        Daemon::start(plan).await.map_err(|error| Stop::Broken(up::with_causes(&error)))?;
    tracing::info!("look at all of it on {}/", daemon.url());
    if !wanted.no_open {
        browser::open(&daemon.url(), terminal);
    }
    tokio::select! {
        told = story(&shop, &daemon, wanted) => told.map_err(|error| failed("break the shop", &error))?,
        () = interrupted(&mut signals) => {}
        () = unread() => {}
    }
    up::stop(&daemon, &mut signals).await;
    eyes.close();
    shop.stop().await;
    if global.log_format == Format::Human {
        tracing::info!("that was the demo; next: `tripline init my-checks`");
    }
    Ok(Exit::Good)
}

fn write_project(folder: &Path, url: &str) -> std::io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text.replace("SHOP_URL", url))?;
    }
    Ok(())
}

fn introduce(shop: &DemoSite, project: &Project) {
    tracing::info!(url = shop.url(), "a small shop to sign in to runs on this machine");
    tracing::info!(folder = %project.root.display(), "its checks are in a project of their own");
}

/// Breaks the shop, has somebody take care, and mends it; then the demo is over, or goes on where nobody
/// said when the shop breaks.
async fn story(shop: &DemoSite, daemon: &Daemon, wanted: &Demo) -> std::io::Result<()> {
    let calm = wanted.break_after.unwrap_or(USUAL_CALM);
    tracing::info!("all is well for now; in {} the shop breaks", duration::format(calm));
    tokio::time::sleep(calm).await;
    tracing::info!(
        "the shop breaks now: the first failure is told to #p2, the second to #p1 and by SMS"
    );
    shop.set(wanted.fault.into()).await?;
    tokio::select! {
        () = tokio::time::sleep(wanted.mend_after) => {}
        () = taken_care_of(daemon) => {}
    }
    tracing::info!("the shop is mended now: whoever was told hears that it recovered");
    shop.set(Fault::None).await?;
    if wanted.break_after.is_some() {
        tokio::time::sleep(EPILOGUE).await;
        return Ok(());
    }
    tracing::info!("that was the story; the page stays until you press Ctrl+C");
    std::future::pending().await
}

/// Acknowledges the incident a while after the second tier was told; never ends.
async fn taken_care_of(daemon: &Daemon) {
    let number = loop {
        if let Some(number) = called(daemon).await {
            break number;
        }
        tokio::time::sleep(GLANCE).await;
    };
    tokio::time::sleep(ANSWER).await;
    tracing::info!("ana acknowledges incident {number}: she takes care, and nobody else is called");
    if let Err(error) = acknowledge(daemon, number).await {
        tracing::warn!("incident {number} was not acknowledged: {error}");
    }
    std::future::pending::<()>().await;
}

/// The incident whose second tier was told.
async fn called(daemon: &Daemon) -> Option<i64> {
    let open = daemon.open_incidents().await.ok()?;
    let is_ours = |it: &IncidentRecord| it.subject.check().is_some_and(|it| it.as_str() == CHECK);
    let found = open.into_iter().find(|it| is_ours(it) && it.incident.tiers.contains(&2));
    found.map(|it| it.id.0)
}

async fn acknowledge(daemon: &Daemon, number: i64) -> Result<(), asking::Error> {
    let url = daemon.url();
    let asked = Asked::at(&url.parse().map_err(|_| asking::Error::Address(url))?, None)?;
    let said = json!({ "by": "ana", "via": "cli", "reason": "the deploy broke it; rolling back" });
    let _: Value = asked.post(&["incidents", &number.to_string(), "acknowledge"], &said).await?;
    Ok(())
}

/// Waits until nobody reads the output any more: a demonstration without an audience ends.
async fn unread() {
    const LOOK_EVERY: Duration = Duration::from_millis(500);
    while !is_output_closed() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn interrupted(signals: &mut Signals) {
    while signals.next().await != Event::Stop {}
}
