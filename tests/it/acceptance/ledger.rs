//! Where the daemon of a scenario keeps its store, and what the harness reads there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tripline::domain::Timestamp;

use crate::support::postgres::Database;
use crate::support::tripline::Project;
use crate::support::wait::until;
use crate::support::wall::Wall;

/// What the store is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
}

/// The store of a scenario.
pub(super) enum Ledger {
    /// In this file.
    Sqlite(PathBuf),
    /// On a server of its own, which sees the same clock as the daemon.
    Postgres(Box<Database>),
}

/// Asks the store by a connection of its own.
macro_rules! asked {
    ($ledger:expr, $connection:ident => $ask:expr) => {
        match $ledger {
            Ledger::Sqlite(path) => {
                let mut $connection = sqlite(path).await;
                let answer = $ask;
                $connection.close().await.expect("closed");
                answer
            }
            Ledger::Postgres(database) => {
                let mut $connection: PgConnection = database.connect().await;
                let answer = $ask;
                $connection.close().await.expect("closed");
                answer
            }
        }
    };
}

async fn sqlite(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.busy_timeout(super::world::PATIENCE).connect().await.expect("connected")
}

/// What is owed and due or on its way, without what waits for an earlier message about the same, and
/// what was given up before it was decided who is told instead; and the incidents that time has
/// something to do with, and the runs by hand of which nobody was told what came of them.
const LEFT: &str = "SELECT (SELECT count(*) FROM notifications AS mine WHERE state = 'owed' AND \
     (due_at <= $1 OR lease_until > $1) AND lease_until IS DISTINCT FROM $2 AND NOT EXISTS \
     (SELECT 1 FROM notifications AS it WHERE it.incident_id = mine.incident_id AND \
     it.channel = mine.channel AND it.address = mine.address AND it.state = 'owed' \
     AND it.id < mine.id)) + (SELECT count(*) FROM notifications WHERE state = 'given_up' \
     AND succeeded_at IS NULL), (SELECT count(*) FROM incidents WHERE resolved_at IS NULL \
     AND due_at <= $1) + (SELECT count(*) FROM errands WHERE told_at IS NULL AND NOT EXISTS \
     (SELECT 1 FROM errand_legs WHERE errand_id = errands.id AND state IN ('asked', 'taken') \
     AND until_at > $1))";

impl Ledger {
    /// Prepares a store for `project`.
    pub(super) async fn of(backend: Backend, project: Project, wall: &Wall) -> (Self, Project) {
        match backend {
            Backend::Sqlite => (Self::Sqlite(project.path().join("tripline.db")), project),
            Backend::Postgres => {
                // The server runs as somebody else, who must see the clock's file.
                let open = fs::Permissions::from_mode(0o755);
                fs::set_permissions(project.path(), open).expect("the folder is ours");
                let database = Database::in_environment(wall.environment()).await;
                let project = project.toml(&format!("[store]\nurl = \"{}\"", database.url()));
                (Self::Postgres(Box::new(database)), project)
            }
        }
    }

    /// Waits until nothing is left to do at `now` but to wait for as many answers as are `held`, or it is
    /// `over`; whether it was not. What was claimed until `left_behind` is left out.
    pub(super) async fn settled(
        &self,
        now: Timestamp,
        left_behind: Option<Timestamp>,
        (held, mut is_over): (impl Fn() -> usize, impl FnMut() -> bool),
    ) -> bool {
        let (now, left_behind) =
            (now.timestamp_millis(), left_behind.map_or(-1, |end| end.timestamp_millis()));
        asked!(self, connection => until("nothing is left to do", super::world::PATIENCE, async || {
            // Before it is asked what is left: nothing is held that is not owed.
            let held = i64::try_from(held()).expect("a few");
            let left: (i64, i64) = sqlx::query_as(LEFT)
                .bind(now)
                .bind(left_behind)
                .fetch_one(&mut connection)
                .await
                .expect("read");
            let is_over = is_over();
            (left == (held, 0) || is_over).then_some(!is_over)
        })
        .await)
    }

    /// When time alone changes something next.
    pub(super) async fn next_tending(&self) -> Option<Timestamp> {
        self.moment("SELECT min(due_at) FROM incidents WHERE resolved_at IS NULL").await
    }

    /// Up to which time rules were evaluated.
    pub(super) async fn evaluated_until(&self) -> Option<Timestamp> {
        self.moment("SELECT max(until_at) FROM rule_mark").await
    }

    /// When all checks and agents were looked at last, and how long that holds.
    pub(super) async fn reviewed_until(&self) -> Option<Timestamp> {
        self.moment("SELECT max(lease_until) FROM leases WHERE part = 'review'").await
    }

    async fn moment(&self, query: &'static str) -> Option<Timestamp> {
        let millis: Option<i64> = asked!(self, connection => {
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("read")
        });
        millis.and_then(Timestamp::from_timestamp_millis)
    }

    /// Why everything was decided, and when.
    pub(super) async fn decisions(&self) -> Vec<(Timestamp, String)> {
        let query = "SELECT at, kind || ': ' || reason FROM decisions ORDER BY id";
        let rows: Vec<(i64, String)> = asked!(self, connection => {
            sqlx::query_as(query).fetch_all(&mut connection).await.expect("read")
        });
        let at = |millis| Timestamp::from_timestamp_millis(millis).unwrap_or_default();
        rows.into_iter().map(|(millis, text)| (at(millis), text)).collect()
    }

    /// All incidents, as `check:login open`.
    pub(super) async fn incidents(&self) -> Vec<String> {
        let query = "SELECT subject || CASE WHEN resolved_at IS NULL THEN ' open' ELSE ' over' END \
                     FROM incidents ORDER BY id";
        asked!(self, connection => {
            sqlx::query_scalar(query).fetch_all(&mut connection).await.expect("read")
        })
    }
}

/// How long a claim on a part of the work holds.
pub(super) const CLAIM: Duration = tripline::store::LEASE;
