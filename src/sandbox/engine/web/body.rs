//! Bodies of requests and responses.

use boa_engine::builtins::array_buffer::ArrayBuffer;
use boa_engine::builtins::typed_array::TypedArray;
use boa_engine::object::builtins::{JsArrayBuffer, JsDataView, JsTypedArray, JsUint8Array};
use boa_engine::{Context, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string};

use super::super::errors::type_error;
use super::super::events::shorten;
use super::super::{inspect, native};
use super::headers::Headers;
use super::params::Params;
use super::request::Request;
use super::response::Response;
use super::{blob, json};

/// How many bytes of a body an error message quotes.
const QUOTED: usize = 120;

/// A body to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sandbox::engine) struct Body {
    /// Its bytes.
    pub(in crate::sandbox::engine) bytes: Vec<u8>,
    /// Its media type.
    pub(in crate::sandbox::engine) kind: Option<String>,
}

/// A body that can be read once.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// Its bytes; `None` when there is no body.
    pub(super) bytes: Option<Vec<u8>>,
    /// Whether it has been read.
    pub(super) used: bool,
}

/// The body that a script gives.
pub(super) fn extract(value: &JsValue, context: &mut Context) -> JsResult<Option<Body>> {
    if value.is_null_or_undefined() {
        return Ok(None);
    }
    let Some(object) = value.as_object() else {
        let bytes = native::text(value, context)?.into_bytes();
        return Ok(Some(Body { bytes, kind: Some("text/plain;charset=UTF-8".to_owned()) }));
    };
    if let Some(params) = object.downcast_ref::<Params>() {
        let kind = "application/x-www-form-urlencoded;charset=UTF-8".to_owned();
        return Ok(Some(Body { bytes: params.encoded().into_bytes(), kind: Some(kind) }));
    }
    if let Some(bytes) = bytes_of(value, context)? {
        return Ok(Some(Body { bytes, kind: None }));
    }
    let parts = object.get(native::symbol("body", context), context)?;
    if let Some(parts) = parts.as_function() {
        let result = parts.call(value, &[], context)?;
        let kind = native::option(&result, "type", context)?;
        let kind = native::text(&kind, context)?;
        let bytes = native::option(&result, "bytes", context)?;
        let bytes = bytes_of(&bytes, context)?.unwrap_or_default();
        return Ok(Some(Body { bytes, kind: Some(kind).filter(|kind| !kind.is_empty()) }));
    }
    type_error(format!(
        "{} cannot be sent as it is; use JSON.stringify(..), new URLSearchParams(..) or a FormData",
        shorten(&inspect::inspect(value), 200)
    ))
}

/// The bytes of an `ArrayBuffer`, typed array or `DataView`.
pub(super) fn bytes_of(value: &JsValue, context: &mut Context) -> JsResult<Option<Vec<u8>>> {
    let Some(object) = value.as_object() else { return Ok(None) };
    let (buffer, from, length) = if object.is::<ArrayBuffer>() {
        (object.clone(), 0, None)
    } else if object.is::<TypedArray>() {
        let array = JsTypedArray::from_object(object)?;
        let buffer = array.buffer(context)?;
        let (from, length) = (array.byte_offset(context)?, array.byte_length(context)?);
        (buffer.as_object().unwrap_or_else(JsObject::with_null_proto), from, Some(length))
    } else if let Ok(view) = JsDataView::from_object(object) {
        let buffer = view.buffer(context)?.as_object();
        let from = usize::try_from(view.byte_offset(context)?).unwrap_or_default();
        let length = usize::try_from(view.byte_length(context)?).ok();
        (buffer.unwrap_or_else(JsObject::with_null_proto), from, length)
    } else {
        return Ok(None);
    };
    let Ok(buffer) = JsArrayBuffer::from_object(buffer) else { return Ok(None) };
    let data = buffer.data();
    let data = data.as_deref().unwrap_or_default();
    let end = length.map_or(data.len(), |length| from + length);
    Ok(Some(data.get(from..end).unwrap_or_default().to_vec()))
}

/// Bytes as an `ArrayBuffer`.
pub(super) fn array_buffer(bytes: &[u8], context: &mut Context) -> JsResult<JsArrayBuffer> {
    let buffer = JsArrayBuffer::new(bytes.len(), context)?;
    if let Some(mut data) = buffer.data_mut() {
        data.copy_from_slice(bytes);
    }
    Ok(buffer)
}

