//! Children ready before they are needed, each used once.
//!
//! A [`Lease`] is one child that has said that it is sealed. Dropping it kills and reaps the child;
//! dropping the pool does so with all of them. Children in use and waiting together never exceed
//! [`Options::most`].

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::demand::Demand;
use super::process::{Graves, Process, Recipe, Remains};
use super::protocol::FromChild;
use super::spawner::{self, Shared, Started};
use super::{child, frame};

/// How long a child may take to say that it is ready. It takes milliseconds; this is for a machine
/// that is on its knees.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How many children may turn out dead before the pool says so.
const TRIES: usize = 3;
/// How long the end of a pool waits for its children to be gone. It takes milliseconds.
const REAPED_WITHIN: Duration = Duration::from_secs(1);
/// The longest `Ready`, in bytes.
const MAX_READY: usize = 4 << 10;

/// What to do when a layer of the sandbox cannot be put up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Run nothing.
    Require,
    /// Run all the same, and warn once.
    Degrade,
}

/// How a pool is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program to start: this one; see [`Options::new`].
    pub program: PathBuf,
    /// What to do when a layer of the sandbox is missing.
    pub seal: Seal,
    /// The most children that live at a time, in use or waiting; at least 1.
    pub most: usize,
    /// The fewest children that wait for work.
    pub idle: usize,
    /// The most children that wait for work, after bursts of demand.
    pub most_idle: usize,
    /// How much processor time a child may use, in seconds, from its start to its end.
    pub processor_seconds: u32,
}

impl Options {
    /// The defaults: this program, two waiting children or more as demand grows, room for 64.
    pub fn new(seal: Seal) -> Self {
        Self {
            program: own_program(),
            seal,
            most: 64,
            idle: 2,
            most_idle: 32,
            processor_seconds: 10,
        }
    }
}

/// This program as it was when it was started, even if its file has been replaced since: a child
/// of another version would not understand us.
fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tripline"))
}

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to start it.
    #[error("start a sandbox process")]
    Start(#[source] io::Error),
    /// It is there, but not sealed as required.
    #[error("seal the sandbox: this system lacks {}", .missing.join(", "))]
    Unsealed {
        /// The layers that could not be put up.
        missing: Vec<String>,
    },
    /// It ended, or said something else, before it was ready.
    #[error("prepare a sandbox process: {why}")]
    Unready {
        /// What is known.
        why: String,
    },
    /// The pool has been stopped.
    #[error("start a sandbox process: the pool is stopped")]
    Stopped,
}

/// Children waiting for work.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    graves: Graves,
    seal: Seal,
    processor_seconds: u32,
    warned: AtomicBool,
    thread: Option<JoinHandle<()>>,
}

impl Pool {
    /// Starts a pool and its first children. It needs no async runtime; leases do.
    pub fn start(options: Options) -> io::Result<Self> {
        // What this process has inherited without asking is not passed on to scripts.
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        let Options { program, seal, most, idle, most_idle, processor_seconds } = options;
        // The kernel takes zero seconds for one.
        let processor_seconds = processor_seconds.max(1);
        let arguments: [OsString; 3] = [
            child::ARGUMENT.into(),
            std::process::id().to_string().into(),
            processor_seconds.to_string().into(),
        ];
        let recipe = Recipe { program, arguments: arguments.into() };
        let (shared, ear) = Shared::new(Demand::new(idle, most_idle), most.max(1))?;
        let graves = Graves::dig()?;
        let (theirs, burials) = (Arc::clone(&shared), graves.clone());
        let thread = std::thread::Builder::new()
            .name("sandbox-spawner".to_owned())
            .spawn(move || spawner::run(&theirs, &ear, &recipe, &burials))?;
        let warned = AtomicBool::new(false);
        Ok(Self { shared, graves, seal, processor_seconds, warned, thread: Some(thread) })
    }

    /// How much processor time a child may use, in seconds.
    pub fn processor_seconds(&self) -> u32 {
        self.processor_seconds
    }

