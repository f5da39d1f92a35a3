//! What the engine asks of its host: no code from strings, small buffers, rejections watched, and
//! each continuation run in the step that it was written in.

use std::rc::Rc;

use boa_engine::builtins::error::Error;
use boa_engine::builtins::promise::{OperationType, Promise, PromiseState};
use boa_engine::context::HostHooks;
use boa_engine::job::JobCallback;
use boa_engine::object::builtins::JsFunction;
use boa_engine::object::builtins::JsPromise;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsString, JsValue};

use super::host::{Host, Seen};
use super::places;

/// The largest `ArrayBuffer`, in bytes.
const MAX_BUFFER: u64 = 64 << 20;

/// The hooks of one engine.
pub(super) struct Hooks(Rc<Host>);

impl Hooks {
    /// Hooks that report to `host`.
    pub(super) fn new(host: Rc<Host>) -> Self {
        Self(host)
    }
}

impl HostHooks for Hooks {
    fn make_job_callback(&self, callback: JsFunction, _: &mut Context) -> JobCallback {
        JobCallback::new(callback, self.0.step.get().map_or(-1, i64::from))
    }

    fn call_job_callback(
        &self,
        job: &JobCallback,
        this: &JsValue,
        args: &[JsValue],
        context: &mut Context,
    ) -> JsResult<JsValue> {
        let step = job.host_defined().as_any().downcast_ref::<i64>();
        let step = step.and_then(|step| u32::try_from(*step).ok());
        let before = self.0.step.replace(step);
        let result = job.callback().call(this, args, context);
        self.0.step.set(before);
        result
    }

    fn promise_rejection_tracker(
        &self,
        promise: &JsObject<Promise>,
        operation: OperationType,
        context: &mut Context,
    ) {
        let promise = promise.clone().upcast();
        let mut unhandled = self.0.unhandled.borrow_mut();
        match operation {
            OperationType::Handle => unhandled.retain(|(other, _)| *other != promise),
            OperationType::Reject => {
                let state = JsPromise::from_object(promise.clone()).map(|promise| promise.state());
                if let Ok(PromiseState::Rejected(reason)) = state {
                    // An error knows its place; of anything else only this moment tells it.
                    let is_error = reason.as_object().is_some_and(|it| it.is::<Error>());
                    let position = if is_error { None } else { places::call_site(context) };
                    let step = self.0.step.get();
                    self.0.note(&reason, Seen { step, position, ..Seen::default() });
                    unhandled.push((promise, reason));
                }
            }
        }
    }

    fn ensure_can_compile_strings(
        &self,
        _: Realm,
        _: &[JsString],
        _: &JsString,
        _: bool,
        _: &mut Context,
    ) -> JsResult<()> {
        let message = "code from strings is not allowed: no eval, no Function constructor";
        Err(JsNativeError::eval().with_message(message).into())
    }

    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        0
    }

    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        MAX_BUFFER
    }
}
