//! `visit` and the `Page` it gives: a visitor without a browser, who follows redirects, keeps
//! cookies, reads HTML, fills in forms and clicks on links. No script of a page runs.

mod charset;
mod click;
mod dom;
mod encode;
mod form;
mod submit;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use boa_engine::{Context, JsArgs, JsData, JsObject, JsResult, JsString, JsValue};
use boa_gc::{Finalize, Trace};
use scraper::Html;
use url::Url;

use super::errors::type_error;
use super::events::shorten;
use super::host::{Host, Wanted};
use super::native::{self, Class};
use super::web::{self, Headers};
use crate::sandbox::protocol::{Credentials, FetchRequest, FetchResponse, Redirect};

/// What a browser says that it takes when it opens a page.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A page that was received.
#[derive(Debug, Trace, Finalize, JsData)]
pub(super) struct Page {
    #[unsafe_ignore_trace]
    url: String,
    status: u16,
    headers: JsObject,
    #[unsafe_ignore_trace]
    body: String,
    #[unsafe_ignore_trace]
    html: OnceCell<Html>,
}

/// `Page`.
pub(super) static PAGE: Class = Class {
    name: "Page",
    construct: native::no_constructor,
    length: 0,
    methods: &[
        ("text", 0, text),
        ("texts", 1, texts),
        ("attr", 2, attr),
        ("has", 1, has),
        ("links", 0, links),
        ("form", 0, submit::form),
        ("click", 1, click::click),
    ],
    accessors: &[
        ("status", |this, _, _| with(this, |page| page.status.into()), None),
        ("ok", |this, _, _| with(this, |page| (200..300).contains(&page.status).into()), None),
        ("url", |this, _, _| with(this, |page| js(&page.url)), None),
        ("headers", |this, _, _| with(this, |page| page.headers.clone().into()), None),
        ("body", |this, _, _| with(this, |page| js(&page.body)), None),
        ("html", |this, _, _| with(this, |page| js(&page.body)), None),
        ("title", |this, _, _| with(this, |page| js(&page.title())), None),
    ],
    statics: &[],
    iteration: None,
};

/// The names of what a page does.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PAGE.methods.iter().map(|method| method.0).chain(["submit"])
}

fn js(text: &str) -> JsValue {
    web::body::js(text)
}

fn with<R>(this: &JsValue, read: impl FnOnce(&Page) -> R) -> JsResult<R> {
    native::data(this, "Page", |page: &mut Page| read(page))
}

/// `visit(url, init?)`
pub(super) fn visit(_: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Host::of(context).require_running("visit()")?;
    web::fetch::visit(args, ACCEPT, context)
}

/// The page of an answer.
pub(super) fn received(answer: FetchResponse, context: &mut Context) -> JsObject {
    let body = charset::decoded(&answer.body, &answer.headers);
    let headers = Headers(answer.headers).into_object(context);
    let page =
        Page { url: answer.url, status: answer.status, headers, body, html: OnceCell::new() };
    native::instance(&PAGE, page, context)
}

/// What `inspect` shows.
pub(super) fn shown(object: &JsObject) -> Option<Vec<(&'static str, JsValue)>> {
    let page = object.downcast_ref::<Page>()?;
    Some(vec![("status", page.status.into()), ("url", js(&page.url)), ("title", js(&page.title()))])
}

impl Page {
    fn html(&self) -> &Html {
        self.html.get_or_init(|| Html::parse_document(&self.body))
    }

    fn title(&self) -> String {
        dom::first(self.html(), "title").map(dom::text).unwrap_or_default()
    }

    /// The page in words, for messages.
    fn described(&self) -> String {
        let title = shorten(&self.title(), 100);
        format!("on the page {title:?} (status {}, {})", self.status, shorten(&self.url, 300))
    }

    /// What relative addresses on the page are relative to.
    fn base(&self) -> Option<Url> {
        let own = Url::parse(&self.url).ok()?;
        let base = dom::first(self.html(), "base[href]").and_then(|base| base.attr("href"));
        Some(base.and_then(|base| own.join(base).ok()).unwrap_or(own))
    }

    /// An address on the page, made absolute.
    fn resolve(&self, address: &str) -> Option<Url> {
        match self.base() {
            Some(base) => base.join(address).ok(),
            None => Url::parse(address).ok(),
        }
    }
}

