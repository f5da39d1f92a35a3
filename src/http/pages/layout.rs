//! What stands around every page: its head, the navigation, whether Tripline itself works, and who is
//! looking.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono_tz::Tz;
use maud::{DOCTYPE, Markup, html};

use super::{Page, assets, deliveries, on_call, regions, rules, sign_in, wording, zone};
use crate::domain::Timestamp;
use crate::http::access::{FORM_WORD, Visitor};
use crate::http::problem::Problem;
use crate::http::{Acting, Api, dto, health};

/// A part of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// All checks.
    Overview,
    /// All incidents.
    Incidents,
    /// Regions and agents.
    Regions,
    /// Rules.
    Rules,
    /// Who is on duty.
    OnCall,
    /// Messages.
    Deliveries,
}

impl Section {
    /// In the order in which people read them: the word, and where it leads.
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Overview, "Overview", "/"),
        (Self::Incidents, "Incidents", "/incidents"),
        (Self::Regions, "Regions", regions::PATH),
        (Self::Rules, "Rules", rules::PATH),
        (Self::OnCall, "On-call", on_call::PATH),
        (Self::Deliveries, "Deliveries", deliveries::PATH),
    ];
}

/// What a page is put into; it is known before the page is.
#[derive(Debug)]
pub(super) struct Frame {
    version: &'static str,
    standing: Standing,
    visitor: Visitor,
    acting: Acting,
    /// In which charts are drawn.
    pub(super) zone: Tz,
    /// The present, the same in all of the page.
    pub(super) now: Timestamp,
}

/// Whether Tripline itself works, and if not, why.
#[derive(Debug)]
struct Standing {
    status: dto::HealthStatus,
    reasons: Vec<String>,
}

impl FromRequestParts<Api> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, api).await?;
        let health = health::verdict(api).await;
        let standing = Standing { status: health.status, reasons: health.reasons };
        let (acting, now) = (api.access.acting(), api.clock.now());
        let zone = zone::of(&parts.headers);
        Ok(Self { version: api.version, standing, visitor, acting, zone, now })
    }
}

impl Frame {
    /// The whole page: `title` is what a tab shows, `content` begins with the heading.
    pub(super) fn page(&self, section: Section, title: &str, content: &Markup) -> Page {
        let around = html! {
            (header(Some(section), Some(&self.standing)))
            main #content tabindex="-1" { (content) }
            footer {
                p { "Tripline " (self.version) }
                p #as-of data-live { "As of " (wording::moment(self.now, self.now)) }
                (visitor(&self.visitor, self.acting))
                p { a href="/api/v1" { "API" } }
            }
        };
        Page(document(title, &around).into_string())
    }
}

/// What forms need.
impl Frame {
    /// Whether whoever looks may act; else there is nothing to press.
    pub(super) fn may_act(&self) -> bool {
        self.visitor.may_act()
    }

    /// Who acts: a field for the name, unless it is known.
    pub(super) fn signature(&self) -> Markup {
        html! {
            (self.form_word())
            @if self.visitor.name().is_none() {
                label.field {
                    span { "Your name" }
                    // Browsers know it.
                    input name="by" autocomplete="name" maxlength="100" placeholder="somebody";
                }
            }
        }
    }

    /// The field by which a form is known to come from one of our pages, where there is a session.
    pub(super) fn form_word(&self) -> Markup {
        html! {
            @if let Some(word) = self.visitor.form_word() {
                input type="hidden" name=(FORM_WORD) value=(word);
            }
        }
    }
}

/// A page of which nothing is known but what went wrong.
pub(super) fn bare(title: &str, content: &Markup) -> Markup {
    let around = html! { (header(None, None)) main #content tabindex="-1" { (content) } };
    document(title, &around)
}

fn document(title: &str, around: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Tripline" }
                link rel="icon" type="image/svg+xml" href=(assets::url("tripline.svg"));
                link rel="stylesheet" href=(assets::url("tripline.css"));
                link rel="stylesheet" href=(assets::url("charts.css"));
                @for module in ["times.js", "live.js", "keys.js", "charts.js", "output.js"] {
                    script type="module" src=(assets::url(module)) {}
                }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (around)
            }
        }
    }
}

fn header(present: Option<Section>, standing: Option<&Standing>) -> Markup {
    html! {
        header.top {
            a.brand href="/" { span.wire aria-hidden="true" {} "Tripline" }
            nav aria-label="Pages" {
                ul {
                    @for (section, word, path) in Section::ALL {
                        li {
                            a href=(path) aria-current=[(present == Some(section)).then_some("page")] {
                                (word)
                            }
                        }
                    }
                }
            }
            @if let Some(standing) = standing {
                (standing.shown())
                // Filled by a script: without one, nothing is kept up to date, and nothing says so.
                p.liveness #liveness role="status" {}
            }
        }
    }
}

impl Standing {
    /// A word where all is well, and the reasons where it is not: a page that looks calm because
    /// nobody is watching would be a lie.
    fn shown(&self) -> Markup {
        let (class, word) = match self.status {
            dto::HealthStatus::Healthy => ("up", "watching"),
            dto::HealthStatus::Degraded => ("unknown", "degraded"),
            dto::HealthStatus::Unhealthy => ("down", "not working"),
        };
        html! {
            div.standing #standing data-live {
                @if self.reasons.is_empty() {
                    span.mark.(class) title="Tripline itself works" { (word) }
                } @else {
                    details {
                        summary { span.mark.(class) { (word) } }
                        ul.reasons { @for reason in &self.reasons { li { (reason) } } }
                    }
                }
            }
        }
    }
}

/// Who is looking, with the way out; where nobody signs in, what that allows.
fn visitor(visitor: &Visitor, acting: Acting) -> Markup {
    if let Some(name) = visitor.name() {
        return html! {
            p.visitor {
                strong { (name) } @if visitor.may_act() { ", who may act" } @else { ", who may look" }
            }
            @if let Some(word) = visitor.form_word() { (sign_in::way_out(word)) }
        };
    }
    let words = match acting {
        Acting::Everybody => "No sign-in: whoever reaches this page may act.",
        Acting::ThisMachine => "No sign-in: other machines may look, this one may act.",
    };
    html! { p.visitor { (words) } }
}
