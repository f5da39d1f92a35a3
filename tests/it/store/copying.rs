//! Copying a store: backups, restoring them, and moving between the backends. Nothing is lost, and
//! nothing is written where something is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tripline::app::storage;
use tripline::clock::System;
use tripline::config::Secret;
use tripline::config::settings::Place;
use tripline::domain::coverage::GapReason;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{self, Failed, Passed};
use tripline::domain::run::{LogLevel, LogLine};
use tripline::engine::accountant;
use tripline::store::copying::Copied;
use tripline::store::metrics::Keeping as _;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::SqliteStore;
use tripline::store::{Error, Horizons, Ledger, RunFilter, Store as _};

use super::metrics::{self, DAY, HOUR, append, select, series};
use super::scene::{
    accepted, at, attempt, check_id, claim, history, outbox, region, report, seconds, tell,
    tell_one,
};
use super::sqlite::holder;
use crate::support::dump;
use crate::support::postgres::Database;

/// A day later than slot 0 of the scene.
const NEXT_DAY: u32 = 2880;

fn file(path: &Path) -> Place {
    Place::File(path.to_owned())
}

fn database(database: &Database) -> Place {
    Place::Postgres { url: Secret::new(database.url()), shown: "postgres://test".into() }
}

async fn sqlite(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &holder()).await.expect("opened")
}

async fn copied(from: &Place, to: &Place) -> Result<Copied, Error> {
    storage::copy(from, to, &System).await
}

/// Something of everything: runs of two days with what they said, incidents that are over and that
/// are not, messages that were sent and that are owed, leases, and what accounts for slots.
async fn live(store: &dyn Ledger) {
    let expected = super::accounts::every("login", 30);
    super::accounts::expect(store, &[expected], at(0)).await;
    let process = super::accounts::hub("one");
    accountant::vouch(store, &process, at(0)).await.expect("stored");
    tell(store, 1, &[Passed, Failed, Failed]).await;
    for due in claim(store, Channel::Slack, at(5)).await {
        attempt(store, &due, at(5), &accepted()).await;
    }
    tell(store, 6, &[Passed, Failed]).await;
    tell_one(store, &report("search", "us", NEXT_DAY - 1, Passed)).await;
    let mut told = report("search", "us", NEXT_DAY, Failed);
    let line =
        LogLine { at: seconds(1), level: LogLevel::Info, text: "it's \u{1f511} late".into() };
    told.trace.logs.push(line);
    tell_one(store, &told).await;
    store.lease("housekeeping", "one", at(9), at(10)).await.expect("answered");
    accountant::round(store, at(20), seconds(60)).await.expect("accounted");
    // Points in closed hours, in one that is not, and in roll-ups alone.
    for age in [0, HOUR, 3 * HOUR, 30 * DAY] {
        let logins = series("logins_total", &[("region", "eu")], &[(-age, 7.0), (1 - age, 9.0)]);
        append(store, &[logins], 0).await;
    }
    metrics::compact(store, 2 * HOUR).await;
    append(store, &[series("logins_total", &[], &[(2 * HOUR, 1.0)])], 2 * HOUR).await;
}

/// A file with the scene in it and a row in every table.
async fn scene(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("tripline.db");
    let store = sqlite(&path).await;
    live(&store).await;
    store.close().await;
    dump::fill(&path).await;
    path
}

fn everything() -> RunFilter {
    RunFilter { limit: 10_000, ..RunFilter::default() }
}

#[tokio::test]
async fn nothing_is_lost_on_the_way_to_postgresql_and_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = scene(&folder).await;
    let (empty, back) = (Database::empty().await, folder.path().join("back.db"));
    let there = copied(&file(&first), &database(&empty)).await.expect("copied");
    let again = copied(&database(&empty), &file(&back)).await.expect("copied");
    assert_eq!(there, again);
    let (before, after) = (dump::rows(&first).await, dump::rows(&back).await);
    assert!(before.values().all(|rows| !rows.is_empty()), "{before:#?}");
    assert_eq!(before, after);
    let counts = before.iter().map(|(table, rows)| (table.clone(), rows.len() as u64));
    assert_eq!(there.0, counts.collect());
    // What comes next is numbered after what was copied, also by sequences.
    let store = PostgresStore::open(empty.url()).await.expect("opened");
    append(&store, &[series("new", &[], &[(2 * HOUR, 1.0)])], 2 * HOUR).await;
    let found = select(&store, &[], (-40 * DAY, 2 * HOUR)).await;
    let counts: Vec<usize> = found.iter().map(|it| it.times().len()).collect();
    assert_eq!(counts, [1, 8, 1], "{found:?}");
    assert_eq!(store.inspect().await.expect("looked at").told, Vec::<String>::new());
    let known = history(&store, 1).await;
    assert_eq!(known.decisions.len(), 3);
    let next = tell(&store, 8, &[Failed]).await;
    assert_eq!(next[0].incident.map(|id| id.0), Some(2), "the open one goes on");
    tell_one(&store, &report("search", "us", NEXT_DAY + 2, Passed)).await;
    let new = tell_one(&store, &report("search", "us", NEXT_DAY + 3, Failed)).await;
    assert_eq!(new[0].incident.map(|id| id.0), Some(4));
    let numbers: Vec<(i64,)> = sqlx::query_as("SELECT count(DISTINCT number) - count(*) FROM runs")
        .fetch_all(&mut empty.connect().await)
        .await
        .expect("read");
    assert_eq!(numbers, [(0,)]);
    store.close().await;
    empty.discard().await;
}

