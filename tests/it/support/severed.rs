//! A way to a server that breaks at a chosen word: the server hears it, the client never learns
//! what came of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The word at which to break; none when it did.
type Word = Arc<Mutex<Option<&'static [u8]>>>;

/// A running way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Severed {
    port: u16,
    word: Word,
    task: JoinHandle<()>,
}

impl Severed {
    /// Stands between clients and `upstream`, and lets everything pass.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let word = Word::default();
        let seen = Arc::clone(&word);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream, Arc::clone(&seen)));
            }
        });
        Self { port, word, task }
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Breaks once, the next connection on which `word` passes.
    pub(crate) fn arm(&self, word: &'static [u8]) {
        *self.word.lock().expect("no panic while locked") = Some(word);
    }

    /// Whether it broke since it was armed.
    pub(crate) fn has_struck(&self) -> bool {
        self.word.lock().expect("no panic while locked").is_none()
    }
}

impl Drop for Severed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes the word if it stands in `said`.
fn strikes(word: &Word, said: &[u8]) -> bool {
    let mut word = word.lock().expect("no panic while locked");
    let meant = word.is_some_and(|it| said.windows(it.len()).any(|part| part == it));
    if meant {
        *word = None;
    }
    meant
}

async fn carry(client: TcpStream, upstream: SocketAddr, word: Word) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let mut said = vec![0; 64 << 10];
    let mut answer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            read = from_client.read(&mut said) => {
                let Ok(length @ 1..) = read else { return };
                let broken = strikes(&word, &said[..length]);
                if to_server.write_all(&said[..length]).await.is_err() {
                    return;
                }
                if broken {
                    // The answer shows that the server has acted; nobody else gets to see it.
                    let _ = from_server.read(&mut answer).await;
                    return;
                }
            }
            read = from_server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                if to_client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
