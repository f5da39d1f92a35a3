//! A provider of messages on loopback: records what arrives and answers as told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tripline::clock::{Clock as _, System};
use tripline::domain::Timestamp;

/// How a fake answers one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Takes the message, unless the request itself is wrong.
    Accept,
    /// 429 with this `Retry-After`, in seconds.
    Limited(u64),
    /// Only a status.
    Status(u16),
    /// Slack's `{"ok":false,"error":...}`; from a webhook, this status and the name as text.
    Named(u16, &'static str),
    /// Twilio's error with this status and code.
    Coded(u16, u32),
    /// 200 and a page of HTML.
    Garbage,
    /// 302 to a page of HTML.
    Redirect,
    /// 200 and a body that never ends.
    Flood,
    /// 200 and a body that comes byte by byte, and never ends.
    Drip,
    /// Takes the message, and says so a second later.
    Late,
    /// Takes the message, and says nothing until it is told how to go on ([`Provider::go_on`]).
    Hold,
    /// Reads the request and never answers.
    Hang,
    /// Reads the request and closes the connection.
    Cut,
}

/// A request that arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Arrival<M> {
    /// When its last byte was read.
    pub(crate) at: Timestamp,
    /// What it asked to be sent; `None` when it could not be read as a message.
    pub(crate) message: Option<M>,
    /// How it was answered.
    pub(crate) answer: Answer,
    /// Whether the provider took the message.
    pub(crate) accepted: bool,
}

/// What a kind of provider makes of a request.
pub(crate) trait Speak: Send + Sync + 'static {
    /// What can be asked of it.
    type Message: Clone + Send + 'static;

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// The provider's own answer to a request that is wrong.
    fn read(&self, request: &Parts) -> Result<Self::Message, Reply>;

    /// The answer to a question that asks for no message to be sent; it is not counted.
    fn aside(&self, _request: &Parts) -> Option<Reply> {
        None
    }

    /// The answer to a message that is taken, the `number`th.
    fn accept(&self, request: &Parts, message: &Self::Message, number: usize) -> Reply;

    /// The form that this provider gives to a refusal.
    fn refuse(&self, request: &Parts, answer: Answer) -> Reply;
}

/// A request, read whole.
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Parts {
    /// A header as text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An answer, before it is bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".into())];
        Self { status, headers, body: body.to_string() }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "text/html; charset=utf-8".into())];
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// The running fake; stops when it is dropped.
pub(crate) struct Provider<S: Speak> {
    port: u16,
    shared: Arc<Shared<S>>,
    accepting: JoinHandle<()>,
}

struct Shared<S: Speak> {
    speak: S,
    next: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
    arrivals: Mutex<Vec<Arrival<S::Message>>>,
    count: watch::Sender<usize>,
    held: Mutex<usize>,
    /// How what is held goes on, and how often that was said.
    gate: watch::Sender<(usize, Answer)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Speak> Drop for Provider<S> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<S: Speak> Provider<S> {
    /// Listens on a free port of loopback and accepts everything that is right.
    pub(crate) async fn start(speak: S) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            speak,
            next: Mutex::default(),
            otherwise: Mutex::new(Answer::Accept),
            arrivals: Mutex::default(),
            count: watch::Sender::new(0),
            held: Mutex::default(),
            gate: watch::Sender::new((0, Answer::Accept)),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, accepting }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Gives these answers to the next requests, one each.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        locked(&self.shared.next).extend(answers);
    }

    /// Gives this answer to every request that has none of its own.
    pub(crate) fn answer_all(&self, answer: Answer) {
        *locked(&self.shared.otherwise) = answer;
    }

    /// How many requests wait for their answers.
    pub(crate) fn held(&self) -> usize {
        *locked(&self.shared.held)
    }

    /// Says at last that what is held was taken, or cuts the connections without a word.
    pub(crate) fn go_on(&self, how: Answer) {
        *locked(&self.shared.held) = 0;
        self.shared.gate.send_modify(|(times, answer)| (*times, *answer) = (*times + 1, how));
    }

    /// What it makes of requests.
    pub(crate) fn speak(&self) -> &S {
        &self.shared.speak
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn arrivals(&self) -> Vec<Arrival<S::Message>> {
        locked(&self.shared.arrivals).clone()
    }

    /// The messages that were taken, in the order of arrival.
    pub(crate) fn accepted(&self) -> Vec<S::Message> {
        let arrivals = self.arrivals().into_iter().filter(|arrival| arrival.accepted);
        arrivals.filter_map(|arrival| arrival.message).collect()
    }

    /// Waits until `count` requests have arrived; the caller bounds the wait.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut seen = self.shared.count.subscribe();
        seen.wait_for(|seen| *seen >= count).await.expect("the sender lives as long as this");
    }
}

