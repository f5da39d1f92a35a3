//! Rules: how they stand, what they look at, and a field to try an expression.

mod asked;
mod drawn;
mod one;

use axum::extract::{RawQuery, State};
use maud::{Markup, html};

use self::asked::Window;
pub(super) use self::one::one;
use super::layout::{Frame, Section};
use super::{Page, controls, links, wording};
use crate::domain::Timestamp;
use crate::domain::rule::state::{RuleState, Standing};
use crate::domain::rule::{Condition, span, words};
use crate::engine::rules::snapshot::RuleStatus;
use crate::http::Api;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

/// Where they are.
pub(super) const PATH: &str = "/rules";

/// Where each of them is.
pub(super) const ONE: &str = "/rules/{name}";

/// So many characters of an expression are shown before it is unfolded.
const LONGEST: usize = 80;

/// All rules, and what an expression yields that somebody tries.
pub(super) async fn page(
    State(api): State<Api>,
    frame: Frame,
    RawQuery(query): RawQuery,
) -> Result<Page, Problem> {
    let parameters = Parameters::parse(query.as_deref(), &["try", "window"])?;
    let window = Window::read(&parameters)?;
    let text = parameters.text("try").unwrap_or_default().trim();
    let snapshot = api.rules.snapshot().await?;
    let tried = match text {
        "" => html! {},
        text => asked::tried(&api, text, window, &frame).await?,
    };
    let content = html! {
        h1 { "Rules" }
        div #rules data-live { (table(&snapshot.rules, frame.now)) }
        section aria-labelledby="try-title" {
            h2 #try-title { "Try an expression" }
            (field(text, window))
            (tried)
        }
    };
    Ok(frame.page(Section::Rules, "Rules", &content))
}

/// The field to try an expression in.
fn field(text: &str, window: Window) -> Markup {
    html! {
        form.filter action=(PATH) method="get" {
            label.field.whole {
                span { "PromQL, such as " code { "rate(logins_total[5m]) < 1" } }
                textarea name="try" rows="2" maxlength="4000" spellcheck="false" autocapitalize="none" {
                    (text)
                }
            }
            (window.choice())
            button type="submit" { "Try" }
            @if !text.is_empty() { a.quiet href=(PATH) { "Clear" } }
        }
    }
}

fn table(rules: &[RuleStatus], now: Timestamp) -> Markup {
    if rules.is_empty() {
        return controls::nothing(
            "There are no rules.",
            &html! {
                "Try an expression below, then write it as a " code { "[[rule]]" } " in tripline.toml: it \
                 tells people when a metric is not as it should be."
            },
        );
    }
    html! {
        table.cards {
            caption.unseen { "Rules" }
            thead {
                tr {
                    th scope="col" { "Rule" }
                    th scope="col" { "State" }
                    th scope="col" { "Condition" }
                    th.number scope="col" title="For how long it must be so before anybody is told" { "For" }
                }
            }
            tbody {
                @for (place, status) in rules.iter().enumerate() {
                    tr {
                        th scope="row" { a href=(links::rule(&status.rule.name)) { (status.rule.name) } }
                        td data-label="State" { (standing(&status.state, now)) }
                        td data-label="Condition" { (condition(&status.rule.condition, place)) }
                        td.number data-label="For" { (span(status.rule.hold)) }
                    }
                }
            }
        }
    }
}

/// What a rule looks at: in words where it was written so, and its expression, folded where it is long.
fn condition(condition: &Condition, place: usize) -> Markup {
    let text = condition.expression();
    let in_brief = match condition {
        Condition::Change(change) => html! { (change.in_words()) },
        Condition::Expression(_) | Condition::Absent(_) => {
            let first = text.trim().lines().next().unwrap_or_default();
            if text.trim().chars().count() <= LONGEST && first.len() == text.trim().len() {
                return html! { code { (first) } };
            }
            let beginning: String = first.chars().take(LONGEST).collect();
            html! { code { (beginning) "…" } }
        }
    };
    html! {
        details.expression id={ "expression-" (place) } {
            summary { (in_brief) }
            pre { code { (text) } }
        }
    }
}

/// How a rule stands, since when, and why where that is not plain.
fn standing(state: &RuleState, now: Timestamp) -> Markup {
    let class = match state.standing {
        Standing::Breached | Standing::Failing => "down",
        Standing::Pending => "held",
        Standing::Ok => "up",
        Standing::NoData => "unknown",
        Standing::New | Standing::NoHistory => "never",
    };
    html! {
        span.mark.(class) { (state.standing.in_words()) }
        @if let Some(since) = since(state) { " " span.quiet { "for " (wording::lasting(since, now)) } }
        @if let Some(error) = &state.error { span.because { (error) } }
        @if !state.missing.is_empty() { span.because { "no data for " (words::missing(state)) } }
    }
}

/// Since when it stands so, where that is known.
fn since(state: &RuleState) -> Option<Timestamp> {
    match state.standing {
        Standing::Breached => state.tracks.values().filter_map(|it| it.breached_at).min(),
        Standing::Pending => state.tracks.values().map(|it| it.since).min(),
        Standing::NoData | Standing::Failing => state.unseen_since,
        Standing::New | Standing::Ok | Standing::NoHistory => None,
    }
}
