//! The rows of metrics in PostgreSQL. What they mean is decided in `store::metrics`.
//!
//! Whoever writes locks the one row of the state, so the hubs that share the database write metrics
//! one after the other, and each sees what the one before it has committed.

use std::ops::{DerefMut, Range};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;

use super::{Access, failed};
use crate::store::Error;
use crate::store::metrics::{Backing, ChunkRow, FrameRow, Level, SeriesRow, State};

/// So many bytes are sent in one statement at most, unless one row has more.
const BYTES: usize = 4 << 20;

/// The rows of metrics, by a connection that is in a transaction.
pub(super) struct PostgresBacking<C> {
    pub(super) connection: C,
    /// Whether what is read is to be held.
    pub(super) access: Access,
}

#[async_trait]
impl<C: DerefMut<Target = PgConnection> + Send> Backing for PostgresBacking<C> {
    async fn state(&mut self) -> Result<Option<State>, Error> {
        type Row = (i64, i64, i64, i64, i64, i64, i64);
        let text = match self.access {
            Access::Full => {
                "SELECT next_series, next_frame, closed_until, points_from, short_from, \
                 long_from, generation FROM metric_state FOR UPDATE"
            }
            Access::Reading => {
                "SELECT next_series, next_frame, closed_until, points_from, short_from, \
                 long_from, generation FROM metric_state"
            }
        };
        let found: Option<Row> = sqlx::query_as(text)
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(failed("read the state of metrics"))?;
        Ok(found.map(|(next_series, next_frame, closed, points, short, long, generation)| {
            let forgotten = [points, short, long];
            State { next_series, next_frame, closed, forgotten, generation }
        }))
    }

    async fn make(&mut self, state: &State) -> Result<(), Error> {
        let text = "INSERT INTO metric_state VALUES (1, $1, $2, $3, $4, $5, $6, $7) \
                    ON CONFLICT DO NOTHING";
        self.write(text, state).await
    }

    async fn save(&mut self, state: &State) -> Result<(), Error> {
        let text = "UPDATE metric_state SET next_series = $1, next_frame = $2, \
                    closed_until = $3, points_from = $4, short_from = $5, long_from = $6, \
                    generation = $7";
        self.write(text, state).await
    }

    async fn series(&mut self, after: i64, limit: u32) -> Result<Vec<SeriesRow>, Error> {
        let found: Vec<(i64, String, Option<String>, i64)> = sqlx::query_as(
            "SELECT id, labels, measure, seen_until FROM metric_series WHERE id > $1 \
             ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.connection)
        .await
        .map_err(failed("read series"))?;
        Ok(found.into_iter().map(SeriesRow::read).collect())
    }

    async fn frames(&mut self, after: i64, limit: u32) -> Result<Vec<FrameRow>, Error> {
        let found: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, last_at, points FROM metric_frames WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.connection)
        .await
        .map_err(failed("read frames"))?;
        let row = |(id, last_at, points)| FrameRow { id, last_at, points };
        Ok(found.into_iter().map(row).collect())
    }

