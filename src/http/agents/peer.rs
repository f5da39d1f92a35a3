//! Who asks: the token, its region, and whether the two programs understand each other.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::Link;
use crate::domain::id::Region;
use crate::http::problem::{Problem, shortened};
use crate::link::protocol::{self, PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER};
use crate::link::token::{Digest, Token, same};
use crate::store;
use crate::store::agents::{Agents, TokenId, TokenRecord};

/// An agent that showed a good token and speaks a protocol that is understood.
#[derive(Debug)]
pub(super) struct Peer {
    /// The region of its token.
    pub(super) region: Region,
    /// The version of its program, as far as it says.
    pub(super) version: String,
    digest: Digest,
}

impl FromRequestParts<Link> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, link: &Link) -> Result<Self, Problem> {
        let digest = digest(&parts.headers)?;
        let token = good(&digest, &*link.agents).await?.ok_or_else(unknown)?;
        let version = header(&parts.headers, VERSION_HEADER).unwrap_or("unknown");
        let spoken = header(&parts.headers, PROTOCOL_HEADER).and_then(|text| text.parse().ok());
        if !spoken.is_some_and(protocol::understands) {
            return Err(not_understood(spoken, version, link.version));
        }
        Ok(Self { region: token.region, version: shortened(version), digest })
    }
}

impl Peer {
    /// Whether the token is still good.
    pub(super) async fn is_welcome(&self, link: &Link) -> Result<(), Problem> {
        good(&self.digest, &*link.agents).await?.map(|_| ()).ok_or_else(unknown)
    }
}

/// The token that is shown, if it is good. Showing a new token ends the one before it.
async fn good(shown: &Digest, agents: &dyn Agents) -> Result<Option<TokenRecord>, store::Error> {
    let mut found = None;
    // All are compared, so that the time says nothing about which it is.
    for token in agents.tokens().await? {
        let is_new = same(&token.digest, shown);
        let is_old = token.previous.is_some_and(|previous| same(&previous, shown));
        if (is_new || is_old) && token.revoked_at.is_none() {
            found = Some((token, is_new));
        }
    }
    let Some((token, is_new)) = found else { return Ok(None) };
    if is_new && token.previous.is_some() {
        let TokenId(id) = token.id;
        agents.finish_rotation(token.id).await?;
        tracing::info!(token = id, region = %token.region, "the new token is in use, the old one is good no longer");
    }
    Ok(Some(token))
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
        "the token is not known here, or was revoked; `tripline token create` makes one",
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
