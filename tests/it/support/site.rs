//! A small site whose health is a switch, and which remembers who came. A test turns the switch, or whoever
//! sends `PUT` with a status.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::put;
use tokio::task::JoinHandle;

/// A site that answers each request with the status it was told; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    state: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    status: AtomicU16,
    /// The status of the next answer alone; 0 when that is like the others.
    once: AtomicU16,
    /// The path that is answered otherwise, and how.
    other: Mutex<Option<(&'static str, u16)>>,
    visits: Mutex<Vec<String>>,
}

impl Site {
    /// Starts a healthy site on a free port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(Shared {
            status: AtomicU16::new(200),
            once: AtomicU16::new(0),
            other: Mutex::default(),
            visits: Mutex::default(),
        });
        let router = Router::new().route("/", put(switch).fallback(answer));
        let router = router.fallback(answer).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("axum serves until it is dropped");
        });
        Self { address, state, task }
    }

    /// Where it is, as `http://...` without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `status` from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// Answers the next request with `status`, and those after it as before.
    pub(crate) fn answer_once(&self, status: u16) {
        self.state.once.store(status, Ordering::SeqCst);
    }

    /// Answers requests for `path` with `status` from now on, and others as before.
    pub(crate) fn answer_at(&self, path: &'static str, status: u16) {
        let mut other = self.state.other.lock().unwrap_or_else(PoisonError::into_inner);
        *other = Some((path, status));
    }

    /// The paths, with their queries, that were asked for so far.
    pub(crate) fn visits(&self) -> Vec<String> {
        self.state.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn switch(State(shared): State<Arc<Shared>>, status: String) -> StatusCode {
    let Ok(status) = status.parse() else { return StatusCode::BAD_REQUEST };
    shared.status.store(status, Ordering::SeqCst);
    StatusCode::NO_CONTENT
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    OriginalUri(uri): OriginalUri,
) -> (StatusCode, Html<&'static str>) {
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let other = *shared.other.lock().unwrap_or_else(PoisonError::into_inner);
    let other = other.filter(|(place, _)| path == *place).map(|(_, status)| status);
    shared.visits.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    let status = match shared.once.swap(0, Ordering::SeqCst) {
        0 => shared.status.load(Ordering::SeqCst),
        once => once,
    };
    let status = StatusCode::from_u16(other.unwrap_or(status)).expect("a status");
    (status, Html("<!doctype html><title>Site</title><h1>Welcome</h1>"))
}
