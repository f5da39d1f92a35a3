//! `expect(value)` and its matchers.
//!
//! A failed expectation throws an `ExpectationError` that says what was expected and received, and
//! the host remembers both for the report.

mod equality;
mod matchers;
#[cfg(test)]
mod tests;

use boa_engine::object::builtins::JsPromise;
use boa_engine::{
    Context, JsArgs, JsData, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue,
    NativeFunction, js_string,
};
use boa_gc::{Finalize, Trace};

use super::errors::{self, type_error};
use super::events::shorten;
use super::host::{Host, Position, Seen};
use super::inspect::inspect;
use super::native::{self, Class, Function};
use super::places;
use crate::sandbox::protocol::ScriptErrorKind;
use matchers::{Matcher, Verdict};

/// The longest text of an expected or received value, in bytes.
const MAX_VALUE: usize = 2_000;

/// So many calls of `expect` without a matcher are remembered.
const MAX_UNJUDGED: usize = 16;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Value,
    Resolved,
    Rejected,
}

/// `expect(value)`
#[derive(Debug, Clone, Trace, Finalize, JsData)]
struct Expectation {
    value: JsValue,
    /// What the script says about it.
    about: JsValue,
    #[unsafe_ignore_trace]
    subject: Subject,
    is_negated: bool,
    number: u32,
}

/// A matcher as it was called.
#[derive(Clone, Copy)]
struct Called {
    name: &'static str,
    matcher: Matcher,
}

macro_rules! matchers {
    ($(($name:literal, $length:literal, $matcher:path)),* $(,)?) => {
        &[$((
            $name,
            $length,
            |this, args, context| {
                check(this, Called { name: $name, matcher: $matcher }, args, context)
            },
        )),*]
    };
}

const METHODS: &[Function] = matchers![
    ("toBe", 1, matchers::to_be),
    ("toEqual", 1, matchers::to_equal),
    ("toStrictEqual", 1, matchers::to_strict_equal),
    ("toMatchObject", 1, matchers::to_match_object),
    ("toContain", 1, matchers::to_contain),
    ("toContainEqual", 1, matchers::to_contain_equal),
    ("toMatch", 1, matchers::to_match),
    ("toBeTruthy", 0, matchers::to_be_truthy),
    ("toBeFalsy", 0, matchers::to_be_falsy),
    ("toBeNull", 0, matchers::to_be_null),
    ("toBeUndefined", 0, matchers::to_be_undefined),
    ("toBeDefined", 0, matchers::to_be_defined),
    ("toBeNaN", 0, matchers::to_be_nan),
    ("toBeLessThan", 1, matchers::to_be_less),
    ("toBeLessThanOrEqual", 1, matchers::to_be_at_most),
    ("toBeGreaterThan", 1, matchers::to_be_greater),
    ("toBeGreaterThanOrEqual", 1, matchers::to_be_at_least),
    ("toBeCloseTo", 2, matchers::to_be_close_to),
    ("toHaveLength", 1, matchers::to_have_length),
    ("toHaveProperty", 2, matchers::to_have_property),
    ("toBeInstanceOf", 1, matchers::to_be_instance_of),
    ("toThrow", 1, matchers::to_throw),
];

/// The names of the matchers.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.0)
}

static EXPECTATION: Class = Class {
    name: "Expectation",
    construct: native::no_constructor,
    length: 0,
    methods: METHODS,
    accessors: &[
        (
            "not",
            |this, _, context| changed(this, |it| it.is_negated = !it.is_negated, context),
            None,
        ),
        (
            "resolves",
            |this, _, context| changed(this, |it| it.subject = Subject::Resolved, context),
            None,
        ),
        (
            "rejects",
            |this, _, context| changed(this, |it| it.subject = Subject::Rejected, context),
            None,
        ),
    ],
    statics: &[],
    iteration: None,
};

/// `expect(value, about?)`
pub(super) fn expect(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let number = host.expectations.get();
    host.expectations.set(number.wrapping_add(1));
    if host.unjudged.borrow().len() < MAX_UNJUDGED {
        let position = places::call_site(context);
        host.unjudged.borrow_mut().insert(number, position);
    }
    let expectation = Expectation {
        value: args.get_or_undefined(0).clone(),
        about: args.get_or_undefined(1).clone(),
        subject: Subject::Value,
        is_negated: false,
        number,
    };
    Ok(native::instance(&EXPECTATION, expectation, context).into())
}

fn read(this: &JsValue) -> JsResult<Expectation> {
    native::data(this, "expect(..)", |expectation: &mut Expectation| expectation.clone())
}

fn changed(
    this: &JsValue,
    change: fn(&mut Expectation),
    context: &mut Context,
) -> JsResult<JsValue> {
    let mut expectation = read(this)?;
    change(&mut expectation);
    Ok(native::instance(&EXPECTATION, expectation, context).into())
}

fn check(
    this: &JsValue,
    called: Called,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    let expectation = read(this)?;
    Host::of(context).unjudged.borrow_mut().remove(&expectation.number);
    if expectation.subject != Subject::Value {
        return check_later(expectation, called, args, context);
    }
    let verdict = (called.matcher)(&expectation.value, args, context)?;
    judge(&expectation, called, &expectation.value, verdict, None, context)
}

