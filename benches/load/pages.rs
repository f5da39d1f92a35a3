//! How fast pages answer while a thousand checks run, and how large they are.

use std::time::Duration;

use anyhow::Result;

use crate::api::asked;
use crate::daemon::Daemon;
use crate::project::Project;
use crate::target::Target;
use crate::{Priority, Row, client};

const CHECKS: usize = 1_000;

/// One check in so many fails.
const FAILING: usize = 80;

/// Until each check has run often enough that its line can be drawn.
const WARM_UP: Duration = Duration::from_secs(100);

/// Asks for the pages of a project of a thousand checks.
pub(crate) async fn pages(priority: Priority) -> Result<Vec<Row>> {
    let target = Target::start(priority).await?;
    let mut project = Project::new(target.port)?;
    for number in 0..CHECKS {
        let labels = format!("labels = {{ team = \"team-{}\" }}", number % 10);
        project.url_check(&check(number), &url(&target, number), "20s", &labels);
    }
    for number in (0..CHECKS).step_by(FAILING) {
        target.answer(&format!("/{}", check(number)), 503).await?;
    }
    let daemon = Daemon::start(&project, priority).await?;
    tokio::time::sleep(WARM_UP).await;
    let client = client::client()?;
    let ways: [(&str, &dyn Fn(usize) -> String); 8] = [
        ("/", &|_| "/".into()),
        ("/?page=", &|it| format!("/?page={}", 1 + it % 10)),
        ("/?q=", &|it| format!("/?q=check-{it}")),
        ("/?state=down", &|_| "/?state=down".into()),
        ("/checks/{id}", &|it| format!("/checks/{}", check(it * 23 % CHECKS))),
        ("/incidents", &|_| "/incidents".into()),
        ("/regions", &|_| "/regions".into()),
        ("/deliveries", &|_| "/deliveries".into()),
    ];
    let load = format!("{CHECKS} requests every 20 s, one in {FAILING} fails");
    let mut rows = vec![Row::new("load", load)];
    for (what, path) in ways {
        rows.push(Row::new(what, asked(&client, &daemon, path).await));
    }
    Ok(rows)
}

fn check(number: usize) -> String {
    format!("check-{number}")
}

fn url(target: &Target, number: usize) -> String {
    format!("{}/{}", target.url(number), check(number))
}
