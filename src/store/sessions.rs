//! The part of the contract that keeps who is signed in, and how often signing in was tried.
//!
//! Invariants:
//! - what a caller shows is never stored, only its digest, so nobody gets in by reading the store;
//! - a session is nobody's word on what somebody may do: it names a user and what they were like when it began, and
//!   the caller judges whether that still holds;
//! - of attempts that are admitted at the same time, at whichever hub, no more are within the bounds than one after
//!   the other would be.

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use super::agents::Digest;
use crate::domain::Timestamp;

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The name of the user.
    pub user: String,
    /// A digest of what the user was like, of all that ends the session when it changes.
    pub stamp: Digest,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was last used, as far as that was noted.
    pub seen_at: Timestamp,
}

/// How many attempts may have something in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// A digest of what they have in common, such as the address they come from.
    pub subject: Digest,
    /// How many there may be.
    pub most: u32,
    /// Since when they count.
    pub since: Timestamp,
}

/// What came of asking for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is noted, and may be made.
    Granted,
    /// It is beyond a bound, the one of this index, and is not noted.
    Beyond(usize),
}

/// Keeps who is signed in.
#[async_trait]
pub trait Sessions: Send + Sync + std::fmt::Debug {
    /// Keeps a session under the digest of what its holder shows.
    async fn begin_session(&self, key: &Digest, session: &Session) -> Result<(), Error>;

    /// The session under a digest.
    async fn session(&self, key: &Digest) -> Result<Option<Session>, Error>;

    /// Notes that a session was used; one that is seen already at a later time stays so.
    async fn note_seen(&self, key: &Digest, now: Timestamp) -> Result<(), Error>;

    /// Ends a session; whether there was one.
    async fn end_session(&self, key: &Digest) -> Result<bool, Error>;

    /// Notes an attempt to sign in under all its subjects, unless it is beyond one of their bounds.
    async fn admit_attempt(
        &self,
        attempt: Uuid,
        bounds: &[Bound],
        now: Timestamp,
    ) -> Result<Admission, Error>;

    /// Takes an attempt back that succeeded: it counts no more.
    async fn forgive_attempt(&self, attempt: Uuid) -> Result<(), Error>;

    /// Forgets sessions that began or were last seen before these times, and attempts before the last; how
    /// many sessions.
    async fn forget_sessions(&self, horizons: &Horizons) -> Result<u64, Error>;
}

/// Before which times what is kept of signing in is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizons {
    /// Sessions that began before.
    pub begun: Timestamp,
    /// Sessions that were last seen before.
    pub seen: Timestamp,
    /// Attempts that were made before.
    pub tried: Timestamp,
}
