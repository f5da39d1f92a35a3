//! The HTTP proxy through which requests leave, and what goes past it.
//!
//! A proxy resolves names itself, so the guard never sees the address behind a name that is left to
//! it. What is seen here, names and written addresses, is judged before the proxy hears of it.
//!
//! Source: RFC 9110, sections 9.3.6 (CONNECT) and 11.7 (proxy authorization); RFC 9112, section
//! 3.2.2 (absolute form).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::guard::Network;

/// The longest head of an answer to CONNECT, in bytes.
const LARGEST_HEAD: usize = 16 << 10;

/// An HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Host<String>,
    port: u16,
    credentials: Option<HeaderValue>,
    direct: Vec<Direct>,
}

/// Targets that are reached without the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direct {
    /// The host of this name, in lower case.
    Name(String),
    /// All hosts whose names end in this, which begins with a dot.
    Below(String),
    /// Addresses of this network, where the URL holds an address. Names are not resolved for it.
    Network(Network),
}

/// Why a URL is no address of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProxy {
    /// It is spoken to in another way.
    #[error("it must begin with `http://`; a proxy is spoken to without TLS")]
    Scheme,
    /// It holds more than a host and a port.
    #[error("it must be a host and a port, such as `http://proxy.example.com:3128`")]
    More,
}

/// What a proxy did instead of what it was asked; fits after "the proxy".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no connection to it.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It wants credentials and was given none.
    #[error("asks for a user and a password ({})", StatusCode::PROXY_AUTHENTICATION_REQUIRED)]
    NoCredentials,
    /// It was given credentials that it does not take.
    #[error("refused the user or the password ({})", StatusCode::PROXY_AUTHENTICATION_REQUIRED)]
    Credentials,
    /// It did not open a way to this target.
    #[error("did not connect to {0}: {1}")]
    Status(String, StatusCode),
    /// The connection to it broke while it was asked for a way to this target.
    #[error("did not connect to {0}: {1}")]
    Broken(String, String),
}

impl Refusal {
    /// Whether the proxy itself is at fault, or how it is used, rather than what lies behind it.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoCredentials | Self::Credentials => true,
            Self::Status(..) | Self::Broken(..) => false,
        }
    }
}

impl Proxy {
    /// The proxy at `url`, which is an `http` URL of a host and a port.
    ///
    /// # Errors
    ///
    /// [`BadProxy`] when it is another, or holds a user, a path or a query.
    pub fn at(url: &Url) -> Result<Self, BadProxy> {
        if url.scheme() != "http" {
            return Err(BadProxy::Scheme);
        }
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        match (url.host(), url.port_or_known_default()) {
            (Some(host), Some(port)) if is_bare => {
                Ok(Self { host: host.to_owned(), port, credentials: None, direct: Vec::new() })
            }
            _ => Err(BadProxy::More),
        }
    }

    /// The same with a user and a password, written as `user:password`.
    #[must_use]
    pub fn with_credentials(self, credentials: &str) -> Self {
        let written = format!("Basic {}", BASE64.encode(credentials.as_bytes()));
        let value = HeaderValue::try_from(written).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { credentials: value.ok(), ..self }
    }

    /// The same with what it is to read in `Proxy-Authorization`.
    #[must_use]
    pub(super) fn with_authorization(self, value: Option<HeaderValue>) -> Self {
        Self { credentials: value, ..self }
    }

    /// The same with targets that are reached without it.
    #[must_use]
    pub fn with_direct(self, direct: Vec<Direct>) -> Self {
        Self { direct, ..self }
    }

    /// Whether requests to `host` go through it. This machine is never asked for through a proxy,
    /// for which `localhost` is another machine.
    pub(super) fn covers(&self, host: &Host<&str>) -> bool {
        let address = match host {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let is_direct = self.direct.iter().any(|direct| direct.holds_name(name));
                return !is_direct && !super::dialer::is_localhost(name);
            }
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address).to_canonical(),
        };
        let is_direct = self.direct.iter().any(|direct| direct.holds_address(address));
        !is_direct && !address.is_loopback()
    }

    /// Where it is.
    pub(super) fn place(&self) -> (Host<&str>, u16) {
        let host = match &self.host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        (host, self.port)
    }

    /// Writes the headers that are for the proxy itself.
    pub(super) fn sign(&self, headers: &mut HeaderMap) {
        headers.remove(header::PROXY_AUTHORIZATION);
        if let Some(credentials) = &self.credentials {
            headers.insert(header::PROXY_AUTHORIZATION, credentials.clone());
        }
    }

    /// What an answer with `status` means that the proxy gave in its own name, on being asked for
    /// `target`.
    pub(super) fn refusal(&self, target: &str, status: StatusCode) -> Refusal {
        match (status, &self.credentials) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => Refusal::NoCredentials,
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => Refusal::Credentials,
            _ => Refusal::Status(target.to_owned(), status),
        }
    }

    /// Asks the proxy at the other end of `tcp` for a way to `target`, a host and a port.
    pub(super) async fn tunnel(&self, tcp: &mut TcpStream, target: &str) -> Result<(), Refusal> {
        let broken = |why: &str| Refusal::Broken(target.to_owned(), why.to_owned());
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(credentials) = &self.credentials {
            request.extend(b"Proxy-Authorization: ");
            request.extend(credentials.as_bytes());
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        tcp.write_all(&request).await.map_err(|error| broken(&error.to_string()))?;
        let mut answer = Vec::new();
        let head = loop {
            if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if answer.len() > LARGEST_HEAD {
                return Err(broken("its answer has no end"));
            }
            match tcp.read_buf(&mut answer).await {
                Ok(0) => return Err(broken("it closed the connection")),
                Ok(_) => {}
                Err(error) => return Err(broken(&error.to_string())),
            }
        };
        let status = status(&answer).ok_or_else(|| broken("its answer is not HTTP"))?;
        if !status.is_success() {
            return Err(self.refusal(target, status));
        }
        // A server of TLS waits for the client's first word, so these are not the target's bytes.
        if answer.len() > head + 4 {
            return Err(broken("it said more than its answer"));
        }
        Ok(())
    }
}

