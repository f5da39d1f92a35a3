//! `Response`.

use boa_engine::{Context, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsValue};
use boa_gc::{Finalize, Trace};

use super::super::errors::type_error;
use super::super::native::{self, Class};
use super::body::{self, Content, given, js};
use super::headers::Headers;
use crate::sandbox::protocol::FetchResponse;

/// A response.
#[derive(Debug, Clone, Trace, Finalize, JsData)]
pub(super) struct Response {
    #[unsafe_ignore_trace]
    url: String,
    redirected: bool,
    pub(super) status: u16,
    #[unsafe_ignore_trace]
    status_text: String,
    /// The `Headers` object.
    pub(super) headers: JsObject,
    #[unsafe_ignore_trace]
    pub(super) content: Content,
    kind: &'static str,
}

/// `Response`.
pub(super) static RESPONSE: Class = Class {
    name: "Response",
    construct,
    length: 0,
    methods: &body::methods(clone),
    accessors: &[
        ("status", |this, _, _| with(this, |it| it.status.into()), None),
        ("ok", |this, _, _| with(this, |it| (200..300).contains(&it.status).into()), None),
        ("statusText", |this, _, _| with(this, |it| js(&it.status_text)), None),
        ("url", |this, _, _| with(this, |it| js(&it.url)), None),
        ("redirected", |this, _, _| with(this, |it| it.redirected.into()), None),
        ("type", |this, _, _| with(this, |it| js(it.kind)), None),
        ("headers", |this, _, _| with(this, |it| it.headers.clone().into()), None),
        ("bodyUsed", body::body_used, None),
    ],
    statics: &[("json", 1, json), ("error", 0, error), ("redirect", 1, redirect)],
    iteration: None,
};

fn with(this: &JsValue, read: impl FnOnce(&Response) -> JsValue) -> JsResult<JsValue> {
    native::data(this, "Response", |response: &mut Response| read(response))
}

/// The response of a fetch.
pub(super) fn received(answer: FetchResponse, context: &mut Context) -> JsObject {
    let response = Response {
        url: answer.url,
        redirected: answer.redirected,
        status: answer.status,
        status_text: answer.status_text,
        headers: Headers(answer.headers).into_object(context),
        content: Content { bytes: Some(answer.body), used: false },
        kind: "basic",
    };
    native::instance(&RESPONSE, response, context)
}

/// What `inspect` shows.
pub(super) fn shown(response: &Response) -> Vec<(&'static str, JsValue)> {
    vec![
        ("status", response.status.into()),
        ("url", js(&response.url)),
        ("headers", response.headers.clone().into()),
        ("bodyUsed", response.content.used.into()),
    ]
}

/// A response made by a script.
fn made(
    body: &JsValue,
    init: &JsValue,
    kind: Option<&str>,
    context: &mut Context,
) -> JsResult<Response> {
    let status = match given(init, "status", context)? {
        Some(status) => status.to_number(context)?,
        None => 200.0,
    };
    if !(200.0..600.0).contains(&status) {
        let message = format!("{status} is no status of a response (200 to 599)");
        return Err(JsNativeError::range().with_message(message).into());
    }
    let status_text = match given(init, "statusText", context)? {
        Some(text) => native::text(&text, context)?,
        None => String::new(),
    };
    let headers = native::option(init, "headers", context)?;
    let mut headers = Headers::from_value(&headers, context)?;
    let body = body::extract(body, context)?;
    let own_kind = body.as_ref().and_then(|body| body.kind.as_deref());
    if let Some(kind) = kind.or(own_kind) {
        headers.add_missing("content-type", kind);
    }
    Ok(Response {
        url: String::new(),
        redirected: false,
        status: u16::try_from(native::to_u32(status)).unwrap_or(200),
        status_text,
        headers: headers.into_object(context),
        content: Content { bytes: body.map(|body| body.bytes), used: false },
        kind: "default",
    })
}

fn construct(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let response = made(args.get_or_undefined(0), args.get_or_undefined(1), None, context)?;
    native::construct(new, &RESPONSE, response, context)
}

fn json(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = match args.get_or_undefined(0).to_json(context)? {
        Some(json) => js(&json.to_string()),
        None => return type_error("this value has no JSON"),
    };
    let response = made(&text, args.get_or_undefined(1), Some("application/json"), context)?;
    Ok(native::instance(&RESPONSE, response, context).into())
}

fn error(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let undefined = JsValue::undefined();
    let mut response = made(&undefined, &undefined, None, context)?;
    (response.status, response.kind) = (0, "error");
    Ok(native::instance(&RESPONSE, response, context).into())
}

fn redirect(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let url = native::text(args.get_or_undefined(0), context)?;
    let url = url::Url::parse(&url).map_err(|error| {
        JsNativeError::typ().with_message(format!("{url:?} is no URL: {error}"))
    })?;
    let undefined = JsValue::undefined();
    let mut response = made(&undefined, &undefined, None, context)?;
    response.status = match args.get(1) {
        Some(status) => u16::try_from(status.to_u32(context)?).unwrap_or_default(),
        None => 302,
    };
    if ![301, 302, 303, 307, 308].contains(&response.status) {
        let message = format!("{} is no status of a redirect", response.status);
        return Err(JsNativeError::range().with_message(message).into());
    }
    let headers = Headers(vec![("location".to_owned(), url.to_string())]);
    response.headers = headers.into_object(context);
    Ok(native::instance(&RESPONSE, response, context).into())
}

fn clone(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut copy = native::data(this, "Response", |response: &mut Response| response.clone())?;
    if copy.content.used {
        return type_error("a response whose body has been read cannot be cloned");
    }
    let headers = Headers::from_value(&copy.headers.clone().into(), context)?;
    copy.headers = headers.into_object(context);
    Ok(native::instance(&RESPONSE, copy, context).into())
}
