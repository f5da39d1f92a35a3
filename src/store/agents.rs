//! What is remembered of agents: who may be one, and who is.
//!
//! The contract beside [`Store`](super::Store) that each backend keeps as well.
//!
//! Invariants:
//! - no token is stored, only what can be compared with one;
//! - of one region, a name belongs to one instance at a time, until its lease runs out, it is given
//!   back, or an instance that took its data folder over says so.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Error;
use crate::domain::Timestamp;
use crate::domain::attendance::STALLED_AFTER;
use crate::domain::id::Region;

/// The SHA-256 of a token.
pub type Digest = [u8; 32];

/// The number of a token, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its number.
    pub id: TokenId,
    /// The one region whose agents may show it.
    pub region: Region,
    /// What people call it.
    pub name: String,
    /// What it is compared with.
    pub digest: Digest,
    /// Those that it took the place of, oldest first; some may be good no longer.
    pub former: Vec<Former>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last replaced by a new one.
    pub rotated_at: Option<Timestamp>,
    /// When it stopped being good.
    pub revoked_at: Option<Timestamp>,
}

/// A token that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// What it is compared with.
    pub digest: Digest,
    /// Until when it is good all the same.
    pub good_until: Timestamp,
}

impl TokenRecord {
    /// Until when a token that this one took the place of is good, as seen at `now`; `None` where none
    /// is.
    pub fn former_until(&self, now: Timestamp) -> Option<Timestamp> {
        let good = self.former.iter().map(|former| former.good_until).filter(|until| *until > now);
        good.max().filter(|_| self.revoked_at.is_none())
    }
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Its region.
    pub region: Region,
    /// Its name.
    pub name: String,
    /// Which start of it.
    pub instance: Uuid,
    /// Its version.
    pub version: String,
    /// By how much its clock is ahead, in microseconds.
    pub skew_us: i64,
    /// How far its schedule is behind, in milliseconds.
    pub lag_ms: u64,
    /// How many reports wait with it.
    pub spool_reports: u64,
    /// How large they are, in bytes.
    pub spool_bytes: u64,
    /// How many reports of passed runs it thinned out for want of room.
    pub thinned: u64,
    /// How many others it lost for want of room.
    pub lost: u64,
    /// What it runs; none while it does not know.
    pub revision: Option<String>,
}

/// A claim to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who claims it.
    pub presence: Presence,
    /// Besides itself, who may hold the name without the claim being refused.
    pub supersedes: Supersedes,
    /// When the claim is made.
    pub now: Timestamp,
    /// Until when it holds.
    pub lease_until: Timestamp,
}

/// Whom a claim may supersede although its lease goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supersedes {
    /// Nobody.
    Nobody,
    /// This instance, which is known to be gone.
    Instance(Uuid),
    /// Whoever it is.
    Anybody,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The name is the claimant's; these are the names of the region's live agents that know what
    /// to run and keep their schedule, in order. One that has just come leaves its share to the others until then.
    Granted(Vec<String>),
    /// Another instance has it at least until then.
    Taken(Timestamp),
}

/// The revision of a hub's own agent: what it runs is what the project says, always.
pub const OWN_REVISION: &str = "own";

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// What it last said.
    pub presence: Presence,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// Until when it counts as live.
    pub lease_until: Timestamp,
    /// When it stopped in order.
    pub left_at: Option<Timestamp>,
}

impl Presence {
    /// How far its schedule is behind; at most a day, whatever it says.
    pub fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms).min(Duration::from_hours(24))
    }
}

impl AgentRecord {
    /// Whether it stopped saying that it lives without having stopped in order, or does not keep its
    /// schedule.
    pub fn is_lost(&self, now: Timestamp) -> bool {
        self.left_at.is_none() && (self.lease_until <= now || self.is_stalled())
    }

    /// Whether it was last heard to be so far behind its schedule that it runs nothing.
    pub fn is_stalled(&self) -> bool {
        self.left_at.is_none() && self.presence.lag() >= STALLED_AFTER
    }

    /// Whether it is the agent in the process of a hub.
    pub fn is_a_hubs(&self) -> bool {
        self.presence.revision.as_deref() == Some(OWN_REVISION)
    }

    /// Whether it says that it lives.
    pub fn is_heard(&self, now: Timestamp) -> bool {
        self.left_at.is_none() && self.lease_until > now
    }
}

/// What the daemon needs to know of agents.
#[async_trait]
pub trait Agents: Send + Sync + std::fmt::Debug {
    /// All tokens, also the revoked ones, by number. What another process changed is seen at once.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error>;

    /// Claims a name, or renews the claim to it, and notes what the agent says of itself.
    async fn claim_name(&self, claim: &Claim) -> Result<Claimed, Error>;

    /// Gives a name back at `now`, if `instance` has it; whether it had.
    async fn release_name(
        &self,
        region: &Region,
        name: &str,
        instance: Uuid,
        now: Timestamp,
    ) -> Result<bool, Error>;

    /// The agent of that name in `region`, if one was ever seen and not forgotten.
    async fn agent(&self, region: &Region, name: &str) -> Result<Option<AgentRecord>, Error>;

    /// All agents that were ever seen and not forgotten, by region and name.
    async fn agents(&self) -> Result<Vec<AgentRecord>, Error>;

    /// Forgets agents that were last seen before `before`; says how many.
    async fn forget_agents(&self, before: Timestamp) -> Result<u64, Error>;
}

/// What the commands about tokens need. It works beside a daemon that holds the store.
#[async_trait]
pub trait Tokens: Send + Sync + std::fmt::Debug {
    /// All tokens, by number.
    async fn list(&self) -> Result<Vec<TokenRecord>, Error>;

    /// Adds a token and gives it a number.
    async fn create(
        &self,
        region: &Region,
        name: &str,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<TokenId, Error>;

    /// Revokes a token, and those that it took the place of, from the next request on; false when there is no such token that is good.
    async fn revoke(&self, token: TokenId, now: Timestamp) -> Result<bool, Error>;

    /// Replaces a token at `now`; the one before it stays good until `former_until`, and those before
    /// that one as long as they were to be. False when there is no such token that is good.
    async fn rotate(
        &self,
        token: TokenId,
        digest: &Digest,
        now: Timestamp,
        former_until: Timestamp,
    ) -> Result<bool, Error>;
}
