//! The conversation with one child: hand over the job, serve the questions, pass on what happens,
//! end it in time.
//!
//! One task, which never waits for the child alone: reading, writing, requests and the deadline go
//! on side by side, so neither a full pipe nor a silent child can hold it up. Nothing that the child
//! says is believed beyond its own report.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::Host;
use super::caps::{Ledger, Verdict};
use super::end::{End, bounded, bounded_error};
use super::frame::{self, BadFrame};
use super::outbox::Outbox;
use super::pool::Lease;
use super::processor::{self, Usage};
use super::protocol::{Ending, Event, FromChild, MAX_FRAME_FROM_CHILD, Question, ToChild};
use super::questions::Questions;
use crate::clock::Stopwatch;

/// How long after its deadline a child that has not given up by itself is killed.
const GRACE: Duration = Duration::from_millis(100);
/// How long before the deadline the child's use of the processor is looked at, at most.
const LOOK_AHEAD: Duration = Duration::from_millis(200);
/// How long to look for last messages of a child that was killed.
const LAST_MESSAGES: Duration = Duration::from_millis(250);
/// How much is read at a time, in bytes.
const CHUNK: usize = 16 << 10;

/// What the child broke off with.
enum Breach {
    Said(String),
    Flooded,
}

impl From<&'static str> for Breach {
    fn from(what: &'static str) -> Self {
        Self::Said(what.to_owned())
    }
}

impl From<BadFrame> for Breach {
    fn from(frame: BadFrame) -> Self {
        Self::Said(frame.to_string())
    }
}

impl From<Breach> for End {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Said(what) => Self::Broke(what),
            Breach::Flooded => Self::Flooded,
        }
    }
}

/// What a conversation has come to.
struct Conversation<'a> {
    host: &'a dyn Host,
    started: Stopwatch,
    ledger: Ledger,
    questions: Questions<'a>,
    outbox: Outbox,
    process: Option<u32>,
    /// What the child had used of the processor shortly before its deadline, and how long before.
    before: Option<(Usage, Duration)>,
}

/// What came of a conversation.
pub(super) struct Conversed {
    /// The child's last message, or how it ended without one.
    pub(super) last: Result<FromChild, End>,
    /// The number of the step in which that was.
    pub(super) step: Option<u32>,
    /// The child, if it was asked for a description, gave one, and nothing else is on its way.
    pub(super) lease: Option<Lease>,
}

/// Says `first`, and goes on until the child has said its last or is over.
pub(super) async fn converse(
    mut lease: Lease,
    first: &ToChild,
    limit: Duration,
    host: &dyn Host,
) -> Conversed {
    let outbox = match Outbox::new(first) {
        Ok(outbox) => outbox,
        Err(error) => {
            let last = Err(End::TooLong(error.to_string()));
            return Conversed { last, step: None, lease: Some(lease) };
        }
    };
    let mut talk = Conversation {
        host,
        started: Stopwatch::start(),
        ledger: Ledger::default(),
        questions: Questions::new(host),
        outbox,
        process: lease.process_id(),
        before: None,
    };
    let (last, lease) = match talk.hold(&mut lease, limit).await {
        Err(Stop::Breach(breach)) => (Err(breach.into()), None),
        Err(Stop::Deadline) => (talk.kill(&mut lease).await, None),
        Err(Stop::Died) => (Err(End::Died(lease.end().await)), None),
        Ok(last) => {
            let again = matches!(last, FromChild::Described(_))
                && lease.read.is_empty()
                && talk.outbox.next().is_empty();
            (talk.weigh(last), again.then_some(lease))
        }
    };
    for what in talk.ledger.left_out() {
        host.event(talk.started.elapsed(), Event::Dropped { what });
    }
    let step = match &last {
        Ok(FromChild::Ended(ending)) => ending.step(),
        Ok(_) => None,
        Err(_) => talk.ledger.open_step(),
    };
    Conversed { last, step, lease }
}

/// Why a conversation stopped before the child's last message.
enum Stop {
    Breach(Breach),
    Deadline,
    Died,
}

impl<E: Into<Breach>> From<E> for Stop {
    fn from(breach: E) -> Self {
        Self::Breach(breach.into())
    }
}

/// What the alarm is set to.
#[derive(Clone, Copy)]
enum Alarm {
    /// Shortly before the deadline: look what the child uses.
    Look,
    /// After the deadline: end it.
    End,
}

