//! What a sealed child cannot do.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tripline::sandbox::child::{ARGUMENT, PROBE};
use tripline::sandbox::pool::Error;
use tripline::sandbox::{Options, Pool, Seal};

use super::{Fake, LONG, options, run_body, shell_script};

fn child() -> (Command, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.env_clear().stdin(OwnedFd::from(theirs)).arg(ARGUMENT);
    (command, ours)
}

/// What a child of a pool finds when it tries its walls.
async fn findings() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let exec = format!("exec '{}' \"$@\" {PROBE}", env!("CARGO_BIN_EXE_tripline"));
    let program = shell_script(&folder, &exec);
    let pool = Pool::start(Options { program, idle: 0, ..options() }).expect("a pool");
    // A probe is never ready; what it prints is the reason.
    match pool.lease().await {
        Err(Error::Unready { why }) => why,
        other => panic!("no probe: {other:?}"),
    }
}

#[tokio::test]
async fn every_door_is_shut() {
    let findings = findings().await;
    let (attempts, facts): (Vec<&str>, Vec<&str>) =
        findings.lines().partition(|line| line.contains(": refused") || line.contains(": allowed"));
    for fact in ["descriptors: 0 1 2", "missing: "] {
        assert!(facts.contains(&fact), "{fact} is not in\n{findings}");
    }
    assert!(attempts.len() > 20, "too few attempts:\n{findings}");
    let open: Vec<&&str> = attempts.iter().filter(|line| line.ends_with(": allowed")).collect();
    assert!(open.is_empty(), "what should be refused is not:\n{open:?}");
    let by_landlock = |line: &&&str| line.starts_with("without seccomp") && line.contains("denied");
    assert!(attempts.iter().filter(by_landlock).count() >= 4, "{findings}");
}

#[test]
fn a_child_has_no_environment() {
    let (mut command, _ours) = child();
    let output = command.args([&std::process::id().to_string(), "10", PROBE]).output();
    let findings = String::from_utf8(output.expect("it runs").stderr).expect("text");
    assert!(findings.starts_with("variables: 0\n"), "{findings}");
}

#[test]
fn a_child_that_nobody_pools_does_nothing() {
    let output = child().0.output().expect("it runs");
    assert_eq!(output.status.code(), Some(64));
    let (mut command, mut ours) = child();
    // Another process than the one named is its parent.
    let output = command.args(["1", "10"]).output().expect("it runs");
    assert!(!output.status.success());
    drop(command);
    assert_eq!(ours.read(&mut [0; 16]).expect("reads"), 0, "it said something");
}

#[test]
fn a_child_ends_with_its_parent() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let mut ours = ours;
    // A shell is the parent; the socket stays open on our side, so that its end is no reason.
    let line = format!("exec 3<&0; \"$0\" {ARGUMENT} $$ 10 <&3 3<&- & wait");
    let mut shell = Command::new("/bin/sh")
        .args(["-c", &line, env!("CARGO_BIN_EXE_tripline")])
        .stdin(OwnedFd::from(theirs))
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut header = [0; 4];
    ours.read_exact(&mut header).expect("the child is ready");
    shell.kill().expect("it lives");
    shell.wait().expect("it has ended");
    ours.set_read_timeout(Some(LONG)).expect("a time-out");
    let mut rest = Vec::new();
    ours.read_to_end(&mut rest).expect("the child is gone, and its end of the socket with it");
}

/// A pool whose children are shell scripts: they say `says` (in printf's words) and wait.
fn pool_of_liars(folder: &tempfile::TempDir, says: &str, seal: Seal) -> Pool {
    let program = shell_script(folder, &format!("printf '{says}' >&0\nread -r _"));
    Pool::start(Options { program, seal, idle: 0, ..options() }).expect("a pool")
}

/// `Ready` with one missing layer, `Landlock`.
const READY_WITHOUT_LANDLOCK: &str = "\\013\\000\\000\\000\\000\\001\\010Landlock";

#[tokio::test]
async fn a_missing_layer_is_refused_or_put_up_with_as_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let pool = pool_of_liars(&folder, READY_WITHOUT_LANDLOCK, Seal::Require);
    let refused = pool.lease().await;
    assert!(
        matches!(&refused, Err(Error::Unsealed { missing }) if missing == &["Landlock"]),
        "{refused:?}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let pool = pool_of_liars(&folder, READY_WITHOUT_LANDLOCK, Seal::Degrade);
    pool.lease().await.expect("it will do");
}

#[tokio::test]
async fn a_child_that_breaks_the_protocol_is_killed_and_reported() {
    let ready = "\\002\\000\\000\\000\\000\\000";
    let table = [
        (
            format!("{ready}\\377\\377\\377\\377"),
            "sandbox violation: a message of 4294967295 bytes",
        ),
        (format!("{ready}\\001\\000\\000\\000\\377"), "sandbox violation: a message that cannot"),
        (format!("{ready}{ready}"), "sandbox violation: ready a second time"),
        ("\\001\\000\\000\\000\\377".to_owned(), "failed to prepare a sandbox process"),
        ("\\377\\377\\377\\377".to_owned(), "failed to prepare a sandbox process"),
    ];
    for (says, expected) in table {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = pool_of_liars(&folder, &says, Seal::Require);
        let ran = run_body(&pool, "", LONG, &Fake::default()).await;
        let message = super::message(&ran);
        assert!(message.starts_with(expected), "{says}: {message}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_no_outage() {
    let options = Options { program: PathBuf::from("/nowhere"), ..options() };
    let pool = Pool::start(options).expect("a pool");
    let ran = run_body(&pool, "", LONG, &Fake::default()).await;
    assert!(super::message(&ran).starts_with("failed to start a sandbox process"), "{ran:?}");
    let outcome = ran.failure().expect("failed").kind.outcome();
    assert_eq!(outcome, tripline::domain::run::Outcome::Unknown);
}

#[tokio::test]
async fn a_child_goes_first_when_memory_runs_out() {
    let pool = Pool::start(options()).expect("a pool");
    let lease = pool.lease().await.expect("a child");
    let path = format!("/proc/{}/oom_score_adj", lease.process_id().expect("alive"));
    assert_eq!(std::fs::read_to_string(path).expect("readable").trim(), "1000");
}
