//! The real binary on stores of earlier versions: what was open goes on, nobody is told again, several
//! that start at once do so one after the other, and one that was killed half way is no harm.

use std::fs;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};
use tripline::clock::{Clock as _, System};

use super::{VERSIONS, file, json};
use crate::support::postgres::Database;
use crate::support::providers::{Message, Providers};
use crate::support::site::Site;
use crate::support::tripline::{Daemon, Incident, Project};
use crate::support::wait::{until, until_true};

const PATIENCE: Duration = Duration::from_mins(2);
/// The check that was failing when each version was recorded.
const FAILING: &str = "broken";
/// A migration of a version to come.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
     execution_time) VALUES (9999, 'later', TRUE, 'x', 0)";

fn project(site: &Site, providers: &Providers) -> Project {
    let check =
        format!("[[check]]\nname = \"{FAILING}\"\nurl = \"{}/\"\nevery = \"1s\"\n", site.url());
    // As it was kept then: what is forgotten is not looked for.
    let store = "[store]\nkeep_passed = \"1d\"\nkeep_failed = \"1d\"\n";
    providers.told_by(Project::new().toml(&check).toml(store))
}

fn in_database(project: Project, database: &Database) -> Project {
    let store = "[store]\nurl = { env = \"DATABASE_URL\" }\n";
    // It is written with the next table.
    project.with("[store]\n", store).toml("").env("DATABASE_URL", database.url())
}

/// The incident that was open about the check, as that version told of it.
fn known(version: &str) -> Incident {
    let recorded = json(version, "api.json");
    let all = recorded["answers"]["/api/v1/incidents"]["incidents"].clone();
    let all: Vec<Incident> = serde_json::from_value(all).expect("incidents");
    let open =
        all.into_iter().find(|it| it.check.as_deref() == Some(FAILING) && it.status != "resolved");
    open.expect("one was open")
}

/// What was said about an incident.
fn told_of(providers: &Providers, incident: &Incident) -> Vec<Message> {
    let all = providers.posts().into_iter().chain(providers.texts());
    all.filter(|it| it.about().0 == incident.id.to_string()).collect()
}

/// Whoever takes care of an incident in a store of then still does, however long ago that was.
async fn keep_acknowledged(connection: &mut SqliteConnection) {
    let knows = "SELECT count(*) FROM pragma_table_info('incidents') WHERE name = 'story'";
    let knows: i64 = sqlx::query_scalar(knows).fetch_one(&mut *connection).await.expect("read");
    if knows == 0 {
        return;
    }
    let tomorrow = System.now() + Duration::from_hours(24);
    let kept = "UPDATE incidents SET due_at = ?1, \
                story = json_set(story, '$.acknowledged.until', ?1) \
                WHERE json_extract(story, '$.acknowledged') IS NOT NULL";
    let kept = sqlx::query(kept).bind(tomorrow.timestamp_millis()).execute(connection).await;
    assert_eq!(kept.expect("written").rows_affected(), 1, "somebody took care of one");
}

/// It fails as before: the incident goes on, and nobody hears of it again.
async fn goes_on(daemon: &Daemon, providers: &Providers, incident: &Incident) {
    until_true("it has failed a few times more", PATIENCE, async || {
        let failed = |run: &&_| -> bool {
            let run: &crate::support::tripline::Run = run;
            run.outcome == "failed" && run.region == crate::support::tripline::REGION
        };
        daemon.runs(FAILING).await.iter().filter(failed).count() >= 3
    })
    .await;
    let open: Vec<Incident> = daemon
        .incidents()
        .await
        .into_iter()
        .filter(|it| it.check.is_some() && it.status != "resolved")
        .collect();
    assert_eq!(open.iter().map(|it| it.id).collect::<Vec<_>>(), [incident.id]);
    let told = told_of(providers, incident);
    assert!(told.is_empty(), "they were told by the version before: {told:#?}");
}

