//! One request and its answer, as values, and why there may be none.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::{Position, Url};

use super::dialer;
use super::link::Broken;
use super::proxy::Proxy;
use super::seen::Phase;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// Where to; `http` or `https`. A fragment is not sent, nor are user and password.
    pub url: &'a Url,
    /// Headers. `host` is added when it is missing; those that frame the message or concern the
    /// connection are left out.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long all of it may take.
    pub within: Duration,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, empty over HTTP/2.
    pub reason: String,
    /// The headers as they came, those of the body's coding included.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
}

/// What is read at most of one answer, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of status line and headers.
    pub head: usize,
    /// Of the body, compressed as well as decompressed.
    pub body: usize,
}

impl Default for Limits {
    /// 64 KiB of headers and 10 MB of body.
    fn default() -> Self {
        Self { head: 64 << 10, body: 10_000_000 }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error(transparent)]
    Dial(#[from] dialer::Error),
    /// It took too long.
    #[error("timed out after {}{}", Seconds(*after), While(*phase))]
    TimedOut {
        /// How long it took.
        after: Duration,
        /// What was under way.
        phase: Option<Phase>,
    },
    /// The URL is legal but cannot be written into a request.
    #[error("the URL cannot be sent: {0}")]
    Url(String),
    /// The connection broke, or what came over it is not HTTP.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The body is larger than the limit, in bytes.
    #[error("the body is larger than {}", Megabytes(*.0))]
    TooLarge(usize),
    /// The body is not what its `content-encoding` says.
    #[error("the body is not valid {coding}: {reason}")]
    Coding {
        /// The coding, such as `gzip`.
        coding: String,
        /// What the decoder said.
        reason: String,
    },
}

impl Error {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_millis() {
            millis if millis < 1000 => write!(f, "{millis} ms"),
            millis if millis % 1000 == 0 => write!(f, "{} s", millis / 1000),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

struct While(Option<Phase>);

impl std::fmt::Display for While {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |phase| write!(f, " while {phase}"))
    }
}

struct Megabytes(usize);

impl std::fmt::Display for Megabytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 >= 1_000_000 && self.0.is_multiple_of(1_000_000) {
            write!(f, "{} MB", self.0 / 1_000_000)
        } else {
            write!(f, "{} bytes", self.0)
        }
    }
}

/// Headers that frame a message or belong to a connection (RFC 9110, sections 7.6.1 and 10.1.1):
/// the exchange writes its own. `expect` would make the server wait for a second word from us.
const OWN: [http::HeaderName; 9] = [
    http::header::CONTENT_LENGTH,
    http::header::TRANSFER_ENCODING,
    http::header::CONNECTION,
    http::header::UPGRADE,
    http::header::TE,
    http::header::TRAILER,
    http::header::EXPECT,
    http::HeaderName::from_static("keep-alive"),
    http::HeaderName::from_static("proxy-connection"),
];

/// The versions of HTTP that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Outgoing<'_> {
    /// Whether it goes without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The request as it is written for `version`, to the server or to the proxy that forwards it.
    pub(super) fn written_for(
        &self,
        version: Version,
        forward: Option<&Proxy>,
    ) -> Result<http::Request<http_body_util::Full<Bytes>>, Error> {
        let cannot = |error: http::Error| Error::Url(error.to_string());
        let mut headers = self.headers.clone();
        for name in &OWN {
            headers.remove(name);
        }
        let own_host = &self.url[Position::BeforeHost..Position::AfterPort];
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let uri = match version {
            Version::One => {
                if !headers.contains_key(http::header::HOST) {
                    let host = http::HeaderValue::from_str(own_host)
                        .map_err(|error| Error::Url(error.to_string()))?;
                    headers.insert(http::header::HOST, host);
                }
                let uri = http::Uri::builder().path_and_query(path);
                let uri = match forward {
                    None => uri,
                    Some(proxy) => {
                        proxy.sign(&mut headers);
                        uri.scheme(self.url.scheme()).authority(own_host)
                    }
                };
                uri.build().map_err(cannot)?
            }
            Version::Two => {
                let given = headers.remove(http::header::HOST);
                let host = given.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(own_host);
                let uri = http::Uri::builder().scheme(self.url.scheme()).authority(host);
                uri.path_and_query(path).build().map_err(cannot)?
            }
        };
        // Fetch, section 4.6: a method that has a body has a length even when there is none, and
        // servers ask for it with 411.
        let has_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        if self.body.is_empty() && has_body {
            headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
        }
        let mut request = http::Request::new(http_body_util::Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(url: &str, headers: &[(&str, &str)], version: Version) -> http::Request<()> {
        written_as(Method::GET, url, headers, version)
    }

    fn written_as(
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        version: Version,
    ) -> http::Request<()> {
        let url = Url::parse(url).expect("a URL");
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect();
        let within = Duration::from_secs(1);
        let outgoing = Outgoing { method, url: &url, headers, body: Bytes::new(), within };
        outgoing.written_for(version, None).expect("it can be written").map(|_| ())
    }

    #[test]
    fn a_request_names_its_host_once() {
        let one = written("http://u:p@shop.example:8080/a b?q=1#x", &[], Version::One);
        assert_eq!(one.uri(), "/a%20b?q=1");
        assert_eq!(one.headers()["host"], "shop.example:8080");
        let two = written("https://shop.example/a", &[("host", "other")], Version::Two);
        assert_eq!(two.uri(), "https://other/a");
        assert!(!two.headers().contains_key("host"));
    }

    #[test]
    fn a_caller_cannot_frame_the_message() {
        let smuggled = [("content-length", "5"), ("transfer-encoding", "chunked"), ("x-a", "1")];
        let request = written("http://shop.example/", &smuggled, Version::One);
        let names: Vec<&str> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(names, ["x-a", "host"]);
    }

    #[test]
    fn a_body_of_nothing_has_a_length() {
        for version in [Version::One, Version::Two] {
            for (method, length) in [
                (Method::POST, Some("0")),
                (Method::PUT, Some("0")),
                (Method::PATCH, Some("0")),
                (Method::DELETE, None),
                (Method::GET, None),
            ] {
                let request = written_as(method.clone(), "http://shop.example/", &[], version);
                let written = request.headers().get("content-length");
                let written = written.and_then(|value| value.to_str().ok());
                assert_eq!(written, length, "{method} {version:?}");
            }
        }
    }

    #[test]
    fn errors_are_sentences() {
        let timed_out = |millis, phase| {
            Error::TimedOut { after: Duration::from_millis(millis), phase }.to_string()
        };
        let connecting = Some(Phase::Connecting);
        assert_eq!(timed_out(5000, connecting), "timed out after 5 s while connecting");
        assert_eq!(timed_out(2500, None), "timed out after 2.5 s");
        assert_eq!(Error::TooLarge(10_000_000).to_string(), "the body is larger than 10 MB");
        assert_eq!(Error::TooLarge(512).to_string(), "the body is larger than 512 bytes");
    }
}
