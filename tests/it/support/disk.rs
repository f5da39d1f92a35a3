//! A small disk that can be full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory; it is gone when this is dropped. It takes root.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB at `place`.
    pub(crate) fn mount(place: &Path, mib: u32) -> Self {
        fs::create_dir_all(place).expect("a temporary folder can be written");
        let size = format!("size={mib}m,mode=0777");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tripline"]).arg(place);
        let done = mount.output().expect("mount can be started");
        assert!(done.status.success(), "mount: {}", String::from_utf8_lossy(&done.stderr));
        Self(place.to_owned())
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("it is not full yet");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still uses it keeps it until then.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
