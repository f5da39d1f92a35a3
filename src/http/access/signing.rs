//! Signing in and out.
//!
//! What is answered to a wrong password is what is answered to a name that nobody has, after the same work. Neither
//! names nor passwords that were wrong are logged: people type one where the other belongs.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};

use super::attempts::Outcome;
use super::door::{Door, Need};
use super::users::Known;
use super::visitor::Visitor;
use super::{Access, cookie};
use crate::http::Api;
use crate::http::guard::{self, Caller};
use crate::http::pages::sign_in as page;
use crate::http::problem::Problem;
use crate::link::token::Token;
use crate::store::sessions::Session;

/// Where people sign in.
pub(in crate::http) const PATH: &str = "/sign-in";
/// Where people sign out.
pub(in crate::http) const SIGN_OUT: &str = "/sign-out";

/// The longest form to sign in by, in bytes.
const LONGEST_FORM: usize = 8 << 10;
/// The longest place to come back to, in bytes.
const LONGEST_PLACE: usize = 2_000;

/// The way in and the way out.
pub(in crate::http) fn doors() -> Vec<Door<Api>> {
    vec![
        Door::at(PATH)
            .get(Need::Public, sign_in_page)
            .post(Need::Public, sign_in)
            .within(LONGEST_FORM),
        // Whoever sees may sign out: that changes nothing but their own session.
        Door::at(SIGN_OUT).post(Need::SEE, sign_out),
    ]
}

/// What somebody sends to sign in.
#[derive(Default)]
struct Wanted {
    name: String,
    password: String,
    next: String,
}

/// The form; for whoever has signed in, the way out.
async fn sign_in_page(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !api.access.asks() {
        return Ok(page::unasked());
    }
    if let Some(token) = api.access.cookies.shown(&headers)
        && let Some(signed) = api.access.by_session(&token).await?
    {
        return Ok(page::signed_in(&signed.known.user, &cookie::form_word(&token)));
    }
    let pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let next = pairs.filter(|(name, _)| name == "next").map(|(_, next)| next.into_owned()).next();
    let next = place(&next.unwrap_or_default());
    Ok(page::form(StatusCode::OK, ("", &next), None))
}

async fn sign_in(
    State(api): State<Api>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let access = &api.access;
    // Else a page elsewhere could sign somebody in as somebody else, and see what they do.
    guard::own_pages_only(&headers, access.public.as_deref(), "sign anybody in")
        .inspect_err(|_| access.counts.foreign.add())?;
    let body = body.map_err(|rejection| {
        Problem::new(rejection.status(), "the form is too long, or did not arrive whole")
    })?;
    let wanted = Wanted::read(&body);
    if access.users.load().is_empty() {
        return Ok(Redirect::to(PATH).into_response());
    }
    if wanted.name.is_empty() || wanted.password.is_empty() {
        return Ok(wanted.again(StatusCode::BAD_REQUEST, "Write your name and your password."));
    }
    let from = caller.map(|Extension(Caller(address))| address);
    let users = access.users.load_full();
    let tried = (wanted.name.as_str(), wanted.password.as_str());
    let outcome = access.attempts.attempt(&users, tried, from, access.clock.now()).await?;
    let address = from.map(tracing::field::display);
    Ok(match outcome {
        Outcome::Right(known) => {
            let answer = access.begin(&known, &wanted.next).await?;
            access.counts.signed_in.add();
            tracing::info!(
                event.action = "signed-in",
                user = known.user.name,
                from = address,
                "somebody signed in"
            );
            answer
        }
        Outcome::Wrong => {
            access.counts.wrong.add();
            let user = users.named(&wanted.name).map(|it| it.user.name.as_str());
            tracing::warn!(
                event.action = "sign-in-refused",
                user,
                from = address,
                "somebody tried to sign in by a wrong name or password"
            );
            wanted.again(StatusCode::UNAUTHORIZED, "The name or the password is wrong.")
        }
        Outcome::TooMany(within) => {
            access.counts.too_many.add();
            tracing::warn!(
                event.action = "sign-in-refused",
                from = address,
                "signing in was tried too often"
            );
            let said = format!(
                "Signing in was tried too often. Try again in {}.",
                if within.num_minutes() <= 1 { "a minute" } else { "an hour" }
            );
            let again = [(header::RETRY_AFTER, within.num_seconds().to_string())];
            (again, wanted.again(StatusCode::TOO_MANY_REQUESTS, &said)).into_response()
        }
        Outcome::Busy => wanted.again(
            StatusCode::SERVICE_UNAVAILABLE,
            "Many people sign in at the moment. Try again.",
        ),
    })
}

async fn sign_out(State(api): State<Api>, visitor: Visitor) -> Result<Response, Problem> {
    let access = &api.access;
    if let Some(session) = visitor.session() {
        access.sessions.end_session(session).await?;
        tracing::info!(event.action = "signed-out", user = visitor.name(), "somebody signed out");
    }
    let gone = AppendHeaders([(header::SET_COOKIE, access.cookies.unset())]);
    Ok((gone, Redirect::to(PATH)).into_response())
}

impl Access {
    /// Begins a session, and leads to where its user wanted to go.
    async fn begin(&self, known: &Known, next: &str) -> Result<Response, Problem> {
        let token = Token::generate()
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let now = self.clock.now();
        let session = Session {
            user: known.user.name.clone(),
            stamp: known.stamp,
            begun_at: now,
            seen_at: now,
        };
        self.sessions.begin_session(&token.digest(), &session).await?;
        let shown = AppendHeaders([(header::SET_COOKIE, self.cookies.set(&token))]);
        Ok((shown, Redirect::to(next)).into_response())
    }
}

impl Wanted {
    /// Reads a form. What is not in it is empty, which nobody's name or password is.
    fn read(body: &[u8]) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                "name" => value.trim().clone_into(&mut wanted.name),
                "password" => wanted.password = value.into_owned(),
                "next" => wanted.next = value.into_owned(),
                _ => {}
            }
        }
        wanted.next = place(&wanted.next);
        wanted
    }

    /// The form once more, with what was wrong.
    fn again(&self, status: StatusCode, said: &str) -> Response {
        page::form(status, (&self.name, &self.next), Some(said))
    }
}

/// The address at which to sign in and come back to `place`.
pub(super) fn before(place: &str) -> String {
    if place == "/" {
        return PATH.to_owned();
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("{PATH}?{}", query.append_pair("next", place).finish())
}

/// A place of ours to go to; the beginning where `wanted` is none.
fn place(wanted: &str) -> String {
    let is_ours = wanted.starts_with('/')
        && !wanted.starts_with("//")
        && wanted.len() <= LONGEST_PLACE
        && wanted.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        && !wanted.starts_with("/sign-");
    if is_ours { wanted.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for ours in ["/", "/checks/shop/login?window=1d", "/incidents/7"] {
            assert_eq!(place(ours), ours);
        }
        let long = format!("/{}", "x".repeat(2_000));
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil",
            "/sign-in",
            &long,
        ] {
            assert_eq!(place(other), "/", "{other}");
        }
    }
}
