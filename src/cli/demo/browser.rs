//! Opens a page in the browser of whoever sits at this machine.

use std::process::{Command, Stdio};

use crate::cli::terminal::{Stream, Terminal};

/// Has the desktop show `url`, where somebody sits at one: a terminal, and a screen. Whether that works does
/// not matter, since the address was printed.
pub(super) fn open(url: &str, terminal: &Terminal) {
    let is_set = |name: &str| terminal.variables.get(name).is_some_and(|value| !value.is_empty());
    let has_screen = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    if !has_screen || !Terminal::is_interactive(Stream::Out) {
        return;
    }
    let mut command = Command::new("xdg-open");
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        // It ends at once; a thread takes note of that, so that it does not stay behind as a zombie.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => tracing::debug!(%error, "no browser was opened"),
    }
}
