//! Sessions and attempts to sign in, as rows, and the statements about them that both databases understand.

use super::{timestamp, unreadable};
use crate::store::Error;
use crate::store::sessions::Session;

/// Writes a session.
pub(in crate::store) const BEGIN: &str = "INSERT INTO sessions (digest, user_name, stamp, begun_at, seen_at) VALUES ($1, $2, $3, $4, $5)";

/// The session under `$1`.
pub(in crate::store) const ONE: &str =
    "SELECT user_name, stamp, begun_at, seen_at FROM sessions WHERE digest = $1";

/// Notes that the session under `$1` was used at `$2`.
pub(in crate::store) const SEEN: &str =
    "UPDATE sessions SET seen_at = $2 WHERE digest = $1 AND seen_at < $2";

/// Ends the session under `$1`.
pub(in crate::store) const END: &str = "DELETE FROM sessions WHERE digest = $1";

/// How many attempts there were of `$1` after `$2`.
pub(in crate::store) const TRIED: &str =
    "SELECT count(*) FROM sign_in_attempts WHERE subject = $1 AND tried_at > $2";

/// Writes an attempt under one of its subjects.
pub(in crate::store) const TRY: &str =
    "INSERT INTO sign_in_attempts (attempt, subject, tried_at) VALUES ($1, $2, $3)";

/// Takes the attempt `$1` back.
pub(in crate::store) const FORGIVE: &str = "DELETE FROM sign_in_attempts WHERE attempt = $1";

/// Forgets sessions that began before `$1` or were last seen before `$2`.
pub(in crate::store) const FORGET: &str =
    "DELETE FROM sessions WHERE begun_at < $1 OR seen_at < $2";

/// Forgets attempts before `$1`.
pub(in crate::store) const FORGET_TRIED: &str = "DELETE FROM sign_in_attempts WHERE tried_at < $1";

#[derive(sqlx::FromRow)]
pub(in crate::store) struct SessionRow {
    user_name: String,
    stamp: Vec<u8>,
    begun_at: i64,
    seen_at: i64,
}

impl SessionRow {
    pub(in crate::store) fn read(self) -> Result<Session, Error> {
        let stamp = self.stamp.try_into();
        Ok(Session {
            user: self.user_name,
            stamp: stamp.map_err(|_| unreadable("session", "its stamp has another length"))?,
            begun_at: timestamp(self.begun_at)?,
            seen_at: timestamp(self.seen_at)?,
        })
    }
}
