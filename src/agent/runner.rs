//! One slot, from admission to its report.
//!
//! A slot that was taken on ends in exactly one report, whatever happens: a run that panics, is cut
//! off or never finds room is reported as such, never passed over.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Admissions, Entrance, Occupied};
use super::assignments::{Assignment, Assignments, Prepared};
use super::broker::Broker;
use super::control::Standing;
use super::recorder::Recorder;
use super::scripts::{Scripts, Stage};
use super::visitor::Visitor;
use super::{Limits, Observer, frame};
use crate::clock::{Clock, Stopwatch};
use crate::domain::Timestamp;
use crate::domain::id::RunId;
use crate::domain::run::{Failure, FailureKind, Report, Trace};
use crate::domain::slot::Slot;
use crate::net::{Budget, Dialer};
use crate::sandbox::protocol::{Job, RunContext, Source};

/// What a run takes beyond its deadline, with the end of its child and its last words.
const MOMENT: Duration = Duration::from_secs(2);

/// Runs slots.
pub(super) struct Runner {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) scripts: Arc<dyn Scripts>,
    pub(super) duty: ArcSwap<Duty>,
    /// Cancelled when no run may begin any more.
    pub(super) closing: CancellationToken,
    /// Cancelled when runs are to be cut off.
    pub(super) interruption: CancellationToken,
    /// Memory for the bodies of answers.
    budget: Arc<Budget>,
    admissions: Admissions,
    script_room: Room,
    request_room: Room,
}

/// What is to be run, and how it reaches the network; replaced as one.
pub(super) struct Duty {
    pub(super) assignments: Arc<Assignments>,
    pub(super) dialer: Arc<Dialer>,
}

/// Room for a number of runs at a time.
struct Room {
    places: Semaphore,
    most: usize,
}

/// How a run differs from that of a slot.
#[derive(Default)]
pub(super) struct Manner {
    /// Who watches it.
    pub(super) observer: Option<Arc<dyn Observer>>,
    /// What it is, where it is none of a slot.
    pub(super) aside: Option<Aside>,
}

/// A run that somebody asked for.
pub(super) struct Aside {
    run: RunId,
    /// Ends it when a slot comes.
    gives_way: CancellationToken,
}

impl Aside {
    pub(super) fn of(run: RunId) -> Self {
        Self { run, gives_way: CancellationToken::new() }
    }
}

/// Why there is no end that the run came to by itself.
pub(super) struct Refused {
    kind: FailureKind,
    message: String,
}

impl Refused {
    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<Occupied> for Refused {
    fn from(Occupied(before): Occupied) -> Self {
        let at = before.format("%H:%M:%S");
        let message = format!("the previous run, of {at} UTC, is still going");
        Self::new(FailureKind::Overlap, message)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.kind, refused.message)
    }
}

