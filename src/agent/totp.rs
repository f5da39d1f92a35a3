//! Time-based one-time passwords (RFC 6238), for sign-ins with a second factor.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use url::Url;

use crate::domain::Timestamp;

/// What a one-time password is made from.
pub struct Seed {
    key: hmac::Key,
    digits: u32,
    /// How long a password is valid, in seconds.
    period: u64,
}

/// Why a text is no seed. The text itself is a secret and is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// It is neither base32 nor an `otpauth` URL.
    #[error("a seed is written in base32, or as an `otpauth://totp/...` URL")]
    Base32,
    /// The URL is for passwords by counter.
    #[error("the `otpauth` URL is not one for time-based passwords (`totp`)")]
    NotTotp,
    /// The URL has no `secret`, or says something of the rest that cannot be.
    #[error("the `otpauth` URL has no usable `{0}`")]
    Parameter(&'static str),
}

impl Seed {
    /// Reads a seed: base32 in any case, blanks and dashes ignored, or an `otpauth://totp/` URL.
    /// SHA-1, 6 digits and 30 seconds unless the URL says otherwise.
    ///
    /// Source of the URL: <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>.
    ///
    /// # Errors
    ///
    /// [`SeedError`] says what is wrong without showing the text.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let text = text.trim();
        let is_url = text.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("otpauth://"));
        if is_url { Self::parse_url(text) } else { Self::new(text, SHA1, 6, 30) }
    }

    fn parse_url(text: &str) -> Result<Self, SeedError> {
        let url = Url::parse(text).map_err(|_| SeedError::Base32)?;
        if !url.host_str().is_some_and(|kind| kind.eq_ignore_ascii_case("totp")) {
            return Err(SeedError::NotTotp);
        }
        let parameter = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let algorithm = match parameter("algorithm").map(|name| name.to_ascii_uppercase()) {
            None => SHA1,
            Some(name) => match name.as_str() {
                "SHA1" | "SHA-1" => SHA1,
                "SHA256" | "SHA-256" => hmac::HMAC_SHA256,
                "SHA512" | "SHA-512" => hmac::HMAC_SHA512,
                _ => return Err(SeedError::Parameter("algorithm")),
            },
        };
        let digits = number(parameter("digits"), 6, 1, 9).ok_or(SeedError::Parameter("digits"))?;
        let digits = u32::try_from(digits).unwrap_or(6);
        let period =
            number(parameter("period"), 30, 1, 86_400).ok_or(SeedError::Parameter("period"))?;
        let secret = parameter("secret").ok_or(SeedError::Parameter("secret"))?;
        Self::new(&secret, algorithm, digits, period).map_err(|_| SeedError::Parameter("secret"))
    }

    fn new(
        base32: &str,
        algorithm: hmac::Algorithm,
        digits: u32,
        period: u64,
    ) -> Result<Self, SeedError> {
        let letters: String = base32
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '='))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        // Seeds are often random letters, whose number need not fill whole bytes: the bits that are
        // left over mean nothing, as in all authenticator apps.
        let mut lenient = BASE32_NOPAD.specification();
        lenient.check_trailing_bits = false;
        let encoding = lenient.encoding().map_err(|_| SeedError::Base32)?;
        match encoding.decode(letters.as_bytes()) {
            Ok(key) if !key.is_empty() => {
                Ok(Self { key: hmac::Key::new(algorithm, &key), digits, period })
            }
            _ => Err(SeedError::Base32),
        }
    }

    /// The password at a moment.
    pub fn password(&self, at: Timestamp) -> String {
        let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
        let tag = hmac::sign(&self.key, &(seconds / self.period).to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226, section 5.3: the low bits of the last byte say where the number stands.
        let offset = usize::from(tag[tag.len() - 1] & 0x0f);
        let number = tag[offset..offset + 4].iter().fold(0_u32, |sum, b| sum << 8 | u32::from(*b));
        let password = (number & 0x7fff_ffff) % 10_u32.pow(self.digits);
        format!("{password:0width$}", width = self.digits as usize)
    }
}

const SHA1: hmac::Algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;

/// A number within bounds: `default` when there is no text, `None` when the text is no such number.
fn number(text: Option<String>, default: u64, least: u64, most: u64) -> Option<u64> {
    let Some(text) = text else { return Some(default) };
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    fn password(seed: &str, seconds: i64) -> String {
        Seed::parse(seed).expect("a seed").password(at(seconds))
    }

    /// RFC 6238, appendix B.
    #[test]
    fn passwords_are_those_of_the_standard() {
        let url = |algorithm: &str, key: &str| {
            let secret = BASE32_NOPAD.encode(key.as_bytes());
            format!("otpauth://totp/Shop:ana?secret={secret}&algorithm={algorithm}&digits=8")
        };
        let digits = "12345678901234567890";
        let sha1 = url("SHA1", digits);
        let sha256 = url("SHA256", "12345678901234567890123456789012");
        let sha512 = url("SHA512", &format!("{digits}{digits}{digits}1234"));
        let table = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (seconds, one, two, five) in table {
            assert_eq!(password(&sha1, seconds), one);
            assert_eq!(password(&sha256, seconds), two);
            assert_eq!(password(&sha512, seconds), five);
        }
    }

    #[test]
    fn seeds_are_read_as_people_write_them() {
        let spelled = "gezd gnbv-GY3T qojq GEZDGNBVGY3TQOJQ====";
        assert_eq!(password(spelled, 59), "287082");
        // 26 letters are 16 bytes and 2 bits.
        let random = ["GEZDGNBVGY3TQOJQGEZDGNBVGB", "GEZDGNBVGY3TQOJQGEZDGNBVGA"];
        assert_eq!(password(random[0], 59), password(random[1], 59));
        let slow = "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&period=60";
        assert_eq!(password(slow, 119), "287082");
        let error = |text| Seed::parse(text).expect_err("no seed");
        assert_eq!(error("not base 32!"), SeedError::Base32);
        assert_eq!(error(""), SeedError::Base32);
        assert_eq!(error("otpauth://hotp/x?secret=GEZDGNBV"), SeedError::NotTotp);
        assert_eq!(error("otpauth://totp/x"), SeedError::Parameter("secret"));
        let digits = error("otpauth://totp/x?secret=GEZDGNBV&digits=99");
        assert_eq!(digits, SeedError::Parameter("digits"));
        let period = error("otpauth://totp/x?secret=GEZDGNBV&period=0");
        assert_eq!(period, SeedError::Parameter("period"));
    }
}
