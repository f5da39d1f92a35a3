//! What people asked not to be told of, and the form by which they ask.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::domain::id::Region;
use crate::domain::restraint::Silence;
use crate::http::pages::layout::Frame;
use crate::http::pages::posted::{Done, Posted};
use crate::http::pages::{controls, wording};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{Api, dto, silences};

/// Where they are asked for.
pub(super) const PATH: &str = "/incidents/silences";

/// So many names are offered; others can be typed.
const OFFERED: usize = 200;

/// Takes the form.
pub(super) async fn begin(State(api): State<Api>, posted: Posted) -> Result<Response, Problem> {
    let known = ["check", "rule", "region", "label", "everything", "reason", "for"];
    let (said, by) = posted.read(&known)?;
    silences::silence(&api, &wanted(&said)?, by).await?;
    Ok(Done::Silenced.back_to(super::PATH))
}

/// Ends one.
pub(super) async fn end(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    posted: Posted,
) -> Result<Response, Problem> {
    posted.read(&[])?;
    silences::finish(&api, id).await?;
    Ok(Done::Unsilenced.back_to(super::PATH))
}

fn wanted(said: &Parameters) -> Result<dto::SentSilence, Problem> {
    let one = |name| said.text(name).map(|text| text.trim().to_owned()).into_iter().collect();
    let label = |text: &str| {
        let parts = text.trim().split_once('=');
        parts
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| Problem::parameter("label", "a label is written like `team=shop`"))
    };
    let labels: Option<(String, String)> = said.text("label").map(label).transpose()?;
    Ok(dto::SentSilence {
        checks: one("check"),
        rules: one("rule"),
        regions: one("region"),
        labels: labels.into_iter().collect::<BTreeMap<_, _>>(),
        everything: said.text("everything").is_some(),
        reason: said.text("reason").unwrap_or_default().to_owned(),
        by: None,
        via: None,
        lasts: said.text("for").map(ToOwned::to_owned),
        until: None,
    })
}

/// Those that are not over, and the form.
pub(super) fn section(silences: &[Silence], api: &Api, frame: &Frame) -> Markup {
    html! {
        section aria-labelledby="silences-title" {
            h2 #silences-title { "Silences" }
            div #silences data-live {
                @if silences.is_empty() {
                    p.quiet { "Nobody asked not to be told of anything." }
                } @else {
                    ul.past { @for silence in silences { (shown(silence, frame)) } }
                }
            }
            @if frame.may_act() {
                details.asked #silence {
                    summary { "Silence something…" }
                    (form(api, frame))
                }
            }
        }
    }
}

fn shown(silence: &Silence, frame: &Frame) -> Markup {
    let now = frame.now;
    let word = html! { "End…" span.unseen { " the silence of " (silence.scope) } };
    let form = html! {
        form.act method="post" action={ (PATH) "/" (silence.id) "/end" } {
            p.quiet { "What still fails is told then." }
            (frame.form_word())
            button.danger type="submit" { "End the silence" }
        }
    };
    html! {
        li.row {
            div {
                p.what { b { (silence.scope) } span.quiet { " until " (wording::moment(silence.until, now)) } }
                p { (silence.reason) }
                p.quiet { (silence.by) ", " (wording::ago(silence.from, now)) }
            }
            @if frame.may_act() {
                (controls::folded(&format!("end-{}", silence.id), &word, &form))
            }
        }
    }
}

fn form(api: &Api, frame: &Frame) -> Markup {
    let checks = api.checks.load_full();
    let regions: BTreeSet<&str> =
        checks.iter().flat_map(|check| &check.regions).map(Region::as_str).collect();
    let regions: Vec<_> =
        regions.into_iter().map(|name| (name.to_owned(), name.to_owned())).collect();
    html! {
        form.act method="post" action=(PATH) {
            p.quiet {
                "Checks run on and incidents open and end; nobody is told. What still fails when the "
                "silence is over is told then. Of several fields, all have to fit."
            }
            div.fields {
                label.field {
                    span { "Check" }
                    input name="check" list="check-ids" placeholder="its id" autocomplete="off";
                }
                datalist #check-ids {
                    @for check in checks.iter().take(OFFERED) { option value=(check.id) { (check.name) } }
                }
                label.field { span { "Rule" } input name="rule" placeholder="its name" autocomplete="off"; }
                (controls::choice("Region", "region", "any", &regions, ""))
                label.field { span { "Label" } input name="label" placeholder="team=shop" autocomplete="off"; }
                (controls::lasting("2h"))
                label.field.wide { span { "Why" } input name="reason" required maxlength="500"; }
                (frame.signature())
                label.choice { input type="checkbox" name="everything" value="yes"; "Everything" }
            }
            button type="submit" { "Silence" }
        }
    }
}
