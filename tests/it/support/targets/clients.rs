//! Clients of statsd in other languages: those that send one of everything and end, and applications
//! that count as often as they are told.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use super::install::{installed, run};
use super::{Process, TempDir, oidc};

const MISSING: &str = "install Python 3 with its venv module (Debian: python3-venv)";

/// Sends by hot-shots to a port of 127.0.0.1, by `udp` or `tcp`.
pub(crate) async fn hot_shots(port: u16, protocol: &'static str) {
    let modules = oidc::node_modules().await;
    let mut command = Command::new("node");
    command.current_dir(&modules).args(["hot-shots.mjs", &port.to_string(), protocol]);
    to_the_end(command).await;
}

/// Sends by Datadog's client for Python to `place`, a port of 127.0.0.1 or the path of a socket.
pub(crate) async fn datadog(place: String) {
    let installed = dogstatsd().await;
    let mut command = Command::new(python(&installed));
    command.current_dir(&installed).args(["send.py", &place]);
    to_the_end(command).await;
}

/// An application that counts by a client of its language. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Application {
    _process: Process,
    stdin: ChildStdin,
    _folder: TempDir,
}

impl Application {
    /// One in JavaScript, with hot-shots, that sends to a port of 127.0.0.1.
    pub(crate) async fn in_node(port: u16) -> Self {
        let mut command = Command::new("node");
        command.current_dir(oidc::node_modules().await).arg("counting.mjs");
        Self::start("an application in Node.js", command, port)
    }

    /// One in Python, with Datadog's client.
    pub(crate) async fn in_python(port: u16) -> Self {
        let installed = dogstatsd().await;
        let mut command = Command::new(python(&installed));
        command.current_dir(&installed).arg("counting.py");
        Self::start("an application in Python", command, port)
    }

    /// A given one in JavaScript, where hot-shots is installed.
    pub(crate) async fn of_node(text: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let modules = oidc::node_modules().await.join("node_modules");
        symlink(modules, folder.path().join("node_modules")).expect("linked");
        let file = folder.path().join("application.mjs");
        fs::write(&file, text).expect("a temporary folder can be written");
        let mut command = Command::new("node");
        command.arg(file);
        Self::start_in(folder, "a given application in Node.js", command)
    }

    /// A given one in Python, where Datadog's client is installed.
    pub(crate) async fn of_python(text: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("application.py");
        fs::write(&file, text).expect("a temporary folder can be written");
        let mut command = Command::new(python(&dogstatsd().await));
        command.arg(file);
        Self::start_in(folder, "a given application in Python", command)
    }

    fn start(name: &str, mut command: Command, port: u16) -> Self {
        command.arg(port.to_string());
        Self::start_in(TempDir::new().expect("a temporary folder"), name, command)
    }

    fn start_in(folder: TempDir, name: &str, mut command: Command) -> Self {
        let log = folder.path().join("application.log");
        let (process, stdin) = Process::start_told(name, &mut command, log);
        Self { _process: process, stdin, _folder: folder }
    }

    /// Lets it count `metric` so many times a second from now on.
    pub(crate) fn counts(&mut self, metric: &str, a_second: f64) {
        writeln!(self.stdin, "{metric} {a_second}").expect("it runs");
    }
}

/// Where Datadog's client for Python is installed.
async fn dogstatsd() -> PathBuf {
    let pinned = &[
        ("requirements.txt", include_str!("../../../targets/dogstatsd/requirements.txt")),
        ("send.py", include_str!("../../../targets/dogstatsd/send.py")),
        ("counting.py", include_str!("../../../targets/dogstatsd/counting.py")),
    ];
    installed("dogstatsd", pinned, into_venv).await
}

fn python(installed: &Path) -> PathBuf {
    installed.join("venv/bin/python")
}

/// Installs what `requirements.txt` of a folder pins into a virtual environment there.
pub(super) fn into_venv(folder: &Path) {
    let mut command = Command::new("python3");
    run(command.args(["-m", "venv"]).arg(folder.join("venv")), MISSING);
    let mut command = Command::new(folder.join("venv/bin/python"));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let only = ["--require-hashes", "--only-binary=:all:", "-r", "requirements.txt"];
    run(command.args(pip).args(only).current_dir(folder), MISSING);
}

async fn to_the_end(mut command: Command) {
    let sent = tokio::task::spawn_blocking(move || run(&mut command, "look at what it says"));
    sent.await.expect("the client sent everything");
}