/// The status in the first line of an answer.
fn status(answer: &[u8]) -> Option<StatusCode> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (_, rest) = rest.split_first()?;
    let code = rest.strip_prefix(b" ")?.get(..3)?;
    StatusCode::from_bytes(code).ok()
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Direct {
    fn holds_name(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own.eq_ignore_ascii_case(name),
            Self::Below(suffix) => {
                let from = name.len().checked_sub(suffix.len()).filter(|from| *from > 0);
                let end = from.and_then(|from| name.get(from..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            Self::Network(_) => false,
        }
    }

    fn holds_address(&self, address: IpAddr) -> bool {
        matches!(self, Self::Network(network) if network.contains(address))
    }
}

/// Why a text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host (`intra.example.com`), no suffix (`.example.com`) and no network \
     (`10.0.0.0/8`)"
)]
pub struct BadDirect(String);

impl FromStr for Direct {
    type Err = BadDirect;

    fn from_str(text: &str) -> Result<Self, BadDirect> {
        if let Ok(network) = text.trim_matches(['[', ']']).parse() {
            return Ok(Self::Network(network));
        }
        let bare = text.strip_prefix('.').unwrap_or(text);
        match Host::parse(bare) {
            Ok(Host::Domain(name)) if !bare.is_empty() && !bare.contains(['/', '*']) => {
                Ok(if text.starts_with('.') {
                    Self::Below(format!(".{name}"))
                } else {
                    Self::Name(name)
                })
            }
            _ => Err(BadDirect(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_and_this_machine_go_past_the_proxy() {
        let direct = ["intra.example", ".corp.example", "10.0.0.0/8", "192.0.2.7", "fd00::/8"];
        let proxy = Proxy::at(&Url::parse("http://proxy.example:3128").expect("a URL"))
            .expect("a proxy")
            .with_direct(direct.iter().filter_map(|text| text.parse().ok()).collect());
        for (host, expected) in [
            ("shop.example", true),
            ("intra.example", false),
            ("INTRA.example.", false),
            ("a.intra.example", true),
            ("a.b.corp.example", false),
            ("corp.example", true),
            ("notcorp.example", true),
            ("10.1.2.3", false),
            ("192.0.2.7", false),
            ("192.0.2.8", true),
            ("[::ffff:10.1.2.3]", false),
            ("[2001:db8::1]", true),
            ("localhost", false),
            ("app.localhost", false),
            ("127.9.9.9", false),
            ("[::1]", false),
            ("[::ffff:127.0.0.1]", false),
        ] {
            let url = Url::parse(&format!("http://{host}/")).expect("a URL");
            assert_eq!(proxy.covers(&url.host().expect("a host")), expected, "{host}");
        }
    }

    #[test]
    fn what_is_no_proxy_and_no_target_is_refused() {
        let bad = |url: &str| Proxy::at(&Url::parse(url).expect("a URL")).err();
        assert_eq!(bad("https://proxy.example"), Some(BadProxy::Scheme));
        assert_eq!(bad("socks5://proxy.example"), Some(BadProxy::Scheme));
        for url in ["http://p.example/x", "http://p.example?x", "http://u@p.example"] {
            assert_eq!(bad(url), Some(BadProxy::More), "{url}");
        }
        assert_eq!(bad("http://p.example"), None);
        for text in ["", ".", "*", "*.example", "a/b", "10.0.0.0/33", "a b"] {
            assert!(text.parse::<Direct>().is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_do_not_show() {
        let proxy = Proxy::at(&Url::parse("http://p.example").expect("a URL")).expect("a proxy");
        let proxy = proxy.with_credentials("u:hunter2");
        let shown = format!("{proxy:?} {proxy}");
        assert!(!shown.contains("hunter2") && !shown.contains(&BASE64.encode(b"u:hunter2")));
        let mut headers = HeaderMap::new();
        proxy.sign(&mut headers);
        assert_eq!(headers[header::PROXY_AUTHORIZATION], "Basic dTpodW50ZXIy");
    }
}