/// Bytes as an `Uint8Array`.
pub(super) fn byte_array(bytes: &[u8], context: &mut Context) -> JsResult<JsValue> {
    let buffer = array_buffer(bytes, context)?;
    Ok(JsUint8Array::from_array_buffer(buffer, context)?.into())
}

/// Does something with the content and headers of a request or response.
fn with_content<R>(
    this: &JsValue,
    use_it: impl FnOnce(&mut Content, &JsObject) -> R,
) -> JsResult<R> {
    if let Some(object) = this.as_object() {
        if let Some(mut response) = object.downcast_mut::<Response>() {
            let headers = response.headers.clone();
            return Ok(use_it(&mut response.content, &headers));
        }
        if let Some(mut request) = object.downcast_mut::<Request>() {
            let headers = request.headers.clone();
            return Ok(use_it(&mut request.content, &headers));
        }
    }
    type_error("this is called on something that is no Request or Response")
}

/// Takes the bytes; a second time is an error.
fn consume(this: &JsValue) -> JsResult<(Vec<u8>, String)> {
    let taken = with_content(this, |content, headers| {
        if content.used {
            return Err(());
        }
        content.used = content.bytes.is_some();
        let kind = headers.downcast_ref::<Headers>().and_then(|h| h.value("content-type"));
        Ok((content.bytes.take().unwrap_or_default(), kind.unwrap_or_default()))
    })?;
    taken.or_else(|()| type_error("the body has been read already; read it once, or clone() first"))
}

/// UTF-8, without its byte order mark, wrong bytes replaced.
fn utf8(bytes: &[u8]) -> String {
    encoding_rs::UTF_8.decode_with_bom_removal(bytes).0.into_owned()
}

/// `bodyUsed`
pub(super) fn body_used(this: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    Ok(with_content(this, |content, _| content.used)?.into())
}

/// `text()`
pub(super) fn text(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).map(|(bytes, _)| JsString::from(utf8(&bytes)).into());
    native::promised(result, context)
}

/// `json()`
pub(super) fn json(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).and_then(|(bytes, _)| {
        let text = utf8(&bytes);
        json::parse(&text, context).map_err(|error| {
            let begin = inspect::quoted(&shorten(text.trim_start(), QUOTED));
            let message = format!("the body is {error}; it begins with {begin}");
            JsNativeError::syntax().with_message(message).into()
        })
    });
    native::promised(result, context)
}

/// `arrayBuffer()`
pub(super) fn buffer(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).and_then(|(bytes, _)| Ok(array_buffer(&bytes, context)?.into()));
    native::promised(result, context)
}

/// `bytes()`
pub(super) fn bytes(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).and_then(|(bytes, _)| byte_array(&bytes, context));
    native::promised(result, context)
}

/// `blob()`
pub(super) fn blob(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).and_then(|(bytes, kind)| {
        let bytes = byte_array(&bytes, context)?;
        blob::construct("Blob", &[bytes], &kind, context)
    });
    native::promised(result, context)
}

/// `formData()`, of an urlencoded body.
pub(super) fn form_data(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let result = consume(this).and_then(|(bytes, kind)| {
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return type_error(format!("formData() reads urlencoded bodies only, not {kind:?}"));
        }
        let form = blob::construct("FormData", &[], "", context)?;
        let append = native::option(&form, "append", context)?;
        for (name, value) in url::form_urlencoded::parse(&bytes) {
            let pair = [JsString::from(&*name).into(), JsString::from(&*value).into()];
            if let Some(append) = append.as_function() {
                append.call(&form, &pair, context)?;
            }
        }
        Ok(form)
    });
    native::promised(result, context)
}

/// The methods of requests and responses; each has a way to `clone` of its own.
pub(super) const fn methods(clone: native::Call) -> [native::Function; 7] {
    [
        ("text", 0, text),
        ("json", 0, json),
        ("arrayBuffer", 0, buffer),
        ("bytes", 0, bytes),
        ("blob", 0, blob),
        ("formData", 0, form_data),
        ("clone", 0, clone),
    ]
}

/// A property of a response's or request's `init`, when given.
pub(super) fn given(
    init: &JsValue,
    name: &'static str,
    context: &mut Context,
) -> JsResult<Option<JsValue>> {
    let value = native::option(init, name, context)?;
    Ok(Some(value).filter(|value| !value.is_undefined()))
}

/// A text as a script value.
pub(in crate::sandbox::engine) fn js(text: &str) -> JsValue {
    if text.is_empty() { js_string!().into() } else { JsString::from(text).into() }
}
