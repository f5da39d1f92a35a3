//! An agent that signs in to a shop on loopback: scripts in real sandbox processes, plain requests.

mod control;
mod faults;
mod plain;
mod scripts;
mod shop;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tripline::agent::{Agent, Assignments, Hub, Limits, Parts, Scripts, Secrets, Stage};
use tripline::clock::System;
use tripline::domain::check::{Check, Expectations, RequestSpec, Work};
use tripline::domain::id::{CheckId, Region};
use tripline::domain::run::Report;
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::net::guard::Policy;
use tripline::net::{Dialer, Names};
use tripline::sandbox::{Options, Pool, Seal};

const PASSWORD: &str = "correct horse/battery";

/// A hub that keeps what it is given.
#[derive(Default)]
struct Kept(Mutex<Vec<Report>>);

#[async_trait]
impl Hub for Kept {
    async fn deliver(&self, report: Report) {
        self.0.lock().expect("nobody panicked").push(report);
    }
}

/// Nowhere to run a script.
struct NoScripts;

#[async_trait]
impl Scripts for NoScripts {
    async fn prepare(&self) -> Result<Box<dyn Stage>, String> {
        Err("start a sandbox: there is none here".to_owned())
    }
}

/// The processes of the real program.
fn real_scripts() -> Arc<dyn Scripts> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| PathBuf::from(env!("CARGO_BIN_EXE_tripline"))).clone();
    let options = Options { program, idle: 1, ..Options::new(Seal::Degrade) };
    Arc::new(Pool::start(options).expect("a pool"))
}

fn check(work: Work, timeout: Duration) -> Check {
    Check {
        id: CheckId::new("shop").expect("a name"),
        name: "shop".to_owned(),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30)).expect("an interval")),
        regions: vec![Region::new("eu").expect("a name")],
        timeout,
        policy: "p2-then-p1".to_owned(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work,
    }
}

fn slot() -> Slot {
    Slot {
        check: CheckId::new("shop").expect("a name"),
        region: Region::new("eu").expect("a name"),
        at: chrono::DateTime::from_timestamp(1_790_000_000, 0).expect("in range"),
    }
}

fn secrets() -> Secrets {
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let secrets = [("PASSWORD", PASSWORD), ("SEED", seed), ("TOKEN", "t0k3n-value")];
    Secrets::new(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn agent(dialer: Dialer, scripts: Arc<dyn Scripts>) -> Agent {
    let parts = Parts {
        clock: Arc::new(System),
        dialer: Arc::new(dialer),
        scripts,
        hub: Arc::new(Kept::default()),
    };
    Agent::new(parts, Limits::default())
}

/// Runs a script whose text is `source`.
async fn run_script(source: &str) -> Report {
    run_script_over(Dialer::new(Policy::default()), source).await
}

async fn run_script_over(dialer: Dialer, source: &str) -> Report {
    let agent = agent(dialer, real_scripts());
    let entry = "checks/shop.js".to_owned();
    let check = check(Work::Script { entry: entry.clone() }, Duration::from_secs(20));
    let modules = vec![(entry, source.to_owned())];
    agent.assign(Arc::new(Assignments::with_modules(vec![check], &modules, secrets())));
    agent.run_now(slot(), None).await
}

/// A plain GET of `url` of which nothing is expected but a status below 400.
fn get(url: &str) -> RequestSpec {
    RequestSpec {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        expect: Expectations::default(),
    }
}

async fn run_request(spec: RequestSpec, names: Names) -> Report {
    run_request_over(Dialer::new(Policy::default()).with_names(names), spec).await
}

async fn run_request_over(dialer: Dialer, spec: RequestSpec) -> Report {
    let agent = agent(dialer, Arc::new(NoScripts));
    let check = check(Work::Request(Box::new(spec)), Duration::from_secs(5));
    agent.assign(Arc::new(Assignments::new(vec![check], secrets())));
    agent.run_now(slot(), None).await
}