async fn accept<S: Speak>(listener: TcpListener, shared: Arc<Shared<S>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// A connection is to be closed without a word.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct CutOff;

async fn serve<S: Speak>(stream: TcpStream, shared: Arc<Shared<S>>) {
    let service = service_fn(|request| respond(request, &shared));
    // An error means that the connection was cut, by us or by the client.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond<S: Speak>(
    request: Request<Incoming>,
    shared: &Shared<S>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, CutOff> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
    let (method, headers) = (head.method, head.headers);
    let parts = Parts { method, path: head.uri.path().to_owned(), headers, body };
    if let Some(reply) = shared.speak.aside(&parts) {
        return Ok(reply.into());
    }
    let answer = locked(&shared.next).pop_front().unwrap_or(*locked(&shared.otherwise));
    let mut gate = shared.gate.subscribe();
    let reply = record(shared, &parts, answer);
    match answer {
        Answer::Hold => {
            let before = gate.borrow().0;
            *locked(&shared.held) += 1;
            let said = gate.wait_for(|(times, _)| *times > before).await.map(|it| it.1);
            if matches!(said, Ok(Answer::Accept)) { Ok(reply.into()) } else { Err(CutOff) }
        }
        Answer::Hang => pending().await,
        Answer::Cut => Err(CutOff),
        Answer::Flood => {
            let chunk = || Ok(Frame::data(Bytes::from_static(&[b' '; 8192])));
            let endless = futures::stream::repeat_with(chunk);
            // Every chunk gives others a turn.
            let endless = endless.then(async |chunk| {
                tokio::task::yield_now().await;
                chunk
            });
            Ok(Response::new(BoxBody::new(StreamBody::new(endless))))
        }
        Answer::Drip => {
            let bytes = futures::stream::unfold(tokio::time::interval(DRIP), async |mut beat| {
                beat.tick().await;
                Some((Ok(Frame::data(Bytes::from_static(b" "))), beat))
            });
            Ok(Response::new(BoxBody::new(StreamBody::new(bytes))))
        }
        Answer::Late => {
            tokio::time::sleep(LATE).await;
            Ok(reply.into())
        }
        _ => Ok(reply.into()),
    }
}

/// How far apart the bytes of a slow answer are, and how late a late one is.
const DRIP: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(1);

fn record<S: Speak>(shared: &Shared<S>, parts: &Parts, answer: Answer) -> Reply {
    let read = shared.speak.read(parts);
    let mut arrivals = locked(&shared.arrivals);
    let number = arrivals.len() + 1;
    let (accepted, reply) = match (&read, answer) {
        (Err(reply), Answer::Accept | Answer::Late | Answer::Hold) => (false, reply.clone()),
        (Ok(message), Answer::Accept | Answer::Late | Answer::Hold) => {
            (true, shared.speak.accept(parts, message, number))
        }
        (_, Answer::Garbage) => (false, Reply::text(200, "<html>Please sign in</html>")),
        (_, Answer::Redirect) => {
            (false, Reply::text(302, "").with("location", &"/login").with("retry-after", &1))
        }
        (_, answer) => (false, shared.speak.refuse(parts, answer)),
    };
    arrivals.push(Arrival { at: System.now(), message: read.ok(), answer, accepted });
    shared.count.send_replace(number);
    reply
}

impl From<Reply> for Response<BoxBody<Bytes, Infallible>> {
    fn from(reply: Reply) -> Self {
        let mut response = Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        let body = Full::new(Bytes::from(reply.body));
        response.body(body.boxed()).expect("a fake's reply has good headers")
    }
}
