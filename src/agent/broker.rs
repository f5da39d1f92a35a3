//! What a running script may ask of the outside, done for it: requests, secrets, one-time passwords.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::recorder::Recorder;
use super::secrets::Secrets;
use super::totp::Seed;
use super::visitor::{Ask, Visitor};
use crate::clock::Clock;
use crate::net::{Dialer, Share};
use crate::sandbox::Host;
use crate::sandbox::protocol::{Event, FetchError, FetchRequest, FetchResponse};

/// How long a request may outlive the script's own time. The script gives up by itself at its
/// deadline, with better words than "timed out": the request must not be faster.
const AFTER_THE_END: Duration = Duration::from_secs(5);

/// The host of one run.
pub(super) struct Broker<'r> {
    visitor: Visitor<'r>,
    recorder: &'r Recorder,
    secrets: &'r Secrets,
    clock: &'r dyn Clock,
    timeout: Duration,
}

impl<'r> Broker<'r> {
    /// The host of a run that may take `timeout`.
    pub(super) fn new(
        dialer: Arc<Dialer>,
        share: Share,
        recorder: &'r Recorder,
        secrets: &'r Secrets,
        clock: &'r dyn Clock,
        timeout: Duration,
    ) -> Self {
        let visitor = Visitor::new(dialer, share, recorder, secrets);
        Self { visitor, recorder, secrets, clock, timeout }
    }
}

#[async_trait]
impl Host for Broker<'_> {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let ask = asked(request).map_err(|message| FetchError { message })?;
        let within = self.timeout.saturating_sub(self.recorder.elapsed()) + AFTER_THE_END;
        let visited = self
            .visitor
            .visit(ask, within)
            .await
            .map_err(|error| FetchError { message: error.to_string() })?;
        let mut url = visited.url;
        url.set_fragment(None);
        let headers = visited.answer.headers.iter();
        Ok(FetchResponse {
            url: url.into(),
            redirected: visited.redirected,
            status: visited.answer.status.as_u16(),
            status_text: visited.answer.reason,
            headers: headers
                .map(|(name, value)| (name.as_str().to_owned(), isomorphic_text(value.as_bytes())))
                .collect(),
            body: visited.answer.body.into(),
        })
    }

    fn handed_on(&self, body: usize) {
        self.visitor.let_go(body);
    }

    fn secret(&self, name: &str) -> Result<String, String> {
        self.secrets.value(name).map(str::to_owned).map_err(|missing| missing.to_string())
    }

    fn totp(&self, name: &str) -> Result<String, String> {
        let value = self.secrets.value(name).map_err(|missing| missing.to_string())?;
        let seed = Seed::parse(value)
            .map_err(|error| format!("the secret `{name}` is not a seed: {error}"))?;
        let password = seed.password(self.clock.now());
        self.recorder.conceal(&password);
        Ok(password)
    }

    fn event(&self, at: Duration, event: Event) {
        self.recorder.note(at, event);
    }
}

/// The request that a script wants, or why it cannot be made.
fn asked(request: FetchRequest) -> Result<Ask, String> {
    let url = Url::parse(&request.url)
        .map_err(|error| format!("`{}` is not a URL: {error}", request.url))?;
    let method = Method::from_bytes(request.method.as_bytes())
        .ok()
        // As in the Fetch standard; the first would make a tunnel.
        .filter(|method| !matches!(method.as_str(), "CONNECT" | "TRACE" | "TRACK"))
        .ok_or_else(|| format!("the method `{}` is not allowed", request.method))?;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 4);
    for (name, value) in &request.headers {
        headers.append(header_name(name)?, header_value(name, value)?);
    }
    Ok(Ask {
        step: request.step,
        method,
        url,
        headers,
        body: Bytes::from(request.body),
        redirect: request.redirect,
        credentials: request.credentials,
    })
}

/// Reads the name of a header.
pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is not the name of a header"))
}

/// Reads the value of a header, each character as one byte, as in the Fetch standard.
pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).ok_or_else(|| {
        format!("the value of the header `{name}` has characters that cannot be sent")
    })
}

/// Bytes as characters of the same numbers, as in the Infra standard.
fn isomorphic_text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
