//! A rule: how it stands, its chart, and what is beyond its threshold.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use maud::{Markup, PreEscaped, html};

use super::asked::{Window, refused};
use super::{drawn, standing};
use crate::domain::Timestamp;
use crate::domain::rule::span;
use crate::domain::rule::state::RuleState;
use crate::engine::rules::snapshot::RuleStatus;
use crate::http::Api;
use crate::http::pages::layout::{Frame, Section};
use crate::http::pages::{Page, links, wording};
use crate::http::parameters::Parameters;
use crate::http::problem::{Problem, shortened};
use crate::query::number;

/// So many label sets are listed.
const TRACKS: usize = 100;

/// One rule.
pub(in crate::http::pages) async fn one(
    State(api): State<Api>,
    frame: Frame,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["window"])?;
    let window = Window::read(&parameters)?;
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let snapshot = api.rules.snapshot().await?;
    let found = snapshot.rules.iter().find(|it| it.rule.name.as_str() == name);
    let missing = || Problem::missing(format!("there is no rule `{}`", shortened(&name)));
    let status = found.ok_or_else(missing)?;
    let drawing = match drawn::of_rule(&api, &status.rule, window, &frame).await {
        Ok(svg) => html! { (PreEscaped(svg)) },
        Err(refusal) => refused(refusal)?,
    };
    let content = html! {
        p.way-up { a href=(super::PATH) { "Rules" } }
        h1 { (status.rule.name) }
        div #standing-of-rule data-live { p { (standing(&status.state, frame.now)) } }
        (terms(status, frame.now))
        form.filter action=(links::rule(&status.rule.name)) method="get" {
            (window.choice())
            button type="submit" { "Show" }
        }
        div #chart data-live { (drawing) }
        div #tracks data-live { (beyond(&status.state, frame.now)) }
        details.expression #expression {
            summary { "The expression" }
            pre { code { (status.rule.condition.expression()) } }
        }
    };
    Ok(frame.page(Section::Rules, status.rule.name.as_str(), &content))
}

fn terms(status: &RuleStatus, now: Timestamp) -> Markup {
    let rule = &status.rule;
    let told = rule.policy.tiers.iter().flat_map(|tier| &tier.notify);
    let told: Vec<String> = told.map(ToString::to_string).collect();
    html! {
        dl.particulars {
            dt { "For" } dd { (span(rule.hold)) }
            dt { "Evaluated" }
            dd {
                "every " (span(rule.interval))
                @if let Some(at) = status.evaluated_at { ", last " (wording::ago(at, now)) }
            }
            dt { "Tells" }
            dd { @if told.is_empty() { "nobody" } @else { (told.join(", ")) } }
            @for (name, text) in &rule.annotations { dt { (name) } dd { (text.text()) } }
            @if let Some(runbook) = &rule.runbook {
                dt { "Runbook" }
                dd { a href=(runbook) rel="noreferrer" { (runbook) } }
            }
        }
    }
}

/// What is beyond the threshold now, for long enough or not yet.
fn beyond(state: &RuleState, now: Timestamp) -> Markup {
    html! {
        @if !state.tracks.is_empty() {
            table.cards {
                caption { "Beyond the threshold" }
                thead {
                    tr {
                        th scope="col" { "Labels" }
                        th scope="col" { "State" }
                        th scope="col" { "Since" }
                        th scope="col" { "Value" }
                    }
                }
                tbody {
                    @for (labels, track) in state.tracks.iter().take(TRACKS) {
                        tr {
                            th scope="row" {
                                @if labels.is_empty() { "all together" } @else { code { (labels) } }
                            }
                            td data-label="State" {
                                @if track.is_breached() { span.mark.down { "breached" } }
                                @else { span.mark.held { "pending" } }
                            }
                            td data-label="Since" { (wording::ago(track.since, now)) }
                            td data-label="Value" { (number(track.value)) }
                        }
                    }
                }
            }
        }
    }
}
