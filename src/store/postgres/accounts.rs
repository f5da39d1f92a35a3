//! The accounts of slots: watches, lives and gaps.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder, Row as _};

use super::attempts::Attempts;
use super::session::{begin, commit};
use super::{PostgresStore, expectations, failed, hours};
use crate::domain::Timestamp;
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::edition::Rank;
use crate::domain::id::{CheckId, Region};
use crate::store::accounts::{Accounts, Expectation, Known, Place, Process, Ran};
use crate::store::rows::accounts::{self as stored, FORGET_EDITIONS, GapRow, KNOWN, WatchRow};
use crate::store::rows::run::first_id_at;
use crate::store::{Error, Standing, rows};

type Period = (Timestamp, Timestamp);

#[async_trait]
impl Accounts for PostgresStore {
    async fn expect(&self, expectation: &Expectation, now: Timestamp) -> Result<Rank, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = expectations::expect(self.writers()?, expectation, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn hold_edition(&self, digest: &str, now: Timestamp) -> Result<Rank, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = expectations::hold(self.writers()?, digest, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn may_lead(&self, digest: &str, now: Timestamp) -> Result<bool, Error> {
        expectations::may_lead(&mut *self.reader().await?, digest, now).await
    }

    async fn watches(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        watches(&mut *self.reader().await?, checks, period).await
    }

    async fn watched(
        &self,
        after: Option<&CheckId>,
        limit: u32,
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<CheckId>, Error> {
        watched(&mut *self.reader().await?, (after, limit), period).await
    }

    async fn watches_of(
        &self,
        region: &Region,
        checks: &[CheckId],
        period: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        watches_of(&mut *self.reader().await?, region, checks, period).await
    }

    async fn seen(&self, process: &Process, now: Timestamp) -> Result<(), Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = seen(self.writers()?, process, now).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn presence(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, Error> {
        presence(&mut *self.reader().await?, period).await
    }

    async fn accounted_until(&self) -> Result<Option<Timestamp>, Error> {
        accounted_until(&mut *self.reader().await?).await
    }

    async fn known(&self) -> Result<Known, Error> {
        known(&mut *self.reader().await?).await
    }

    async fn ran(&self, period: (Timestamp, Timestamp)) -> Result<Ran, Error> {
        ran(&mut *self.reader().await?, period).await
    }

    async fn latest_gaps(&self, places: &[Place]) -> Result<HashMap<Place, Gap>, Error> {
        latest_gaps(&mut *self.reader().await?, places).await
    }

    async fn account(
        &self,
        gaps: &[Gap],
        known: Known,
        until: Timestamp,
    ) -> Result<Standing, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = account(self.writers()?, gaps, known, until).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn gaps(
        &self,
        check: Option<&CheckId>,
        period: (Timestamp, Timestamp),
        limit: u32,
    ) -> Result<Vec<Gap>, Error> {
        gaps(&mut *self.reader().await?, check, period, limit).await
    }

    async fn tallies(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        tallies(&mut *self.reader().await?, checks, period).await
    }

    async fn outcomes(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        outcomes(&mut *self.reader().await?, period).await
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, Error> {
        hours::first_ran(&mut *self.reader().await?).await
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, Error> {
        let mut snapshot = self.snapshot().await?;
        let first = hours::first_ran(&mut snapshot).await?;
        hours::forgotten_until(&mut snapshot, first).await
    }

    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        hours::tallied(&mut *self.reader().await?).await
    }

    async fn tally(
        &self,
        hour: (Timestamp, Timestamp),
        expected: &BTreeMap<Place, u64>,
    ) -> Result<Standing, Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = hours::tally(self.writers()?, hour, expected).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }

    async fn tallied_hours(
        &self,
        checks: Option<&[CheckId]>,
        period: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        hours::tallied_hours(&mut *self.reader().await?, checks, period).await
    }

    async fn forget_accounts(&self, before: Timestamp) -> Result<(), Error> {
        let mut attempts = Attempts::default();
        loop {
            let result = forget(self.writers()?, before).await;
            if attempts.are_over(&result) {
                return result;
            }
        }
    }
}

async fn watches(
    connection: &mut PgConnection,
    checks: Option<&[CheckId]>,
    (after, until): Period,
) -> Result<Vec<Watch>, Error> {
    // One statement for both would have all watches read for those of a few checks.
    let those = if checks.is_some() { "check_id = ANY($3)" } else { "$3::text[] IS NULL" };
    let found: Vec<WatchRow> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT {} FROM watches WHERE (until_at IS NULL OR until_at > $1) AND from_at < $2 \
         AND {those} ORDER BY check_id, region, from_at",
        WatchRow::COLUMNS
    )))
    .bind(rows::millis(after))
    .bind(rows::millis(until))
    .bind(checks.map(|all| all.iter().map(CheckId::as_str).collect::<Vec<&str>>()))
    .fetch_all(connection)
    .await
    .map_err(failed("read the watches"))?;
    found.into_iter().map(WatchRow::read).collect()
}

async fn watched(
    connection: &mut PgConnection,
    (after, limit): (Option<&CheckId>, u32),
    (from, until): Period,
) -> Result<Vec<CheckId>, Error> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT check_id FROM watches WHERE check_id > $3 \
         AND (until_at IS NULL OR until_at > $1) AND from_at < $2 ORDER BY check_id LIMIT $4",
    )
    .bind(rows::millis(from))
    .bind(rows::millis(until))
    .bind(after.map_or("", CheckId::as_str))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .map_err(failed("list the checks that are watched"))?;
    found.iter().map(|check| rows::check_id(check)).collect()
}

