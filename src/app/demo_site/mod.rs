//! A small shop to sign in to, which breaks on command: what `tripline demo` watches.
//!
//! It behaves as such applications do: a form with a hidden token against forgery, a session cookie
//! that changes at sign-in, a redirect, a page and an API that need the session. It listens where it
//! is told, which must be loopback: its password is public. It knows nothing of Tripline.

mod pages;
mod sessions;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::sessions::Sessions;

/// Who may sign in.
pub const EMAIL: &str = "ana@example.com";

/// With which password.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// How many connections may wait to be taken.
const BACKLOG: u32 = 128;

/// How long answers under way may go on after the stop.
const DRAIN: Duration = Duration::from_secs(2);

/// What is wrong with the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Open connections are dropped and new ones refused.
    Down,
    /// Each answer takes this much longer.
    Slow(Duration),
    /// Everything answers as always, but the page after the sign-in is another.
    WrongPage,
    /// Each answer is a 503.
    ServerError,
}

/// The running shop. It stops when this is dropped, or in order by [`DemoSite::stop`].
#[derive(Debug)]
pub struct DemoSite {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
    running: JoinHandle<()>,
}

/// A fault to have from now on, and whom to tell when it is so.
type Order = (Fault, oneshot::Sender<io::Result<()>>);

/// What the pages share.
#[derive(Debug)]
struct Shop {
    fault: ArcSwap<Fault>,
    sessions: Sessions,
}

impl DemoSite {
    /// Starts the shop on `address`, with nothing wrong. Port 0 stands for a free one. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When `address` is not loopback, or cannot be listened on.
    pub fn start(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let reason = format!("the demo's shop listens on loopback only, not on {address}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let place = Place::take(address)?;
        let (address, listener) = (place.address, place.listen()?);
        let shop = Arc::new(Shop {
            fault: ArcSwap::from_pointee(Fault::None),
            sessions: Sessions::default(),
        });
        let (orders, received) = mpsc::channel(1);
        let running = tokio::spawn(run(place, listener, shop, received));
        Ok(Self { address, orders, running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its first page's folder, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks or mends the shop. When it returns, the next connection meets the new fault.
    ///
    /// # Errors
    ///
    /// When the shop cannot listen again after it was down.
    pub async fn set(&self, fault: Fault) -> io::Result<()> {
        let gone = || io::Error::other("the demo's shop has stopped");
        let (done, told) = oneshot::channel();
        self.orders.send((fault, done)).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Takes no more connections, finishes what is under way within two seconds, and ends.
    pub async fn stop(self) {
        drop(self.orders);
        // It ends by itself; that it panicked would have been said where it did.
        let _ = self.running.await;
    }
}

/// A port that stays ours while nothing listens on it, so that nobody else can take it meanwhile.
struct Place {
    address: SocketAddr,
    /// Bound, but never listening: connections are refused all the same.
    _holder: TcpSocket,
}

impl Place {
    fn take(address: SocketAddr) -> io::Result<Self> {
        // Linux looks at this flag when others bind, so the place is taken without sharing it, and
        // shared with our own listeners only afterwards; elsewhere it must come first.
        let early = !cfg!(target_os = "linux");
        let holder = socket(address)?;
        holder.set_reuseport(early)?;
        holder.bind(address)?;
        holder.set_reuseport(true)?;
        Ok(Self { address: holder.local_addr()?, _holder: holder })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = socket(self.address)?;
        socket.set_reuseport(true)?;
        socket.bind(self.address)?;
        socket.listen(BACKLOG)
    }
}

/// A socket that shares its place with nobody, as long as nothing else is said: `SO_REUSEADDR`
/// would let others in while we only hold the place.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

/// Answers and takes orders until there can be no more orders.
async fn run(
    place: Place,
    listener: TcpListener,
    shop: Arc<Shop>,
    mut orders: mpsc::Receiver<Order>,
) {
    let (router, ending) = (router(Arc::clone(&shop)), CancellationToken::new());
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((fault, done)) = order else { break };
                shop.fault.store(Arc::new(fault));
                if fault == Fault::Down {
                    listener = None;
                    connections.shutdown().await;
                }
                let listening = match &listener {
                    None if fault != Fault::Down => place.listen().map(|new| listener = Some(new)),
                    _ => Ok(()),
                };
                // Whoever gave the order may have stopped waiting for it.
                let _ = done.send(listening);
            }
            stream = accepted(listener.as_ref()) => {
                connections.spawn(answer(stream, router.clone(), ending.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    ending.cancel();
    let drained = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is dropped with the set.
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

/// The next connection; never, while nothing listens.
async fn accepted(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "the demo's shop takes no connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router, ending: CancellationToken) {
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a visitor of the demo's shop went away");
    }
}

fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(pages::front))
        .route("/login", get(pages::sign_in_form).post(pages::sign_in))
        .route("/home", get(pages::home))
        .route("/api/profile", get(pages::profile))
        .route("/logout", post(pages::sign_out))
        .fallback(pages::not_found)
        .layer(from_fn_with_state(Arc::clone(&shop), broken))
        .with_state(shop)
}

/// Does to an answer what the fault says.
async fn broken(State(shop): State<Arc<Shop>>, request: Request, next: Next) -> Response {
    match **shop.fault.load() {
        Fault::Slow(delay) => tokio::time::sleep(delay).await,
        Fault::ServerError => {
            return (StatusCode::SERVICE_UNAVAILABLE, pages::out_of_order()).into_response();
        }
        Fault::None | Fault::Down | Fault::WrongPage => {}
    }
    next.run(request).await
}
