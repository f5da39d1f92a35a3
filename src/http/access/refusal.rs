//! Why somebody does not come in: a problem, which people are shown as a page, or the way to sign in.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::{Access, signing};
use crate::domain::user::Role;
use crate::http::problem::Problem;
use crate::store;

/// Why a gate does not let somebody through.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nobody shows who they are, or shows a session that is over.
    Unknown,
    /// Nobody has the token that is shown.
    WrongToken,
    /// The role of the user is not enough.
    NotAllowed(String, Role),
    /// A page of another site asks.
    Foreign,
    /// A form of another session, or of none.
    Stale,
    /// Nobody is asked who they are, and this is not open to everybody.
    Unasked(Problem),
    /// The store does not say who it is.
    Store(store::Error),
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Refusal {
    /// Whether a person asks, with a browser.
    pub(super) fn wants_page(request: &Request) -> bool {
        let accepted = request.headers().get_all(header::ACCEPT).iter();
        accepted.filter_map(|it| it.to_str().ok()).any(|it| it.contains("text/html"))
            && !request.headers().contains_key(header::AUTHORIZATION)
            && matches!(*request.method(), Method::GET | Method::HEAD | Method::POST)
    }

    /// The answer. Where `place` says where a person wanted to go, that is the way to sign in first.
    pub(super) fn answer(self, access: &Access, place: Option<String>) -> Response {
        match &self {
            Self::NotAllowed(..) => access.counts.not_allowed.add(),
            Self::Foreign | Self::Stale => access.counts.foreign.add(),
            Self::Unknown | Self::WrongToken | Self::Unasked(_) | Self::Store(_) => {}
        }
        match (self, place) {
            (Self::Unknown, Some(place)) => Redirect::to(&signing::before(&place)).into_response(),
            (refusal, _) => refusal.problem(),
        }
    }

    fn problem(self) -> Response {
        let (status, said) = match self {
            Self::Store(error) => return Problem::from(error).into_response(),
            Self::Unasked(problem) => return problem.into_response(),
            other => other.said(),
        };
        let mut response = Problem::new(status, said).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"tripline\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// What it is, in words.
    fn said(&self) -> (StatusCode, String) {
        match self {
            Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "who are you? sign in at /sign-in, or send the token of a user as \
                 `Authorization: Bearer TOKEN`; `tripline user token` makes one"
                    .to_owned(),
            ),
            Self::WrongToken => (
                StatusCode::UNAUTHORIZED,
                "no user has this token; `tripline user token` makes one, and its hash belongs into \
                 `token_hash` of a `[[user]]`"
                    .to_owned(),
            ),
            Self::NotAllowed(name, role) => (
                StatusCode::FORBIDDEN,
                format!(
                    "{name} is a {}, who sees and does not act; operators do, by `role = \
                     \"operator\"` of the `[[user]]`",
                    role.as_str()
                ),
            ),
            Self::Stale => (
                StatusCode::FORBIDDEN,
                "the form is of another session; open the page again, and send it once more".to_owned(),
            ),
            Self::Foreign | Self::Unasked(_) | Self::Store(_) => {
                (StatusCode::FORBIDDEN, "a web page of another site may not act".to_owned())
            }
        }
    }
}
