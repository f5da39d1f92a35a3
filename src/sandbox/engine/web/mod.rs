//! The parts of the Web platform that scripts use, as far as a monitoring script needs them.
//!
//! What is hot or common is native; wordy classes are JavaScript that is evaluated when it is first
//! used.

mod abort;
mod blob;
pub(super) mod body;
pub(super) mod crypto;
pub(super) mod fetch;
mod headers;
pub(super) mod json;
mod params;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod text;
mod url;

use boa_engine::{Context, JsArgs, JsObject, JsResult, JsValue};

use super::host::Host;
use super::native::{self, Class, Function, Lazy};
pub(super) use fetch::answered;
pub(super) use headers::Headers;

/// Global functions.
pub(super) const GLOBALS: &[Function] = &[
    ("fetch", 1, fetch::fetch),
    ("atob", 1, text::atob),
    ("btoa", 1, text::btoa),
    ("structuredClone", 1, structured_clone),
];

/// Globals made when they are first used.
pub(super) const LAZY: &[Lazy] = &[
    ("Headers", |context| class(&headers::HEADERS, context)),
    ("Request", |context| class(&request::REQUEST, context)),
    ("Response", |context| class(&response::RESPONSE, context)),
    ("URL", |context| class(&url::URL, context)),
    ("URLSearchParams", |context| class(&params::PARAMS, context)),
    ("TextEncoder", |context| class(&text::ENCODER, context)),
    ("TextDecoder", |context| class(&text::DECODER, context)),
    ("AbortController", |context| abort::export("AbortController", context)),
    ("AbortSignal", |context| abort::export("AbortSignal", context)),
    ("Event", |context| abort::export("Event", context)),
    ("EventTarget", |context| abort::export("EventTarget", context)),
    ("DOMException", abort::dom_exception_class),
    ("Blob", |context| blob::export("Blob", context)),
    ("File", |context| blob::export("File", context)),
    ("FormData", |context| blob::export("FormData", context)),
    ("crypto", crypto::object),
    ("performance", performance),
];

fn class(class: &'static Class, context: &mut Context) -> JsResult<JsValue> {
    Ok(native::constructor(class, context).into())
}

/// `performance`: the time since the start of the run.
fn performance(context: &mut Context) -> JsResult<JsValue> {
    let object = JsObject::with_object_proto(context.intrinsics());
    let now: Function =
        ("now", 0, |_, _, context| Ok((Host::of(context).elapsed().as_secs_f64() * 1000.0).into()));
    native::define(&object, "now", native::make(&now, context));
    let origin = context.clock().system_time_millis();
    let since = Host::of(context).elapsed().as_millis();
    let origin = origin.saturating_sub(i64::try_from(since).unwrap_or_default());
    native::define(&object, "timeOrigin", JsValue::new(origin));
    Ok(object.into())
}

fn structured_clone(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let value = args.get_or_undefined(0).clone();
    boa_runtime::clone::js_module::structured_clone(value, None, context)
}

/// What `inspect` shows of objects whose data is in Rust.
pub(super) fn shown(object: &JsObject) -> Vec<(&'static str, JsValue)> {
    if let Some(response) = object.downcast_ref::<response::Response>() {
        return response::shown(&response);
    }
    if let Some(url) = object.downcast_ref::<url::UrlObject>() {
        return vec![("href", body::js(url.url.as_str()))];
    }
    super::page::shown(object).unwrap_or_default()
}

/// Names and values of `Headers` and `URLSearchParams`, for `inspect`.
pub(super) fn shown_pairs(object: &JsObject) -> Option<Vec<(String, String)>> {
    if let Some(headers) = object.downcast_ref::<Headers>() {
        return Some(headers.0.clone());
    }
    object.downcast_ref::<params::Params>().map(|params| params.list.clone())
}

/// The address of a `URL`.
pub(super) fn href(object: &JsObject) -> Option<String> {
    object.downcast_ref::<url::UrlObject>().map(|url| url.url.to_string())
}