impl Conversation<'_> {
    async fn hold(&mut self, lease: &mut Lease, limit: Duration) -> Result<FromChild, Stop> {
        let (mut reader, mut writer) = lease.socket.split();
        // Beyond what the clock can say there is no deadline.
        let limit = limit.min(Duration::from_hours(24 * 365));
        let ahead = LOOK_AHEAD.min(limit / 2);
        let mut next = Alarm::Look;
        let mut alarm = std::pin::pin!(sleep(limit.saturating_sub(ahead)));
        loop {
            if let Some(last) = self.heed_all(&mut lease.read)? {
                return Ok(last);
            }
            lease.read.reserve(CHUNK);
            tokio::select! {
                biased;
                () = &mut alarm => match next {
                    Alarm::Look => {
                        self.before = self.usage().map(|usage| (usage, ahead));
                        let then = alarm.deadline() + ahead + GRACE;
                        alarm.as_mut().reset(then);
                        next = Alarm::End;
                    }
                    Alarm::End => return Err(Stop::Deadline),
                },
                read = reader.read_buf(&mut lease.read) => match read {
                    Ok(0) | Err(_) => return Err(Stop::Died),
                    Ok(_) => {}
                },
                wrote = writer.write(self.outbox.next()), if !self.outbox.next().is_empty() => {
                    match wrote {
                        Ok(count) => match self.outbox.advance(count) {
                            0 => {}
                            body => self.host.handed_on(body),
                        },
                        // It may have left messages that are still to be read.
                        Err(_) => self.outbox.close(),
                    }
                    self.questions.start(&self.outbox);
                },
                answered = self.questions.next(), if self.questions.any_under_way() => {
                    if let Some((id, answer)) = answered {
                        self.outbox.push(id, answer)?;
                    }
                    self.questions.start(&self.outbox);
                },
            }
        }
    }

    /// Ends a child that is past its deadline, and reads what it has left in the socket.
    async fn kill(&mut self, lease: &mut Lease) -> Result<FromChild, End> {
        // One that would like to run, but is not let, is no more waiting than one that runs.
        let computing = self.was_busy() || self.usage().is_some_and(|usage| usage.runnable);
        lease.kill();
        match self.last_message(lease).await? {
            Some(last) => self.weigh(last),
            None => Err(End::Deadline { computing }),
        }
    }

    /// The last message within bounds. A child that gave up in time was not waiting for anything
    /// if it computed until then.
    fn weigh(&self, last: FromChild) -> Result<FromChild, End> {
        match last {
            FromChild::Ended(Ending::TimedOut { .. }) if self.was_busy() => {
                Err(End::Deadline { computing: true })
            }
            FromChild::Ended(ending) => Ok(FromChild::Ended(bounded(ending, &self.ledger))),
            FromChild::Described(Err(error)) => {
                Ok(FromChild::Described(Err(bounded_error(error, &self.ledger))))
            }
            other => Ok(other),
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.process.and_then(processor::usage)
    }

    /// Whether the child has computed since shortly before its deadline. On a busy machine one that
    /// computes all the time has but a share of the processor; it is told from one that waits by
    /// having been about to run.
    fn was_busy(&self) -> bool {
        let (Some((before, ahead)), Some(now)) = (self.before, self.usage()) else { return false };
        let used = now.used.saturating_sub(before.used);
        used >= ahead * 2 / 5 || (before.runnable && used >= ahead / 10)
    }

    /// Heeds the whole messages at the front of `bytes`, up to the last one of the run.
    fn heed_all(&mut self, bytes: &mut bytes::BytesMut) -> Result<Option<FromChild>, Breach> {
        while let Some((message, length)) = frame::take(bytes, MAX_FRAME_FROM_CHILD)? {
            if !self.ledger.count(&message, length) {
                return Err(Breach::Flooded);
            }
            if let Some(last) = self.heed(message)? {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    fn heed(&mut self, message: FromChild) -> Result<Option<FromChild>, Breach> {
        match message {
            FromChild::Event { at, event } => match self.ledger.judge(event) {
                // A moment to come is none.
                Verdict::Keep(event) => self.host.event(at.min(self.started.elapsed()), event),
                Verdict::Drop => {}
                Verdict::Refuse(what) => return Err(what.into()),
            },
            FromChild::Ask(id, mut question) => {
                if let Question::Fetch(request) = &mut question {
                    request.step = self.ledger.known_step(request.step);
                }
                self.questions.ask(id, question, &mut self.outbox)?;
            }
            FromChild::Abandon(id) => self.questions.abandon(id),
            FromChild::Ready { .. } => return Err("ready a second time".into()),
            last @ (FromChild::Ended(_) | FromChild::Described(_)) => return Ok(Some(last)),
        }
        Ok(None)
    }

    /// Reads what a killed child has left in the socket, so that all it said is kept.
    async fn last_message(&mut self, lease: &mut Lease) -> Result<Option<FromChild>, End> {
        let mut read_on = async || -> Result<Option<FromChild>, Breach> {
            loop {
                if let Some(last) = self.heed_all(&mut lease.read)? {
                    return Ok(Some(last));
                }
                match lease.socket.read_buf(&mut lease.read).await {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Ok(None),
                }
            }
        };
        timeout(LAST_MESSAGES, read_on()).await.unwrap_or(Ok(None)).map_err(End::from)
    }
}