    async fn chunks(
        &mut self,
        level: Level,
        starts: &[i64],
        series: &[i64],
    ) -> Result<Vec<ChunkRow>, Error> {
        if starts.is_empty() || series.is_empty() {
            return Ok(Vec::new());
        }
        // Planned each time for lists of this length.
        let found: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT start_at, series, points FROM metric_chunks \
             WHERE level = $1 AND start_at = ANY($2) AND series = ANY($3)",
        )
        .bind(level.number())
        .bind(starts)
        .bind(series)
        .persistent(false)
        .fetch_all(&mut *self.connection)
        .await
        .map_err(failed("read chunks"))?;
        Ok(found.into_iter().map(chunk).collect())
    }

    async fn chunks_after(
        &mut self,
        level: Level,
        (start_at, series): (i64, i64),
        limit: u32,
    ) -> Result<Vec<ChunkRow>, Error> {
        let found: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT start_at, series, points FROM metric_chunks \
             WHERE level = $1 AND (start_at, series) > ($2, $3) ORDER BY start_at, series LIMIT $4",
        )
        .bind(level.number())
        .bind(start_at)
        .bind(series)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.connection)
        .await
        .map_err(failed("read chunks"))?;
        Ok(found.into_iter().map(chunk).collect())
    }

    async fn listed(&mut self, level: Level, starts: Range<i64>) -> Result<Vec<i64>, Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT series FROM metric_chunks \
             WHERE level = $1 AND start_at >= $2 AND start_at < $3",
        )
        .bind(level.number())
        .bind(starts.start)
        .bind(starts.end)
        .fetch_all(&mut *self.connection)
        .await
        .map_err(failed("list series"))
    }

    async fn add_series(&mut self, rows: &[SeriesRow]) -> Result<(), Error> {
        for some in rows.chunks(10_000) {
            let ids: Vec<i64> = some.iter().map(|row| row.id).collect();
            let labels: Vec<&str> = some.iter().map(|row| row.labels.as_str()).collect();
            let measures: Vec<Option<&str>> = some.iter().map(SeriesRow::measured).collect();
            let seen: Vec<i64> = some.iter().map(|row| row.seen_until).collect();
            let query = sqlx::query(
                "INSERT INTO metric_series (id, labels, measure, seen_until) \
                 SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])",
            );
            let query = query.bind(ids).bind(labels).bind(measures).bind(seen);
            let done = query.execute(&mut *self.connection).await;
            done.map_err(failed("add series"))?;
        }
        Ok(())
    }

    async fn seen(&mut self, series: &[i64]) -> Result<Vec<(i64, i64)>, Error> {
        sqlx::query_as("SELECT id, seen_until FROM metric_series WHERE id = ANY($1)")
            .bind(series)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("read how far series were seen"))
    }

    async fn note_seen(&mut self, seen: &[(i64, i64)]) -> Result<(), Error> {
        if seen.is_empty() {
            return Ok(());
        }
        let (series, until): (Vec<i64>, Vec<i64>) = seen.iter().copied().unzip();
        sqlx::query(
            "UPDATE metric_series SET seen_until = greatest(metric_series.seen_until, it.until) \
             FROM unnest($1::bigint[], $2::bigint[]) AS it (id, until) \
             WHERE metric_series.id = it.id",
        )
        .bind(series)
        .bind(until)
        .execute(&mut *self.connection)
        .await
        .map_err(failed("note how far series were seen"))
        .map(|_| ())
    }

    async fn add_frame(&mut self, row: &FrameRow) -> Result<(), Error> {
        let query =
            sqlx::query("INSERT INTO metric_frames (id, last_at, points) VALUES ($1, $2, $3)");
        let query = query.bind(row.id).bind(row.last_at).bind(&row.points);
        query.execute(&mut *self.connection).await.map_err(failed("add a frame")).map(|_| ())
    }

    async fn put_chunks(&mut self, level: Level, mut rows: &[ChunkRow]) -> Result<(), Error> {
        while !rows.is_empty() {
            let mut bytes = 0;
            let fitting = rows.iter().take_while(|row| {
                bytes += row.points.len();
                bytes < BYTES
            });
            let (some, rest) = rows.split_at(fitting.count().max(1));
            let starts: Vec<i64> = some.iter().map(|row| row.start_at).collect();
            let series: Vec<i64> = some.iter().map(|row| row.series).collect();
            let points: Vec<&[u8]> = some.iter().map(|row| row.points.as_slice()).collect();
            sqlx::query(
                "INSERT INTO metric_chunks (level, start_at, series, points) \
                 SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) \
                 ON CONFLICT (level, start_at, series) DO UPDATE SET points = excluded.points",
            )
            .bind(level.number())
            .bind(starts)
            .bind(series)
            .bind(points)
            .execute(&mut *self.connection)
            .await
            .map_err(failed("write chunks"))?;
            rows = rest;
        }
        Ok(())
    }

    async fn drop_frames(&mut self, until: i64) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM metric_frames WHERE last_at <= $1").bind(until);
        let done = query.execute(&mut *self.connection).await;
        done.map_err(failed("remove frames")).map(|_| ())
    }

    async fn drop_chunks(&mut self, level: Level, before: i64, limit: u32) -> Result<u64, Error> {
        let done = sqlx::query(
            "DELETE FROM metric_chunks WHERE ctid = ANY(ARRAY(SELECT ctid FROM metric_chunks \
             WHERE level = $1 AND start_at < $2 ORDER BY start_at, series LIMIT $3))",
        )
        .bind(level.number())
        .bind(before)
        .bind(i64::from(limit))
        .execute(&mut *self.connection)
        .await
        .map_err(failed("forget chunks"))?;
        Ok(done.rows_affected())
    }

    async fn drop_series(&mut self, series: &[i64]) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM metric_series WHERE id = ANY($1)").bind(series);
        let done = query.execute(&mut *self.connection).await;
        done.map_err(failed("forget series")).map(|_| ())
    }
}

impl<C: DerefMut<Target = PgConnection> + Send> PostgresBacking<C> {
    async fn write(&mut self, text: &'static str, state: &State) -> Result<(), Error> {
        let State { next_series, next_frame, closed, forgotten, generation } = state;
        let [points, short, long] = forgotten;
        let numbers = [next_series, next_frame, closed, points, short, long, generation];
        let query = numbers.into_iter().fold(sqlx::query(text), sqlx::query::Query::bind);
        let done = query.execute(&mut *self.connection).await;
        done.map_err(failed("write the state of metrics")).map(|_| ())
    }
}

fn chunk((start_at, series, points): (i64, i64, Vec<u8>)) -> ChunkRow {
    ChunkRow { start_at, series, points }
}
