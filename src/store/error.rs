//! Why a store cannot do what is asked, in words for whoever runs it. No message holds a password.

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the store.
    #[error("the store {path} is in use by process {holder}; stop that one first")]
    Locked {
        /// The store's file.
        path: String,
        /// The process that holds it, as far as it can be told.
        holder: String,
    },
    /// The file was written by a later version.
    #[error(
        "the store was written by a later version of Tripline; use that version or a later one"
    )]
    TooNew,
    /// The file was written by an earlier version and may not be changed by a reader.
    #[error(
        "the store was written by an earlier version of Tripline; start `tripline up` once to \
         bring it up to date"
    )]
    TooOld,
    /// There is no store to read.
    #[error("there is no store at {path}; start `tripline up` first")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// Something was to be changed in a store that was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database server cannot be used as it was asked for.
    #[error("the store {address} cannot be used: {reason}; {remedy}")]
    Unreachable {
        /// The store's address without its password.
        address: String,
        /// What the network or the server says.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// The database belongs to another program.
    #[error("the database {address} holds the tables of another program; give Tripline its own")]
    Foreign {
        /// The store's address without its password.
        address: String,
    },
    /// The file is not a store, or is damaged.
    #[error("the store {path} is damaged: {reason}; restore the last backup")]
    Damaged {
        /// The store's file.
        path: String,
        /// What the database says.
        reason: String,
    },
    /// A store that is to be filled holds something already.
    #[error(
        "the store {place} is not empty: there are {rows} rows in `{table}`; name a new file or an \
         empty database"
    )]
    NotEmpty {
        /// The store, without a password.
        place: String,
        /// A table in which there is something.
        table: String,
        /// How many rows it has.
        rows: u64,
    },
    /// A store that is to be filled is used by others.
    #[error("the store {address} is in use by {connections} connections; stop `tripline up` first")]
    InUse {
        /// The store's address without its password.
        address: String,
        /// How many of ours there are.
        connections: i64,
    },
    /// Nothing is written over a file that is there.
    #[error("{path} is there already, and nothing is ever overwritten; name another file")]
    Exists {
        /// The file.
        path: String,
    },
    /// A file cannot be made.
    #[error("{path} cannot be made: {reason}; see whether its folder is there and can be written")]
    Unwritable {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A copy is not what it should be.
    #[error("the stores differ: {reason}; nothing was kept of the copy")]
    Differ {
        /// In what.
        reason: String,
    },
    /// A lease was taken over by another hub before what it was taken for was done.
    #[error("the lease on {part} is another hub's by now; nothing was changed")]
    LeaseLost {
        /// What it is a lease on.
        part: String,
    },
    /// The database refused or failed.
    #[error("the store failed to {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// What the database says.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value cannot be read.
    #[error("the store holds a {what} that cannot be read: {reason}")]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// Whether the same attempt will fail the same way, however often it is made: something stored is
    /// damaged, or the database does not take what it is handed. What may pass by itself, such as a
    /// disk that is full, a lock or a server that is away, is not.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::ReadOnly | Self::TooNew | Self::TooOld => true,
            Self::Database { source, .. } => match source {
                sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                    // SQLite: too big, a constraint, a type; PostgreSQL: values, constraints, a limit.
                    matches!(&*code, "18" | "19" | "20" | "54000" | "54001")
                        || code.len() == 5 && (code.starts_with("22") || code.starts_with("23"))
                }),
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::InvalidArgument(_) => true,
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let database = |source| Error::Database { what: "write", source };
        let lasting = [
            Error::Unreadable { what: "chunk", reason: "no".into() },
            database(sqlx::Error::Decode("no".into())),
        ];
        assert!(lasting.iter().all(Error::is_lasting));
        let passing = [
            Error::Closed,
            database(sqlx::Error::PoolTimedOut),
            database(sqlx::Error::Io(std::io::Error::other("no"))),
        ];
        assert!(!passing.iter().any(Error::is_lasting));
    }
}
