//! What only the inside shows: how durable a commit is, what is left after an error, which indexes
//! are used. The contract itself is tested in tests/it/store.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tempfile::TempDir;

use super::writer::Durability;
use super::*;
use crate::domain::id::Region;
use crate::domain::incident::{Decision, DecisionKind, Incident, Transition};
use crate::domain::restraint::Silence;
use crate::domain::run::{Outcome, Trace};
use crate::domain::slot::Slot;
use crate::domain::streak::Streak;

fn at(second: u64) -> Timestamp {
    let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    start + Duration::from_secs(second)
}

async fn fresh() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let holder = Holder { command: "a test".into(), since: at(0) };
    let store = SqliteStore::open(&folder.path().join("tripline.db"), &holder).await;
    (folder, store.expect("a new store"))
}

fn report(check: &str, second: u64) -> Report {
    Report {
        slot: Slot {
            check: CheckId::new(check).expect("a good name"),
            region: Region::new("eu").expect("a good name"),
            at: at(second),
        },
        started_at: at(second),
        duration: Duration::from_millis(7),
        failure: None,
        trace: Trace::default(),
        clock_ahead: chrono::TimeDelta::zero(),
    }
}

/// Counts passes; says something about those of the check `noted`.
struct Counting;

impl Judge for Counting {
    fn judge(
        &self,
        state: &CheckState,
        report: &Report,
        _: &[Silence],
        _: Timestamp,
    ) -> Transition {
        let before = state.streaks.get(&report.slot.region).cloned().unwrap_or_default();
        let streak: Streak = before.counting(Outcome::Passed, report.slot.at, 1);
        let noted = report.slot.check.as_str() == "noted";
        let said = || Decision { kind: DecisionKind::Ignored, reason: "said".into() };
        Transition {
            streak: Some(streak),
            decisions: noted.then(said).into_iter().collect(),
            ..Transition::default()
        }
    }

    fn judge_absent(&self, _: &CheckId, _: &Incident, _: Timestamp) -> Option<Transition> {
        None
    }
}

async fn record(store: &SqliteStore, reports: &[Report]) -> Result<Vec<Recorded>, Error> {
    store.record(reports, &Counting, at(0)).await
}

async fn execute(store: &SqliteStore, pragma: &'static str) {
    let mut writer = store.writer().await.expect("it can write");
    let connection = writer.connection().await.expect("connected");
    sqlx::raw_sql(pragma).execute(connection).await.expect("executed");
}

async fn number(store: &SqliteStore, query: &'static str) -> i64 {
    let mut writer = store.writer().await.expect("it can write");
    let connection = writer.connection().await.expect("connected");
    sqlx::query_scalar(query).persistent(false).fetch_one(connection).await.expect("read")
}

/// What the last transaction was to survive, once SQLite is ready for one that survives a power cut (2).
async fn durability(store: &SqliteStore) -> Option<Durability> {
    assert_eq!(number(store, "PRAGMA synchronous").await, 2);
    store.writer().await.expect("it can write").asked
}

