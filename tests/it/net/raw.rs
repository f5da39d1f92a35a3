//! A server that says exactly the bytes it is given, and remembers what it heard.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What the server does on a connection, each time a request's head is complete.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Says this and waits for the next request.
    Say(Vec<u8>),
    /// Says this and closes.
    SayAndClose(Vec<u8>),
    /// Says the first, then the second again and again without end.
    SayForEver(Vec<u8>, Vec<u8>),
    /// Says nothing.
    Silence,
}

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct RawServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

impl RawServer {
    /// A server that does `acts` in order, one a request, over all connections; the last one is
    /// repeated.
    pub(super) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (counted, noted) = (Arc::clone(&connections), Arc::clone(&heard));
        let acts = Arc::new((acts, AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                running.spawn(converse(stream, Arc::clone(&acts), Arc::clone(&noted)));
            }
        });
        Self { address, connections, heard, _task: AbortOnDropHandle::new(task) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests, in lower case.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

async fn converse(
    mut stream: TcpStream,
    acts: Arc<(Vec<Act>, AtomicUsize)>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    while let Some(head) = read_head(&mut stream).await {
        heard.lock().expect("nobody panicked").push(head);
        let (acts, next) = &*acts;
        let act = &acts[next.fetch_add(1, Ordering::SeqCst).min(acts.len() - 1)];
        let said = match act {
            Act::Say(bytes) => stream.write_all(bytes).await,
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Act::SayForEver(first, again) => {
                let mut said = stream.write_all(first).await;
                while said.is_ok() {
                    said = stream.write_all(again).await;
                }
                return;
            }
            Act::Silence => std::future::pending().await,
        };
        if said.is_err() {
            return;
        }
    }
}

/// Reads up to the blank line, and the body if its length is given.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

/// A complete answer.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}
