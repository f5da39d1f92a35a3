//! Notices that files of the project changed.
//!
//! It says only that something changed; what that means is found out by reading the project again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use file_watcher::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Editors write a file in several steps; a change is reported when it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(250);

/// Watches a project folder as long as it lives.
#[derive(Debug)]
pub struct Watch {
    _watcher: RecommendedWatcher,
    changed: Arc<Notify>,
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
        let base = root.to_owned();
        let mut watcher = file_watcher::recommended_watcher(move |event| {
            if matches_project(&base, &event) {
                noticed.notify_one();
            }
        })?;
        watcher.watch(root, RecursiveMode::NonRecursive)?;
        let checks = root.join("checks");
        if checks.is_dir() {
            watcher.watch(&checks, RecursiveMode::Recursive)?;
        }
        Ok(Self { _watcher: watcher, changed })
    }

    /// Waits until the project has changed and been quiet for a moment.
    pub async fn changed(&self) {
        self.changed.notified().await;
        while tokio::time::timeout(QUIET, self.changed.notified()).await.is_ok() {}
    }
}

fn matches_project(root: &Path, event: &Result<Event, file_watcher::Error>) -> bool {
    let Ok(event) = event else {
        // Events were lost; reading the project once too often does no harm.
        return true;
    };
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    event.paths.iter().any(|path| is_part_of_project(root, path))
}

fn is_part_of_project(root: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(root) else { return false };
    below == Path::new("tripline.toml") || below.starts_with("checks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_project_counts() {
        let counts = |path: &str| is_part_of_project(Path::new("/p"), Path::new(path));
        assert!(counts("/p/tripline.toml") && counts("/p/checks/lib/a.js") && counts("/p/checks"));
        assert!(!counts("/p/tripline.db-wal") && !counts("/p/.tripline.toml.swp"));
    }

    #[tokio::test]
    async fn a_saved_file_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("checks")).expect("a folder");
        let watch = Watch::start(folder.path()).expect("files can be watched");
        std::fs::write(folder.path().join("checks/a.js"), "export {}").expect("a file");
        let noticed = tokio::time::timeout(Duration::from_secs(20), watch.changed()).await;
        assert!(noticed.is_ok());
    }
}
