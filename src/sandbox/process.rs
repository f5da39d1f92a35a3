//! One child process as the parent holds it, and the thread that buries the dead.
//!
//! A [`Process`] that is dropped is killed and reaped: none is ever left behind, and no caller
//! waits for it unless it wants to know how the process ended.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How much of a child's standard error is kept, in bytes.
const KEPT_WORDS: usize = 4 << 10;

/// How to start a child.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// A living child that is talked to over a socket.
#[derive(Debug)]
pub(super) struct Process {
    /// Taken when it is buried.
    child: Option<Child>,
    words: Option<ChildStderr>,
    /// Room in the pool; given back when the process is gone.
    permit: Option<OwnedSemaphorePermit>,
    graves: Graves,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The signal or exit code; `None` when it could not be learned.
    pub status: Option<ExitStatus>,
    /// The last 4 KiB that it wrote to standard error.
    pub words: String,
}

impl Process {
    /// Starts a child: no environment, its end of a socket as standard input, standard error in a
    /// pipe, a process group of its own so that signals of a terminal pass it by.
    ///
    /// The child dies with the *thread* that calls this.
    pub(super) fn start(recipe: &Recipe, graves: &Graves) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut child = Command::new(&recipe.program)
            .arg0("tripline")
            .args(&recipe.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let words = child.stderr.take();
        let process = Self { child: Some(child), words, permit: None, graves: graves.clone() };
        if let Some(words) = &process.words {
            rustix::io::ioctl_fionbio(words, true)?;
        }
        Ok((process, ours))
    }

    /// Attaches the room that it takes up in the pool.
    pub(super) fn occupy(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// The process id.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it has ended already.
    pub(super) fn is_over(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Kills it, if it still lives. A child that is already dying keeps its own status.
    pub(super) fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // It fails for a child that was reaped, and then there is nothing to kill.
            _ = child.kill();
        }
    }

    /// Kills it, waits until it is gone and says how it ended.
    pub(super) async fn end(mut self) -> Remains {
        let status = match self.bury() {
            Some(buried) => buried.await.ok().flatten(),
            None => None,
        };
        Remains { status, words: self.words.take().map(last_words).unwrap_or_default() }
    }

    fn bury(&mut self) -> Option<oneshot::Receiver<Option<ExitStatus>>> {
        self.kill();
        let (tell, told) = oneshot::channel();
        let child = self.child.take()?;
        let corpse = Corpse { child, permit: self.permit.take(), tell };
        self.graves.0.send(Task::Reap(corpse)).ok()?;
        Some(told)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.bury();
    }
}

/// What a process that has ended left on standard error: its last bytes, as text.
fn last_words(mut from: ChildStderr) -> String {
    let (mut kept, mut chunk) = (Vec::new(), [0; KEPT_WORDS]);
    // The pipe does not block; its end and its being empty are both the end.
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..count]);
        kept.drain(..kept.len().saturating_sub(KEPT_WORDS));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

enum Task {
    Reap(Corpse),
    /// Say when you have come to here.
    Tell(Sender<()>),
}

struct Corpse {
    child: Child,
    permit: Option<OwnedSemaphorePermit>,
    tell: oneshot::Sender<Option<ExitStatus>>,
}

/// Where killed processes go to be reaped.
#[derive(Debug, Clone)]
pub(super) struct Graves(Sender<Task>);

impl Graves {
    /// Starts the thread that reaps; it ends when the last process and the last of these are gone.
    pub(super) fn dig() -> io::Result<Self> {
        let (graves, tasks) = channel();
        std::thread::Builder::new()
            .name("sandbox-reaper".to_owned())
            .spawn(move || work(&tasks))?;
        Ok(Self(graves))
    }

    /// Waits until all that were killed so far are reaped, at most `limit`.
    pub(super) fn settle(&self, limit: Duration) {
        let (tell, told) = channel();
        if self.0.send(Task::Tell(tell)).is_ok() {
            _ = told.recv_timeout(limit);
        }
    }
}

fn work(tasks: &Receiver<Task>) {
    for task in tasks {
        match task {
            Task::Reap(Corpse { mut child, permit, tell }) => {
                let status = child.wait().ok();
                drop(permit);
                // Nobody may be waiting.
                _ = tell.send(status);
            }
            Task::Tell(tell) => _ = tell.send(()),
        }
    }
}
