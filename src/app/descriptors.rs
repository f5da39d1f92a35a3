//! How many files and connections this process may have open.
//!
//! Each request is a connection, and each run of a script is a process with some pipes, so the limit
//! that shells and service managers give by default can be too low. Nothing here opens anything.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::agent::Limits;

/// What one run of a script may have open at a time: its process, what leads to it, connections.
const PER_SCRIPT: usize = 8;
/// What one plain request may have open: two addresses are tried side by side.
const PER_REQUEST: usize = 2;
/// The store, the API, the log, the children that wait, and the channels but for webhooks.
const BESIDES: usize = 128;

/// Raises the limit as far as this process may.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Where the system refuses, all stays as it was, and a limit that is too low is told later.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Says so where the limit is too low for as many runs as there may be, and as many webhooks on their way.
pub(super) fn warn_if_too_low(limits: &Limits, webhooks: usize) {
    let most = getrlimit(Resource::Nofile).current;
    let needed = needed(limits, webhooks);
    if let Some(most) = most.filter(|most| *most < needed) {
        tracing::warn!(
            most,
            needed,
            runs = limits.scripts,
            requests = limits.requests,
            webhooks,
            "few files and connections may be open at a time: with many runs or webhooks at once, \
             some runs end as unknown; raise the limit (`ulimit -n`, LimitNOFILE=) or lower [agent] max_runs"
        );
    }
}

/// How many descriptors that many runs and webhooks take.
fn needed(limits: &Limits, webhooks: usize) -> u64 {
    let runs = limits.scripts.saturating_mul(PER_SCRIPT);
    let requests = limits.requests.saturating_mul(PER_REQUEST);
    let all = runs.saturating_add(requests).saturating_add(webhooks).saturating_add(BESIDES);
    u64::try_from(all).unwrap_or(u64::MAX)
}
