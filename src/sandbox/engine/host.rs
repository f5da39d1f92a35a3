//! What the engine keeps about the run beside the script's own objects: the port, the clock, the
//! steps, the questions that are open, and where errors were seen.
//!
//! It knows the wire and the script's values, but runs no script code.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use boa_engine::builtins::promise::ResolvingFunctions;
use boa_engine::error::{EngineError, PanicError};
use boa_engine::{Context, JsError, JsNativeError, JsObject, JsResult, JsValue};

use super::{Port, Received};
use crate::clock::Stopwatch;
use crate::sandbox::protocol::{
    Answer, Event, FetchRequest, FromChild, MAX_FRAME_FROM_CHILD, Question, RunContext,
    ScriptErrorKind, ToChild,
};

/// The most fetches under way at once; further ones wait for their turn.
const MAX_OPEN_FETCHES: usize = 50;
/// The most steps of a run.
const MAX_STEPS: usize = 1000;
/// How many errors are remembered with the place where they were first seen.
const MAX_ERRORS: usize = 64;
/// Left free in a frame for everything around a body and its headers.
const FRAME_RESERVE: usize = 4096;

/// A place in a script: file, line and column from 1.
pub(super) type Position = (String, u32, u32);

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// Waiting for a script.
    #[default]
    Idle,
    /// Evaluating `options` only.
    Describing,
    /// Running a script.
    Running,
}

/// Why the run cannot go on, whatever the script does.
#[derive(Debug)]
pub(super) enum Stop {
    /// The parent is gone.
    Gone(io::Error),
    /// The time is over.
    TimedOut,
}

/// A step of the run.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name.
    pub(super) name: String,
    /// Whether it has not ended.
    pub(super) is_open: bool,
}

/// What is made of the answer to a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A `Response`.
    Response,
    /// A `Page`.
    Page,
}

/// A question whose answer settles a promise.
pub(super) struct Open {
    /// What settles the promise.
    pub(super) resolvers: ResolvingFunctions,
    /// What to make of the answer.
    pub(super) wanted: Wanted,
    /// The step in which it was asked.
    pub(super) step: Option<u32>,
    /// Where it was asked.
    pub(super) position: Option<Position>,
    /// What is waited for, in words.
    pub(super) what: String,
}

/// What is known of an error that the thrown value does not tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// What sort, when it is not just an exception.
    pub(super) kind: Option<ScriptErrorKind>,
    /// The innermost step that it left.
    pub(super) step: Option<u32>,
    /// Where it came from, when the error itself does not know.
    pub(super) position: Option<Position>,
    /// For a failed expectation.
    pub(super) expected: Option<String>,
    /// For a failed expectation.
    pub(super) received: Option<String>,
}

/// The state of the run that scripts cannot reach.
#[derive(Default)]
pub(super) struct Host {
    port: RefCell<Option<Box<dyn Port>>>,
    started: Cell<Option<Stopwatch>>,
    deadline: Cell<Option<Duration>>,
    pub(super) mode: Cell<Mode>,
    stop: RefCell<Option<Stop>>,
    next_question: Cell<u32>,
    open: RefCell<HashMap<u32, Open>>,
    waiting: RefCell<VecDeque<(u32, FetchRequest)>>,
    /// Messages that arrived while a blocking question was being asked.
    early: RefCell<VecDeque<ToChild>>,
    pub(super) steps: RefCell<Vec<Step>>,
    /// The step that the code now running belongs to.
    pub(super) step: Cell<Option<u32>>,
    errors: RefCell<VecDeque<(JsValue, Seen)>>,
    /// Rejected promises that nobody handles so far.
    pub(super) unhandled: RefCell<Vec<(JsObject, JsValue)>>,
    /// Promises of `expect(..).resolves` and `.rejects` that have not settled.
    pub(super) open_expectations: Cell<u32>,
    /// How often `expect` was called.
    pub(super) expectations: Cell<u32>,
    /// Where `expect(..)` was called and no matcher so far, for the first of them, by their numbers.
    pub(super) unjudged: RefCell<BTreeMap<u32, Option<Position>>>,
    /// Whether the default function is done.
    pub(super) has_returned: Cell<bool>,
    pub(super) counts: super::events::Counts,
    pub(super) run_context: RefCell<Option<RunContext>>,
    /// The place of the last call of a host function, for errors that do not know theirs.
    pub(super) last_call: RefCell<Option<Position>>,
    /// Names and texts of the project's modules.
    pub(super) sources: RefCell<Vec<(String, String)>>,
    pub(super) timers: super::timers::Timers,
    pub(super) console: super::console::Console,
    pub(super) realm: super::native::Realm,
}

