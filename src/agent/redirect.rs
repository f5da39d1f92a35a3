//! What follows from a redirect (Fetch standard, "HTTP-redirect fetch").
//!
//! Pure: a request and an answer in, the next request out.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use url::Url;

/// More redirects than this are an error, as in browsers.
pub(super) const MOST_HOPS: usize = 20;

/// One request on the way.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What the script asked for, without cookies.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Headers that speak of the body.
const OF_THE_BODY: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_LENGTH,
];
/// Headers that must not reach another origin.
const OF_THE_ORIGIN: [HeaderName; 4] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST];

impl Hop {
    /// Where an answer leads; `None` when it is no redirect.
    ///
    /// # Errors
    ///
    /// When it leads nowhere that can be requested.
    pub(super) fn next(
        &self,
        status: StatusCode,
        answer: &HeaderMap,
    ) -> Result<Option<Self>, String> {
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = answer.get(header::LOCATION) else { return Ok(None) };
        let text = String::from_utf8_lossy(location.as_bytes());
        let mut url = self.url.join(&text).map_err(|error| {
            format!("{} redirects to `{text}`, which is no URL: {error}", self.url)
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{} redirects to `{url}`, which is not http", self.url));
        }
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        let mut next = Self { url, ..self.clone() };
        if becomes_get(status, &self.method) {
            next.method = Method::GET;
            next.body = Bytes::new();
            for name in OF_THE_BODY.iter().chain([&header::ORIGIN]) {
                next.headers.remove(name);
            }
        }
        if next.url.origin() != self.url.origin() {
            for name in &OF_THE_ORIGIN {
                next.headers.remove(name);
            }
        }
        Ok(Some(next))
    }
}

fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => method == Method::POST,
        303 => method != Method::GET && method != Method::HEAD,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(method: Method, status: u16, to: &str) -> Result<Option<Hop>, String> {
        let header = |name: HeaderName| (name, http::HeaderValue::from_static("x"));
        let headers = [header(header::CONTENT_TYPE), header(header::AUTHORIZATION)];
        let hop = Hop {
            method,
            url: Url::parse("https://a.example/p/q?r#f").expect("a URL"),
            headers: headers.into_iter().collect(),
            body: Bytes::from_static(b"body"),
        };
        let location = [(header::LOCATION, to.parse().expect("a value"))].into_iter().collect();
        hop.next(StatusCode::from_u16(status).expect("a status"), &location)
    }

    #[test]
    fn methods_change_as_in_browsers() {
        let changed = |method: Method, status| {
            let next = follow(method, status, "/x").expect("good").expect("a redirect");
            (next.method.to_string(), next.body.len(), next.headers.len())
        };
        assert_eq!(changed(Method::POST, 302), ("GET".into(), 0, 1));
        assert_eq!(changed(Method::PUT, 302), ("PUT".into(), 4, 2));
        assert_eq!(changed(Method::PUT, 303), ("GET".into(), 0, 1));
        assert_eq!(changed(Method::POST, 307), ("POST".into(), 4, 2));
        assert_eq!(changed(Method::HEAD, 303), ("HEAD".into(), 4, 2));
    }

    #[test]
    fn places_are_relative_and_credentials_stay_home() {
        let next = |to| follow(Method::GET, 302, to).expect("good").expect("a redirect");
        assert_eq!(next("../x").url.as_str(), "https://a.example/x#f");
        assert!(next("/x").headers.contains_key(header::AUTHORIZATION));
        let away = next("https://b.example/#g");
        assert_eq!(away.url.as_str(), "https://b.example/#g");
        assert!(!away.headers.contains_key(header::AUTHORIZATION));
        assert!(!next("http://a.example/").headers.contains_key(header::AUTHORIZATION));
    }

    #[test]
    fn some_lead_nowhere() {
        assert!(follow(Method::GET, 302, "file:///etc/passwd").is_err());
        assert!(follow(Method::GET, 302, "https://[").is_err());
        assert!(follow(Method::GET, 304, "/x").expect("good").is_none());
    }
}
