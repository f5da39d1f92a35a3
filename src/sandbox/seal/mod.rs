//! The walls around the child: limits, user, Landlock, seccomp.
//!
//! They are put up by the child itself, before the first byte of a script, and cannot be taken down
//! again. Each layer stands alone, so that one missing does not take another with it; those that
//! could not be put up are named, and the parent decides whether that will do.
//!
//! Nothing here reads a script, a message or the environment.

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod layers;

#[cfg(target_os = "linux")]
pub(super) use layers::{last, process};

/// The address space of a child in bytes: program, stack, heap and all.
pub(super) const ADDRESS_SPACE: u64 = 384 << 20;

/// The stack of the engine's thread in bytes. An expression nested one deeper takes about 24 KiB.
pub(super) const STACK: usize = 64 << 20;

/// What the first layers need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// The process that started this one.
    pub(super) parent: u32,
    /// The processor time after which the kernel ends this one, in seconds.
    pub(super) processor_seconds: u64,
}

/// The layers of other systems: none.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Nothing can be put up here.
    pub(in super::super) fn process(_: super::Terms) -> Vec<String> {
        vec!["everything but a process of its own (this is not Linux)".to_owned()]
    }

    /// Nothing can be put up here.
    pub(in super::super) fn last() -> Vec<String> {
        Vec::new()
    }
}
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{last, process};
