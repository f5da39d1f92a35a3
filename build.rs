//! Rebuilds when a migration is added: they are compiled in, and cargo does not see the folder.
#![expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
