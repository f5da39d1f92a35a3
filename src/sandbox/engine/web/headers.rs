//! `Headers`.

use boa_engine::{Context, JsArgs, JsData, JsObject, JsResult, JsString, JsValue};
use boa_gc::{Finalize, Trace};

use super::super::errors::type_error;
use super::super::inspect;
use super::super::native::{self, Class, Pairs};

/// Names in lower case and values, in the order in which they were added.
#[derive(Debug, Clone, Default, Trace, Finalize, JsData)]
pub(in crate::sandbox::engine) struct Headers(
    #[unsafe_ignore_trace] pub(in crate::sandbox::engine) Vec<(String, String)>,
);

/// `Headers`.
pub(super) static HEADERS: Class = Class {
    name: "Headers",
    construct,
    length: 0,
    methods: &[
        ("append", 2, append),
        ("delete", 1, delete),
        ("get", 1, get),
        ("getSetCookie", 0, get_set_cookie),
        ("has", 1, has),
        ("set", 2, set),
    ],
    accessors: &[],
    statics: &[],
    iteration: Some(native::iteration::<Headers>()),
};

impl Headers {
    /// Headers from what `new Headers(..)` or `{ headers: .. }` takes.
    pub(super) fn from_value(value: &JsValue, context: &mut Context) -> JsResult<Self> {
        if let Some(object) = value.as_object()
            && let Some(headers) = object.downcast_ref::<Self>()
        {
            return Ok(headers.clone());
        }
        let mut headers = Self::default();
        for (name, value) in native::pairs(value, context)? {
            headers.add(&name, &value)?;
        }
        Ok(headers)
    }

    /// An instance for scripts.
    pub(in crate::sandbox::engine) fn into_object(self, context: &mut Context) -> JsObject {
        native::instance(&HEADERS, self, context)
    }

    /// The values of a name, joined.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v).collect();
        if values.is_empty() { None } else { Some(values.join(", ")) }
    }

    fn add(&mut self, name: &str, value: &str) -> JsResult<()> {
        let pair = (checked_name(name)?, checked_value(name, value)?);
        self.0.push(pair);
        Ok(())
    }

    /// Sets a header unless the script has set it.
    pub(super) fn add_missing(&mut self, name: &str, value: &str) {
        if !self.0.iter().any(|(other, _)| other == name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }
}

impl Pairs for Headers {
    const CLASS: &'static str = "Headers";

    /// Sorted by name, values of a name joined; each `set-cookie` on its own.
    fn pairs(&self) -> Vec<(String, String)> {
        let mut names: Vec<&String> = self.0.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        let of_name = |name: &String| match name.as_str() {
            "set-cookie" => self.0.iter().filter(|(n, _)| n == name).cloned().collect(),
            _ => vec![(name.clone(), self.value(name).unwrap_or_default())],
        };
        names.into_iter().flat_map(of_name).collect()
    }
}

fn checked_name(name: &str) -> JsResult<String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return type_error(format!("{name:?} is no name of a header"));
    }
    Ok(name.to_ascii_lowercase())
}

fn checked_value(name: &str, value: &str) -> JsResult<String> {
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    if value.contains(['\0', '\r', '\n']) {
        return type_error(format!("the value of the header {name} holds a line break"));
    }
    if let Some(c) = value.chars().find(|c| *c > '\u{ff}') {
        let message = format!("the value of the header {name} holds {c:?}, which cannot be sent");
        return type_error(message);
    }
    Ok(value.to_owned())
}

fn construct(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let given = args.get_or_undefined(0);
    if !given.is_undefined() && !given.is_object() {
        let got = inspect::inspect(given);
        return type_error(format!("Headers are made from an object or pairs, not from {got}"));
    }
    let headers = Headers::from_value(given, context)?;
    native::construct(new, &HEADERS, headers, context)
}

fn list(this: &JsValue) -> JsResult<Headers> {
    native::data(this, "Headers", |headers: &mut Headers| headers.clone())
}

fn name(args: &[JsValue], context: &mut Context) -> JsResult<String> {
    checked_name(&native::text(args.get_or_undefined(0), context)?)
}

fn append(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (name, value) = (name(args, context)?, native::text(args.get_or_undefined(1), context)?);
    native::data(this, "Headers", |headers: &mut Headers| headers.add(&name, &value))??;
    Ok(JsValue::undefined())
}

fn set(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (name, value) = (name(args, context)?, native::text(args.get_or_undefined(1), context)?);
    let value = checked_value(&name, &value)?;
    native::data(this, "Headers", |Headers(list): &mut Headers| {
        list.retain(|(other, _)| *other != name);
        list.push((name, value));
    })?;
    Ok(JsValue::undefined())
}

fn delete(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name(args, context)?;
    native::data(this, "Headers", |Headers(list): &mut Headers| {
        list.retain(|(other, _)| *other != name);
    })?;
    Ok(JsValue::undefined())
}

fn get(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name(args, context)?;
    let value = native::data(this, "Headers", |headers: &mut Headers| headers.value(&name))?;
    Ok(value.map_or_else(JsValue::null, |value| JsString::from(value).into()))
}

fn get_set_cookie(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let headers = list(this)?;
    let cookies = headers.0.iter().filter(|(name, _)| name == "set-cookie");
    Ok(native::texts(cookies.map(|(_, value)| value.clone()).collect(), context))
}

fn has(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = name(args, context)?;
    let has = native::data(this, "Headers", |headers: &mut Headers| headers.value(&name))?;
    Ok(has.is_some().into())
}
