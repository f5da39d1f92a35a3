//! Pages for people: what the JSON API knows, as HTML that the server makes.
//!
//! A page is a function of what [`Api`] reads. It decides nothing, keeps nothing, and says what the API
//! says, in words. Templates are compiled into the binary (maud); there is no build step.
//!
//! Invariants:
//! - every page works without JavaScript; a script only adds to it (`assets/`);
//! - no page holds a script, a style or a handler in its text, so that the browser need not take any
//!   ([`guard`](super::guard)); SVG has classes and presentation attributes;
//! - all text is escaped by the templates. `PreEscaped` is for what the program itself has drawn, never
//!   for what was read;
//! - a state has a shape and a word, and a colour besides ([`marks`]);
//! - what a page shows is in its URL: filters and pages in the query;
//! - a page that fails is a page ([`failure`]); calls to the API are answered with problems as before;
//! - what changes something is a form that is posted ([`posted`]), is taken by those who take it for the API, and
//!   answers with the way back to the page;
//! - an element with `data-live` and an id is what a script may replace by its newer self, taken from
//!   the page's own URL.
//!
//! To add a page: a file with a function that takes a [`layout::Frame`] and answers with a [`Page`], a line in
//! [`doors`], with what it needs; if it stands in the navigation, a line in [`layout::Section`]. Where other pages lead to
//! it, they ask [`links`].

mod assets;
mod by_hand;
mod check;
mod controls;
mod deliveries;
mod failure;
mod incident;
mod incidents;
mod layout;
mod links;
mod marks;
mod messages;
mod on_call;
mod overview;
mod posted;
mod regions;
mod rules;
mod run;
mod series;
pub(super) mod sign_in;
mod source;
mod wording;
mod zone;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

pub(super) use self::failure::as_page;
pub(super) use self::links::run as run_page;
use super::access::door::{Door, Need};
use super::{Api, live, output};

/// The pages and what they are made of. They are no part of the OpenAPI description.
pub(super) fn doors() -> Vec<Door<Api>> {
    let single = [
        Door::at("/").get(Need::SEE, overview::page),
        // They look alike for everybody, and the page to sign in needs them.
        Door::at(assets::PATH).get(Need::Public, assets::one),
        Door::at(live::PATH).get(Need::SEE, live::events),
        Door::at(output::PATH).get(Need::SEE, output::output),
        Door::at(check::PATH).get(Need::SEE, check::page).post(Need::ACT, check::act),
        Door::at(run::PATH).get(Need::SEE, run::page),
        Door::at(regions::PATH).get(Need::SEE, regions::page),
        Door::at(deliveries::PATH).get(Need::SEE, deliveries::page),
        Door::at(rules::PATH).get(Need::SEE, rules::page),
        Door::at(rules::ONE).get(Need::SEE, rules::one),
        Door::at(on_call::PATH).get(Need::SEE, on_call::page),
    ];
    single.into_iter().chain(incidents::doors()).chain(incident::doors()).collect()
}

/// A whole page.
#[derive(Debug, Clone)]
struct Page(String);

/// The media type of a page.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HTML)], self.0).into_response()
    }
}
