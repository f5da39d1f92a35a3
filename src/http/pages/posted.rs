//! Forms that people send: who may, who they are, what stands in them, and where they are led then.
//!
//! A form is a request that a page of any site can make a browser send, so those of other sites do not come
//! past the gate ([`crate::http::access`]).

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::domain::restraint::{Actor, one_line};
use crate::http::access::{FORM_WORD, Visitor};
use crate::http::acts::{self, Leave};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{Api, dto};

/// Who acts where nobody says who they are: at three in the morning a name must not be in the way.
const NOBODY_NAMED: &str = "somebody";

/// What stands in a form that was sent from a page of ours, by somebody who may act.
pub(super) struct Posted {
    body: Bytes,
    visitor: Visitor,
}

impl FromRequest<Api> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        Leave::from_request_parts(&mut parts, api).await?;
        let visitor = Visitor::from_request_parts(&mut parts, api).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let detail = "this takes what a form of a page sends; programs use /api/v1";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = Bytes::from_request(Request::from_parts(parts, body), api).await;
        body.map(|body| Self { body, visitor }).map_err(|rejection| {
            Problem::new(rejection.status(), "the form is too long, or could not be read")
        })
    }
}

impl Posted {
    /// What it says, of which `known` can be said; and who says it.
    pub(super) fn read(&self, known: &[&str]) -> Result<(Parameters, Actor), Problem> {
        let text = std::str::from_utf8(&self.body)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the form is no text"))?;
        let known: Vec<&str> = known.iter().copied().chain(["by", FORM_WORD]).collect();
        let said = Parameters::parse(Some(text), &known)?;
        let name = said.text("by").filter(|name| !one_line(name).is_empty());
        let name = name.unwrap_or(NOBODY_NAMED);
        let actor = acts::actor(&self.visitor, Some(name), Some(dto::SentVia::Web))?;
        Ok((said, actor))
    }
}

/// What came of a form, said on the page that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Somebody takes care of it.
    Acknowledged,
    /// Nobody does any more.
    LeftAlone,
    /// It is over.
    Resolved,
    /// Something was said.
    Noted,
    /// Nobody is told for a while.
    Silenced,
    /// That is over.
    Unsilenced,
    /// Agents are asked to run it.
    Asked,
}

impl Done {
    const ALL: [Self; 7] = [
        Self::Acknowledged,
        Self::LeftAlone,
        Self::Resolved,
        Self::Noted,
        Self::Silenced,
        Self::Unsilenced,
        Self::Asked,
    ];

    /// The word in a URL.
    fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::LeftAlone => "left-alone",
            Self::Resolved => "resolved",
            Self::Noted => "noted",
            Self::Silenced => "silenced",
            Self::Unsilenced => "unsilenced",
            Self::Asked => "asked",
        }
    }

    /// Reads the parameter `done` of a page.
    pub(super) fn read(parameters: &Parameters) -> Result<Option<Self>, Problem> {
        parameters.read_unless_empty("done", |text| {
            let found = Self::ALL.into_iter().find(|done| done.as_str() == text);
            found.ok_or_else(|| "it is written by forms".to_owned())
        })
    }

    /// For people.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Acknowledged => {
                "Acknowledged. Nobody else is called before that is over; those who follow are told."
            }
            Self::LeftAlone => {
                "Taken back. Whoever was told is told again; in a silence or a maintenance, when it is over."
            }
            Self::Resolved => {
                "Resolved. Whoever was told is told so; what fails on opens it again."
            }
            Self::Noted => "Noted. Those who follow are told; it wakes nobody.",
            Self::Silenced => "Silenced. Nobody is told of it until that ends.",
            Self::Unsilenced => "The silence is over. What still fails is told now.",
            Self::Asked => {
                "Agents were asked to run it. What comes of it stands below; it counts for nothing."
            }
        }
    }

    /// Leads to the page at `path`, which says it.
    pub(super) fn back_to(self, path: &str) -> Response {
        Redirect::to(&format!("{path}?done={}", self.as_str())).into_response()
    }
}
