//! The lines of one connection.
//!
//! What is kept of it is bounded, and so is the time for which it may say nothing.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::intake::{Intake, Shared};
use crate::statsd::parse::{LONGEST_LINE, Refusal};
use crate::statsd::received::Way;

/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_hours(1);

/// Takes the lines of one connection, the last of which may have no line break.
pub(super) async fn read_lines(mut stream: impl AsyncRead + Unpin, way: Way, shared: &Shared) {
    let mut unread = Unread { buffer: vec![0; 4 * LONGEST_LINE], filled: 0, is_skipping: false };
    loop {
        let read = stream.read(&mut unread.buffer[unread.filled..]);
        let Ok(Ok(length)) = timeout(IDLE, read).await else { return };
        if length == 0 {
            return unread.end(&mut shared.borrow_mut());
        }
        unread.take(length, way, &mut shared.borrow_mut());
        yield_now().await;
    }
}

/// What came through a connection and is no whole line yet.
struct Unread {
    buffer: Vec<u8>,
    filled: usize,
    /// Whether the line began with what was too long to keep.
    is_skipping: bool,
}

impl Unread {
    /// Hands over the whole lines there are after `length` bytes more.
    fn take(&mut self, length: usize, way: Way, intake: &mut Intake) {
        intake.received.bytes(way, length);
        self.filled += length;
        let is_break = |byte: &u8| *byte == b'\n';
        let all = &self.buffer[..self.filled];
        let end = all.iter().rposition(is_break).map_or(0, |at| at + 1);
        if end > 0 {
            let is_skipping = std::mem::take(&mut self.is_skipping);
            let begin =
                all.iter().position(is_break).filter(|_| is_skipping).map_or(0, |at| at + 1);
            let now = intake.now();
            intake.lines(&self.buffer[begin..end], now);
            self.buffer.copy_within(end..self.filled, 0);
            self.filled -= end;
        }
        if self.filled > LONGEST_LINE {
            if !self.is_skipping {
                intake.received.refuse(Refusal::TooLong);
            }
            (self.filled, self.is_skipping) = (0, true);
        }
    }

    fn end(&self, intake: &mut Intake) {
        if self.filled > 0 && !self.is_skipping {
            let now = intake.now();
            intake.lines(&self.buffer[..self.filled], now);
        }
    }
}
