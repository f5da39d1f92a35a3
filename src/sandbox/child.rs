//! The child's entry: seals the process, prepares the engine, serves one script, ends.
//!
//! It must not see a byte of a script before the seal is up, and must not outlive its parent. It
//! never returns to the program that called it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::process::exit;

use super::engine::{Engine, Port as _, Served};
use super::port::StandardInput;
use super::probe;
use super::protocol::FromChild;
use super::seal::{self, Terms};

/// The first argument of the program that makes it a child.
pub const ARGUMENT: &str = "sandbox-child";

/// The argument that makes a child try its walls and end.
pub const PROBE: &str = "--probe";

/// The script or its parent did all they should.
pub(super) const DONE: i32 = 0;
/// The child was not started by a pool.
pub(super) const MISUSED: i32 = 64;
/// The engine panicked.
pub(super) const PANICKED: i32 = 101;
/// A message was longer than may be sent.
pub(super) const MESSAGE_TOO_LONG: i32 = 102;
/// The parent was gone.
pub(super) const NO_PARENT: i32 = 103;

/// What a child is told on its command line: nothing secret.
#[derive(Debug, PartialEq, Eq)]
struct Orders {
    terms: Terms,
    probe: bool,
}

/// Runs this process as a child: `arguments` are those after [`ARGUMENT`].
pub fn run(arguments: impl Iterator<Item = OsString>) -> ! {
    std::panic::set_hook(Box::new(|panic| end_after(panic)));
    let Some(orders) = orders(arguments) else {
        last_words("this command is started by tripline itself");
        exit(MISUSED);
    };
    let before = orders.probe.then(probe::before);
    let mut missing = seal::process(orders.terms);
    let engine = move || {
        let before = before.map(|found| [found, probe::between()].concat());
        missing.extend(seal::last());
        match before {
            Some(found) => probe::run(found, &missing),
            None => serve(missing),
        }
    };
    let thread = std::thread::Builder::new().name("engine".to_owned()).stack_size(seal::STACK);
    match thread.spawn(engine).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => exit(code),
        Ok(Err(_)) => exit(PANICKED),
        Err(error) => {
            last_words(&format!("the engine's thread cannot be started: {error}"));
            exit(PANICKED);
        }
    }
}

fn orders(mut arguments: impl Iterator<Item = OsString>) -> Option<Orders> {
    let mut number = || arguments.next()?.to_str()?.parse::<u32>().ok();
    let (parent, seconds) = (number()?, number()?);
    let probe = match arguments.next() {
        None => false,
        Some(word) if word == PROBE => true,
        Some(_) => return None,
    };
    Some(Orders { terms: Terms { parent, processor_seconds: seconds.into() }, probe })
}

fn serve(missing: Vec<String>) -> i32 {
    let engine = Engine::prepare();
    let mut port = StandardInput;
    let mut served =
        port.send(&FromChild::Ready { missing }).and_then(|()| engine.serve(Box::new(port)));
    while let Ok(Served::Described) = served {
        served = Engine::prepare().serve(Box::new(StandardInput));
    }
    match served {
        Ok(_) => DONE,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => MESSAGE_TOO_LONG,
        Err(error) => {
            last_words(&format!("the parent cannot be reached: {error}"));
            NO_PARENT
        }
    }
}

/// Says where the panic was, in one line, and ends the process. The message of a panic is left
/// out: it can quote what the script was working on.
fn end_after(panic: &PanicHookInfo<'_>) -> ! {
    let place = panic
        .location()
        .map_or_else(String::new, |at| format!(" at {}:{}", short_path(at.file()), at.line()));
    last_words(&format!("panicked{place}"));
    exit(PANICKED);
}

/// The path without the folder in which the program was built: from the crate's name on.
fn short_path(path: &str) -> &str {
    let below_crate = path.rfind("/src/").unwrap_or(0);
    path[..below_crate].rfind('/').map_or(path, |slash| &path[slash + 1..])
}

/// One line for the parent. Without a reader it is lost, and that is all right.
fn last_words(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Option<Orders> {
        orders(words.iter().map(OsString::from))
    }

    #[test]
    fn a_child_is_started_by_a_pool_only() {
        let terms = Terms { parent: 7, processor_seconds: 10 };
        assert_eq!(parsed(&["7", "10"]), Some(Orders { terms, probe: false }));
        assert_eq!(parsed(&["7", "10", PROBE]), Some(Orders { terms, probe: true }));
        assert_eq!(parsed(&[]), None);
        assert_eq!(parsed(&["7", "-1"]), None);
        assert_eq!(parsed(&["7", "10", "more"]), None);
    }

    #[test]
    fn places_do_not_tell_where_the_program_was_built() {
        let path = "/home/x/.cargo/registry/src/host/boa_engine-0.22.0/src/module/source.rs";
        assert_eq!(short_path(path), "boa_engine-0.22.0/src/module/source.rs");
        assert_eq!(short_path("src/sandbox/child.rs"), "src/sandbox/child.rs");
    }
}
