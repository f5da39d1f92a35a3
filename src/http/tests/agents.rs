//! Some agents: one that lives, one that is lost, one that left.

use async_trait::async_trait;
use chrono::TimeDelta;

use super::fake::Remembered;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::store::Error;
use crate::store::agents::{AgentRecord, Agents, Claim, Claimed, Presence, TokenRecord};

#[async_trait]
impl Agents for Remembered {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        self.mood().await?;
        Ok(Vec::new())
    }

    async fn claim_name(&self, _: &Claim) -> Result<Claimed, Error> {
        Err(Error::ReadOnly)
    }

    async fn release_name(
        &self,
        _: &Region,
        _: &str,
        _: uuid::Uuid,
        _: Timestamp,
    ) -> Result<bool, Error> {
        Err(Error::ReadOnly)
    }

    async fn agent(&self, _: &Region, _: &str) -> Result<Option<AgentRecord>, Error> {
        Err(Error::ReadOnly)
    }

    async fn agents(&self) -> Result<Vec<AgentRecord>, Error> {
        self.mood().await?;
        let upset = self.agents_upset.load(std::sync::atomic::Ordering::Relaxed);
        let agent = |name: &str, lease: i64, left: Option<i64>| AgentRecord {
            presence: Presence {
                region: Region::new("eu-west-1").expect("a good name"),
                name: name.into(),
                instance: uuid::Uuid::nil(),
                version: "1.2.3".into(),
                skew_us: if upset { 7_500_000 } else { -1_250 },
                lag_ms: if upset { 31_000 } else { 3 },
                spool_reports: 2,
                spool_bytes: 1_200,
                thinned: 1,
                lost: 0,
                revision: Some("0123456789abcdef".into()),
            },
            first_seen: super::now() - TimeDelta::hours(2),
            last_seen: super::now() + TimeDelta::seconds(lease - 15),
            lease_until: super::now() + TimeDelta::seconds(lease),
            left_at: left.map(|left| super::now() + TimeDelta::seconds(left)),
        };
        Ok(vec![agent("a", 11, None), agent("b", -1, None), agent("c", -60, Some(-60))])
    }

    async fn forget_agents(&self, _: Timestamp) -> Result<u64, Error> {
        Err(Error::ReadOnly)
    }
}
