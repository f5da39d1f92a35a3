//! Who asks: the token, its region, and whether the two programs understand each other.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::Link;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{self, PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER};
use crate::link::token::{Digest, Token, same};
use crate::store;
use crate::store::agents::Agents;

/// An agent that showed a good token and speaks a protocol that is understood.
#[derive(Debug)]
pub(super) struct Peer {
    /// The region of its token.
    pub(super) region: Region,
    /// The version of its program, as far as it says.
    pub(super) version: String,
    /// Until when its token is good, where it was replaced by another.
    pub(super) good_until: Option<Timestamp>,
    digest: Digest,
}

/// The region of a peer, for what is asked before its body is read.
#[derive(Debug, Clone)]
pub(super) struct Whence(pub(super) Region);

impl FromRequestParts<Link> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, link: &Link) -> Result<Self, Problem> {
        let digest = digest(&parts.headers)?;
        let good = good(&digest, &*link.agents, link.clock.now()).await?.ok_or_else(unknown)?;
        let version = header(&parts.headers, VERSION_HEADER).unwrap_or("unknown");
        let spoken = header(&parts.headers, PROTOCOL_HEADER).and_then(|text| text.parse().ok());
        if !spoken.is_some_and(protocol::understands) {
            return Err(not_understood(spoken, version, link.version));
        }
        let version = shortened(version);
        parts.extensions.insert(Whence(good.region.clone()));
        Ok(Self { region: good.region, good_until: good.until, version, digest })
    }
}

impl Peer {
    /// Whether the token is still good.
    pub(super) async fn is_welcome(&self, link: &Link) -> Result<(), Problem> {
        let good = good(&self.digest, &*link.agents, link.clock.now()).await?;
        good.map(|_| ()).ok_or_else(unknown)
    }
}

/// What a token that is shown lets in.
struct Good {
    region: Region,
    /// Until when, where it was replaced.
    until: Option<Timestamp>,
}

/// What the token that is shown lets in, if it is good at `now`.
async fn good(
    shown: &Digest,
    agents: &dyn Agents,
    now: Timestamp,
) -> Result<Option<Good>, store::Error> {
    let mut found = None;
    // All are compared, so that the time says nothing about which it is.
    for token in agents.tokens().await? {
        let is_present = same(&token.digest, shown);
        let mut until = None;
        for former in &token.former {
            if same(&former.digest, shown) && former.good_until > now {
                until = Some(former.good_until);
            }
        }
        if (is_present || until.is_some()) && token.revoked_at.is_none() {
            found = Some(Good { region: token.region, until });
        }
    }
    Ok(found)
}

fn digest(headers: &HeaderMap) -> Result<Digest, Problem> {
    let shown = header(headers, header::AUTHORIZATION.as_str());
    let (scheme, token) = shown.and_then(|text| text.split_once(' ')).ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown());
    }
    Token::parse(token).map(|token| token.digest()).map_err(|_| unknown())
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// One answer for every bad token: it says nothing about which tokens there are.
fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "the token is not known here, was revoked, or was replaced by another; `tripline token \
         create` makes one",
    )
}

fn not_understood(spoken: Option<u32>, theirs: &str, ours: &str) -> Problem {
    let spoken = spoken.map_or_else(|| "no number".to_owned(), |number| number.to_string());
    let detail = format!(
        "the agent (Tripline {}) speaks protocol {spoken}, the hub protocol {PROTOCOL}; install \
         Tripline {ours} on the agent",
        shortened(theirs)
    );
    Problem::new(StatusCode::UPGRADE_REQUIRED, detail)
}
