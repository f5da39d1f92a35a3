//! Tells what a run does while it goes on, to whoever keeps that for those who watch.
//!
//! The run never waits for it: what cannot be told fast enough is left out, and when the run has ended, what
//! is still to be told has a moment.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::agent::{Happening, Observer};
use crate::domain::output::{Line, MOST_BYTES, MOST_LINES, Numbered, What};
use crate::domain::run::Report;
use crate::link::protocol::{ENOUGH_OUTPUT, MOST_OUTPUT_LINES};

/// How many lines wait at most to be told.
const QUEUE: usize = 256;
/// The pause in which lines gather, so that not each is told by itself.
const PAUSE: Duration = Duration::from_millis(200);
/// How long what was not told by the end of a run is waited for.
const LAST: Duration = Duration::from_secs(1);

/// Whether there is a sense in telling more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Yes.
    Goes,
    /// No: nobody takes it.
    Ends,
}

/// Where what runs do is told.
#[async_trait]
pub(super) trait Outlet: Send + Sync {
    /// Tells lines; whether there is a sense in telling more.
    async fn tell(&self, lines: Vec<Numbered>) -> Interest;
}

/// An observer of one run, and what it sees.
pub(super) fn tap() -> (Arc<dyn Observer>, Tapped) {
    let (sender, lines) = mpsc::channel(QUEUE);
    (Arc::new(Tap { sender, told: Mutex::default() }), Tapped { lines })
}

/// What a run does, as its observer sees it.
pub(super) struct Tapped {
    lines: mpsc::Receiver<Numbered>,
}

impl Tapped {
    /// Lets `run`, which has the observer, go to its end, and tells by `outlet` what it does meanwhile.
    pub(super) async fn told(
        mut self,
        run: impl Future<Output = Report> + Send,
        outlet: &dyn Outlet,
    ) -> Report {
        let mut telling = pin!(async {
            while let Some(gathered) = gather(&mut self.lines).await {
                if outlet.tell(gathered).await == Interest::Ends {
                    break;
                }
            }
        });
        let mut is_told = false;
        let report = {
            let mut run = pin!(run);
            loop {
                tokio::select! {
                    biased;
                    report = &mut run => break report,
                    () = &mut telling, if !is_told => is_told = true,
                }
            }
        };
        if !is_told {
            // The observer is gone with the run, so this ends by itself.
            let _ = tokio::time::timeout(LAST, telling).await;
        }
        report
    }
}

/// The lines that come within a moment; `None` when no more will.
async fn gather(lines: &mut mpsc::Receiver<Numbered>) -> Option<Vec<Numbered>> {
    let first = lines.recv().await?;
    let mut length = first.line.length();
    let mut gathered = vec![first];
    if !lines.is_closed() {
        tokio::time::sleep(PAUSE).await;
    }
    while gathered.len() < MOST_OUTPUT_LINES && length < ENOUGH_OUTPUT {
        match lines.try_recv() {
            Ok(line) => {
                length += line.line.length();
                gathered.push(line);
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    Some(gathered)
}

/// Sees what a run does, and passes on as much as may be told.
struct Tap {
    sender: mpsc::Sender<Numbered>,
    told: Mutex<Told>,
}

/// What was told so far.
#[derive(Default)]
struct Told {
    lines: u32,
    bytes: usize,
}

impl Observer for Tap {
    fn saw(&self, happening: Happening) {
        let Some(line) = happening.line() else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let number = told.lines;
        let length = line.length();
        let line = match number {
            MOST_LINES.. => return,
            // One place is kept for the remark that there is more.
            _ if number + 1 == MOST_LINES || told.bytes + length > MOST_BYTES => {
                told.lines = MOST_LINES;
                Line { at: line.at, what: What::Left }
            }
            _ => {
                told.lines += 1;
                told.bytes += length;
                line
            }
        };
        // A full queue costs this line.
        let _ = self.sender.try_send(Numbered { number, line });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::TimeDelta;
    use tokio::sync::Notify;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::id::{CheckId, Region};
    use crate::domain::run::{LogLevel, LogLine, Trace};
    use crate::domain::slot::Slot;

    fn report() -> Report {
        let check = CheckId::new("login").expect("a name");
        let region = Region::new("eu").expect("a name");
        Report {
            slot: Slot { check, region, at: Timestamp::UNIX_EPOCH },
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            failure: None,
            trace: Trace::default(),
            clock_ahead: TimeDelta::zero(),
        }
    }

    fn say(observer: &dyn Observer, text: &str) {
        let line = LogLine { at: Duration::ZERO, level: LogLevel::Info, text: text.to_owned() };
        observer.saw(Happening::Logged(line));
    }

    /// Keeps what it is told, as long as it is to.
    struct Book {
        lines: Mutex<Vec<Numbered>>,
        calls: AtomicUsize,
        told: Notify,
        answer: Option<Interest>,
    }

    impl Book {
        fn new(answer: Option<Interest>) -> Arc<Self> {
            let (lines, calls) = (Mutex::default(), AtomicUsize::new(0));
            Arc::new(Self { lines, calls, told: Notify::new(), answer })
        }

        fn lines(&self) -> Vec<Numbered> {
            self.lines.lock().expect("nobody panics with it").clone()
        }
    }

    #[async_trait]
    impl Outlet for Book {
        async fn tell(&self, lines: Vec<Numbered>) -> Interest {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.lines.lock().expect("nobody panics with it").extend(lines);
            self.told.notify_one();
            match self.answer {
                Some(interest) => interest,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_run_does_is_told_while_it_goes_on_and_to_its_end() {
        let book = Book::new(Some(Interest::Goes));
        let (observer, tapped) = tap();
        let run = async {
            let observer = observer;
            say(&*observer, "one");
            // It goes on only when the first line was told.
            book.told.notified().await;
            say(&*observer, "two");
            report()
        };
        assert_eq!(tapped.told(run, &*book).await, report());
        let said: Vec<(u32, String)> =
            book.lines().iter().map(|it| (it.number, it.line.shown().1)).collect();
        assert_eq!(said, [(0, "one".to_owned()), (1, "two".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_ends_though_nobody_takes_what_is_told() {
        for answer in [Some(Interest::Ends), None] {
            let book = Book::new(answer);
            let (observer, tapped) = tap();
            let run = async {
                let observer = observer;
                for _ in 0..10_000 {
                    say(&*observer, &"x".repeat(200));
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(PAUSE * 2).await;
                report()
            };
            assert_eq!(tapped.told(run, &*book).await, report());
            assert_eq!(book.calls.load(Ordering::Relaxed), 1, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_bounded_in_lines_and_bytes() {
        let many = usize::try_from(MOST_LINES).expect("a small number");
        for (text, most) in [("", many), (&*"x".repeat(290), MOST_BYTES / 290 + 1)] {
            let book = Book::new(Some(Interest::Goes));
            let (observer, tapped) = tap();
            let run = async {
                let observer = observer;
                for _ in 0..2_000 {
                    say(&*observer, text);
                    tokio::time::sleep(PAUSE / 8).await;
                }
                report()
            };
            tapped.told(run, &*book).await;
            let lines = book.lines();
            assert_eq!(lines.len(), most);
            assert_eq!(lines.last().map(|it| &it.line.what), Some(&What::Left));
        }
    }
}
