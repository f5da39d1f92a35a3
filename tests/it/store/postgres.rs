//! What is particular to PostgreSQL: who may open it, days that come and go, and connections that break.
//! Several hubs on one database have a file of their own.

use std::time::Duration;

use tripline::domain::id::IncidentId;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{Failed, Passed, Unknown};
use tripline::domain::run::Report;
use tripline::store::accounts::Accounts as _;
use tripline::store::postgres::{PostgresStore, PostgresTokens};
use tripline::store::{Error, Horizons, Novelty, RunFilter, Store};

use super::scene::{
    accepted, at, attempt, claim, history, outbox, report, rules, seconds, tell, tell_one,
};
use super::sqlite::{A_HOLE, A_MESSAGE_ON_ITS_WAY};
use crate::support::port;
use crate::support::postgres::Database;
use crate::support::severed::Severed;
use crate::support::wait::until;

/// How long a server may take to recover on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A new store in a database of its own.
pub(super) struct Fresh {
    pub(super) store: PostgresStore,
    pub(super) database: Database,
}

impl Fresh {
    pub(super) async fn new() -> Self {
        let database = Database::with_store().await;
        let store = open(database.url()).await.expect("a new store");
        Self { store, database }
    }

    /// Another hub on the same database.
    pub(super) async fn another(&self) -> PostgresStore {
        open(self.database.url()).await.expect("opened beside the first")
    }

    /// The partitions of the runs, without what their names begin with.
    async fn days(&self) -> Vec<String> {
        let mut connection = self.database.connect().await;
        sqlx::query_scalar(
            "SELECT substr(relname::text, 6) FROM pg_inherits JOIN pg_class \
             ON pg_class.oid = inhrelid WHERE inhparent = 'runs'::regclass ORDER BY 1",
        )
        .fetch_all(&mut connection)
        .await
        .expect("read")
    }

    pub(super) async fn close(self) {
        self.store.close().await;
        self.database.discard().await;
    }
}

async fn open(url: &str) -> Result<PostgresStore, Error> {
    PostgresStore::open(url).await
}

pub(super) fn everything() -> RunFilter {
    RunFilter { limit: 10_000, ..RunFilter::default() }
}

#[tokio::test]
async fn four_that_open_a_new_database_at_once_make_one_store() {
    let database = Database::empty().await;
    let url = database.url();
    let (one, two, three, four) = tokio::join!(open(url), open(url), open(url), open(url));
    for (slot, store) in (1..).zip([one, two, three, four]) {
        let store = store.expect("opened");
        tell_one(&store, &report("login", "eu", slot, Passed)).await;
        assert_eq!(store.runs(&everything()).await.expect("listed").len(), slot as usize);
        store.close().await;
    }
    database.discard().await;
}

#[tokio::test]
async fn a_store_of_a_later_version_is_refused() {
    let fresh = Fresh::new().await;
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '\\x00', 0)";
    fresh.database.execute(later).await;
    let url = fresh.database.url();
    assert!(matches!(open(url).await, Err(Error::TooNew)));
    let reader = PostgresStore::open_read_only(url).await;
    assert!(matches!(reader, Err(Error::TooNew)));
    fresh.close().await;
}

#[tokio::test]
async fn tokens_are_seen_at_once() {
    let fresh = Fresh::new().await;
    let tokens = PostgresTokens::open(fresh.database.url()).await.expect("opened");
    super::agents::tokens_are_seen_at_once(&fresh.store, &tokens).await;
    drop(tokens);
    fresh.close().await;
    let empty = Database::empty().await;
    let refused = PostgresTokens::open(empty.url()).await;
    assert!(matches!(refused, Err(Error::Missing { .. })));
    empty.discard().await;
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let database = Database::empty().await;
    let mut connection = database.connect().await;
    sqlx::migrate!("migrations/postgres").run_to(1, &mut connection).await.expect("made");
    database.execute("SELECT nextval('incident_numbers')").await;
    database.execute(A_MESSAGE_ON_ITS_WAY).await;
    let reader = PostgresStore::open_read_only(database.url()).await;
    assert!(matches!(reader, Err(Error::TooOld)));
    let store = open(database.url()).await.expect("opened");
    let claimed = claim(&store, Channel::Slack, at(3)).await;
    assert_eq!((claimed[0].epoch.0, claimed[0].notification.possible_repeat), (1, true));
    let escalated = tell(&store, 1, &[Failed, Failed]).await;
    assert_eq!(escalated[1].incident, Some(IncidentId(1)));
    store.close().await;
    database.discard().await;
}

