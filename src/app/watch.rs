//! Notices that files of the project changed.
//!
//! It says only that something changed; what that means is found out by reading the project again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use file_watcher::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Editors write a file in several steps; a change is reported when it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(250);
/// How often a file or folder that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Watches a project folder as long as it lives.
///
/// The settings file is watched itself and not through its folder, because the store may lie beside
/// it: every commit would be a change of the folder.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    targets: [Target; 2],
    changed: Arc<Notify>,
    noticed: bool,
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    mode: RecursiveMode,
    armed: bool,
}

impl Watch {
    /// Watches `tripline.toml` and `checks/` below `root`.
    ///
    /// # Errors
    ///
    /// When the system cannot watch files; the daemon then reloads on SIGHUP only.
    pub fn start(root: &Path) -> Result<Self, file_watcher::Error> {
        let changed = Arc::new(Notify::new());
        let noticed = Arc::clone(&changed);
        let watcher = file_watcher::recommended_watcher(move |event| {
            if is_change(&event) {
                noticed.notify_one();
            }
        })?;
        let target = |name, mode| Target { path: root.join(name), mode, armed: false };
        let targets = [
            target("tripline.toml", RecursiveMode::NonRecursive),
            target("checks", RecursiveMode::Recursive),
        ];
        let mut watch = Self { watcher, targets, changed, noticed: false };
        watch.arm()?;
        Ok(watch)
    }

    /// Waits until the project has changed and been quiet for a moment. A change that was noticed by
    /// a call that was dropped is told by the next.
    ///
    /// # Errors
    ///
    /// When the system cannot watch the project any more.
    pub async fn changed(&mut self) -> Result<(), file_watcher::Error> {
        while !self.noticed {
            let found = self.arm()?;
            let change = self.changed.notified();
            if found || tokio::time::timeout(LOOK_AGAIN, change).await.is_ok() {
                self.noticed = true;
            }
        }
        while tokio::time::timeout(QUIET, self.changed.notified()).await.is_ok() {}
        // A file that was replaced is another file, which is not watched yet. Whoever is told of
        // the change reads after this, so nothing written in between is missed.
        for target in &mut self.targets {
            let _ = self.watcher.unwatch(&target.path);
            target.armed = false;
        }
        self.arm()?;
        self.noticed = false;
        Ok(())
    }

    /// Watches what is there and was not watched; whether there was such.
    fn arm(&mut self) -> Result<bool, file_watcher::Error> {
        let mut found = false;
        for target in self.targets.iter_mut().filter(|target| !target.armed) {
            if target.path.exists() {
                match self.watcher.watch(&target.path, target.mode) {
                    Err(error) if !matches!(error.kind, ErrorKind::PathNotFound) => {
                        return Err(error);
                    }
                    watched => target.armed = watched.is_ok(),
                }
                found |= target.armed;
            }
        }
        Ok(found)
    }
}

/// Whether something may read differently now. Where events were lost, reading the project once too
/// often does no harm.
fn is_change(event: &Result<Event, file_watcher::Error>) -> bool {
    !matches!(event, Ok(event) if matches!(event.kind, EventKind::Access(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough for any machine; the tests end when they are told.
    const EVENTUALLY: Duration = Duration::from_secs(20);

    async fn is_noticed(watch: &mut Watch) -> bool {
        matches!(tokio::time::timeout(EVENTUALLY, watch.changed()).await, Ok(Ok(())))
    }

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("checks")).expect("a folder");
        std::fs::write(folder.path().join("tripline.toml"), "").expect("a file");
        folder
    }

    #[tokio::test]
    async fn a_saved_file_is_noticed() {
        let folder = project();
        let mut watch = Watch::start(folder.path()).expect("files can be watched");
        std::fs::write(folder.path().join("checks/a.js"), "export {}").expect("a file");
        assert!(is_noticed(&mut watch).await);
        std::fs::write(folder.path().join("tripline.toml"), "[hub]").expect("a file");
        assert!(is_noticed(&mut watch).await);
    }

    #[tokio::test]
    async fn settings_that_are_replaced_are_noticed_every_time() {
        let folder = project();
        let (new, settings) = (folder.path().join("new"), folder.path().join("tripline.toml"));
        let mut watch = Watch::start(folder.path()).expect("files can be watched");
        for text in ["[hub]", "[store]"] {
            std::fs::write(&new, text).expect("a file");
            std::fs::rename(&new, &settings).expect("a file is replaced");
            assert!(is_noticed(&mut watch).await, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_comes_later_is_noticed() {
        let folder = project();
        let checks = folder.path().join("checks");
        std::fs::remove_dir(&checks).expect("a folder");
        let mut watch = Watch::start(folder.path()).expect("files can be watched");
        std::fs::create_dir(&checks).expect("a folder");
        watch.changed().await.expect("files can be watched");
        assert!(watch.targets.iter().all(|target| target.armed));
    }
}
