//! Passes on what the listener receives to another statsd, byte for byte.
//!
//! Packets go out as they came in; what came through a connection goes out in packets of whole
//! lines. Receiving never waits for it: what finds the queue full is dropped and counted.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::dropped::Counters;
use super::packet;
use super::route::{self, Route};

/// How many packets may wait.
const QUEUE: usize = 8192;

/// Where received packets are handed in.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    queue: mpsc::Sender<Box<[u8]>>,
    dropped: Arc<Counters>,
}

impl Relay {
    /// A relay to `send_to`, a host and port, and the work that sends. It ends when the relay is
    /// dropped. What is not passed on is counted in `dropped`.
    pub(super) fn to(
        send_to: String,
        dropped: &Arc<Counters>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let route = Route::new(send_to, route::system(), Arc::clone(dropped));
        (Self { queue, dropped: Arc::clone(dropped) }, send(waiting, route))
    }

    /// Passes on one packet.
    pub(super) fn packet(&self, packet: &[u8]) {
        if self.queue.try_send(packet.into()).is_err() {
            Counters::count(&self.dropped.packets);
        }
    }

    /// Passes on whole lines, each with its line break, in packets that fit an Ethernet frame.
    pub(super) fn lines(&self, mut lines: &[u8]) {
        while !lines.is_empty() {
            let end = cut(lines);
            self.packet(&lines[..end]);
            lines = &lines[end..];
        }
    }
}

/// Where the longest packet of whole lines ends that `lines` begin with; a line that is longer than
/// a packet is one by itself.
fn cut(lines: &[u8]) -> usize {
    if lines.len() <= packet::MAX {
        return lines.len();
    }
    let is_break = |byte: &u8| *byte == b'\n';
    let fitting = lines[..packet::MAX].iter().rposition(is_break);
    let end = fitting.or_else(|| lines.iter().position(is_break));
    end.map_or(lines.len(), |end| end + 1)
}

async fn send(mut waiting: mpsc::Receiver<Box<[u8]>>, mut route: Route) {
    // Packets wait until the first lookup has an answer, whatever it is.
    route.renew().await;
    loop {
        tokio::select! {
            biased;
            packet = waiting.recv() => match packet {
                Some(packet) => route.send(&packet).await,
                None => return,
            },
            () = route.renew() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_arrive_unchanged_and_lines_whole() {
        let there = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = there.local_addr().expect("an address").to_string();
        let dropped = Arc::<Counters>::default();
        let (relay, sending) = Relay::to(address, &dropped);
        relay.packet(b"not \xff even: text\n\n");
        let line = format!("{}:1|c\n", "a".repeat(1000));
        relay.lines(format!("{line}{line}b:1|c\n").as_bytes());
        drop(relay);
        sending.await;
        let mut buffer = [0; 4096];
        let mut received = Vec::new();
        for _ in 0..3 {
            let length = there.recv(&mut buffer).await.expect("a packet");
            received.push(buffer[..length].to_vec());
        }
        assert_eq!(received[0], b"not \xff even: text\n\n");
        assert_eq!(received[1], line.as_bytes());
        assert_eq!(received[2], format!("{line}b:1|c\n").as_bytes());
        assert_eq!(dropped.read().packets, 0);
    }

    #[tokio::test]
    async fn a_full_queue_is_counted_and_never_waited_for() {
        let dropped = Arc::<Counters>::default();
        let (relay, _sending) = Relay::to("127.0.0.1:9".into(), &dropped);
        for _ in 0..=QUEUE {
            relay.packet(b"a:1|c");
        }
        assert_eq!(dropped.read().packets, 1);
    }

    #[test]
    fn a_line_longer_than_a_packet_goes_alone() {
        let long = format!("{}\nb\n", "a".repeat(packet::MAX + 5));
        assert_eq!(cut(long.as_bytes()), packet::MAX + 6);
        assert_eq!(cut(b"a\nb\n"), 4);
    }
}
