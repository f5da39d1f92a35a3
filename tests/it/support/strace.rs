//! System calls that fail, or kill, by strace.

use std::process::{Command, Stdio};

use super::skip::skipped;

/// Whether strace may do here what it is to do; says loudly where it may not.
pub(crate) fn works() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=1", "true"]);
    let works = probe.stdin(Stdio::null()).output().is_ok_and(|it| it.status.success());
    if !works {
        let needs = "strace is missing (Debian: `apt-get install strace`) or not allowed";
        skipped("no disk that fails", needs);
    }
    works
}