#[tokio::test]
async fn what_was_decided_survives_a_power_cut() {
    let (_folder, store) = fresh().await;
    for second in [10, 20] {
        record(&store, &[report("calm", second)]).await.expect("recorded");
        assert_eq!(durability(&store).await, Some(Durability::Process));
        let both = [report("calm", second + 1), report("noted", second + 1)];
        record(&store, &both).await.expect("recorded");
        assert_eq!(durability(&store).await, Some(Durability::Power));
        record(&store, &[report("calm", second + 2), report("other", second + 2)])
            .await
            .expect("recorded");
        assert_eq!(durability(&store).await, Some(Durability::Process));
    }
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_needs_no_restart() {
    let (_folder, store) = fresh().await;
    record(&store, &[report("a", 1)]).await.expect("recorded");
    execute(&store, "PRAGMA max_page_count = 1").await;
    let many: Vec<Report> = (2..400).map(|second| report("a", second)).collect();
    let error = record(&store, &many).await.expect_err("the disk is full");
    let Error::Database { source, .. } = &error else { panic!("{error}") };
    assert_eq!(primary_code(source), Some(13), "SQLITE_FULL: {source}");
    let runs = RunFilter { limit: 1000, ..RunFilter::default() };
    assert_eq!(store.runs(&runs).await.expect("reading goes on").len(), 1);
    execute(&store, "PRAGMA max_page_count = 1000000").await;
    record(&store, &many).await.expect("there is room again");
    assert_eq!(store.runs(&runs).await.expect("listed").len(), 399);
    store.close().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_in_the_middle_leaves_no_half() {
    let (_folder, store) = fresh().await;
    record(&store, &[report("a", 1)]).await.expect("recorded");
    let many: Vec<Report> = (2..150).map(|second| report("a", second)).collect();
    for polls in 1..40 {
        let mut abandoned = Box::pin(record(&store, &many));
        let mut ready = false;
        for _ in 0..polls {
            let mut context = Context::from_waker(Waker::noop());
            ready = matches!(abandoned.as_mut().poll(&mut context), Poll::Ready(_));
            if ready {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(abandoned);
        // Either all of it or nothing, and memory agrees with the file.
        let runs = number(&store, "SELECT count(*) FROM runs").await;
        assert!(runs == 1 || runs == 149, "{runs} runs");
        let mut writer = store.writer().await.expect("it can write");
        let remembered = writer.memory().await.expect("read").states.clone();
        drop(writer);
        let states = store.check_states().await.expect("read");
        assert_eq!(states.into_iter().collect::<std::collections::HashMap<_, _>>(), remembered);
        if ready {
            break;
        }
    }
    let last = record(&store, &many).await.expect("the next one is not disturbed");
    assert_eq!(last.len(), many.len());
    store.close().await;
}

#[tokio::test]
async fn a_connection_that_is_not_trusted_is_made_anew() {
    let (_folder, store) = fresh().await;
    record(&store, &[report("a", 1)]).await.expect("recorded");
    let mut writer = store.writer().await.expect("it can write");
    let io = sqlx::Error::Database(Box::new(DiskFailed));
    let failed: Result<(), Error> = writer.finish(Err(failed("write")(io))).await;
    assert!(failed.is_err());
    drop(writer);
    record(&store, &[report("a", 2)]).await.expect("recorded by a new connection");
    assert_eq!(number(&store, "SELECT count(*) FROM runs").await, 2);
    store.close().await;
}

/// SQLite's "disk I/O error", with an extended code.
#[derive(Debug, thiserror::Error)]
#[error("disk I/O error")]
struct DiskFailed;

impl sqlx::error::DatabaseError for DiskFailed {
    fn message(&self) -> &'static str {
        "disk I/O error"
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("1034".into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

/// How SQLite would answer a query, in its words.
async fn plan(store: &SqliteStore, query: impl sqlx::SqlSafeStr) -> String {
    let mut writer = store.writer().await.expect("it can write");
    let connection = writer.connection().await.expect("connected");
    let lines: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(query).fetch_all(connection).await.expect("explained");
    lines.into_iter().map(|(.., line)| line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn accounts_are_found_by_their_place_whatever_is_known_of_the_tables() {
    let (_folder, store) = fresh().await;
    // As after a stop with few of them: a small table is read as fast as an index.
    let few = "INSERT INTO gaps (check_id, region, first_at, last_at, slots, reason) \
         VALUES ('a', 'eu', 1, 2, 2, 'stalled'), ('b', 'eu', 1, 2, 2, 'stalled'); \
         INSERT INTO runs (id, check_id, region, slot_at, started_at, recorded_at, duration, outcome) \
         SELECT randomblob(16), 'a', 'eu', value, value, value, 1, 'passed' \
         FROM json_each('[1, 2, 3]'); ANALYZE";
    execute(&store, few).await;
    let mut plans = Vec::new();
    let counted = |checks: Option<&[&str]>| {
        let mut query = sqlx::QueryBuilder::new("SELECT count(*)");
        accounts::of_period(&mut query, checks, (at(0), at(9)));
        query.sql().as_str().to_owned()
    };
    let (of_some, of_all) = (counted(Some(&["a", "b"])), counted(None));
    for text in [
        accounts::LATEST_GAP,
        accounts::RAN,
        &of_some,
        &of_all,
        accounts::WATCHED,
        &format!("SELECT check_id FROM watches {}", accounts::WATCHES_OF),
        "DELETE FROM gaps WHERE check_id = ?1 AND region = ?2 AND first_at = ?3",
        "SELECT check_id FROM gaps WHERE last_at > ?1 AND first_at <= ?2 \
         ORDER BY last_at DESC, check_id, region LIMIT 5",
    ] {
        plans.push(plan(&store, sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"))).await);
    }
    insta::assert_snapshot!(plans.join("\n---\n"), @"
    SEARCH gaps USING INDEX gaps_of_check (check_id=? AND region=?)
    ---
    SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id>? AND id<?)
    ---
    SEARCH runs USING INDEX runs_of_check (check_id=? AND slot_at>? AND slot_at<?)
    USE TEMP B-TREE FOR GROUP BY
    ---
    SEARCH runs USING INDEX sqlite_autoindex_runs_1 (id>? AND id<?)
    USE TEMP B-TREE FOR GROUP BY
    ---
    SEARCH watches USING INDEX watches_of_check (check_id>?)
    ---
    SEARCH watches USING INDEX watches_of_check (check_id=?)
    LIST SUBQUERY 1
    SCAN json_each VIRTUAL TABLE INDEX 1:
    CREATE BLOOM FILTER
    ---
    SEARCH gaps USING INDEX gaps_once (check_id=? AND region=? AND first_at=?)
    ---
    SEARCH gaps USING INDEX gaps_by_time (last_at>?)
    ");
    store.close().await;
}

#[tokio::test]
async fn lists_read_no_more_than_they_show() {
    let (_folder, store) = fresh().await;
    let plans = [
        plan(
            &store,
            "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE check_id = 'a' AND region = 'eu' \
             AND slot_at < 9 ORDER BY slot_at DESC, id DESC LIMIT 5",
        )
        .await,
        plan(
            &store,
            "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE outcome <> 'passed' \
             AND outcome = 'failed' ORDER BY slot_at DESC, id DESC LIMIT 5",
        )
        .await,
        plan(
            &store,
            "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE check_id = 'a' AND outcome <> 'passed' \
             AND outcome = 'failed' ORDER BY slot_at DESC, id DESC LIMIT 5",
        )
        .await,
        plan(
            &store,
            "EXPLAIN QUERY PLAN SELECT min(due_at) FROM notifications AS mine \
             WHERE state = 'owed' AND channel = 'slack' AND NOT EXISTS (SELECT 1 FROM \
             notifications AS earlier INDEXED BY notifications_once WHERE earlier.incident_id = mine.incident_id AND \
             earlier.channel = mine.channel AND earlier.address = mine.address AND \
             earlier.state = 'owed' AND earlier.id < mine.id)",
        )
        .await,
        plan(
            &store,
            "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE id < x'00' AND NOT EXISTS (SELECT 1 \
             FROM decisions WHERE run_id = runs.id AND incident_id IS NOT NULL) ORDER BY id",
        )
        .await,
    ];
    insta::assert_snapshot!(plans.join("\n---\n"), @"
    SEARCH runs USING INDEX runs_of_check (check_id=? AND slot_at<?)
    USE TEMP B-TREE FOR LAST TERM OF ORDER BY
    ---
    SEARCH runs USING INDEX runs_not_passed (outcome=?)
    USE TEMP B-TREE FOR LAST TERM OF ORDER BY
    ---
    SEARCH runs USING INDEX runs_not_passed_of_check (check_id=? AND outcome=?)
    USE TEMP B-TREE FOR LAST TERM OF ORDER BY
    ---
    SEARCH mine USING INDEX notifications_due (channel=?)
    CORRELATED SCALAR SUBQUERY 1
    SEARCH earlier USING INDEX notifications_once (incident_id=? AND channel=? AND address=?)
    ---
    SEARCH runs USING COVERING INDEX sqlite_autoindex_runs_1 (id<?)
    CORRELATED SCALAR SUBQUERY 1
    SEARCH decisions USING INDEX decisions_of_run (run_id=?)
    ");
    store.close().await;
}
