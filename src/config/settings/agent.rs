//! `[agent]`: the process that runs checks, and how far it trusts them.

use crate::config::reader::{Report, Table, no_hint};
use crate::domain::id::Region;

/// The process that runs checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The region it serves.
    pub region: Region,
    /// How many runs it makes at the same time.
    pub max_runs: u32,
    /// What to do when a layer of the sandbox is missing.
    pub sandbox: SandboxMode,
    /// Whether checks may reach private networks.
    pub private_addresses: PrivateAddresses,
}

/// What to do when this system lacks a layer of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxMode {
    /// Run no script.
    Require,
    /// Run scripts with the layers there are, and say so loudly.
    Degrade,
}

/// Whether checks may reach addresses that are not public. The metadata services of clouds are out
/// of reach either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// They may.
    Allow,
    /// They may not.
    Refuse,
}

impl Agent {
    /// How many runs at the same time when nothing is written.
    pub const MAX_RUNS: u32 = 64;

    pub(super) fn read(section: Option<Table<'_>>, report: &mut Report) -> Self {
        let (mut region, mut max_runs, mut sandbox, mut private) = (None, None, None, None);
        if let Some(mut table) = section {
            region = table.optional("region").and_then(|it| it.parsed(Region::new, report));
            max_runs = table.optional("max_runs").and_then(|it| it.integer(1..=1024, report));
            let words = [("require", SandboxMode::Require), ("degrade", SandboxMode::Degrade)];
            sandbox = table.optional("sandbox").and_then(|it| it.word(&words, report));
            let words = [("allow", PrivateAddresses::Allow), ("refuse", PrivateAddresses::Refuse)];
            private = table.optional("private_addresses").and_then(|it| it.word(&words, report));
            table.finish(report, no_hint);
        }
        Self {
            region: region.unwrap_or_else(local),
            max_runs: max_runs.unwrap_or(Self::MAX_RUNS),
            sandbox: sandbox.unwrap_or(SandboxMode::Require),
            private_addresses: private.unwrap_or(PrivateAddresses::Allow),
        }
    }
}

/// The region when nothing is written.
fn local() -> Region {
    Region::new("local").expect("letters only")
}
