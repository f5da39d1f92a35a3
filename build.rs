//! Tells cargo what the compiled program depends on besides its source, and how to link it.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    // A child of the sandbox is this program started anew. Linked to a fixed address, it has no
    // relocations to apply at its start, which were most of what starting it cost (ARCHITECTURE.md).
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|it| it == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bin=tripline=-no-pie");
    }
}
