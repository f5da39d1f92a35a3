//! The visitor that a run is: one client, one cookie jar, redirects followed as browsers do.
//!
//! Every hop is an exchange of its own: judged by the egress guard, timed, and written down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, COOKIE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::cookies::Jar;
use super::recorder::{Entry, Recorder};
use super::redirect;
use super::secrets::Secrets;
use crate::clock::Stopwatch;
use crate::net::{Answer, Client, Dialer, Error as NetError, Limits, Outgoing, Seen, Share};
use crate::sandbox::protocol::{Credentials, Redirect};

/// How the visitor introduces itself.
pub(super) const NAME: HeaderValue =
    HeaderValue::from_static(concat!("Tripline/", env!("CARGO_PKG_VERSION")));

/// The codings that the network floor undoes.
const CODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate, br");

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// One run's way to the network.
pub(super) struct Visitor<'r> {
    client: Client,
    jar: Mutex<Jar>,
    recorder: &'r Recorder,
    secrets: &'r Secrets,
}

/// A request as the run asks for it.
#[derive(Clone)]
pub(super) struct Ask {
    /// The step in which it is made.
    pub(super) step: Option<u32>,
    pub(super) method: Method,
    /// Where to; a user and password in it become an `authorization` header.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) redirect: Redirect,
    pub(super) credentials: Credentials,
}

/// The answer at the end of the redirects.
pub(super) struct Visited {
    pub(super) url: Url,
    pub(super) redirected: bool,
    pub(super) answer: Answer,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("{0}")]
    Redirect(String),
    #[error("more than {} redirects", redirect::MOST)]
    TooManyRedirects,
}

impl Error {
    /// Whether time ran out.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Net(error) if error.is_timeout())
    }
}

impl<'r> Visitor<'r> {
    /// A visitor who was never here before.
    pub(super) fn new(
        dialer: Arc<Dialer>,
        share: Share,
        recorder: &'r Recorder,
        secrets: &'r Secrets,
    ) -> Self {
        let client = Client::new(dialer, Limits::default(), share);
        Self { client, jar: Mutex::default(), recorder, secrets }
    }

    /// The body of an answer, of so many bytes, has been handed on.
    pub(super) fn let_go(&self, length: usize) {
        self.client.let_go(length);
    }

    /// Makes the request and follows where it leads; `within` is for all of it.
    pub(super) async fn visit(&self, mut ask: Ask, within: Duration) -> Result<Visited, Error> {
        let since = Stopwatch::start();
        introduce(&mut ask);
        let mut redirected = 0;
        loop {
            let left = within.saturating_sub(since.elapsed());
            let answer = self.hop(&ask, left, within).await?;
            let target = match ask.redirect {
                Redirect::Manual => None,
                Redirect::Follow | Redirect::Error => {
                    redirect::target(&ask.url, answer.status, &answer.headers)
                        .map_err(Error::Redirect)?
                }
            };
            let Some(to) = target else {
                return Ok(Visited { url: ask.url, redirected: redirected > 0, answer });
            };
            if ask.redirect == Redirect::Error {
                return Err(Error::Redirect(format!("the answer is a redirect to {to}")));
            }
            if redirected == redirect::MOST {
                return Err(Error::TooManyRedirects);
            }
            redirected += 1;
            self.let_go(answer.body.len());
            if redirect::becomes_get(answer.status, &ask.method) {
                ask.method = Method::GET;
                ask.body = Bytes::new();
                redirect::forget_body(&mut ask.headers);
            }
            let is_secret = |value: &str| self.secrets.stand_in(value);
            redirect::carry_on(&mut ask.headers, &ask.url, &to, is_secret);
            ask.url = to;
            authorize(&mut ask);
        }
    }