async fn watches_of(
    connection: &mut PgConnection,
    region: &Region,
    checks: &[CheckId],
    (after, until): Period,
) -> Result<Vec<Watch>, Error> {
    let found: Vec<WatchRow> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT {} FROM watches WHERE region = $1 AND check_id = ANY($2::text[]) \
         AND (until_at IS NULL OR until_at > $3) AND from_at < $4 ORDER BY check_id, from_at",
        WatchRow::COLUMNS
    )))
    .bind(region.as_str())
    .bind(checks.iter().map(CheckId::as_str).collect::<Vec<_>>())
    .bind(rows::millis(after))
    .bind(rows::millis(until))
    .fetch_all(connection)
    .await
    .map_err(failed("read the watches"))?;
    found.into_iter().map(WatchRow::read).collect()
}

async fn seen(pool: &PgPool, process: &Process, now: Timestamp) -> Result<(), Error> {
    let mut transaction = begin(pool).await?;
    sqlx::query(
        "INSERT INTO lives VALUES ($1, $2, $3, $3) ON CONFLICT (process, region) \
         DO UPDATE SET until_at = greatest(lives.until_at, excluded.until_at)",
    )
    .bind(&process.id)
    .bind(process.region.as_ref().map_or("", Region::as_str))
    .bind(rows::millis(now))
    .execute(&mut *transaction)
    .await
    .map_err(failed("note who is alive"))?;
    commit(pool, transaction).await
}

async fn presence(
    connection: &mut PgConnection,
    (after, until): Period,
) -> Result<HashMap<Option<Region>, Presence>, Error> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT region, from_at, until_at FROM lives WHERE until_at > $1 AND from_at < $2 \
         ORDER BY from_at",
    )
    .bind(rows::millis(after))
    .bind(rows::millis(until))
    .fetch_all(connection)
    .await
    .map_err(failed("read who was there"))?;
    stored::presence(found)
}

async fn accounted_until(connection: &mut PgConnection) -> Result<Option<Timestamp>, Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT until_at FROM accounted")
        .fetch_optional(connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    found.map(rows::timestamp).transpose()
}

async fn ran(connection: &mut PgConnection, (after, until): Period) -> Result<Ran, Error> {
    let found: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT check_id, region, slot_at FROM runs WHERE id >= $1 AND id < $2 UNION ALL \
         SELECT check_id, region, slot_at FROM kept_runs WHERE id >= $1 AND id < $2",
    )
    .bind(first_id_at(after))
    .bind(first_id_at(until + chrono::TimeDelta::milliseconds(1)))
    // Planned for these days each time: a plan for any days would lock all of them.
    .persistent(false)
    .fetch_all(connection)
    .await
    .map_err(failed("read which slots were run"))?;
    stored::ran(found)
}