/// Throws unless the verdict is the one wanted.
fn judge(
    expectation: &Expectation,
    called: Called,
    received: &JsValue,
    verdict: Verdict,
    position: Option<Position>,
    context: &mut Context,
) -> JsResult<JsValue> {
    if verdict.pass != expectation.is_negated {
        return Ok(JsValue::undefined());
    }
    let not = if expectation.is_negated { "not " } else { "" };
    let expected = shorten(&format!("{not}{}", verdict.expected), MAX_VALUE);
    let received = shorten(&verdict.received.unwrap_or_else(|| inspect(received)), MAX_VALUE);
    Err(failure(expectation, called, &expected, &received, position, context))
}

/// The error of a failed expectation.
fn failure(
    expectation: &Expectation,
    called: Called,
    expected: &str,
    received: &str,
    position: Option<Position>,
    context: &mut Context,
) -> JsError {
    let host = Host::of(context);
    let how = match expectation.subject {
        Subject::Value => "",
        Subject::Resolved => ".resolves",
        Subject::Rejected => ".rejects",
    };
    let not = if expectation.is_negated { ".not" } else { "" };
    let about = match expectation.about.as_string() {
        Some(about) => format!("{}: ", about.to_std_string_lossy()),
        None => String::new(),
    };
    let argument = if takes_argument(called.name) { "expected" } else { "" };
    let message = format!(
        "{about}expect(received){how}{not}.{}({argument})\nexpected: {expected}\n\
         received: {received}",
        called.name
    );
    let error = JsNativeError::error().with_message(message).into_opaque(context);
    native::define(&error, "name", js_string!("ExpectationError"));
    native::define(&error, "expected", JsString::from(expected));
    native::define(&error, "received", JsString::from(received));
    let value = JsValue::from(error);
    let seen = Seen {
        kind: Some(ScriptErrorKind::Expectation),
        step: host.step.get(),
        position: position.or_else(|| places::call_site(context)),
        expected: Some(expected.to_owned()),
        received: Some(received.to_owned()),
    };
    host.note(&value, seen);
    JsError::from_opaque(value)
}

fn takes_argument(name: &str) -> bool {
    METHODS.iter().any(|(other, length, _)| *other == name && *length > 0)
}

/// `resolves` and `rejects`: the promise is awaited first.
#[derive(Trace, Finalize)]
struct Later {
    expectation: Expectation,
    #[unsafe_ignore_trace]
    called: Called,
    args: Vec<JsValue>,
    #[unsafe_ignore_trace]
    position: Option<Position>,
}

impl Clone for Later {
    fn clone(&self) -> Self {
        Self {
            expectation: self.expectation.clone(),
            called: self.called,
            args: self.args.clone(),
            position: self.position.clone(),
        }
    }
}

fn check_later(
    expectation: Expectation,
    called: Called,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    let Some(given) = expectation.value.as_object() else {
        let got = inspect(&expectation.value);
        return type_error(format!(".resolves and .rejects need a promise, and got {got}"));
    };
    let awaited = if given.is_callable() {
        given.call(&JsValue::undefined(), &[], context)
    } else {
        Ok(given.into())
    };
    let promise = match awaited {
        Ok(value) => JsPromise::resolve(value, context)?,
        Err(error) if error.as_engine().is_some() => return Err(error),
        // A function that throws before there is a promise rejects like one that throws later.
        Err(error) => JsPromise::reject(error, context)?,
    };
    let position = places::call_site(context);
    let later = Later { expectation, called, args: args.to_vec(), position };
    let host = Host::of(context);
    host.open_expectations.set(host.open_expectations.get() + 1);
    let settled = |with: Subject, later: Later, context: &Context| {
        let decide = match with {
            Subject::Rejected => NativeFunction::from_copy_closure_with_captures(
                |_, args, later, context| {
                    decide(Subject::Rejected, args.get_or_undefined(0), later, context)
                },
                later,
            ),
            _ => NativeFunction::from_copy_closure_with_captures(
                |_, args, later, context| {
                    decide(Subject::Resolved, args.get_or_undefined(0), later, context)
                },
                later,
            ),
        };
        decide.to_js_function(context.realm())
    };
    let fulfilled = settled(Subject::Resolved, later.clone(), context);
    let rejected = settled(Subject::Rejected, later, context);
    Ok(promise.then(Some(fulfilled), Some(rejected), context)?.into())
}

fn decide(
    settled: Subject,
    value: &JsValue,
    later: &Later,
    context: &mut Context,
) -> JsResult<JsValue> {
    let host = Host::of(context);
    host.open_expectations.set(host.open_expectations.get().saturating_sub(1));
    let Later { expectation, called, args, position } = later;
    if settled != expectation.subject {
        let (expected, received) = match settled {
            Subject::Rejected => ("to resolve", format!("it rejected: {}", errors::message(value))),
            _ => ("to reject", format!("it resolved with {}", inspect(value))),
        };
        let received = shorten(&received, MAX_VALUE);
        return Err(failure(expectation, *called, expected, &received, position.clone(), context));
    }
    let is_throw = called.name == "toThrow" && settled == Subject::Rejected;
    let matcher = if is_throw { matchers::has_thrown } else { called.matcher };
    let verdict = matcher(value, args, context)?;
    judge(expectation, *called, value, verdict, position.clone(), context)
}

/// What failed, in one line, when an error is a failed expectation.
pub(super) fn in_one_line(error: &JsObject, host: &Host) -> Option<String> {
    let seen = host.sighting(&JsValue::from(error.clone()))?;
    let (expected, received) = (seen.expected?, seen.received?);
    Some(format!("expected {expected}, received {received}"))
}
