//! The load harness: `cargo bench --bench load -- [--realtime] [scenario...]`.
//!
//! It runs the optimised binary on generated projects against a target server in a process of its
//! own, and prints a table. Loads are open loops (schedules), costs are processor time of all
//! processes, and lateness is measured where it matters: when the request reaches the target, beside
//! a control that is nothing but timers. Slots follow from the schedules, so nobody has to be asked
//! when a request was meant to come.
//!
//! The scenarios, each about a minute: `script`, `url`, `late-url`, `late-mixed` (with memory),
//! `alert` and `alert-busy` (from a failing answer to the message), `storm` (everything fails),
//! `webhooks` (ten thousand owed at once), `start`, `pages` (of a thousand checks), `statsd` (lines received);
//! of regions and scale, some minutes each: `ingest` (results of agents elsewhere, on SQLite and
//! PostgreSQL), `change` (of a large project), `agent` (with ten thousand checks), `api-small` (questions
//! over a million runs), `series` (memory with a hundred thousand series of statsd). Only where they are
//! named: `series-hour`, the same until a whole hour is remembered and closed, which takes one to two;
//! `prometheus`, questions about a day of a thousand series beside a Prometheus, and `alertmanager`, ten
//! thousand webhooks beside an Alertmanager, each of which must be installed; and, because they take 10 GB
//! of disk for a while, `api` and `api-postgres` (over twenty million).
//! With `--realtime`, the measured programs and the target run under `chrt -r`, so that what else the
//! machine does disturbs less.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the harness prints its table")]

mod agent;
mod alerting;
mod alertmanager;
mod api;
mod beside;
mod change;
mod client;
mod control;
#[path = "../counters/mod.rs"]
mod counters;
mod daemon;
mod fill;
mod ingest;
mod lateness;
mod machine;
mod pages;
#[path = "../../tests/it/support/port.rs"]
mod port;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod project;
mod prometheus;
mod regions;
mod scenarios;
mod sender;
mod series;
mod statistics;
mod statsd;
mod target;
mod webhooks;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// How a scenario is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    /// Like any other program.
    Usual,
    /// Under `chrt -r`.
    Realtime,
}

/// One line of the table.
#[derive(Debug)]
struct Row {
    what: String,
    value: String,
}

impl Row {
    fn new(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into() }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some(target::ROLE) => target::serve(&arguments[1..]),
        Some(control::ROLE) => control::run(&arguments[1..]),
        Some(statsd::ROLE) => statsd::control(),
        _ => harness(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the harness failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn harness(arguments: &[String]) -> Result<()> {
    let mut priority = Priority::Usual;
    let mut chosen = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            // Cargo says this to every benchmark.
            "--bench" => {}
            "--realtime" => priority = Priority::Realtime,
            name => chosen.push(name),
        }
    }
    if let Some(unknown) = chosen.iter().find(|name| scenarios::named(name).is_none()) {
        let names: Vec<&str> = scenarios::ALL.iter().map(|(name, _)| *name).collect();
        bail!("there is no scenario `{unknown}`; there are {}", names.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("failed to start a runtime")?;
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    println!("{}", machine::description());
    for (name, scenario) in scenarios::ALL {
        let is_wanted = match chosen.as_slice() {
            [] => !scenarios::ON_REQUEST.contains(&name),
            chosen => chosen.contains(&name),
        };
        if !is_wanted {
            continue;
        }
        eprintln!("{name} ...");
        let rows = runtime.block_on(scenario(priority)).with_context(|| format!("in {name}"))?;
        println!("\n{name}");
        let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
        for row in rows {
            println!("  {:width$}  {}", row.what, row.value);
        }
    }
    Ok(())
}
