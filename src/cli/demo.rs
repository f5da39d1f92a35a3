//! `tripline demo`: watches a small shop on this machine, breaks it and mends it again.
//!
//! Everything is real but the credentials: the shop, the checks, the sandbox, the store and the
//! escalation. The project lives in a temporary folder that is removed at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::{Demo, Global};
use super::exit::Exit;
use super::log::{self, Format};
use super::run::{self, Stop};
use super::terminal::{Stream, Terminal, is_output_closed};
use super::up::{self, Event, Eyes, Signals};
use crate::app::daemon::{Daemon, Plan};
use crate::app::demo_site::{DemoSite, Fault, PASSWORD};
use crate::app::project::Reading;
use crate::clock::{self, Clock};
use crate::config::{Environment, Project};

/// The files of the project; `SHOP_URL` in them stands for where the shop is.
const FILES: [(&str, &str); 3] = [
    ("tripline.toml", include_str!("demo/tripline.toml")),
    ("checks/login.js", include_str!("demo/login.js")),
    ("checks/profile.js", include_str!("demo/profile.js")),
];

/// How long to go on after the shop was mended, so that the recovery is seen.
const EPILOGUE: Duration = Duration::from_secs(8);

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
    introduce(&shop, &project, global.log_format, wanted);
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
    tracing::info!(api = daemon.url(), "watching");
    tokio::select! {
        told = story(&shop, wanted) => told.map_err(|error| failed("break the shop", &error))?,
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

fn introduce(shop: &DemoSite, project: &Project, format: Format, wanted: &Demo) {
    tracing::info!(url = shop.url(), "a small shop to sign in to runs on this machine");
    tracing::info!(folder = %project.root.display(), "its checks are in a project of their own");
    if format == Format::Human && wanted.break_after.is_none() {
        tracing::info!("press Ctrl+C to end; --break-after 20s shows what happens when it breaks");
    }
}

/// Breaks the shop and mends it, if that is wanted; else waits for ever.
async fn story(shop: &DemoSite, wanted: &Demo) -> std::io::Result<()> {
    let Some(break_after) = wanted.break_after else {
        return std::future::pending().await;
    };
    tokio::time::sleep(break_after).await;
    tracing::info!("the shop breaks now");
    shop.set(wanted.fault.into()).await?;
    tokio::time::sleep(wanted.mend_after).await;
    tracing::info!("the shop is mended now");
    shop.set(Fault::None).await?;
    tokio::time::sleep(EPILOGUE).await;
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
