//! Prometheus' own tests of PromQL, and properties of all expressions.

mod differential;
mod properties;
mod script;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use script::{Command, commands};
use world::{Verdict, World};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promqltest")
}

/// A variable that a person sets for one run of this test.
fn variable(wanted: &str) -> Option<std::ffi::OsString> {
    std::env::vars_os().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

/// What each evaluation that does not pass is, by file and line.
type Ledger = BTreeMap<(String, usize), String>;

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    unsupported: usize,
}

/// Runs one file and writes what does not pass into the ledger.
fn run(name: &str, text: &str, ledger: &mut Ledger) -> Tally {
    let (mut world, mut tally) = (World::default(), Tally::default());
    for command in commands(text) {
        match command {
            Command::Clear => world.clear(),
            Command::Load(series) => series.into_iter().for_each(|series| world.load(series)),
            Command::Eval(eval) => {
                let (count, entry) = match world.judge(&eval) {
                    Verdict::Passed => (&mut tally.passed, None),
                    Verdict::Unsupported(what) => {
                        (&mut tally.unsupported, Some(format!("unsupported: {what}")))
                    }
                    Verdict::Failed(why) => {
                        let text = format!("failed: {}: {why}", eval.expression);
                        (&mut tally.failed, Some(text))
                    }
                };
                *count += 1;
                if let Some(entry) = entry {
                    ledger.insert((name.to_owned(), eval.line), entry);
                }
            }
        }
    }
    tally
}

fn written(ledger: &Ledger) -> String {
    let mut text = String::new();
    for ((file, line), entry) in ledger {
        writeln!(text, "{file}:{line}: {entry}").expect("a string takes all");
    }
    text
}

#[expect(clippy::print_stderr, reason = "the numbers by file are what the test is run for")]
#[test]
fn prometheus_own_tests_pass_but_for_those_that_are_listed() {
    let foreign = variable("PROMQLTEST").map(PathBuf::from);
    let folder = foreign.clone().unwrap_or_else(folder);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the tests are there")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "test"))
        .collect();
    names.sort();
    let (mut ledger, mut sum) = (Ledger::new(), Tally::default());
    let mut table = String::new();
    for name in &names {
        let text = fs::read_to_string(folder.join(name)).expect("a test file can be read");
        let tally = run(name, &text, &mut ledger);
        let Tally { passed, failed, unsupported } = tally;
        writeln!(table, "{name}: {passed} passed, {failed} failed, {unsupported} unsupported")
            .expect("a string takes all");
        sum.passed += passed;
        sum.failed += failed;
        sum.unsupported += unsupported;
    }
    let Tally { passed, failed, unsupported } = sum;
    eprintln!("{table}all: {passed} passed, {failed} failed, {unsupported} unsupported");
    let found = written(&ledger);
    if foreign.is_some() {
        eprintln!("{found}");
        return;
    }
    assert_eq!(passed + failed + unsupported, 1072, "evaluations were lost or added");

    let path = folder.join("expected.txt");
    if variable("UPDATE_PROMQLTEST").is_some() {
        fs::write(&path, &found).expect("the list can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let only = |text: &str, other: &str| {
        let known: Vec<&str> = other.lines().collect();
        text.lines().filter(|line| !known.contains(line)).collect::<Vec<_>>().join("\n")
    };
    assert!(
        found == expected,
        "not listed as not passing:\n{}\n\nlisted, but not so any more:\n{}",
        only(&found, &expected),
        only(&expected, &found)
    );
}

#[test]
fn a_result_that_differs_is_found() {
    let text = "load 1m\n  metric 0+1x10\n\neval instant at 5m metric\n  metric 5\n\n\
                eval instant at 5m metric\n  metric 6\n\neval instant at 5m info(metric)\n";
    let mut ledger = Ledger::new();
    let tally = run("own", text, &mut ledger);
    assert_eq!((tally.passed, tally.failed, tally.unsupported), (1, 1, 1));
    let lines: Vec<usize> = ledger.keys().map(|(_, line)| *line).collect();
    assert_eq!(lines, [7, 10]);
}