#[tokio::test]
async fn a_migration_that_was_left_out_is_made_up_for() {
    let fresh = Fresh::new().await;
    fresh.database.execute(A_HOLE).await;
    let reader = PostgresStore::open_read_only(fresh.database.url()).await;
    assert!(matches!(reader, Err(Error::TooOld)));
    let store = open(fresh.database.url()).await.expect("opened");
    assert_eq!(store.accounted_until().await.expect("read"), None);
    store.close().await;
    fresh.close().await;
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Failed]).await;
    let reader = PostgresStore::open_read_only(fresh.database.url()).await.expect("opened");
    assert_eq!(history(&reader, 1).await, history(&fresh.store, 1).await);
    let one = [report("login", "eu", 3, Passed)];
    assert!(matches!(reader.record(&one, &rules(), at(3)).await, Err(Error::ReadOnly)));
    let refused = reader.claim_due(Channel::Slack, at(3), at(4), 1).await;
    assert!(matches!(refused, Err(Error::ReadOnly)));
    reader.close().await;
    assert!(matches!(reader.runs(&everything()).await, Err(Error::Closed)));
    fresh.database.execute("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let old = PostgresStore::open_read_only(fresh.database.url()).await;
    assert!(matches!(old, Err(Error::TooOld)));
    let empty = Database::empty().await;
    let missing = PostgresStore::open_read_only(empty.url()).await;
    assert!(matches!(missing, Err(Error::Missing { .. })));
    empty.discard().await;
    fresh.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_a_store_is_refused() {
    let theirs = Database::empty().await;
    theirs.execute("CREATE TABLE customers (id bigint); INSERT INTO customers VALUES (1)").await;
    let refused = open(theirs.url()).await.expect_err("it is another program's");
    assert!(refused.to_string().contains("tables of another program"), "{refused}");
    theirs.execute("DROP TABLE customers").await;
    open(theirs.url()).await.expect("now it is empty").close().await;
    theirs.discard().await;
    let latin = Database::with_encoding("LATIN1").await;
    let refused = open(latin.url()).await.expect_err("not every text fits");
    assert!(refused.to_string().contains("--encoding=UTF8"), "{refused}");
    latin.discard().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named_with_what_to_do() {
    let database = Database::empty().await;
    let told = async |url: &str| {
        let error = open(url).await.expect_err("it cannot be opened");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        let told = format!("{error}");
        assert!(!format!("{told} {error:?}").contains("hunter2"), "{told}");
        told
    };
    let nobody = port::free();
    let told_of = told(&format!("postgres://ana:hunter2@127.0.0.1:{nobody}/watch")).await;
    assert!(told_of.contains(&format!("postgres://ana@127.0.0.1:{nobody}/watch")), "{told_of}");
    assert!(told_of.contains("start PostgreSQL there"), "{told_of}");
    let gone = database.url().replace("tripline_test", "not_there");
    let told_of = told(&gone).await;
    assert!(told_of.contains("createdb not_there"), "{told_of}");
    if Database::asks_for_passwords() {
        let role = "DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD 'right'; \
             EXCEPTION WHEN duplicate_object THEN NULL; END $$";
        database.execute(role).await;
        let url = database.url().replace("tripline@", "guarded:hunter2@");
        let told_of = told(&url).await;
        assert!(told_of.contains("password authentication failed"), "{told_of}");
        assert!(told_of.contains("[store] password"), "{told_of}");
        // The right one opens, but nobody allowed this user to make tables.
        let url = database.url().replace("tripline@", "guarded:right@");
        let told_of = told(&url).await;
        assert!(told_of.contains("make the user the owner"), "{told_of}");
    }
    database.discard().await;
}

#[tokio::test]
async fn days_are_made_ahead_and_on_demand_and_dropped_by_whoever_forgets() {
    let fresh = Fresh::new().await;
    let other = fresh.another().await;
    tell(&fresh.store, 1, &[Passed]).await;
    assert_eq!(fresh.days().await, ["20261121", "20261122"], "this day and the next");
    // A report that lay in a spool for a day, and slots on both sides of midnight.
    let late = Report {
        slot: tripline::domain::slot::Slot {
            at: at(0) - seconds(3 * 3600 + 5),
            ..report("login", "us", 0, Passed).slot
        },
        ..report("login", "us", 0, Passed)
    };
    let midnight = report("login", "us", 21 * 120, Passed);
    let both = [late.clone(), midnight.clone()];
    other.record(&both, &rules(), at(2)).await.expect("recorded");
    assert_eq!(fresh.days().await, ["20261120", "20261121", "20261122"]);
    assert_eq!(fresh.store.run(late.slot.run_id()).await.expect("read"), Some(late.clone()));
    assert_eq!(fresh.store.forget(&Horizons::of_runs(at(1)), 100).await.expect("forgotten"), 1);
    assert_eq!(fresh.days().await, ["20261121", "20261122"]);
    assert_eq!(fresh.store.run(late.slot.run_id()).await.expect("read"), None);
    // The other does not know yet that the day is gone.
    let again = Report {
        slot: tripline::domain::slot::Slot {
            at: late.slot.at + seconds(1),
            ..report("search", "us", 0, Passed).slot
        },
        ..late
    };
    other.record(std::slice::from_ref(&again), &rules(), at(2)).await.expect("recorded");
    assert_eq!(fresh.store.run(again.slot.run_id()).await.expect("read"), Some(again));
    assert_eq!(fresh.days().await, ["20261120", "20261121", "20261122"]);
    other.close().await;
    fresh.close().await;
}

#[tokio::test]
async fn a_day_in_use_is_forgotten_later() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Passed]).await;
    let mut reader = fresh.database.connect().await;
    let reading = "BEGIN; SELECT count(*) FROM runs";
    sqlx::raw_sql(reading).execute(&mut reader).await.expect("read");
    let end = at(21 * 120 + 1);
    assert_eq!(fresh.store.forget(&Horizons::of_runs(end), 100).await.expect("answered"), 0);
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.expect("ended");
    assert_eq!(fresh.store.forget(&Horizons::of_runs(end), 100).await.expect("forgotten"), 1);
    fresh.close().await;
}

