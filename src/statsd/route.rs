//! The way to the daemon: its name, its addresses, a socket.
//!
//! A name is looked up while packets are sent, again and again, since daemons move. UDP does not
//! tell who listens; only a refusal comes back, with a later packet. Nothing here keeps a packet.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::UdpSocket;
use tokio::time::{Sleep, sleep, timeout};

use super::dropped::Counters;
use crate::domain::backoff::Backoff;

/// How long an address is trusted.
const REFRESH: Duration = Duration::from_mins(1);
/// How soon to look again after an error.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), cap: REFRESH };
/// How long a lookup may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How long the kernel may take to accept a packet.
const SEND: Duration = Duration::from_secs(1);

/// The addresses of a host and port, some time.
pub(super) type Lookup = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
/// Looks up a host and port.
pub(super) type Names = Box<dyn Fn(&str) -> Lookup + Send + Sync>;

/// The machine's resolver.
pub(super) fn system() -> Names {
    Box::new(|send_to| {
        let send_to = send_to.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host(send_to).await?.collect()) })
    })
}

/// What was last told about the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing is wrong, as far as known.
    Open,
    /// The name has no address.
    Unresolved,
    /// Packets are refused, or cannot be sent at all.
    Refused,
}

/// The way to the daemon.
///
/// Time is divided into periods by the lookups. Only a whole period in which packets were sent and
/// none came back makes a refused way open again, so that a dead daemon is told once, not twice
/// for every packet.
pub(super) struct Route {
    send_to: String,
    names: Names,
    dropped: Arc<Counters>,
    lookup: Option<Lookup>,
    /// Until the next lookup.
    wait: Pin<Box<Sleep>>,
    /// Where to send, best first.
    addresses: Vec<SocketAddr>,
    link: Option<Link>,
    /// Whether a packet was sent in this period.
    sent: bool,
    /// Whether there was an error in this period.
    troubled: bool,
    /// Periods in a row with an error.
    failures: u32,
    condition: Condition,
}

/// A socket connected to one of the addresses.
struct Link {
    socket: UdpSocket,
    /// The index of the address.
    at: usize,
}

impl Route {
    /// A way that is looked for at the first [`Route::renew`]. Packets that are not sent are
    /// counted in `dropped`.
    pub(super) fn new(send_to: String, names: Names, dropped: Arc<Counters>) -> Self {
        Self {
            send_to,
            names,
            dropped,
            lookup: None,
            wait: Box::pin(sleep(Duration::ZERO)),
            addresses: Vec::new(),
            link: None,
            sent: false,
            troubled: false,
            failures: 0,
            condition: Condition::Open,
        }
    }

    /// Waits until the name should be looked up, looks it up, and turns to what was found. May be
    /// cancelled and called again.
    pub(super) async fn renew(&mut self) {
        if self.lookup.is_none() {
            self.wait.as_mut().await;
        }
        let (names, send_to) = (&self.names, &self.send_to);
        let lookup = self.lookup.get_or_insert_with(|| {
            let lookup = timeout(LOOKUP, names(send_to));
            Box::pin(async move { lookup.await.unwrap_or_else(|late| Err(late.into())) })
        });
        let found = lookup.await;
        self.lookup = None;
        self.settle(found);
    }

    /// Sends one packet, or counts it as dropped.
    pub(super) async fn send(&mut self, packet: &[u8]) {
        // A refusal belongs to an earlier packet and keeps this one from being sent: it is sent
        // again, to the same address if there is no other.
        for _ in 0..=self.addresses.len() {
            let Some(link) = &self.link else { break };
            match timeout(SEND, link.socket.send(packet)).await {
                Ok(Ok(_)) => {
                    self.sent = true;
                    return;
                }
                Ok(Err(error)) => {
                    let next = link.at + 1;
                    if error.kind() == io::ErrorKind::ConnectionRefused {
                        Counters::count(&self.dropped.packets);
                    }
                    self.refused(&error);
                    if next < self.addresses.len() {
                        self.connect(next);
                    }
                }
                Err(late) => {
                    self.refused(&late.into());
                    break;
                }
            }
        }
        Counters::count(&self.dropped.packets);
    }

    /// Ends a period with the answer of a lookup.
    fn settle(&mut self, found: io::Result<Vec<SocketAddr>>) {
        match found {
            Ok(addresses) if !addresses.is_empty() => self.found(addresses),
            Ok(_) => self.unresolved(&io::Error::other("the name has no address")),
            Err(error) => self.unresolved(&error),
        }
        let wait = if self.failures == 0 { REFRESH } else { BACKOFF.after(self.failures, 0.0) };
        self.wait.set(sleep(wait));
        (self.sent, self.troubled) = (false, false);
    }

    fn found(&mut self, mut addresses: Vec<SocketAddr>) {
        // Daemons listen on IPv4 unless told otherwise, whatever else their machine has.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        // The refusal of the last packet may not have been seen yet.
        if let Some(Ok(Some(error))) = self.link.as_ref().map(|link| link.socket.take_error()) {
            Counters::count(&self.dropped.packets);
            self.refused(&error);
        }
        let current = self.link.as_ref().and_then(|link| self.addresses.get(link.at).copied());
        let kept = addresses.iter().position(|address| Some(*address) == current);
        self.addresses = addresses;
        match (&mut self.link, kept) {
            (Some(link), Some(at)) if !self.troubled => link.at = at,
            _ => self.connect(0),
        }
        let open = match self.condition {
            Condition::Open => !self.troubled,
            Condition::Unresolved => self.link.is_some(),
            Condition::Refused => self.sent && !self.troubled,
        };
        if open {
            self.failures = 0;
            self.tell(Condition::Open, None);
        }
    }

    /// Connects to the first address from `start` on that has a way.
    fn connect(&mut self, start: usize) {
        self.link = None;
        for at in start..self.addresses.len() {
            match connected(self.addresses[at]) {
                Ok(socket) => {
                    self.link = Some(Link { socket, at });
                    return;
                }
                Err(error) => self.refused(&error),
            }
        }
    }

    fn refused(&mut self, error: &io::Error) {
        if !self.troubled {
            self.troubled = true;
            self.failures = self.failures.saturating_add(1);
            self.wait.set(sleep(BACKOFF.after(self.failures, 0.0)));
        }
        self.tell(Condition::Refused, Some(error));
    }

    /// The last addresses stay in use: they may still be right.
    fn unresolved(&mut self, error: &io::Error) {
        self.failures = self.failures.saturating_add(1);
        self.tell(Condition::Unresolved, Some(error));
    }

    fn tell(&mut self, condition: Condition, error: Option<&io::Error>) {
        if condition == self.condition {
            return;
        }
        self.condition = condition;
        let (send_to, error) = (&*self.send_to, error.map(tracing::field::display));
        match condition {
            Condition::Open => tracing::info!(send_to, "statsd is reached again"),
            Condition::Unresolved => {
                tracing::warn!(send_to, error, "statsd's address is not found; looking again");
            }
            Condition::Refused => {
                tracing::warn!(send_to, error, "statsd does not take metrics; still sending them");
            }
        }
    }
}

/// A socket that sends to `address` and hears of refusals.
fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

#[cfg(test)]
pub(super) mod tests;
