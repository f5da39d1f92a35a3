//! Tokens: what an agent shows to be let in.
//!
//! 256 random bits. The hub keeps a digest only, so its store does not let anybody in; the agent
//! derives the key of its cache from the token, so a stolen disk without the token shows nothing.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

/// The SHA-256 of a token.
pub type Digest = [u8; 32];

/// How long a token that was replaced is good all the same: agents that share it are given the new
/// one at different times.
pub const FORMER_GOOD_FOR: Duration = Duration::from_hours(1);

/// What every token begins with, so that people and scanners recognise one.
const PREFIX: &str = "tripline_";

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no token of an agent; one begins with `{PREFIX}` and is printed by `tripline token create`"
)]
pub struct Malformed;

/// The system has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this system gives no random numbers")]
pub struct NoRandomness;

impl Token {
    /// A new token.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the system has none.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bits = [0; 32];
        SystemRandom::new().fill(&mut bits).map_err(|_| NoRandomness)?;
        Ok(Self(bits))
    }

    /// Reads a token, with or without blanks around it.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(Malformed)?;
        let bits = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Malformed)?;
        bits.try_into().map(Self).map_err(|_| Malformed)
    }

    /// The token as text, for the one who is to have it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&self.0))
    }

    /// What the hub keeps.
    pub fn digest(&self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, &self.0).as_ref());
        out
    }

    /// A key for `purpose`, different for each `salt` (HKDF, RFC 5869).
    pub(super) fn derive(&self, salt: &[u8], purpose: &str) -> [u8; 32] {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let mut key = [0; 32];
        let info = [purpose.as_bytes()];
        let extracted = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let expanded = extracted.expand(&info, Length).and_then(|expanded| expanded.fill(&mut key));
        expanded.expect("32 bytes are fewer than 255 times the hash");
        key
    }
}

/// Whether two digests are the same, in a time that does not depend on where they differ.
pub fn same(one: &Digest, other: &Digest) -> bool {
    one.ct_eq(other).into()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_printed() {
        let token = Token::generate().expect("random numbers");
        let text = token.expose();
        assert_eq!(text.len(), PREFIX.len() + 43);
        assert_eq!(Token::parse(&format!(" {text}\n")), Ok(token.clone()));
        assert!(!format!("{token:?}").contains(&text[PREFIX.len()..]));
        assert_ne!(token, Token::generate().expect("random numbers"));
        assert!(same(&token.digest(), &token.digest()));
        assert!(!same(&token.digest(), &[0; 32]));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "tripline_", "tripline_!!!", "hunter2", "tripline_AAAA"] {
            assert_eq!(Token::parse(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn keys_differ_by_salt_and_purpose() {
        let token = Token([7; 32]);
        let key = token.derive(b"salt", "cache");
        assert_eq!(key, token.derive(b"salt", "cache"));
        assert_ne!(key, token.derive(b"other", "cache"));
        assert_ne!(key, token.derive(b"salt", "other"));
        assert_ne!(key, Token([8; 32]).derive(b"salt", "cache"));
    }
}
