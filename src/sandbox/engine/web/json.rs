//! JSON as values of a script, and the `JSON.parse` of scripts.
//!
//! The engine's own `JSON.parse` refuses lone surrogates and numbers beyond the range, both of
//! which are valid JSON, and would make a healthy target fail.

use boa_engine::object::builtins::{JsArray, JsFunction};
use boa_engine::{
    Context, JsArgs, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};

use super::super::native;
use crate::sandbox::json::{self, Builder, Error, Text};

struct Values<'c>(&'c mut Context);

fn string(text: Text<'_>) -> JsString {
    match text {
        Text::Plain(text) => JsString::from(text),
        Text::Units(units) => JsString::from(&units[..]),
    }
}

impl Builder for Values<'_> {
    type Value = JsValue;

    fn null(&mut self) -> JsValue {
        JsValue::null()
    }

    fn boolean(&mut self, value: bool) -> JsValue {
        value.into()
    }

    fn number(&mut self, literal: &str) -> JsValue {
        // Whatever JSON calls a number, this does; beyond the range it is infinite.
        JsValue::new(literal.parse::<f64>().unwrap_or(f64::NAN))
    }

    fn text(&mut self, text: Text<'_>) -> JsValue {
        string(text).into()
    }

    fn list(&mut self, items: Vec<JsValue>) -> JsValue {
        JsArray::from_iter(items, self.0).into()
    }

    fn table(&mut self, entries: Vec<(Text<'_>, JsValue)>) -> JsValue {
        let object = JsObject::with_object_proto(self.0.intrinsics());
        for (name, value) in entries {
            // The object is new and ordinary; a property can always be added.
            let _ = object.create_data_property(string(name), value, self.0);
        }
        object.into()
    }
}

/// The value of a JSON text.
pub(in crate::sandbox::engine) fn parse(
    text: &str,
    context: &mut Context,
) -> Result<JsValue, Error> {
    json::read(text, &mut Values(context))
}

/// Puts this `JSON.parse` in place of the engine's.
pub(in crate::sandbox::engine) fn install(context: &mut Context) {
    let json = native::data_property(&context.global_object(), js_string!("JSON"));
    if let Some(json) = json.and_then(|json| json.as_object()) {
        native::define(&json, "parse", native::make(&("parse", 2, parse_text), context));
    }
}

/// `JSON.parse(text, reviver?)`
fn parse_text(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = args.get_or_undefined(0).to_string(context)?;
    let text = whole(&text);
    // Unlike a file or an answer, a string of a script has no mark of the byte order.
    let value = match text.strip_prefix('\u{feff}') {
        Some(_) => Err("not valid JSON: unexpected '\\u{feff}' at line 1, column 1".to_owned()),
        None => parse(&text, context).map_err(|error| error.to_string()),
    };
    let value = value.map_err(|why| JsNativeError::syntax().with_message(why))?;
    let Some(reviver) = args.get_or_undefined(1).as_function() else { return Ok(value) };
    let holder = JsObject::with_object_proto(context.intrinsics());
    holder.create_data_property(js_string!(), value, context)?;
    revived(&holder, js_string!(), &reviver, context)
}

/// A script's string as Unicode. A lone surrogate, which is legal in a string of JSON, is written
/// as the escape that means the same there.
fn whole(text: &JsString) -> String {
    let units: Vec<u16> = text.iter().collect();
    char::decode_utf16(units)
        .map(|c| match c {
            Ok(c) => c.to_string(),
            Err(lone) => format!("\\u{:04x}", lone.unpaired_surrogate()),
        })
        .collect()
}

/// ECMAScript, section 25.5.1.1: what the reviver makes of a value and all in it.
fn revived(
    holder: &JsObject,
    name: JsString,
    reviver: &JsFunction,
    context: &mut Context,
) -> JsResult<JsValue> {
    let value = holder.get(name.clone(), context)?;
    if let Some(object) = value.as_object() {
        let keys = object.own_property_keys(context)?;
        for key in keys {
            let text = match &key {
                boa_engine::property::PropertyKey::String(text) => text.clone(),
                boa_engine::property::PropertyKey::Index(index) => {
                    JsString::from(index.get().to_string())
                }
                boa_engine::property::PropertyKey::Symbol(_) => continue,
            };
            if object.is_array() && text == js_string!("length") {
                continue;
            }
            let inner = revived(&object, text, reviver, context)?;
            if inner.is_undefined() {
                object.delete_property_or_throw(key, context)?;
            } else {
                object.create_data_property(key, inner, context)?;
            }
        }
    }
    reviver.call(&holder.clone().into(), &[name.into(), value], context)
}
