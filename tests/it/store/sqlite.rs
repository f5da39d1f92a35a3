//! What is particular to SQLite: one file, one process, and files that are refused.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::store::accounts::Accounts as _;
use tripline::store::metrics::{Keeping as _, Metrics as _};
use tripline::store::sqlite::{Holder, SqliteStore, SqliteTokens};
use tripline::store::{Error, Horizons, RunFilter, Store};

use super::scene::{at, check_id, claim, history, report, rules, tell, tell_one};

/// A new store in a folder of its own.
pub(super) struct Fresh {
    pub(super) store: SqliteStore,
    folder: TempDir,
}

impl Fresh {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = open(&folder).await.expect("a new store");
        Self { store, folder }
    }

    pub(super) async fn close(self) -> TempDir {
        self.store.close().await;
        self.folder
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("tripline.db")
}

pub(super) fn holder() -> Holder {
    Holder { command: "tripline up".into(), since: at(0) }
}

async fn open(folder: &TempDir) -> Result<SqliteStore, Error> {
    SqliteStore::open(&path(folder), &holder()).await
}

/// What the third migration made is taken away, though a later one stays.
pub(super) const A_HOLE: &str = "DROP TABLE watches; DROP TABLE gaps; DROP TABLE lives; \
     DROP TABLE accounted; DELETE FROM _sqlx_migrations WHERE version = 3";

/// An incident, and a message about it that somebody was sending, as the first version stored them.
pub(super) const A_MESSAGE_ON_ITS_WAY: &str = "INSERT INTO incidents (id, check_id, opened_at, \
     since, tiers, told, cause_region, cause_error) VALUES (1, 'login', 1, 1, '[1]', '[]', 'eu', \
     'no'); INSERT INTO notifications (incident_id, channel, address, kind, tier, notice, \
     first_word, state, owed_at, due_at, leased_at, lease_until, failures, possible_repeat) \
     VALUES (1, 'slack', '#p2', 'failing', 1, '{\"kind\":\"failing\",\"check\":\"login\",\
     \"check_name\":\"LOGIN\",\"region\":\"eu\",\"down\":[],\"error\":\"no\",\"since\":1,\
     \"failures_in_a_row\":1,\"at\":1}', true, 'owed', 1, 1, 1, 2, 0, false)";

/// Runs a statement behind the store's back.
async fn execute(folder: &TempDir, statement: &str) {
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(path(folder)).create_if_missing(true);
    let mut connection = options.connect().await.expect("connected");
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("executed");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn what_was_recorded_survives_closing() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Passed, Failed]).await;
    let (states, incident) =
        (fresh.store.check_states().await.expect("read"), history(&fresh.store, 1).await);
    let folder = fresh.close().await;
    assert!(!folder.path().join("tripline.db-wal").exists(), "the log is in the main file");
    let store = open(&folder).await.expect("opened again");
    assert_eq!(store.check_states().await.expect("read"), states);
    assert_eq!(history(&store, 1).await, incident);
    let next = tell(&store, 3, &[Failed]).await;
    assert_eq!(next[0].transition.owed.len(), 3, "the second failure in a row");
    store.close().await;
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_who_holds_the_store() {
    let fresh = Fresh::new().await;
    let refused = open(&fresh.folder).await.expect_err("it is held");
    let words = refused.to_string();
    let us = format!("in use by process {} (tripline up on ", std::process::id());
    assert!(words.contains(&us), "{words}");
    assert!(words.contains("since 2026-11-21 03:00:00 UTC"), "{words}");
    let folder = fresh.close().await;
    let store = open(&folder).await.expect("the hold ended with the store");
    drop(store);
    open(&folder).await.expect("or with its owner").close().await;
}

