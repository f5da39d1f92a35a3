//! Values as text, the way Node prints them: for the console, for expectations and for errors.
//!
//! No code of the script runs: getters are shown as such, proxies are not asked.

use std::fmt::{self, Write};

use boa_engine::builtins::date::Date;
use boa_engine::builtins::error::Error;
use boa_engine::builtins::promise::PromiseState;
use boa_engine::builtins::proxy::Proxy;
use boa_engine::builtins::regexp::RegExp;
use boa_engine::builtins::typed_array::TypedArray;
use boa_engine::object::builtins::{JsArrayBuffer, JsMap, JsPromise, JsSet};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::value::JsVariant;
use boa_engine::{JsObject, JsString, JsValue, js_string};

use super::events::shorten;
use super::{errors, native, web};

/// Deeper objects are shown as `[Object]`.
const MAX_DEPTH: usize = 5;
/// How many entries of one collection are shown.
const MAX_ENTRIES: usize = 100;
/// How many values are shown in all.
const MAX_VALUES: usize = 2_000;
/// How long one string may be, in bytes.
const MAX_TEXT: usize = 10_000;
/// Objects that fit into this width stand on one line.
const WIDTH: usize = 72;

/// The text of a value, strings in quotes.
pub(super) fn inspect(value: &JsValue) -> String {
    Inspector::default().value(value, 0)
}

/// The text of a value as `console.log` writes it: a string on its own stands bare.
pub(super) fn plain(value: &JsValue) -> String {
    match value.as_string() {
        Some(text) => text.to_std_string_lossy(),
        None => inspect(value),
    }
}

