//! The rows of metrics in SQLite. What they mean is decided in `store::metrics`.

use std::ops::{DerefMut, Range};
use std::sync::LazyLock;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::failed;
use super::rows_of::RowsOf;
use crate::store::Error;
use crate::store::metrics::{Backing, ChunkRow, FrameRow, Level, SeriesRow, State};

static CHUNKS: LazyLock<RowsOf> = LazyLock::new(|| {
    let head = "INSERT INTO metric_chunks (level, start_at, series, points) VALUES";
    let tail = "ON CONFLICT (level, start_at, series) DO UPDATE SET points = excluded.points";
    RowsOf::new(head, 4, tail)
});

static SERIES: LazyLock<RowsOf> = LazyLock::new(|| {
    RowsOf::new("INSERT INTO metric_series (id, labels, measure, seen_until) VALUES", 4, "")
});

/// The rows of metrics, by a connection that is in a transaction.
pub(super) struct SqliteBacking<C>(pub(super) C);

/// Numbers as a list in JSON, for `json_each`.
fn list(numbers: &[i64]) -> String {
    serde_json::to_string(numbers).expect("numbers can always be written")
}

#[async_trait]
impl<C: DerefMut<Target = SqliteConnection> + Send> Backing for SqliteBacking<C> {
    async fn state(&mut self) -> Result<Option<State>, Error> {
        type Row = (i64, i64, i64, i64, i64, i64, i64);
        let found: Option<Row> = sqlx::query_as(
            "SELECT next_series, next_frame, closed_until, points_from, short_from, long_from, \
             generation FROM metric_state",
        )
        .fetch_optional(&mut *self.0)
        .await
        .map_err(failed("read the state of metrics"))?;
        Ok(found.map(|(next_series, next_frame, closed, points, short, long, generation)| {
            let forgotten = [points, short, long];
            State { next_series, next_frame, closed, forgotten, generation }
        }))
    }

    async fn make(&mut self, state: &State) -> Result<(), Error> {
        self.save(state).await
    }

    async fn save(&mut self, state: &State) -> Result<(), Error> {
        let State { next_series, next_frame, closed, forgotten, generation } = state;
        let [points, short, long] = forgotten;
        let query =
            sqlx::query("INSERT OR REPLACE INTO metric_state VALUES (1, ?, ?, ?, ?, ?, ?, ?)");
        let numbers = [next_series, next_frame, closed, points, short, long, generation];
        let query = numbers.into_iter().fold(query, sqlx::query::Query::bind);
        let done = query.execute(&mut *self.0).await;
        done.map_err(failed("write the state of metrics")).map(|_| ())
    }

    async fn series(&mut self, after: i64, limit: u32) -> Result<Vec<SeriesRow>, Error> {
        let found: Vec<(i64, String, Option<String>, i64)> = sqlx::query_as(
            "SELECT id, labels, measure, seen_until FROM metric_series WHERE id > ? \
             ORDER BY id LIMIT +?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *self.0)
        .await
        .map_err(failed("read series"))?;
        Ok(found.into_iter().map(SeriesRow::read).collect())
    }

    async fn frames(&mut self, after: i64, limit: u32) -> Result<Vec<FrameRow>, Error> {
        let found: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, last_at, points FROM metric_frames WHERE id > ? ORDER BY id LIMIT +?",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *self.0)
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
        // The order of the joins is the order of the index.
        let query = sqlx::query_as(
            "SELECT it.start_at, it.series, it.points FROM json_each(?2) AS start \
             CROSS JOIN json_each(?3) AS one CROSS JOIN metric_chunks AS it \
             WHERE it.level = ?1 AND it.start_at = start.value AND it.series = one.value",
        );
        let query = query.bind(level.number()).bind(list(starts)).bind(list(series));
        let found: Vec<(i64, i64, Vec<u8>)> =
            query.fetch_all(&mut *self.0).await.map_err(failed("read chunks"))?;
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
             WHERE level = ? AND (start_at, series) > (?, ?) ORDER BY start_at, series LIMIT +?",
        )
        .bind(level.number())
        .bind(start_at)
        .bind(series)
        .bind(limit)
        .fetch_all(&mut *self.0)
        .await
        .map_err(failed("read chunks"))?;
        Ok(found.into_iter().map(chunk).collect())
    }

