//! What follows from a redirect: the rules of the Fetch standard (section 4.4), without IO.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_TYPE, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, REFERER,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

/// How many redirects are followed.
pub(super) const MOST: usize = 20;

/// Where an answer redirects to; `None` when it does not.
///
/// # Errors
///
/// A sentence when the place cannot be followed.
pub(super) fn target(
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, String> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let place = String::from_utf8_lossy(location.as_bytes());
    let mut to = from
        .join(&place)
        .map_err(|error| format!("the redirect to `{place}` is not a URL: {error}"))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!(
            "the redirect to `{place}` is refused: only http and https are followed"
        ));
    }
    if to.fragment().is_none() {
        to.set_fragment(from.fragment());
    }
    Ok(Some(to))
}

/// Whether the request goes on as a GET without a body.
pub(super) fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

/// Takes away what describes a body that is not sent on.
pub(super) fn forget_body(headers: &mut HeaderMap) {
    let names =
        [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, CONTENT_LENGTH];
    for name in names {
        headers.remove(name);
    }
}

/// Takes away what another origin must not see; `is_secret` knows values that are secrets.
pub(super) fn forget_credentials(headers: &mut HeaderMap, is_secret: impl Fn(&str) -> bool) {
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
        headers.remove(name);
    }
    let telling: Vec<_> = headers
        .iter()
        .filter(|(_, value)| is_secret(&String::from_utf8_lossy(value.as_bytes())))
        .map(|(name, _)| name.clone())
        .collect();
    for name in telling {
        headers.remove(name);
    }
}

/// The headers as they go on to `to`.
pub(super) fn carry_on(
    headers: &mut HeaderMap,
    from: &Url,
    to: &Url,
    is_secret: impl Fn(&str) -> bool,
) {
    headers.remove(HOST);
    if from.origin() == to.origin() {
        return;
    }
    forget_credentials(headers, is_secret);
    // As `strict-origin-when-cross-origin`: the origin alone, and nothing from https to http.
    let referrer = headers.get(REFERER).and_then(|value| value.to_str().ok());
    let origin = referrer
        .and_then(|referrer| Url::parse(referrer).ok())
        .filter(|referrer| referrer.scheme() == "http" || to.scheme() == "https")
        .and_then(|referrer| {
            HeaderValue::from_str(&format!("{}/", referrer.origin().ascii_serialization())).ok()
        });
    match origin {
        Some(origin) => headers.insert(REFERER, origin),
        None => headers.remove(REFERER),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    fn place(status: u16, location: &'static str) -> Result<Option<String>, String> {
        let from = url("https://shop.example/a/b?q#frag");
        let status = StatusCode::from_u16(status).expect("a status");
        target(&from, status, &headers(&[("location", location)])).map(|to| to.map(String::from))
    }

    #[test]
    fn places_are_found() {
        let to = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(place(302, "c"), to("https://shop.example/a/c#frag"));
        assert_eq!(place(308, "/c#x"), to("https://shop.example/c#x"));
        assert_eq!(place(301, "//b.example/"), to("https://b.example/#frag"));
        assert_eq!(place(200, "/c"), Ok(None));
        assert_eq!(place(304, "/c"), Ok(None));
        assert!(place(302, "ftp://b.example/").is_err_and(|why| why.contains("only http")));
        assert!(place(302, "http://[").is_err_and(|why| why.contains("is not a URL")));
        assert!(place(302, "javascript:alert(1)").is_err());
    }

    #[test]
    fn methods_change_as_browsers_change_them() {
        let table = [
            (301, Method::POST, true),
            (302, Method::POST, true),
            (302, Method::PUT, false),
            (303, Method::PUT, true),
            (303, Method::HEAD, false),
            (307, Method::POST, false),
            (308, Method::POST, false),
        ];
        for (status, method, expected) in table {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(becomes_get(status, &method), expected, "{status} {method}");
        }
    }

    #[test]
    fn another_origin_sees_no_credentials() {
        let all = [
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("x-api-key", "s3cret"),
            ("accept", "*/*"),
            ("host", "shop.example"),
            ("referer", "https://shop.example/cart?id=1"),
        ];
        let carried = |to: &str| {
            let mut carried = headers(&all);
            carry_on(&mut carried, &url("https://shop.example/"), &url(to), |v| v == "s3cret");
            carried
        };
        let same = carried("https://shop.example/other");
        assert_eq!(same.len(), all.len() - 1, "only host is written anew");
        for other in ["https://other.example/", "https://shop.example:8443/"] {
            let expected = headers(&[("accept", "*/*"), ("referer", "https://shop.example/")]);
            assert_eq!(carried(other), expected, "{other}");
        }
        assert_eq!(carried("http://shop.example/"), headers(&[("accept", "*/*")]));
    }
}
