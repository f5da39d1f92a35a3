//! Fills a store with the runs of days, in SQL and past the hub, which takes a fraction of the time. What it writes reads like what a hub has written; only the ends of the ids are random.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tripline::clock::{Clock, System};
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::schedule::{Interval, Schedule};

use crate::postgres::Database;
use crate::regions::{REGIONS, check};

/// One of so many runs failed.
const FAILING: u64 = 200;
/// Incidents that are over.
const INCIDENTS: u32 = 20_000;
/// Rounds of all places in one statement.
const AT_ONCE: u64 = 5;

/// How much is filled in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// The checks, each of which runs in all regions.
    pub(crate) checks: usize,
    /// How often.
    pub(crate) every: Duration,
    /// How many runs, rounded to whole rounds.
    pub(crate) runs: u64,
}

/// A store to be filled. It must have its tables, and nobody else may use it.
pub(crate) enum Empty<'a> {
    /// A file.
    Sqlite(&'a Path),
    /// A database.
    Postgres(&'a Database),
}

enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

impl Connection {
    async fn execute(&mut self, text: String) -> Result<()> {
        let shown = text.chars().take(200).collect::<String>();
        let text = sqlx::raw_sql(AssertSqlSafe(text));
        let done = match self {
            Self::Sqlite(connection) => text.execute(&mut **connection).await.map(drop),
            Self::Postgres(connection) => text.execute(&mut **connection).await.map(drop),
        };
        done.with_context(|| format!("failed at {shown}"))
    }

    /// The words of each kind of database for the same.
    fn word<'w>(&self, sqlite: &'w str, postgres: &'w str) -> &'w str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// Fills it up to now; says in how many bytes.
pub(crate) async fn fill(store: Empty<'_>, amount: Amount) -> Result<u64> {
    let mut connection = match &store {
        Empty::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path).disable_statement_logging();
            Connection::Sqlite(Box::new(options.connect().await?))
        }
        Empty::Postgres(database) => Connection::Postgres(Box::new(database.connect().await)),
    };
    let unsafe_but_fast = connection.word(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000",
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'",
    );
    connection.execute(unsafe_but_fast.to_owned()).await?;
    let places = u64::try_from(amount.checks * REGIONS.len())?;
    let (rounds, now) = (amount.runs.div_ceil(places), System.now());
    let start = now - amount.every * u32::try_from(rounds)?;
    list_places(&mut connection, amount, start).await?;
    let slot = format!("p.first_at + r.round * {}", amount.every.as_millis());
    days(&mut connection, start, now).await?;
    connection.execute("DROP INDEX runs_of_check".into()).await?;
    for first in (0..rounds).step_by(usize::try_from(AT_ONCE)?) {
        let last = rounds.min(first + AT_ONCE) - 1;
        let text = runs(&connection, &slot, (first, last));
        connection.execute(text).await?;
    }
    let index = connection.word(
        "CREATE INDEX runs_of_check ON runs (check_id, slot_at)",
        "CREATE INDEX runs_of_check ON runs (check_id, id)",
    );
    connection.execute(index.to_owned()).await?;
    rest(&mut connection, (start, now), amount).await?;
    let tidy = connection.word("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM ANALYZE");
    connection.execute(tidy.to_owned()).await?;
    match (connection, store) {
        (_, Empty::Sqlite(path)) => Ok(std::fs::metadata(path)?.len()),
        (Connection::Postgres(mut connection), _) => {
            let size = sqlx::query_scalar("SELECT pg_database_size(current_database())");
            let size: i64 = size.fetch_one(&mut *connection).await?;
            Ok(u64::try_from(size)?)
        }
        (Connection::Sqlite(_), Empty::Postgres(_)) => Ok(0),
    }
}

/// Where and when things run, in the order of the first slots after `start`.
async fn list_places(connection: &mut Connection, amount: Amount, start: Timestamp) -> Result<()> {
    let schedule = Schedule::Every(Interval::new(amount.every)?);
    let mut places = Vec::new();
    for number in 0..amount.checks {
        for region in REGIONS {
            let (check, there) = (CheckId::new(&check(number))?, Region::new(region)?);
            let slot = schedule.next_after(start, &check, &there).context("no last slot")?;
            places.push((slot.timestamp_millis(), number, check, region));
        }
    }
    places.sort_unstable_by_key(|(slot, number, ..)| (*slot, *number));
    let mut text = "CREATE TEMP TABLE place (number INTEGER PRIMARY KEY, first_at BIGINT, \
         check_id TEXT, region TEXT, script INTEGER); INSERT INTO place VALUES "
        .to_owned();
    for (index, (slot, number, check, region)) in places.iter().enumerate() {
        let (comma, script) = (if index > 0 { "," } else { "" }, u8::from(number % 4 == 0));
        write!(text, "{comma}({index},{slot},'{check}','{region}',{script})")?;
    }
    connection.execute(text).await
}

