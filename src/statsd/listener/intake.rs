//! The thread that receives: one task for each socket and connection, and one for the intervals.
//!
//! All tasks share one aggregate and take turns; none holds it while it waits.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bind::Sockets;
use super::connection::read_lines;
use super::is_empty;
use crate::clock::Clock;
use crate::query::Series;
use crate::statsd::aggregate::Aggregate;
use crate::statsd::kernel;
use crate::statsd::received::{Lost, Received, Way};
use crate::statsd::relay::Relay;

/// The longest packet there can be.
const LONGEST_PACKET: usize = 1 << 16;
/// How many packets are taken before others have their turn.
const BURST: usize = 256;
/// How many connections may be open.
const MOST_CONNECTIONS: usize = 1024;
/// The pause after a socket failed.
const BREATH: Duration = Duration::from_millis(100);
/// How long the relay has for what is left at the end.
const LAST: Duration = Duration::from_secs(1);

/// What the tasks share.
pub(super) struct Intake {
    pub(super) aggregate: Aggregate,
    pub(super) received: Arc<Received>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interval: Duration,
    pub(super) relay: Option<Relay>,
    pub(super) out: mpsc::Sender<Vec<Series>>,
}

pub(super) type Shared = Rc<RefCell<Intake>>;

/// Receives until `halt`, then hands over what is left.
pub(super) fn run(
    runtime: &Runtime,
    mut intake: Intake,
    mut sockets: Sockets,
    relay_to: Option<String>,
    halt: CancellationToken,
) {
    let local = LocalSet::new();
    local.block_on(runtime, async move {
        let relaying = relay_to.map(|send_to| {
            let (relay, sending) = Relay::to(send_to, &intake.received.relay);
            intake.relay = Some(relay);
            spawn_local(sending)
        });
        let shared = Rc::new(RefCell::new(intake));
        let udp = sockets.udp.take().and_then(|socket| usable(UdpSocket::from_std(socket)));
        let unix = sockets.unix.take().and_then(|socket| usable(UnixDatagram::from_std(socket)));
        accept(&mut sockets, &shared);
        // None of these ends by itself.
        tokio::select! {
            () = halt.cancelled() => {}
            () = take_packets(udp.as_ref(), Way::Udp, &shared) => {}
            () = take_packets(unix.as_ref(), Way::UnixDatagram, &shared) => {}
            () = intervals(&shared, udp.as_ref()) => {}
        }
        // What came before the end is still there.
        if let Some(socket) = udp.and_then(|it| usable(it.into_std())) {
            take_rest(|buffer| socket.recv(buffer), Way::Udp, &shared);
            shared.borrow().received.kernel_drops(kernel::drops(&socket));
        }
        if let Some(socket) = unix.and_then(|it| usable(it.into_std())) {
            take_rest(|buffer| socket.recv(buffer), Way::UnixDatagram, &shared);
        }
        let at = shared.borrow().now();
        shared.borrow().received.leave();
        shared.borrow_mut().flush(at);
        // The relay ends when nobody hands anything in.
        drop(shared.borrow_mut().relay.take());
        if let Some(relaying) = relaying
            && timeout(LAST, relaying).await.is_err()
        {
            tracing::debug!("the last packets were not relayed");
        }
    });
}

impl Intake {
    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn packet(&mut self, packet: &[u8], way: Way, now: i64) {
        self.received.bytes(way, packet.len());
        self.aggregate.packet(packet, now);
        if let Some(relay) = &self.relay {
            relay.packet(packet);
        }
    }

    /// Takes whole lines that came through a connection.
    pub(super) fn lines(&mut self, lines: &[u8], now: i64) {
        self.aggregate.packet(lines, now);
        if let Some(relay) = &self.relay {
            relay.lines(lines);
        }
    }

    fn flush(&mut self, at: i64) {
        let points = self.aggregate.flush(at);
        if let Err(TrySendError::Full(points)) = self.out.try_send(points) {
            let points = points.iter().map(|series| series.times().len() as u64).sum();
            self.received.lose(Lost::Unstored, points);
        }
    }
}

/// A socket as this thread waits for it.
fn usable<T>(made: io::Result<T>) -> Option<T> {
    made.inspect_err(|error| tracing::error!(%error, "a statsd socket cannot be waited for")).ok()
}

