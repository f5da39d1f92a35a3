//! What is not tested on this machine, said where it cannot be overlooked.

use std::io::Write as _;

/// Says that a test holds nothing here, and what would have to be there. Every test that does says so
/// by this: `.ci/run` looks for the word, and lists at its end what was left out.
pub(crate) fn skipped(what: &str, needs: &str) {
    // Past the test harness, which keeps back what a test that passes prints.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED, {what}: {needs}\n");
}
