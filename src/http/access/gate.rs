//! The gate before every way in that needs a right: who asks, whether they may, and whether it is they who ask.
//!
//! A browser shows its cookie whoever makes it ask. So what changes something is taken of pages of our own alone,
//! as far as the browser says whose page it is, and with a cookie only in a form that another site could not send:
//! either with the word of the session's forms in it, or of a content type that browsers do not send to another site
//! without asking first.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use data_encoding::BASE64;

use super::refusal::Refusal;
use super::users::Known;
use super::visitor::{Means, Signed, Visitor};
use super::{Access, cookie};
use crate::domain::Timestamp;
use crate::domain::user::Right;
use crate::http::guard::{self, Caller, LONGEST_BODY};
use crate::http::problem::Problem;
use crate::link::token::{Digest, Token};
use crate::store;

/// The field of a form with the word of the session's forms.
pub(in crate::http) const FORM_WORD: &str = "form_word";

/// How often it is noted that a session is used.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A gate: who decides, and what is needed.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) access: Arc<Access>,
    pub(super) right: Right,
}

/// Lets a request through, or says why not.
pub(super) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let wants_page = Refusal::wants_page(&request);
    // What was sent is not sent again by coming back.
    let is_place = matches!(*request.method(), Method::GET | Method::HEAD);
    let place = request.uri().path_and_query().filter(|_| is_place);
    let place = place.map_or_else(|| "/".to_owned(), ToString::to_string);
    match gate.admit(request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.answer(&gate.access, wants_page.then_some(place)),
    }
}

/// Lets nothing through: nobody decides here who may.
pub(super) async fn shut(_: Request, _: Next) -> Response {
    let detail = "nobody decides here who may see it, so nobody does";
    Problem::new(axum::http::StatusCode::FORBIDDEN, detail).into_response()
}

impl Gate {
    /// The request as it goes on, with whoever asks.
    async fn admit(&self, mut request: Request) -> Result<Request, Refusal> {
        let caller = request.extensions().get::<Caller>().copied();
        let asked = (request.method(), request.uri());
        let visitor = self.visitor(caller, request.headers(), asked).await?;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let headers = request.headers();
            guard::own_pages_only(headers, self.access.public.as_deref(), "act").map_err(|_| {
                tracing::warn!(
                    event.action = "access-refused",
                    "a page of another site asks to act"
                );
                Refusal::Foreign
            })?;
            // What is only looked up may be asked for by POST as well.
            if self.right != Right::See {
                request = with_form_word(request, &visitor).await?;
            }
        }
        request.extensions_mut().insert(visitor);
        Ok(request)
    }

    /// Whoever asks, if they have the right.
    async fn visitor(
        &self,
        caller: Option<Caller>,
        headers: &HeaderMap,
        (method, uri): (&Method, &Uri),
    ) -> Result<Visitor, Refusal> {
        if self.access.users.load().is_empty() {
            self.access.admit_unasked(self.right, caller).map_err(Refusal::Unasked)?;
            let may_act = self.access.admit_unasked(Right::Act, caller).is_ok();
            return Ok(Visitor::nobody(may_act));
        }
        let signed = self.access.signed(headers).await?;
        let user = &signed.known.user;
        if !user.role.has(self.right) {
            let from = caller.map(|it| tracing::field::display(it.0));
            tracing::warn!(
                event.action = "access-refused",
                user = user.name,
                role = user.role.as_str(),
                from,
                method = method.as_str(),
                path = uri.path(),
                "a user may not do this"
            );
            return Err(Refusal::NotAllowed(user.name.clone(), user.role));
        }
        Ok(Visitor::signed(signed))
    }
}

/// The request, whose form carries the word of its session where another site could have sent it.
async fn with_form_word(request: Request, visitor: &Visitor) -> Result<Request, Refusal> {
    let Some(word) = visitor.form_word() else { return Ok(request) };
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = kind.and_then(|it| it.split(';').next()).unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    // https://fetch.spec.whatwg.org/#cors-safelisted-request-header; of a missing type, too, only what has no body.
    let is_simple = ["", "multipart/form-data", "text/plain"]
        .iter()
        .any(|simple| essence.eq_ignore_ascii_case(simple));
    if !is_form {
        let is_safe = !is_simple || request.method() == Method::DELETE;
        return if is_safe { Ok(request) } else { Err(Refusal::Foreign) };
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY).await.map_err(|_| Refusal::Foreign)?;
    let mut fields = url::form_urlencoded::parse(&body).filter(|(name, _)| name == FORM_WORD);
    let sent = fields.next().map(|(_, value)| value).unwrap_or_default();
    if !cookie::is_form_word(word, &sent) {
        return Err(Refusal::Stale);
    }
    drop(fields);
    Ok(Request::from_parts(parts, Body::from(body)))
}

impl Access {
    /// The user who asks. A program's token is looked at before a cookie.
    pub(super) async fn signed(&self, headers: &HeaderMap) -> Result<Signed, Refusal> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            let token = self.cookies.shown(headers).ok_or_else(|| self.unknown())?;
            return self.by_session(&token).await?.ok_or_else(|| self.unknown());
        };
        let known = shown.to_str().ok().and_then(|shown| self.by_token(shown));
        let known = known.ok_or_else(|| {
            self.counts.wrong_token.add();
            Refusal::WrongToken
        })?;
        Ok(Signed { known, by: Means::Token })
    }

    fn unknown(&self) -> Refusal {
        self.counts.unknown.add();
        Refusal::Unknown
    }

    /// The user with a token, as `Authorization` shows it.
    fn by_token(&self, shown: &str) -> Option<Arc<Known>> {
        let (scheme, shown) = shown.split_once(' ')?;
        let users = self.users.load();
        if scheme.eq_ignore_ascii_case("bearer") {
            let token = Token::parse(shown).ok()?;
            return users.with_token(&token.digest()).cloned();
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = BASE64.decode(shown.trim().as_bytes()).ok()?;
        let (name, token) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        let known = users.with_token(&Token::parse(token).ok()?.digest())?;
        known.user.name.eq_ignore_ascii_case(name).then(|| Arc::clone(known))
    }

    /// The user whose session it is, while it lasts and the user is as when it began.
    pub(super) async fn by_session(&self, token: &Token) -> Result<Option<Signed>, store::Error> {
        let (digest, now) = (token.digest(), self.clock.now());
        let Some(session) = self.sessions.session(&digest).await? else { return Ok(None) };
        let known = self.users.load().named(&session.user).cloned();
        let known = known.filter(|known| known.stamp == session.stamp);
        let is_over =
            now - session.begun_at > cookie::LONGEST || now - session.seen_at > cookie::IDLE;
        let Some(known) = known.filter(|_| !is_over) else {
            self.sessions.end_session(&digest).await?;
            return Ok(None);
        };
        if now - session.seen_at > NOTED_EVERY {
            self.note_seen(&digest, now).await;
        }
        Ok(Some(Signed { known, by: Means::Session(digest, cookie::form_word(token)) }))
    }

    /// That it is not noted ends the session earlier at worst.
    async fn note_seen(&self, digest: &Digest, now: Timestamp) {
        if let Err(error) = self.sessions.note_seen(digest, now).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "it was not noted that a session is used");
        }
    }
}