#[tokio::test]
async fn sessions_that_the_server_ended_are_made_again_unnoticed() {
    let fresh = Fresh::new().await;
    tell(&fresh.store, 1, &[Failed]).await;
    for slot in 2..6 {
        fresh
            .database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let recorded = tell_one(&fresh.store, &report("login", "eu", slot, Failed)).await;
        assert_eq!(recorded[0].novelty, Novelty::New);
        fresh.store.check_states().await.expect("read");
        fresh.store.next_due(Channel::Slack).await.expect("read");
    }
    assert_eq!(fresh.store.runs(&everything()).await.expect("listed").len(), 5);
    fresh.close().await;
}

/// F2: the server crashes, recovers and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_loses_nothing_that_was_acknowledged() {
    let database = Database::to_crash().await;
    let store = open(database.url()).await.expect("opened");
    for slot in 1..=4 {
        let failed = report("login", "eu", slot, Failed);
        until("it is recorded", PATIENCE, async || {
            let one = std::slice::from_ref(&failed);
            store.record(one, &rules(), at(slot)).await.ok()
        })
        .await;
        database.crash().await;
    }
    let runs = until("it answers", PATIENCE, async || store.runs(&everything()).await.ok()).await;
    assert_eq!(runs.len(), 4);
    assert_eq!(outbox(&store, 1).await.len(), 4, "#p2, #p1 and two people, each once");
    store.close().await;
    database.discard().await;
}