/// A string in quotes: single ones, unless it holds some.
pub(super) fn quoted(text: &str) -> String {
    let quote = match (text.contains('\''), text.contains('"'), text.contains('`')) {
        (true, false, _) => '"',
        (true, true, false) => '`',
        _ => '\'',
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[derive(Default)]
struct Inspector {
    shown: usize,
    /// The objects around the one being shown.
    around: Vec<JsObject>,
    /// Those of them that are shown again inside themselves.
    circular: Vec<JsObject>,
}

impl Inspector {
    fn value(&mut self, value: &JsValue, depth: usize) -> String {
        self.shown += 1;
        match value.variant() {
            JsVariant::Undefined => "undefined".to_owned(),
            JsVariant::Null => "null".to_owned(),
            JsVariant::Boolean(value) => value.to_string(),
            JsVariant::Integer32(number) => number.to_string(),
            JsVariant::Float64(number) if number == 0.0 && number.is_sign_negative() => {
                "-0".to_owned()
            }
            JsVariant::Float64(_) => value.display().to_string(),
            JsVariant::BigInt(number) => {
                let text = number.to_string();
                format!("{}n", shorten(&text, MAX_TEXT))
            }
            JsVariant::Symbol(symbol) => symbol.descriptive_string().to_std_string_lossy(),
            JsVariant::String(text) => quoted(&shorten(&text.to_std_string_lossy(), MAX_TEXT)),
            JsVariant::Object(object) => self.object(&object, depth),
        }
    }

    fn object(&mut self, object: &JsObject, depth: usize) -> String {
        if object.is::<Proxy>() {
            return "[Proxy]".to_owned();
        }
        if let Some(at) = self.around.iter().position(|other| other == object) {
            let object = self.around[at].clone();
            if !self.circular.contains(&object) {
                self.circular.push(object.clone());
            }
            let at = self.circular.iter().position(|other| *other == object);
            return format!("[Circular *{}]", at.unwrap_or_default() + 1);
        }
        if depth > MAX_DEPTH || self.shown > MAX_VALUES {
            let name = class_name(object).unwrap_or_else(|| "Object".to_owned());
            return format!("[{}]", if object.is_array() { "Array" } else { &name });
        }
        self.around.push(object.clone());
        let text = self.body(object, depth);
        self.around.pop();
        match self.circular.iter().position(|other| other == object) {
            Some(at) => format!("<ref *{}> {text}", at + 1),
            None => text,
        }
    }

    fn body(&mut self, object: &JsObject, depth: usize) -> String {
        let name = class_name(object);
        if object.is_callable() {
            return self.around_base(&function(object), object, depth);
        }
        if object.is_array() {
            return self.array(object, name.as_deref(), depth);
        }
        if object.is::<Error>() {
            let base = format!("[{}]", errors::headline(object));
            return self.around_base(&base, object, depth);
        }
        if let Some(base) = base_text(object) {
            return self.around_base(&base, object, depth);
        }
        let plain = matches!(name.as_deref(), Some("Object"));
        let (label, mut parts) = match self.collection(object, depth) {
            Some((label, parts)) => (label, parts),
            None if plain => (String::new(), Vec::new()),
            None => {
                let label = name.unwrap_or_else(|| "[Object: null prototype]".to_owned());
                (label, Vec::new())
            }
        };
        for (key, value) in web::shown(object) {
            let value = self.value(&value, depth + 1);
            parts.push(format!("{key}: {value}"));
        }
        parts.extend(self.properties(object, depth));
        braces(&label, &parts, ('{', '}'), depth)
    }

    /// A text for the object itself, and its own properties behind it.
    fn around_base(&mut self, base: &str, object: &JsObject, depth: usize) -> String {
        match self.properties(object, depth) {
            parts if parts.is_empty() => base.to_owned(),
            parts => braces(base, &parts, ('{', '}'), depth),
        }
    }

    fn array(&mut self, array: &JsObject, name: Option<&str>, depth: usize) -> String {
        let length = native::data_property(array, js_string!("length"));
        let length = length.and_then(|length| length.as_number()).map_or(0, native::to_u32);
        let mut parts = Vec::new();
        let mut at = 0;
        while at < length && parts.len() < MAX_ENTRIES && self.shown <= MAX_VALUES {
            if let Some(value) = native::data_property(array, at) {
                parts.push(self.value(&value, depth + 1));
                at += 1;
                continue;
            }
            let next = index_after(array, at).unwrap_or(length).min(length);
            let holes = next - at;
            parts.push(format!("<{holes} empty item{}>", if holes == 1 { "" } else { "s" }));
            at = next;
        }
        if at < length {
            parts.push(more(length - at));
        }
        parts.extend(self.properties(array, depth));
        let label = match name {
            Some("Array") | None => String::new(),
            Some(name) => format!("{name}({length})"),
        };
        braces(&label, &parts, ('[', ']'), depth)
    }

    /// Label and entries of maps, sets, buffers, typed arrays and promises.
    fn collection(&mut self, object: &JsObject, depth: usize) -> Option<(String, Vec<String>)> {
        if let Ok(map) = JsMap::from_object(object.clone()) {
            let mut entries = Vec::new();
            let _ = map.for_each_native(|key, value| {
                entries.push((key, value));
                Ok(())
            });
            let mut parts = Vec::new();
            for (key, value) in entries.iter().take(MAX_ENTRIES) {
                let key = self.value(key, depth + 1);
                parts.push(format!("{key} => {}", self.value(value, depth + 1)));
            }
            return Some((format!("Map({})", entries.len()), rest(parts, entries.len())));
        }
        if let Ok(set) = JsSet::from_object(object.clone()) {
            let mut items = Vec::new();
            let _ = set.for_each_native(|item| {
                items.push(item);
                Ok(())
            });
            let parts: Vec<String> =
                items.iter().take(MAX_ENTRIES).map(|item| self.value(item, depth + 1)).collect();
            return Some((format!("Set({})", items.len()), rest(parts, items.len())));
        }
        if let Ok(promise) = JsPromise::from_object(object.clone()) {
            let state = match promise.state() {
                PromiseState::Pending => "<pending>".to_owned(),
                PromiseState::Fulfilled(value) => self.value(&value, depth + 1),
                PromiseState::Rejected(reason) => {
                    format!("<rejected> {}", self.value(&reason, depth + 1))
                }
            };
            return Some(("Promise".to_owned(), vec![state]));
        }
        if let Some(pairs) = web::shown_pairs(object) {
            let pair = |(name, value): &(String, String)| {
                format!("{}: {}", quoted(name), quoted(&shorten(value, MAX_TEXT)))
            };
            let parts = pairs.iter().take(MAX_ENTRIES).map(pair).collect();
            let name = class_name(object).unwrap_or_default();
            return Some((name, rest(parts, pairs.len())));
        }
        if let Ok(buffer) = JsArrayBuffer::from_object(object.clone()) {
            let length = buffer.data().map_or(0, |data| data.len());
            return Some(("ArrayBuffer".to_owned(), vec![format!("byteLength: {length}")]));
        }
        None
    }

    fn properties(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        let keys = object.borrow().shape().keys();
        let mut indices: Vec<PropertyKey> = Vec::new();
        if !object.is_array() {
            let borrowed = object.borrow();
            let mut numbers: Vec<u32> = borrowed.properties().index_property_keys().collect();
            numbers.sort_unstable();
            indices.extend(numbers.into_iter().take(MAX_ENTRIES + 1).map(PropertyKey::from));
        }
        let mut parts = Vec::new();
        for key in indices.into_iter().chain(keys) {
            let Some(property) = object.borrow().properties().get(&key) else { continue };
            if property.enumerable() != Some(true) {
                continue;
            }
            if parts.len() == MAX_ENTRIES || self.shown > MAX_VALUES {
                parts.push("... more".to_owned());
                break;
            }
            parts.push(format!("{}: {}", key_text(&key), self.property(&property, depth)));
        }
        parts
    }

    fn property(&mut self, property: &PropertyDescriptor, depth: usize) -> String {
        let has = |f: Option<&JsValue>| f.is_some_and(|f| !f.is_undefined());
        match (property.value(), has(property.get()), has(property.set())) {
            (Some(value), ..) => self.value(value, depth + 1),
            (None, true, true) => "[Getter/Setter]".to_owned(),
            (None, true, false) => "[Getter]".to_owned(),
            (None, ..) => "[Setter]".to_owned(),
        }
    }
}

/// The first index of an array, after another, at which there is something.
fn index_after(array: &JsObject, at: u32) -> Option<u32> {
    array.borrow().properties().index_property_keys().filter(|key| *key > at).min()
}

fn more(count: u32) -> String {
    format!("... {count} more item{}", if count == 1 { "" } else { "s" })
}

fn rest(mut parts: Vec<String>, length: usize) -> Vec<String> {
    if length > parts.len() {
        parts.push(more(u32::try_from(length - parts.len()).unwrap_or(u32::MAX)));
    }
    parts
}

fn braces(label: &str, parts: &[String], (open, close): (char, char), depth: usize) -> String {
    let label = if label.is_empty() { String::new() } else { format!("{label} ") };
    if parts.is_empty() {
        return format!("{label}{open}{close}");
    }
    let width: usize = parts.iter().map(|part| part.chars().count() + 2).sum();
    let is_flat = !parts.iter().any(|part| part.contains('\n'));
    if is_flat && width + label.len() + depth * 2 <= WIDTH {
        return format!("{label}{open} {} {close}", parts.join(", "));
    }
    let indent = "  ".repeat(depth + 1);
    let separator = format!(",\n{indent}");
    format!("{label}{open}\n{indent}{}\n{}{close}", parts.join(&separator), "  ".repeat(depth))
}

fn key_text(key: &PropertyKey) -> String {
    match key {
        PropertyKey::Index(index) => index.get().to_string(),
        PropertyKey::Symbol(symbol) => {
            format!("[{}]", symbol.descriptive_string().to_std_string_lossy())
        }
        PropertyKey::String(name) => {
            let name = name.to_std_string_lossy();
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !name.is_empty();
            if is_name { name } else { quoted(&shorten(&name, MAX_TEXT)) }
        }
    }
}

/// The name of the class of an object; `None` when it has no prototype.
pub(super) fn class_name(object: &JsObject) -> Option<String> {
    let constructor = native::inherited_data_property(object, js_string!("constructor"))?;
    let name = native::data_property(&constructor.as_object()?, js_string!("name"))?;
    Some(name.as_string()?.to_std_string_lossy()).filter(|name| !name.is_empty())
}

fn function(object: &JsObject) -> String {
    let name = native::data_property(object, js_string!("name"));
    let name = name
        .and_then(|name| name.as_string())
        .map(|name: JsString| shorten(&name.to_std_string_lossy(), 200));
    let prototype = object.borrow().properties().get(&js_string!("prototype").into());
    let is_class = prototype.is_some_and(|prototype| prototype.writable() == Some(false));
    let what = if is_class { "class" } else { "Function" };
    match name.filter(|name| !name.is_empty()) {
        Some(name) if is_class => format!("[{what} {name}]"),
        Some(name) => format!("[{what}: {name}]"),
        None => format!("[{what} (anonymous)]"),
    }
}

/// Dates, regular expressions, typed arrays and boxed values, as the engine prints them.
fn base_text(object: &JsObject) -> Option<String> {
    let is_known = object.is::<Date>()
        || object.is::<RegExp>()
        || object.is::<TypedArray>()
        || object.is::<JsString>()
        || object.is::<f64>()
        || object.is::<bool>();
    if !is_known {
        return None;
    }
    let mut out = Bounded(String::new());
    let whole = write!(out, "{}", JsValue::from(object.clone()).display());
    Some(if whole.is_ok() { out.0 } else { out.0 + "…" })
}

/// Takes text until there is enough.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.len() > MAX_TEXT {
            return Err(fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}
