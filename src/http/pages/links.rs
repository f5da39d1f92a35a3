//! Where things have their pages: the one place that knows.

use std::fmt::Display;

use maud::{Markup, html};
use url::form_urlencoded::byte_serialize;

use crate::domain::errand::ErrandId;
use crate::domain::id::{CheckId, IncidentId, Region};
use crate::domain::rule::RuleName;
use crate::http::output;

/// The page of a check. Names need no escaping in a path.
pub(super) fn check(id: &CheckId) -> String {
    format!("/checks/{id}")
}

/// The page of an incident.
pub(super) fn incident(id: IncidentId) -> String {
    format!("/incidents/{id}")
}

/// The overview of the checks of a region, whose name needs no escaping.
pub(super) fn checks_in(region: &Region) -> String {
    format!("/?region={region}")
}

/// The page of a run.
pub(in crate::http) fn run(id: impl Display) -> String {
    format!("/runs/{id}")
}

/// Where a page is told what the runs of an errand do.
pub(super) fn output(id: ErrandId) -> String {
    output::PATH.replace("{id}", &id.to_string())
}

/// The page of a rule.
pub(super) fn rule(name: &RuleName) -> String {
    // In a path, a plus is no space.
    let name: String = byte_serialize(name.as_str().as_bytes()).collect();
    format!("/rules/{}", name.replace('+', "%20"))
}

/// What somebody wrote, as a link where a browser may follow it.
pub(super) fn written(text: &str) -> Markup {
    let is_link = text.starts_with("https://") || text.starts_with("http://");
    html! { @if is_link { a href=(text) rel="noreferrer" { (text) } } @else { (text) } }
}
