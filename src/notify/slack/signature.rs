//! Who a request that says it is Slack's comes from.
//!
//! A request is Slack's when it is signed with the secret that only Slack and the operator have, and
//! was signed just now. Nothing of its body is read before that is known.
//! Source: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.

use std::time::Duration;

use ring::hmac;

use crate::domain::Timestamp;

/// How far the time of a signature may be from ours.
pub const WINDOW: Duration = Duration::from_mins(5);

/// Why a request is not taken for Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A header is missing or is not what Slack sends.
    #[error("the request is not signed as Slack signs")]
    Form,
    /// Its time is too far from ours.
    #[error("the signature is older or newer than five minutes")]
    Time,
    /// Another secret, or another body.
    #[error("the signature is not right")]
    Wrong,
}

/// The bytes of a signature that was found right; the same ones twice are a request twice.
pub type Seal = [u8; 32];

/// Checks the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature` against the raw body, in
/// constant time as far as the secret goes.
///
/// # Errors
///
/// [`Refused`] where the request is not to be taken for Slack's.
pub fn verify(
    secret: &str,
    (timestamp, signature): (&str, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<Seal, Refused> {
    let signed_at: i64 = timestamp
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| timestamp.parse().ok())
        .flatten()
        .ok_or(Refused::Form)?;
    let hex = signature.strip_prefix("v0=").ok_or(Refused::Form)?;
    let seal = data_encoding::HEXLOWER.decode(hex.as_bytes()).map_err(|_| Refused::Form)?;
    let seal = Seal::try_from(seal).map_err(|_| Refused::Form)?;
    if now.timestamp().abs_diff(signed_at) > WINDOW.as_secs() {
        return Err(Refused::Time);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = Vec::with_capacity(body.len() + 16);
    signed.extend_from_slice(b"v0:");
    signed.extend_from_slice(timestamp.as_bytes());
    signed.push(b':');
    signed.extend_from_slice(body);
    hmac::verify(&key, &signed, &seal).map_err(|_| Refused::Wrong)?;
    Ok(seal)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Slack's own documentation.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: &str = "1531420618";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121\
        .803a0bc887a14d10d2c447fce8b6703c";

    fn now(later: i64) -> Timestamp {
        Timestamp::from_timestamp(1_531_420_618 + later, 0).expect("a time")
    }

    #[test]
    fn the_example_of_slack_is_slacks_and_nothing_else_is() {
        let check = |secret, headers, body, later| verify(secret, headers, body, now(later));
        for later in [0, 300, -300] {
            assert!(check(SECRET, (TIME, SIGNATURE), BODY, later).is_ok(), "{later}");
        }
        let upper = SIGNATURE.to_uppercase().replace("V0", "v0");
        let longer = format!("{SIGNATURE}00");
        for (headers, refused) in [
            ((TIME, ""), Refused::Form),
            ((TIME, "v0="), Refused::Form),
            ((TIME, &SIGNATURE[..60]), Refused::Form),
            ((TIME, longer.as_str()), Refused::Form),
            ((TIME, upper.as_str()), Refused::Form),
            ((TIME, &SIGNATURE[3..]), Refused::Form),
            (("", SIGNATURE), Refused::Form),
            (("+1531420618", SIGNATURE), Refused::Form),
            (("99999999999999999999", SIGNATURE), Refused::Form),
            (("1531420619", SIGNATURE), Refused::Wrong),
        ] {
            assert_eq!(check(SECRET, headers, BODY, 0), Err(refused), "{headers:?}");
        }
        let headers = (TIME, SIGNATURE);
        assert_eq!(check(SECRET, headers, BODY, 301), Err(Refused::Time));
        assert_eq!(check(SECRET, headers, BODY, -301), Err(Refused::Time));
        assert_eq!(check("other", headers, BODY, 0), Err(Refused::Wrong));
        assert_eq!(check(SECRET, headers, &BODY[1..], 0), Err(Refused::Wrong));
    }
}
