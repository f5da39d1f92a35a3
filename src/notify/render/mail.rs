//! A notification as an e-mail: a subject that is the same for all of an incident, so that programs
//! show it as one conversation, and the same words as text and as HTML.
//!
//! Programs make links of whatever looks like one, in text, too, so no address out of a notice stays
//! whole; in HTML everything is escaped.

use std::fmt::Write as _;

use super::clean::{cut, line};
use super::digest::plain_digest;
use super::drill::drill;
use super::sms::without_links;
use super::{plain, wording};
use crate::domain::failed_request::FailedRequest;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::Notification;
use crate::notify::{Digest, Item, Outbound};

const NAME_LIMIT: usize = 100;
/// The colour of what is neither wrong nor over.
const QUIET: &str = "#6b7280";

/// What an e-mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its subject: one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Writes a notification as an e-mail.
pub fn mail(message: &Outbound<'_>) -> Mail {
    if let Some(text) = drill(message.notification) {
        return mail_of(&text);
    }
    let notification = unlinked(message.notification);
    let name = cut(&wording::name(&notification.notice), NAME_LIMIT);
    let again = if notification.first_word { "" } else { "Re: " };
    let message = Outbound { notification: &notification, ..*message };
    let facts = plain::facts(&message);
    let link = message.link.map(line);
    let runbook = notification.notice.runbook.as_deref();
    let mut text = facts.join("\n");
    let incident = format!("Incident {}", notification.incident);
    match &link {
        Some(link) => _ = write!(text, "\n\n{incident}: {link}\n"),
        None => _ = write!(text, "\n\n{incident}\n"),
    }
    if let Some(runbook) = runbook {
        _ = writeln!(text, "Runbook: {}", line(runbook));
    }
    let ways = [(incident.as_str(), link.as_deref()), ("Runbook", runbook)];
    Mail {
        subject: format!("{again}{name} (incident {})", notification.incident),
        html: html(&facts, colour(notification.notice.kind), &ways),
        text,
    }
}

/// Writes a digest as an e-mail.
pub fn mail_digest(digest: &Digest<'_>) -> Mail {
    let unlinked: Vec<Notification> =
        digest.told.iter().map(|it| unlinked(it.notification)).collect();
    let told = digest.told.iter().zip(&unlinked);
    let told = told.map(|(it, notification)| Item { notification, link: it.link.clone() });
    let digest = Digest { told: told.collect(), link: digest.link, ..*digest };
    let text = plain_digest(&digest);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // The link stands below.
    lines.pop();
    lines.push(format!("{} open", digest.open));
    let colour = digest.latest().first().map_or(QUIET, |it| colour(it.notification.notice.kind));
    Mail {
        subject: format!("Tripline: {}", lines.first().map_or("", String::as_str)),
        html: html(&lines, colour, &[("All incidents", digest.link)]),
        text: format!("{text}\n"),
    }
}

/// An e-mail that tells of no incident.
pub fn mail_of(text: &str) -> Mail {
    const SUBJECT_LIMIT: usize = 60;
    let said = line(text);
    Mail {
        subject: format!("Tripline: {}", cut(&said, SUBJECT_LIMIT)),
        html: html(std::slice::from_ref(&said), QUIET, &[]),
        text: format!("{said}\n"),
    }
}

/// The same with no address in what may come from the system that is watched.
fn unlinked(notification: &Notification) -> Notification {
    let notice = &notification.notice;
    let unlinked = |text: &String| without_links(&line(text));
    let notice = Notice {
        check_name: unlinked(&notice.check_name),
        step: notice.step.as_ref().map(unlinked),
        request: notice.request.as_ref().map(unlinked_request),
        error: unlinked(&notice.error),
        note: notice.note.as_ref().map(unlinked),
        ..notice.clone()
    };
    Notification { notice, ..notification.clone() }
}

/// A request whose address is read by people and by no program.
fn unlinked_request(request: &FailedRequest) -> FailedRequest {
    let url = line(&request.url);
    let place = url.split_once("://").map_or(url.as_str(), |(_, place)| place);
    let is_stop = |c| matches!(c, '.' | '。' | '．' | '｡');
    FailedRequest {
        method: without_links(&line(&request.method)),
        url: place.replace(is_stop, "(.)").replace("://", "(://)").replace('@', "(at)"),
        error: request.error.as_ref().map(|error| without_links(&line(error))),
        ..request.clone()
    }
}

/// What tells at a glance how it stands.
fn colour(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Failing { .. } => "#dc2626",
        NoticeKind::Acknowledged => "#d97706",
        NoticeKind::Recovered | NoticeKind::Closed => "#16a34a",
        NoticeKind::Blind
        | NoticeKind::Lost
        | NoticeKind::Withdrawn
        | NoticeKind::Noted
        | NoticeKind::Drill => QUIET,
    }
}

/// Lines as HTML, the first as a headline, with links below; one that leads nowhere is a word.
fn html(lines: &[String], colour: &str, ways: &[(&str, Option<&str>)]) -> String {
    let (head, rest) =
        lines.split_first().map_or(("", lines), |(head, rest)| (head.as_str(), rest));
    let mut html = format!(
        "<!doctype html>\n<html><body style=\"font-family:sans-serif;color:#111827\">\n\
         <p style=\"border-left:4px solid {colour};padding-left:8px;font-size:18px\">\
         <strong>{}</strong></p>\n<p>",
        escaped(head)
    );
    let rest: Vec<String> = rest.iter().map(|it| escaped(it)).collect();
    html += &rest.join("<br>\n");
    html += "</p>\n";
    let ways: Vec<String> = ways
        .iter()
        .filter_map(|(word, address)| match address.map(wording::web_address) {
            Some(Some(address)) => {
                Some(format!("<a href=\"{}\">{}</a>", escaped(&address), escaped(word)))
            }
            Some(None) => {
                address.map(|text| format!("{}: {}", escaped(word), escaped(&line(text))))
            }
            None => (*word != "Runbook").then(|| escaped(word)),
        })
        .collect();
    if !ways.is_empty() {
        _ = writeln!(html, "<p>{}</p>", ways.join(" &middot; "));
    }
    html + "</body></html>\n"
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