#[tokio::test]
async fn every_sequence_goes_on_after_what_was_copied() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, empty) = (scene(&folder).await, Database::empty().await);
    copied(&file(&first), &database(&empty)).await.expect("copied");
    let at_the_start: Vec<String> =
        sqlx::query_scalar("SELECT sequencename::text FROM pg_sequences WHERE last_value IS NULL")
            .fetch_all(&mut empty.connect().await)
            .await
            .expect("read");
    assert_eq!(at_the_start, Vec::<String>::new());
    empty.discard().await;
}

#[tokio::test]
async fn runs_whose_day_was_forgotten_are_copied_and_stay_forgotten() {
    let (one, other) = (Database::empty().await, Database::empty().await);
    let store = PostgresStore::open(one.url()).await.expect("opened");
    live(&store).await;
    store.forget(&Horizons::of_runs(at(NEXT_DAY)), 10_000).await.expect("forgotten");
    let (runs, told) = (store.runs(&everything()).await.expect("read"), outbox(&store, 1).await);
    // Beside a hub that goes on.
    copied(&database(&one), &database(&other)).await.expect("copied");
    let copy = PostgresStore::open(other.url()).await.expect("opened");
    assert_eq!(copy.runs(&everything()).await.expect("read"), runs);
    assert_eq!(outbox(&copy, 1).await, told);
    let days: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid \
         WHERE inhparent = 'runs'::regclass ORDER BY 1",
    )
    .fetch_all(&mut other.connect().await)
    .await
    .expect("read");
    assert_eq!(days, ["runs_20261122"], "no room is made for what incidents keep");
    copy.close().await;
    store.close().await;
    one.discard().await;
    other.discard().await;
}

#[tokio::test]
async fn a_backup_is_made_beside_a_daemon_and_only_for_its_owner() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, backup) = (folder.path().join("tripline.db"), folder.path().join("backup.db"));
    let store = sqlite(&path).await;
    live(&store).await;
    let runs = store.runs(&everything()).await.expect("read");
    storage::back_up(&file(&path), &backup).await.expect("backed up");
    tell(&store, 8, &[Passed]).await;
    let mode = fs::metadata(&backup).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("read").flatten().collect();
    let left = left.iter().map(|it| it.file_name().to_string_lossy().into_owned());
    assert!(left.into_iter().all(|name| !name.contains("unfinished")));
    // Nothing is overwritten, and nothing is half written.
    let before = fs::read(&backup).expect("read");
    let refused = storage::back_up(&file(&path), &backup).await;
    assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
    assert!(fs::read(&backup).expect("read") == before);
    let nowhere = storage::back_up(&file(&path), Path::new("/nowhere/backup.db")).await;
    assert!(matches!(nowhere, Err(Error::Unwritable { .. })), "{nowhere:?}");
    store.close().await;
    // A backup is a store.
    let restored = sqlite(&backup).await;
    assert_eq!(restored.runs(&everything()).await.expect("read"), runs);
    restored.close().await;
}

#[tokio::test]
async fn a_backup_of_either_backend_is_restored_to_either() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = scene(&folder).await;
    let before = dump::rows(&path).await;
    let (one, two) = (folder.path().join("one.backup"), folder.path().join("two.backup"));
    let base = Database::empty().await;
    storage::back_up(&file(&path), &one).await.expect("backed up");
    storage::restore(&one, &database(&base), folder.path(), &System).await.expect("restored");
    storage::back_up(&database(&base), &two).await.expect("backed up");
    let last = folder.path().join("last.db");
    storage::restore(&two, &file(&last), folder.path(), &System).await.expect("restored");
    assert_eq!(dump::rows(&last).await, before);
    assert_eq!(dump::rows(&one).await, before);
    base.discard().await;
}

