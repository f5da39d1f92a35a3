//! Which failures are worth another attempt at the same transaction.

use super::Error;

/// Attempts after the first, where others were in the way.
const AFTER_A_CONFLICT: u32 = 8;
/// Attempts after the first, where the connection was lost.
const AFTER_A_LOSS: u32 = 2;

/// Why a transaction failed, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Others were in the way; nothing was changed.
    Conflict,
    /// The server or the connection went away; nothing was changed, or it is not known.
    Loss,
    /// Something that should have been new is there.
    Repetition,
    /// The partition is gone.
    NoPartition,
    /// Trying again would change nothing.
    Other,
}

/// Why `error` came.
pub(super) fn cause(error: &Error) -> Cause {
    match error {
        Error::Database { source, .. } => cause_of(source),
        _ => Cause::Other,
    }
}

fn cause_of(error: &sqlx::Error) -> Cause {
    if is_loss(error) {
        return Cause::Loss;
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code.as_deref() {
        Some("40001" | "40P01") => Cause::Conflict,
        Some("23505") => Cause::Repetition,
        Some("23514") => Cause::NoPartition,
        _ => Cause::Other,
    }
}

/// Whether the connection is gone: an operator's command, a crash, a server that starts, a network.
pub(super) fn is_loss(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "25P03"
        }),
        _ => false,
    }
}

/// Counts attempts at one transaction.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    conflicts: u32,
    losses: u32,
}

impl Attempts {
    /// Whether there is nothing more to try after `result`.
    pub(super) fn are_over<T>(&mut self, result: &Result<T, Error>) -> bool {
        let Err(error) = result else { return true };
        let (count, most) = match cause(error) {
            Cause::Conflict | Cause::Repetition | Cause::NoPartition => {
                (&mut self.conflicts, AFTER_A_CONFLICT)
            }
            Cause::Loss => (&mut self.losses, AFTER_A_LOSS),
            Cause::Other => return true,
        };
        *count += 1;
        let over = *count > most;
        if !over {
            tracing::debug!(%error, attempt = *count, "trying the transaction again");
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Result<(), Error> {
        let source = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        Err(Error::Database { what: "write", source })
    }

    #[test]
    fn a_lost_connection_is_tried_again_but_not_for_ever() {
        let mut attempts = Attempts::default();
        let over: Vec<bool> = (0..4).map(|_| attempts.are_over(&lost())).collect();
        assert_eq!(over, [false, false, true, true]);
    }

    #[test]
    fn what_would_fail_again_is_not_tried_again() {
        let mut attempts = Attempts::default();
        assert!(attempts.are_over(&Ok(())));
        assert!(attempts.are_over::<()>(&Err(Error::ReadOnly)));
        let source = sqlx::Error::RowNotFound;
        assert!(attempts.are_over::<()>(&Err(Error::Database { what: "read", source })));
    }
}
