//! Tries the walls from the inside: a sealed child that attempts what no script may do.
//!
//! It prints `what: result` lines on standard error and ends. It has no way to fail: what gets
//! through is a finding, printed as `allowed`.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use super::child::DONE;

/// An attempt with its name.
type Attempt = (&'static str, fn() -> io::Result<()>);

/// What may not succeed, each through a different door.
const ATTEMPTS: &[Attempt] = &[
    ("read a file", || std::fs::read("/etc/passwd").map(drop)),
    ("read its own environment", || std::fs::read("/proc/self/environ").map(drop)),
    ("write a file", || std::fs::write("/tmp/tripline-probe", b"x")),
    ("list a folder", || std::fs::read_dir("/").map(drop)),
    ("remove a file", || std::fs::remove_file("/tmp/tripline-probe")),
    ("listen", || TcpListener::bind("127.0.0.1:0").map(drop)),
    ("connect", || TcpStream::connect("127.0.0.1:1").map(drop)),
    ("send a datagram", || UdpSocket::bind("127.0.0.1:0").map(drop)),
    ("connect to a local socket", || UnixStream::connect("/run/x").map(drop)),
    ("make a pair of sockets", || UnixStream::pair().map(drop)),
    ("make a local datagram socket", || UnixDatagram::unbound().map(drop)),
    ("start a program", || Command::new("/bin/true").spawn().map(drop)),
    ("start a thread", || std::thread::Builder::new().spawn(|| ()).map(drop)),
    ("make a pipe", || io::pipe().map(drop)),
    ("duplicate a descriptor", || Ok(rustix::io::dup(rustix::stdio::stderr()).map(drop)?)),
    (
        "write to standard output",
        || Ok(rustix::io::write(rustix::stdio::stdout(), b"x").map(drop)?),
    ),
    #[cfg(target_os = "linux")]
    ("kill the parent", linux::kill_parent),
    #[cfg(target_os = "linux")]
    ("open a handle to the parent", linux::open_parent),
    #[cfg(target_os = "linux")]
    ("make a file in memory", linux::file_in_memory),
    #[cfg(target_os = "linux")]
    ("raise its limits", linux::raise_limits),
    #[cfg(target_os = "linux")]
    ("become root", linux::become_root),
    #[cfg(target_os = "linux")]
    ("become dumpable", linux::become_dumpable),
    #[cfg(target_os = "linux")]
    ("outlive the parent", linux::outlive_parent),
    #[cfg(target_os = "linux")]
    ("change its priority", linux::change_priority),
];

/// What Landlock refuses by itself, tried before seccomp is up.
#[cfg(target_os = "linux")]
const ATTEMPTS_WITHOUT_SECCOMP: &[Attempt] = &[
    ("without seccomp, read a file", || std::fs::read("/etc/passwd").map(drop)),
    ("without seccomp, list a folder", || std::fs::read_dir("/").map(drop)),
    ("without seccomp, write a file", || std::fs::write("/tmp/tripline-probe", b"x")),
    ("without seccomp, start a program", || Command::new("/bin/true").spawn().map(drop)),
    ("without seccomp, kill the parent", linux::kill_parent),
];

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use rustix::fs::MemfdFlags;
    use rustix::process::{self, DumpableBehavior, PidfdFlags, Resource, Rlimit, Signal};

    fn parent() -> io::Result<process::Pid> {
        process::getppid().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn kill_parent() -> io::Result<()> {
        // A signal that the parent ignores, should it arrive.
        Ok(process::kill_process(parent()?, Signal::URG)?)
    }

    pub(super) fn open_parent() -> io::Result<()> {
        Ok(process::pidfd_open(parent()?, PidfdFlags::empty()).map(drop)?)
    }

    pub(super) fn file_in_memory() -> io::Result<()> {
        Ok(rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC).map(drop)?)
    }

    pub(super) fn raise_limits() -> io::Result<()> {
        let none = Rlimit { current: None, maximum: None };
        Ok(process::setrlimit(Resource::As, none)?)
    }

    pub(super) fn become_root() -> io::Result<()> {
        Ok(rustix::thread::set_thread_uid(process::Uid::ROOT)?)
    }

    pub(super) fn become_dumpable() -> io::Result<()> {
        Ok(process::set_dumpable_behavior(DumpableBehavior::Dumpable)?)
    }

    pub(super) fn outlive_parent() -> io::Result<()> {
        Ok(process::set_parent_process_death_signal(None)?)
    }

    pub(super) fn change_priority() -> io::Result<()> {
        Ok(process::nice(1).map(drop)?)
    }
}

/// What can only be seen before the seal: the environment and the open descriptors.
pub(super) fn before() -> Vec<String> {
    let variables = std::env::vars_os().count();
    let mut descriptors: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .map(|found| {
            found.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    descriptors.sort();
    // One of them was open for the listing alone.
    descriptors.pop();
    let user = rustix::process::geteuid().as_raw();
    vec![
        format!("variables: {variables}"),
        format!("descriptors: {}", descriptors.join(" ")),
        format!("started as user: {user}"),
    ]
}

/// Tries what can be tried between the first layers and the last.
#[cfg(target_os = "linux")]
pub(super) fn between() -> Vec<String> {
    try_all(ATTEMPTS_WITHOUT_SECCOMP)
}

/// Nothing stands between the layers elsewhere.
#[cfg(not(target_os = "linux"))]
pub(super) fn between() -> Vec<String> {
    Vec::new()
}

fn try_all(attempts: &[Attempt]) -> Vec<String> {
    let attempt = |(name, attempt): &Attempt| match attempt() {
        Ok(()) => format!("{name}: allowed"),
        Err(error) => format!("{name}: refused, {error}"),
    };
    attempts.iter().map(attempt).collect()
}

/// Tries everything under the full seal, and prints what came of it and what was found before.
pub(super) fn run(before: Vec<String>, missing: &[String]) -> i32 {
    let lines = [before, vec![format!("missing: {}", missing.join(", "))], try_all(ATTEMPTS)];
    for line in lines.concat() {
        _ = writeln!(io::stderr(), "{line}");
    }
    DONE
}
