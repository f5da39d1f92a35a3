//! What the program was started with: its environment, its folder, and where its words go.
//!
//! The only place that reads the environment.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};

use super::diagnostics::{Output, Style};
use super::look::{Colour, Fold, Glyphs, Look, Zone};

/// Columns where there is no terminal to ask.
const USUAL_WIDTH: usize = 100;

/// What the program was started with.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The environment variables.
    pub(super) variables: BTreeMap<String, String>,
    /// The folder it was started in.
    pub(super) folder: PathBuf,
}

/// An output of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// For data.
    Out,
    /// For words.
    Err,
}

impl Terminal {
    /// Reads the environment, once. Variables that are not valid Unicode are left out.
    pub(super) fn read() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: std::env::vars_os().filter_map(text).collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }

    /// `path` as seen from the folder the program was started in.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        // Without `.` and `..`, so that the folders above can be walked.
        std::fs::canonicalize(&path).unwrap_or(path)
    }

    /// Whether somebody looks at an output, rather than a program.
    pub(super) fn is_interactive(stream: Stream) -> bool {
        is_terminal(stream)
    }

    /// How text looks on an output.
    pub(super) fn look(&self, stream: Stream) -> Look {
        let variable = |name: &str| self.variables.get(name).map(String::as_str);
        let filled = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(filled);
        let is_terminal = is_terminal(stream);
        let width = is_terminal.then(terminal_size::terminal_size).flatten();
        Look {
            colour: Colour::suited(is_terminal, variable("NO_COLOR")),
            glyphs: Glyphs::suited(locale.and_then(variable)),
            width: width.map_or(USUAL_WIDTH, |(width, _)| usize::from(width.0).max(40)),
            zone: if is_terminal { Zone::Local } else { Zone::Utc },
            fold: if is_terminal { Fold::AtWidth } else { Fold::Never },
        }
    }

    /// How diagnostics look on an output.
    pub(super) fn style(&self, stream: Stream) -> Style {
        let output = if is_terminal(stream) { Output::Terminal } else { Output::Other };
        Style::detect(&self.variables, output)
    }
}

/// Whether nobody can read what goes to standard output any more: the reader of the pipe has ended, or
/// the terminal is gone.
pub(super) fn is_output_closed() -> bool {
    let stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok_and(|count| count > 0)
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Out => std::io::stdout().is_terminal(),
        Stream::Err => std::io::stderr().is_terminal(),
    }
}
