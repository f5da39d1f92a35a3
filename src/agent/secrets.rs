//! What scripts may ask for by name, and what must not be seen in a report.
//!
//! Values are handed out one at a time, by name; everything that goes into a report passes
//! [`Secrets::redact`] first. A value shorter than six characters is not masked: it would turn up by
//! chance in harmless text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD};
use ring::hmac;
use url::Url;

use crate::config::{SecretPart, secret_parts};
use crate::domain::Timestamp;

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// The shortest value that is masked, in characters.
pub const SHORTEST_MASKED: usize = 6;

/// Secrets by name.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, String>,
    disguises: Option<AhoCorasick>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// How the text around a secret is written, so that a value cannot break out of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As it is.
    Plain,
    /// Inside a JSON string.
    Json,
}

impl Secrets {
    /// Secrets by name.
    pub fn new(values: BTreeMap<String, String>) -> Self {
        let masked = values.values().filter(|value| value.chars().count() >= SHORTEST_MASKED);
        let forms: BTreeSet<String> = masked.flat_map(|value| disguises(value)).collect();
        let disguises = (!forms.is_empty())
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms))
            .and_then(Result::ok);
        Self { values, disguises }
    }

    /// The value of a secret.
    ///
    /// # Errors
    ///
    /// Says which names there are.
    pub fn value(&self, name: &str) -> Result<&str, String> {
        let unknown = || {
            let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("there is no secret `{name}` in [secrets] of tripline.toml; there is: {known}")
        };
        self.values.get(name).map(String::as_str).ok_or_else(unknown)
    }

    /// `text` with each `${secret.NAME}` replaced.
    ///
    /// # Errors
    ///
    /// Names the secret that is not there.
    pub fn fill(&self, text: &str, place: Place) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        for part in secret_parts(text) {
            match part {
                SecretPart::Plain(text) | SecretPart::Broken(text) => filled.push_str(text),
                SecretPart::Mention(name) => match place {
                    Place::Plain => filled.push_str(self.value(name)?),
                    Place::Json => filled.push_str(&json_escaped(self.value(name)?)),
                },
            }
        }
        Ok(filled)
    }

    /// `text` with every value masked, also where it is percent-encoded, Base64 or JSON.
    pub fn redact(&self, text: &str) -> String {
        match &self.disguises {
            Some(disguises) => {
                let mut masked = String::with_capacity(text.len());
                disguises.replace_all_with(text, &mut masked, |_, _, masked| {
                    masked.push_str(MASK);
                    true
                });
                masked
            }
            None => text.to_owned(),
        }
    }

    /// The one-time password of a stored seed at `now` (RFC 6238). The seed is Base32, for six
    /// digits every 30 seconds by SHA-1, or an `otpauth://` URL that says otherwise.
    ///
    /// # Errors
    ///
    /// When there is no such secret or it is no seed. The message never has the seed.
    pub fn totp(&self, name: &str, now: Timestamp) -> Result<String, String> {
        let seed = Seed::parse(self.value(name)?).map_err(|why| format!("`{name}` {why}"))?;
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        Ok(seed.password(seconds / seed.period))
    }
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The forms in which a value may turn up.
fn disguises(value: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let mut forms = vec![value.to_owned(), json_escaped(value), percent.to_ascii_lowercase()];
    forms.extend([form, percent]);
    for shift in 0..3 {
        forms.extend(base64_within(value, shift));
    }
    forms.retain(|form| form.len() >= SHORTEST_MASKED);
    forms
}

/// The characters that `value` is sure to make in the Base64 of a longer text in which it stands
/// `shift` bytes after a multiple of three.
fn base64_within(value: &str, shift: usize) -> [String; 2] {
    let bytes = [&[0; 2][..shift], value.as_bytes()].concat();
    let first = (shift * 8).div_ceil(6);
    let whole = bytes.len() * 8 / 6;
    [BASE64_NOPAD.encode(&bytes), BASE64URL_NOPAD.encode(&bytes)]
        .map(|text| text.get(first..whole).unwrap_or_default().to_owned())
}

/// A seed of one-time passwords.
struct Seed {
    key: hmac::Key,
    digits: u32,
    period: u64,
}

