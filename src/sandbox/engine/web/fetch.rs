//! `fetch`, and what becomes of its answer.

use boa_engine::object::builtins::JsPromise;
use boa_engine::{
    Context, JsArgs, JsError, JsNativeError, JsObject, JsResult, JsValue, NativeFunction, js_string,
};

use super::super::events::shorten;
use super::super::host::{Host, Open, Seen, Wanted};
use super::super::page;
use super::super::{native, places};
use super::request::{self, Request};
use super::response;
use crate::sandbox::protocol::{Answer, FetchRequest, ScriptErrorKind};

/// The longest URL in a message.
const MAX_URL: usize = 300;

/// `fetch(input, init?)`
pub(super) fn fetch(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Host::of(context).require_running("fetch()")?;
    let sent = Request::from_args(args, context).and_then(|request| {
        request::mark_used(args.get_or_undefined(0));
        send_request(request, Wanted::Response, context)
    });
    rejected(sent, context)
}

/// An error that a promise carries instead.
fn rejected(sent: JsResult<JsValue>, context: &mut Context) -> JsResult<JsValue> {
    if sent.is_err() { native::promised(sent, context) } else { sent }
}

/// Sends what `visit(url, init?)` asks for.
pub(in crate::sandbox::engine) fn visit(
    args: &[JsValue],
    accept: &str,
    context: &mut Context,
) -> JsResult<JsValue> {
    let sent = Request::from_args(args, context).and_then(|request| {
        request.accept(accept);
        send_request(request, Wanted::Page, context)
    });
    rejected(sent, context)
}

fn send_request(request: Request, wanted: Wanted, context: &mut Context) -> JsResult<JsValue> {
    let signal = request.signal.as_object();
    let step = Host::of(context).step.get();
    let request = request.into_wire(step);
    let Some(signal) = signal else {
        return Ok(send(request, wanted, context)?.0);
    };
    if signal.get(js_string!("aborted"), context)?.to_boolean() {
        let reason = signal.get(js_string!("reason"), context)?;
        return Err(JsError::from_opaque(reason));
    }
    let (promise, number) = send(request, wanted, context)?;
    let listen = signal.get(native::symbol("onAbort", context), context)?;
    if let Some(listen) = listen.as_function() {
        let abort = NativeFunction::from_copy_closure_with_captures(
            |_, _, (number, signal): &(u32, JsObject), context| abort(*number, signal, context),
            (number, signal.clone()),
        );
        let abort = abort.to_js_function(context.realm());
        listen.call(&signal.into(), &[abort.into()], context)?;
    }
    Ok(promise)
}

/// Sends a request; the promise of its answer, and its number.
pub(in crate::sandbox::engine) fn send(
    request: FetchRequest,
    wanted: Wanted,
    context: &mut Context,
) -> JsResult<(JsValue, u32)> {
    let host = Host::of(context);
    let (promise, resolvers) = JsPromise::new_pending(context);
    let open = Open {
        resolvers,
        wanted,
        step: host.step.get(),
        position: places::call_site(context),
        what: format!("{} {}", request.method, shorten(&request.url, MAX_URL)),
    };
    let number = host.fetch(request, open)?;
    Ok((promise.into(), number))
}

fn abort(number: u32, signal: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    if let Some(open) = host.abandon(number)? {
        let reason = signal.get(js_string!("reason"), context)?;
        let (step, position) = (open.step, open.position);
        host.note(&reason, Seen { step, position, ..Seen::default() });
        open.resolvers.reject.call(&JsValue::undefined(), &[reason], context)?;
    }
    Ok(JsValue::undefined())
}

/// Settles what waits for an answer. Answers to questions given up are let go.
pub(in crate::sandbox::engine) fn answered(
    number: u32,
    answer: Answer,
    host: &Host,
    context: &mut Context,
) -> JsResult<()> {
    let Some(open) = host.close(number)? else { return Ok(()) };
    let undefined = JsValue::undefined();
    let before = host.step.replace(open.step);
    let settled = match answer {
        Answer::Fetched(Ok(answer)) => {
            let value = match open.wanted {
                Wanted::Response => response::received(answer, context),
                Wanted::Page => page::received(answer, context),
            };
            open.resolvers.resolve.call(&undefined, &[value.into()], context)
        }
        Answer::Fetched(Err(error)) => {
            let message = format!("no answer to {}: {}", open.what, error.message);
            let cause = JsNativeError::error().with_message(error.message).into_opaque(context);
            let error = JsNativeError::typ().with_message(message).into_opaque(context);
            native::define(&error, "cause", cause);
            let error = JsValue::from(error);
            let (step, position) = (open.step, open.position.clone());
            let kind = Some(ScriptErrorKind::Network);
            host.note(&error, Seen { kind, step, position, ..Seen::default() });
            open.resolvers.reject.call(&undefined, &[error], context)
        }
        Answer::Text(_) => Ok(undefined),
    };
    host.step.set(before);
    settled.map(|_| ())
}
