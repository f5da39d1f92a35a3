//! `console`: lines for the report.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use boa_engine::{Context, JsArgs, JsObject, JsResult, JsValue};

use super::host::Host;
use super::native::{self, Function};
use super::{errors, inspect, places, table};
use crate::sandbox::protocol::Level;

/// The most labels of `count` and `time` at once.
const MAX_LABELS: usize = 1000;
/// The deepest indentation by `group`.
const MAX_GROUPS: usize = 20;

/// What `console` remembers between calls.
#[derive(Default)]
pub(super) struct Console {
    groups: Cell<usize>,
    counts: RefCell<HashMap<String, u64>>,
    timers: RefCell<HashMap<String, Duration>>,
}

const METHODS: &[Function] = &[
    ("log", 0, |_, args, context| line(Level::Info, args, context)),
    ("info", 0, |_, args, context| line(Level::Info, args, context)),
    ("debug", 0, |_, args, context| line(Level::Debug, args, context)),
    ("warn", 0, |_, args, context| line(Level::Warn, args, context)),
    ("error", 0, |_, args, context| line(Level::Error, args, context)),
    ("dir", 0, |_, args, context| line(Level::Info, args.get(..1).unwrap_or_default(), context)),
    ("trace", 0, trace),
    ("assert", 0, assert),
    ("table", 1, table_of),
    ("group", 0, group),
    ("groupCollapsed", 0, group),
    ("groupEnd", 0, group_end),
    ("count", 0, count),
    ("countReset", 0, count_reset),
    ("time", 0, time),
    ("timeLog", 0, |_, args, context| time_log(args, context)),
    ("timeEnd", 0, time_end),
];

/// The `console` object.
pub(super) fn object(context: &Context) -> JsObject {
    let console = JsObject::with_object_proto(context.intrinsics());
    for method in METHODS {
        native::define(&console, method.0, native::make(method, context));
    }
    console
}

fn line(level: Level, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    if host.takes_lines() {
        write(level, &format(args, context), &host)?;
    }
    Ok(JsValue::undefined())
}

fn write(level: Level, text: &str, host: &Host) -> JsResult<()> {
    let indent = "  ".repeat(host.console.groups.get());
    let text = if indent.is_empty() {
        text.to_owned()
    } else {
        text.lines().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
    };
    host.log(level, &text)
}

/// The arguments as one text, with `%s`, `%d`, `%i`, `%f`, `%j`, `%o`, `%O` and `%c` in a leading
/// string replaced.
fn format(args: &[JsValue], context: &mut Context) -> String {
    let mut rest = args;
    let mut text = String::new();
    if let Some(template) = args.first().and_then(JsValue::as_string)
        && args.len() > 1
    {
        rest = &args[1..];
        let template = template.to_std_string_lossy();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            let directive = if c == '%' { chars.peek().copied() } else { None };
            match (directive, rest) {
                (Some('%'), _) => {
                    text.push('%');
                    chars.next();
                }
                (
                    Some(kind @ ('s' | 'd' | 'i' | 'f' | 'j' | 'o' | 'O' | 'c')),
                    [value, more @ ..],
                ) => {
                    text.push_str(&directive_text(kind, value));
                    rest = more;
                    chars.next();
                }
                _ => text.push(c),
            }
        }
    } else if let [first, more @ ..] = args {
        text = shown(first, context);
        rest = more;
    }
    for value in rest {
        text.push(' ');
        text.push_str(&shown(value, context));
    }
    text
}

/// A value of a console line; errors with the lines that tell where they come from.
fn shown(value: &JsValue, context: &mut Context) -> String {
    let error = value.as_object().filter(|o| o.is::<boa_engine::builtins::error::Error>());
    match error {
        Some(error) => {
            let stack = places::stack(&error, context);
            format!("{}\n{stack}", errors::message(value)).trim_end().to_owned()
        }
        None => inspect::plain(value),
    }
}

fn directive_text(kind: char, value: &JsValue) -> String {
    match kind {
        'c' => String::new(),
        'd' | 'f' => match value.as_number() {
            Some(_) => inspect::plain(value),
            None => "NaN".to_owned(),
        },
        'i' => match value.as_number() {
            Some(number) => JsValue::new(number.trunc()).display().to_string(),
            None => "NaN".to_owned(),
        },
        's' => inspect::plain(value),
        _ => inspect::inspect(value),
    }
}

fn trace(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = format(args, context);
    let place = places::call_site(context);
    let place = place.map(|(file, line, column)| format!("\n    at {file}:{line}:{column}"));
    let host = Host::of(context);
    if host.takes_lines() {
        write(Level::Debug, &format!("Trace: {text}{}", place.unwrap_or_default()), &host)?;
    }
    Ok(JsValue::undefined())
}

fn assert(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if args.get_or_undefined(0).to_boolean() {
        return Ok(JsValue::undefined());
    }
    let text = format(args.get(1..).unwrap_or_default(), context);
    let text = if text.is_empty() { String::new() } else { format!(": {text}") };
    let host = Host::of(context);
    if host.takes_lines() {
        write(Level::Error, &format!("Assertion failed{text}"), &host)?;
    }
    Ok(JsValue::undefined())
}

fn table_of(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    if host.takes_lines() {
        let value = args.get_or_undefined(0);
        let text = table::table(value).unwrap_or_else(|| inspect::plain(value));
        write(Level::Info, &text, &host)?;
    }
    Ok(JsValue::undefined())
}

fn group(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if !args.is_empty() {
        line(Level::Info, args, context)?;
    }
    let groups = &Host::of(context).console.groups;
    groups.set((groups.get() + 1).min(MAX_GROUPS));
    Ok(JsValue::undefined())
}

fn group_end(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let groups = &Host::of(context).console.groups;
    groups.set(groups.get().saturating_sub(1));
    Ok(JsValue::undefined())
}

fn label(args: &[JsValue]) -> String {
    match args.first() {
        Some(label) if !label.is_undefined() => super::events::shorten(&inspect::plain(label), 100),
        _ => "default".to_owned(),
    }
}

fn count(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let label = label(args);
    let count = {
        let mut counts = host.console.counts.borrow_mut();
        if counts.len() >= MAX_LABELS {
            counts.clear();
        }
        let count = counts.entry(label.clone()).or_default();
        *count += 1;
        *count
    };
    if host.takes_lines() {
        write(Level::Info, &format!("{label}: {count}"), &host)?;
    }
    Ok(JsValue::undefined())
}

fn count_reset(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Host::of(context).console.counts.borrow_mut().remove(&label(args));
    Ok(JsValue::undefined())
}

fn time(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let mut timers = host.console.timers.borrow_mut();
    if timers.len() >= MAX_LABELS {
        timers.clear();
    }
    timers.insert(label(args), host.elapsed());
    Ok(JsValue::undefined())
}

fn time_log(args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let host = Host::of(context);
    let label = label(args);
    let started = host.console.timers.borrow().get(&label).copied();
    let text = match started {
        Some(started) => {
            let millis = (host.elapsed().saturating_sub(started)).as_secs_f64() * 1000.0;
            let rest = format(args.get(1..).unwrap_or_default(), context);
            format!("{label}: {millis:.3}ms {rest}").trim_end().to_owned()
        }
        None => format!("no timer is called {label}"),
    };
    if host.takes_lines() {
        write(Level::Info, &text, &host)?;
    }
    Ok(JsValue::undefined())
}

fn time_end(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    time_log(args, context)?;
    Host::of(context).console.timers.borrow_mut().remove(&label(args));
    Ok(JsValue::undefined())
}
