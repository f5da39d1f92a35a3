//! A wall clock that a program is made to see, and that jumps when told to, by libfaketime. What
//! measures durations goes on as before.

use std::fs;
use std::path::{Path, PathBuf};

use tripline::domain::Timestamp;

use super::skip::skipped;

/// A clock that some programs see.
#[derive(Debug)]
pub(crate) struct Wall {
    library: PathBuf,
    file: PathBuf,
}

impl Wall {
    /// A clock that is right at first; `folder` is for its file. None, and a line on standard error,
    /// where libfaketime is missing.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let library = libraries
            .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists());
        let Some(library) = library else {
            skipped(
                "no clock to set",
                "libfaketime is missing (Debian: `apt-get install faketime`)",
            );
            return None;
        };
        let wall = Self { library, file: folder.join("wall-clock") };
        wall.set("+0");
        Some(wall)
    }

    /// What a program's environment must hold so that it sees this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let library = self.library.display().to_string();
        let file = self.file.display().to_string();
        [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            // Moments in the file are of the local time.
            ("TZ", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Stops it at a moment, until it is set again.
    pub(crate) fn stop_at(&self, moment: Timestamp) {
        self.set(&moment.format("%Y-%m-%d %H:%M:%S%.3f").to_string());
    }

    /// Sets it off by so much, such as `+1h` or `-90s`.
    pub(crate) fn set(&self, offset: &str) {
        // In one go: who reads it must not see half of it.
        let next = self.file.with_extension("next");
        fs::write(&next, offset).expect("a temporary folder can be written");
        fs::rename(&next, &self.file).expect("a temporary folder can be written");
    }
}
