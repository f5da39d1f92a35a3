//! The target: a server that costs little and remembers when each request came.
//!
//! It runs in a process of its own and listens on 127.0.0.1 to 127.0.0.64 at one port, so that fresh
//! connections do not run out of local ports. It answers the pages of a sign-in, any other path with
//! `ok` or the status it was told for it, and `chat.postMessage` as Slack would. It speaks just
//! enough HTTP/1.1 for that.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tripline::clock::{Clock, System};

use crate::{Priority, client};

/// The first argument of the process.
pub(crate) const ROLE: &str = "target-server";
/// How many loopback addresses there are.
pub(crate) const ADDRESSES: u8 = 64;

const LONGEST_REQUEST: usize = 1 << 20;

/// A request as the target saw it. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When its last byte was read.
    pub(crate) came: i64,
    /// When its answer was about to be written.
    pub(crate) answered: i64,
    /// The status of the answer.
    pub(crate) status: u16,
    /// The path with the query.
    pub(crate) path: String,
    /// For a Slack message, the channel; else empty.
    pub(crate) channel: String,
}

/// A running target server, as the harness sees it. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    child: Child,
    /// The port, the same on all addresses. A statsd port over UDP, too.
    pub(crate) port: u16,
    client: reqwest::Client,
}

impl Target {
    /// Starts the server and waits until it answers.
    pub(crate) async fn start(priority: Priority) -> Result<Self> {
        let port = free_port()?;
        let mut command = own_program(priority)?;
        command.arg(ROLE).arg(port.to_string()).stdin(Stdio::piped());
        let child = command.spawn().context("failed to start the target server")?;
        let target = Self { child, port, client: client::client()? };
        for _ in 0..500 {
            if target.seen().await.is_ok() {
                return Ok(target);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the target server did not answer");
    }

    /// The base URL for the check with this number; numbers take turns on the addresses.
    pub(crate) fn url(&self, number: usize) -> String {
        let last = number % usize::from(ADDRESSES) + 1;
        format!("http://127.0.0.{last}:{}", self.port)
    }

    /// What was seen since this was asked last.
    pub(crate) async fn seen(&self) -> Result<Vec<Seen>> {
        let text = client::text(&self.client, &format!("{}/__log", self.url(0))).await?;
        text.lines().map(parse_line).collect()
    }

    /// From now on, answers `path` with `status`.
    pub(crate) async fn answer(&self, path: &str, status: u16) -> Result<()> {
        let url = format!("{}/__status{path}?{status}", self.url(0));
        client::text(&self.client, &url).await.map(drop)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free on the first address and that was not given out before; the other addresses are
/// this harness's alone.
pub(crate) fn free_port() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Below the range of outgoing connections, so that none of those can take it meanwhile.
    let first = 20_000 + u16::try_from(std::process::id() % 6_000).unwrap_or_default();
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = (0..6_000).map(|_| first + GIVEN.fetch_add(1, Ordering::Relaxed) % 6_000);
    ports.find(free).context("no port is free")
}

/// This program again, under `chrt -r` where that is wanted.
pub(crate) fn own_program(priority: Priority) -> Result<Command> {
    let program = std::env::current_exe().context("failed to find this program")?;
    Ok(prioritised(&program, priority))
}

/// `program`, under `chrt -r` where that is wanted.
pub(crate) fn prioritised(program: &std::path::Path, priority: Priority) -> Command {
    match priority {
        Priority::Usual => Command::new(program),
        Priority::Realtime => {
            let mut command = Command::new("chrt");
            command.args(["-r", "10"]).arg(program);
            command
        }
    }
}

fn parse_line(line: &str) -> Result<Seen> {
    let mut fields = line.split('\t');
    let mut next = || fields.next().with_context(|| format!("a short line: {line}"));
    Ok(Seen {
        came: next()?.parse()?,
        answered: next()?.parse()?,
        status: next()?.parse()?,
        path: next()?.to_owned(),
        channel: next()?.to_owned(),
    })
}

#[derive(Debug, Default)]
struct Book {
    lines: String,
    statuses: HashMap<String, u16>,
}

/// The life of the server process.
pub(crate) fn serve(arguments: &[String]) -> Result<()> {
    let port: u16 = arguments.first().context("no port")?.parse()?;
    // The harness holds the other end: the server ends with it, however that ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let book = Arc::new(Mutex::new(Book::default()));
        let metrics = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?;
        tokio::spawn(async move {
            let mut packet = vec![0; 1 << 16];
            while metrics.recv(&mut packet).await.is_ok() {}
        });
        for last in 1..=ADDRESSES {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await?;
            let book = Arc::clone(&book);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let book = Arc::clone(&book);
                    // A broken connection is the client's affair.
                    tokio::spawn(async move { drop(converse(stream, &book).await) });
                }
            });
        }
        std::future::pending::<()>().await;
        Ok(())
    })
}

