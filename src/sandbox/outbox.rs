//! What waits to be written to the child.
//!
//! Nothing ever waits for the child to read: what it is told stands in line here, and a child that
//! lets the line grow without end is refused.

use std::collections::VecDeque;

use super::frame::{self, BadFrame};
use super::protocol::{Answer, FetchError, ToChild};

/// The longest frame that is sent to a child, in bytes; its memory has to hold it.
pub(super) const MAX_FRAME_TO_CHILD: usize = 64 << 20;

/// The most answers that may wait.
const MAX_WAITING: usize = 10_000;

/// Frames for the child, in order.
#[derive(Debug)]
pub(super) struct Outbox {
    /// With the lengths of the bodies in them.
    frames: VecDeque<(Vec<u8>, usize)>,
    /// Of the first frame, how many bytes are written.
    written: usize,
    bytes: usize,
    closed: bool,
}

impl Outbox {
    /// Begins with this message.
    pub(super) fn new(first: &ToChild) -> Result<Self, BadFrame> {
        let frame = frame::encode(first)?;
        frame::check_length(frame.len(), MAX_FRAME_TO_CHILD)?;
        let bytes = frame.len();
        Ok(Self { frames: VecDeque::from([(frame, 0)]), written: 0, bytes, closed: false })
    }

    /// Puts an answer in line. The error says what no engine of ours does.
    pub(super) fn push(&mut self, id: u32, answer: Answer) -> Result<(), &'static str> {
        if self.closed {
            return Ok(());
        }
        if self.frames.len() >= MAX_WAITING {
            return Err("thousands of questions without reading the answers");
        }
        let body = match &answer {
            Answer::Fetched(Ok(response)) => response.body.len(),
            Answer::Fetched(Err(_)) | Answer::Text(_) => 0,
        };
        let frame = frame::encode(&ToChild::Answer(id, answer))
            .and_then(|frame| frame::check_length(frame.len(), MAX_FRAME_TO_CHILD).map(|()| frame))
            .or_else(|error| frame::encode(&refusal(id, &error)))
            .map_err(|_| "a question that cannot be answered")?;
        self.bytes += frame.len();
        self.frames.push_back((frame, body));
        Ok(())
    }

    /// How many bytes stand in line.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is to be written next; empty when there is nothing.
    pub(super) fn next(&self) -> &[u8] {
        self.frames.front().map(|(frame, _)| &frame[self.written..]).unwrap_or_default()
    }

    /// So many bytes of it have been written. The length of the body that has been handed on whole
    /// with them; 0 for none.
    pub(super) fn advance(&mut self, count: usize) -> usize {
        self.written += count;
        if self.next().is_empty()
            && let Some((done, body)) = self.frames.pop_front()
        {
            self.bytes -= done.len();
            self.written = 0;
            return body;
        }
        0
    }

    /// The child reads no more: what stands in line and what comes later is thrown away.
    pub(super) fn close(&mut self) {
        (self.frames, self.written, self.bytes) = (VecDeque::new(), 0, 0);
        self.closed = true;
    }
}

fn refusal(id: u32, error: &BadFrame) -> ToChild {
    let message = format!("the answer cannot be handed to the script: {error}");
    ToChild::Answer(id, Answer::Fetched(Err(FetchError { message })))
}

#[cfg(test)]
mod tests {
    use super::super::frame::HEADER;
    use super::*;

    fn text(text: &str) -> Answer {
        Answer::Text(Ok(text.to_owned()))
    }

    #[test]
    fn frames_leave_in_order_however_little_is_written_at_a_time() {
        let messages = [ToChild::Answer(1, text("one")), ToChild::Answer(2, text("two"))];
        let mut outbox = Outbox::new(&messages[0]).expect("short");
        outbox.push(2, text("two")).expect("there is room");
        let mut sent = Vec::new();
        while let Some(&byte) = outbox.next().first() {
            sent.push(byte);
            outbox.advance(1);
        }
        let whole: Vec<u8> =
            messages.iter().flat_map(|m| frame::encode(m).expect("encodes")).collect();
        assert_eq!((sent, outbox.bytes()), (whole, 0));
    }

    #[test]
    fn an_answer_too_long_becomes_an_error_that_says_so() {
        let mut outbox = Outbox::new(&ToChild::Answer(0, text(""))).expect("short");
        outbox.advance(outbox.next().len());
        outbox.push(1, text(&"x".repeat(MAX_FRAME_TO_CHILD + 1))).expect("answered all the same");
        let sent: ToChild = frame::decode(&outbox.next()[HEADER..]).expect("decodes");
        assert!(matches!(sent, ToChild::Answer(1, Answer::Fetched(Err(_)))));
    }

    #[test]
    fn a_child_that_never_reads_is_refused() {
        let mut outbox = Outbox::new(&ToChild::Answer(0, text(""))).expect("short");
        let refused = (0..=MAX_WAITING).find(|_| outbox.push(1, text("")).is_err());
        assert_eq!(refused, Some(MAX_WAITING - 1));
        outbox.close();
        assert_eq!((outbox.push(1, text("")), outbox.bytes()), (Ok(()), 0));
    }
}
