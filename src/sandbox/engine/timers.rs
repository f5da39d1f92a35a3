//! `setTimeout`, `setInterval` and `sleep`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use boa_engine::builtins::promise::ResolvingFunctions;
use boa_engine::object::builtins::JsFunction;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsValue};

use super::errors::type_error;
use super::host::Host;
use super::inspect::inspect;
use super::native;

/// The longest wait, in milliseconds, as in browsers.
const LONGEST: f64 = 2_147_483_647.0;
/// How many timers may run at once.
const MAX_TIMERS: usize = 10_000;

/// What a timer does.
enum Action {
    Call { function: JsFunction, arguments: Vec<JsValue>, every: Option<Duration> },
    Resolve(ResolvingFunctions),
}

struct Timer {
    action: Action,
    step: Option<u32>,
    wait: Wait,
}

/// Whether a script that has returned is over before a timer has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Not before.
    Awaited,
    /// It is: the timer is the host's own.
    Idle,
}

/// The timers of a run, by the time when they are due and the order in which they were set.
#[derive(Default)]
pub(super) struct Timers {
    due: RefCell<BTreeMap<(Duration, u32), Timer>>,
    next: Cell<u32>,
}

impl Timers {
    /// Whether none is set.
    pub(super) fn is_empty(&self) -> bool {
        self.due.borrow().is_empty()
    }

    /// When the next is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Whether there is one that a script which has returned is not over without.
    pub(super) fn are_awaited(&self) -> bool {
        self.due.borrow().values().any(|timer| timer.wait == Wait::Awaited)
    }

    /// Makes those set so far due at once, in their order and for the last time.
    pub(super) fn hasten(&self) {
        let mut due = self.due.borrow_mut();
        let awaited = std::mem::take(&mut *due).into_iter();
        let awaited = awaited.filter(|(_, timer)| timer.wait == Wait::Awaited);
        for (nanos, ((_, number), mut timer)) in (0..).zip(awaited) {
            if let Action::Call { every, .. } = &mut timer.action {
                *every = None;
            }
            due.insert((Duration::from_nanos(nanos), number), timer);
        }
    }

    fn number(&self) -> u32 {
        // Browsers start at 1, and scripts test timer ids for truth.
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    fn set(&self, at: Duration, number: u32, timer: Timer) -> JsResult<()> {
        if self.due.borrow().len() >= MAX_TIMERS {
            let message = format!("more than {MAX_TIMERS} timers at once");
            return Err(JsNativeError::range().with_message(message).into());
        }
        self.due.borrow_mut().insert((at, number), timer);
        Ok(())
    }

    fn clear(&self, number: u32) {
        self.due.borrow_mut().retain(|(_, other), _| *other != number);
    }
}

/// Runs the timer that is due first, if one is due. What a callback throws comes back.
pub(super) fn run_due(host: &Host, context: &mut Context) -> JsResult<bool> {
    let now = host.elapsed();
    let first = {
        let mut due = host.timers.due.borrow_mut();
        match due.first_entry() {
            Some(entry) if entry.key().0 <= now => Some(entry.remove_entry()),
            _ => None,
        }
    };
    let Some(((_, number), timer)) = first else { return Ok(false) };
    let before = host.step.replace(timer.step);
    let result = run(host, number, timer, now, context);
    host.step.set(before);
    result.map(|()| true)
}

fn run(
    host: &Host,
    number: u32,
    timer: Timer,
    now: Duration,
    context: &mut Context,
) -> JsResult<()> {
    let undefined = JsValue::undefined();
    match timer.action {
        Action::Resolve(resolvers) => {
            resolvers.resolve.call(&undefined, &[], context)?;
        }
        Action::Call { function, arguments, every } => {
            if let Some(every) = every {
                let (function, arguments) = (function.clone(), arguments.clone());
                let action = Action::Call { function, arguments, every: Some(every) };
                let (step, wait) = (timer.step, timer.wait);
                host.timers.set(now + every, number, Timer { action, step, wait })?;
            }
            function.call(&undefined, &arguments, context)?;
        }
    }
    Ok(())
}

fn duration(value: &JsValue, context: &mut Context) -> JsResult<Duration> {
    let millis = value.to_number(context)?;
    let millis = if millis.is_nan() { 0.0 } else { millis.clamp(0.0, LONGEST) };
    Ok(Duration::from_secs_f64(millis / 1000.0))
}

fn start(
    args: &[JsValue],
    repeats: bool,
    awaited: Wait,
    context: &mut Context,
) -> JsResult<JsValue> {
    let host = Host::of(context);
    let Some(function) = args.get_or_undefined(0).as_function() else {
        return Err(JsNativeError::typ().with_message("a timer needs a function").into());
    };
    let wait = duration(args.get_or_undefined(1), context)?;
    let arguments = args.get(2..).unwrap_or_default().to_vec();
    let every = repeats.then(|| wait.max(Duration::from_millis(1)));
    let number = host.timers.number();
    let action = Action::Call { function, arguments, every };
    let timer = Timer { action, step: host.step.get(), wait: awaited };
    host.timers.set(host.elapsed() + wait, number, timer)?;
    Ok(number.into())
}

fn set_timeout(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    start(args, false, Wait::Awaited, context)
}

/// `setTimeout` for the host's own JavaScript: no script is kept from its end by it.
pub(super) fn set_idle_timeout(
    _: &JsValue,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    start(args, false, Wait::Idle, context)
}

fn set_interval(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    start(args, true, Wait::Awaited, context)
}

fn clear(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let Some(number) = args.get_or_undefined(0).as_number() {
        let number = native::to_u32(number);
        Host::of(context).timers.clear(number);
    }
    Ok(JsValue::undefined())
}

/// `sleep(ms)`: a promise that resolves then.
pub(super) fn sleep(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let given = args.get_or_undefined(0);
    if given.as_number().is_none_or(f64::is_nan) {
        let got = inspect(given);
        return type_error(format!("sleep() needs milliseconds, as in sleep(500), and got {got}"));
    }
    let wait = duration(given, context)?;
    let (promise, resolvers) = JsPromise::new_pending(context);
    let action = Action::Resolve(resolvers);
    let timer = Timer { action, step: host.step.get(), wait: Wait::Awaited };
    host.timers.set(host.elapsed() + wait, host.timers.number(), timer)?;
    Ok(promise.into())
}

fn queue_microtask(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(function) = args.get_or_undefined(0).as_function() else {
        return Err(JsNativeError::typ().with_message("queueMicrotask needs a function").into());
    };
    JsPromise::resolve(JsValue::undefined(), context)?.then(Some(function), None, context)?;
    Ok(JsValue::undefined())
}

/// The global functions of this file.
pub(super) const GLOBALS: &[native::Function] = &[
    ("setTimeout", 2, set_timeout),
    ("setInterval", 2, set_interval),
    ("clearTimeout", 1, clear),
    ("clearInterval", 1, clear),
    ("queueMicrotask", 1, queue_microtask),
];