#[tokio::test]
async fn a_reader_reads_beside_the_holder_and_changes_nothing() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Failed]).await;
    let reader = SqliteStore::open_read_only(&path(&fresh.folder)).await.expect("opened");
    assert_eq!(history(&reader, 1).await, history(&fresh.store, 1).await);
    tell(&fresh.store, 2, &[Failed]).await;
    assert_eq!(history(&reader, 1).await.notifications.len(), 4);
    let one = [report("login", "eu", 3, Passed)];
    let refused = reader.record(&one, &rules(), at(3)).await;
    assert!(matches!(refused, Err(Error::ReadOnly)));
    let refused = reader.claim_due(Channel::Slack, at(3), at(4), 1).await;
    assert!(matches!(refused, Err(Error::ReadOnly)));
    reader.close().await;
    assert_eq!(claim(&fresh.store, Channel::Slack, at(4)).await.len(), 2);
    fresh.close().await;
}

#[tokio::test]
async fn a_reader_needs_no_holder() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Failed]).await;
    let folder = fresh.close().await;
    let reader = SqliteStore::open_read_only(&path(&folder)).await.expect("opened");
    assert_eq!(history(&reader, 1).await.notifications.len(), 1);
    reader.close().await;
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let missing = SqliteStore::open_read_only(&path(&nowhere)).await.expect_err("no store");
    assert!(matches!(missing, Error::Missing { .. }));
    assert!(!path(&nowhere).exists());
}

#[tokio::test]
async fn what_the_first_version_decided_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = sqlx::migrate!("migrations/sqlite");
    let first = vec![all.iter().next().expect("there is one").clone()];
    let first = sqlx::migrate::Migrator { migrations: first.into(), ..all };
    execute(&folder, "PRAGMA application_id = 1414680652").await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path(&folder));
    let mut connection = options.connect().await.expect("connected");
    first.run(&mut connection).await.expect("migrated");
    connection.close().await.expect("closed");
    let (opened, notice) = (
        at(1).timestamp_millis(),
        r#"{"kind":"failing","tier":1,"check":"login","check_name":"Login","region":"eu",
            "down":["eu"],"error":"no","since":0,"failures_in_a_row":1,"at":0}"#,
    );
    execute(
        &folder,
        &format!(
            "INSERT INTO streaks VALUES \
             ('login', 'eu', 1, 0, 1, {opened}, NULL, {opened}, 'failed'); \
             INSERT INTO incidents VALUES \
             (1, 'login', {opened}, {opened}, NULL, '[1]', '[[\"slack\",\"#p2\"]]', 'eu', NULL, 'no'); \
             INSERT INTO decisions VALUES (1, 'login', 1, NULL, {opened}, 'opened', 'why'); \
             INSERT INTO notifications VALUES (1, 1, 'slack', '#p2', 'failing', 1, '{notice}', 1, \
             'sent', {opened}, {opened}, NULL, NULL, 0, 0, {opened}, 'accepted')"
        ),
    )
    .await;
    let store = open(&folder).await.expect("it is brought up to date");
    let before = history(&store, 1).await;
    assert_eq!(before.record.subject.to_string(), "check:login");
    let notice = &before.notifications[0].notification.notice;
    assert_eq!(notice.subject, before.record.subject);
    assert!(notice.regions.is_empty());
    assert_eq!(store.decisions(&check_id("login"), 5).await.expect("read").len(), 1);
    // The incident goes on, and nobody is told again.
    let next = tell(&store, 2, &[Failed, Passed]).await;
    assert_eq!(next[0].transition.owed.len(), 3);
    assert_eq!((next[1].incident, next[1].transition.owed.len()), (next[0].incident, 4));
    store.close().await;
}

