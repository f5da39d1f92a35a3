//! What is seen of an exchange while it happens, kept even when it is cut off.

use std::fmt;
use std::net::SocketAddr;

use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::run::Timings;

/// What was seen of one exchange so far.
///
/// The caller owns it, so that a dropped exchange leaves behind how far it came.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Where the time went.
    pub timings: Timings,
    /// The address that was dialled.
    pub remote: Option<SocketAddr>,
    /// Bytes of the body sent.
    pub sent: u64,
    /// Bytes of the body received, as they came over the wire.
    pub received: u64,
    /// Until when the certificate of the server is valid, where it showed one.
    pub certificate_until: Option<Timestamp>,
    /// Whether the proxy of the agent is being reached, which is no matter of the target.
    pub(super) at_proxy: bool,
    /// Whether reading waits for memory that other runs take up.
    pub(super) at_memory: bool,
    under_way: Option<(Phase, Stopwatch)>,
}

/// A part of an exchange that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Resolving the name.
    Resolving,
    /// Opening the TCP connection.
    Connecting,
    /// The TLS handshake.
    Securing,
    /// From the request's first byte to the answer's first byte.
    Waiting,
    /// Reading the body.
    Downloading,
}

impl fmt::Display for Phase {
    /// Fits after "while".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "resolving the name",
            Self::Connecting => "connecting",
            Self::Securing => "setting up TLS",
            Self::Waiting => "waiting for the answer",
            Self::Downloading => "reading the body",
        })
    }
}

impl Seen {
    /// Whether the exchange came no further than to the agent's own proxy.
    pub fn is_at_proxy(&self) -> bool {
        self.at_proxy
    }

    /// Whether reading the answer came to wait for memory that other runs take up.
    pub fn is_at_memory(&self) -> bool {
        self.at_memory
    }

    /// Ends the phase under way and begins `phase`.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.leave();
        self.under_way = Some((phase, Stopwatch::start()));
    }

    /// Ends the phase under way, if there is one, notes how long it took, and says which it was.
    pub fn leave(&mut self) -> Option<Phase> {
        let (phase, since) = self.under_way.take()?;
        let timing = match phase {
            Phase::Resolving => &mut self.timings.dns,
            Phase::Connecting => &mut self.timings.connect,
            Phase::Securing => &mut self.timings.tls,
            Phase::Waiting => &mut self.timings.wait,
            Phase::Downloading => &mut self.timings.download,
        };
        *timing = Some(timing.unwrap_or_default() + since.elapsed());
        Some(phase)
    }
}