/// F3: the connection breaks after the server was told to commit, before it could say that it did.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_out_about() {
    let fresh = Fresh::new().await;
    let severed = Severed::start(fresh.database.address()).await;
    let store = open(&fresh.database.url_through(severed.port())).await.expect("opened");
    let mut decided = 0;
    for slot in 1..=6 {
        severed.arm(b"COMMIT\0");
        let recorded = tell_one(&store, &report("login", "eu", slot, Failed)).await;
        assert!(severed.has_struck(), "the commit of slot {slot} was met");
        assert_eq!(recorded[0].novelty, Novelty::New, "what it led to is told, too");
        assert_eq!(recorded[0].incident.is_some(), slot <= 2, "{recorded:?}");
        decided += recorded[0].transition.decisions.len();
    }
    assert_eq!(store.runs(&everything()).await.expect("listed").len(), 6);
    assert_eq!(history(&store, 1).await.decisions.len(), decided);
    severed.arm(b"COMMIT\0");
    let claimed = claim(&store, Channel::Slack, at(7)).await;
    assert_eq!(claimed.len(), 2, "they were leased, and it is known to whom");
    assert!(severed.has_struck());
    severed.arm(b"COMMIT\0");
    attempt(&store, &claimed[0], at(7), &accepted()).await;
    let sent = history(&store, 1).await.notifications;
    let of = sent.iter().find(|it| it.notification.id == claimed[0].notification.id);
    assert_eq!(of.map(|it| it.deliveries.len()), Some(1));
    // One that breaks before its commit has changed nothing, and is done anew.
    severed.arm(b"passed");
    let recorded = tell_one(&store, &report("login", "eu", 9, Passed)).await;
    assert!(severed.has_struck());
    assert_eq!((recorded[0].novelty, recorded[0].incident), (Novelty::New, Some(IncidentId(1))));
    store.close().await;
    fresh.close().await;
}

#[tokio::test]
async fn what_text_in_a_database_cannot_hold_is_replaced() {
    let fresh = Fresh::new().await;
    let mut odd = report("login", "eu", 1, Failed);
    let failure = odd.failure.as_mut().expect("it failed");
    failure.message = "nul \0 here".into();
    failure.step = Some("st\0ep".into());
    tell_one(&fresh.store, &odd).await;
    let cause = history(&fresh.store, 1).await.record.incident.cause;
    assert_eq!(
        (cause.step.as_deref(), cause.error.as_str()),
        (Some("st\u{fffd}ep"), "nul \u{fffd} here")
    );
    assert_eq!(fresh.store.run(odd.slot.run_id()).await.expect("read"), Some(odd));
    let mut lost = report("search", "eu", 1, Unknown);
    lost.failure.as_mut().expect("it says why").message = "nul \0 there".into();
    tell_one(&fresh.store, &lost).await;
    let states = fresh.store.check_states().await.expect("read");
    let unknowns = states[&lost.slot.check].streaks[&lost.slot.region].unknowns.as_ref();
    assert_eq!(unknowns.map(|it| it.reason.as_str()), Some("nul \u{fffd} there"));
    fresh.close().await;
}

#[tokio::test]
async fn a_hub_forgets_no_series_of_which_another_stored_points_of_long_ago() {
    use super::metrics::{DAY, HOUR, append, compact, forget, select, series};
    let fresh = Fresh::new().await;
    let (one, other) = (&fresh.store, fresh.another().await);
    append(one, &[series("imported", &[], &[(HOUR, 1.0)])], HOUR).await;
    compact(one, 60 * DAY).await;
    // It knows of the series, and that it was seen on the first day.
    assert_eq!(select(&other, &[], (0, DAY)).await.len(), 1);
    append(one, &[series("imported", &[], &[(50 * DAY, 2.0)])], 60 * DAY).await;
    forget(&other, 420 * DAY).await;
    let left = select(&other, &[], (40 * DAY, 60 * DAY)).await;
    assert_eq!(left.len(), 1, "there is a roll-up of it");
    forget(&other, 470 * DAY).await;
    assert!(select(&other, &[], (0, 60 * DAY)).await.is_empty());
    other.close().await;
    fresh.close().await;
}
