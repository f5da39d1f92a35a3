//! Taking the addresses and paths that are listened on, all or none.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::Listening;
use crate::statsd::kernel;

/// A buffer of the kernel below this many bytes is worth a word.
const SMALL_BUFFER: usize = 1 << 20;

/// Why nothing is received.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address cannot be listened on.
    #[error("failed to listen on {address} for statsd: {source}; choose another in [statsd]")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A path cannot be listened on.
    #[error("failed to listen on {} for statsd: {source}; choose another in [statsd]", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refused a thread.
    #[error("failed to start a thread for statsd: {0}")]
    Thread(io::Error),
}

/// What is listened on. Paths are removed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
    pub(super) unix: Option<UnixDatagram>,
    pub(super) unix_stream: Option<UnixListener>,
    paths: Vec<PathBuf>,
}

impl Sockets {
    pub(super) fn bind(listening: &Listening) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        let refused = |address: SocketAddr| move |source| BindError::Address { address, source };
        if let Some(address) = listening.udp {
            sockets.udp = Some(bind_udp(address).map_err(refused(address))?);
        }
        if let Some(address) = listening.tcp {
            let bind = || {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            };
            sockets.tcp = Some(bind().map_err(refused(address))?);
        }
        if let Some(path) = &listening.unix {
            let bind = || {
                clear(path, |path| UnixDatagram::unbound()?.connect(path))?;
                let socket = UnixDatagram::bind(path)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            sockets.unix = Some(sockets.keep(path, bind())?);
        }
        if let Some(path) = &listening.unix_stream {
            let bind = || {
                clear(path, |path| UnixStream::connect(path).map(drop))?;
                let socket = UnixListener::bind(path)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            };
            sockets.unix_stream = Some(sockets.keep(path, bind())?);
        }
        Ok(sockets)
    }

    /// Where UDP packets and TCP connections are taken.
    pub(super) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let udp = self.udp.as_ref().and_then(|socket| socket.local_addr().ok());
        (udp, self.tcp.as_ref().and_then(|socket| socket.local_addr().ok()))
    }

    fn keep<T>(&mut self, path: &Path, bound: io::Result<T>) -> Result<T, BindError> {
        let socket = bound.map_err(|source| BindError::Path { path: path.to_owned(), source })?;
        self.paths.push(path.to_owned());
        Ok(socket)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(%error, path = %path.display(), "a socket was not removed");
            }
        }
    }
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    match kernel::enlarge_buffer(&socket) {
        Ok(bytes) if bytes < SMALL_BUFFER => tracing::info!(
            bytes,
            "the kernel keeps few statsd packets while Tripline is busy; a higher \
             net.core.rmem_max lets it keep more"
        ),
        Ok(bytes) => tracing::debug!(bytes, "the kernel's buffer for statsd packets"),
        Err(error) => tracing::warn!(%error, "the kernel's buffer for statsd packets stays small"),
    }
    Ok(socket)
}

/// Removes a socket that a process left behind which ended without order. One that somebody still
/// listens on is left alone, and so is any other file.
fn clear(path: &Path, connect: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
