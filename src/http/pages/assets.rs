//! The stylesheet, the pictures and the modules that pages name, compiled in.
//!
//! Pages name them with a hash of their content, so a browser may keep them for ever and still sees a
//! new version at once.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use crate::http::problem::{Problem, shortened};

/// The route.
pub(super) const PATH: &str = "/assets/{name}";

const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

/// One file.
struct Asset {
    name: &'static str,
    media: &'static str,
    content: Cow<'static, str>,
    /// Tells it from what it was and will be.
    version: String,
}

macro_rules! asset {
    ($name:literal, $media:expr) => {
        Asset::new($name, $media, include_str!(concat!("assets/", $name)).into())
    };
}

static ASSETS: LazyLock<[Asset; 9]> = LazyLock::new(|| {
    let clocks = asset!("clocks.js", JS);
    // What is imported is named like what a page names: by its content.
    let import = format!("./clocks.js?v={}", clocks.version);
    let with_clocks = |it: Asset| {
        Asset::new(it.name, it.media, it.content.replace("./clocks.js", &import).into())
    };
    [
        asset!("tripline.css", CSS),
        asset!("tripline.svg", SVG),
        asset!("live.js", JS),
        with_clocks(asset!("times.js", JS)),
        asset!("keys.js", JS),
        with_clocks(asset!("charts.js", JS)),
        clocks,
        asset!("output.js", JS),
        Asset::new("charts.css", CSS, crate::chart::page_stylesheet().into()),
    ]
});

impl Asset {
    fn new(name: &'static str, media: &'static str, content: Cow<'static, str>) -> Self {
        let version = HEXLOWER.encode(&digest(&SHA256, content.as_bytes()).as_ref()[..8]);
        Self { name, media, content, version }
    }
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Where `name` is, as it is now. A name that is not there leads nowhere, which a test finds.
pub(super) fn url(name: &str) -> String {
    let version = find(name).map_or("", |asset| asset.version.as_str());
    format!("/assets/{name}?v={version}")
}

/// Answers with a file. What is asked for by another version than the present one is not to be kept.
pub(super) async fn one(
    name: Result<Path<String>, PathRejection>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let missing = || Problem::missing(format!("there is no `{}` here", shortened(&name)));
    let asset = find(&name).ok_or_else(missing)?;
    let tag = format!("\"{}\"", asset.version);
    let is_present = uri.query() == Some(&format!("v={}", asset.version));
    let kept = if is_present { "public, max-age=31536000, immutable" } else { "no-cache" };
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.media)], &*asset.content).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    // Hexadecimal digits in quotation marks are always a value.
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    Ok(response)
}