/// What packets come from.
trait Packets {
    async fn readable(&self) -> io::Result<()>;
    fn take(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Packets for UdpSocket {
    async fn readable(&self) -> io::Result<()> {
        self.readable().await
    }

    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_recv(buffer)
    }
}

impl Packets for UnixDatagram {
    async fn readable(&self) -> io::Result<()> {
        self.readable().await
    }

    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_recv(buffer)
    }
}

/// Takes packets for ever, if there is where to take them from.
async fn take_packets(socket: Option<&impl Packets>, way: Way, shared: &Shared) {
    let Some(socket) = socket else { return std::future::pending().await };
    let mut buffer = vec![0; LONGEST_PACKET];
    loop {
        let ready = Packets::readable(socket).await;
        let taken = ready.and_then(|()| take_some(|it| socket.take(it), way, shared, &mut buffer));
        match taken {
            Ok(_) => yield_now().await,
            Err(error) => {
                tracing::debug!(%error, way = way.as_str(), "a statsd socket failed");
                sleep(BREATH).await;
            }
        }
    }
}

/// Takes packets until there are none or others are to have their turn; how many there were.
fn take_some(
    take: impl Fn(&mut [u8]) -> io::Result<usize>,
    way: Way,
    shared: &Shared,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut intake = shared.borrow_mut();
    let now = intake.now();
    for taken in 0..BURST {
        match take(buffer) {
            Ok(length) => intake.packet(&buffer[..length], way, now),
            Err(error) if is_empty(&error) => return Ok(taken),
            Err(error) => return Err(error),
        }
    }
    Ok(BURST)
}

/// Takes what is left at the end, but not for ever from those who go on sending.
fn take_rest(take: impl Fn(&mut [u8]) -> io::Result<usize>, way: Way, shared: &Shared) {
    let mut buffer = vec![0; LONGEST_PACKET];
    for _ in 0..BURST {
        if !matches!(take_some(&take, way, shared, &mut buffer), Ok(BURST)) {
            return;
        }
    }
}

/// Takes connections, each in a task of its own.
fn accept(sockets: &mut Sockets, shared: &Shared) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let tcp = sockets.tcp.take().and_then(|it| usable(TcpListener::from_std(it)));
    if let Some(listener) = tcp {
        let (shared, places) = (Rc::clone(shared), Arc::clone(&places));
        spawn_local(async move {
            loop {
                let stream = listener.accept().await.map(|(stream, _)| stream);
                connect(stream, Way::Tcp, &shared, &places).await;
            }
        });
    }
    let unix = sockets.unix_stream.take().and_then(|it| usable(UnixListener::from_std(it)));
    if let Some(listener) = unix {
        let shared = Rc::clone(shared);
        spawn_local(async move {
            loop {
                let stream = listener.accept().await.map(|(stream, _)| stream);
                connect(stream, Way::UnixStream, &shared, &places).await;
            }
        });
    }
}

async fn connect<S>(stream: io::Result<S>, way: Way, shared: &Shared, places: &Arc<Semaphore>)
where
    S: AsyncRead + Unpin + 'static,
{
    match (stream, Arc::clone(places).try_acquire_owned()) {
        (Ok(stream), Ok(place)) => {
            let shared = Rc::clone(shared);
            spawn_local(async move {
                read_lines(stream, way, &shared).await;
                drop(place);
            });
        }
        (Ok(_), Err(_)) => shared.borrow().received.refuse_connection(),
        (Err(error), _) => {
            tracing::debug!(%error, way = way.as_str(), "a statsd connection was not taken");
            sleep(BREATH).await;
        }
    }
}

/// Ends the intervals, on a grid: two hubs with one clock end them at the same time.
async fn intervals(shared: &Shared, udp: Option<&UdpSocket>) {
    let interval = i64::try_from(shared.borrow().interval.as_millis()).unwrap_or(i64::MAX).max(1);
    let mut last = shared.borrow().now().div_euclid(interval) * interval;
    loop {
        let now = shared.borrow().now();
        let wait = interval - now.rem_euclid(interval);
        sleep(Duration::from_millis(wait.unsigned_abs())).await;
        let mut intake = shared.borrow_mut();
        let at = intake.now().div_euclid(interval) * interval;
        // The timer may be a little early; a clock that was set back begins a new count.
        if at != last {
            intake.received.kernel_drops(udp.and_then(kernel::drops));
            intake.flush(at);
            last = at;
        }
    }
}
