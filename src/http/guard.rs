//! What stands around every route: who may ask by which name, how long an answer may take, how much
//! may be sent, and what a browser may do with the answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, shortened};
use super::{metrics, pages};

/// The longest body that is taken, in bytes, but where metrics are taken.
pub(super) const LONGEST_BODY: usize = 64 << 10;

/// How long an answer may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// By which names the API may be addressed.
///
/// A web page can make a browser send requests to loopback under a name of its own (DNS rebinding),
/// and would be allowed to read the answers. Its name stands in the `Host` header, so on loopback
/// only loopback's own names and the configured one are answered. Elsewhere every name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Allowed);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    Any,
    Loopback { public: Option<String> },
}

impl Hosts {
    /// The names for a listener on `bound`; `public_url` is the URL under which people reach it.
    pub fn new(bound: SocketAddr, public_url: Option<&url::Url>) -> Self {
        if !bound.ip().is_loopback() {
            return Self(Allowed::Any);
        }
        let public = public_url.and_then(url::Url::host_str).map(plain_name);
        Self(Allowed::Loopback { public })
    }

    /// Whether `host`, a `Host` header with or without a port, is one of the names.
    pub fn allow(&self, host: &str) -> bool {
        let Allowed::Loopback { public } = &self.0 else { return true };
        let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
        let name = plain_name(authority.host());
        // An address cannot be rebound: only names are looked up.
        let is_loopback = name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        name == "localhost" || is_loopback || public.as_ref() == Some(&name)
    }
}

/// Whose acts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acting {
    /// Those of everybody who reaches the API.
    Everybody,
    /// Those of this machine.
    ThisMachine,
}

impl Acting {
    /// Those for a listener on `bound`: where that is on loopback, whoever is there may act; elsewhere
    /// others may where that is said.
    pub fn new(bound: SocketAddr, is_open: bool) -> Self {
        if is_open || bound.ip().to_canonical().is_loopback() {
            Self::Everybody
        } else {
            Self::ThisMachine
        }
    }

    /// Refuses callers that may not act.
    pub(super) fn admit(self, caller: Option<Caller>) -> Result<(), Problem> {
        let is_here = caller.is_some_and(|Caller(address)| address.to_canonical().is_loopback());
        if self == Self::Everybody || is_here {
            return Ok(());
        }
        let detail = "this daemon is open to the network and does not ask who is there, so it takes \
                      acts from its own machine only; `open_to_acts = true` in [hub] takes them from \
                      everybody";
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller(pub(super) IpAddr);

/// Refuses what a browser sends for a page of another site. Other programs send no such header.
pub(super) fn own_pages_only(headers: &HeaderMap, what: &str) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").and_then(|it| it.to_str().ok());
    if site.is_none_or(|site| matches!(site, "same-origin" | "none")) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, format!("a web page of another site may not {what}")))
}

/// Refuses forms of other sites. A browser that does not say from which site a form comes, as on a page
/// without TLS, says at least where that page was.
pub(super) fn own_forms_only(headers: &HeaderMap) -> Result<(), Problem> {
    own_pages_only(headers, "act")?;
    let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    if headers.contains_key("sec-fetch-site") {
        return Ok(());
    }
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let own = text(header::HOST).unwrap_or_default();
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    if authority.eq_ignore_ascii_case(own) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "a web page of another site may not act"))
}

/// A host in lower case without the brackets of IPv6 and without the dot of the root.
fn plain_name(host: &str) -> String {
    let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Refuses requests under names that are not ours.
pub(super) async fn known_host(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    // An absolute request target overrides the header (RFC 9112, section 3.2.2).
    let host = request.uri().authority().map_or(host, |authority| authority.as_str());
    if named.next().is_none() && hosts.allow(host) {
        return next.run(request).await;
    }
    let detail = format!(
        "this daemon listens on loopback and is not called `{}`; use localhost, or set the public URL",
        shortened(host)
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Refuses requests that announce a body that is too long.
pub(super) async fn bounded_body(request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let length = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let is_metrics = request.uri().path() == metrics::PATH;
    let longest = if is_metrics { metrics::LONGEST_BODY } else { LONGEST_BODY };
    if length.unwrap_or(0) <= longest {
        return next.run(request).await;
    }
    let detail = format!("a body has at most {longest} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
}

/// Gives up on an answer that takes longer than [`LONGEST_ANSWER`].
pub(super) async fn bounded_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(LONGEST_ANSWER, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s; try again", LONGEST_ANSWER.as_secs());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
    })
}

/// Headers that keep a browser from doing anything with an answer but show it.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// What a browser may do with an answer that is no page: show it.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What a browser may do with a page: take our own modules, style and pictures, and send our own forms.
const POLICY_OF_PAGES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// Adds [`SECURITY_HEADERS`] to every answer, and the policy of its kind. Nothing is kept by a browser
/// unless the route says so.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.extend(SECURITY_HEADERS);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let is_page = headers.get(header::CONTENT_TYPE) == Some(&pages::HTML);
    let policy = if is_page { POLICY_OF_PAGES } else { POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // Without a referrer a browser says `null` where it is to say from which site a form comes.
    let referrer = if is_page { "same-origin" } else { "no-referrer" };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str, public: Option<&str>) -> Hosts {
        let public = public.map(|url| url.parse().expect("a URL"));
        Hosts::new(bound.parse().expect("an address"), public.as_ref())
    }

    #[test]
    fn on_loopback_only_our_own_names_are_answered() {
        let hosts = hosts("127.0.0.1:7070", Some("https://Watch.Example.com:8443/x"));
        for name in [
            "localhost",
            "LOCALHOST.:7070",
            "127.0.0.1:7070",
            "127.1.2.3",
            "[::1]:7070",
            "watch.example.com",
            "watch.example.com:8443",
        ] {
            assert!(hosts.allow(name), "{name}");
        }
        for name in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example@localhost:80 x",
            "10.0.0.1",
            "[::]",
            "0.0.0.0",
            "127.0.0.1.evil.example",
            "\u{7f}",
        ] {
            assert!(!hosts.allow(name), "{name}");
        }
    }

    #[test]
    fn where_others_reach_it_acts_are_taken_from_this_machine_or_as_said() {
        let admits = |bound: &str, is_open, caller: Option<&str>| {
            let acting = Acting::new(bound.parse().expect("an address"), is_open);
            let caller = caller.map(|it| Caller(it.parse().expect("an address")));
            acting.admit(caller).is_ok()
        };
        assert!(admits("127.0.0.1:80", false, None) && admits("[::1]:80", false, None));
        assert!(admits("0.0.0.0:80", true, Some("10.0.0.9")));
        assert!(admits("0.0.0.0:80", false, Some("127.0.0.1")));
        assert!(admits("[::]:80", false, Some("::ffff:127.0.0.1")));
        assert!(!admits("0.0.0.0:80", false, Some("10.0.0.9")));
        assert!(!admits("0.0.0.0:80", false, None));
    }

    #[test]
    fn elsewhere_every_name_is_answered() {
        assert!(hosts("0.0.0.0:80", None).allow("anything.example"));
        assert!(hosts("[::]:80", None).allow(""));
        assert!(!hosts("[::1]:80", None).allow("anything.example"));
    }
}
