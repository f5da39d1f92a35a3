//! A connection that speaks HTTP/1 or HTTP/2.
//!
//! An HTTP/1 connection is driven by the task that waits for its answer: it costs no task of its
//! own. An HTTP/2 connection is shared, so a task drives it, which ends with the last holder.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Limits, Version};
use super::stream::Stream;
use crate::domain::Timestamp;

/// More headers than servers send, few enough to be parsed at once.
const MOST_HEADERS: usize = 256;

type Sent = Full<Bytes>;

/// Why a conversation over an open connection came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Status line and headers are larger than the limit, in bytes, or there are too many.
    #[error("the headers are larger than {} KiB or more than {MOST_HEADERS}", .0 / 1024)]
    HeadTooLarge(usize),
    /// What came is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// The connection was closed before there was an answer.
    #[error("the connection was closed before an answer came")]
    Closed,
    /// The connection was closed in the midst of the body.
    #[error("the connection was closed before the body was complete")]
    Incomplete,
    /// The connection was reset.
    #[error("the connection was reset")]
    Reset,
    /// Something else.
    #[error("the exchange broke off: {0}")]
    Other(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    /// The address at the other end.
    pub(super) remote: Option<SocketAddr>,
    /// Until when the certificate is valid that the other end showed.
    pub(super) certificate_until: Option<Timestamp>,
    limits: Limits,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    One(Box<One>),
    Two(Two),
}

/// An HTTP/1 connection with its driver.
#[derive(Debug)]
struct One {
    sender: http1::SendRequest<Sent>,
    driver: http1::Connection<TokioIo<Stream>, Sent>,
    ended: bool,
}

#[derive(Debug, Clone)]
struct Two {
    sender: http2::SendRequest<Sent>,
    _driver: Arc<AbortOnDropHandle<()>>,
}

/// A request that was not answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// Why.
    pub(super) reason: Broken,
    /// Whether it never left this machine.
    pub(super) unsent: bool,
}

impl Link {
    /// Greets the server over a fresh connection.
    pub(super) async fn open(
        stream: Stream,
        remote: Option<SocketAddr>,
        limits: Limits,
    ) -> Result<Self, Broken> {
        let broken = |error: hyper::Error| explain(&error, limits);
        let certificate_until = stream.certificate_until();
        let kind = if stream.speaks_http2() {
            let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
                .handshake(TokioIo::new(stream))
                .await
                .map_err(broken)?;
            let driver = tokio::spawn(async move {
                // Its error reaches whoever waits for an answer.
                let _ = driver.await;
            });
            Kind::Two(Two { sender, _driver: Arc::new(AbortOnDropHandle::new(driver)) })
        } else {
            let (sender, driver) = http1::Builder::new()
                .max_headers(MOST_HEADERS)
                .max_buf_size(limits.head.max(8192))
                .handshake(TokioIo::new(stream))
                .await
                .map_err(broken)?;
            Kind::One(Box::new(One { sender, driver, ended: false }))
        };
        Ok(Self { remote, certificate_until, limits, kind })
    }

    /// The version of HTTP that is spoken.
    pub(super) fn version(&self) -> Version {
        match self.kind {
            Kind::One(_) => Version::One,
            Kind::Two(_) => Version::Two,
        }
    }

    /// A second holder of the same connection, where it can carry several exchanges at once.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.kind {
            Kind::One(_) => None,
            Kind::Two(two) => Some(Self {
                remote: self.remote,
                certificate_until: self.certificate_until,
                limits: self.limits,
                kind: Kind::Two(two.clone()),
            }),
        }
    }

    /// Whether the connection can carry another request, as far as can be told now.
    pub(super) async fn is_open(&mut self) -> bool {
        match &mut self.kind {
            Kind::One(one) => poll_fn(|cx| one.poll_open(cx)).await,
            Kind::Two(two) => two.sender.is_ready(),
        }
    }

    /// Sends `request` and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Sent>,
    ) -> Result<http::Response<Incoming>, Unanswered> {
        let answered = match &mut self.kind {
            Kind::One(one) => {
                let mut waiting = pin!(one.sender.try_send_request(request));
                let (driver, ended) = (&mut one.driver, &mut one.ended);
                poll_fn(|cx| {
                    drive(driver, ended, cx);
                    waiting.as_mut().poll(cx)
                })
                .await
            }
            Kind::Two(two) => two.sender.try_send_request(request).await,
        };
        answered.map_err(|mut failed| Unanswered {
            unsent: failed.take_message().is_some(),
            reason: explain(failed.error(), self.limits),
        })
    }

    /// The next frame of the body of an answer that came over this connection.
    pub(super) async fn frame(
        &mut self,
        body: &mut Incoming,
    ) -> Option<Result<Frame<Bytes>, Broken>> {
        let limits = self.limits;
        let frame = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame),
            Poll::Pending => {
                if let Kind::One(one) = &mut self.kind {
                    drive(&mut one.driver, &mut one.ended, cx);
                    return Pin::new(&mut *body).poll_frame(cx);
                }
                Poll::Pending
            }
        })
        .await?;
        Some(frame.map_err(|error| match explain(&error, limits) {
            Broken::Closed => Broken::Incomplete,
            other => other,
        }))
    }
}

impl One {
    /// Ready as soon as it is known whether the connection is open or closed.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        drive(&mut self.driver, &mut self.ended, cx);
        match self.sender.poll_ready(cx) {
            Poll::Ready(ready) => Poll::Ready(ready.is_ok() && !self.ended),
            // The answer is read to its end, so the driver has nothing left to wait for but a
            // server that goes on talking: such a connection is of no use.
            Poll::Pending => Poll::Ready(false),
        }
    }
}

/// Lets the connection do what it can. How it ended is told to whoever waits for an answer.
fn drive(
    driver: &mut http1::Connection<TokioIo<Stream>, Sent>,
    ended: &mut bool,
    cx: &mut Context<'_>,
) {
    if !*ended {
        *ended = Pin::new(driver).poll(cx).is_ready();
    }
}

fn explain(error: &hyper::Error, limits: Limits) -> Broken {
    if error.is_parse_too_large() {
        return Broken::HeadTooLarge(limits.head);
    }
    if error.is_parse() {
        return Broken::NotHttp(error.to_string());
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Broken::Closed;
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => {
                    Broken::Reset
                }
                std::io::ErrorKind::UnexpectedEof => Broken::Closed,
                _ => Broken::Other(io.to_string()),
            };
        }
        if inner.source().is_none() {
            return Broken::Other(inner.to_string());
        }
        source = inner.source();
    }
    Broken::Other(error.to_string())
}
