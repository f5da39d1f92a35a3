//! Where statsd is received: UDP, TCP, and both kinds of Unix sockets.
//!
//! A thread of its own receives, reads and aggregates, so that a flood delays no check. At the end of
//! each interval the points go into a bounded channel, for whoever stores them. A sender that is
//! slow, silent or greedy costs one connection of a bounded number with a bounded buffer. Nothing
//! here knows a store; what is received is never waited for.

mod bind;
mod connection;
mod intake;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::bind::BindError;
use self::bind::Sockets;
use self::intake::Intake;
use super::aggregate::{Aggregate, Rules};
use super::received::Received;
use crate::clock::Clock;
use crate::query::Series;

/// How many intervals may wait to be stored.
const WAITING: usize = 32;

/// Where to listen, and what to make of what comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Listening {
    /// Where UDP packets are taken.
    pub udp: Option<SocketAddr>,
    /// Where TCP connections are taken.
    pub tcp: Option<SocketAddr>,
    /// The path of a Unix socket for packets.
    pub unix: Option<PathBuf>,
    /// The path of a Unix socket for connections.
    pub unix_stream: Option<PathBuf>,
    /// Another statsd that all is passed on to, as host and port.
    pub relay_to: Option<String>,
    /// How series are made.
    pub rules: Rules,
}

/// A listener that receives. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Listener {
    udp: Option<SocketAddr>,
    tcp: Option<SocketAddr>,
    received: Arc<Received>,
    stop: CancellationToken,
}

/// The points of the intervals, each with all its series; none come any more after the listener
/// has ended.
pub type Intervals = mpsc::Receiver<Vec<Series>>;

impl Listener {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// [`BindError`] when an address or a path cannot be listened on; nothing is left running.
    pub fn start(
        listening: Listening,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Intervals), BindError> {
        let sockets = Sockets::bind(&listening)?;
        let received = Arc::<Received>::default();
        let stop = CancellationToken::new();
        let (udp, tcp) = sockets.addresses();
        let aggregate = Aggregate::new(listening.rules.clone(), Arc::clone(&received));
        let (out, intervals) = mpsc::channel(WAITING);
        let intake = Intake {
            aggregate,
            received: Arc::clone(&received),
            clock,
            interval: listening.rules.interval,
            relay: None,
            out,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(BindError::Thread)?;
        let (relay_to, halt) = (listening.relay_to, stop.clone());
        let work = move || intake::run(&runtime, intake, sockets, relay_to, halt);
        let thread = std::thread::Builder::new().name("statsd".into());
        thread.spawn(work).map_err(BindError::Thread)?;
        Ok((Self { udp, tcp, received, stop }, intervals))
    }

    /// Where UDP packets are taken.
    pub fn udp(&self) -> Option<SocketAddr> {
        self.udp
    }

    /// Where TCP connections are taken.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// What was received so far.
    pub fn received(&self) -> &Arc<Received> {
        &self.received
    }

    /// Receives no more. What came before is read, and its points are the last that come.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Whether an error says that there is nothing more for now.
fn is_empty(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
