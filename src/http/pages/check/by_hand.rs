//! Having a check run at once, and what came of that.

use std::str::FromStr as _;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use maud::{Markup, html};
use uuid::Uuid;

use super::find;
use crate::domain::check::Check;
use crate::domain::errand::Errand;
use crate::domain::id::{CheckId, Region};
use crate::engine::errands::Wish;
use crate::http::Api;
use crate::http::errands::{Refusal, refused};
use crate::http::pages::layout::Frame;
use crate::http::pages::posted::Posted;
use crate::http::pages::{by_hand, links};
use crate::http::problem::{Problem, shortened};

/// What follows the id in the path to which the form is sent.
const RUN_NOW: &str = "/run-now";

/// How many errands are listed.
const LISTED: u32 = 3;

/// Has the check run at once, and leads back to its page.
pub(in crate::http::pages) async fn act(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    posted: Posted,
) -> Result<Redirect, Refusal> {
    let Path(path) = path.map_err(|_| Problem::parameter("id", "the id is no valid text"))?;
    let Some(id) = path.strip_suffix(RUN_NOW) else {
        let detail = format!("nothing can be sent to /checks/{}", shortened(&path));
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into());
    };
    let check = find(&api, id)?.id.clone();
    let (said, by) = posted.read(&["region"])?;
    // None means all.
    let region = said
        .read_unless_empty("region", |text| Region::new(text).map_err(|error| error.to_string()))?;
    let wish = Wish { check, region, incident: None };
    let errand = api.errands.ask(wish, by).await.map_err(refused)?;
    Ok(Redirect::to(&format!("{}?asked={}#by-hand", links::check(&errand.check), errand.id)))
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
                (by_hand::list(errands, |errand| asked == Some(errand.id.0), frame.now))
            }
        }
    }
}
