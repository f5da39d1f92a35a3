//! One request to a provider, and what is known of its fate.
//!
//! The difference that matters is whether the request may have arrived. Errors say why without
//! the URL, since webhooks are secrets; answers are read up to a bound; redirects are not followed.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};

use super::render;

/// One attempt, from the first look-up to the last byte of the answer.
pub(super) const DEADLINE: Duration = Duration::from_secs(8);

/// Finding the provider and agreeing on a connection. Shorter than [`DEADLINE`], so that a
/// deadline that passes always means that the request left.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// More of an answer is not read.
const ANSWER_LIMIT: usize = 64 << 10;

/// A longer `Retry-After` is taken for this one.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A channel could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client could not be made, for want of trusted certificates or the like.
    #[error("failed to set up the HTTP client: {0}")]
    Client(String),
    /// An address is not one; its value may be a secret and is not shown.
    #[error("{0} is not an http or https URL")]
    Address(&'static str),
    /// A credential cannot stand in an HTTP header; its value is not shown.
    #[error("{0} has characters that no such credential has")]
    Credential(&'static str),
    /// TLS could not be made ready.
    #[error("failed to set up TLS: {0}")]
    Tls(String),
}

/// Makes the client that reaches `base`.
pub(super) fn client(base: &url::Url) -> Result<Client, SetupError> {
    let builder = Client::builder()
        .user_agent(concat!("tripline/", env!("CARGO_PKG_VERSION")))
        .timeout(DEADLINE)
        .connect_timeout(CONNECT_DEADLINE)
        .redirect(Policy::none())
        .referer(false)
        .tcp_nodelay(true);
    // A proxy of the machine's cannot reach this machine's own loopback.
    let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| SetupError::Client(reason(error)))
}

pub(super) fn is_loopback(base: &url::Url) -> bool {
    match base.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads the address of an API or webhook; `what` names it in the error.
pub(super) fn address(text: &str, what: &'static str) -> Result<url::Url, SetupError> {
    let url = url::Url::parse(text).map_err(|_| SetupError::Address(what))?;
    let fits = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    if fits { Ok(url) } else { Err(SetupError::Address(what)) }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    /// The request did not leave.
    #[error("not sent: {0}")]
    Unsent(String),
    /// The request left, or may have.
    #[error("no answer: {0}")]
    Unanswered(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// As much of the body as is read; why it broke off, if it did.
    pub(super) body: Result<Vec<u8>, String>,
}

impl Answer {
    /// The body as text; empty when it broke off.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.body.as_deref().unwrap_or_default())
    }
}

/// Sends a request and reads the answer, in all within `deadline`.
pub(super) async fn exchange(request: RequestBuilder, deadline: Duration) -> Result<Answer, Lost> {
    let mut response = request.timeout(deadline).send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            Lost::Unsent(reason(error))
        } else {
            Lost::Unanswered(reason(error))
        }
    })?;
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(|wait| Duration::from_secs(wait).min(LONGEST_RETRY_AFTER));
    let status = response.status();
    let mut body = Vec::new();
    let body = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break Ok(body),
            Err(error) => break Err(reason(error)),
        }
        if body.len() >= ANSWER_LIMIT {
            break Err(format!("an answer of more than {} KB", ANSWER_LIMIT >> 10));
        }
    };
    Ok(Answer { status, retry_after, body })
}

/// An error in one line, without the URL: in plain words where people know the cause, else with all
/// that led to it. A host may be named, since all that is secret in a webhook is its path.
fn reason(error: reqwest::Error) -> String {
    let host = error.url().and_then(url::Url::host_str).unwrap_or("the provider").to_owned();
    if error.is_timeout() {
        let connecting = error.is_connect();
        return if connecting {
            format!("{host} took too long to connect")
        } else {
            "timed out".into()
        };
    }
    let error = error.without_url();
    if let Some(words) = plain_words(&error, &host) {
        return said(&words);
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = source.source();
    }
    said(&words)
}

/// What led to an error, the nearest first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (**cause).source())
}

/// The cause of an error where it is one of those that people know.
fn plain_words(error: &reqwest::Error, host: &str) -> Option<String> {
    let causes = || causes(error);
    if causes().any(|cause| cause.to_string().starts_with("dns error")) {
        return Some(format!("the name {host} cannot be resolved"));
    }
    // An error of TLS is wrapped in one of the connection, which does not name it as its source.
    let wrapped =
        |cause: &io::Error| Some(cause.get_ref()?.downcast_ref::<rustls::Error>()?.clone());
    let tls = causes().find_map(|cause| wrapped(cause.downcast_ref::<io::Error>()?));
    if let Some(rustls::Error::InvalidCertificate(why)) = tls {
        return Some(format!("the certificate of {host} is not trusted: {why}"));
    }
    if causes().any(|cause| cause.to_string().starts_with("connection closed before")) {
        return Some(format!("{host} closed the connection"));
    }
    let io = causes().find_map(|cause| cause.downcast_ref::<io::Error>())?;
    match io.kind() {
        ErrorKind::ConnectionRefused => Some(format!("connection refused by {host}")),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
            Some(format!("{host} closed the connection"))
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            Some(format!("there is no way to {host}"))
        }
        _ => None,
    }
}

/// Words of somebody else's, fit for a record: one line of bounded length.
pub(super) fn said(text: &str) -> String {
    const LONGEST: usize = 200;
    render::cut(&render::line(text), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_people_know_is_said_in_their_words() {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/secret", listener.local_addr().expect("it is bound"));
        drop(listener);
        let client = client(&address(&url, "it").expect("a URL")).expect("a client");
        let lost = exchange(client.get(&url), DEADLINE).await.expect_err("nobody listens");
        assert_eq!(lost, Lost::Unsent("connection refused by 127.0.0.1".into()));
    }

    #[test]
    fn addresses_are_checked_and_not_shown() {
        assert!(address("https://hooks.slack.com/services/T/B/x", "the webhook").is_ok());
        let error = address("hooks.slack.com/secret", "the webhook for #p1").expect_err("no URL");
        assert_eq!(error.to_string(), "the webhook for #p1 is not an http or https URL");
        assert!(address("ftp://x", "it").is_err());
    }
}
