//! From what a script threw to what the report says: kind, message, place and step.
//!
//! Nothing here runs a getter, a `toString` or any other code of the script: the value thrown may
//! be made to lie, to throw again or to loop.

use boa_engine::builtins::error::Error;
use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};

use super::events::shorten;
use super::host::{Host, Position, Seen, Stop};
use super::{expect, inspect, native, scan};
use crate::sandbox::protocol::{ScriptError, ScriptErrorKind};

/// The longest message of an error, in bytes.
const MAX_MESSAGE: usize = 4 << 10;

/// Why a script did not finish.
#[derive(Debug)]
pub(super) enum Failure {
    /// It threw this, or rejected with it.
    Threw(JsValue),
    /// It does not load.
    Unloadable(JsValue),
    /// The engine stopped it.
    Limit(String),
    /// It said nothing wrong and yet did not come to an end.
    Unfinished(String),
    /// The run itself is over.
    Stopped(Stop),
}

impl Failure {
    /// Why a call into the engine failed.
    pub(super) fn of(error: JsError, host: &Host, context: &mut Context) -> Self {
        if let Some(stop) = host.take_stop() {
            return Self::Stopped(stop);
        }
        if let Some(limit) = error.as_engine() {
            return Self::Limit(format!("the script was stopped by the engine: {limit}"));
        }
        match error.into_opaque(context) {
            Ok(value) => Self::Threw(value),
            Err(error) => Self::Limit(shorten(&error.to_string(), MAX_MESSAGE)),
        }
    }
}

/// What the report says about a failure; a [`Failure::Stopped`] is not the script's.
pub(super) fn script_error(failure: &Failure, host: &Host, context: &mut Context) -> ScriptError {
    let (kind, value) = match failure {
        Failure::Threw(value) => (ScriptErrorKind::Exception, value),
        Failure::Unloadable(value) => (ScriptErrorKind::Script, value),
        Failure::Limit(message) => return plain(ScriptErrorKind::Limit, message, host),
        Failure::Unfinished(message) => return plain(ScriptErrorKind::Exception, message, host),
        Failure::Stopped(_) => return plain(ScriptErrorKind::Exception, "the run is over", host),
    };
    let seen = host.sighting(value).unwrap_or_default();
    let position = position(value, host, context).or(seen.position);
    let message = with_culprit(message(value), position.as_ref(), host);
    ScriptError {
        kind: seen.kind.unwrap_or(kind),
        message: shorten(&message, MAX_MESSAGE),
        expected: seen.expected,
        received: seen.received,
        position,
        step: seen.step.or_else(|| host.innermost_open_step()),
    }
}

fn plain(kind: ScriptErrorKind, message: &str, host: &Host) -> ScriptError {
    ScriptError {
        kind,
        message: message.to_owned(),
        expected: None,
        received: None,
        position: host.last_call.borrow().clone(),
        step: host.innermost_open_step(),
    }
}

/// Names what is no function, null or undefined, which the engine's own message does not.
fn with_culprit(message: String, position: Option<&Position>, host: &Host) -> String {
    const NAMELESS: [&str; 3] = [
        "TypeError: not a callable function",
        "TypeError: not a constructor",
        "TypeError: cannot convert 'null' or 'undefined' to object",
    ];
    let Some((file, line, column)) = position.filter(|_| NAMELESS.contains(&message.as_str()))
    else {
        return message;
    };
    let sources = host.sources.borrow();
    let text = sources.iter().find(|(name, _)| name == file).map(|(_, text)| text);
    match text.and_then(|text| scan::chain_at(text, *line, *column)) {
        Some(culprit) => format!("{message}: {culprit}"),
        None => message,
    }
}

/// `TypeError: x is not a function`, or the value itself when it is no error.
pub(super) fn message(value: &JsValue) -> String {
    let Some(object) = value.as_object().filter(|object| object.is::<Error>()) else {
        return format!("threw {}", inspect::inspect(value));
    };
    let mut text = headline(&object);
    let mut cause = object;
    for _ in 0..4 {
        let Some(next) = native::data_property(&cause, js_string!("cause")) else { break };
        let Some(next) = next.as_object().filter(|object| object.is::<Error>()) else {
            if !next.is_undefined() {
                text = format!("{text} (caused by {})", inspect::inspect(&next));
            }
            break;
        };
        text = format!("{text} (caused by {})", headline(&next));
        cause = next;
    }
    text
}

/// Name and message of an error object.
pub(super) fn headline(error: &JsObject) -> String {
    let text = |key: JsString| {
        let value = native::inherited_data_property(error, key)?;
        Some(value.as_string()?.to_std_string_lossy())
    };
    let name = text(js_string!("name")).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "Error".to_owned());
    match text(js_string!("message")).filter(|message| !message.is_empty()) {
        Some(message) => format!("{name}: {}", message.trim()),
        None => name,
    }
}

/// The first line of what an error says, for the end of a step.
pub(super) fn first_line(value: &JsValue, host: &Host) -> String {
    let expectation = value.as_object().and_then(|error| expect::in_one_line(&error, host));
    let text = expectation.unwrap_or_else(|| message(value));
    shorten(text.lines().next().unwrap_or_default(), 500)
}

