//! A program in a process group of its own, whose output is kept for the failure message.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::wait::until;

/// A running program. Dropping it kills its whole process group; when the test failed, what it
/// wrote is printed.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; its output goes to the file `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: PathBuf) -> Self {
        Self::start_with(name, command, Stdio::null(), log)
    }

    /// The same for a program that is told things while it runs.
    pub(crate) fn start_told(
        name: &str,
        command: &mut Command,
        log: PathBuf,
    ) -> (Self, ChildStdin) {
        let mut started = Self::start_with(name, command, Stdio::piped(), log);
        let stdin = started.child.stdin.take().expect("it was asked for");
        (started, stdin)
    }

    fn start_with(name: &str, command: &mut Command, stdin: Stdio, log: PathBuf) -> Self {
        let output = File::options().create(true).append(true).open(&log).expect("a log file");
        let errors = output.try_clone().expect("a second handle on the log file");
        let child = command
            .stdin(stdin)
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // An error means that it has ended already.
        let _ = kill_process(self.pid(), signal);
    }

    /// Kills it without warning and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks it to end and waits for that.
    pub(crate) async fn stop(&mut self, patience: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let what = format!("{} ends after SIGTERM", self.name);
        until(&what, patience, async || self.ended()).await
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that nobody of the group is left.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            print_tail(&self.name, &self.log());
        }
    }
}

/// Whether a process runs; one that has ended and is not yet waited for does not.
pub(crate) fn runs(process: u32) -> bool {
    status(process).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The children of a process, their children, and so on, that run now.
pub(crate) fn descendants(process: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc can be read");
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, status(id)?.1)))
        .collect();
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    found.split_off(1)
}

/// The state letter and the parent of a process, from `/proc/PID/stat` (proc(5)).
fn status(process: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in brackets, which may hold brackets and spaces.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[expect(clippy::print_stderr, reason = "a failed test shows what the program said")]
fn print_tail(name: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(60)..];
    eprintln!("---- {name} said at last:\n{}\n----", tail.join("\n"));
}
