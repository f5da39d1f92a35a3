//! Who asks, as far as that is known.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::users::Known;
use crate::domain::restraint::Via;
use crate::domain::user::Right;
use crate::http::problem::Problem;
use crate::store::agents::Digest;

/// Whoever asks, behind a gate.
#[derive(Debug, Clone)]
pub(in crate::http) struct Visitor {
    signed: Option<Signed>,
    may_act: bool,
}

/// A user who showed something.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) known: Arc<Known>,
    pub(super) by: Means,
}

/// What a user showed.
#[derive(Debug, Clone)]
pub(super) enum Means {
    /// The cookie of a session: its digest, and the word of its forms.
    Session(Digest, String),
    /// A token.
    Token,
}

impl Visitor {
    /// Somebody whom nobody asked.
    pub(super) fn nobody(may_act: bool) -> Self {
        Self { signed: None, may_act }
    }

    /// A user.
    pub(super) fn signed(signed: Signed) -> Self {
        let may_act = signed.known.user.role.has(Right::Act);
        Self { signed: Some(signed), may_act }
    }

    /// Whether acts are taken of them.
    pub(in crate::http) fn may_act(&self) -> bool {
        self.may_act
    }

    /// The name of the user; none where nobody is asked who they are.
    pub(in crate::http) fn name(&self) -> Option<&str> {
        self.signed.as_ref().map(|it| it.known.user.name.as_str())
    }

    /// How the user came, in what they do. `said` is heard of programs only, which say whether a terminal is
    /// behind them.
    pub(in crate::http) fn via(&self, said: Option<Via>) -> Via {
        match self.signed.as_ref().map(|it| &it.by) {
            Some(Means::Session(..)) => Via::Web,
            Some(Means::Token) if said == Some(Via::Cli) => Via::Cli,
            Some(Means::Token) => Via::Api,
            None => said.unwrap_or(Via::Api),
        }
    }

    /// The word that forms must carry in a field `form_word`, where there is a session.
    pub(in crate::http) fn form_word(&self) -> Option<&str> {
        match self.signed.as_ref().map(|it| &it.by) {
            Some(Means::Session(_, word)) => Some(word),
            Some(Means::Token) | None => None,
        }
    }

    /// The digest of the session, where there is one.
    pub(super) fn session(&self) -> Option<&Digest> {
        match self.signed.as_ref().map(|it| &it.by) {
            Some(Means::Session(digest, _)) => Some(digest),
            Some(Means::Token) | None => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let detail = "nobody looked at who asks, so nothing is answered";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        })
    }
}
