//! How many lines of statsd a daemon receives, beside a control that only takes packets.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tripline::clock::Stopwatch;

use crate::daemon::Daemon;
use crate::machine::processor_time;
use crate::project::Project;
use crate::statistics::double;
use crate::target::{free_port, own_program};
use crate::{Priority, Row, client};

/// The first argument of the control's process.
pub(crate) const ROLE: &str = "statsd-control";

/// How many lines are sent in a second.
const RATE: usize = 200_000;
const TIME: Duration = Duration::from_secs(20);
/// How many different lines there are; of ten, six are counters, three timers and one a gauge.
const LINES: usize = 1_000;
/// Ends the control.
const END: &[u8] = b"end";

/// Packets as clients send them that pack lines, and as those do that do not.
pub(crate) async fn statsd(priority: Priority) -> Result<Vec<Row>> {
    let mut rows = vec![Row::new("load", format!("{RATE} lines a second, {LINES} different"))];
    for packed in [20, 1] {
        rows.push(Row::new(format!("{packed} lines a packet"), ""));
        rows.extend(received(packed, priority).await?);
        rows.extend(taken(packed, priority).await?);
    }
    Ok(rows)
}

async fn received(packed: usize, priority: Priority) -> Result<Vec<Row>> {
    let (port, nobody) = (free_port()?, free_port()?);
    let mut project = Project::new(nobody)?;
    project.settings(&format!("listen = \"127.0.0.1:{port}\"\n"));
    let daemon = Daemon::start(&project, priority).await?;
    // Every series must have been seen once: the first line of each is dearer.
    send(port, packed, Duration::from_secs(1)).await?;
    let before = heard(&daemon).await?;
    let used = processor_time(daemon.id())?;
    let sent = send(port, packed, TIME).await?;
    let after = heard(&daemon).await?;
    let used = processor_time(daemon.id())?.saturating_sub(used);
    let lines = after.lines - before.lines;
    Ok(vec![
        Row::new("lines received", format!("{lines} of {sent}")),
        Row::new("dropped by the kernel, refused", format!("{}, {}", after.drops, after.refused)),
        Row::new("processor time of the daemon", cost(used, lines)),
    ])
}

async fn taken(packed: usize, priority: Priority) -> Result<Vec<Row>> {
    let mut control = Control::start(priority)?;
    send(control.port, packed, Duration::from_secs(1)).await?;
    let used = processor_time(control.child.id())?;
    let sent = send(control.port, packed, TIME).await?;
    let used = processor_time(control.child.id())?.saturating_sub(used);
    let lines = control.end()?;
    let all = sent + sent / usize::try_from(TIME.as_secs())?;
    Ok(vec![
        Row::new("taken by a bare loop", format!("{lines} of {all}")),
        Row::new("processor time of the bare loop", cost(used, sent)),
    ])
}

fn cost(used: Duration, lines: usize) -> String {
    let share = 100.0 * used.as_secs_f64() / TIME.as_secs_f64();
    let each = used.as_secs_f64() * 1e9 / double(lines.max(1));
    format!("{each:.0} ns a line, {share:.0} % of a core")
}

/// What the daemon says that it received.
struct Heard {
    lines: usize,
    drops: u64,
    refused: u64,
}

async fn heard(daemon: &Daemon) -> Result<Heard> {
    // The kernel's count is read at the end of each interval, and what is in its buffer has to be
    // read.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let client = client::client()?;
    let text = client.get(format!("{}/healthz", daemon.url)).send().await?.text().await?;
    let health: Value = serde_json::from_str(&text).context("health is JSON")?;
    let said = &health["statsd_listener"];
    let refused = said["refused"].as_object().into_iter().flatten();
    Ok(Heard {
        lines: usize::try_from(said["lines"].as_u64().context("no lines")?)?,
        drops: said["kernel_drops"].as_u64().context("no drops")?,
        refused: refused.filter_map(|(_, lines)| lines.as_u64()).sum(),
    })
}

/// The lines, as packets of so many.
fn packets(packed: usize) -> Vec<Vec<u8>> {
    let line = |number: usize| {
        let (host, value) = (number % 50, number * 7 % 900);
        match number % 10 {
            0..6 => format!("shop.requests.{number}:1|c|#region:eu-west-1,host:web-{host}"),
            6..9 => {
                format!("shop.latency.{number}:{value}.25|ms|#region:eu-west-1,host:web-{host}")
            }
            _ => format!("shop.queue.{number}:{value}|g|#region:eu-west-1"),
        }
    };
    let lines: Vec<String> = (0..LINES).map(line).collect();
    lines.chunks(packed).map(|lines| lines.join("\n").into_bytes()).collect()
}

/// Sends at [`RATE`] for `time`, in portions of a millisecond; how many lines.
async fn send(port: u16, packed: usize, time: Duration) -> Result<usize> {
    let sending = move || -> Result<usize> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(("127.0.0.1", port))?;
        let packets = packets(packed);
        let (watch, mut sent) = (Stopwatch::start(), 0);
        let mut next = packets.iter().cycle();
        while watch.elapsed() < time {
            let due = RATE * usize::try_from(watch.elapsed().as_millis() + 1)? / 1_000;
            while sent < due {
                socket.send(next.next().context("there are packets")?)?;
                sent += packed;
            }
            let begun = watch.elapsed().subsec_micros() % 1_000;
            let rest = Duration::from_micros(u64::from(1_000 - begun));
            std::thread::park_timeout(rest);
        }
        Ok(sent)
    };
    tokio::task::spawn_blocking(sending).await?
}

/// A process that does nothing but take packets and count their lines.
struct Control {
    child: Child,
    port: u16,
}

impl Control {
    fn start(priority: Priority) -> Result<Self> {
        let mut command: Command = own_program(priority)?;
        command.arg(ROLE).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("failed to start the control")?;
        let out = child.stdout.as_mut().context("it has an output")?;
        let mut said = String::new();
        // One byte at a time, so that nothing of the next line is taken.
        BufReader::with_capacity(1, out).read_line(&mut said)?;
        Ok(Self { port: said.trim().parse()?, child })
    }

    /// Ends it; how many lines it took.
    fn end(&mut self) -> Result<usize> {
        UdpSocket::bind("127.0.0.1:0")?.send_to(END, ("127.0.0.1", self.port))?;
        let mut said = String::new();
        let out = self.child.stdout.as_mut().context("it has an output")?;
        BufReader::new(out).read_line(&mut said)?;
        self.child.wait()?;
        Ok(said.trim().parse()?)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The life of the control process.
pub(crate) fn control() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // An error means that it has the usual buffer.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 16 << 20);
    let mut out = std::io::stdout();
    writeln!(out, "{}", socket.local_addr()?.port())?;
    let (mut buffer, mut lines) = (vec![0; 1 << 16], 0);
    loop {
        let length = socket.recv(&mut buffer)?;
        if &buffer[..length] == END {
            writeln!(out, "{lines}")?;
            return Ok(());
        }
        lines += buffer[..length].split(|byte| *byte == b'\n').count();
    }
}
