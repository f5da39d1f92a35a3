//! How often signing in may be tried, and the comparing of passwords.
//!
//! | counted by | at most | within | keeps out |
//! |---|---|---|---|
//! | name and address | 5 | a minute | whoever guesses one password |
//! | address | 20 | a minute | whoever guesses many |
//! | name | 100 | an hour | whoever guesses one from many addresses |
//!
//! Attempts are counted in the store before they are made, so all hubs count together and none is made beside the
//! count; what succeeds is taken back. The last bound is so wide because whoever knows a name could keep its user
//! out by it. Sessions and tokens are not affected.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ring::digest::{SHA256, digest};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::users::{Known, Users};
use crate::domain::Timestamp;
use crate::store;
use crate::store::agents::Digest;
use crate::store::sessions::{Admission, Bound, Sessions};

/// How many passwords are compared at a time; each takes the memory that its hash says.
const AT_ONCE: usize = 2;
/// How long an attempt waits for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is counted: how many within what time.
const BOUNDS: [(u32, TimeDelta); 3] =
    [(5, TimeDelta::minutes(1)), (20, TimeDelta::minutes(1)), (100, LONGEST_WINDOW)];
/// Attempts that are older count for nothing.
pub(super) const LONGEST_WINDOW: TimeDelta = TimeDelta::hours(1);

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is the user's password.
    Right(Arc<Known>),
    /// It is not, or there is no such user.
    Wrong,
    /// There were too many before; for how long.
    TooMany(TimeDelta),
    /// Too many are tried at the moment.
    Busy,
}

/// Tries names and passwords, within bounds.
#[derive(Debug)]
pub(super) struct Attempts {
    sessions: Arc<dyn Sessions>,
    at_once: Arc<Semaphore>,
}

impl Attempts {
    pub(super) fn new(sessions: Arc<dyn Sessions>) -> Self {
        Self { sessions, at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Tries whether `password` is that of the user `name`. A name that nobody has takes as long.
    pub(super) async fn attempt(
        &self,
        users: &Users,
        (name, password): (&str, &str),
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Outcome, store::Error> {
        let waiting = tokio::time::timeout(PATIENCE, Arc::clone(&self.at_once).acquire_owned());
        let Ok(Ok(place)) = waiting.await else { return Ok(Outcome::Busy) };
        let (attempt, bounds) = (Uuid::new_v4(), bounds(name, from, now));
        match self.sessions.admit_attempt(attempt, &bounds, now).await? {
            Admission::Granted => {}
            Admission::Beyond(index) => {
                let within = BOUNDS.get(index).map_or(LONGEST_WINDOW, |(_, within)| *within);
                return Ok(Outcome::TooMany(within));
            }
        }
        let known = users.named(name).filter(|it| it.user.password.is_some()).cloned();
        let own = known.as_ref().and_then(|it| it.user.password.as_ref());
        let Some(hash) = own.or_else(|| users.decoy(&sha256(&[&name.to_ascii_lowercase()]))) else {
            return Ok(Outcome::Wrong);
        };
        let (hash, password) = (hash.clone(), password.to_owned());
        let compared = tokio::task::spawn_blocking(move || {
            let is_right = hash.is_of(&password);
            // Kept until then, so that no more are compared at a time when callers go away.
            drop(place);
            is_right
        });
        let is_right = compared.await.unwrap_or(false);
        match known.filter(|_| is_right) {
            Some(known) => {
                self.sessions.forgive_attempt(attempt).await?;
                Ok(Outcome::Right(known))
            }
            None => Ok(Outcome::Wrong),
        }
    }
}

/// What an attempt is counted by, in the order of [`BOUNDS`].
fn bounds(name: &str, from: Option<IpAddr>, now: Timestamp) -> [Bound; 3] {
    let (name, from) = (name.to_ascii_lowercase(), network(from));
    let subjects =
        [sha256(&["both", &name, &from]), sha256(&["address", &from]), sha256(&["name", &name])];
    let mut of = subjects.into_iter().zip(BOUNDS).map(|(subject, (most, within))| Bound {
        subject,
        most,
        since: now - within,
    });
    std::array::from_fn(|_| of.next().expect("there are as many subjects as bounds"))
}

/// The address as attempts are counted by it: of IPv6 the network, which one household has to itself.
fn network(from: Option<IpAddr>) -> String {
    match from.map(|it| it.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn sha256(parts: &[&str]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, parts.join("\0").as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_name_by_network_and_by_both() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
        let of = |name: &str, from: &str| {
            bounds(name, from.parse().ok(), now).map(|bound| bound.subject)
        };
        let ana = of("ana", "2001:db8:1:2::3");
        assert_eq!(ana, of("Ana", "2001:db8:1:2:ffff::9"));
        let same = |other: [Digest; 3]| [0, 1, 2].map(|index| ana[index] == other[index]);
        assert_eq!(same(of("ana", "2001:db8:1:3::3")), [false, false, true]);
        assert_eq!(same(of("bo", "2001:db8:1:2::3")), [false, true, false]);
        assert_eq!(of("ana", "10.0.0.9"), of("ana", "::ffff:10.0.0.9"));
        let most: Vec<u32> = bounds("ana", None, now).iter().map(|bound| bound.most).collect();
        assert_eq!(most, [5, 20, 100]);
    }
}
