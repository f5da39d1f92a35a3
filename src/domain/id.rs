//! Names and numbers that identify things.
//!
//! Each is a type of its own, so that a region cannot be passed where a check is meant.

use std::fmt;

use super::Timestamp;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than [`MAX_NAME`] bytes.
    #[error("a name has at most {MAX_NAME} characters, this one has {0}")]
    TooLong(usize),
    /// The name has a character outside `a-z A-Z 0-9 . _ - /`.
    #[error("`{0}` is not allowed in a name; use letters, digits, `.`, `_`, `-` and `/`")]
    Character(char),
}

/// The longest name of a check, region, person, team, policy or target, in bytes.
pub const MAX_NAME: usize = 128;

/// Checks that `name` can stand in a URL path, a metric name and a log line without quoting.
///
/// # Errors
///
/// [`NameError`] says which rule was broken.
pub fn validate_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong(name.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    match name.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(NameError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Wraps a validated name.
            ///
            /// # Errors
            ///
            /// [`NameError`] when the name breaks the rules of [`validate_name`].
            pub fn new(name: &str) -> Result<Self, NameError> {
                validate_name(name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name of a check: its path below `checks/` without the ending, such as `shop/login`,
    /// or the `id` of a `[[check]]` in `tripline.toml`.
    CheckId
}
name! {
    /// The name of a place from which checks run, such as `eu-west-1`.
    Region
}
name! {
    /// The name of a person in `[people]`.
    PersonId
}

/// Identifies one run: the first 48 bits are the slot's time in milliseconds since the Unix epoch,
/// the rest a hash of check and region. The same slot always has the same id, so a report that
/// arrives twice is recognised, and ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub uuid::Uuid);

impl RunId {
    /// The id of the run at `at` of what `parts` name.
    pub fn at(at: Timestamp, parts: &[&str]) -> Self {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        let random = u128::from(stable_hash(parts)) << 10 & ((1 << 74) - 1);
        // UUID version 8, variant 1 (RFC 9562, section 5.8).
        let value = (u128::from(millis) & 0xffff_ffff_ffff) << 80
            | 0x8 << 76
            | (random >> 62 & 0xfff) << 64
            | 0b10 << 62
            | random & ((1 << 62) - 1);
        Self(uuid::Uuid::from_u128(value))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an incident, counted from 1 by the store; short enough to say on the telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(pub i64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a notification, counted by the store in the order in which they were owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationId(pub i64);

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The 64-bit FNV-1a hash of `parts`, each followed by a zero byte so that `["ab", "c"]` and
/// `["a", "bc"]` differ. Stable across versions and machines: hub and agents must agree on it.
///
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub fn stable_hash(parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain(std::iter::once(0)));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // FNV leaves the low bits of short inputs poorly mixed; a finaliser (MurmurHash3's fmix64)
    // spreads them, since phases are taken modulo the interval.
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_to_print_anywhere() {
        assert!(CheckId::new("shop/login-2.eu_x").is_ok());
        assert_eq!(CheckId::new(""), Err(NameError::Empty));
        assert_eq!(Region::new("eu west"), Err(NameError::Character(' ')));
        assert_eq!(Region::new("<b>"), Err(NameError::Character('<')));
        assert_eq!(Region::new(&"x".repeat(129)), Err(NameError::TooLong(129)));
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(stable_hash(&["login", "eu-west-1"]), 706_277_946_753_956_390);
        assert_ne!(stable_hash(&["ab", "c"]), stable_hash(&["a", "bc"]));
    }
}