async fn latest_gaps(
    connection: &mut PgConnection,
    places: &[Place],
) -> Result<HashMap<Place, Gap>, Error> {
    let found: Vec<GapRow> = sqlx::query_as(
        "SELECT latest.* FROM unnest($1::text[], $2::text[]) AS place (check_id, region) \
         CROSS JOIN LATERAL (SELECT check_id, region, first_at, last_at, slots, reason FROM gaps \
         WHERE check_id = place.check_id AND region = place.region \
         ORDER BY last_at DESC LIMIT 1) AS latest",
    )
    .bind(places.iter().map(|(check, _)| check.as_str()).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, region)| region.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await
    .map_err(failed("read the latest gaps"))?;
    let read = |row: GapRow| row.read().map(|gap| ((gap.check.clone(), gap.region.clone()), gap));
    found.into_iter().map(read).collect()
}

async fn known(connection: &mut PgConnection) -> Result<Known, Error> {
    let (until, watches, open): (Option<i64>, i64, i64) = sqlx::query_as(KNOWN)
        .fetch_one(connection)
        .await
        .map_err(failed("read what is accounted for"))?;
    Ok(Known { until: until.map(rows::timestamp).transpose()?, watches, open })
}

async fn account(
    pool: &PgPool,
    gaps: &[Gap],
    known: Known,
    until: Timestamp,
) -> Result<Standing, Error> {
    let mut transaction = begin(pool).await?;
    // No watch begins from here on to the end.
    sqlx::query("LOCK TABLE watches IN SHARE MODE")
        .execute(&mut *transaction)
        .await
        .map_err(failed("lock the watches"))?;
    let now = self::known(&mut transaction).await?;
    if (now.watches, now.open) != (known.watches, known.open) {
        return Ok(Standing::Lost);
    }
    let noted = match known.until {
        Some(after) => sqlx::query("UPDATE accounted SET until_at = $1 WHERE until_at = $2")
            .bind(rows::millis(until))
            .bind(rows::millis(after)),
        None => sqlx::query("INSERT INTO accounted VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(rows::millis(until)),
    };
    let noted =
        noted.execute(&mut *transaction).await.map_err(failed("note what is accounted for"))?;
    if noted.rows_affected() == 0 {
        return Ok(Standing::Lost);
    }
    write_gaps(&mut transaction, gaps).await?;
    commit(pool, transaction).await?;
    Ok(Standing::Held)
}

pub(super) async fn write_gaps(connection: &mut PgConnection, gaps: &[Gap]) -> Result<(), Error> {
    if gaps.is_empty() {
        return Ok(());
    }
    // One statement cannot write a row twice: the last of those that begin alike counts.
    let gaps: BTreeMap<(&str, &str, Timestamp), &Gap> = gaps
        .iter()
        .map(|gap| ((gap.check.as_str(), gap.region.as_str(), gap.first), gap))
        .collect();
    let column = |of: fn(&Gap) -> i64| gaps.values().map(|gap| of(gap)).collect::<Vec<i64>>();
    let query = sqlx::query(
        "INSERT INTO gaps (check_id, region, first_at, last_at, slots, reason) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
         $6::text[]) ON CONFLICT (check_id, region, first_at) DO UPDATE SET \
         last_at = excluded.last_at, slots = excluded.slots, reason = excluded.reason",
    )
    .bind(gaps.values().map(|gap| gap.check.as_str()).collect::<Vec<_>>())
    .bind(gaps.values().map(|gap| gap.region.as_str()).collect::<Vec<_>>())
    .bind(column(|gap| rows::millis(gap.first)))
    .bind(column(|gap| rows::millis(gap.last)))
    .bind(column(|gap| i64::try_from(gap.slots).unwrap_or(i64::MAX)))
    .bind(gaps.values().map(|gap| gap.reason.as_str()).collect::<Vec<_>>());
    query.execute(connection).await.map_err(failed("write the gaps")).map(|_| ())
}

