//! The tokens of agents, for the commands about them.
//!
//! The commands write the store beside the daemons that use it, by a connection of their own that
//! knows the table of tokens only: so they need no daemon, and there is no way over the network, not
//! even over loopback, to make oneself a token. Whoever can write the store may.

use std::sync::Arc;

use super::storage;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::Timestamp;
use crate::domain::id::Region;
use crate::link::token::{FORMER_GOOD_FOR, NoRandomness, Token};
use crate::store::agents::{TokenId, TokenRecord, Tokens};
use crate::store::{self};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There are no random numbers.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// There is no such token.
    #[error("there is no token {0} that is good; `tripline token list` shows them")]
    Missing(i64),
}

/// The tokens of a project.
#[derive(Debug)]
pub struct Desk {
    tokens: Arc<dyn Tokens>,
    clock: Arc<dyn Clock>,
}

impl Desk {
    /// Opens the store of a project.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when there is none, or it is of another version.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (tokens, clock) = storage::open_tokens(&settings.store.place, clock).await?;
        Ok(Self { tokens, clock })
    }

    /// All tokens, by number.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn list(&self) -> Result<Vec<TokenRecord>, Error> {
        Ok(self.tokens.list().await?)
    }

    /// Makes a token.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn create(&self, region: &Region, name: &str) -> Result<(TokenId, Token), Error> {
        let token = Token::generate()?;
        let id = self.tokens.create(region, name, &token.digest(), self.clock.now()).await?;
        Ok((id, token))
    }

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none.
    pub async fn revoke(&self, id: i64) -> Result<(), Error> {
        let done = self.tokens.revoke(TokenId(id), self.clock.now()).await?;
        if done { Ok(()) } else { Err(Error::Missing(id)) }
    }

    /// Replaces a token by a new one; until when the old one is good all the same.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none.
    pub async fn rotate(&self, id: i64) -> Result<(Token, Timestamp), Error> {
        let (token, now) = (Token::generate()?, self.clock.now());
        let until = now + FORMER_GOOD_FOR;
        let done = self.tokens.rotate(TokenId(id), &token.digest(), now, until).await?;
        if done { Ok((token, until)) } else { Err(Error::Missing(id)) }
    }

    /// The present moment, for what is shown of tokens.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
