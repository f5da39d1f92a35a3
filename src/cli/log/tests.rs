//! Both forms of the log, over an output in memory.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::subscriber::with_default;

use super::*;
use crate::cli::look::{Colour, Fold, Look};
use crate::clock::Manual;

#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic elsewhere").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `log` writes in `format`.
fn written(format: Format, look: Look, log: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let at = "2026-11-21T04:12:31.25Z".parse().expect("a time");
    let lines = Lines::new(format, look, Arc::new(Manual::new(at)), move || writer.clone());
    let filter = parse_filter("debug").expect("a level");
    with_default(registry().with(filter).with(lines), log);
    let bytes = written.0.lock().expect("no panic elsewhere").clone();
    let text = String::from_utf8(bytes).expect("text");
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn some_events() {
    let span = tracing::info_span!(
        "run",
        check = "shop/login",
        region = "eu",
        slot = tracing::field::Empty
    );
    span.record("slot", 17);
    span.in_scope(|| {
        tracing::info!(event.action = "run-ended", passed = true, seconds = 0.5, "run ended");
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = crate::store::Error::Database { what: "read", source: cause.into() };
        tracing::error!(error = &error as &dyn std::error::Error, region = "us", "store failed");
    });
    tracing::warn!(wait = ?std::time::Duration::from_secs(2), empty = "", "slow\u{1b}[31m");
    tracing::debug!(target: "hyper", "not ours: left out");
    tracing::trace!("below the level");
}

fn a_poisoned_event() {
    let poison = "x\u{1b}]0;pwned\u{7}\n2026 ERROR forged=1 \u{202e}\u{9b}31m \"q\" \\";
    tracing::info!(poison, "{poison}");
}

#[test]
fn people_get_one_readable_line_an_event() {
    insta::assert_snapshot!(written(Format::Human, Look::plain(80), some_events));
    insta::assert_snapshot!(written(Format::Human, Look::plain(80), a_poisoned_event));
}

#[test]
fn colours_stand_around_values_never_in_them() {
    let look = Look { colour: Colour::Ansi, ..Look::plain(80) };
    let log = || tracing::warn!(check = "a\u{1b}[0m", "slow");
    let line = written(Format::Human, look, log);
    insta::assert_snapshot!(line.replace('\u{1b}', "ESC"));
}

#[test]
fn a_line_that_is_too_long_for_a_terminal_goes_on_below_its_message() {
    let look = Look { fold: Fold::AtWidth, ..Look::plain(60) };
    let text = written(Format::Human, look, || {
        tracing::info!(store = "/var/lib/tripline/tripline.db", api = "http://[::1]", "watching");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "04:12:31 INFO  watching  store=/var/lib/tripline/tripline.db");
    assert_eq!(lines[1], "               api=http://[::1]");
}

#[test]
fn machines_get_one_object_a_line() {
    insta::assert_snapshot!(written(Format::Json, Look::plain(80), some_events));
    let number = written(Format::Json, Look::plain(80), || {
        tracing::info!(duration_ms = std::time::Duration::from_millis(52).as_millis(), "a run");
    });
    assert!(number.contains("\"tripline.duration_ms\":52}"), "{number}");
    let poisoned = written(Format::Json, Look::plain(80), a_poisoned_event);
    insta::assert_snapshot!(poisoned);
    let value: Value = serde_json::from_str(&poisoned).expect("still JSON");
    assert_eq!(value["message"], value["tripline.poison"]);
}

#[test]
fn filters_are_levels_or_directives() {
    assert!(parse_filter("INFO").is_ok());
    assert!(parse_filter("info,tripline::http=debug").is_ok());
    assert!(parse_filter("off").is_ok());
    for typo in ["bogus", "info,tripline", "1x"] {
        let error = parse_filter(typo).expect_err("no level").to_string();
        assert!(error.contains("names no part by `=`") && error.contains("`debug`"), "{error}");
    }
    let error = parse_filter("tripline=loud").expect_err("no level").to_string();
    assert!(error.starts_with("`tripline=loud` is no log level: "), "{error}");
}
