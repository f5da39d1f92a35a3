//! Where in the project something happened: read from stacks, and from the text where the engine
//! does not know.

use boa_engine::builtins::error::Error;
use boa_engine::{Context, JsError, JsObject, JsResult, JsString, JsValue, js_string};

use super::host::{Host, Position};
use super::{errors, native, scan};

/// The lines `at f (file:1:2)` of an error.
pub(super) fn stack(error: &JsObject, context: &mut Context) -> String {
    let getter = native::stack_getter(context);
    let stack = getter.call(&error.clone().into(), &[], context).ok();
    stack.and_then(|stack| stack.as_string()).map_or_else(String::new, |s| s.to_std_string_lossy())
}

/// `error.stack`: as node has it, with name and message before the lines. The engine's has only those.
pub(super) fn full_stack(
    this: &JsValue,
    _: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    let Some(error) = this.as_object().filter(|object| object.is::<Error>()) else {
        return Ok(JsValue::undefined());
    };
    let mut whole = errors::headline(&error);
    for line in stack(&error, context).lines() {
        whole.push_str("\n    ");
        whole.push_str(line.trim());
    }
    Ok(JsString::from(whole).into())
}

/// Where an error was made or thrown: the first frame in a file of the project.
pub(super) fn of_error(value: &JsValue, host: &Host, context: &mut Context) -> Option<Position> {
    let error = value.as_object().filter(|object| object.is::<Error>())?;
    let stack = stack(&error, context);
    in_stack(&stack, missing_name(&error).as_deref(), host)
}

/// Where a value that is no error was thrown. The engine does not say; where the project has but
/// one place that may, it is that.
pub(super) fn of_thrown(host: &Host) -> Option<Position> {
    let sources = host.sources.borrow();
    let mut places = sources.iter().flat_map(|(file, text)| {
        let places = scan::places_of_throw(text).into_iter();
        places.map(move |(line, column)| (file.clone(), line, column))
    });
    places.next().filter(|_| places.next().is_none())
}

/// Where a limit of the engine was met.
pub(super) fn of_engine_error(error: &JsError, host: &Host) -> Option<Position> {
    in_stack(&error.to_string(), None, host)
}

fn in_stack(stack: &str, missing: Option<&str>, host: &Host) -> Option<Position> {
    let sources = host.sources.borrow();
    let mut without_place = None;
    for line in stack.lines() {
        let Some((file, place)) = frame(line) else { continue };
        let Some((_, text)) = sources.iter().find(|(name, _)| name == file) else { continue };
        // The engine does not know where an unknown name stands; the text does.
        let from = place.map_or(1, |(line, _)| line);
        let named = missing.and_then(|name| scan::place_of_word(text, name, from));
        if let Some((line, column)) = named.or(place) {
            return Some((file.to_owned(), line, column));
        }
        without_place.get_or_insert_with(|| file.to_owned());
    }
    let last = host.last_call.borrow().clone();
    last.filter(|(file, ..)| without_place.is_some_and(|lost| lost == *file))
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
}
