//! The signature of a webhook: HMAC-SHA256 over id, time and body.

use std::fmt;

use data_encoding::BASE64;
use ring::hmac;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How long a key is, in bytes, as the specification has it.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What webhooks are signed with.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not begin as keys do.
    #[error("does not begin with `whsec_`")]
    Prefix,
    /// What follows is no base64.
    #[error("has something else than base64 after `whsec_`")]
    Encoding,
    /// It has another length.
    #[error("has not between 24 and 64 bytes")]
    Length,
}

impl SigningKey {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    ///
    /// [`KeyError`] where it is something else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        let key = BASE64.decode(encoded.as_bytes()).map_err(|_| KeyError::Encoding)?;
        if !LENGTHS.contains(&key.len()) {
            return Err(KeyError::Length);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The signature of what is sent at `seconds` after 1970 under `id`.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(format!("{id}.{seconds}.").as_bytes());
        signing.update(body);
        format!("v1,{}", BASE64.encode(signing.sign().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_example_of_the_specification_holds() {
        let key = SigningKey::parse(SECRET).expect("a key");
        let signature =
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let error = |text: &str| SigningKey::parse(text).expect_err("no key");
        assert_eq!(error("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), KeyError::Prefix);
        assert_eq!(error("whsec_!"), KeyError::Encoding);
        assert_eq!(error("whsec_c2hvcnQ="), KeyError::Length);
    }
}
