//! The folder in which an agent keeps what it must not forget, held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another agent uses it.
    #[error("the folder {0} is in use by another agent; give each its own with --data-dir")]
    Taken(PathBuf),
    /// It cannot be made or written.
    #[error("failed to use the folder {path}: {source}; choose another with --data-dir")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The instance that used it before.
    before: Option<Uuid>,
    /// Held while the process lives.
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process; makes it if there is none.
    pub(super) fn take(path: PathBuf) -> Result<Self, FolderError> {
        let broken = |source| FolderError::Unusable { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(broken)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join("lock")).map_err(broken)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Taken(path)),
            Err(TryLockError::Error(error)) => return Err(broken(error)),
        }
        let before = fs::read_to_string(path.join("instance"));
        let before = before.ok().and_then(|text| text.trim().parse().ok());
        Ok(Self { path, before, _lock: lock })
    }

    /// The instance that used it before, which cannot live any more.
    pub(super) fn before(&self) -> Option<Uuid> {
        self.before
    }

    /// Notes that `instance` has the agent's name.
    pub(super) fn note_instance(&self, instance: Uuid) {
        let file = self.path.join("instance");
        if let Err(error) = fs::write(file, instance.to_string()) {
            tracing::warn!(%error, "after a crash this agent has to wait for its name");
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the spool.
    pub(super) fn spool(&self) -> PathBuf {
        self.path.join("spool.db")
    }

    /// The file of the cache.
    pub(super) fn cache(&self) -> PathBuf {
        self.path.join("assignments")
    }
}