    /// One request and its answer, written down whatever happens. `left` is for this hop, `within`
    /// was given for all.
    async fn hop(&self, ask: &Ask, left: Duration, within: Duration) -> Result<Answer, NetError> {
        let mut headers = ask.headers.clone();
        if ask.credentials == Credentials::Include
            && let Some(cookies) = self.jar().header_for(&ask.url)
        {
            add_cookies(&mut headers, &cookies);
        }
        let entry = self.recorder.open_request(ask.step, ask.method.as_str(), &ask.url);
        let mut open = OpenRequest {
            recorder: self.recorder,
            url: &ask.url,
            entry,
            seen: Some(Seen::default()),
        };
        self.recorder.note_sent(entry, &headers, &ask.body);
        let outgoing = Outgoing {
            method: ask.method.clone(),
            url: &ask.url,
            headers,
            body: ask.body.clone(),
            within: left,
        };
        let ended = self.client.exchange(outgoing, open.seen.get_or_insert_default()).await;
        let ended = ended.map_err(|error| match error {
            // The author gave a time for the whole, not for what was left of it.
            NetError::TimedOut { phase, .. } => NetError::TimedOut { after: within, phase },
            other => other,
        });
        match &ended {
            Ok(_) => self.recorder.note_fault(&ask.url, None),
            Err(error) if error.is_ours() => {
                self.recorder.note_fault(&ask.url, Some(error.to_string()));
            }
            Err(_) => {}
        }
        match &ended {
            Ok(answer) => {
                self.recorder.note_received(entry, answer);
                open.close(Ok(answer.status.as_u16()));
            }
            Err(error) => open.close(Err(&error.to_string())),
        }
        let answer = ended?;
        if ask.credentials == Credentials::Include {
            let mut jar = self.jar();
            for cookie in answer.headers.get_all(SET_COOKIE) {
                jar.keep(&String::from_utf8_lossy(cookie.as_bytes()), &ask.url);
            }
        }
        Ok(answer)
    }

    fn jar(&self) -> std::sync::MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is written down as cut off unless it is closed.
struct OpenRequest<'r> {
    recorder: &'r Recorder,
    url: &'r Url,
    entry: Entry,
    seen: Option<Seen>,
}

impl OpenRequest<'_> {
    fn close(mut self, ended: Result<u16, &str>) {
        if let Some(seen) = self.seen.take() {
            self.recorder.close_request(self.entry, &seen, ended);
        }
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        let Some(mut seen) = self.seen.take() else { return };
        if seen.is_at_proxy() {
            self.recorder
                .note_fault(self.url, Some("the agent's proxy does not answer".to_owned()));
        }
        if seen.is_at_memory() {
            let fault = "there was no memory for the answer: other runs take it up";
            self.recorder.note_fault(self.url, Some(fault.to_owned()));
        }
        let error = match seen.leave() {
            Some(phase) => format!("cut off while {phase}"),
            None => "cut off".to_owned(),
        };
        self.recorder.close_request(self.entry, &seen, Err(&error));
    }
}

/// Adds the headers that every visitor sends.
fn introduce(ask: &mut Ask) {
    for (name, value) in [(USER_AGENT, NAME), (ACCEPT, ANYTHING), (ACCEPT_ENCODING, CODINGS)] {
        ask.headers.entry(name).or_insert(value);
    }
    authorize(ask);
}

/// Turns a user and password in the URL into a header, as curl does.
fn authorize(ask: &mut Ask) {
    if ask.url.username().is_empty() && ask.url.password().is_none() {
        return;
    }
    let decoded = |text: &str| urldecode(text);
    let mut pair = decoded(ask.url.username());
    pair.push(b':');
    pair.extend(decoded(ask.url.password().unwrap_or_default()));
    // Both fail only for URLs without a host.
    let _ = ask.url.set_username("");
    let _ = ask.url.set_password(None);
    let basic = format!("Basic {}", BASE64.encode(&pair));
    if let Ok(mut value) = HeaderValue::from_str(&basic) {
        value.set_sensitive(true);
        ask.headers.entry(AUTHORIZATION).or_insert(value);
    }
}

/// Undoes percent-encoding.
fn urldecode(text: &str) -> Vec<u8> {
    let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or_default());
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    out
}

/// Adds the jar's cookies to those that the run itself wrote.
fn add_cookies(headers: &mut HeaderMap, cookies: &str) {
    let own = headers.get(COOKIE).and_then(|own| own.to_str().ok()).map(str::to_owned);
    let all = own.map_or_else(|| cookies.to_owned(), |own| format!("{own}; {cookies}"));
    if let Ok(value) = HeaderValue::from_bytes(all.as_bytes()) {
        headers.insert(COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_in_the_url_becomes_a_header() {
        let url = Url::parse("http://ana:p%40ss%2@shop.example/").expect("a URL");
        let mut ask = Ask {
            step: None,
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirect: Redirect::Follow,
            credentials: Credentials::Include,
        };
        introduce(&mut ask);
        assert_eq!(ask.url.as_str(), "http://shop.example/");
        let expected = format!("Basic {}", BASE64.encode(b"ana:p@ss%2"));
        assert_eq!(ask.headers[AUTHORIZATION], expected.as_str());
        assert_eq!(ask.headers[USER_AGENT], NAME);
    }
}