/// The rows of some rounds. One check in four is a script with two steps and three requests.
fn runs(connection: &Connection, slot: &str, (first, last): (u64, u64)) -> String {
    let number = format!("r.round * {} + p.number", 7_919);
    let fails = format!("({number}) % {FAILING} = 0");
    let request = |step: &str, start: u32, path: &str| {
        format!(
            "{{{step}\"start\":{start},\"method\":\"GET\",\"url\":\"https://www.example.com/{path}\",\
             \"status\":200,\"remote\":\"192.0.2.17:443\",\"sent\":0,\"received\":18231,\
             \"timings\":[1021,9312,14877,23104,2961]}}"
        )
    };
    let single = format!("{{\"requests\":[{}]}}", request("", 112, ""));
    let script = format!(
        "{{\"steps\":[{{\"name\":\"open the sign-in page\",\"start\":0,\"duration\":25113}},\
         {{\"name\":\"sign in\",\"start\":25211,\"duration\":25113}}],\"requests\":[{},{},{}]}}",
        request("\"step\":0,", 112, "login"),
        request("\"step\":1,", 25_302, "session"),
        request("\"step\":1,", 38_944, "home")
    );
    let id = connection.word(
        "unhex(printf('%012X', SLOT) || hex(randomblob(10)))",
        "(lpad(to_hex(SLOT), 12, '0') || substr(md5(random()::text), 1, 20))::uuid",
    );
    let id = id.replace("SLOT", slot);
    let rounds = connection.word(
        "(WITH RECURSIVE s(round) AS (SELECT FIRST UNION ALL SELECT round + 1 FROM s \
         WHERE round < LAST) SELECT round FROM s)",
        "(SELECT generate_series(FIRST, LAST)::bigint AS round)",
    );
    let rounds = rounds.replace("FIRST", &first.to_string()).replace("LAST", &last.to_string());
    format!(
        "INSERT INTO runs (id, check_id, region, slot_at, started_at, recorded_at, duration, \
         outcome, failure, trace) SELECT {id}, p.check_id, p.region, {slot}, \
         {slot} + 1 + ({number}) % 3, {slot} + 120, 40000 + ({number}) % 90000, \
         CASE WHEN {fails} THEN 'failed' ELSE 'passed' END, \
         CASE WHEN {fails} THEN \
         '{{\"kind\":\"expectation\",\"message\":\"expected status 200, received 503\"}}' END, \
         CASE p.script WHEN 1 THEN '{script}' ELSE '{single}' END \
         FROM {rounds} r, place p ORDER BY r.round, p.number"
    )
}

/// Makes a partition for each day, where runs lie in such.
async fn days(connection: &mut Connection, start: Timestamp, end: Timestamp) -> Result<()> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    if let Connection::Sqlite(_) = connection {
        return Ok(());
    }
    for day in start.timestamp_millis() / DAY..=end.timestamp_millis() / DAY + 1 {
        let date = Timestamp::from_timestamp_millis(day * DAY).context("a day")?.format("%Y%m%d");
        let id = |day: i64| format!("{:012x}", day * DAY);
        let bound = |day: i64| {
            let id = id(day);
            format!("'{}-{}-0000-0000-000000000000'", &id[..8], &id[8..])
        };
        connection
            .execute(format!(
                "DO $$ BEGIN IF to_regclass('runs_{date}') IS NULL THEN \
                 CREATE TABLE runs_{date} (LIKE runs INCLUDING ALL); ALTER TABLE runs ATTACH \
                 PARTITION runs_{date} FOR VALUES FROM ({}) TO ({}); END IF; END $$",
                bound(day),
                bound(day + 1)
            ))
            .await?;
    }
    Ok(())
}

/// What else there is after such a time: watches, streaks, incidents with what was decided.
async fn rest(
    connection: &mut Connection,
    (start, now): (Timestamp, Timestamp),
    amount: Amount,
) -> Result<()> {
    let (start, now) = (start.timestamp_millis(), now.timestamp_millis());
    let every = amount.every.as_millis();
    let places = amount.checks * REGIONS.len();
    let (greatest, not_down) = (connection.word("max", "greatest"), connection.word("0", "false"));
    let numbers = connection.word(
        "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < LAST) \
         SELECT n FROM s)",
        "(SELECT generate_series(1, LAST)::bigint AS n)",
    );
    let numbers = numbers.replace("LAST", &INCIDENTS.to_string());
    let opened = format!("({start} + n * ({now} - {start}) / {INCIDENTS})");
    for text in [
        "DELETE FROM watches".to_owned(),
        format!(
            "INSERT INTO watches (check_id, region, schedule, from_at) \
             SELECT check_id, region, 'every {every}', {start} FROM place"
        ),
        format!(
            "INSERT INTO accounted VALUES (1, {now}) ON CONFLICT (one) DO UPDATE SET \
             until_at = {greatest}(accounted.until_at, excluded.until_at)"
        ),
        format!(
            "INSERT INTO streaks (check_id, region, failures, passes, down, last_success, \
             last_slot, last_outcome, answering_since, last_counted) \
             SELECT check_id, region, 0, 17, {not_down}, {now}, {now} - 1000, 'passed', {start}, \
             {now} - 1000 FROM place"
        ),
        format!(
            "INSERT INTO incidents (id, subject, opened_at, since, resolved_at, tiers, told, \
             cause_region, cause_step, cause_error) SELECT n, 'check:' || check_id, {opened}, \
             {opened}, {opened} + 60000, '[1]', '[[\"slack\",\"#p2\"]]', region, NULL, \
             'expected status 200, received 503' FROM {numbers} s \
             JOIN place ON number = n * 7919 % {places}"
        ),
        "INSERT INTO decisions (subject, incident_id, run_id, at, kind, reason) \
         SELECT subject, id, NULL, opened_at, kind, 'because' FROM incidents, \
         (SELECT 'opened' AS kind UNION ALL SELECT 'escalated' UNION ALL SELECT 'resolved') k \
         ORDER BY id"
            .to_owned(),
    ] {
        connection.execute(text).await?;
    }
    if let Connection::Postgres(_) = connection {
        let number = format!("SELECT setval('incident_numbers', {INCIDENTS})");
        connection.execute(number).await?;
        let enrolled =
            "INSERT INTO checks SELECT DISTINCT check_id FROM place ON CONFLICT DO NOTHING";
        connection.execute(enrolled.to_owned()).await?;
    }
    Ok(())
}
