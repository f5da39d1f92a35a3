//! Makes exchanges, and keeps connections between those of one run.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, StatusCode};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use url::Url;

use super::body;
use super::budget::Share;
use super::dialer::Dialer;
use super::exchange::{Answer, Error, Limits, Outgoing, Version};
use super::link::{Link, Unanswered};
use super::proxy;
use super::seen::{Phase, Seen};

/// How many connections are kept; as many as browsers keep to one host.
const MOST_KEPT: usize = 6;

/// The client of one run: nothing it learns or keeps is seen by another run.
#[derive(Debug)]
pub struct Client {
    dialer: Arc<Dialer>,
    limits: Limits,
    share: Share,
    kept: Mutex<Vec<(Origin, Link)>>,
}

/// Where a kept connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    secure: bool,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn of(url: &Url) -> Self {
        Self {
            secure: url.scheme() == "https",
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default(),
        }
    }
}

impl Client {
    /// A client without connections, whose bodies take their memory from `share`.
    pub fn new(dialer: Arc<Dialer>, limits: Limits, share: Share) -> Self {
        Self { dialer, limits, share, kept: Mutex::default() }
    }

    /// The body of an answer, of so many bytes, is not kept in memory any more. Until then it counts
    /// for the run.
    pub fn let_go(&self, length: usize) {
        self.share.let_go(length);
    }

    /// Sends `outgoing`, reads the whole answer, and notes in `seen` what happens meanwhile.
    ///
    /// A request that went out over a kept connection which the server had closed is sent once
    /// more over a fresh one, when it cannot have been processed or is idempotent.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; a status such as 500 is an answer.
    pub async fn exchange(&self, outgoing: Outgoing<'_>, seen: &mut Seen) -> Result<Answer, Error> {
        seen.sent = outgoing.body.len() as u64;
        let attempt = self.attempt(&outgoing, seen);
        let ended = tokio::time::timeout(outgoing.within, attempt).await;
        let phase = seen.leave();
        ended.unwrap_or_else(|_| match self.dialer.proxy_for(outgoing.url) {
            Some(proxy) if seen.is_at_proxy() => {
                let refusal = proxy::Refusal::Unreachable("it does not answer".to_owned());
                Err(super::dialer::Error::by(proxy, refusal).into())
            }
            _ if seen.is_at_memory() => Err(Error::Memory { after: outgoing.within }),
            _ => Err(Error::TimedOut { after: outgoing.within, phase }),
        })
    }

    async fn attempt(&self, outgoing: &Outgoing<'_>, seen: &mut Seen) -> Result<Answer, Error> {
        let origin = Origin::of(outgoing.url);
        if let Some(mut link) = self.take(&origin)
            && link.is_open().await
        {
            seen.remote = link.remote;
            seen.certificate_until = link.certificate_until;
            match self.send(&mut link, outgoing, seen).await? {
                Ok(response) => return self.receive(origin, link, response, seen).await,
                Err(failed) if may_repeat(&failed, &outgoing.method) => {}
                Err(failed) => return Err(failed.reason.into()),
            }
        }
        let stream = self.dialer.dial(outgoing.url, seen).await?;
        seen.certificate_until = stream.certificate_until();
        let mut link = Link::open(stream, seen.remote, self.limits).await?;
        match self.send(&mut link, outgoing, seen).await? {
            Ok(response) => self.receive(origin, link, response, seen).await,
            Err(failed) => Err(failed.reason.into()),
        }
    }

    /// Sends the request; the outer error is one of the request itself, or the proxy's.
    async fn send(
        &self,
        link: &mut Link,
        outgoing: &Outgoing<'_>,
        seen: &mut Seen,
    ) -> Result<Result<http::Response<Incoming>, Unanswered>, Error> {
        let forward = self.dialer.proxy_for(outgoing.url).filter(|_| outgoing.is_plain());
        let request = outgoing.written_for(link.version(), forward)?;
        seen.enter(Phase::Waiting);
        let answered = link.send(request).await;
        if let (Some(proxy), Ok(response)) = (forward, &answered)
            && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            let target = outgoing.url.host_str().unwrap_or_default();
            let refusal = proxy.refusal(target, response.status());
            return Err(super::dialer::Error::by(proxy, refusal).into());
        }
        Ok(answered)
    }

    /// Reads the body, and keeps the connection if it is good for more.
    async fn receive(
        &self,
        origin: Origin,
        mut link: Link,
        response: http::Response<Incoming>,
        seen: &mut Seen,
    ) -> Result<Answer, Error> {
        seen.enter(Phase::Downloading);
        let (head, incoming) = response.into_parts();
        let mut claim = self.share.claim();
        let raw = body::read(&mut link, incoming, self.limits.body, &mut claim, seen).await?;
        seen.leave();
        let reason = match (link.version(), head.extensions.get::<hyper::ext::ReasonPhrase>()) {
            (Version::Two, _) => String::new(),
            (Version::One, Some(given)) => String::from_utf8_lossy(given.as_bytes()).into_owned(),
            (Version::One, None) => head.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        self.keep(origin, link);
        let body = body::decode(&head.headers, raw, self.limits.body, &mut claim, seen).await?;
        self.share.keep(body.len(), claim);
        Ok(Answer { status: head.status, reason, headers: head.headers, body })
    }

    fn take(&self, origin: &Origin) -> Option<Link> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().rposition(|(other, _)| other == origin)?;
        match kept[at].1.share() {
            Some(shared) => Some(shared),
            None => Some(kept.remove(at).1),
        }
    }

    fn keep(&self, origin: Origin, link: Link) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = link.version() == Version::Two;
        kept.retain(|(other, old)| !(shared && *other == origin && old.version() == Version::Two));
        if kept.len() >= MOST_KEPT {
            kept.remove(0);
        }
        kept.push((origin, link));
    }
}

impl Drop for Client {
    /// Has its connections closed a moment later: whoever dropped it has an answer to hand on first.
    fn drop(&mut self) {
        let kept = std::mem::take(self.kept.get_mut().unwrap_or_else(PoisonError::into_inner));
        if let (false, Ok(runtime)) = (kept.is_empty(), Handle::try_current()) {
            runtime.spawn(async move { drop(kept) });
        }
    }
}

/// Whether sending the request again cannot do anything twice (RFC 9110, section 9.2.2).
fn may_repeat(failed: &Unanswered, method: &Method) -> bool {
    use super::link::Broken;
    let closed = matches!(failed.reason, Broken::Closed | Broken::Reset);
    failed.unsent || (closed && method.is_idempotent())
}
