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

/// How many claims are remembered of which nobody knows what became of them.
const MOST_CLAIMS: usize = 8;

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The instances that used it before and may have the agent's name, the oldest first.
    before: Vec<Uuid>,
    /// Held while this lives.
    lock: File,
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
        let before = fs::read_to_string(path.join("instance")).unwrap_or_default();
        let before = before.lines().filter_map(|line| line.trim().parse().ok()).collect();
        Ok(Self { path, before, lock })
    }

    /// The instances that used it before and may have the agent's name, the latest first. None of
    /// them can live any more.
    pub(super) fn before(&self) -> impl Iterator<Item = Uuid> {
        self.before.iter().rev().copied()
    }

    /// Notes that `instance` is about to claim the agent's name: whoever comes after a crash cannot
    /// know whether it got it.
    pub(super) fn note_claim(&self, instance: Uuid) {
        let surplus = (self.before.len() + 1).saturating_sub(MOST_CLAIMS);
        let before = self.before.iter().skip(surplus).copied();
        self.note(before.chain([instance]));
    }

    /// Notes that `instance` has the agent's name.
    pub(super) fn note_grant(&self, instance: Uuid) {
        self.note([instance]);
    }

    fn note(&self, instances: impl IntoIterator<Item = Uuid>) {
        let lines = instances.into_iter().map(|instance| format!("{instance}\n"));
        let (file, fresh) = (self.path.join("instance"), self.path.join("instance.new"));
        // A crash on the way leaves what was noted before.
        let noted = fs::write(&fresh, lines.collect::<String>());
        if let Err(error) = noted.and_then(|()| fs::rename(&fresh, &file)) {
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

impl Drop for Folder {
    fn drop(&mut self) {
        // A child that is being started has the file open until it is another program.
        self.lock.unlock().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_have_the_name_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = || Folder::take(folder.path().to_owned()).expect("it is free");
        let before = |folder: &Folder| folder.before().collect::<Vec<_>>();
        let instances: Vec<Uuid> = (1..=20).map(Uuid::from_u128).collect();

        let first = take();
        assert!(before(&first).is_empty());
        first.note_claim(instances[0]);
        first.note_grant(instances[0]);
        assert!(matches!(Folder::take(folder.path().to_owned()), Err(FolderError::Taken(_))));
        drop(first);
        // It claims the name and is gone before it hears whether it has it.
        let second = take();
        assert_eq!(before(&second), [instances[0]]);
        second.note_claim(instances[1]);
        drop(second);
        let third = take();
        assert_eq!(before(&third), [instances[1], instances[0]]);
        third.note_claim(instances[2]);
        third.note_grant(instances[2]);
        drop(third);
        assert_eq!(before(&take()), [instances[2]]);

        for instance in &instances {
            take().note_claim(*instance);
        }
        let latest: Vec<Uuid> = instances.iter().rev().take(MOST_CLAIMS).copied().collect();
        assert_eq!(before(&take()), latest);
    }
}