async fn converse(mut stream: TcpStream, book: &Mutex<Book>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some(length) = read_request(&mut stream, &mut buffer).await? else { return Ok(()) };
        let came = System.now().timestamp_micros();
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        buffer.drain(..length);
        let path = request.split(' ').nth(1).unwrap_or("/");
        let answer = answer(&request, path, book);
        let answered = System.now().timestamp_micros();
        stream.write_all(answer.text.as_bytes()).await?;
        if !path.starts_with("/__") {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            let (status, channel) = (answer.status, answer.channel);
            writeln!(book.lines, "{came}\t{answered}\t{status}\t{path}\t{channel}")?;
        }
    }
}

/// Reads until a whole request is in `buffer` and returns its length; `None` at the end.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<usize>> {
    loop {
        if let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let body: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
            if buffer.len() >= head + 4 + body {
                return Ok(Some(head + 4 + body));
            }
        }
        if buffer.len() > LONGEST_REQUEST {
            bail!("a request is too long");
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

struct Answer {
    status: u16,
    channel: String,
    text: String,
}

const SIGN_IN: &str = "<!doctype html><title>Sign in</title><h1>Sign in</h1>\
    <form id=\"login\" method=\"post\" action=\"/session\">\
    <input type=\"hidden\" name=\"token\" value=\"c2FsdA\">\
    <input name=\"email\"><input name=\"password\" type=\"password\"></form>";
const HOME: &str = "<!doctype html><title>Home</title><h1>Welcome, Ana</h1>\
    <ul class=\"orders\"><li>1001</li> <li>1002</li> <li>1003</li></ul>";

fn answer(request: &str, path: &str, book: &Mutex<Book>) -> Answer {
    let html = "content-type: text/html; charset=utf-8\r\n";
    let plain = "content-type: text/plain\r\n";
    match path.split('?').next().unwrap_or_default() {
        "/__log" => {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = std::mem::take(&mut book.lines);
            response(200, plain, &lines)
        }
        told if told.starts_with("/__status") => {
            let status = path.rsplit('?').next().and_then(|text| text.parse().ok()).unwrap_or(200);
            let key = told.trim_start_matches("/__status").to_owned();
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            book.statuses.insert(key, status);
            response(200, plain, "ok")
        }
        "/login" => {
            let headers = format!("{html}set-cookie: visitor=1; Path=/; HttpOnly\r\n");
            response(200, &headers, SIGN_IN)
        }
        "/session" => {
            let headers = format!("{plain}location: /home\r\nset-cookie: session=s1; Path=/\r\n");
            response(303, &headers, "")
        }
        "/home" => response(200, html, HOME),
        "/api/chat.postMessage" => {
            let channel = channel_of(request);
            let body = "{\"ok\":true,\"channel\":\"C1\",\"ts\":\"1.000001\",\
                \"message\":{\"ts\":\"1.000001\",\"text\":\"\"}}";
            Answer { channel, ..response(200, "content-type: application/json\r\n", body) }
        }
        other => {
            let statuses = &book.lock().unwrap_or_else(PoisonError::into_inner).statuses;
            response(statuses.get(other).copied().unwrap_or(200), plain, "ok")
        }
    }
}

fn response(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} OK\r\n{headers}content-length: {length}\r\n\r\n{body}");
    Answer { status, channel: String::new(), text }
}

fn channel_of(request: &str) -> String {
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    json["channel"].as_str().unwrap_or_default().to_owned()
}
