//! Opening: finding the server, recognising the database, bringing it up to date.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

use super::{Access, failed, lock_number};
use crate::store::Error;
use crate::store::version::Version;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a caller waits for a connection while the server is away.
const ACQUIRE: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 8;
/// Held while a database is recognised and brought up to date.
const MIGRATING: i64 = lock_number(1);

/// Limits that the server keeps even when this process does not: a statement whose caller is gone
/// still ends, and a hub that is frozen in a transaction does not hold its locks for long. To compile a
/// plan takes longer than what is asked for here.
const LIMITS: [(&str, &str); 5] = [
    ("jit", "off"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("client_min_messages", "warning"),
];

/// No limits of the server or the role, for what reads or fills a whole store.
const NO_LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "0"),
    ("client_min_messages", "warning"),
];

/// A database and how it is reached.
pub(super) struct Place {
    /// It holds the password, so it is never shown.
    options: PgConnectOptions,
    shown: String,
}

impl Place {
    /// Reads a URL.
    pub(super) fn of(url: &str) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url).map_err(|_| Error::Unreachable {
            address: "postgres:".into(),
            reason: "its URL cannot be read".into(),
            remedy: "write postgres://user@host:port/database".into(),
        })?;
        let options = options.application_name("tripline").disable_statement_logging();
        let host = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let user = options.get_username();
        let database = options.get_database().unwrap_or(user);
        let shown = format!("postgres://{user}@{host}/{database}");
        Ok(Self { options, shown })
    }

    /// The address without the password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The connections; they are made when they are needed, and made again when they break.
    pub(super) fn pool(&self, access: Access) -> PgPool {
        let mut options = self.options.clone().options(LIMITS);
        if access == Access::Reading {
            options = options.options([("default_transaction_read_only", "on")]);
        }
        PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options)
    }

    /// Makes sure that there is a store that this version can write.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        let mut probe = self.connect().await?;
        self.check_encoding(&mut probe).await?;
        // Others that open the same database at this moment wait here. The lock ends with the
        // connection.
        Self::hold(&mut probe).await?;
        let version = self.version(&mut probe).await?;
        if version != Some(Version::Same) {
            self.migrate(&mut probe).await?;
        }
        probe.close().await.map_err(failed("open the store"))
    }

    /// Makes sure that the store can be read by this version as it is.
    pub(super) async fn prepare_reading(&self) -> Result<(), Error> {
        let mut probe = self.connect().await?;
        let version = self.version(&mut probe).await?;
        probe.close().await.map_err(failed("open the store"))?;
        match version {
            None => Err(Error::Missing { path: self.shown.clone() }),
            Some(Version::Earlier) => Err(Error::TooOld),
            Some(Version::Same) => Ok(()),
        }
    }

    /// A connection that may take as long as it needs for what it does, whatever the server says.
    pub(super) async fn patient(&self) -> Result<PgConnection, Error> {
        self.connect_with(&self.options.clone().options(NO_LIMITS)).await
    }

    /// Waits until nobody is bringing the database up to date, and keeps others from it until the
    /// connection ends.
    pub(super) async fn hold(connection: &mut PgConnection) -> Result<(), Error> {
        let query = sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATING);
        query.execute(connection).await.map_err(failed("recognise the store")).map(|_| ())
    }

    async fn connect(&self) -> Result<PgConnection, Error> {
        self.connect_with(&self.options).await
    }

    async fn connect_with(&self, options: &PgConnectOptions) -> Result<PgConnection, Error> {
        match timeout(PATIENCE, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.refused(
                format!("it did not answer within {} s", PATIENCE.as_secs()),
                "see whether host and port in [store] url are right and no firewall is between",
            )),
        }
    }

    /// What a failure to connect means to whoever runs this.
    fn unreachable(&self, error: &sqlx::Error) -> Error {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        let reason = match error {
            sqlx::Error::Database(said) => said.message().to_owned(),
            sqlx::Error::Io(said) => said.to_string(),
            other => other.to_string(),
        };
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        let remedy = match (code.as_deref(), error) {
            (Some("28P01" | "28000"), _) => {
                "correct the user in [store] url and [store] password, or let the user in".into()
            }
            (Some("3D000"), _) => format!("make the database with `createdb {database}`"),
            (Some("57P03"), _) => "wait until the server has started".into(),
            (Some("53300"), _) => "raise max_connections of the server".into(),
            (Some("42501"), _) => format!("make the user the owner of the database `{database}`"),
            (_, sqlx::Error::Tls(_)) => "see what sslmode in [store] url asks for".into(),
            (_, sqlx::Error::Protocol(_)) => {
                "see whether it is PostgreSQL that listens there, or correct [store] url".into()
            }
            (_, sqlx::Error::Io(_)) => "start PostgreSQL there, or correct [store] url".into(),
            _ => "see the server's log".to_owned(),
        };
        self.refused(reason, remedy)
    }

    fn refused(&self, reason: String, remedy: impl Into<String>) -> Error {
        Error::Unreachable { address: self.shown.clone(), reason, remedy: remedy.into() }
    }

    async fn check_encoding(&self, probe: &mut PgConnection) -> Result<(), Error> {
        let encoding: String = sqlx::query_scalar("SHOW server_encoding")
            .fetch_one(probe)
            .await
            .map_err(failed("recognise the store"))?;
        if encoding == "UTF8" {
            return Ok(());
        }
        let remedy = "make one with `createdb --encoding=UTF8 --template=template0`";
        Err(self.refused(format!("the database holds text as {encoding}, not UTF8"), remedy))
    }

    /// How the store compares with this version, none in an empty database; refuses what is not
    /// ours or is newer.
    async fn version(&self, probe: &mut PgConnection) -> Result<Option<Version>, Error> {
        let (migrated, ours, tables): (bool, bool, i64) = sqlx::query_as(
            "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, \
             to_regclass('kept_runs') IS NOT NULL AND to_regclass('streaks') IS NOT NULL, \
             (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() \
             AND tablename <> '_sqlx_migrations')",
        )
        .fetch_one(&mut *probe)
        .await
        .map_err(failed("recognise the store"))?;
        if !ours && tables > 0 {
            return Err(Error::Foreign { address: self.shown.clone() });
        }
        if !migrated {
            return Ok(None);
        }
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
            .fetch_all(probe)
            .await
            .map_err(failed("recognise the store"))?;
        if applied.is_empty() {
            return Ok(None);
        }
        Version::of(&MIGRATIONS, &applied).map(Some)
    }

    async fn migrate(&self, probe: &mut PgConnection) -> Result<(), Error> {
        MIGRATIONS.run_direct(None, probe, false).await.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                if error.as_database_error().is_some_and(|it| it.code().as_deref() == Some("42501"))
                {
                    return self.unreachable(&error);
                }
                failed("bring the store up to date")(error)
            }
            MigrateError::VersionMissing(_) => Error::TooNew,
            MigrateError::VersionMismatch(number) => Error::Damaged {
                path: self.shown.clone(),
                reason: format!("its migration {number} is not the one of this version"),
            },
            other => failed("bring the store up to date")(other.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let place = Place::of("postgres://ana:hunter2@db.example.com/watch").expect("a good URL");
        assert_eq!(place.shown(), "postgres://ana@db.example.com:5432/watch");
        let socket = Place::of("postgres://ana:hunter2@localhost/watch?host=/run/postgresql");
        let socket = socket.expect("a good URL");
        assert_eq!(socket.shown(), "postgres://ana@/run/postgresql/watch");
        let broken = Place::of("postgres://ana:hunter2@[/x").map(|_| ()).expect_err("no URL");
        assert!(!format!("{broken} {broken:?}").contains("hunter2"));
    }
}
