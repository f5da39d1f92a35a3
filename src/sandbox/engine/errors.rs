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
use super::{expect, inspect, native, page, places, scan};
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
    /// The engine stopped it, there.
    Limit(String, Option<Position>),
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
            let message = format!("the script was stopped by the engine: {limit}");
            return Self::Limit(message, places::of_engine_error(&error, host));
        }
        let position = places::of_engine_error(&error, host);
        match error.into_opaque(context) {
            Ok(value) => {
                host.note(&value, Seen { position, step: host.step.get(), ..Seen::default() });
                Self::Threw(value)
            }
            Err(error) => Self::Limit(shorten(&error.to_string(), MAX_MESSAGE), None),
        }
    }
}

/// What the report says about a failure; a [`Failure::Stopped`] is not the script's.
pub(super) fn script_error(failure: &Failure, host: &Host, context: &mut Context) -> ScriptError {
    let (kind, value) = match failure {
        Failure::Threw(value) => (ScriptErrorKind::Exception, value),
        Failure::Unloadable(value) => (ScriptErrorKind::Script, value),
        Failure::Limit(message, position) => {
            return plain(ScriptErrorKind::Limit, message, position.clone(), host);
        }
        Failure::Unfinished(message) => {
            let position = host.last_call.borrow().clone();
            return plain(ScriptErrorKind::Exception, message, position, host);
        }
        Failure::Stopped(_) => {
            return plain(ScriptErrorKind::Exception, "the run is over", None, host);
        }
    };
    let seen = host.sighting(value).unwrap_or_default();
    let is_error = value.as_object().is_some_and(|object| object.is::<Error>());
    let position = places::of_error(value, host, context).or(seen.position);
    let position = position.or_else(|| if is_error { None } else { places::of_thrown(host) });
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

fn plain(
    kind: ScriptErrorKind,
    message: &str,
    position: Option<Position>,
    host: &Host,
) -> ScriptError {
    ScriptError {
        kind,
        message: message.to_owned(),
        expected: None,
        received: None,
        position,
        step: host.innermost_open_step(),
    }
}

/// Names what is no function, null or undefined, which the engine's own message does not.
fn with_culprit(message: String, position: Option<&Position>, host: &Host) -> String {
    const NOT_CALLABLE: &str = "TypeError: not a callable function";
    const NO_OBJECT: &str = "TypeError: cannot convert 'null' or 'undefined' to object";
    const NAMELESS: [&str; 3] = [NOT_CALLABLE, "TypeError: not a constructor", NO_OBJECT];
    let Some((file, line, column)) = position.filter(|_| NAMELESS.contains(&message.as_str()))
    else {
        return message;
    };
    let sources = host.sources.borrow();
    let text = sources.iter().find(|(name, _)| name == file).map(|(_, text)| text);
    let Some(culprit) = text.and_then(|text| scan::chain_at(text, *line, *column)) else {
        return message;
    };
    match (message.as_str(), culprit.rsplit_once('.')) {
        (NOT_CALLABLE, _) => format!("TypeError: {culprit} is not a function{}", hint(&culprit)),
        (NO_OBJECT, Some((object, property))) => {
            format!("TypeError: {object} is null or undefined, and has no {property}")
        }
        _ => format!("{message}: {culprit}"),
    }
}

/// What may have been meant by a name that is no function, as an addition to a message.
fn hint(culprit: &str) -> String {
    let name = culprit.rsplit('.').next().unwrap_or_default();
    match name {
        "querySelector" => {
            return "; a page is read with page.text(css) or page.attr(css, name)".to_owned();
        }
        "querySelectorAll" => return "; a page is read with page.texts(css)".to_owned(),
        _ => {}
    }
    let near = |known: &&str| strsim::damerau_levenshtein(known, name) <= 2;
    let known = expect::names().chain(page::names());
    let found = known.filter(|known| *known != name && name.len() > 3).find(near);
    found.map(|known| format!("; did you mean {known}?")).unwrap_or_default()
}

/// `TypeError: x is not a function`, or the value itself when it is no error.
pub(super) fn message(value: &JsValue) -> String {
    let Some(object) = value.as_object().filter(|object| object.is::<Error>()) else {
        return format!("threw {}", inspect::inspect(value));
    };
    let mut text = headline(&object);
    text.push_str(&inner_errors(&object));
    let mut cause = object;
    for _ in 0..4 {
        let Some(next) = native::data_property(&cause, js_string!("cause")) else { break };
        let Some(next) = next.as_object().filter(|object| object.is::<Error>()) else {
            if !next.is_undefined() {
                text = format!("{text} (caused by {})", inspect::inspect(&next));
            }
            break;
        };
        let said = headline(&next);
        let (_, why) = said.split_once(": ").unwrap_or(("", &said));
        // An error of the host has said already what its cause says.
        if !text.ends_with(why) {
            text = format!("{text} (caused by {said})");
        }
        cause = next;
    }
    text
}

/// The errors of an `AggregateError`, such as `Promise.any` throws.
fn inner_errors(error: &JsObject) -> String {
    let errors = native::data_property(error, js_string!("errors"));
    let Some(errors) = errors.and_then(|errors| errors.as_object()) else { return String::new() };
    let inner = (0..4u32).filter_map(|at| native::data_property(&errors, at)?.as_object());
    let inner: Vec<String> = inner.map(|error| headline(&error)).collect();
    if inner.is_empty() { String::new() } else { format!(" [{}]", inner.join("; ")) }
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
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    // What is left out must be seen to be: a secret of several lines may have been cut here.
    let more = if lines.next().is_some() { "…" } else { "" };
    format!("{}{more}", shorten(first, 500))
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
    fn the_place_of_a_syntax_error_is_split_off() {
        assert_eq!(split_place("unexpected token 'x', y at line 3, col 14").1, Some((3, 14)));
        assert_eq!(split_place("abrupt end"), ("abrupt end", None));
    }
}
