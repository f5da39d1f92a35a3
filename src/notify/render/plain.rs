//! A notification as plain text, for where there are no credentials.

use super::clean::{cut, line};
use super::drill::drill;
use super::wording;
use crate::notify::Outbound;

const NAME_LIMIT: usize = 200;
const ERROR_LIMIT: usize = 800;
const NOTE_LIMIT: usize = 600;
const STEP_LIMIT: usize = 300;
const MATRIX_LIMIT: usize = 500;

/// Writes a notification as lines of text: the headline, where and on which request, how the
/// other regions are doing, since when, the error, where to look.
pub fn plain(message: &Outbound<'_>) -> String {
    if let Some(text) = drill(message.notification) {
        return text;
    }
    let mut lines = facts(message);
    let incident = format!("Incident {}", message.notification.incident);
    lines.push(match message.link {
        Some(link) => format!("{incident}: {}", line(link)),
        None => incident,
    });
    let runbook = message.notification.notice.runbook.as_deref();
    lines.extend(runbook.map(|runbook| format!("Runbook: {}", line(runbook))));
    lines.join("\n")
}

/// All of it but where to look; the first line is the headline.
pub(super) fn facts(message: &Outbound<'_>) -> Vec<String> {
    let notification = message.notification;
    let notice = &notification.notice;
    let repeat = wording::repeat_mark(notification);
    let name = cut(&wording::name(notice), NAME_LIMIT);
    let mut lines = vec![format!("{}: {name}{repeat}", wording::title(notification))];
    lines.extend(wording::note(notice).map(|note| cut(&note, NOTE_LIMIT)));
    let matrix = wording::matrix(notice).map(|matrix| cut(&matrix, MATRIX_LIMIT));
    let place = match matrix {
        Some(_) => notice.region.to_string(),
        None => wording::regions(notice),
    };
    let mut facts: Vec<String> = Vec::new();
    facts.extend(wording::has_place(notice).then(|| format!("in {place}")));
    let last = if wording::is_wrong(notice) { "" } else { "last failing " };
    let step = wording::step(notice).map(|step| cut(&step, STEP_LIMIT));
    facts.extend(step.map(|step| format!("{last}step \"{step}\"")));
    facts.extend(wording::in_a_row(notice));
    lines.extend(Some(facts.join(", ")).filter(|facts| !facts.is_empty()));
    let label = if wording::is_wrong(notice) { "" } else { "Last failing request: " };
    lines.extend(wording::request(notice).map(|request| format!("{label}{request}")));
    lines.extend(matrix.map(|matrix| format!("Regions: {matrix}")));
    lines.push(wording::when(notification));
    let label = if wording::is_wrong(notice) {
        String::new()
    } else {
        format!("{}: ", wording::last_error(notice))
    };
    let error = wording::error(notice).map(|error| cut(&error, ERROR_LIMIT));
    lines.extend(error.map(|error| format!("{label}{error}")));
    lines
}