#[tokio::test]
async fn runs_are_forgotten_to_the_moment_and_no_more_at_once_than_asked() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Passed, Passed, Failed, Passed, Passed, Passed]).await;
    for left in [2, 1, 0] {
        assert_eq!(
            fresh.store.forget(&Horizons::of_runs(at(6)), 2).await.expect("forgotten"),
            left
        );
    }
    let all = RunFilter { limit: 10, ..RunFilter::default() };
    // The failure that opened an incident, the pass that resolved it, and what is not old enough.
    let left = fresh.store.runs(&all).await.expect("listed");
    assert_eq!(left.iter().map(|run| run.slot.at).collect::<Vec<_>>(), [at(6), at(4), at(3)]);
    fresh.close().await;
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let fresh = Fresh::new().await;
    fresh.store.close().await;
    let one = [report("login", "eu", 3, Passed)];
    assert!(matches!(fresh.store.record(&one, &rules(), at(3)).await, Err(Error::Closed)));
    assert!(matches!(fresh.store.runs(&RunFilter::default()).await, Err(Error::Closed)));
    fresh.store.close().await;
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused() {
    let folder = Fresh::new().await.close().await;
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2030-01-01', 1, x'00', 0)";
    execute(&folder, later).await;
    let before = fs::read(path(&folder)).expect("the file");
    assert!(matches!(open(&folder).await, Err(Error::TooNew)));
    let reader = SqliteStore::open_read_only(&path(&folder)).await;
    assert!(matches!(reader, Err(Error::TooNew)));
    assert!(fs::read(path(&folder)).expect("the file") == before, "it was not touched");
}

/// A store as the first version left it, with a message on its way.
pub(crate) async fn first_version(path: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.create_if_missing(true).connect().await.expect("connected");
    let mark = sqlx::raw_sql("PRAGMA application_id = 0x5452504c").execute(&mut connection);
    mark.await.expect("marked");
    sqlx::migrate!("migrations/sqlite").run_to(1, &mut connection).await.expect("made");
    let message = sqlx::raw_sql(A_MESSAGE_ON_ITS_WAY).execute(&mut connection);
    message.await.expect("executed");
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    first_version(&path(&folder)).await;
    let store = open(&folder).await.expect("opened");
    let claimed = claim(&store, Channel::Slack, at(3)).await;
    assert_eq!((claimed[0].epoch.0, claimed[0].notification.possible_repeat), (1, true));
    store.close().await;
}

#[tokio::test]
async fn a_migration_that_was_left_out_is_made_up_for() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Failed]).await;
    let folder = fresh.close().await;
    execute(&folder, A_HOLE).await;
    let reader = SqliteStore::open_read_only(&path(&folder)).await;
    assert!(matches!(reader, Err(Error::TooOld)));
    let store = open(&folder).await.expect("opened");
    assert_eq!(store.accounted_until().await.expect("read"), None);
    assert_eq!(tell(&store, 2, &[Failed]).await[0].transition.owed.len(), 3);
    store.close().await;
}

#[tokio::test]
async fn a_reader_does_not_bring_a_store_up_to_date() {
    let folder = Fresh::new().await.close().await;
    execute(&folder, "DELETE FROM _sqlx_migrations").await;
    let reader = SqliteStore::open_read_only(&path(&folder)).await;
    assert!(matches!(reader, Err(Error::TooOld)));
}

/// Makes sure that what stands at the store's place is refused and left as it is.
async fn refused_as_damaged(folder: &TempDir, reason: &str) {
    let before = fs::read(path(folder)).ok();
    let error = open(folder).await.expect_err("it is damaged");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    assert!(fs::read(path(folder)).ok() == before, "it was not touched");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(path(&folder), "just some text, longer than a header would be".repeat(9))
        .expect("written");
    refused_as_damaged(&folder, "not a database").await;
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    let folder = Fresh::new().await.close().await;
    fs::write(path(&folder), "").expect("truncated");
    refused_as_damaged(&folder, "is empty").await;
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    execute(&folder, "CREATE TABLE theirs (x)").await;
    refused_as_damaged(&folder, "another program").await;
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let fresh = Fresh::new().await;
    for slot in 0..50 {
        tell_one(&fresh.store, &report("login", "eu", slot, Passed)).await;
    }
    let folder = fresh.close().await;
    let whole = fs::read(path(&folder)).expect("the file");
    fs::write(path(&folder), &whole[..whole.len() / 2]).expect("truncated");
    refused_as_damaged(&folder, "").await;
}

