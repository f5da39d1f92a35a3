//! No pictures.

use async_trait::async_trait;

use super::Shelf;
use crate::domain::Timestamp;
use crate::store::Error;
use crate::store::pictures::{Pictures, Unillustrated};

#[async_trait]
impl Pictures for Shelf {
    async fn claim_pictures(
        &self,
        _: Timestamp,
        _: u32,
        _: Timestamp,
    ) -> Result<Vec<Unillustrated>, Error> {
        Ok(Vec::new())
    }

    async fn forget_pictures(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }
}
