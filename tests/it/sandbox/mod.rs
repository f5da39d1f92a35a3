//! Scripts in sealed children of the real program.

mod hostile;
mod life;
mod seal;
mod talk;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tripline::domain::run::FailureKind;
use tripline::sandbox::protocol::{
    Event, FetchError, FetchRequest, FetchResponse, Job, RunContext, Source,
};
use tripline::sandbox::{Host, Options, Pool, Ran, Seal, run};

/// A host that remembers what happens and answers requests in its own way.
#[derive(Default)]
struct Fake {
    events: Mutex<Vec<Event>>,
    requests: Mutex<Vec<FetchRequest>>,
    /// The bodies of the next answers; when they are used up, requests hang.
    bodies: Mutex<VecDeque<Vec<u8>>>,
    abandoned: Mutex<usize>,
}

impl Fake {
    fn answering(bodies: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { bodies: Mutex::new(bodies.into_iter().collect()), ..Self::default() }
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no panic").clone()
    }

    fn lines(&self) -> Vec<String> {
        let line = |event| match event {
            Event::Log { text, .. } => Some(text),
            _ => None,
        };
        self.events().into_iter().filter_map(line).collect()
    }
}

struct Hanging<'a>(&'a Fake);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        *self.0.abandoned.lock().expect("no panic") += 1;
    }
}

#[async_trait]
impl Host for Fake {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let url = request.url.clone();
        self.requests.lock().expect("no panic").push(request);
        let body = self.bodies.lock().expect("no panic").pop_front();
        let Some(body) = body else {
            let _hanging = Hanging(self);
            return std::future::pending().await;
        };
        Ok(FetchResponse {
            url,
            redirected: false,
            status: 200,
            status_text: "OK".to_owned(),
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body,
        })
    }

    fn secret(&self, name: &str) -> Result<String, String> {
        if name == "PASSWORD" { Ok("s3cret".to_owned()) } else { Err(format!("no secret {name}")) }
    }

    fn totp(&self, _: &str) -> Result<String, String> {
        Ok("287082".to_owned())
    }

    fn event(&self, _: Duration, event: Event) {
        self.events.lock().expect("no panic").push(event);
    }
}

fn options() -> Options {
    Options {
        program: PathBuf::from(env!("CARGO_BIN_EXE_tripline")),
        ..Options::new(Seal::Require)
    }
}

fn pool() -> Pool {
    Pool::start(options()).expect("a pool can be started")
}

fn source(text: &str) -> Source {
    let entry = "checks/test.js".to_owned();
    Source { modules: vec![(entry.clone(), text.to_owned())], entry }
}

fn job(text: &str, timeout: Duration) -> Job {
    let context = RunContext {
        check: "test".to_owned(),
        region: "here".to_owned(),
        slot_millis: 0,
        run: "1".to_owned(),
    };
    Job { source: source(text), context, timeout }
}

/// A script whose default function has this body.
fn script(body: &str) -> String {
    format!(
        "import {{ step, secret, metric, sleep }} from \"tripline\";\nexport default async function () {{\n{body}\n}}\n"
    )
}

/// For a script that goes on until its deadline.
const DEADLINE: Duration = Duration::from_secs(2);
/// Long enough for anything that is not meant to run into it.
const LONG: Duration = Duration::from_secs(30);

async fn run_body(pool: &Pool, body: &str, timeout: Duration, host: &Fake) -> Ran {
    run(pool, job(&script(body), timeout), host).await
}

fn kind(ran: &Ran) -> Option<FailureKind> {
    ran.failure().map(|failure| failure.kind)
}

fn message(ran: &Ran) -> String {
    ran.failure().map(|failure| failure.message).unwrap_or_default()
}

/// A program that is a shell script.
fn shell_script(folder: &tempfile::TempDir, lines: &str) -> PathBuf {
    let path = folder.path().join("program");
    // A program that this process has open for writing, in any thread's fork, cannot be run.
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""]);
    assert!(writer.arg(&path).arg(lines).status().expect("a shell").success());
    path
}

/// Watches a process for its end.
struct Watch(std::os::fd::OwnedFd);

impl Watch {
    fn of(process: Option<u32>) -> Self {
        let raw = process.and_then(|id| i32::try_from(id).ok()).expect("a living process");
        let pid = Pid::from_raw(raw).expect("not zero");
        Self(pidfd_open(pid, PidfdFlags::empty()).expect("it lives"))
    }

    /// Whether it ends, or has ended, before a generous time is over.
    fn ends(&self) -> bool {
        let limit = Timespec::try_from(LONG).expect("fits");
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).expect("polls") > 0
    }
}