#[tokio::test]
async fn a_damaged_page_is_found_at_opening() {
    let fresh = Fresh::new().await;
    for slot in 0..50 {
        tell_one(&fresh.store, &report("login", "eu", slot, Passed)).await;
    }
    let folder = fresh.close().await;
    let mut whole = fs::read(path(&folder)).expect("the file");
    let last = whole.len() - 4096 * 3;
    whole[last..].fill(0x5a);
    fs::write(path(&folder), &whole).expect("damaged");
    refused_as_damaged(&folder, "").await;
}

#[tokio::test]
async fn a_log_without_its_file_is_not_a_new_store() {
    let folder = Fresh::new().await.close().await;
    fs::remove_file(path(&folder)).expect("removed");
    fs::write(folder.path().join("tripline.db-wal"), [1; 64]).expect("written");
    refused_as_damaged(&folder, "its log is still there").await;
}

#[tokio::test]
async fn tokens_are_written_beside_the_process_that_holds_the_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = SqliteTokens::open(&path(&folder)).await.map(|_| ());
    assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
    let store = open(&folder).await.expect("a new store");
    let tokens = SqliteTokens::open(&path(&folder)).await.expect("beside it");
    super::agents::tokens_are_seen_at_once(&store, &tokens).await;
    tell(&store, 1, &[Passed, Failed]).await;
    drop(tokens);
    store.close().await;
}

/// One damaged row must not keep everything else from being stored, read and closed.
#[tokio::test]
async fn what_is_damaged_of_metrics_keeps_nothing_else_waiting() {
    use super::metrics::{HOUR, MINUTE, append, compact, matcher, select, series};
    let fresh = Fresh::new().await;
    for minute in 1..=3 {
        let both = [("logins", 1.0), ("orders", 2.0)]
            .map(|(name, value)| series(name, &[], &[(minute * MINUTE, value)]));
        append(&fresh.store, &both, 3 * MINUTE).await;
    }
    let folder = fresh.close().await;
    execute(&folder, "UPDATE metric_frames SET points = x'ff00' WHERE id = 2").await;
    let store = open(&folder).await.expect("opened");
    let logins = [matcher("__name__", "logins")];
    let orders = [matcher("__name__", "orders")];
    let found = select(&store, &logins, (0, HOUR)).await;
    assert_eq!(found[0].times().len(), 2, "but for what is damaged");
    let stored = append(&store, &[series("logins", &[], &[(4 * MINUTE, 1.0)])], 4 * MINUTE).await;
    assert_eq!(stored.new, 1);
    assert_eq!(store.census().await.expect("counted").unreadable, 1);
    let told = store.inspect().await.expect("looked at").told;
    assert_eq!(told, ["the frame 2 cannot be read"]);

    // Of one series, a chunk and roll-ups of the same day; the next hours are closed all the same.
    compact(&store, 3 * HOUR).await;
    store.close().await;
    let one = "SELECT id FROM metric_series WHERE labels LIKE '%logins%'";
    let damage = format!("UPDATE metric_chunks SET points = x'ff' WHERE series IN ({one})");
    execute(&folder, &damage).await;
    let store = open(&folder).await.expect("opened");
    let later = ["logins", "orders"].map(|name| series(name, &[], &[(4 * HOUR + MINUTE, 7.0)]));
    append(&store, &later, 4 * HOUR + MINUTE).await;
    compact(&store, 8 * HOUR).await;
    assert_eq!(select(&store, &orders, (0, 8 * HOUR)).await[0].times().len(), 3);
    assert_eq!(select(&store, &logins, (HOUR, 8 * HOUR)).await[0].values(), [7.0]);
    let told = store.inspect().await.expect("looked at").told;
    assert_eq!(told.len(), 3, "none is written over: {told:?}");
    // Who is there can be told, who asks for the damaged points is told that.
    let names = store.labels(&[], super::metrics::START, super::metrics::START + HOUR, 9).await;
    assert_eq!(names.expect("listed").len(), 2);
    let selection = tripline::query::Selection {
        matchers: logins.to_vec().into(),
        after: super::metrics::START,
        until: super::metrics::START + HOUR,
    };
    let error = store.select(&[selection], super::metrics::PLENTY).await.expect_err("damaged");
    assert!(error.is_lasting(), "{error}");
    store.close().await;
}
