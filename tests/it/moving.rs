//! Moving a store to another database and back, backing it up beside a daemon and restoring it, by
//! the real binary.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tripline::clock::{Clock as _, System};

use crate::support::dump;
use crate::support::postgres::Database;
use crate::support::site::Site;
use crate::support::tripline::Project;
use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_mins(1);

/// A URL without its password, and the password.
fn divided(url: &str) -> (String, String) {
    let mut url = url::Url::parse(url).expect("a URL");
    let password = url.password().unwrap_or_default().to_owned();
    url.set_password(None).expect("it has a host");
    (url.into(), password)
}

async fn watched(site: &Site) -> Project {
    let check = format!("[[check]]\nname = \"front\"\nevery = \"1s\"\nurl = \"{}/\"\n", site.url());
    let project = Project::new().toml(&check);
    let daemon = project.up().await;
    daemon.run("front", "passed", |run| run.outcome == "passed").await;
    // Slots are accounted for a while later; what was expected is known from the start.
    let next = System.now() + Duration::from_secs(2);
    until_true("two slots go by", PATIENCE, async || System.now() > next).await;
    let (code, printed, said) = project.run(&["store", "backup", "beside.backup"]).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    assert!(printed.contains("were copied, and counted again on the other side."), "{printed}");
    assert!(printed.contains("beside.backup (") && printed.contains("B): "), "{printed}");
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let (code, _, said) = project.run(&["store", "restore", "beside.backup"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in use by process"), "{said}");
    // What it records from now on would stay behind.
    let copy = ["store", "copy", "sqlite:tripline.db", "sqlite:other.db"];
    let (code, _, said) = project.run(&copy).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in use by process") && said.contains("stop that one"), "{said}");
    assert!(!project.path().join("other.db").exists());
    daemon.stop().await;
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_to_postgresql_and_back_and_loses_nothing() {
    let site = Site::start().await;
    let (project, base) = (watched(&site).await, Database::empty().await);
    let first = project.path().join("tripline.db");
    dump::fill(&first).await;
    let before = dump::rows(&first).await;
    let (url, password) = divided(base.url());
    let project = project.env("PGPASSWORD", &password);
    let (code, printed, said) =
        project.run(&["store", "copy", "-v", "sqlite:tripline.db", &url]).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    let runs = format!("{:>12}  runs\n", before["runs"].len());
    assert!(printed.contains(&runs), "{printed}");
    let (code, printed, said) = project.run(&["store", "copy", &url, "sqlite:back.db"]).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    assert_eq!(dump::rows(&project.path().join("back.db")).await, before);

    let (code, _, said) = project.run(&["store", "copy", "sqlite:back.db", &url]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not empty"), "{said}");
    base.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_a_daemon_is_restored() {
    let site = Site::start().await;
    let project = watched(&site).await;
    let backup = project.path().join("beside.backup");
    let mode = std::fs::metadata(&backup).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, said) = project.run(&["store", "backup", "beside.backup"]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nothing is ever overwritten"), "{said}");
    let (code, _, said) = project.run(&["store", "restore", "beside.backup"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not empty"), "{said}");
    project.remove("tripline.db");
    let (code, printed, said) = project.run(&["store", "restore", "beside.backup"]).await;
    assert_eq!(code, Some(0), "{printed}{said}");
    let restored = dump::rows(&project.path().join("tripline.db")).await;
    assert_eq!(restored, dump::rows(&backup).await);
    // It goes on with it.
    let daemon = project.up().await;
    let runs = daemon.runs("front").await.len();
    assert!(runs >= restored["runs"].len(), "{runs}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_wrong_is_said() {
    let project = Project::new();
    for (arguments, code, wanted) in [
        (&["copy", "tripline.db", "sqlite:b.db"][..], 2, "FROM: write `sqlite:` and a path"),
        (&["copy", "sqlite:a.db", "mysql://x"], 2, "TO: write `sqlite:`"),
        (&["copy", "sqlite:a.db", "postgres://u:hunter2@h/d"], 2, "set PGPASSWORD"),
        (&["copy", "sqlite:a.db", "postgres://u@h/"], 2, "names no database"),
        (&["copy", "sqlite:a.db", "sqlite:a.db"], 2, "are one store"),
        (&["copy", "sqlite:a.db", "sqlite:b.db"], 1, "there is no store at"),
        (&["backup", "x.backup"], 1, "there is no store at"),
        (&["restore", "x.backup"], 2, "there is no backup at"),
        (&["backup"], 2, "FILE"),
    ] {
        let words: Vec<&str> = std::iter::once("store").chain(arguments.iter().copied()).collect();
        let (found, _, said) = project.run(&words).await;
        assert_eq!(found, Some(code), "{words:?}: {said}");
        assert!(said.contains(wanted) && !said.contains("hunter2"), "{words:?}: {said}");
    }
    assert!(!project.path().join("b.db").exists());
}
