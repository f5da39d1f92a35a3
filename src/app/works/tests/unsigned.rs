//! Nobody signs in.

use async_trait::async_trait;
use uuid::Uuid;

use super::Shelf;
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::agents::Digest;
use crate::store::sessions::{Admission, Bound, Horizons, Session, Sessions};

#[async_trait]
impl Sessions for Shelf {
    async fn begin_session(&self, _: &Digest, _: &Session) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    async fn session(&self, _: &Digest) -> Result<Option<Session>, Error> {
        Ok(None)
    }

    async fn note_seen(&self, _: &Digest, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    async fn end_session(&self, _: &Digest) -> Result<bool, Error> {
        Ok(false)
    }

    async fn admit_attempt(&self, _: Uuid, _: &[Bound], _: Timestamp) -> Result<Admission, Error> {
        Ok(Admission::Beyond(0))
    }

    async fn forgive_attempt(&self, _: Uuid) -> Result<(), Error> {
        Ok(())
    }

    async fn forget_sessions(&self, _: &Horizons) -> Result<u64, Error> {
        Ok(0)
    }
}