async fn gaps(
    connection: &mut PgConnection,
    check: Option<&CheckId>,
    (after, until): Period,
    limit: u32,
) -> Result<Vec<Gap>, Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT check_id, region, first_at, last_at, slots, reason FROM gaps WHERE last_at > ",
    );
    query.push_bind(rows::millis(after));
    query.push(" AND first_at <= ").push_bind(rows::millis(until));
    if let Some(check) = check {
        query.push(" AND check_id = ").push_bind(check.as_str());
    }
    query.push(" ORDER BY last_at DESC, check_id, region LIMIT ").push_bind(i64::from(limit));
    let found: Vec<GapRow> = query
        .build_query_as()
        // Planned for this period: for any period, all gaps would be sorted.
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(failed("list gaps"))?;
    found.into_iter().map(GapRow::read).collect()
}

async fn tallies(
    connection: &mut PgConnection,
    checks: Option<&[CheckId]>,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let names = checks.map(|all| all.iter().map(CheckId::as_str).collect::<Vec<&str>>());
    count(connection, names.as_deref(), period).await
}

/// How the runs of some checks, or of all, ended.
pub(super) async fn count(
    connection: &mut PgConnection,
    checks: Option<&[&str]>,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT check_id, region, outcome");
    for class in stored::classes() {
        query.push(", count(*) FILTER (WHERE ").push(class).push(")");
    }
    of_period(&mut query, checks, period);
    // Planned for these days each time: a plan for any days would lock all of them.
    let found = query.build().persistent(false).fetch_all(connection).await;
    let found = found.map_err(failed("count runs"))?;
    let mut tallies: BTreeMap<Place, Tally> = BTreeMap::new();
    for row in found {
        let text = |column: usize| row.try_get::<String, _>(column).map_err(failed("count runs"));
        let mut classes = [0; stored::CLASSES];
        for (column, class) in classes.iter_mut().enumerate() {
            *class = row.try_get(column + 3).map_err(failed("count runs"))?;
        }
        stored::add(&mut tallies, (&text(0)?, &text(1)?, &text(2)?), classes)?;
    }
    Ok(tallies)
}

async fn outcomes(
    connection: &mut PgConnection,
    period: Period,
) -> Result<BTreeMap<Place, Tally>, Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT check_id, region, outcome, count(*)");
    of_period(&mut query, None, period);
    let found: Vec<(String, String, String, i64)> = query
        .build_query_as()
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(failed("count runs"))?;
    let mut tallies: BTreeMap<Place, Tally> = BTreeMap::new();
    for (check, region, outcome, runs) in found {
        stored::add_plain(&mut tallies, (&check, &region, &outcome), runs)?;
    }
    Ok(tallies)
}

/// The runs that are counted, by the ids, which tell the days to look at.
fn of_period(query: &mut QueryBuilder<Postgres>, checks: Option<&[&str]>, (after, until): Period) {
    let end = until + chrono::TimeDelta::milliseconds(1);
    query.push(" FROM runs WHERE id >= ").push_bind(first_id_at(after));
    query.push(" AND id < ").push_bind(first_id_at(end));
    query.push(" AND slot_at > ").push_bind(rows::millis(after));
    if let Some(checks) = checks {
        let checks: Vec<String> = checks.iter().map(|check| (*check).to_owned()).collect();
        query.push(" AND check_id = ANY(").push_bind(checks).push("::text[])");
    }
    query.push(" GROUP BY check_id, region, outcome");
}

/// Forgets what was accounted for before `before`.
async fn forget(pool: &PgPool, before: Timestamp) -> Result<(), Error> {
    let mut transaction = begin(pool).await?;
    for text in [
        "DELETE FROM gaps WHERE last_at < $1",
        "DELETE FROM watches WHERE until_at < $1",
        "DELETE FROM lives WHERE until_at < $1",
        "DELETE FROM tallies WHERE hour_at < $1",
        FORGET_EDITIONS,
    ] {
        let query = sqlx::query(text).bind(rows::millis(before));
        query.execute(&mut *transaction).await.map_err(failed("forget old accounts"))?;
    }
    commit(pool, transaction).await
}
