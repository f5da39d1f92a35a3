//! Ports for programs that must be told which one to listen on.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which systems take the ports of outgoing connections, so that none of
/// those can take the port between here and the program's start.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port of 127.0.0.1 that nobody listens on, over TCP or UDP. Test processes that run at the same
/// time begin to look at different places.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97) % COUNT;
    (0..COUNT)
        .map(|_| {
            let at = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            u16::try_from(FIRST + at).expect("the range is below 65536")
        })
        .find(|port| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
                && UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
        })
        .expect("a free port among 12,000")
}
