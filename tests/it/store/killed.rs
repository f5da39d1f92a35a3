//! This test binary again, as a process that writes into a store until it is killed.
//!
//! The writer is a test that does nothing unless its environment names a store. It says what was
//! committed, so that whoever kills it knows what must be there.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tripline::store::Ledger;
use tripline::store::postgres::PostgresStore;
use tripline::store::sqlite::SqliteStore;

use super::sqlite::holder;

const PLACE: &str = "TRIPLINE_TEST_STORE_OF_A_WRITER";
const WORD: &str = "acknowledged ";

/// Where this process is to write, if it is a writer.
pub(super) fn place() -> Option<OsString> {
    std::env::var_os(PLACE)
}

/// Opens a file or the database at a URL.
pub(super) async fn open(place: &OsStr) -> Arc<dyn Ledger> {
    match place.to_str().filter(|text| text.starts_with("postgres:")) {
        Some(url) => Arc::new(PostgresStore::open(url).await.expect("opened")),
        None => Arc::new(SqliteStore::open(Path::new(place), &holder()).await.expect("opened")),
    }
}

/// Says, as a writer, that all up to `number` is committed.
pub(super) fn acknowledge(number: u32) {
    let mut out = std::io::stdout();
    writeln!(out, "{WORD}{number}").expect("the parent reads");
    out.flush().expect("the parent reads");
}

/// Lets the test called `writer` write at `place`, and kills it when it has acknowledged `number`;
/// the last that it acknowledged.
pub(super) fn killed_after(number: u32, writer: &str, place: &OsStr) -> u32 {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", writer, "--nocapture", "--test-threads=1"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let number_of = |line: String| line.split_once(WORD)?.1.parse::<u32>().ok();
    let mut acknowledged = out.lines().map_while(Result::ok).filter_map(number_of);
    let last = acknowledged.find(|it| *it >= number).expect("it writes until killed");
    child.kill().expect("killed");
    // What it had printed by then was acknowledged as well.
    let last = acknowledged.last().unwrap_or(last);
    child.wait().expect("it ended");
    last
}