#[tokio::test]
async fn what_holds_something_is_not_written_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, other) = (scene(&folder).await, folder.path().join("other.db"));
    let store = sqlite(&other).await;
    let held = copied(&file(&path), &file(&other)).await.expect_err("it is held");
    assert!(matches!(held, Error::Locked { .. }), "{held}");
    store.close().await;
    copied(&file(&path), &file(&other)).await.expect("it was empty");
    let full = copied(&file(&path), &file(&other)).await.expect_err("it is full");
    assert!(matches!(full, Error::NotEmpty { .. }), "{full}");
    assert_eq!(dump::rows(&other).await, dump::rows(&path).await);

    let base = Database::with_store().await;
    let hub = PostgresStore::open(base.url()).await.expect("opened");
    let used = copied(&file(&path), &database(&base)).await.expect_err("it is used");
    assert!(matches!(used, Error::InUse { connections: 1, .. }), "{used}");
    hub.close().await;
    copied(&file(&path), &database(&base)).await.expect("it was empty");
    let full = copied(&file(&path), &database(&base)).await.expect_err("it is full");
    assert!(matches!(full, Error::NotEmpty { .. }), "{full}");
    base.discard().await;
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, base) = (scene(&folder).await, Database::with_store().await);
    // The last tables cannot be written to.
    base.execute("ALTER TABLE watches ADD CHECK (from_at < 0)").await;
    let failed = copied(&file(&path), &database(&base)).await.expect_err("it cannot be written");
    assert!(matches!(failed, Error::Database { .. }), "{failed}");
    base.execute("ALTER TABLE watches DROP CONSTRAINT watches_from_at_check").await;
    copied(&file(&path), &database(&base)).await.expect("it is still empty");
    // What others keep in the database is no business of ours.
    base.execute("CREATE TABLE theirs (id BIGINT)").await;
    let more = folder.path().join("more.db");
    let differs = copied(&database(&base), &file(&more)).await.expect_err("other tables");
    assert!(differs.to_string().contains("`theirs`"), "{differs}");
    assert!(!more.exists());
    base.discard().await;
}

#[tokio::test]
async fn a_store_of_another_version_is_not_copied_but_an_old_backup_is_restored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    super::sqlite::first_version(&old).await;
    let refused = copied(&file(&old), &file(&new)).await.expect_err("it is old");
    assert!(matches!(refused, Error::TooOld), "{refused}");
    assert!(!new.exists());
    let before = fs::read(&old).expect("read");
    storage::restore(&old, &file(&new), folder.path(), &System).await.expect("restored");
    assert!(fs::read(&old).expect("read") == before, "the backup is as it was");
    let store = sqlite(&new).await;
    assert_eq!(outbox(&store, 1).await, ["slack:#p2 failing owed"]);
    store.close().await;
}

#[tokio::test]
async fn much_passes_in_batches() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, base) = (folder.path().join("tripline.db"), Database::empty().await);
    let store = sqlite(&path).await;
    let outcome = |slot: u32| if slot.is_multiple_of(7) { Outcome::Unknown } else { Passed };
    let reports: Vec<_> =
        (0..1_000).map(|slot| report("login", "eu", slot, outcome(slot))).collect();
    store.record(&reports, &super::scene::rules(), at(1_001)).await.expect("recorded");
    let mut large = report("search", "eu", 1, Passed);
    let text = "x".repeat(3 << 20);
    large.trace.logs.push(LogLine { at: seconds(1), level: LogLevel::Info, text });
    tell_one(&store, &large).await;
    let runs = store.runs(&everything()).await.expect("read");
    store.close().await;
    copied(&file(&path), &database(&base)).await.expect("copied");
    let copy = PostgresStore::open(base.url()).await.expect("opened");
    assert_eq!(copy.runs(&everything()).await.expect("read"), runs);
    assert_eq!(copy.run(large.slot.run_id()).await.expect("read"), Some(large));
    let states = copy.check_states().await.expect("read");
    assert!(states[&check_id("login")].streaks.contains_key(&region("eu")));
    copy.close().await;
    base.discard().await;
}

#[tokio::test]
async fn the_time_between_the_copy_and_its_first_hub_is_a_gap() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, base) = (folder.path().join("tripline.db"), Database::empty().await);
    let store = sqlite(&path).await;
    let minute = seconds(60);
    super::accounts::expect(&store, &[super::accounts::every("login", 30)], at(0)).await;
    let first = super::accounts::hub("first");
    accountant::vouch(&store, &first, at(0)).await.expect("stored");
    let slots = super::accounts::slots(&store, at(0), at(200)).await;
    super::accounts::run(&store, &slots[..20], Passed).await;
    accountant::vouch(&store, &first, at(20)).await.expect("stored");
    accountant::round(&store, at(20), minute).await.expect("accounted");
    store.close().await;
    copied(&file(&path), &database(&base)).await.expect("copied");
    let copy = PostgresStore::open(base.url()).await.expect("opened");
    let second = super::accounts::hub("second");
    accountant::vouch(&copy, &second, at(170)).await.expect("stored");
    super::accounts::run(&copy, &slots[170..], Passed).await;
    accountant::vouch(&copy, &second, at(202)).await.expect("stored");
    let gaps = accountant::round(&copy, at(202), minute).await.expect("accounted");
    let told: Vec<_> = gaps.iter().map(|gap| (gap.reason, gap.first, gap.slots)).collect();
    assert_eq!(told, [(GapReason::HubDown, slots[20], 150)]);
    let found = accountant::audit(&copy, at(0)).await.expect("read");
    assert_eq!((found.expected, found.ran, found.unaccounted.len()), (200, 50, 0));
    // What was counted in the source, and what comes after it, is counted in the copy.
    assert_eq!(accountant::count_hour(&copy).await.expect("counted"), Some(at(0)));
    copy.close().await;
    base.discard().await;
}
