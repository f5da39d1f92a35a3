//! The layers in the order in which they go up.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid, geteuid, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread;

use super::{ADDRESS_SPACE, Terms, filter};

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

/// Landlock as it was in Linux 6.12. Older kernels enforce what they know of it; what they lack
/// (connecting, signals) the system call filter refuses, too.
const LANDLOCK: ABI = ABI::V6;

/// A layer with its name.
type Layer = (&'static str, fn(Terms) -> io::Result<()>);

/// Puts up what covers the whole process or is inherited by threads; call it on the first thread,
/// before there is another. Returns the names of the layers that are missing.
///
/// The order matters: the change of user forgets the signal of the parent's death, and opening
/// Landlock's rule set takes a descriptor.
pub(in super::super) fn process(terms: Terms) -> Vec<String> {
    let layers: [Layer; 6] = [
        ("limits", limits),
        ("a user without rights", user),
        ("no dump", |_| Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)),
        ("an end with the parent", end_with_parent),
        ("no new privileges", |_| Ok(thread::set_no_new_privs(true)?)),
        ("Landlock", |_| no_files()),
    ];
    // When memory runs out, a script goes before anything else does.
    _ = std::fs::write("/proc/self/oom_score_adj", b"1000");
    // Only a matter of memory: a stack touched once would otherwise come in pages of 2 MiB.
    _ = thread::disable_transparent_huge_pages(true);
    missing(layers.map(|(name, layer)| (name, layer(terms))))
}

/// Puts up the rest; call it on the last thread to be started. After it there are no more threads,
/// no more descriptors, and no system calls but the listed ones, on any thread.
pub(in super::super) fn last() -> Vec<String> {
    missing([
        ("limit of processes", limit(Resource::Nproc, 0)),
        ("limit of open files", limit(Resource::Nofile, 3)),
        ("seccomp", filter::put_up()),
    ])
}

fn missing<const N: usize>(layers: [(&str, io::Result<()>); N]) -> Vec<String> {
    let name = |(name, result): (&str, io::Result<()>)| match result {
        Ok(()) => None,
        Err(error) => Some(format!("{name} ({error})")),
    };
    layers.into_iter().filter_map(name).collect()
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

fn limits(terms: Terms) -> io::Result<()> {
    limit(Resource::As, ADDRESS_SPACE)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Memlock, 0)?;
    // The first sends SIGXCPU, which tells the parent why; the second would send SIGKILL.
    let seconds = Some(terms.processor_seconds);
    let later = Some(terms.processor_seconds + 1);
    Ok(setrlimit(Resource::Cpu, Rlimit { current: seconds, maximum: later })?)
}

/// Leaves root behind. Another user has no way to change, and keeps its own.
fn user(_: Terms) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (group, user) = (Gid::from_raw(NOBODY), Uid::from_raw(NOBODY));
    thread::set_thread_groups(&[])?;
    thread::set_thread_res_gid(group, group, group)?;
    Ok(thread::set_thread_res_uid(user, user, user)?)
}

fn end_with_parent(terms: Terms) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the line above.
    let present = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if present != Some(terms.parent) {
        std::process::exit(super::super::child::NO_PARENT);
    }
    Ok(())
}

/// No path can be opened, no address reached, no process outside signalled: there are no rules, so
/// nothing is allowed.
fn no_files() -> io::Result<()> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(io::ErrorKind::Unsupported.into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}
