//! Where reports go in and packets come out.
//!
//! One task owns the packet and the socket; [`Sink::record`] only encodes and queues. It must never
//! wait, lock or fail: a run is not worth less because its metrics got lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::{Encoder, Lines, Style};
use super::dropped::{Change, Counters, Dropped, Watch};
use super::metrics::{self, Share};
use super::packet::{Packet, Refusal};
use super::route::{self, Names, Route};
use crate::domain::run::Report;

/// How many reports may wait.
const QUEUE: usize = 1024;
/// How long the first line of a packet waits for others.
const FLUSH: Duration = Duration::from_millis(250);
/// How long the end may take to learn the daemon's address, and then to send what is left.
const LAST: Duration = Duration::from_secs(1);

/// Where and how metrics are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Host and port: `127.0.0.1:8125`, `[::1]:8125`, `statsd.internal:8125`.
    pub send_to: String,
    /// What all names begin with, without the dot after it; may be empty.
    pub prefix: String,
    /// How labels are written.
    pub tags: Style,
}

/// Sends the metrics of runs, and what is known of all checks together.
#[derive(Debug)]
pub struct Sink {
    encoder: Encoder,
    queue: mpsc::Sender<Lines>,
    dropped: Arc<Counters>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Sink {
    /// Starts the task that sends. It ends with [`Sink::stop`], or after the sink is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    pub fn start(options: Options) -> Self {
        Self::with_names(options, route::system())
    }

    fn with_names(options: Options, names: Names) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let dropped = Arc::new(Counters::default());
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let pump = Pump {
            waiting,
            packet: Packet::new(),
            route: Route::new(options.send_to, names, Arc::clone(&dropped)),
            dropped: Arc::clone(&dropped),
            full: Watch::default(),
            too_long: Watch::default(),
        };
        tasks.spawn(pump.run(stop.clone()));
        tasks.close();
        Self { encoder: Encoder::new(&options.prefix, options.tags), queue, dropped, stop, tasks }
    }

    /// Sends the metrics of a run at some time within the next quarter of a second, if at all.
    /// Takes a few microseconds and never waits.
    pub fn record(&self, report: &Report) {
        self.queue(metrics::of_run(report, &self.encoder));
    }

    /// Sends how slots came out lately, in the same way. Many are better told in parts, with a pause
    /// after each: whoever receives packets drops those that come too many at once.
    pub fn tell_shares(&self, shares: &[Share]) {
        self.queue(metrics::of_shares(shares, &self.encoder));
    }

    /// Sends how many incidents are open, by the kind of their subjects, in the same way.
    pub fn tell_open(&self, open: &BTreeMap<&'static str, u32>) {
        self.queue(metrics::of_open(open, &self.encoder));
    }

    /// Sends that an incident began, with the kind of its subject, in the same way.
    pub fn tell_opened(&self, about: &'static str) {
        self.queue(metrics::of_opened(about, &self.encoder));
    }

    /// Sends how long a span between two stamps of a message by `channel` took, in the same way.
    pub fn tell_span(&self, span: &'static str, channel: &'static str, time: Duration) {
        self.queue(metrics::of_span(span, channel, time, &self.encoder));
    }

    fn queue(&self, lines: Lines) {
        if self.queue.try_send(lines).is_err() {
            Counters::count(&self.dropped.reports);
        }
    }

    /// What was not sent, since the start.
    pub fn dropped(&self) -> Dropped {
        self.dropped.read()
    }

    /// Sends what was recorded before and ends, in two seconds at most. What is recorded later is
    /// dropped.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// The task behind the sink.
struct Pump {
    waiting: mpsc::Receiver<Lines>,
    packet: Packet,
    route: Route,
    dropped: Arc<Counters>,
    full: Watch,
    too_long: Watch,
}

impl Pump {
    async fn run(mut self, stop: CancellationToken) {
        // Reports wait in the queue until the first lookup has an answer, whatever it is.
        tokio::select! {
            () = self.route.renew() => {}
            () = async { stop.cancelled().await; sleep(LAST).await } => {}
        }
        self.send_until(&stop).await;
        self.waiting.close();
        let rest = async {
            while let Some(lines) = self.waiting.recv().await {
                self.pack(&lines).await;
            }
            self.flush().await;
        };
        if timeout(LAST, rest).await.is_err() {
            tracing::warn!("the last metrics were not sent: statsd cannot be reached in time");
        }
    }

    async fn send_until(&mut self, stop: &CancellationToken) {
        let flush = sleep(FLUSH);
        tokio::pin!(flush);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                lines = self.waiting.recv() => {
                    let Some(lines) = lines else { return };
                    let was_empty = self.packet.is_empty();
                    self.pack(&lines).await;
                    if was_empty {
                        flush.set(sleep(FLUSH));
                    }
                }
                () = &mut flush, if !self.packet.is_empty() => self.flush().await,
                () = self.route.renew() => self.settle(),
            }
        }
    }

    async fn pack(&mut self, lines: &Lines) {
        for entry in lines.entries() {
            let mut taken = self.packet.push(entry);
            if taken == Err(Refusal::Full) {
                self.flush().await;
                taken = self.packet.push(entry);
            }
            if taken.is_err() {
                Counters::count(&self.dropped.lines);
            }
        }
    }

    async fn flush(&mut self) {
        if !self.packet.is_empty() {
            self.route.send(self.packet.bytes()).await;
            self.packet.clear();
        }
        let dropped = self.dropped.read();
        let changes = (self.full.look(dropped.reports), self.too_long.look(dropped.lines));
        tell(changes, dropped);
    }

    fn settle(&mut self) {
        let dropped = self.dropped.read();
        let changes = (self.full.settle(dropped.reports), self.too_long.settle(dropped.lines));
        tell(changes, dropped);
    }
}

/// Tells when dropping began and ended, for the queue and for lines that are too long.
fn tell(
    (full, too_long): (Option<Change>, Option<Change>),
    Dropped { reports, lines, .. }: Dropped,
) {
    match full {
        Some(Change::Began) => {
            tracing::warn!(
                reports,
                "runs end faster than their metrics can be sent; dropping some"
            );
        }
        Some(Change::Ended) => tracing::info!(reports, "the metrics of all runs are sent again"),
        None => {}
    }
    match too_long {
        Some(Change::Began) => {
            tracing::warn!(lines, "a metric whose name and tags fit no packet is dropped");
        }
        Some(Change::Ended) => tracing::info!(lines, "all metrics fit their packets again"),
        None => {}
    }
}

#[cfg(test)]
mod tests;