/// It passes: those who were told hear once that it is over.
async fn ends(daemon: &Daemon, site: &Site, providers: &Providers, incident: &Incident) {
    site.answer(200);
    until_true("it is over", PATIENCE, async || {
        let incidents = daemon.incidents().await;
        incidents.iter().any(|it| it.id == incident.id && it.status == "resolved")
    })
    .await;
    for to in ["#p1", "#p2"] {
        let told = until("they hear of it", PATIENCE, async || {
            let told = told_of(providers, incident).into_iter().filter(|it| it.to == to);
            Some(told.collect::<Vec<_>>()).filter(|told| !told.is_empty())
        })
        .await;
        assert!(told.len() == 1 && told[0].about().1 && !told[0].is_marked(), "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_is_gone_on_with_and_taken_back_by_none() {
    for version in VERSIONS {
        let (site, providers) = (Site::start().await, Providers::start().await);
        site.answer(500);
        let project = project(&site, &providers);
        let path = project.path().join("tripline.db");
        fs::copy(file(version, "store.db"), &path).expect("copied");
        let connect = async || {
            SqliteConnectOptions::new().filename(&path).connect().await.expect("connected")
        };
        let mut connection = connect().await;
        keep_acknowledged(&mut connection).await;
        connection.close().await.expect("closed");
        let incident = known(version);
        let daemon = project.up().await;
        goes_on(&daemon, &providers, &incident).await;
        assert!(daemon.stop().await.success());

        // For a version without the last migration, this store is of a later one.
        let mut connection = connect().await;
        sqlx::raw_sql(LATER).execute(&mut connection).await.expect("inserted");
        connection.close().await.expect("closed");
        let before = crate::support::dump::rows(&path).await;
        let (status, said) = project.up_again().await;
        assert!(!status.success() && said.contains("written by a later version"), "{said}");
        assert_eq!(crate::support::dump::rows(&path).await, before, "nothing of it is changed");

        let mut connection = connect().await;
        let back = sqlx::raw_sql("DELETE FROM _sqlx_migrations WHERE version = 9999");
        back.execute(&mut connection).await.expect("deleted");
        connection.close().await.expect("closed");
        let daemon = project.up().await;
        goes_on(&daemon, &providers, &incident).await;
        ends(&daemon, &site, &providers, &incident).await;
        assert!(daemon.stop().await.success());
    }
}

async fn migrated(connection: &mut PgConnection) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success");
    count.fetch_one(connection).await.expect("counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_left_between_two_migrations_is_brought_up_to_date_by_hubs_at_once() {
    // The first has most to be brought up to date.
    for version in &VERSIONS[..1] {
        let (site, providers) = (Site::start().await, Providers::start().await);
        site.answer(500);
        let database = Database::empty().await;
        let dump = fs::read_to_string(file(version, "store.postgres.sql")).expect("recorded");
        database.execute(&dump).await;
        let mut connection = database.connect().await;
        let at_first = migrated(&mut connection).await;
        // Somebody looks at what a migration in the midst changes, so that one waits.
        let mut reader = database.connect().await;
        let look = "BEGIN; LOCK TABLE deliveries IN ACCESS SHARE MODE";
        sqlx::raw_sql(look).execute(&mut reader).await.expect("locked");
        let hubs = [(); 3].map(|()| in_database(project(&site, &providers), &database));
        let mut killed: Vec<_> =
            hubs.iter().map(|hub| hub.spawn(&["up", "--listen", "127.0.0.1:0"])).collect();
        until_true("one is in the midst, and the others wait for it", PATIENCE, async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&mut connection)
            .await
            .expect("counted");
            waiting == 3
        })
        .await;
        let half_way = migrated(&mut connection).await;
        assert!(at_first < half_way, "some were done");
        for hub in &mut killed {
            hub.kill();
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut reader).await.expect("unlocked");
        reader.close().await.expect("closed");

        let [one, two, three] = &hubs;
        let (first, second, third) = tokio::join!(one.up(), two.up(), three.up());
        let all = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres"));
        let all = i64::try_from(all.expect("a folder").count()).expect("some");
        assert!(half_way < all, "there were some left");
        assert_eq!(migrated(&mut connection).await, all, "each once");
        let incident = known(version);
        goes_on(&first, &providers, &incident).await;
        ends(&second, &site, &providers, &incident).await;
        let (code, told, words) = one.run(&["store", "check"]).await;
        assert_eq!(code, Some(0), "{told}{words}");
        for hub in [first, second, third] {
            assert!(hub.stop().await.success());
        }
        connection.close().await.expect("closed");
        database.discard().await;
    }
}
