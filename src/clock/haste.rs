//! Pauses of loops, cut short where a test lets hours pass in seconds.
//!
//! Builds with debug assertions do that when they are asked to; a release pauses as it is told. Must not:
//! read the time.

use std::sync::OnceLock;
use std::time::Duration;

/// The variable that asks for it, whatever it says.
pub const VARIABLE: &str = "TRIPLINE_HASTE";

/// The longest pause in haste.
const SHORT: Duration = Duration::from_millis(40);

/// How long to pause where `usual` is enough.
pub fn pause(usual: Duration) -> Duration {
    if cfg!(debug_assertions) && is_asked_for() { usual.min(SHORT) } else { usual }
}

fn is_asked_for() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os(VARIABLE).is_some())
}