impl Runner {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        dialer: Arc<Dialer>,
        scripts: Arc<dyn Scripts>,
        limits: Limits,
    ) -> Self {
        let room = |most: usize| Room { places: Semaphore::new(most), most };
        Self {
            clock,
            scripts,
            duty: ArcSwap::from_pointee(Duty { assignments: Arc::default(), dialer }),
            closing: CancellationToken::new(),
            interruption: CancellationToken::new(),
            budget: Arc::default(),
            admissions: Admissions::default(),
            script_room: room(limits.scripts.max(1)),
            request_room: room(limits.requests.max(1)),
        }
    }

    /// How many slots are being attended to.
    pub(super) fn running(&self) -> usize {
        self.admissions.running()
    }

    /// Decides whether a slot is let in.
    pub(super) fn admit(&self, slot: &Slot) -> Entrance {
        self.admissions.admit(slot)
    }

    /// Waits, where there is something to wait for, until a slot is in.
    pub(super) async fn enter(&self, entrance: Entrance) -> Result<Admission, Refused> {
        match entrance {
            Entrance::Open(admission) => Ok(admission),
            Entrance::Closed(occupied) => Err(occupied.into()),
            Entrance::Soon(waiting) => tokio::select! {
                biased;
                () = self.closing.cancelled() => Err(interrupted()),
                admission = waiting.admission() => admission.map_err(Refused::from),
            },
        }
    }

    /// Waits until a run that was asked for is in.
    pub(super) async fn enter_aside(
        &self,
        slot: &Slot,
        aside: &Aside,
    ) -> Result<Admission, Refused> {
        let duty = self.duty.load_full();
        let limit = duty.assignments.check(&slot.check).map_or(Duration::ZERO, |it| it.timeout);
        // The run that is going may have to wait for room before it takes as long as it may.
        let at_most = limit * 2 + MOMENT;
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(interrupted()),
            admission = timeout(at_most, self.admissions.admit_aside(slot, &aside.gives_way)) => {
                admission.map_err(|_| {
                    let seconds = at_most.as_secs_f64();
                    let message = format!("the scheduled runs left no room within {seconds:.1} s");
                    Refused::new(FailureKind::Overlap, message)
                })
            }
        }
    }

    /// The report of a slot that was not run.
    pub(super) fn refuse(&self, slot: Slot, refused: Refused) -> Report {
        Report {
            slot,
            started_at: self.clock.now(),
            duration: Duration::ZERO,
            failure: Some(refused.into()),
            trace: Trace::default(),
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    /// Runs a slot and says how it went.
    pub(super) async fn attend(&self, slot: Slot, manner: Manner) -> Report {
        let Manner { observer, aside } = manner;
        let duty = self.duty.load_full();
        let assignments = &duty.assignments;
        let Some(assignment) = assignments.assignment(&slot.check) else {
            let message = format!("the check `{}` is not assigned to this agent", slot.check);
            return self.refuse(slot, Refused::new(FailureKind::Interrupted, message));
        };
        let recorder = Recorder::new(Arc::clone(assignments), observer, assignment.check.bodies);
        let began = Began::new(recorder, &*self.clock);
        let id = aside.as_ref().map_or_else(|| slot.run_id(), |aside| aside.run);
        let run = AssertUnwindSafe(self.run((&slot, id), &assignment, &duty, &began));
        let ended = tokio::select! {
            biased;
            () = self.interruption.cancelled() => Err(interrupted()),
            () = gives_way(aside.as_ref()) => Err(gave_way()),
            ended = run.catch_unwind() => {
                ended.unwrap_or_else(|panic| Err(crashed(panic.as_ref())))
            }
        };
        let (started_at, duration) = began.times();
        let (failure, duration) = match ended {
            Ok(Ended { failure, duration: told }) => (failure, told.unwrap_or(duration)),
            Err(cut_off) => {
                let step = began.recorder.open_step_name();
                (Some(Failure { step, ..cut_off.into() }), duration)
            }
        };
        let failure = failure.map(|failure| began.recorder.attributed(failure));
        let failure = failure.map(|failure| began.recorder.masked_failure(failure));
        let failure = match failure {
            Some(failure) => Some(tokio::select! {
                biased;
                () = gives_way(aside.as_ref()) => gave_way().into(),
                judged = self.judged((failure, duration), &duty) => judged,
            }),
            None => None,
        };
        let trace = began.recorder.finish(failure.as_ref());
        Report {
            slot,
            started_at,
            duration,
            failure,
            trace,
            clock_ahead: chrono::TimeDelta::zero(),
        }
    }

    /// The failure as it is, or, where no control target answers, as one that says nothing of the
    /// target.
    async fn judged(&self, (failure, lasted): (Failure, Duration), duty: &Duty) -> Failure {
        let control = duty.assignments.control();
        if control.is_empty() || !failure.kind.may_be_on_the_way() {
            return failure;
        }
        let standing = tokio::select! {
            biased;
            () = self.interruption.cancelled() => {
                let message = format!(
                    "the agent was stopped before it knew whether it reaches its control targets\n\
                     the failure was: {}",
                    failure.message
                );
                return Failure { kind: FailureKind::Interrupted, message, ..failure };
            }
            standing = control.standing((&duty.dialer, &self.budget), lasted) => standing,
        };
        match standing {
            Standing::Reached | Standing::Untold => failure,
            Standing::CutOff(why) => failure.cut_off(&why),
        }
    }

    async fn run(
        &self,
        (slot, id): (&Slot, RunId),
        assignment: &Assignment,
        duty: &Duty,
        began: &Began<'_>,
    ) -> Result<Ended, Refused> {
        let (timeout, secrets) = (assignment.check.timeout, duty.assignments.secrets());
        match &assignment.work {
            Prepared::Impossible(reason) => Err(Refused::new(FailureKind::Script, reason.as_str())),
            Prepared::Request(plan) => {
                let _place = self.place(&self.request_room, timeout / 2).await?;
                began.now();
                let visitor = Visitor::new(
                    Arc::clone(&duty.dialer),
                    self.budget.share(),
                    &began.recorder,
                    secrets,
                );
                self.admissions.began(&slot.check, timeout);
                let failure = plan.carry_out(&visitor, secrets, timeout).await;
                Ok(Ended { failure, duration: None })
            }
            Prepared::Script { entry, modules } => {
                let waiting = Stopwatch::start();
                let _place = self.place(&self.script_room, timeout / 2).await?;
                let left = (timeout / 2).saturating_sub(waiting.elapsed());
                let stage = self.stage(left).await?;
                let source = Source { entry: entry.clone(), modules: modules.clone() };
                let job = Job { source, context: context(slot, id), timeout };
                began.now();
                let (dialer, clock) = (Arc::clone(&duty.dialer), &*self.clock);
                let share = self.budget.share();
                let broker = Broker::new(dialer, share, &began.recorder, secrets, clock, timeout);
                self.admissions.began(&slot.check, timeout);
                let ran = stage.run(job, &broker).await;
                let failure = ran.failure().map(|failure| Failure {
                    step: ran.step.and_then(|step| began.recorder.step_name(step)),
                    frame: frame_of(&failure, modules),
                    ..failure
                });
                Ok(Ended { failure, duration: Some(ran.duration) })
            }
        }
    }

    /// Waits for room, but not longer than `at_most`.
    async fn place<'r>(
        &self,
        room: &'r Room,
        at_most: Duration,
    ) -> Result<SemaphorePermit<'r>, Refused> {
        if self.closing.is_cancelled() {
            return Err(interrupted());
        }
        // The usual case takes no timer.
        if let Ok(place) = room.places.try_acquire() {
            return Ok(place);
        }
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(interrupted()),
            waited = timeout(at_most, room.places.acquire()) => match waited {
                Ok(place) => place.map_err(|_| interrupted()),
                Err(_) => Err(overloaded(at_most, &format!("all {} places are taken", room.most))),
            },
        }
    }

    async fn stage(&self, at_most: Duration) -> Result<Box<dyn Stage>, Refused> {
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(interrupted()),
            prepared = timeout(at_most, self.scripts.prepare()) => match prepared {
                Ok(Ok(stage)) => Ok(stage),
                Ok(Err(why)) => {
                    Err(Refused::new(FailureKind::Crashed, format!("failed to {why}")))
                }
                Err(_) => Err(overloaded(at_most, "no sandbox process was ready")),
            },
        }
    }
}