/// A request that a browser makes from a page.
fn go(
    from: &str,
    to: &Url,
    method: &str,
    body: Option<web::body::Body>,
    context: &mut Context,
) -> JsResult<JsValue> {
    if !matches!(to.scheme(), "http" | "https") {
        return type_error(format!("{to} cannot be opened: it is no http or https address"));
    }
    let mut headers = vec![("accept".to_owned(), ACCEPT.to_owned())];
    let from = Url::parse(from).ok();
    headers.extend(from.as_ref().and_then(|from| referer(from, to)));
    if let (Some(from), true) = (&from, method != "GET") {
        headers.push(("origin".to_owned(), from.origin().ascii_serialization()));
    }
    let (bytes, kind) = body.map_or((Vec::new(), None), |body| (body.bytes, body.kind));
    headers.extend(kind.map(|kind| ("content-type".to_owned(), kind)));
    let mut to = to.clone();
    to.set_fragment(None);
    let request = FetchRequest {
        step: Host::of(context).step.get(),
        method: method.to_owned(),
        url: to.into(),
        headers,
        body: bytes,
        redirect: Redirect::Follow,
        credentials: Credentials::Include,
    };
    Ok(web::fetch::send(request, Wanted::Page, context)?.0)
}

/// `Referer`, by the policy that browsers have by default: strict-origin-when-cross-origin.
fn referer(from: &Url, to: &Url) -> Option<(String, String)> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return None;
    }
    let mut from = from.clone();
    from.set_fragment(None);
    // These fail only for addresses that have no host, and such are not visited.
    let _ = from.set_username("");
    let _ = from.set_password(None);
    let value = if from.origin() == to.origin() {
        from.to_string()
    } else {
        format!("{}/", from.origin().ascii_serialization())
    };
    Some(("referer".to_owned(), value))
}

/// A required selector as an argument.
fn selector(args: &[JsValue], at: usize, of: &str, context: &mut Context) -> JsResult<String> {
    match args.get_or_undefined(at) {
        value if value.is_string() => native::text(value, context),
        _ => type_error(format!("{of} needs a CSS selector")),
    }
}

/// `page.text(css?)`: the text of the first match, or of the whole page.
fn text(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if args.get_or_undefined(0).is_undefined() {
        return with(this, |page| js(&dom::text(page.html().root_element())));
    }
    let css = selector(args, 0, "page.text()", context)?;
    let found = with(this, |page| {
        let first = dom::select(page.html(), &css)?.into_iter().next();
        first.map(dom::text).ok_or_else(|| page.no_match(&css))
    })?;
    found.map(|text| js(&text)).or_else(type_error)
}

impl Page {
    fn no_match(&self, css: &str) -> String {
        format!("no element matches {css:?} {}", self.described())
    }
}

/// `page.texts(css)`: the texts of all matches.
fn texts(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let css = selector(args, 0, "page.texts()", context)?;
    let found = with(this, |page| {
        let found = dom::select(page.html(), &css)?;
        Ok::<_, String>(found.into_iter().map(dom::text).collect())
    })?;
    match found {
        Ok(found) => Ok(native::texts(found, context)),
        Err(why) => type_error(why),
    }
}

/// `page.attr(css, name)`: an attribute of the first match, or null.
fn attr(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let css = selector(args, 0, "page.attr()", context)?;
    let name = native::text(args.get_or_undefined(1), context)?;
    let found = with(this, |page| {
        let first = dom::select(page.html(), &css)?.into_iter().next();
        let first = first.ok_or_else(|| page.no_match(&css))?;
        Ok::<_, String>(first.attr(&name).map(str::to_owned))
    })?;
    match found {
        Ok(value) => Ok(value.map_or_else(JsValue::null, |value| js(&value))),
        Err(why) => type_error(why),
    }
}

/// `page.has(css)`
fn has(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let css = selector(args, 0, "page.has()", context)?;
    let found = with(this, |page| dom::select(page.html(), &css).map(|found| !found.is_empty()))?;
    found.map(JsValue::from).or_else(type_error)
}

/// `page.links()`: text and absolute address of each link.
fn links(this: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let found = with(this, |page| {
        let links = dom::select(page.html(), "a[href]").unwrap_or_default();
        let link = |link: scraper::ElementRef<'_>| {
            let href = link.attr("href").unwrap_or_default();
            let href = page.resolve(href).map_or_else(|| href.to_owned(), String::from);
            (dom::text(link), href)
        };
        links.into_iter().map(link).collect::<Vec<_>>()
    })?;
    let mut items = Vec::new();
    for (text, href) in found {
        let object = JsObject::with_object_proto(context.intrinsics());
        object.create_data_property(JsString::from("text"), js(&text), context)?;
        object.create_data_property(JsString::from("href"), js(&href), context)?;
        items.push(object.into());
    }
    Ok(boa_engine::object::builtins::JsArray::from_iter(items, context).into())
}
