//! Answers on a listener until told to stop.
//!
//! A caller that is slow, silent or greedy costs one connection of a bounded number, for a bounded
//! time. HTTP/1.1 only, over TLS where there is a certificate: who wants more puts a proxy in front.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::guard::Caller;
use super::tls::Tls;
use crate::clock::Halt;

/// How many connections are open at once; more wait.
const MOST_CONNECTIONS: usize = 512;

/// How long the head of a request may take to arrive; also how long an idle connection is kept.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);

/// The pause after the system had no resources for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// Answers on `listener` until `halt` is asked for; then takes no more, finishes what is under way
/// while there is time, and returns. With `tls`, it answers over TLS alone.
pub async fn serve(listener: TcpListener, tls: Option<Arc<Tls>>, router: Router, halt: Halt) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let place = tokio::select! {
            () = halt.asked() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let stream = tokio::select! {
            () = halt.asked() => break,
            accepted = listener.accept() => accepted,
        };
        match stream {
            Ok((stream, caller)) => {
                let caller = Caller(caller.ip());
                let (router, tls, halt) = (router.clone(), tls.clone(), halt.clone());
                connections.spawn(async move {
                    match tls {
                        None => answer(stream, router, caller, halt).await,
                        Some(tls) => answer_secured(stream, &tls, (router, caller), halt).await,
                    }
                    drop(place);
                });
            }
            Err(error) => refused(&error).await,
        }
    }
    drop(listener);
    connections.close();
    if halt.bound(connections.wait()).await.is_none() {
        tracing::warn!(
            event.action = "api-drain-ended",
            connections = connections.len(),
            "requests to the API were cut off at the stop"
        );
    }
}

async fn answer_secured(
    stream: TcpStream,
    tls: &Tls,
    (router, caller): (Router, Caller),
    halt: Halt,
) {
    let agreed = tokio::select! {
        agreed = tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream)) => agreed,
        () = halt.asked() => return,
    };
    match agreed {
        Ok(Ok(stream)) => answer(stream, router, caller, halt).await,
        Ok(Err(error)) => {
            tracing::debug!(event.action = "api-handshake-failed", %error, "a caller was not agreed with");
        }
        Err(_) => tracing::debug!(event.action = "api-handshake-failed", "a caller was too slow"),
    }
}

async fn answer<S>(stream: S, router: Router, caller: Caller, halt: Halt)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller);
        router.call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = halt.asked() => {
            connection.as_mut().graceful_shutdown();
            halt.bound(connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event.action = "api-connection-ended", %error, "a caller went away");
    }
}

/// A connection that is gone before it is accepted is the caller's business; anything else is a want
/// of resources, which passes.
async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(event.action = "api-accept-failed", %error, "the API takes no connection");
        tokio::time::sleep(BREATH).await;
    }
}
