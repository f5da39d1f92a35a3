//! Room for bodies with reports: how many bytes of them are read and kept at a time.
//!
//! It is taken before a body is read and given back with the answer, so that many agents that come
//! back at once after an outage cannot fill the memory. No region can take all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Link;
use super::peer::Whence;
use crate::domain::id::Region;
use crate::http::problem::Problem;
use crate::link::protocol::LONGEST_BATCH;

/// What is counted at a time, in bytes.
const UNIT: usize = 64 << 10;
/// Of all regions together, in units.
const ALL: usize = 4 * LONGEST_BATCH / UNIT;
/// Of one region, in units.
const OF_ONE: usize = ALL / 2;
/// How long a body waits for room.
const PATIENCE: Duration = Duration::from_secs(20);

/// The room there is.
#[derive(Debug)]
pub(super) struct Rooms {
    all: Arc<Semaphore>,
    regions: Mutex<HashMap<Region, Arc<Semaphore>>>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(ALL)), regions: Mutex::default() }
    }
}

impl Rooms {
    /// Room for a body of `bytes` from `region`; waits until there is some.
    async fn take(&self, region: &Region, bytes: usize) -> Option<Room> {
        let units = bytes.min(LONGEST_BATCH).div_ceil(UNIT).max(1);
        let units = u32::try_from(units).ok()?;
        let own = {
            let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(OF_ONE));
            Arc::clone(regions.entry(region.clone()).or_insert_with(new))
        };
        let own = own.acquire_many_owned(units).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok()?;
        Some(Room { _permits: [own, all] })
    }
}

/// Room for one body, as long as this is kept.
#[derive(Debug)]
pub(super) struct Room {
    _permits: [OwnedSemaphorePermit; 2],
}

impl FromRequestParts<Link> for Room {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, link: &Link) -> Result<Self, Problem> {
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse().ok());
        let full = || {
            let detail = "too many reports come at once; keep them and try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        let Some(Whence(region)) = parts.extensions.get::<Whence>() else { return Err(full()) };
        let room = link.rooms.take(region, length.unwrap_or(LONGEST_BATCH));
        tokio::time::timeout(PATIENCE, room).await.ok().flatten().ok_or_else(full)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).expect("a good name")
    }

    #[tokio::test]
    async fn a_region_takes_half_of_the_room_and_gives_it_back() {
        let rooms = Rooms::default();
        let (eu, us) = (region("eu"), region("us"));
        let one = rooms.take(&eu, LONGEST_BATCH).await;
        // Whatever a body says of its length, it is not longer than one may be.
        let two = rooms.take(&eu, usize::MAX).await;
        let mut three = pin!(rooms.take(&eu, 1));
        assert!(poll!(three.as_mut()).is_pending());
        let of_another = (rooms.take(&us, LONGEST_BATCH).await, rooms.take(&us, 1).await);
        assert!(of_another.0.is_some() && of_another.1.is_some());
        drop(one);
        assert!(three.await.is_some() && two.is_some());
    }
}
