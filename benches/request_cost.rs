//! What a plain check costs in CPU time, from its slot to its report: one GET over a fresh
//! connection to a server on loopback, judged and written down.
//!
//! `cargo bench --bench request_cost`

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::time::{ClockId, clock_gettime};
use tripline::agent::{Agent, Assignments, Hub, Limits, Parts, Scripts, Secrets, Stage};
use tripline::clock::System;
use tripline::domain::check::{Check, Expectations, RequestSpec, TextExpectation, Work};
use tripline::domain::id::{CheckId, Region};
use tripline::domain::run::{Outcome, Report};
use tripline::domain::schedule::{Interval, Schedule};
use tripline::domain::slot::Slot;
use tripline::net::Dialer;

const RUNS: u32 = 5000;

struct Nowhere;

#[async_trait]
impl Hub for Nowhere {
    async fn deliver(&self, _: Report) {}
}

#[async_trait]
impl Scripts for Nowhere {
    async fn prepare(&self) -> Result<Box<dyn Stage>, String> {
        Err("run a script: there are none".to_owned())
    }
}

/// Answers every request, in a thread of its own so that its work is not counted.
fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 7\r\n\r\nWelcome";
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            while stream.read(&mut request).is_ok_and(|count| count > 0) {
                if stream.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    Ok(address)
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn check(address: SocketAddr) -> anyhow::Result<Check> {
    let body = vec![TextExpectation::Contains("Welcome".to_owned())];
    let spec = RequestSpec {
        method: "GET".to_owned(),
        url: format!("http://{address}/"),
        headers: Vec::new(),
        body: None,
        expect: Expectations { body, ..Expectations::default() },
    };
    Ok(Check {
        id: CheckId::new("shop")?,
        name: "shop".to_owned(),
        schedule: Schedule::Every(Interval::new(Duration::from_secs(30))?),
        regions: vec![Region::new("eu")?],
        timeout: Duration::from_secs(5),
        policy: "p2-then-p1".to_owned(),
        runbook: None,
        labels: BTreeMap::new(),
        bodies: tripline::domain::exchange::Bodies::Kept,
        work: Work::Request(Box::new(spec)),
    })
}

#[expect(clippy::print_stdout, reason = "an example tells what it measured")]
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parts = Parts {
        clock: Arc::new(System),
        dialer: Arc::new(Dialer::default()),
        scripts: Arc::new(Nowhere),
        hub: Arc::new(Nowhere),
    };
    let agent = Agent::new(parts, Limits::default());
    let check = check(serve()?)?;
    let slot = |second: u32| -> anyhow::Result<Slot> {
        let at = chrono::DateTime::from_timestamp(1_790_000_000 + i64::from(second), 0);
        let at = at.ok_or_else(|| anyhow::anyhow!("the time is out of range"))?;
        Ok(Slot { check: CheckId::new("shop")?, region: Region::new("eu")?, at })
    };
    agent.assign(Arc::new(Assignments::new(vec![check], Secrets::default())));
    for round in 1..=3 {
        let before = cpu_time();
        for second in 0..RUNS {
            let report = runtime.block_on(agent.run_now(slot(second)?, None));
            anyhow::ensure!(report.outcome() == Outcome::Passed, "{:?}", report.failure);
        }
        let each = cpu_time().saturating_sub(before) / RUNS;
        println!("round {round}: {:.4} ms of CPU time a run", each.as_secs_f64() * 1e3);
    }
    Ok(())
}
