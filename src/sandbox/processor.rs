//! What the kernel says about another process's use of the processor.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Clock ticks per second in `/proc`: `USER_HZ`, fixed at 100 for all programs.
const TICKS_PER_SECOND: u64 = 100;

/// A look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time used so far, by all threads, in steps of 10 ms.
    pub(super) used: Duration,
    /// Whether it is running or would like to.
    pub(super) runnable: bool,
}

/// Looks at a process; `None` when it is gone or the system does not tell.
pub(super) fn usage(process: u32) -> Option<Usage> {
    let read = |path: &Path| parse(&std::fs::read_to_string(path).ok()?);
    let folder = PathBuf::from(format!("/proc/{process}"));
    let of_process = read(&folder.join("stat"))?;
    // The state of a process is that of its first thread; a script runs on another.
    let threads = std::fs::read_dir(folder.join("task")).ok()?;
    let runs = |thread: DirEntry| read(&thread.path().join("stat")).is_some_and(|u| u.runnable);
    let runnable = threads.flatten().any(runs);
    Some(Usage { runnable, ..of_process })
}

/// Reads a line of `/proc/PID/stat` (`proc_pid_stat(5)`). The name in parentheses can hold
/// anything, so the fields are counted from the last of them.
fn parse(stat: &str) -> Option<Usage> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let runnable = fields.next()? == "R";
    let in_program: u64 = fields.nth(10)?.parse().ok()?;
    let in_kernel: u64 = fields.next()?.parse().ok()?;
    let ticks = in_program.saturating_add(in_kernel);
    let used = Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND));
    Some(Usage { used, runnable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_behind_the_name() {
        let line = "77 (a) R (b) S 1 77 77 0 -1 4194304 200 0 0 0 12 3 0 0 20 0 2 0 99 0 0";
        let usage = Usage { used: Duration::from_millis(150), runnable: false };
        assert_eq!(parse(line), Some(usage));
        assert_eq!(parse("77 (a"), None);
        assert_eq!(parse(""), None);
    }
}
