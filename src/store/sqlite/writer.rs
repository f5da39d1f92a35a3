//! The one connection that writes, and what it remembers.
//!
//! Because the store is held by this process and all writing goes through here, the state of every
//! check is kept in memory and a result is judged without reading. Memory is what was committed:
//! any error, or a caller that went away in the middle, throws it away, and the next one reads it
//! again.

use std::path::PathBuf;

use sqlx::sqlite::SqliteConnection;

use super::memory::Memory;
use super::{failed, open, primary_code};
use crate::store::Error;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A killed process.
    Process,
    /// A power cut.
    Power,
}

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    connection: Connected,
    durability: Option<Durability>,
    /// Whether something was begun whose end was not seen.
    unsettled: bool,
    memory: Option<Memory>,
    /// What the last transaction was to survive.
    #[cfg(test)]
    pub(super) asked: Option<Durability>,
}

#[derive(Debug)]
enum Connected {
    Yes(Box<SqliteConnection>),
    /// The disk failed; the next writer connects again.
    Lost,
    Closed,
}

/// SQLite: input/output error, malformed, not a database. After these the connection is not used
/// again.
const DISTRUST: [i32; 3] = [10, 11, 26];

impl Writer {
    pub(super) async fn connect(path: PathBuf) -> Result<Self, Error> {
        let connection = Connected::Yes(Box::new(open::writer(&path).await?));
        Ok(Self {
            path,
            connection,
            durability: None,
            unsettled: false,
            memory: None,
            #[cfg(test)]
            asked: None,
        })
    }

    /// The connection, in a known state.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        if self.unsettled {
            self.abandon().await;
        }
        if let Connected::Lost = self.connection {
            self.connection = Connected::Yes(Box::new(open::writer_again(&self.path).await?));
        }
        match &mut self.connection {
            Connected::Yes(connection) => Ok(connection),
            Connected::Lost | Connected::Closed => Err(Error::Closed),
        }
    }

    /// The state of all checks as committed.
    pub(super) async fn memory(&mut self) -> Result<&mut Memory, Error> {
        // First, because it may find that what is remembered is not to be trusted.
        self.connection().await?;
        if self.memory.is_none() {
            let read = Memory::read(self.connection().await?).await?;
            self.memory = Some(read);
        }
        Ok(self.memory.get_or_insert_default())
    }

    /// The connection, ready for a transaction that the caller begins and ends in its own text.
    /// [`Self::settled`] must follow when it ended.
    pub(super) async fn unsettled(
        &mut self,
        durability: Durability,
    ) -> Result<&mut SqliteConnection, Error> {
        self.set(durability).await?;
        #[cfg(test)]
        {
            self.asked = Some(durability);
        }
        self.unsettled = true;
        match &mut self.connection {
            Connected::Yes(connection) => Ok(connection),
            Connected::Lost | Connected::Closed => Err(Error::Closed),
        }
    }

    /// Sets what the next commit survives, unless it is set so already.
    async fn set(&mut self, durability: Durability) -> Result<(), Error> {
        // First, because it may have to begin anew.
        self.connection().await?;
        if self.durability == Some(durability) {
            return Ok(());
        }
        // Not a prepared statement: SQLite acts on this one while preparing it, so a kept one
        // would do nothing the second time.
        let pragma = match durability {
            Durability::Process => "PRAGMA synchronous = NORMAL",
            Durability::Power => "PRAGMA synchronous = FULL",
        };
        self.durability = None;
        let set = sqlx::raw_sql(pragma).execute(self.connection().await?).await;
        set.map_err(failed("set how durable a commit is"))?;
        self.durability = Some(durability);
        Ok(())
    }

    /// Gets ready for what is decided, which is not to wait for this. What fails now is tried again then.
    async fn rest(&mut self) {
        if let Err(error) = self.set(Durability::Power).await {
            tracing::debug!(%error, "not ready yet for the next decision");
        }
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(
        &mut self,
        durability: Durability,
    ) -> Result<&mut SqliteConnection, Error> {
        let connection = self.unsettled(durability).await?;
        let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await;
        begun.map_err(failed("begin a transaction"))?;
        Ok(connection)
    }

    /// Ends a transaction.
    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        let Connected::Yes(connection) = &mut self.connection else {
            return Err(Error::Closed);
        };
        let committed = sqlx::query("COMMIT").execute(&mut **connection).await;
        committed.map_err(failed("commit a transaction"))?;
        self.settled();
        Ok(())
    }

    /// Says that a transaction ended well.
    pub(super) fn settled(&mut self) {
        self.unsettled = false;
    }

    /// Cleans up at once after an error, so that no lock is kept until the next writer comes; after what
    /// ended well, gets ready for what is decided.
    pub(super) async fn finish<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.unsettled = true;
            self.abandon().await;
            if let Error::Database { source, .. } = error
                && primary_code(source).is_some_and(|code| DISTRUST.contains(&code))
            {
                self.lose();
            }
        } else {
            self.rest().await;
        }
        result
    }

    /// Rolls back whatever was begun and forgets what was remembered.
    async fn abandon(&mut self) {
        self.memory = None;
        self.durability = None;
        if let Connected::Yes(connection) = &mut self.connection
            && let Err(error) = sqlx::raw_sql("ROLLBACK").execute(&mut **connection).await
        {
            let nothing_begun = error
                .as_database_error()
                .is_some_and(|error| error.message().contains("no transaction is active"));
            if !nothing_begun {
                self.lose();
            }
        }
        self.unsettled = false;
    }

    fn lose(&mut self) {
        if let Connected::Yes(_) = self.connection {
            self.connection = Connected::Lost;
        }
    }

    /// Moves the log into the main file and closes.
    pub(super) async fn close(&mut self) {
        if self.unsettled {
            self.abandon().await;
        }
        self.memory = None;
        let connection = std::mem::replace(&mut self.connection, Connected::Closed);
        if let Connected::Yes(connection) = connection {
            let closed = sqlx::Connection::close(*connection).await;
            if let Err(error) = closed {
                tracing::warn!(%error, "the store was not closed in order; the log stays beside it");
            }
        }
    }
}
