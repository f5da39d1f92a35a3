//! Passwords and their hashes: argon2id (RFC 9106), written as PHC strings.
//!
//! A hash is read from the project and says by itself how much work it is to compare a password with it; what is
//! too little work to hold, or so much that asking would exhaust the machine, is refused when it is read. Comparing
//! blocks a processor for tens of milliseconds and needs the memory that the hash says, so callers keep it off the
//! runtime's thread and bound how many do it at a time. Neither a password nor a hash shows in `Debug`.
//! Source: <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>.

use std::fmt;
use std::ops::RangeInclusive;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, Params};
use ring::rand::{SecureRandom as _, SystemRandom};

/// How much memory one comparison may take, in KiB.
const MEMORY: RangeInclusive<u32> = 7 * 1024..=128 * 1024;
/// How often it passes over that memory.
const PASSES: RangeInclusive<u32> = 1..=16;
/// The least memory times passes, in KiB: less is guessed too fast.
const LEAST_WORK: u32 = 35 * 1024;
/// The shortest salt and the shortest hash, in bytes.
const SHORTEST: (usize, usize) = (8, 16);

/// The shortest password that is hashed, in characters (NIST SP 800-63B).
pub const SHORTEST_PASSWORD: usize = 8;
/// The longest password that is hashed or compared, in bytes.
pub const LONGEST_PASSWORD: usize = 1024;

/// What passwords are compared with.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(PasswordHash);

/// Why a text is no hash of a password that can be used; the text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is something else.
    #[error(
        "it is no hash of a password; one begins with `$argon2id$` and is printed by `tripline user hash`"
    )]
    Foreign,
    /// It is a hash of another kind.
    #[error(
        "it is not of the kind argon2id, the only one that is taken; `tripline user hash` makes one"
    )]
    Kind,
    /// It is guessed too fast.
    #[error(
        "it is too weak: {memory} KiB of memory and {passes} passes are guessed too fast; \
         `tripline user hash` makes one of 19456 KiB and 2 passes"
    )]
    Weak {
        /// Its memory in KiB.
        memory: u32,
        /// Its passes.
        passes: u32,
    },
    /// It would take too much of this machine.
    #[error(
        "it asks for {memory} KiB of memory and {passes} passes; at most 131072 KiB and 16 passes are \
         possible, since everybody can make the hub compare passwords"
    )]
    Heavy {
        /// Its memory in KiB.
        memory: u32,
        /// Its passes.
        passes: u32,
    },
}

/// Why no hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmade {
    /// It would be guessed.
    #[error("the password has fewer than {SHORTEST_PASSWORD} characters; take a longer one")]
    Short,
    /// It is endless.
    #[error("the password has more than {LONGEST_PASSWORD} bytes")]
    Long,
    /// The system has no random numbers.
    #[error("this system gives no random numbers")]
    NoRandomness,
}

impl Hash {
    /// Reads a PHC string.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let hash = PasswordHash::new(text.trim()).map_err(|_| Unfit::Foreign)?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err(Unfit::Kind);
        }
        let params = Params::try_from(&hash).map_err(|_| Unfit::Foreign)?;
        let (memory, passes) = (params.m_cost(), params.t_cost());
        if memory > *MEMORY.end() || passes > *PASSES.end() {
            return Err(Unfit::Heavy { memory, passes });
        }
        let lengths = (hash.salt.map(|it| it.len()), hash.hash.map(|it| it.len()));
        let (Some(salt), Some(output)) = lengths else { return Err(Unfit::Foreign) };
        let is_short = salt < SHORTEST.0 || output < SHORTEST.1;
        if is_short || memory < *MEMORY.start() || memory.saturating_mul(passes) < LEAST_WORK {
            return Err(Unfit::Weak { memory, passes });
        }
        Ok(Self(hash))
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    ///
    /// [`Unmade`].
    pub fn of(password: &str) -> Result<Self, Unmade> {
        if password.chars().count() < SHORTEST_PASSWORD {
            return Err(Unmade::Short);
        }
        if password.len() > LONGEST_PASSWORD {
            return Err(Unmade::Long);
        }
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).map_err(|_| Unmade::NoRandomness)?;
        // The parameters that OWASP recommends first are the library's own.
        let bytes = password.as_bytes();
        let hashed = Argon2::default().hash_password_with_params(bytes, &salt, Params::default());
        // The parameters are the library's own, and salt and password have fit lengths.
        hashed.map(Self).map_err(|_| Unmade::Long)
    }

    /// Whether it is the hash of `password`. Takes as long when it is not.
    pub fn is_of(&self, password: &str) -> bool {
        password.len() <= LONGEST_PASSWORD
            && Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }

    /// The hash as it is written in a project.
    pub fn expose(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash() {
        let hash = Hash::of("correct horse").expect("made");
        let written = hash.expose();
        assert!(written.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{written}");
        let read = Hash::parse(&format!("{written}\n")).expect("fit");
        assert!(read.is_of("correct horse"));
        assert!(!read.is_of("correct horsf"));
        assert!(!read.is_of(""));
        assert!(!format!("{read:?}").contains("argon2"));
        assert_ne!(hash, Hash::of("correct horse").expect("made"), "its salt is another");
    }

    #[test]
    fn what_holds_nothing_or_asks_too_much_is_refused() {
        let tail = "c2FsdHNhbHRzYWx0$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
        let read = |params: &str| Hash::parse(&format!("$argon2id$v=19${params}${tail}")).err();
        assert_eq!(read("m=19456,t=2,p=1"), None);
        assert_eq!(read("m=65536,t=3,p=4"), None);
        assert_eq!(read("m=4096,t=3,p=1"), Some(Unfit::Weak { memory: 4096, passes: 3 }));
        assert_eq!(read("m=19456,t=1,p=1"), Some(Unfit::Weak { memory: 19456, passes: 1 }));
        assert_eq!(read("m=1048576,t=1,p=1"), Some(Unfit::Heavy { memory: 1_048_576, passes: 1 }));
        assert_eq!(read("m=19456,t=99,p=1"), Some(Unfit::Heavy { memory: 19456, passes: 99 }));
        for text in ["", "hunter2", "$2b$12$abc", "$argon2id$v=19$m=19456,t=2,p=1$"] {
            assert_eq!(Hash::parse(text).err(), Some(Unfit::Foreign), "{text}");
        }
        let other = format!("$argon2i$v=19$m=65536,t=3,p=1${tail}");
        assert_eq!(Hash::parse(&other).err(), Some(Unfit::Kind));
    }

    #[test]
    fn a_password_that_would_be_guessed_is_not_hashed() {
        assert_eq!(Hash::of("1234567").err(), Some(Unmade::Short));
        assert_eq!(Hash::of(&"x".repeat(1025)).err(), Some(Unmade::Long));
    }
}
