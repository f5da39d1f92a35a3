//! Clients of statsd in other languages, which send one of everything and end.

use std::path::Path;
use std::process::Command;

use super::install::{installed, run};
use super::oidc;

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
    let pinned = &[
        ("requirements.txt", include_str!("../../../targets/dogstatsd/requirements.txt")),
        ("send.py", include_str!("../../../targets/dogstatsd/send.py")),
    ];
    let installed = installed("dogstatsd", pinned, install).await;
    let mut command = Command::new(installed.join("venv/bin/python"));
    command.current_dir(&installed).args(["send.py", &place]);
    to_the_end(command).await;
}

fn install(folder: &Path) {
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
