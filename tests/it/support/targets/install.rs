//! Installing once, however many tests ask for it at once and from however many processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of `tests/targets/`, with the names they have where they are installed.
pub(super) type Pinned = [(&'static str, &'static str)];

/// The folder in which `name` is installed, in the version that `pinned` says. `install` fills the
/// folder when that has not been done; it finds the pinned files there.
pub(super) async fn installed(
    name: &'static str,
    pinned: &'static Pinned,
    install: fn(&Path),
) -> PathBuf {
    let done = tokio::task::spawn_blocking(move || install_once(name, pinned, install));
    done.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn install_once(name: &str, pinned: &Pinned, install: fn(&Path)) -> PathBuf {
    let targets = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("targets");
    fs::create_dir_all(&targets).expect("target/ can be written");
    let lock = File::create(targets.join(format!("{name}.lock"))).expect("target/ can be written");
    lock.lock().expect("files in target/ can be locked");
    let folder = targets.join(name);
    let stamp = targets.join(format!("{name}.installed"));
    let version: String = pinned.iter().map(|(_, text)| *text).collect();
    if fs::read_to_string(&stamp).is_ok_and(|text| text == version) {
        return folder;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("an old installation can be removed");
    }
    fs::create_dir_all(&folder).expect("target/ can be written");
    for (file, text) in pinned {
        fs::write(folder.join(file), text).expect("target/ can be written");
    }
    install(&folder);
    // Last: an installation that was cut off has no stamp and is made anew.
    fs::write(&stamp, version).expect("target/ can be written");
    folder
}

/// Runs a step of an installation and fails the test with what it printed if it fails. `missing`
/// says how to get the program.
pub(super) fn run(command: &mut Command, missing: &str) {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            panic!("this test needs {program}: {missing}")
        }
        Err(error) => panic!("failed to start {program}: {error}"),
    };
    assert!(
        output.status.success(),
        "{command:?} failed ({}); {missing}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
