//! `Request`, and what `fetch` makes of its arguments.

use boa_engine::{Context, JsArgs, JsData, JsNativeError, JsObject, JsResult, JsValue};
use boa_gc::{Finalize, Trace};

use super::super::errors::type_error;
use super::super::inspect;
use super::super::native::{self, Class};
use super::body::{self, Content, given, js};
use super::headers::Headers;
use super::url::UrlObject;
use crate::sandbox::protocol::{Credentials, FetchRequest, Redirect};

/// A request.
#[derive(Debug, Clone, Trace, Finalize, JsData)]
pub(super) struct Request {
    #[unsafe_ignore_trace]
    url: String,
    #[unsafe_ignore_trace]
    method: String,
    /// The `Headers` object.
    pub(super) headers: JsObject,
    #[unsafe_ignore_trace]
    pub(super) content: Content,
    #[unsafe_ignore_trace]
    redirect: Redirect,
    #[unsafe_ignore_trace]
    credentials: Credentials,
    /// The `AbortSignal`, or null.
    pub(super) signal: JsValue,
}

/// `Request`.
pub(super) static REQUEST: Class = Class {
    name: "Request",
    construct,
    length: 1,
    methods: &body::methods(clone),
    accessors: &[
        ("method", |this, _, _| with(this, |it| js(&it.method)), None),
        ("url", |this, _, _| with(this, |it| js(&it.url)), None),
        ("headers", |this, _, _| with(this, |it| it.headers.clone().into()), None),
        ("redirect", |this, _, _| with(this, |it| js(redirect_name(it.redirect))), None),
        ("credentials", |this, _, _| with(this, |it| js(credentials_name(it.credentials))), None),
        ("signal", |this, _, _| with(this, |it| it.signal.clone()), None),
        ("bodyUsed", body::body_used, None),
    ],
    statics: &[],
    iteration: None,
};

fn with(this: &JsValue, read: impl FnOnce(&Request) -> JsValue) -> JsResult<JsValue> {
    native::data(this, "Request", |request: &mut Request| read(request))
}

fn redirect_name(redirect: Redirect) -> &'static str {
    match redirect {
        Redirect::Follow => "follow",
        Redirect::Manual => "manual",
        Redirect::Error => "error",
    }
}

fn credentials_name(credentials: Credentials) -> &'static str {
    match credentials {
        Credentials::Include => "include",
        Credentials::Omit => "omit",
    }
}

/// The URL of a request, which must be absolute, http or https, and without a password.
fn checked_url(text: &str) -> JsResult<String> {
    let url = match url::Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            return type_error(format!("{text:?} is a relative URL; a script needs absolute ones"));
        }
        Err(error) => return type_error(format!("{text:?} is no URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return type_error(format!("{text:?} is not an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return type_error(
            "a URL with a user name or password cannot be fetched; send an Authorization header",
        );
    }
    let mut url = url;
    url.set_fragment(None);
    Ok(url.into())
}

impl Request {
    /// A request from the arguments of `fetch` or `new Request`.
    pub(super) fn from_args(args: &[JsValue], context: &mut Context) -> JsResult<Self> {
        let (input, init) = (args.get_or_undefined(0), args.get_or_undefined(1));
        let mut request = Self::from_input(input, context)?;
        if let Some(method) = given(init, "method", context)? {
            let method = native::text(&method, context)?;
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if method.is_empty() || !method.bytes().all(is_name) {
                return type_error(format!("{method:?} is no method"));
            }
            request.method = method.to_ascii_uppercase();
        }
        let mut headers = match given(init, "headers", context)? {
            Some(headers) => Headers::from_value(&headers, context)?,
            None => Headers::from_value(&request.headers.clone().into(), context)?,
        };
        if let Some(body) = given(init, "body", context)?
            && let Some(body) = body::extract(&body, context)?
        {
            if let Some(kind) = &body.kind {
                headers.add_missing("content-type", kind);
            }
            request.content = Content { bytes: Some(body.bytes), used: false };
        }
        request.headers = headers.into_object(context);
        if matches!(request.method.as_str(), "GET" | "HEAD") && request.content.bytes.is_some() {
            return type_error(format!("a {} request cannot have a body", request.method));
        }
        request.take_modes(init, context)?;
        Ok(request)
    }

