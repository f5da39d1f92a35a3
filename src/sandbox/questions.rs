//! The questions of a run: what is asked of the host.
//!
//! At most [`MAX_OPEN`] requests are under way; more wait in line, and the line is bounded, too.

use std::collections::{HashMap, HashSet, VecDeque};

use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::Host;
use super::outbox::Outbox;
use super::protocol::{Answer, FetchError, FetchRequest, Question};

/// The most requests under way.
pub(super) const MAX_OPEN: usize = 50;
/// The most requests of a run.
pub(super) const MAX_REQUESTS: u32 = 10_000;
/// The most requests that wait in line.
const MAX_LINE: usize = 1000;
/// The most bytes of bodies that wait in line.
const MAX_LINE_BYTES: usize = 16 << 20;
/// With more bytes of answers waiting for the child, no request is started.
const MANY_ANSWER_BYTES: usize = 32 << 20;

/// The open questions of one run.
pub(super) struct Questions<'a> {
    host: &'a dyn Host,
    asked: u32,
    under_way: FuturesUnordered<Abortable<BoxFuture<'a, (u32, Answer)>>>,
    handles: HashMap<u32, AbortHandle>,
    line: VecDeque<(u32, FetchRequest)>,
    line_bytes: usize,
    /// Numbers in use: under way or in line.
    open: HashSet<u32>,
}

impl<'a> Questions<'a> {
    /// None yet.
    pub(super) fn new(host: &'a dyn Host) -> Self {
        Self {
            host,
            asked: 0,
            under_way: FuturesUnordered::new(),
            handles: HashMap::new(),
            line: VecDeque::new(),
            line_bytes: 0,
            open: HashSet::new(),
        }
    }

    /// Takes a question. The error says what no engine of ours does.
    pub(super) fn ask(
        &mut self,
        id: u32,
        question: Question,
        outbox: &mut Outbox,
    ) -> Result<(), &'static str> {
        if self.open.contains(&id) {
            return Err("two questions with one number");
        }
        let request = match question {
            Question::Secret(name) => {
                return outbox.push(id, Answer::Text(self.host.secret(&name)));
            }
            Question::Totp(name) => return outbox.push(id, Answer::Text(self.host.totp(&name))),
            Question::Fetch(request) => request,
        };
        if let Some(message) = self.refusal(&request) {
            return outbox.push(id, Answer::Fetched(Err(FetchError { message })));
        }
        self.asked += 1;
        self.open.insert(id);
        self.line_bytes += request.body.len();
        self.line.push_back((id, request));
        self.start(outbox);
        Ok(())
    }

    /// Why a request is not even put in line.
    fn refusal(&self, request: &FetchRequest) -> Option<String> {
        if self.asked >= MAX_REQUESTS {
            return Some(format!("the run has made {MAX_REQUESTS} requests, which is the most"));
        }
        let full = self.line.len() >= MAX_LINE
            || self.line_bytes.saturating_add(request.body.len()) > MAX_LINE_BYTES;
        full.then(|| format!("{MAX_OPEN} requests are open and too many more are waiting"))
    }

    /// Starts requests while there is room for them and for their answers.
    pub(super) fn start(&mut self, outbox: &Outbox) {
        let host = self.host;
        while self.under_way.len() < MAX_OPEN && outbox.bytes() < MANY_ANSWER_BYTES {
            let Some((id, request)) = self.line.pop_front() else { return };
            self.line_bytes -= request.body.len();
            let answered = async move { (id, Answer::Fetched(host.fetch(request).await)) };
            let (handle, registration) = AbortHandle::new_pair();
            self.handles.insert(id, handle);
            self.under_way.push(Abortable::new(answered.boxed(), registration));
        }
    }

    /// The answer to this number is not wanted any more. It may be on its way already.
    pub(super) fn abandon(&mut self, id: u32) {
        self.open.remove(&id);
        if let Some(handle) = self.handles.remove(&id) {
            handle.abort();
        }
        if let Some(at) = self.line.iter().position(|(waiting, _)| *waiting == id)
            && let Some((_, request)) = self.line.remove(at)
        {
            self.line_bytes -= request.body.len();
        }
    }

    /// Whether any request is under way.
    pub(super) fn any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Waits until a request is done, or turns out to be abandoned. Nothing is lost when it is
    /// dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<(u32, Answer)> {
        let (id, answer) = self.under_way.next().await?.ok()?;
        self.open.remove(&id);
        self.handles.remove(&id);
        Some((id, answer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;

    use super::super::protocol::{Credentials, Event, FetchResponse, Redirect, ToChild};
    use super::*;

    /// Counts the requests that it is busy with, for ever.
    #[derive(Default)]
    struct Busy(AtomicUsize);

    struct Leave<'a>(&'a AtomicUsize);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl Host for Busy {
        async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let _leave = Leave(&self.0);
            std::future::pending().await
        }

        fn secret(&self, name: &str) -> Result<String, String> {
            Ok(name.to_owned())
        }

        fn totp(&self, _: &str) -> Result<String, String> {
            Err("none".to_owned())
        }

        fn event(&self, _: Duration, _: Event) {}
    }

    fn request(body: usize) -> Question {
        Question::Fetch(FetchRequest {
            step: None,
            method: "GET".to_owned(),
            url: "http://x/".to_owned(),
            headers: Vec::new(),
            body: vec![0; body],
            redirect: Redirect::Follow,
            credentials: Credentials::Omit,
        })
    }

    fn outbox() -> Outbox {
        let mut outbox =
            Outbox::new(&ToChild::Answer(0, Answer::Text(Ok(String::new())))).expect("short");
        outbox.advance(outbox.next().len());
        outbox
    }

    /// Polls what is under way once.
    fn stir(questions: &mut Questions<'_>) {
        _ = questions.next().now_or_never();
    }

    #[test]
    fn fifty_are_under_way_and_the_next_starts_when_one_is_abandoned() {
        let (host, mut outbox) = (Busy::default(), outbox());
        let mut questions = Questions::new(&host);
        for id in 0..60 {
            assert_eq!(questions.ask(id, request(0), &mut outbox), Ok(()));
        }
        stir(&mut questions);
        assert_eq!(host.0.load(Ordering::Relaxed), MAX_OPEN);
        questions.abandon(0);
        questions.abandon(59);
        stir(&mut questions);
        assert_eq!(host.0.load(Ordering::Relaxed), MAX_OPEN - 1);
        questions.start(&outbox);
        stir(&mut questions);
        assert_eq!((host.0.load(Ordering::Relaxed), questions.line.len()), (MAX_OPEN, 8));
        drop(questions);
        assert_eq!(host.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_number_is_used_by_one_open_question() {
        let (host, mut outbox) = (Busy::default(), outbox());
        let mut questions = Questions::new(&host);
        assert_eq!(questions.ask(1, request(0), &mut outbox), Ok(()));
        assert!(questions.ask(1, request(0), &mut outbox).is_err());
        questions.abandon(1);
        assert_eq!(questions.ask(1, request(0), &mut outbox), Ok(()));
    }

    #[test]
    fn a_line_too_long_is_answered_and_not_kept() {
        let (host, mut outbox) = (Busy::default(), outbox());
        let mut questions = Questions::new(&host);
        for id in 0..100 {
            assert_eq!(questions.ask(id, request(1 << 20), &mut outbox), Ok(()));
        }
        assert_eq!(questions.line.len(), MAX_LINE_BYTES >> 20);
        assert!(outbox.bytes() > 0);
    }
}
