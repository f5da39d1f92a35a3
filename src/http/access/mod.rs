//! Who may come in by which way, and as whom.
//!
//! Every route is a [`Door`], which cannot be made without saying what each of its methods needs; `door::router`
//! is the only place that makes routes of doors, and sets a `gate` before each that needs a right. So what nobody
//! thought of is shut, and [`super::ways`] lists what is open to whom.
//!
//! | need | who comes in |
//! |---|---|
//! | public | everybody: what supervisors ask, and where people sign in |
//! | own | whoever proves themselves in the way of that route: agents, Slack, Twilio |
//! | see | viewers and operators |
//! | act, measure | operators |
//!
//! Whoever has signed in shows a session (a cookie), a program the token of its user (`Authorization`). Where the
//! project has no users, nobody is asked who they are: [`Unasked`] says what is open to them. What somebody may do is
//! decided here from the users in force at each request, never from what a caller says, so that a user who is taken
//! out of the project is out at once.
//!
//! Must not: decide what an act means, or know what a page shows.

mod attempts;
mod cookie;
mod counts;
pub(super) mod door;
mod gate;
mod refusal;
pub(super) mod signing;
mod users;
mod visitor;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use self::attempts::Attempts;
use self::cookie::Cookies;
#[cfg(test)]
pub(super) use self::cookie::form_word as form_word_of;
pub(super) use self::counts::Counts;
pub use self::door::{Door, Need, Way};
pub(super) use self::gate::FORM_WORD;
use self::users::Users;
pub(super) use self::visitor::Visitor;
use super::guard::{Acting, Caller};
use super::problem::Problem;
use crate::clock::Clock;
use crate::config::settings::{Hub, User, is_open};
use crate::domain::Timestamp;
use crate::domain::user::Right;
use crate::store::sessions::{Horizons, Sessions};

/// What is open to people while there are no users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unasked {
    /// Nothing: other machines reach it, and nobody said that they may.
    Nothing,
    /// Everything is shown, and the acts of these are taken.
    All(Acting),
}

impl Unasked {
    /// What is open on a listener at `bound`.
    pub fn new(bound: SocketAddr, hub: &Hub) -> Self {
        if is_open(bound) && !hub.open_to_network {
            return Self::Nothing;
        }
        Self::All(Acting::new(bound, hub.open_to_acts))
    }
}

/// What [`Access`] is made from.
#[derive(Debug)]
pub struct Parts {
    /// Who may sign in.
    pub users: Vec<User>,
    /// What is open while nobody may.
    pub unasked: Unasked,
    /// Keeps who is signed in.
    pub sessions: Arc<dyn Sessions>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where people reach the hub.
    pub url: Option<url::Url>,
}

/// Who may come in.
#[derive(Debug)]
pub struct Access {
    users: ArcSwap<Users>,
    unasked: Unasked,
    sessions: Arc<dyn Sessions>,
    clock: Arc<dyn Clock>,
    cookies: Cookies,
    /// The host and port of the public URL, as a browser names them.
    public: Option<String>,
    attempts: Attempts,
    counts: Counts,
}

impl Access {
    /// Lets in whom these say.
    pub fn new(parts: Parts) -> Self {
        let Parts { users, unasked, sessions, clock, url } = parts;
        let is_https = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let public = url.as_ref().and_then(authority);
        Self {
            users: ArcSwap::from_pointee(Users::new(users)),
            unasked,
            attempts: Attempts::new(Arc::clone(&sessions)),
            sessions,
            clock,
            cookies: Cookies::new(is_https),
            public,
            counts: Counts::default(),
        }
    }

    /// Puts other users in force. Sessions of those who are gone or have changed end by that.
    pub fn replace(&self, users: Vec<User>) {
        self.users.store(Arc::new(Users::new(users)));
    }

    /// Whether people are asked who they are.
    pub(super) fn asks(&self) -> bool {
        !self.users.load().is_empty() || self.unasked == Unasked::Nothing
    }

    /// Whose acts are taken while nobody is asked who they are.
    pub(super) fn acting(&self) -> Acting {
        match self.unasked {
            Unasked::Nothing => Acting::ThisMachine,
            Unasked::All(acting) => acting,
        }
    }

    /// What came of signing in and of asking since the start.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What somebody may do of whom nobody knows who they are, where nobody is asked.
    fn admit_unasked(&self, right: Right, caller: Option<Caller>) -> Result<(), Problem> {
        match (self.unasked, right) {
            (Unasked::Nothing, _) => Err(Problem::new(
                axum::http::StatusCode::FORBIDDEN,
                "other machines reach this daemon, and its project has no users who could sign in; \
                 `[[user]]` in tripline.toml makes one",
            )),
            (Unasked::All(_), Right::See | Right::Measure) => Ok(()),
            (Unasked::All(acting), Right::Act) => acting.admit(caller),
        }
    }
}

/// The host of a URL, with its port where it is not the usual one.
fn authority(url: &url::Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// Before which times sessions and attempts are forgotten at `now`: none of them counts any more.
pub fn horizons(now: Timestamp) -> Horizons {
    Horizons {
        begun: now - cookie::LONGEST,
        seen: now - cookie::IDLE,
        tried: now - attempts::LONGEST_WINDOW,
    }
}
