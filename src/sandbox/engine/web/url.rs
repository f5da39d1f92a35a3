//! `URL`, parsed by the same crate that dials.

use boa_engine::{Context, JsArgs, JsData, JsObject, JsResult, JsValue};
use boa_gc::{Finalize, Trace};
use url::{Url, quirks};

use super::super::errors::type_error;
use super::super::native::{self, Class};
use super::body::js;
use super::params::{PARAMS, Params};

/// A URL, and its `searchParams` once they were asked for.
#[derive(Debug, Clone, Trace, Finalize, JsData)]
pub(super) struct UrlObject {
    #[unsafe_ignore_trace]
    pub(super) url: Url,
    params: Option<JsObject>,
}

/// `URL`.
pub(super) static URL: Class = Class {
    name: "URL",
    construct,
    length: 1,
    methods: &[
        ("toString", 0, |this, _, _| read(this, quirks::href)),
        ("toJSON", 0, |this, _, _| read(this, quirks::href)),
    ],
    accessors: &[
        ("href", |this, _, _| read(this, quirks::href), Some(set_href)),
        ("origin", |this, _, _| with(this, |it| js(&quirks::origin(&it.url))), None),
        (
            "protocol",
            |this, _, _| read(this, quirks::protocol),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_protocol(url, text);
                })
            }),
        ),
        (
            "username",
            |this, _, _| read(this, quirks::username),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_username(url, text);
                })
            }),
        ),
        (
            "password",
            |this, _, _| read(this, quirks::password),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_password(url, text);
                })
            }),
        ),
        (
            "host",
            |this, _, _| read(this, quirks::host),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_host(url, text);
                })
            }),
        ),
        (
            "hostname",
            |this, _, _| read(this, quirks::hostname),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_hostname(url, text);
                })
            }),
        ),
        (
            "port",
            |this, _, _| read(this, quirks::port),
            Some(|this, args, context| {
                write(this, args, context, |url, text| {
                    let _ = quirks::set_port(url, text);
                })
            }),
        ),
        (
            "pathname",
            |this, _, _| read(this, quirks::pathname),
            Some(|this, args, context| write(this, args, context, quirks::set_pathname)),
        ),
        (
            "search",
            |this, _, _| read(this, quirks::search),
            Some(|this, args, context| write(this, args, context, quirks::set_search)),
        ),
        (
            "hash",
            |this, _, _| read(this, quirks::hash),
            Some(|this, args, context| write(this, args, context, quirks::set_hash)),
        ),
        ("searchParams", search_params, None),
    ],
    statics: &[("canParse", 1, can_parse), ("parse", 1, parse)],
    iteration: None,
};

fn with(this: &JsValue, read: impl FnOnce(&UrlObject) -> JsValue) -> JsResult<JsValue> {
    native::data(this, "URL", |url: &mut UrlObject| read(url))
}

fn read(this: &JsValue, part: fn(&Url) -> &str) -> JsResult<JsValue> {
    with(this, |it| js(part(&it.url)))
}

fn write(
    this: &JsValue,
    args: &[JsValue],
    context: &mut Context,
    part: fn(&mut Url, &str),
) -> JsResult<JsValue> {
    let text = native::text(args.get_or_undefined(0), context)?;
    native::data(this, "URL", |it: &mut UrlObject| {
        part(&mut it.url, &text);
        it.refresh_params();
    })?;
    Ok(JsValue::undefined())
}

impl UrlObject {
    fn refresh_params(&self) {
        if let Some(params) = &self.params
            && let Some(mut params) = params.downcast_mut::<Params>()
        {
            params.list = self.url.query_pairs().into_owned().collect();
        }
    }
}

/// Writes changed `searchParams` back into their URL.
pub(super) fn set_query(owner: &JsObject, query: &str) {
    if let Some(mut it) = owner.downcast_mut::<UrlObject>() {
        it.url.set_query(Some(query).filter(|query| !query.is_empty()));
    }
}

fn parsed(args: &[JsValue], context: &mut Context) -> JsResult<Result<Url, String>> {
    let text = native::text(args.get_or_undefined(0), context)?;
    let base = match args.get(1) {
        Some(base) if !base.is_undefined() => Some(native::text(base, context)?),
        _ => None,
    };
    let base = match base.map(|base| Url::parse(&base).map_err(|error| (base, error))).transpose() {
        Ok(base) => base,
        Err((base, error)) => return Ok(Err(format!("{base:?} is no URL: {error}"))),
    };
    let url = Url::options().base_url(base.as_ref()).parse(&text);
    Ok(url.map_err(|error| format!("{text:?} is no URL: {error}")))
}

fn construct(new: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    match parsed(args, context)? {
        Ok(url) => native::construct(new, &URL, UrlObject { url, params: None }, context),
        Err(why) => type_error(why),
    }
}

fn can_parse(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(parsed(args, context)?.is_ok().into())
}

fn parse(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(match parsed(args, context)? {
        Ok(url) => native::instance(&URL, UrlObject { url, params: None }, context).into(),
        Err(_) => JsValue::null(),
    })
}

fn set_href(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = native::text(args.get_or_undefined(0), context)?;
    let url = match Url::parse(&text) {
        Ok(url) => url,
        Err(error) => return type_error(format!("{text:?} is no URL: {error}")),
    };
    native::data(this, "URL", |it: &mut UrlObject| {
        it.url = url;
        it.refresh_params();
    })?;
    Ok(JsValue::undefined())
}

fn search_params(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (known, list) = native::data(this, "URL", |it: &mut UrlObject| {
        (it.params.clone(), it.url.query_pairs().into_owned().collect())
    })?;
    if let Some(known) = known {
        return Ok(known.into());
    }
    let params = native::instance(&PARAMS, Params { list, owner: this.as_object() }, context);
    let keep = params.clone();
    native::data(this, "URL", |it: &mut UrlObject| it.params = Some(keep))?;
    Ok(params.into())
}
