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

use boa_engine::builtins::error::Error;
use boa_engine::{Context, JsArgs, JsNativeError, JsObject, JsResult, JsValue, js_string};

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
    if let Some(error) = value.as_object().filter(|object| object.is::<Error>()) {
        return cloned_error(&error, context);
    }
    match boa_runtime::clone::js_module::structured_clone(value, None, context) {
        Err(error) if error.as_engine().is_none() => {
            let why = error.into_opaque(context)?;
            let message = format!("this cannot be cloned: {}", super::errors::message(&why));
            Err(abort::dom_exception("DataCloneError", &message, context)?)
        }
        cloned => cloned,
    }
}

/// HTML, section 2.7.3: an error keeps its message, and its name where it is one of the language's.
fn cloned_error(error: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    let inherited = |key| native::inherited_data_property(error, key);
    let name = inherited(js_string!("name")).and_then(|name| name.as_string());
    let name = name.map(|name| name.to_std_string_lossy()).unwrap_or_default();
    let made = match name.as_str() {
        "EvalError" => JsNativeError::eval(),
        "RangeError" => JsNativeError::range(),
        "ReferenceError" => JsNativeError::reference(),
        "SyntaxError" => JsNativeError::syntax(),
        "TypeError" => JsNativeError::typ(),
        "URIError" => JsNativeError::uri(),
        _ => JsNativeError::error(),
    };
    let message = inherited(js_string!("message")).and_then(|message| message.as_string());
    let message = message.map(|message| message.to_std_string_lossy()).unwrap_or_default();
    let clone = made.with_message(message).into_opaque(context);
    if let Some(cause) = native::data_property(error, js_string!("cause")) {
        let cause = structured_clone(&JsValue::undefined(), &[cause], context)?;
        native::define(&clone, "cause", cause);
    }
    Ok(clone.into())
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