/// How a run ended by itself.
struct Ended {
    failure: Option<Failure>,
    /// How long it took, where that was measured more closely.
    duration: Option<Duration>,
}

/// When a run began, and its record.
struct Began<'r> {
    recorder: Recorder,
    clock: &'r dyn Clock,
    at: Mutex<Timestamp>,
}

impl<'r> Began<'r> {
    fn new(recorder: Recorder, clock: &'r dyn Clock) -> Self {
        Self { recorder, clock, at: Mutex::new(clock.now()) }
    }

    /// The waiting is over and the run begins.
    fn now(&self) {
        self.recorder.restart();
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.now();
    }

    /// When it began and how long ago that is.
    fn times(&self) -> (Timestamp, Duration) {
        (*self.at.lock().unwrap_or_else(PoisonError::into_inner), self.recorder.elapsed())
    }
}

fn context(slot: &Slot, id: RunId) -> RunContext {
    RunContext {
        check: slot.check.as_str().to_owned(),
        region: slot.region.as_str().to_owned(),
        slot_millis: slot.at.timestamp_millis(),
        run: id.to_string(),
    }
}

/// The lines of the script around the place of a failure.
fn frame_of(failure: &Failure, modules: &[(String, String)]) -> Option<String> {
    let position = failure.position.as_ref()?;
    let file = position.file.trim_start_matches('/');
    let (_, text) = modules.iter().find(|(path, _)| path == file)?;
    frame::draw(text, position.line, position.column)
}

fn interrupted() -> Refused {
    Refused::new(FailureKind::Interrupted, "the agent was stopped")
}

/// Waits until a run has to give way; for ever where it need not.
async fn gives_way(aside: Option<&Aside>) {
    match aside {
        Some(aside) => aside.gives_way.cancelled().await,
        None => std::future::pending().await,
    }
}

fn gave_way() -> Refused {
    let message = "it was cut off because the scheduled run came due, which goes first";
    Refused::new(FailureKind::Overlap, message)
}

fn overloaded(waited: Duration, why: &str) -> Refused {
    let message = format!("no room within {:.1} s: {why}", waited.as_secs_f64());
    Refused::new(FailureKind::Overload, message)
}

fn crashed(panic: &(dyn Any + Send)) -> Refused {
    let words = panic
        .downcast_ref::<&str>()
        .map(|words| (*words).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Refused::new(FailureKind::Crashed, format!("the agent broke down during the run: {words}"))
}
