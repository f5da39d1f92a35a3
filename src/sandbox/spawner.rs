//! The thread that starts children, ahead of need and on demand.
//!
//! It lives as long as the pool, since a child dies with the thread that started it. At most one
//! child is prepared ahead at a time, so that filling up takes no more than one processor from the
//! runs; those that somebody waits for are started at once.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{Semaphore, oneshot};

use super::demand::Demand;
use super::process::{Graves, Process, Recipe};
use crate::clock::Stopwatch;

/// A child and the parent's end of its socket.
pub(super) type Started = (Process, UnixStream);

/// How often the target is looked at when nothing happens, so that surplus children end.
const REVIEW: Duration = Duration::from_secs(10);
/// How long a child may prepare before the next is started.
const PREPARING: Duration = Duration::from_secs(1);
/// The pause after a child could not be started ahead of need.
const PAUSE: Duration = Duration::from_secs(1);

/// What the pool and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// A byte written here wakes the thread.
    bell: UnixStream,
    /// Room for children in use.
    pub(super) room: Arc<Semaphore>,
    since: Stopwatch,
}

#[derive(Debug)]
struct State {
    idle: VecDeque<Started>,
    waiting: VecDeque<oneshot::Sender<io::Result<Started>>>,
    demand: Demand,
    stopping: bool,
}

impl Shared {
    /// Children to come, and the socket to hand to [`run`].
    pub(super) fn new(demand: Demand, room: usize) -> io::Result<(Arc<Self>, UnixStream)> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        let state =
            State { idle: VecDeque::new(), waiting: VecDeque::new(), demand, stopping: false };
        let room = Arc::new(Semaphore::new(room));
        let shared = Self { state: Mutex::new(state), bell, room, since: Stopwatch::start() };
        Ok((Arc::new(shared), ear))
    }

    /// A waiting child, or a promise of one.
    pub(super) fn take(&self) -> Result<Started, oneshot::Receiver<io::Result<Started>>> {
        let now = self.since.elapsed();
        let mut state = self.state();
        state.demand.record(now);
        let taken = state.idle.pop_front().ok_or_else(|| {
            let (tell, told) = oneshot::channel();
            state.waiting.push_back(tell);
            told
        });
        drop(state);
        self.ring();
        taken
    }

    /// How many children wait for work.
    pub(super) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    fn waits(&self, id: Option<u32>) -> bool {
        self.state().idle.iter().any(|(process, _)| process.id() == id)
    }

    /// Tells the thread to end all waiting children and itself.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.ring();
    }

    fn ring(&self) {
        // A full socket has woken the thread already.
        _ = (&self.bell).write(&[0]);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The child that was last started ahead of need, as long as it is not ready.
struct Preparing {
    id: Option<u32>,
    /// A copy of the parent's end, readable when the child is ready.
    socket: UnixStream,
    since: Stopwatch,
}

/// What the thread does next.
enum Task {
    Serve(oneshot::Sender<io::Result<Started>>),
    Prepare,
    Retire(Vec<Started>),
    Rest,
    Stop,
}

/// Starts children until it is told to stop.
pub(super) fn run(shared: &Shared, ear: &UnixStream, recipe: &Recipe, graves: &Graves) {
    let mut preparing: Option<Preparing> = None;
    let mut may_prepare_after: Option<Stopwatch> = None;
    loop {
        preparing.take_if(|child| child.since.elapsed() >= PREPARING || !shared.waits(child.id));
        may_prepare_after.take_if(|since| since.elapsed() >= PAUSE);
        let free = preparing.is_none() && may_prepare_after.is_none();
        match next_task(shared, free) {
            Task::Serve(waiter) => serve(shared, waiter, Process::start(recipe, graves)),
            Task::Prepare => match prepare(shared, recipe, graves) {
                Ok(child) => preparing = Some(child),
                Err(error) => {
                    tracing::warn!(%error, "failed to start a sandbox process ahead of need");
                    may_prepare_after = Some(Stopwatch::start());
                }
            },
            Task::Retire(surplus) => drop(surplus),
            Task::Rest => {
                let wait = if free { REVIEW } else { PREPARING };
                if rest(ear, preparing.as_ref().map(|child| &child.socket), wait) {
                    preparing = None;
                }
            }
            Task::Stop => break,
        }
    }
}

fn next_task(shared: &Shared, may_prepare: bool) -> Task {
    let now = shared.since.elapsed();
    let mut state = shared.state();
    if state.stopping {
        state.waiting.clear();
        state.idle.clear();
        return Task::Stop;
    }
    while let Some(waiter) = state.waiting.pop_front() {
        if !waiter.is_closed() {
            return Task::Serve(waiter);
        }
    }
    // Waiting children and those in use together stay within the room.
    let target = state.demand.target(now).min(shared.room.available_permits());
    if state.idle.len() < target {
        return if may_prepare { Task::Prepare } else { Task::Rest };
    }
    let surplus = state.idle.len() - target;
    if surplus > 0 { Task::Retire(state.idle.drain(..surplus).collect()) } else { Task::Rest }
}

fn serve(
    shared: &Shared,
    waiter: oneshot::Sender<io::Result<Started>>,
    child: io::Result<Started>,
) {
    // Whoever waited may have gone; its child waits for another.
    if let Err(Ok(child)) = waiter.send(child) {
        shared.state().idle.push_back(child);
    }
}

fn prepare(shared: &Shared, recipe: &Recipe, graves: &Graves) -> io::Result<Preparing> {
    let (process, socket) = Process::start(recipe, graves)?;
    let (id, copy) = (process.id(), socket.try_clone()?);
    shared.state().idle.push_back((process, socket));
    Ok(Preparing { id, socket: copy, since: Stopwatch::start() })
}

/// Waits for the bell, at most `wait`. True when the child that is being prepared has said
/// something, or has ended.
fn rest(ear: &UnixStream, preparing: Option<&UnixStream>, wait: Duration) -> bool {
    let mut watched = vec![PollFd::new(ear, PollFlags::IN)];
    watched.extend(preparing.map(|socket| PollFd::new(socket, PollFlags::IN)));
    let limit = Timespec::try_from(wait).ok();
    // An interrupted wait is a short one.
    _ = poll(&mut watched, limit.as_ref());
    let prepared = watched.get(1).is_some_and(|fd| !fd.revents().is_empty());
    while matches!(rustix::io::read(ear, &mut [0; 64]), Ok(1..)) {}
    prepared
}