    fn from_input(input: &JsValue, context: &mut Context) -> JsResult<Self> {
        let object = input.as_object();
        if let Some(other) = object.as_ref().and_then(|object| object.downcast_ref::<Self>()) {
            if other.content.used {
                return type_error("a request whose body has been read cannot be sent");
            }
            return Ok(other.clone());
        }
        let href = object.as_ref().and_then(|object| object.downcast_ref::<UrlObject>());
        let text = match href.map(|url| url.url.to_string()) {
            Some(href) => href,
            None if input.is_null_or_undefined() => {
                return type_error(format!("a URL is needed, and got {}", inspect::inspect(input)));
            }
            None => native::text(input, context)?,
        };
        Ok(Self {
            url: checked_url(&text)?,
            method: "GET".to_owned(),
            headers: Headers::default().into_object(context),
            content: Content::default(),
            redirect: Redirect::Follow,
            credentials: Credentials::Include,
            signal: JsValue::null(),
        })
    }

    fn take_modes(&mut self, init: &JsValue, context: &mut Context) -> JsResult<()> {
        if let Some(redirect) = given(init, "redirect", context)? {
            self.redirect = match native::text(&redirect, context)?.as_str() {
                "follow" => Redirect::Follow,
                "manual" => Redirect::Manual,
                "error" => Redirect::Error,
                other => {
                    return type_error(format!(
                        "redirect is \"follow\", \"manual\" or \"error\", not {other:?}"
                    ));
                }
            };
        }
        if let Some(credentials) = given(init, "credentials", context)? {
            self.credentials = match native::text(&credentials, context)?.as_str() {
                "include" | "same-origin" => Credentials::Include,
                "omit" => Credentials::Omit,
                other => {
                    return type_error(format!(
                        "credentials is \"include\", \"same-origin\" or \"omit\", not {other:?}"
                    ));
                }
            };
        }
        if let Some(signal) = given(init, "signal", context)? {
            self.signal = signal;
        }
        Ok(())
    }

    /// Says what answer is wanted, unless the script does.
    pub(super) fn accept(&self, kinds: &str) {
        if let Some(mut headers) = self.headers.downcast_mut::<Headers>() {
            headers.add_missing("accept", kinds);
        }
    }

    /// The request as it goes over the wire.
    pub(super) fn into_wire(mut self, step: Option<u32>) -> FetchRequest {
        let headers = self.headers.downcast_ref::<Headers>().map(|headers| headers.0.clone());
        FetchRequest {
            step,
            method: std::mem::take(&mut self.method),
            url: std::mem::take(&mut self.url),
            headers: headers.unwrap_or_default(),
            body: self.content.bytes.take().unwrap_or_default(),
            redirect: self.redirect,
            credentials: self.credentials,
        }
    }
}

/// Marks the body of a `Request` given to `fetch` as read.
pub(super) fn mark_used(input: &JsValue) {
    if let Some(object) = input.as_object()
        && let Some(mut request) = object.downcast_mut::<Request>()
    {
        request.content.used = request.content.bytes.is_some();
    }
}

fn construct(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let request = Request::from_args(args, context)?;
    native::construct(new, &REQUEST, request, context)
}

fn clone(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut copy = native::data(this, "Request", |request: &mut Request| request.clone())?;
    if copy.content.used {
        let message = "a request whose body has been read cannot be cloned";
        return Err(JsNativeError::typ().with_message(message).into());
    }
    let headers = Headers::from_value(&copy.headers.clone().into(), context)?;
    copy.headers = headers.into_object(context);
    Ok(native::instance(&REQUEST, copy, context).into())
}