/// The lines `at f (file:1:2)` of an error.
pub(super) fn stack(error: &JsObject, context: &mut Context) -> String {
    let getter = native::stack_getter(context);
    let stack = getter.call(&error.clone().into(), &[], context).ok();
    stack.and_then(|stack| stack.as_string()).map_or_else(String::new, |s| s.to_std_string_lossy())
}

/// Where an error was made or thrown: the first frame in a file of the project.
pub(super) fn position(value: &JsValue, host: &Host, context: &mut Context) -> Option<Position> {
    let error = value.as_object().filter(|object| object.is::<Error>())?;
    let stack = stack(&error, context);
    let sources = host.sources.borrow();
    let mut without_place = None;
    for line in stack.lines() {
        let Some((file, place)) = frame(line) else { continue };
        let Some((_, text)) = sources.iter().find(|(name, _)| name == file) else { continue };
        // The engine does not know where an unknown name stands; the text does.
        let from = place.map_or(1, |(line, _)| line);
        let named = missing_name(&error).and_then(|name| scan::place_of_word(text, &name, from));
        if let Some((line, column)) = named.or(place) {
            return Some((file.to_owned(), line, column));
        }
        without_place.get_or_insert_with(|| file.to_owned());
    }
    let last = host.last_call.borrow().clone();
    last.filter(|(file, ..)| without_place.is_none_or(|lost| lost == *file))
}

/// File and place of one line of a stack.
fn frame(line: &str) -> Option<(&str, Option<(u32, u32)>)> {
    let inner = line.trim_end().strip_suffix(')')?;
    let inner = &inner[inner.rfind('(')? + 1..];
    let (rest, column) = inner.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok().zip(column.parse().ok())))
}

/// The name that a `ReferenceError` misses.
fn missing_name(error: &JsObject) -> Option<String> {
    let message = native::data_property(error, js_string!("message"))?.as_string()?;
    let message = message.to_std_string_lossy();
    message.strip_suffix(" is not defined").map(str::to_owned)
}

/// The place in the project from which the host function now running was called.
pub(super) fn call_site(context: &Context) -> Option<Position> {
    let host = Host::of(context);
    let sources = host.sources.borrow();
    let found = context.stack_trace().find_map(|frame| {
        let location = frame.position();
        let file = location.path.to_string();
        let at = location.position?;
        let is_project = sources.iter().any(|(name, _)| *name == file);
        is_project.then(|| (file, at.line_number(), at.column_number()))
    });
    if found.is_some() {
        host.last_call.borrow_mut().clone_from(&found);
    }
    found
}

/// A syntax error, with the file that the parser does not name.
pub(super) fn in_file(error: JsError, path: &str, context: &mut Context) -> JsError {
    let text = error.as_native().map(|native| native.message().to_owned());
    let Some(text) = text else { return error };
    let (what, place) = split_place(&text);
    let place = place.or_else(|| {
        let source = super::modules::source(path, context)?;
        Some(scan::line_and_column(&source, source.trim_end().len()))
    });
    let what = if what == "abrupt end" { "the file ends too early" } else { what };
    let object = JsNativeError::syntax().with_message(what.to_owned()).into_opaque(context);
    let value = JsValue::from(object);
    let position = place.map(|(line, column)| (path.to_owned(), line, column));
    mark_as_script_error(&value, position, context);
    JsError::from_opaque(value)
}

/// Splits `... at line 3, col 4` off.
fn split_place(text: &str) -> (&str, Option<(u32, u32)>) {
    let found = text.rsplit_once(" at line ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", col ")?;
        let digits = |s: &str| s.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok();
        Some((what, Some((digits(line)?, digits(column)?))))
    });
    found.unwrap_or((text, None))
}

/// Remembers that an error means that the script does not load.
pub(super) fn mark_as_script_error(value: &JsValue, position: Option<Position>, context: &Context) {
    let host = Host::of(context);
    let kind = Some(ScriptErrorKind::Script);
    host.note(value, Seen { kind, position, step: host.step.get(), ..Seen::default() });
}

/// An error of the script API, for `return Err(..)`.
pub(super) fn type_error<T>(message: impl Into<String>) -> JsResult<T> {
    Err(JsNativeError::typ().with_message(message.into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_from_the_end() {
        assert_eq!(frame("    at f (checks/a.js:7:9)"), Some(("checks/a.js", Some((7, 9)))));
        assert_eq!(frame("    at <main> (a.js:?:?)"), Some(("a.js", None)));
        assert_eq!(frame("    at f) (evil (a:1:2) (b.js:3:4)"), Some(("b.js", Some((3, 4)))));
        assert_eq!(frame("    at then (native)"), None);
    }

    #[test]
    fn the_place_of_a_syntax_error_is_split_off() {
        assert_eq!(split_place("unexpected token 'x', y at line 3, col 14").1, Some((3, 14)));
        assert_eq!(split_place("abrupt end"), ("abrupt end", None));
    }
}
