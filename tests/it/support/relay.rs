//! A way through this process, to one server or to several by turns, as a balancer would.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running relay; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    task: JoinHandle<()>,
}

impl Relay {
    /// Leads from `place` to the servers: each connection to the next that accepts it.
    pub(crate) async fn start(place: SocketAddr, servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind(place).await.expect("a free port");
        let task = tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                let mut order = servers.clone();
                order.rotate_left(turn % servers.len());
                turn += 1;
                tokio::spawn(carry(client, order));
            }
        });
        Self { task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, servers: Vec<SocketAddr>) -> io::Result<()> {
    for server in servers {
        if let Ok(Ok(mut server)) = timeout(PATIENCE, TcpStream::connect(server)).await {
            return tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop);
        }
    }
    Ok(())
}
