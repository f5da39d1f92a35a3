//! The memory of a daemon that a hundred thousand series of statsd come to.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tripline::clock::{Clock, Stopwatch, System};

use crate::daemon::Daemon;
use crate::machine::{memory, peak, processor_time};
use crate::project::Project;
use crate::target::free_port;
use crate::{Priority, Row, client};

const SERIES: u32 = 100_000;
/// So many have one name.
const OF_ONE_NAME: u32 = 2_000;
/// How often each is sent, which is how often points are made.
const EVERY: Duration = Duration::from_secs(10);
/// Lines in a packet.
const PACKED: u32 = 20;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);
/// How long after its end an hour is closed for sure.
const CLOSED: Duration = Duration::from_mins(10);

/// Some minutes, in which the points of these minutes are remembered.
pub(crate) async fn minutes(priority: Priority) -> Result<Vec<Row>> {
    series(priority, LOOK).await
}

/// Until a whole hour of points was remembered and closed: at least 70 minutes, from now to the next hour
/// more.
pub(crate) async fn hour(priority: Priority) -> Result<Vec<Row>> {
    let now = u64::try_from(System.now().timestamp())?;
    let begins = Duration::from_secs(HOUR.as_secs() - now % HOUR.as_secs());
    series(priority, begins + HOUR + CLOSED).await
}

async fn series(priority: Priority, time: Duration) -> Result<Vec<Row>> {
    let port = free_port()?;
    let mut project = Project::new(free_port()?)?;
    project.settings(&format!("listen = \"127.0.0.1:{port}\"\nmax_series = {}\n", 2 * SERIES));
    let daemon = Daemon::start(&project, priority).await?;
    let (empty, _) = memory(daemon.id())?;
    let mut rows = vec![
        Row::new("load", format!("{SERIES} counters and gauges, each sent every 10 s")),
        Row::new("memory before", format!("{empty:.0} MiB resident")),
    ];
    let sender = Sender::start(port)?;
    let watch = Stopwatch::start();
    while watch.elapsed() < time {
        tokio::time::sleep(LOOK.min(time.saturating_sub(watch.elapsed()))).await;
        let (resident, _) = memory(daemon.id())?;
        let (minutes, most) = (watch.elapsed().as_secs() / 60, peak(daemon.id())?);
        let value = format!("{resident:.0} MiB resident, {most:.0} MiB at most until then");
        rows.push(Row::new(format!("memory after {minutes} minutes"), value));
    }
    let sent = sender.end()?;
    // What is in the kernel's buffer is read, and the last interval ends.
    tokio::time::sleep(EVERY + EVERY / 10).await;
    rows.push(said(&daemon, sent).await?);
    let share = processor_time(daemon.id())?.as_secs_f64() / watch.elapsed().as_secs_f64();
    rows.push(Row::new(
        "processor time of the daemon",
        format!("{:.0} % of a core", share * 100.0),
    ));
    let file = std::fs::metadata(project.path().join("tripline.db"))?;
    rows.push(Row::new("the store", format!("{} MB", file.len() / 1_000_000)));
    Ok(rows)
}

/// What the daemon says of what came.
async fn said(daemon: &Daemon, sent: u64) -> Result<Row> {
    let text = client::text(&client::client()?, &format!("{}/healthz", daemon.url)).await?;
    let health: Value = serde_json::from_str(&text).context("health is JSON")?;
    let said = &health["statsd_listener"];
    let (lines, series, drops) = (&said["lines"], &said["series"], &said["kernel_drops"]);
    let (refused, lost) = (&said["refused"], &said["points_lost"]);
    let value = format!(
        "{lines} of {sent} lines, {series} series; dropped by the kernel {drops}, refused {refused}, \
         points lost {lost}"
    );
    Ok(Row::new("received", value))
}

/// Sends all series again and again, evenly.
struct Sender {
    thread: std::thread::JoinHandle<Result<u64>>,
    is_over: Arc<AtomicBool>,
}

impl Sender {
    fn start(port: u16) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", port))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || send(&socket, &over));
        Ok(Self { thread, is_over })
    }

    /// Ends it; how many lines it sent.
    fn end(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the sender broke off"))?
    }
}

fn send(socket: &UdpSocket, is_over: &AtomicBool) -> Result<u64> {
    let packets = SERIES / PACKED;
    let (watch, mut sent) = (Stopwatch::start(), 0_u64);
    for round in 0.. {
        for packet in 0..packets {
            let due = EVERY * round + EVERY * packet / packets;
            let early = due.saturating_sub(watch.elapsed());
            if early > Duration::from_millis(5) {
                std::thread::park_timeout(early);
            }
            if is_over.load(Ordering::Relaxed) {
                return Ok(sent);
            }
            let lines = packet * PACKED..(packet + 1) * PACKED;
            let lines: Vec<String> = lines.map(|number| line(number, round)).collect();
            socket.send(lines.join("\n").as_bytes())?;
            sent += u64::from(PACKED);
        }
    }
    Ok(sent)
}

/// Of three, one is a counter, one a gauge that rarely changes, and one is noise with three digits.
fn line(number: u32, round: u32) -> String {
    let (name, host) = (number / OF_ONE_NAME, number % OF_ONE_NAME);
    let chance = number.wrapping_mul(2_654_435_761).wrapping_add(round.wrapping_mul(40_503));
    let chance = (chance ^ chance >> 15).wrapping_mul(2_246_822_519);
    let chance = (chance ^ chance >> 13) % 1_000;
    let (ending, value) = match number % 3 {
        0 => ("requests_total", format!("{}|c", 5 + number % 7 + chance % 3)),
        1 => ("workers", format!("{}|g", number % 100 + u32::from(chance < 5))),
        _ => ("seconds", format!("{}|g", f64::from(chance) / 1_000.0)),
    };
    let region = host % 3;
    format!(
        "service_{name}_{ending}:{value}|#host:host-{host}.eu-west-1.example.com,\
         region:eu-west-{region},service:service-{name}"
    )
}
