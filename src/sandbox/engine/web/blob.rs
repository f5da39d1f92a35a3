//! `FormData`, `Blob` and `File`: classes in JavaScript, evaluated when they are first used.

use boa_engine::object::builtins::JsArray;
use boa_engine::{Context, JsArgs, JsObject, JsResult, JsString, JsValue};

use super::super::native;
use super::body::{byte_array, bytes_of};
use super::crypto;

/// What the segment exports, by name.
pub(super) fn export(name: &'static str, context: &mut Context) -> JsResult<JsValue> {
    let text = include_str!("../prelude/blob.js");
    let exports = native::segment("tripline:blob", text, tools, context)?;
    exports.get(JsString::from(name), context)
}

/// `new Blob(parts, { type })` and the like.
pub(super) fn construct(
    class: &'static str,
    parts: &[JsValue],
    kind: &str,
    context: &mut Context,
) -> JsResult<JsValue> {
    let class = export(class, context)?;
    let Some(class) = class.as_constructor() else { return Ok(JsValue::undefined()) };
    if parts.is_empty() {
        return Ok(class.construct(&[], None, context)?.into());
    }
    let options = JsObject::with_object_proto(context.intrinsics());
    options.create_data_property(JsString::from("type"), JsString::from(kind), context)?;
    let parts = JsArray::from_iter(parts.to_vec(), context);
    Ok(class.construct(&[parts.into(), options.into()], None, context)?.into())
}

fn tools(context: &mut Context) -> JsResult<JsObject> {
    let tools = JsObject::with_object_proto(context.intrinsics());
    native::define(&tools, "body", native::symbol("body", context));
    let functions: [native::Function; 3] =
        [("bytes", 1, bytes), ("text", 1, text), ("boundary", 0, boundary)];
    for function in &functions {
        native::define(&tools, function.0, native::make(function, context));
    }
    Ok(tools)
}

/// Joins texts, buffers and typed arrays to one `Uint8Array`.
fn bytes(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut all = Vec::new();
    for part in native::items(args.get_or_undefined(0), context)? {
        match bytes_of(&part, context)? {
            Some(bytes) => all.extend(bytes),
            None => all.extend(native::text(&part, context)?.into_bytes()),
        }
    }
    byte_array(&all, context)
}

/// The text of UTF-8 bytes.
fn text(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let bytes = bytes_of(args.get_or_undefined(0), context)?.unwrap_or_default();
    Ok(JsString::from(&*encoding_rs::UTF_8.decode_with_bom_removal(&bytes).0).into())
}

/// A new boundary for a multipart body.
fn boundary(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let random: [u8; 16] = crypto::random()?;
    let text = format!("----tripline{}", data_encoding::HEXLOWER.encode(&random));
    Ok(JsString::from(text).into())
}
