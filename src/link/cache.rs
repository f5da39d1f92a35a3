//! What an agent is to run, on its disk, for a start without the hub.
//!
//! It holds values of secrets, so it is encrypted (ChaCha20-Poly1305) with a key that follows from
//! the token and a salt, both new with each writing, and only its owner may read the file. Whatever
//! cannot be opened is as good as none.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::protocol::Assignments;
use super::token::Token;

/// What the file begins with: a name and the version of its form.
const HEAD: &[u8; 8] = b"TRPLAGT\x01";
const SALT: usize = 16;
const PURPOSE: &str = "tripline agent cache";

/// Assignments with the texts of their modules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cached {
    /// What to run.
    pub assignments: Assignments,
    /// The text of each module, by its hash.
    pub modules: BTreeMap<String, String>,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It was not written with this token, or is damaged.
    #[error("it was written with another token, or is damaged")]
    Sealed,
    /// What is in it is not understood.
    #[error("it was written by another version")]
    Foreign,
}

/// The file.
#[derive(Debug, Clone)]
pub struct Cache {
    path: PathBuf,
}

impl Cache {
    /// The cache in the file `path`, which need not be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Writes it anew; a crash on the way leaves the old one.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or there are no random numbers.
    pub fn write(&self, cached: &Cached, token: &Token) -> io::Result<()> {
        let plain = serde_json::to_vec(cached)?;
        let sealed = seal(plain, token).ok_or_else(|| io::Error::other("no random numbers"))?;
        let fresh = self.path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Reads it; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is nothing to be had from it.
    pub fn read(&self, token: &Token) -> Result<Option<Cached>, Error> {
        let sealed = match fs::read(&self.path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let plain = open(sealed, token)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| Error::Foreign)
    }

    /// Removes it, because the agent may not have it any more.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn key(token: &Token, salt: &[u8]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &token.derive(salt, PURPOSE));
    LessSafeKey::new(key.expect("a key of 32 bytes fits"))
}

fn seal(mut plain: Vec<u8>, token: &Token) -> Option<Vec<u8>> {
    let random = SystemRandom::new();
    let (mut salt, mut nonce) = ([0; SALT], [0; NONCE_LEN]);
    random.fill(&mut salt).ok()?;
    random.fill(&mut nonce).ok()?;
    let unique = Nonce::assume_unique_for_key(nonce);
    key(token, &salt).seal_in_place_append_tag(unique, Aad::from(HEAD), &mut plain).ok()?;
    Some([HEAD.as_slice(), &salt, &nonce, &plain].concat())
}

fn open(mut sealed: Vec<u8>, token: &Token) -> Result<Vec<u8>, Error> {
    let (head, rest) = sealed.split_at_mut_checked(HEAD.len()).ok_or(Error::Sealed)?;
    if head != HEAD {
        return Err(Error::Foreign);
    }
    let (salt, rest) = rest.split_at_mut_checked(SALT).ok_or(Error::Sealed)?;
    let (nonce, rest) = rest.split_at_mut_checked(NONCE_LEN).ok_or(Error::Sealed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
    let plain = key(token, salt).open_in_place(nonce, Aad::from(HEAD), rest);
    plain.map(|plain| plain.to_vec()).map_err(|_| Error::Sealed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn cached() -> Cached {
        Cached {
            assignments: Assignments {
                revision: "1-2".into(),
                region: "eu".into(),
                checks: Vec::new(),
                modules: Vec::new(),
                secrets: [("PASSWORD".to_owned(), "correct horse".to_owned())].into(),
                control: vec!["https://one.example/".into()],
            },
            modules: BTreeMap::new(),
        }
    }

    #[test]
    fn it_opens_with_its_token_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("assignments"));
        let token = Token::generate().expect("random numbers");
        assert!(matches!(cache.read(&token), Ok(None)));
        cache.write(&cached(), &token).expect("written");
        cache.write(&cached(), &token).expect("written again");
        assert_eq!(cache.read(&token).expect("readable"), Some(cached()));
        let other = Token::generate().expect("random numbers");
        assert!(matches!(cache.read(&other), Err(Error::Sealed)));

        let mode = fs::metadata(&cache.path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = fs::read(&cache.path).expect("readable");
        assert!(!bytes.windows(7).any(|window| window == b"correct"));
        cache.remove().expect("removed");
        cache.remove().expect("gone already");
        assert!(matches!(cache.read(&token), Ok(None)));
    }

    #[test]
    fn a_damaged_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("assignments"));
        let token = Token::generate().expect("random numbers");
        cache.write(&cached(), &token).expect("written");
        let good = fs::read(&cache.path).expect("readable");
        for length in [0, 5, 9, 30, 40, good.len() - 1] {
            fs::write(&cache.path, &good[..length]).expect("written");
            assert!(cache.read(&token).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        assert!(!format!("{:?}", cached()).contains("correct horse"));
    }
}
