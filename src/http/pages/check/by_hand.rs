//! Having a check run at once, and what came of that.

use std::str::FromStr as _;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use maud::{Markup, html};
use url::form_urlencoded;
use uuid::Uuid;

use super::find;
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::errand::{Errand, Leg, Stage};
use crate::domain::id::{CheckId, Region};
use crate::domain::restraint::{Actor, Via};
use crate::engine::errands::Wish;
use crate::http::Api;
use crate::http::access::Visitor;
use crate::http::acts::Leave;
use crate::http::errands::{Refusal, refused};
use crate::http::pages::layout::Frame;
use crate::http::pages::{links, marks, wording};
use crate::http::problem::{Problem, shortened};

/// What follows the id in the path to which the form is sent.
const RUN_NOW: &str = "/run-now";

/// How many errands are listed.
const LISTED: u32 = 3;

/// Has the check run at once, and leads back to its page.
pub(in crate::http::pages) async fn act(
    State(api): State<Api>,
    visitor: Visitor,
    path: Result<Path<String>, PathRejection>,
    _: Leave,
    body: Bytes,
) -> Result<Redirect, Refusal> {
    let Path(path) = path.map_err(|_| Problem::parameter("id", "the id is no valid text"))?;
    let Some(id) = path.strip_suffix(RUN_NOW) else {
        let detail = format!("nothing can be sent to /checks/{}", shortened(&path));
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into());
    };
    let check = find(&api, id)?.id.clone();
    let wish = Wish { check, region: region(&body)?, incident: None };
    let name = visitor.name().unwrap_or("a visitor").to_owned();
    let by = Actor { name, via: Via::Web };
    let errand = api.errands.ask(wish, by).await.map_err(refused)?;
    Ok(Redirect::to(&format!("{}?asked={}#by-hand", links::check(&errand.check), errand.id)))
}

/// The region that a form names; none where it means all.
fn region(body: &[u8]) -> Result<Option<Region>, Problem> {
    let mut fields = form_urlencoded::parse(body);
    let named = fields.find(|(name, value)| name == "region" && !value.is_empty());
    let region =
        |text: &str| Region::new(text).map_err(|it| Problem::parameter("region", it.to_string()));
    named.map(|(_, text)| region(&text)).transpose()
}

/// The id of an errand, as it stands in a URL.
pub(super) fn errand_id(text: &str) -> Result<Uuid, String> {
    Uuid::from_str(text).map_err(|_| "the id of an errand is a UUID".to_owned())
}

/// The last ones.
pub(super) async fn latest(api: &Api, check: &CheckId) -> Result<Vec<Errand>, Problem> {
    Ok(api.errands.of_check(check, LISTED).await?)
}

/// The form, and what came of earlier ones; `asked` was asked for right before.
pub(super) fn section(
    check: &Check,
    errands: &[Errand],
    asked: Option<Uuid>,
    frame: &Frame,
) -> Markup {
    html! {
        div #by-hand {
            @if frame.may_act() { form.act method="post" action={ (links::check(&check.id)) (RUN_NOW) } {
                (frame.form_word())
                @if check.regions.len() > 1 {
                    label.field {
                        span { "Run in" }
                        select name="region" {
                            option value="" { "all regions" }
                            @for region in &check.regions { option value=(region) { (region) } }
                        }
                    }
                }
                button type="submit" { "Run now" }
                p.quiet { "Counts for nothing: only scheduled runs begin or end an incident." }
            } }
            div #errands data-live role="status" {
                @for errand in errands.iter().take(LISTED as usize) {
                    (shown(errand, asked == Some(errand.id.0), frame.now))
                }
            }
        }
    }
}

fn shown(errand: &Errand, is_new: bool, now: Timestamp) -> Markup {
    html! {
        div.errand.new[is_new] {
            p {
                @if is_new { b { "Asked for. " } }
                "Run by hand for " (errand.by) ", " (wording::ago(errand.asked_at, now))
            }
            ul { @for it in &errand.legs { (leg(it)) } }
        }
    }
}

fn leg(leg: &Leg) -> Markup {
    html! {
        li {
            @match &leg.stage {
                Stage::Ended(ended) => {
                    (marks::outcome(ended.outcome)) " "
                    a href=(links::run(leg.run)) { (leg.region) }
                },
                _ => (leg.region),
            }
            ": " (leg.sentence())
        }
    }
}
