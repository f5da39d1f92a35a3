//! The `tripline` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    tripline::cli::run::run().into()
}
