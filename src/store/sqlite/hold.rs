//! The hold on a store: one process at a time writes it.
//!
//! The operating system's lock on a file beside the store, so it ends with the process, however
//! that ends. The file says who holds it; it is never removed, because a process that waits for it
//! and one that makes it anew would each hold a lock of their own.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{beside, failed};
use crate::domain::Timestamp;
use crate::store::Error;

/// Who opens a store, for the message to the next one who tries.
#[derive(Debug, Clone)]
pub struct Holder {
    /// What runs, such as `tripline up`.
    pub command: String,
    /// Since when.
    pub since: Timestamp,
}

/// The hold itself; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hold(File);

/// A line this long is not ours.
const LONGEST: u64 = 500;

impl Hold {
    /// Takes the hold or says who has it.
    pub(super) fn take(store: &Path, holder: &Holder) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(beside(store, ".lock"));
        let file = file.map_err(|error| failed("lock the store")(error.into()))?;
        Self::lock(file, store, holder)
    }

    /// The same of a store that is only read, and has nothing beside it made: nobody holds one that
    /// nobody ever held, or that nobody may write.
    pub(super) fn take_for_reading(store: &Path, holder: &Holder) -> Result<Option<Self>, Error> {
        match OpenOptions::new().read(true).write(true).open(beside(store, ".lock")) {
            Ok(file) => Self::lock(file, store, holder).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // Whoever may only read it may still ask whether somebody holds it.
            Err(_) => match File::open(beside(store, ".lock")) {
                Ok(mut file) if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) => {
                    Err(locked(&mut file, store))
                }
                Ok(_) => Ok(None),
                Err(error) => Err(failed("lock the store")(error.into())),
            },
        }
    }

    fn lock(mut file: File, store: &Path, holder: &Holder) -> Result<Self, Error> {
        let broken = |error: std::io::Error| failed("lock the store")(error.into());
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(locked(&mut file, store));
            }
            Err(TryLockError::Error(error)) => return Err(broken(error)),
        }
        file.set_len(0).map_err(broken)?;
        file.write_all(describe(holder).as_bytes()).map_err(broken)?;
        Ok(Self(file))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // So that the file does not name a process that is gone.
        self.0.set_len(0).ok();
        // A child that is being started has the file open until it is another program.
        self.0.unlock().ok();
    }
}

fn locked(file: &mut File, store: &Path) -> Error {
    Error::Locked { path: store.display().to_string(), holder: read_holder(file) }
}

fn describe(holder: &Holder) -> String {
    let Holder { command, since } = holder;
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let since = since.format("%Y-%m-%d %H:%M:%S UTC");
    format!("{} ({command} on {host}, since {since})", std::process::id())
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| Read::by_ref(file).take(LONGEST).read_to_string(&mut text));
    match read {
        Ok(length) if length > 0 => text.trim().to_owned(),
        _ => "(it did not say which)".to_owned(),
    }
}
