use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::sync::oneshot;

use super::*;
use crate::statsd::codec::tests::is_metric;
use crate::statsd::metrics::tests::sample;
use crate::statsd::packet::MAX;
use crate::statsd::route::tests::answers;

/// Longer than any test needs.
const PATIENCE: Duration = Duration::from_mins(10);

fn options(send_to: &impl ToString) -> Options {
    Options { send_to: send_to.to_string(), prefix: "t".into(), tags: Style::Plain }
}

async fn daemon() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback can be bound");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

async fn received(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_536];
    let received = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("a packet in time");
    String::from_utf8_lossy(&buffer[..received.expect("a packet")]).into_owned()
}

#[tokio::test]
async fn what_is_recorded_before_the_end_arrives_in_bounded_packets() {
    let (daemon, address) = daemon().await;
    let sink = Sink::start(options(&address));
    // Few enough for the receiver's buffer, many enough for several packets.
    let reports = 40;
    for _ in 0..reports {
        sink.record(&sample());
    }
    sink.stop().await;
    let (mut lines, mut packets) = (Vec::new(), 0);
    while lines.len() < 5 * reports {
        let packet = received(&daemon).await;
        assert!(packet.len() <= MAX, "{} bytes", packet.len());
        assert!(packet.lines().all(is_metric), "{packet}");
        lines.extend(packet.lines().map(str::to_owned));
        packets += 1;
    }
    assert_eq!(lines.len(), 5 * reports);
    assert_eq!(lines.iter().filter(|line| line.starts_with("t.runs.")).count(), reports);
    assert!(packets < 12, "{packets} packets are not packed");
    assert_eq!(sink.dropped(), Dropped::default());
}

#[tokio::test(start_paused = true)]
async fn a_lone_line_is_not_kept_waiting() {
    let (daemon, address) = daemon().await;
    let sink = Sink::start(options(&address));
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        sink.record(&sample());
        assert_eq!(received(&daemon).await.lines().count(), 5);
    }
    assert!(start.elapsed() <= 2 * (FLUSH + Duration::from_millis(2)), "{:?}", start.elapsed());
    assert_eq!(sink.dropped(), Dropped::default());
}

#[tokio::test]
async fn reports_wait_for_the_first_lookup() {
    let (daemon, address) = daemon().await;
    let (answer, asked) = oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let names: Names = Box::new(move |_| {
        let asked = asked.lock().expect("not poisoned").take().expect("asked once");
        Box::pin(async { asked.await.map_err(std::io::Error::other) })
    });
    let sink = Sink::with_names(options(&"slow.test:8125"), names);
    sink.record(&sample());
    tokio::task::yield_now().await;
    answer.send(vec![address]).expect("the name is asked for");
    sink.stop().await;
    assert_eq!(received(&daemon).await.lines().count(), 5);
    assert_eq!(sink.dropped(), Dropped::default());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_never_found_costs_metrics_only() {
    let sink = Sink::with_names(options(&"nowhere.test:8125"), answers(vec![None]));
    sink.record(&sample());
    sink.stop().await;
    assert_eq!(sink.dropped(), Dropped { packets: 1, ..Dropped::default() });
    sink.record(&sample());
    assert_eq!(sink.dropped(), Dropped { packets: 1, reports: 1, lines: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_hangs_does_not_hold_up_the_end() {
    let sink = Sink::with_names(
        options(&"slow.test:8125"),
        Box::new(|_| Box::pin(std::future::pending())),
    );
    sink.record(&sample());
    sink.stop().await;
    assert_eq!(sink.dropped().packets, 1);
}

#[tokio::test]
async fn a_full_queue_drops_reports_and_counts_them() {
    let (_daemon, address) = daemon().await;
    let sink = Sink::start(options(&address));
    // The task has no turn until this one waits.
    for _ in 0..QUEUE + 3 {
        sink.record(&sample());
    }
    assert_eq!(sink.dropped().reports, 3);
    sink.stop().await;
    assert_eq!(sink.dropped().reports, 3);
}

#[tokio::test]
async fn a_line_that_fits_no_packet_is_dropped_alone() {
    let (daemon, address) = daemon().await;
    let sink = Sink::start(Options { tags: Style::Dogstatsd, ..options(&address) });
    let mut report = sample();
    report.trace.measurements[0].tags =
        (0..16).map(|n| (format!("key{n}"), "v".repeat(128))).collect();
    sink.record(&report);
    sink.stop().await;
    assert_eq!(received(&daemon).await.lines().count(), 4);
    assert_eq!(sink.dropped(), Dropped { lines: 1, ..Dropped::default() });
}