    /// How many children wait for work.
    pub fn idle(&self) -> usize {
        self.shared.idle()
    }

    /// How many more children may be in use.
    pub fn room(&self) -> usize {
        self.shared.room.available_permits()
    }

    /// A sealed child with its engine loaded. Waits while there is no room, without end: bound it
    /// with a time-out where lateness matters.
    pub async fn lease(&self) -> Result<Lease, Error> {
        let room = Arc::clone(&self.shared.room);
        let permit = room.acquire_owned().await.map_err(|_| Error::Stopped)?;
        let mut last = Error::Stopped;
        for _ in 0..TRIES {
            match Lease::prepare(self.child().await?, self.processor_seconds).await {
                Ok((mut lease, missing)) => {
                    self.accept(missing)?;
                    lease.process.occupy(permit);
                    return Ok(lease);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn child(&self) -> Result<Started, Error> {
        loop {
            match self.shared.take() {
                Ok(mut child) => {
                    // One that died while it waited, by another's hand, is as good as none.
                    if !child.0.is_over() {
                        return Ok(child);
                    }
                }
                Err(promise) => {
                    return promise.await.map_err(|_| Error::Stopped)?.map_err(Error::Start);
                }
            }
        }
    }

    fn accept(&self, missing: Vec<String>) -> Result<(), Error> {
        match self.seal {
            _ if missing.is_empty() => Ok(()),
            Seal::Require => Err(Error::Unsealed { missing }),
            Seal::Degrade => {
                if !self.warned.swap(true, Ordering::Relaxed) {
                    let missing = missing.join(", ");
                    tracing::warn!(missing, "scripts run in a sandbox that lacks layers");
                }
                Ok(())
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.room.close();
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // It ends within a few milliseconds, and with it every child, by the kernel's hand.
            _ = thread.join();
        }
        self.graves.settle(REAPED_WITHIN);
    }
}

/// One child, sealed and ready, for one script.
#[derive(Debug)]
pub struct Lease {
    pub(super) socket: UnixStream,
    /// Bytes that came after `Ready`.
    pub(super) read: BytesMut,
    pub(super) processor_seconds: u32,
    process: Process,
}

impl Lease {
    /// Waits until the child is ready; returns the layers that it misses.
    async fn prepare(
        (process, socket): Started,
        processor_seconds: u32,
    ) -> Result<(Self, Vec<String>), Error> {
        let socket = UnixStream::from_std(socket).map_err(Error::Start)?;
        let mut lease = Self { socket, read: BytesMut::new(), processor_seconds, process };
        let why = match tokio::time::timeout(READY_WITHIN, lease.first_message()).await {
            Ok(Ok(Some(FromChild::Ready { missing }))) => return Ok((lease, missing)),
            Ok(Ok(Some(_))) => "it said something else first".to_owned(),
            Ok(Ok(None)) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it was silent for {} s", READY_WITHIN.as_secs()),
        };
        let Remains { status, words } = lease.end().await;
        let status = status.map_or_else(|| "it is gone".to_owned(), |status| status.to_string());
        let known = [why, status, words].into_iter().filter(|text| !text.is_empty());
        Err(Error::Unready { why: known.collect::<Vec<_>>().join("; ") })
    }

    /// The first message, or `None` when the child ends without one.
    async fn first_message(&mut self) -> io::Result<Option<FromChild>> {
        loop {
            let taken = frame::take(&mut self.read, MAX_READY).map_err(io::Error::other)?;
            if let Some((message, _)) = taken {
                return Ok(Some(message));
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The id of the child's process.
    pub fn process_id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Kills the child. What it has said can still be read.
    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills the child, if it still lives, waits until it is gone, and says how it ended.
    pub(super) async fn end(self) -> Remains {
        let Self { socket, process, .. } = self;
        let remains = process.end().await;
        drop(socket);
        remains
    }
}