impl Seed {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(url) = text.trim().starts_with("otpauth:").then(|| Url::parse(text.trim())) else {
            return Self::new(text, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, 6, 30);
        };
        let url = url.map_err(|_| "is no valid otpauth URL")?;
        if url.host_str() != Some("totp") {
            return Err("is an otpauth URL for something other than totp");
        }
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.into_owned())
        };
        let algorithm = match parameter("algorithm").map(|it| it.to_ascii_uppercase()).as_deref() {
            None | Some("SHA1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Some("SHA256") => hmac::HMAC_SHA256,
            Some("SHA512") => hmac::HMAC_SHA512,
            Some(_) => return Err("is an otpauth URL with an unknown algorithm"),
        };
        let number = |name: &str, usual: u64| match parameter(name) {
            None => Some(usual),
            Some(text) => text.parse().ok(),
        };
        let digits = number("digits", 6).filter(|digits| (6..=8).contains(digits));
        let digits = digits.and_then(|digits| u32::try_from(digits).ok());
        let digits = digits.ok_or("is an otpauth URL whose digits are not 6 to 8")?;
        let period = number("period", 30).filter(|period| (1..=3600).contains(period));
        let period = period.ok_or("is an otpauth URL whose period is not 1 to 3600 seconds")?;
        Self::new(&parameter("secret").unwrap_or_default(), algorithm, digits, period)
    }

    fn new(
        base32: &str,
        algorithm: hmac::Algorithm,
        digits: u32,
        period: u64,
    ) -> Result<Self, &'static str> {
        let is_gap = |c: &char| c.is_whitespace() || matches!(c, '-' | '=');
        let text: String = base32.chars().filter(|c| !is_gap(c)).collect();
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        match bytes {
            Ok(bytes) if !bytes.is_empty() => {
                Ok(Self { key: hmac::Key::new(algorithm, &bytes), digits, period })
            }
            _ => Err("is no seed of one-time passwords: neither Base32 nor an otpauth URL"),
        }
    }

    /// The password for a counter (RFC 4226, section 5.3).
    fn password(&self, counter: u64) -> String {
        let tag = hmac::sign(&self.key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag[tag.len() - 1] & 0xf);
        let word =
            tag[offset..offset + 4].iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let number = (word & 0x7fff_ffff) % 10u32.pow(self.digits);
        format!("{number:0width$}", width = self.digits as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Secrets::new(values.iter().map(owned).collect())
    }

    #[test]
    fn a_value_is_masked_in_every_disguise() {
        let value = "p@ss \"wörd\"+1";
        let secrets = secrets(&[("PASSWORD", value), ("PIN", "1234")]);
        let basic = BASE64_NOPAD.encode(format!("alice:{value}").as_bytes());
        let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for text in [value.to_owned(), json_escaped(value), form.clone(), form.replace('+', "%20")]
        {
            assert_eq!(secrets.redact(&format!("a {text} b")), "a *** b");
        }
        let masked = secrets.redact(&basic);
        assert!(masked.contains(MASK) && masked.len() < basic.len() - 12, "{masked}");
        assert_eq!(secrets.redact("1234 stays"), "1234 stays");
        assert!(!format!("{secrets:?}").contains("ss"));
    }

    #[test]
    fn mentions_are_filled_in_for_their_place() {
        let secrets = secrets(&[("TOKEN", "a\"b")]);
        assert_eq!(
            secrets.fill("Bearer ${secret.TOKEN}!", Place::Plain).as_deref(),
            Ok("Bearer a\"b!")
        );
        assert_eq!(
            secrets.fill("{\"t\":\"${secret.TOKEN}\"}", Place::Json).as_deref(),
            Ok(r#"{"t":"a\"b"}"#)
        );
        let error = secrets.fill("${secret.OTHER}", Place::Plain).expect_err("there is none");
        assert!(error.contains("`OTHER`") && error.contains("TOKEN"));
    }

    /// The vectors of RFC 6238, appendix B.
    #[test]
    fn one_time_passwords_are_those_of_the_rfc() {
        let url = |algorithm: &str, seed: &str| {
            let seed = BASE32_NOPAD.encode(seed.as_bytes());
            format!("otpauth://totp/x?secret={seed}&digits=8&algorithm={algorithm}")
        };
        let ten = "1234567890";
        let (sha256, sha512) = (format!("{ten}{ten}{ten}12"), ten.repeat(6) + "1234");
        let secrets = secrets(&[
            ("SHA1", &url("SHA1", &ten.repeat(2))),
            ("SHA256", &url("SHA256", &sha256)),
            ("SHA512", &url("SHA512", &sha512)),
            ("PLAIN", "gezd gnbv-gy3t qojq GEZDGNBVGY3TQOJQ===="),
            ("BAD", "not base32!"),
        ]);
        let totp = |name: &str, at: i64| {
            secrets.totp(name, Timestamp::from_timestamp(at, 0).expect("in range"))
        };
        let vectors = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (at, sha1, sha256, sha512) in vectors {
            assert_eq!(totp("SHA1", at).as_deref(), Ok(sha1));
            assert_eq!(totp("SHA256", at).as_deref(), Ok(sha256));
            assert_eq!(totp("SHA512", at).as_deref(), Ok(sha512));
        }
        assert_eq!(totp("PLAIN", 59).as_deref(), Ok("287082"));
        let error = totp("BAD", 59).expect_err("no seed");
        assert!(!error.contains("not base32!"), "{error}");
    }
}