impl Host {
    /// The host of a context.
    pub(super) fn of(context: &Context) -> Rc<Self> {
        context.get_data::<Rc<Self>>().expect("an engine's context has its host").clone()
    }

    /// Starts the clock of a run.
    pub(super) fn begin(&self, port: Box<dyn Port>, mode: Mode, deadline: Option<Duration>) {
        *self.port.borrow_mut() = Some(port);
        self.started.set(Some(Stopwatch::start()));
        self.deadline.set(deadline);
        self.mode.set(mode);
    }

    /// The time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, Stopwatch::elapsed)
    }

    /// How long until the deadline; `None` when there is none.
    pub(super) fn time_left(&self) -> Option<Duration> {
        Some(self.deadline.get()?.saturating_sub(self.elapsed()))
    }

    /// Whether the time is over. Then the run stops.
    pub(super) fn check_deadline(&self) -> bool {
        let is_over = self.time_left().is_some_and(|left| left.is_zero());
        if is_over {
            self.stop.borrow_mut().get_or_insert(Stop::TimedOut);
        }
        is_over
    }

    /// Takes the reason why the run must stop, if there is one.
    pub(super) fn take_stop(&self) -> Option<Stop> {
        self.stop.borrow_mut().take()
    }

    /// Whether the run must stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// Sends a message, or stops the run.
    pub(super) fn send(&self, message: &FromChild) -> JsResult<()> {
        let mut port = self.port.borrow_mut();
        let Some(port) = port.as_mut() else { return Ok(()) };
        port.send(message).map_err(|error| self.stopped(Stop::Gone(error)))
    }

    /// Tells the parent that something happened.
    pub(super) fn tell(&self, event: Event) -> JsResult<()> {
        self.send(&FromChild::Event { at: self.elapsed(), event })
    }

    fn stopped(&self, why: Stop) -> JsError {
        self.stop.borrow_mut().get_or_insert(why);
        // Only an engine error cannot be caught by the script.
        EngineError::from(PanicError::new("the run is over")).into()
    }

    /// Refuses what `options` and the top level of a module must not do.
    pub(super) fn require_running(&self, what: &str) -> JsResult<()> {
        if self.mode.get() == Mode::Running {
            return Ok(());
        }
        let message = format!(
            "{what} cannot be used while the module is loaded; use it inside the default function"
        );
        Err(JsNativeError::error().with_message(message).into())
    }

    fn number_question(&self) -> u32 {
        let number = self.next_question.get();
        self.next_question.set(number.wrapping_add(1));
        number
    }

    /// Asks and waits; what else arrives meanwhile is kept for later.
    pub(super) fn ask_and_wait(&self, question: Question) -> JsResult<Answer> {
        let number = self.number_question();
        self.send(&FromChild::Ask(number, question))?;
        loop {
            match self.receive(self.time_left())? {
                Some(ToChild::Answer(of, answer)) if of == number => return Ok(answer),
                Some(other) => self.early.borrow_mut().push_back(other),
                None if self.check_deadline() => return Err(self.stopped(Stop::TimedOut)),
                None => {}
            }
        }
    }

    fn receive(&self, timeout: Option<Duration>) -> JsResult<Option<ToChild>> {
        let mut port = self.port.borrow_mut();
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let Some(port) = port.as_mut() else { return Err(self.stopped(Stop::Gone(gone()))) };
        match port.receive(timeout) {
            Ok(Received::Message(message)) => Ok(Some(message)),
            Ok(Received::TimedOut) => Ok(None),
            Ok(Received::Closed) => Err(self.stopped(Stop::Gone(gone()))),
            Err(error) => Err(self.stopped(Stop::Gone(error))),
        }
    }

    /// The next message, waiting at most `timeout`.
    pub(super) fn next_message(&self, timeout: Option<Duration>) -> JsResult<Option<ToChild>> {
        match self.early.borrow_mut().pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.receive(timeout),
        }
    }

    /// Makes a request, or lines it up behind those under way; the number names it.
    pub(super) fn fetch(&self, request: FetchRequest, open: Open) -> JsResult<u32> {
        let headers: usize = request.headers.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
        let size = request.body.len() + headers + request.url.len() + FRAME_RESERVE;
        if size > MAX_FRAME_FROM_CHILD {
            let message = format!(
                "the request is too large: {size} bytes, and {MAX_FRAME_FROM_CHILD} are allowed"
            );
            return Err(JsNativeError::range().with_message(message).into());
        }
        let number = self.number_question();
        let under_way = self.open.borrow().len() - self.waiting.borrow().len();
        self.open.borrow_mut().insert(number, open);
        if under_way < MAX_OPEN_FETCHES {
            self.send(&FromChild::Ask(number, Question::Fetch(request)))?;
        } else {
            self.waiting.borrow_mut().push_back((number, request));
        }
        Ok(number)
    }

    /// Takes an open question out, and lets the next fetch in line go.
    pub(super) fn close(&self, number: u32) -> JsResult<Option<Open>> {
        let Some(open) = self.open.borrow_mut().remove(&number) else { return Ok(None) };
        let next = self.waiting.borrow_mut().pop_front();
        if let Some((number, request)) = next {
            self.send(&FromChild::Ask(number, Question::Fetch(request)))?;
        }
        Ok(Some(open))
    }

    /// Gives a question up.
    pub(super) fn abandon(&self, number: u32) -> JsResult<Option<Open>> {
        let unsent = self.waiting.borrow().iter().position(|(waiting, _)| *waiting == number);
        if let Some(at) = unsent {
            self.waiting.borrow_mut().remove(at);
            return Ok(self.open.borrow_mut().remove(&number));
        }
        if !self.open.borrow().contains_key(&number) {
            return Ok(None);
        }
        self.send(&FromChild::Abandon(number))?;
        self.close(number)
    }

    /// Whether an answer is due.
    pub(super) fn awaits_answers(&self) -> bool {
        !self.open.borrow().is_empty() || !self.early.borrow().is_empty()
    }

    /// What the script waits for, in words, and the innermost open step.
    pub(super) fn waiting_for(&self) -> (String, Option<u32>) {
        let open = self.open.borrow();
        let mut numbers: Vec<&u32> = open.keys().collect();
        numbers.sort_unstable();
        let what = match numbers.as_slice() {
            [] if !self.timers.is_empty() => "a timer".to_owned(),
            [] => "its own code".to_owned(),
            [first, rest @ ..] => {
                let first = &open[first].what;
                match rest.len() {
                    0 => first.clone(),
                    more => format!("{first} and {more} more"),
                }
            }
        };
        (what, self.innermost_open_step())
    }

    /// The step begun last among those that have not ended.
    pub(super) fn innermost_open_step(&self) -> Option<u32> {
        let at = self.steps.borrow().iter().rposition(|step| step.is_open)?;
        u32::try_from(at).ok()
    }

    /// Begins a step.
    pub(super) fn open_step(&self, name: String) -> JsResult<u32> {
        let number = self.steps.borrow().len();
        if number >= MAX_STEPS {
            let message = format!("a run has at most {MAX_STEPS} steps");
            return Err(JsNativeError::range().with_message(message).into());
        }
        let parent = self.step.get();
        self.steps.borrow_mut().push(Step { name: name.clone(), is_open: true });
        self.tell(Event::StepStarted { name, parent })?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// Ends a step.
    pub(super) fn close_step(&self, number: u32, error: Option<String>) -> JsResult<()> {
        if let Some(step) = self.steps.borrow_mut().get_mut(number as usize) {
            step.is_open = false;
        }
        self.tell(Event::StepEnded { step: number, error })
    }

    /// Remembers where an error was first seen. What is known already stays.
    pub(super) fn note(&self, value: &JsValue, seen: Seen) {
        let mut errors = self.errors.borrow_mut();
        if let Some((_, known)) = errors.iter_mut().find(|(error, _)| error.strict_equals(value)) {
            known.kind = known.kind.or(seen.kind);
            known.step = known.step.or(seen.step);
            known.position = known.position.take().or(seen.position);
            return;
        }
        if errors.len() == MAX_ERRORS {
            errors.pop_front();
        }
        errors.push_back((value.clone(), seen));
    }

    /// What is known of an error.
    pub(super) fn sighting(&self, value: &JsValue) -> Option<Seen> {
        let errors = self.errors.borrow();
        errors.iter().find(|(error, _)| error.strict_equals(value)).map(|(_, seen)| seen.clone())
    }
}
