//! A hub that is gone is replaced in time by another that shares its store, at everything that one hub does at
//! a time; the database notes when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::Signal;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::hubs::{hub, project};
use super::world::PATIENCE;
use crate::support::port;
use crate::support::postgres::Database;
use crate::support::site::Site;
use crate::support::tripline::Daemon;
use crate::support::wait::until_true;

/// What is promised.
const WITHIN: Duration = Duration::from_secs(15);
/// For how long a busy machine may let a hub wait that is to do something.
const NOISE: Duration = Duration::from_secs(10);

/// What there is to do in every project.
const PARTS: [&str; 4] = ["accounting", "housekeeping", "metrics", "review"];

/// Notes when which part was taken over.
const NOTING: &str = "CREATE TABLE taken_over (part TEXT, at TIMESTAMPTZ); \
     CREATE FUNCTION note_taken_over() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     INSERT INTO taken_over VALUES (NEW.part, clock_timestamp()); RETURN NULL; END $$; \
     CREATE TRIGGER note_taken_over AFTER UPDATE ON leases FOR EACH ROW \
     WHEN (OLD.holder <> NEW.holder) EXECUTE FUNCTION note_taken_over()";

/// A moment in milliseconds.
fn millis(moment: &str) -> String {
    format!("(extract(epoch FROM {moment}) * 1000)::bigint")
}

/// The parts on which there is a lease.
async fn leased(connection: &mut PgConnection) -> BTreeSet<String> {
    let parts: Vec<String> =
        sqlx::query_scalar("SELECT part FROM leases").fetch_all(connection).await.expect("read");
    parts.into_iter().collect()
}

/// When which parts were taken over since then, in milliseconds.
async fn taken_since(connection: &mut PgConnection, begin: i64) -> BTreeMap<String, i64> {
    let at = millis("at");
    let query = format!("SELECT part, min({at}) FROM taken_over WHERE {at} >= $1 GROUP BY part");
    let taken: Vec<(String, i64)> =
        sqlx::query_as(AssertSqlSafe(query)).bind(begin).fetch_all(connection).await.expect("read");
    taken.into_iter().collect()
}

async fn replaced_in_time(goes: impl FnOnce(&Daemon)) {
    let (site, database) = (Site::start().await, Database::empty().await);
    let (near, far) = (project(&database, &site, &["shop"]), project(&database, &site, &["shop"]));
    let port = port::free();
    let (first, _) = hub(&near, 1, port).await;
    let mut connection = database.connect().await;
    until_true("the first hub does everything", PATIENCE, async || {
        let leased = leased(&mut connection).await;
        PARTS.iter().all(|part| leased.contains(*part))
    })
    .await;
    let mut held = leased(&mut connection).await;
    database.execute(NOTING).await;
    let (second, _) = hub(&far, 2, port).await;
    let now = AssertSqlSafe(format!("SELECT {}", millis("clock_timestamp()")));
    let gone: i64 = sqlx::query_scalar(now).fetch_one(&mut connection).await.expect("read");
    goes(&first);
    // A machine may be so busy that the first lost one before.
    let lost: Vec<String> = taken_since(&mut connection, 0).await.into_keys().collect();
    held.retain(|part| !lost.contains(part));
    assert!(!held.is_empty(), "it held nothing any more");
    until_true("the second hub does everything", PATIENCE, async || {
        let taken = taken_since(&mut connection, gone).await;
        held.iter().all(|part| taken.contains_key(part))
    })
    .await;
    for (part, at) in taken_since(&mut connection, gone).await {
        let after = Duration::from_millis((at - gone).unsigned_abs());
        assert!(after <= WITHIN + NOISE, "{part} was left alone for {after:?}");
    }
    drop(first);
    assert!(second.stop().await.success());
    connection.close().await.expect("closed");
    database.discard().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_is_replaced_in_time() {
    replaced_in_time(|hub| hub.signal(Signal::KILL)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stands_still_is_replaced_in_time() {
    replaced_in_time(Daemon::freeze).await;
}
