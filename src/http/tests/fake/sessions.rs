//! Sessions and attempts to sign in, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use uuid::Uuid;

use super::Remembered;
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::agents::Digest;
use crate::store::sessions::{Admission, Bound, Horizons, Session, Sessions};

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    sessions: BTreeMap<Digest, Session>,
    attempts: Vec<(Uuid, Digest, Timestamp)>,
}

#[async_trait]
impl Sessions for Remembered {
    async fn begin_session(&self, key: &Digest, session: &Session) -> Result<(), Error> {
        self.mood().await?;
        self.sessions.lock().expect("no panic").sessions.insert(*key, session.clone());
        Ok(())
    }

    async fn session(&self, key: &Digest) -> Result<Option<Session>, Error> {
        self.mood().await?;
        Ok(self.sessions.lock().expect("no panic").sessions.get(key).cloned())
    }

    async fn note_seen(&self, key: &Digest, now: Timestamp) -> Result<(), Error> {
        if let Some(session) = self.sessions.lock().expect("no panic").sessions.get_mut(key) {
            session.seen_at = now;
        }
        Ok(())
    }

    async fn end_session(&self, key: &Digest) -> Result<bool, Error> {
        Ok(self.sessions.lock().expect("no panic").sessions.remove(key).is_some())
    }

    async fn admit_attempt(
        &self,
        attempt: Uuid,
        bounds: &[Bound],
        now: Timestamp,
    ) -> Result<Admission, Error> {
        self.mood().await?;
        let mut kept = self.sessions.lock().expect("no panic");
        let tried = |bound: &Bound| {
            let of = |it: &&(Uuid, Digest, Timestamp)| it.1 == bound.subject && it.2 > bound.since;
            kept.attempts.iter().filter(of).count()
        };
        let is_beyond = |bound: &Bound| tried(bound) >= usize::try_from(bound.most).unwrap_or(0);
        if let Some(index) = bounds.iter().position(is_beyond) {
            return Ok(Admission::Beyond(index));
        }
        kept.attempts.extend(bounds.iter().map(|bound| (attempt, bound.subject, now)));
        Ok(Admission::Granted)
    }

    async fn forgive_attempt(&self, attempt: Uuid) -> Result<(), Error> {
        self.sessions.lock().expect("no panic").attempts.retain(|it| it.0 != attempt);
        Ok(())
    }

    async fn forget_sessions(&self, _: &Horizons) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }
}
