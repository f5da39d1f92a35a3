//! The module "tripline": what a script imports.

use boa_engine::module::SyntheticModuleInitializer;
use boa_engine::object::builtins::JsFunction;
use boa_engine::object::builtins::JsPromise;
use boa_engine::{
    Context, JsArgs, JsError, JsObject, JsResult, JsString, JsValue, Module, NativeFunction,
    js_string,
};

use super::errors::{self, type_error};
use super::events::shorten;
use super::host::{Host, Seen};
use super::native::{self, Function};
use super::web::crypto;
use super::{expect, inspect, page, places, timers};
use crate::sandbox::protocol::{Answer, Question};

/// The longest name of a step, metric, tag or secret, in bytes.
const MAX_NAME: usize = 200;
/// The most tags of a metric.
const MAX_TAGS: usize = 20;

const FUNCTIONS: &[Function] = &[
    ("step", 2, step),
    ("expect", 1, expect::expect),
    ("visit", 1, page::visit),
    ("pkce", 0, pkce),
    ("secret", 1, secret),
    ("totp", 1, totp),
    ("metric", 3, metric),
    ("sleep", 1, timers::sleep),
];

/// The names that the module exports.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.0).chain(["context"])
}

/// The module.
pub(super) fn module(context: &mut Context) -> Module {
    let names: Vec<JsString> = names().map(JsString::from).collect();
    let fill = SyntheticModuleInitializer::from_copy_closure(|module, context| {
        for function in FUNCTIONS {
            let value = native::make(function, context);
            module.set_export(&JsString::from(function.0), value.into())?;
        }
        let run = run_context(context)?;
        module.set_export(&js_string!("context"), run)
    });
    Module::synthetic(&names, fill, None, None, context)
}

/// `context`: what this run is; frozen.
fn run_context(context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let object = JsObject::with_object_proto(context.intrinsics());
    let run = host.run_context.borrow().clone();
    let run = run.unwrap_or_else(|| crate::sandbox::protocol::RunContext {
        check: String::new(),
        region: String::new(),
        slot_millis: 0,
        run: String::new(),
    });
    let slot = chrono::DateTime::from_timestamp_millis(run.slot_millis).unwrap_or_default();
    let slot = slot.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let texts = [("check", run.check), ("region", run.region), ("slot", slot), ("run", run.run)];
    for (name, text) in texts {
        object.create_data_property(JsString::from(name), JsString::from(text), context)?;
    }
    object.set_integrity_level(boa_engine::object::IntegrityLevel::Frozen, context)?;
    Ok(object.into())
}

/// A required name as the first argument.
fn name(args: &[JsValue], of: &str) -> JsResult<String> {
    match args.get_or_undefined(0).as_string() {
        Some(name) if !name.is_empty() => Ok(shorten(&name.to_std_string_lossy(), MAX_NAME)),
        _ => {
            let got = inspect::inspect(args.get_or_undefined(0));
            type_error(format!("{of} needs a name, and got {got}"))
        }
    }
}

/// `step(name, fn)`: runs a named and timed part of the script, and gives back what it gives.
fn step(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    places::call_site(context);
    host.require_running("step()")?;
    let name = name(args, "step()")?;
    let Some(function) = args.get_or_undefined(1).as_function() else {
        return type_error(format!("step({}, ..) needs a function", inspect::quoted(&name)));
    };
    let number = host.open_step(name)?;
    let around = host.step.replace(Some(number));
    let result = function.call(&JsValue::undefined(), &[], context);
    let result = match result {
        Ok(value) if value.is_promise() => after(number, &value, context),
        Ok(value) => host.close_step(number, None).map(|()| value),
        Err(error) => Err(end_with(number, error, context)),
    };
    host.step.set(around);
    result
}

/// Ends the step when its promise settles.
fn after(number: u32, promise: &JsValue, context: &mut Context) -> JsResult<JsValue> {
    let function = |closure: fn(&JsValue, &[JsValue], &u32, &mut Context) -> JsResult<JsValue>,
                    context: &Context|
     -> JsFunction {
        NativeFunction::from_copy_closure_with_captures(closure, number)
            .to_js_function(context.realm())
    };
    let fulfilled = function(
        |_, args, number, context| {
            Host::of(context).close_step(*number, None)?;
            Ok(args.get_or_undefined(0).clone())
        },
        context,
    );
    let rejected = function(
        |_, args, number, context| {
            let error = JsError::from_opaque(args.get_or_undefined(0).clone());
            Err(end_with(*number, error, context))
        },
        context,
    );
    let promise =
        JsPromise::from_object(promise.as_object().unwrap_or_else(JsObject::with_null_proto))?;
    Ok(promise.then(Some(fulfilled), Some(rejected), context)?.into())
}

/// Ends a step with an error, which goes on.
fn end_with(number: u32, error: JsError, context: &mut Context) -> JsError {
    let host = Host::of(context);
    match error.into_opaque(context) {
        Ok(value) => {
            host.note(&value, Seen { step: Some(number), ..Seen::default() });
            match host.close_step(number, Some(errors::first_line(&value, &host))) {
                Ok(()) => JsError::from_opaque(value),
                Err(stopped) => stopped,
            }
        }
        Err(uncatchable) => uncatchable,
    }
}

/// `secret(name)`: its value, at once.
fn secret(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name(args, "secret()")?;
    ask("secret()", Question::Secret(name), context)
}

/// `totp(name)`: the present one-time password of a stored seed.
fn totp(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name(args, "totp()")?;
    ask("totp()", Question::Totp(name), context)
}

fn ask(what: &str, question: Question, context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    places::call_site(context);
    host.require_running(what)?;
    match host.ask_and_wait(question)? {
        Answer::Text(Ok(text)) => Ok(JsString::from(text).into()),
        Answer::Text(Err(why)) => Err(boa_engine::JsNativeError::error().with_message(why).into()),
        Answer::Fetched(_) => type_error("the answer does not fit the question"),
    }
}

/// `metric(name, value, tags?)`: a measurement.
fn metric(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    host.require_running("metric()")?;
    let name = name(args, "metric()")?;
    let value = args.get_or_undefined(1).as_number().filter(|value| value.is_finite());
    let Some(value) = value else {
        let got = inspect::inspect(args.get_or_undefined(1));
        let name = inspect::quoted(&name);
        return type_error(format!("metric({name}, ..) needs a finite number, and got {got}"));
    };
    let mut tags = Vec::new();
    if let Some(object) = args.get_or_undefined(2).as_object() {
        for (key, value) in native::entries(&object, context)?.into_iter().take(MAX_TAGS) {
            let value = native::text(&value, context)?;
            tags.push((shorten(&key, MAX_NAME), shorten(&value, MAX_NAME)));
        }
    }
    host.measure(name, value, tags)?;
    Ok(JsValue::undefined())
}

/// `pkce()`: a verifier and its challenge (RFC 7636, S256).
fn pkce(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let base64 = data_encoding::BASE64URL_NOPAD;
    let verifier = base64.encode(&crypto::random::<32>()?);
    let digest = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
    let challenge = base64.encode(digest.as_ref());
    let object = JsObject::with_object_proto(context.intrinsics());
    for (name, text) in [("verifier", &*verifier), ("challenge", &challenge), ("method", "S256")] {
        object.create_data_property(JsString::from(name), JsString::from(text), context)?;
    }
    Ok(object.into())
}