    async fn listed(&mut self, level: Level, starts: Range<i64>) -> Result<Vec<i64>, Error> {
        sqlx::query_scalar(
            "SELECT DISTINCT series FROM metric_chunks \
             WHERE level = ? AND start_at >= ? AND start_at < ?",
        )
        .bind(level.number())
        .bind(starts.start)
        .bind(starts.end)
        .fetch_all(&mut *self.0)
        .await
        .map_err(failed("list series"))
    }

    async fn add_series(&mut self, mut rows: &[SeriesRow]) -> Result<(), Error> {
        while !rows.is_empty() {
            let (some, rest, text) = SERIES.split(rows);
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(text)), |query, row| {
                query.bind(row.id).bind(&row.labels).bind(row.measured()).bind(row.seen_until)
            });
            query.execute(&mut *self.0).await.map_err(failed("add series"))?;
            rows = rest;
        }
        Ok(())
    }

    async fn seen(&mut self, series: &[i64]) -> Result<Vec<(i64, i64)>, Error> {
        sqlx::query_as(
            "SELECT id, seen_until FROM metric_series \
             WHERE id IN (SELECT value FROM json_each(?))",
        )
        .bind(list(series))
        .fetch_all(&mut *self.0)
        .await
        .map_err(failed("read how far series were seen"))
    }

    async fn note_seen(&mut self, seen: &[(i64, i64)]) -> Result<(), Error> {
        for (series, until) in seen {
            sqlx::query("UPDATE metric_series SET seen_until = max(seen_until, ?2) WHERE id = ?1")
                .bind(series)
                .bind(until)
                .execute(&mut *self.0)
                .await
                .map_err(failed("note how far series were seen"))?;
        }
        Ok(())
    }

    async fn add_frame(&mut self, row: &FrameRow) -> Result<(), Error> {
        let query = sqlx::query("INSERT INTO metric_frames (id, last_at, points) VALUES (?, ?, ?)");
        let query = query.bind(row.id).bind(row.last_at).bind(&row.points);
        query.execute(&mut *self.0).await.map_err(failed("add a frame")).map(|_| ())
    }

    async fn put_chunks(&mut self, level: Level, mut rows: &[ChunkRow]) -> Result<(), Error> {
        while !rows.is_empty() {
            let (some, rest, text) = CHUNKS.split(rows);
            let query = some.iter().fold(sqlx::query(AssertSqlSafe(text)), |query, row| {
                let query = query.bind(level.number()).bind(row.start_at);
                query.bind(row.series).bind(&row.points)
            });
            query.execute(&mut *self.0).await.map_err(failed("write chunks"))?;
            rows = rest;
        }
        Ok(())
    }

    async fn drop_frames(&mut self, until: i64) -> Result<(), Error> {
        let query = sqlx::query("DELETE FROM metric_frames WHERE last_at <= ?").bind(until);
        query.execute(&mut *self.0).await.map_err(failed("remove frames")).map(|_| ())
    }

    async fn drop_chunks(&mut self, level: Level, before: i64, limit: u32) -> Result<u64, Error> {
        let done = sqlx::query(
            "DELETE FROM metric_chunks WHERE rowid IN (SELECT rowid FROM metric_chunks \
             WHERE level = ? AND start_at < ? ORDER BY start_at, series LIMIT +?)",
        )
        .bind(level.number())
        .bind(before)
        .bind(limit)
        .execute(&mut *self.0)
        .await
        .map_err(failed("forget chunks"))?;
        Ok(done.rows_affected())
    }

    async fn drop_series(&mut self, series: &[i64]) -> Result<(), Error> {
        let query =
            sqlx::query("DELETE FROM metric_series WHERE id IN (SELECT value FROM json_each(?))");
        let done = query.bind(list(series)).execute(&mut *self.0).await;
        done.map_err(failed("forget series")).map(|_| ())
    }
}

fn chunk((start_at, series, points): (i64, i64, Vec<u8>)) -> ChunkRow {
    ChunkRow { start_at, series, points }
}
