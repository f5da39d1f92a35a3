//! A TCP proxy that makes an application slow or breaks its answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a proxy does to the answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Holds each piece of an answer back.
    Delay(Duration),
    /// Closes the connection after this many bytes of answers.
    CutAfter(usize),
}

/// A running proxy; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands between a client and `upstream`.
    pub(crate) async fn start(upstream: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, upstream, fault));
            }
        });
        Self { address, task }
    }

    /// Where it listens, as `http://...` without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, upstream: SocketAddr, fault: Fault) -> std::io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::io::copy(&mut from_client, &mut to_server);
    let answers = async {
        let mut piece = vec![0; 16 << 10];
        let mut left = usize::MAX;
        if let Fault::CutAfter(bytes) = fault {
            left = bytes;
        }
        while left > 0 {
            let length = from_server.read(&mut piece).await?;
            if length == 0 {
                break;
            }
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(time).await;
            }
            let passed = length.min(left);
            to_client.write_all(&piece[..passed]).await?;
            left -= passed;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        done = requests => done.map(drop),
        done = answers => done,
    }
}
