//! What can be done about an incident: the forms, and who takes them. What they mean is decided where the same
//! acts by the API are.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::domain::id::IncidentId;
use crate::domain::incident::acting::Act;
use crate::domain::subject::Subject;
use crate::engine::errands::Wish;
use crate::http::acts::{LONGEST_TEXT, length, line, reason, take};
use crate::http::pages::layout::Frame;
use crate::http::pages::posted::{Done, Posted};
use crate::http::pages::{controls, links};
use crate::http::parameters::number;
use crate::http::problem::Problem;
use crate::http::{Api, dto, errands, silences};
use crate::store::IncidentRecord;

type Id = Result<Path<String>, PathRejection>;

/// The forms; none where it is over. `can_run` says whether there is a check to be run.
pub(super) fn forms(record: &IncidentRecord, can_run: bool, frame: &Frame) -> Markup {
    let path = links::incident(record.id);
    let is_acknowledged = record.incident.story.acknowledged.is_some();
    html! {
        section.acts #acts data-live aria-label="What you can do" {
            @if record.incident.resolved_at.is_none() && frame.may_act() {
                (acknowledging(&path, is_acknowledged, frame))
                @if can_run {
                    form method="post" action={ (path) "/run-now" } {
                        (frame.form_word())
                        button type="submit" { "Run now" }
                    }
                }
                (controls::folded("note", "Note…", &html! {
                    form.act method="post" action={ (path) "/note" } {
                        p.quiet { "Those who follow are told; it wakes nobody." }
                        label.field.wide { span { "What you say" } input name="text" required maxlength=(LONGEST_TEXT); }
                        (frame.signature())
                        button type="submit" { "Add the note" }
                    }
                }))
                @if scope(&record.subject).is_some() { (silencing(&path, frame)) }
                (controls::folded("resolve", "Resolve…", &html! {
                    form.act method="post" action={ (path) "/resolve" } {
                        p.quiet { "Whoever was told is told that it is over. What fails on opens it again." }
                        label.field.wide { span { "Why" } input name="reason" maxlength=(LONGEST_TEXT); }
                        (frame.signature())
                        button.danger type="submit" { "Resolve the incident" }
                    }
                }))
            }
        }
    }
}

/// One press is enough; what else can be said is folded away.
fn acknowledging(path: &str, is_acknowledged: bool, frame: &Frame) -> Markup {
    let take_back = html! {
        form.act method="post" action={ (path) "/unacknowledge" } {
            p.quiet {
                "Nobody takes care any more then: whoever was told is told again; in a silence or a "
                "maintenance, when it is over."
            }
            (frame.signature())
            button.danger type="submit" { "Take the acknowledgement back" }
        }
    };
    html! {
        form.act.first method="post" action={ (path) "/acknowledge" } {
            button.primary[!is_acknowledged] type="submit" data-key="acknowledge" {
                @if is_acknowledged { "Acknowledge anew" } @else { "Acknowledge" }
            }
            details #acknowledge {
                summary { "for how long, why, who" }
                div.fields {
                    (controls::lasting(""))
                    label.field.wide { span { "Why" } input name="reason" maxlength=(LONGEST_TEXT); }
                    (frame.signature())
                }
            }
        }
        @if is_acknowledged {
            (controls::folded("take-back", "Take back…", &take_back))
        }
    }
}

fn silencing(path: &str, frame: &Frame) -> Markup {
    controls::folded(
        "silence",
        "Silence…",
        &html! {
            form.act method="post" action={ (path) "/silence" } {
                p.quiet { "Nobody is told of it until that ends; what still fails then is told." }
                div.fields {
                    (controls::lasting("1h"))
                    label.field.wide { span { "Why" } input name="reason" required maxlength=(LONGEST_TEXT); }
                    (frame.signature())
                }
                button type="submit" { "Silence" }
            }
        },
    )
}

fn numbered(id: Id) -> Result<IncidentId, Problem> {
    number("an incident", id).map(IncidentId)
}

pub(super) async fn acknowledge(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (said, by)) = (numbered(id)?, posted.read(&["for", "reason"])?);
    let lasts = said.text("for").map(|text| length("for", text)).transpose()?;
    let act = Act::Acknowledge { reason: reason(said.text("reason"))?, lasts };
    take(&api, id, &act, &by).await?;
    Ok(Done::Acknowledged.back_to(&links::incident(id)))
}

pub(super) async fn take_back(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (_, by)) = (numbered(id)?, posted.read(&[])?);
    take(&api, id, &Act::TakeBack, &by).await?;
    Ok(Done::LeftAlone.back_to(&links::incident(id)))
}

pub(super) async fn resolve(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (said, by)) = (numbered(id)?, posted.read(&["reason"])?);
    take(&api, id, &Act::Resolve { reason: reason(said.text("reason"))? }, &by).await?;
    Ok(Done::Resolved.back_to(&links::incident(id)))
}

pub(super) async fn note(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (said, by)) = (numbered(id)?, posted.read(&["text"])?);
    let text = line("text", said.text("text").unwrap_or_default(), LONGEST_TEXT)?;
    take(&api, id, &Act::Note { text }, &by).await?;
    Ok(Done::Noted.back_to(&links::incident(id)))
}

/// Silences what the incident is about.
pub(super) async fn silence(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (said, by)) = (numbered(id)?, posted.read(&["for", "reason"])?);
    let record = about(&api, id).await?;
    let scope = scope(&record.subject).ok_or_else(|| {
        Problem::parameter("id", "messages that do not arrive cannot be silenced")
    })?;
    let lasts = said.text("for").map(ToOwned::to_owned);
    let reason = said.text("reason").unwrap_or_default().to_owned();
    silences::silence(&api, &dto::SentSilence { reason, lasts, ..scope }, by).await?;
    Ok(Done::Silenced.back_to(&links::incident(id)))
}

/// What silences a subject and little else; `None` where nothing does.
fn scope(subject: &Subject) -> Option<dto::SentSilence> {
    let mut scope = dto::SentSilence::default();
    let names = match subject {
        Subject::Check(_) | Subject::Coverage(_) => &mut scope.checks,
        Subject::Rule(_) | Subject::Unseen(_) => &mut scope.rules,
        Subject::Region(_) | Subject::Shortfall(_) => &mut scope.regions,
        Subject::Path(_) | Subject::Drill => return None,
    };
    names.push(subject.name().to_owned());
    Some(scope)
}

/// Asks agents to run the check that the incident is about.
pub(super) async fn run_now(
    State(api): State<Api>,
    id: Id,
    posted: Posted,
) -> Result<Response, Problem> {
    let (id, (_, by)) = (numbered(id)?, posted.read(&[])?);
    let record = about(&api, id).await?;
    let Some(check) = record.subject.check().cloned() else {
        return Err(Problem::parameter("id", "the incident is about no check that could be run"));
    };
    let wish = Wish { check, region: None, incident: Some(id) };
    api.errands.ask(wish, by).await.map_err(|refusal| errands::refused(refusal).1)?;
    Ok(Done::Asked.back_to(&links::incident(id)))
}

async fn about(api: &Api, id: IncidentId) -> Result<IncidentRecord, Problem> {
    let history = api.store.incident(id).await?;
    let missing = || Problem::missing(format!("there is no incident {id}"));
    Ok(history.ok_or_else(missing)?.record)
}
