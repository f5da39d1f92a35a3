//! The child's end of the socket, which is its standard input.
//!
//! Blocking, one thread. It uses no other descriptor: the seal lets nothing else through.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::engine::{Port, Received};
use super::frame::{self, HEADER};
use super::outbox::MAX_FRAME_TO_CHILD;
use super::protocol::{FromChild, MAX_FRAME_FROM_CHILD};
use crate::clock::Stopwatch;

/// The socket on standard input.
#[derive(Debug)]
pub(super) struct StandardInput;

impl Port for StandardInput {
    /// A message beyond [`MAX_FRAME_FROM_CHILD`] is not sent: [`io::ErrorKind::FileTooLarge`].
    fn send(&mut self, message: &FromChild) -> io::Result<()> {
        let frame = frame::encode(message).map_err(io::Error::other)?;
        if frame.len() - HEADER > MAX_FRAME_FROM_CHILD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        write_all(&frame)
    }

    fn receive(&mut self, timeout: Option<Duration>) -> io::Result<Received> {
        if !wait_readable(timeout)? {
            return Ok(Received::TimedOut);
        }
        let mut header = [0; HEADER];
        if !read_exact(&mut header)? {
            return Ok(Received::Closed);
        }
        let length = frame::announced(header, MAX_FRAME_TO_CHILD).map_err(io::Error::other)?;
        let mut body = vec![0; length];
        if !read_exact(&mut body)? {
            return Ok(Received::Closed);
        }
        frame::decode(&body).map(Received::Message).map_err(io::Error::other)
    }
}

/// Whether there is something to read (or the end) before `timeout` has passed.
fn wait_readable(timeout: Option<Duration>) -> io::Result<bool> {
    let waited = Stopwatch::start();
    loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(waited.elapsed()));
        // A time too long for the system is as good as none.
        let limit = left.and_then(|left| Timespec::try_from(left).ok());
        let socket = rustix::stdio::stdin();
        match poll(&mut [PollFd::new(&socket, PollFlags::IN)], limit.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Fills `buffer`; false when the stream ends before.
fn read_exact(buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer[filled..]) {
            Ok(0) | Err(Errno::CONNRESET) => return Ok(false),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdin(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
