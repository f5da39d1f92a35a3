//! A notification as a Slack message.
//!
//! Data stands in plain text, in code or among words, with `& < >` escaped and backticks and the signs of
//! formatting replaced, so that it cannot become a mention, a link or formatting. Slack's limits (150 characters in a header, 2000
//! in a field, 3000 in a section, about 13,000 in all) are kept after escaping.

use serde::Serialize;
use slack_morphism::prelude::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockPlainText, SlackBlockText, SlackContextBlock,
    SlackHeaderBlock, SlackSectionBlock,
};

use super::clean::{cut_by, cut_words, line};
use super::drill::drill;
use super::wording;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::run::Outcome;
use crate::notify::Outbound;

/// Words in a headline, at most.
const HEADLINE_WORDS: usize = 9;
const HEADER_LIMIT: usize = 140;
pub(super) const NAME_LIMIT: usize = 200;
pub(super) const FIELD_LIMIT: usize = 300;
pub(super) const MATRIX_LIMIT: usize = 500;
const ERROR_LIMIT: usize = 800;
const REQUEST_LIMIT: usize = 400;
pub(super) const NOTE_LIMIT: usize = 600;
const REGION_LIMIT: usize = 100;

/// A message, ready to be posted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackMessage {
    /// The message in one line: what a telephone shows, and what is posted where the blocks are
    /// refused.
    pub text: String,
    /// The message as people see it in the channel.
    pub blocks: Vec<SlackBlock>,
}

/// Writes a notification for Slack.
pub fn slack(message: &Outbound<'_>) -> SlackMessage {
    if let Some(text) = drill(message.notification) {
        let said = SlackSectionBlock::new().with_text(markdown(prose(&text, NOTE_LIMIT)));
        let footer = footer(message, Runbook::Linked);
        return SlackMessage { text, blocks: vec![header(message), said.into(), footer] };
    }
    let mut blocks = vec![header(message)];
    blocks.extend(note(message));
    blocks.push(facts(message));
    blocks.extend(error(message));
    blocks.push(footer(message, Runbook::Linked));
    SlackMessage { text: fallback(message), blocks }
}

/// The sign of a kind of news: red while something is wrong, yellow while somebody takes care, green
/// when it is over, grey where nobody knows; what somebody said has none of these.
pub(super) fn sign(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Failing { .. } => "🔴",
        NoticeKind::Acknowledged => "🟡",
        NoticeKind::Recovered | NoticeKind::Closed => "🟢",
        NoticeKind::Blind | NoticeKind::Lost | NoticeKind::Withdrawn | NoticeKind::Drill => "⚪",
        NoticeKind::Noted => "💬",
    }
}

fn header(message: &Outbound<'_>) -> SlackBlock {
    let notification = message.notification;
    let title = (sign(notification.notice.kind), wording::title(notification));
    headline(message, title, wording::repeat_mark(message.notification))
}

/// What happened and to what, in less than ten words.
pub(super) fn headline(
    message: &Outbound<'_>,
    (sign, title): (&str, &str),
    repeat: &str,
) -> SlackBlock {
    let taken = title.split(' ').count() + repeat.split_whitespace().count();
    let name = cut_words(&wording::name(&message.notification.notice), HEADLINE_WORDS - taken);
    let room = HEADER_LIMIT - title.len() - repeat.len() - "🔴 : ".chars().count();
    let text = format!("{sign} {title}: {}{repeat}", data(&name, room));
    SlackHeaderBlock::new(SlackBlockPlainText::new(text).with_emoji(false).into()).into()
}

fn facts(message: &Outbound<'_>) -> SlackBlock {
    let notification = message.notification;
    let notice = &notification.notice;
    let failing = wording::is_wrong(notice);
    let mut fields = Vec::new();
    if let Some(step) = wording::step(notice) {
        let label = if failing { "Step" } else { "Last failing step" };
        fields.push(field(label, &code(&step, FIELD_LIMIT)));
    }
    fields.push(match notice.kind {
        NoticeKind::Failing { .. }
        | NoticeKind::Blind
        | NoticeKind::Acknowledged
        | NoticeKind::Noted
        | NoticeKind::Drill => field("Since", &wording::since(notice)),
        NoticeKind::Recovered if notification.first_word => {
            let span = format!("{}, has recovered", wording::span(notice));
            field(wording::was(notice), &span)
        }
        NoticeKind::Recovered | NoticeKind::Closed => {
            field(wording::was(notice), &wording::span(notice))
        }
        NoticeKind::Lost => field(wording::LOST, &wording::since(notice)),
        NoticeKind::Withdrawn => field(wording::removed(notice), &wording::since(notice)),
    });
    // A rule is evaluated where the hub is, which says nothing to anybody.
    if notice.subject.rule().is_none() && notice.subject.path().is_none() {
        fields.push(regions(notice));
    }
    if let (NoticeKind::Failing { .. }, false, true) =
        (notice.kind, says_how_often(notice), wording::has_place(notice))
    {
        fields.push(field("Failures in a row", &notice.failures_in_a_row.to_string()));
    }
    SlackSectionBlock::new().with_fields(fields).into()
}

/// How the region is doing, or each of several on a line of its own.
pub(super) fn regions(notice: &Notice) -> SlackBlockText {
    let line = |(outcome, standing): (Outcome, wording::Standing<'_>)| {
        let sign = match outcome {
            Outcome::Failed => "🔴",
            Outcome::Passed => "🟢",
            Outcome::Unknown => "⚪",
        };
        match standing {
            wording::Standing::Region(region, words) => {
                format!("{sign} {} {words}", code(region, REGION_LIMIT))
            }
            wording::Standing::More(words) => format!("{sign} {words}"),
        }
    };
    let lines: Vec<String> = wording::by_region(notice).into_iter().map(line).collect();
    if lines.is_empty() {
        return field("Region", &code(&wording::regions(notice), FIELD_LIMIT));
    }
    field("Regions", &lines.join("\n"))
}

/// Whether [`regions`] says how often it failed in a row.
pub(super) fn says_how_often(notice: &Notice) -> bool {
    notice.regions.iter().any(|it| it.outcome == Outcome::Failed) && notice.regions.len() > 1
}

/// What else there is to say.
fn note(message: &Outbound<'_>) -> Option<SlackBlock> {
    let text = wording::note(&message.notification.notice)?;
    Some(SlackSectionBlock::new().with_text(markdown(prose(&text, NOTE_LIMIT))).into())
}

fn error(message: &Outbound<'_>) -> Option<SlackBlock> {
    let notice = &message.notification.notice;
    let label = if wording::is_wrong(notice) {
        String::new()
    } else {
        format!("{}\n", wording::last_error(notice))
    };
    let text = label + &what_failed(notice)?;
    Some(SlackSectionBlock::new().with_text(markdown(text)).into())
}

/// The request that failed and the error, each on a line: beside each other, an address would be broken.
pub(super) fn what_failed(notice: &Notice) -> Option<String> {
    let request = wording::request(notice).map(|it| data(&it, REQUEST_LIMIT));
    let error = wording::error(notice).map(|it| data(&it, ERROR_LIMIT));
    let lines: Vec<String> = request.into_iter().chain(error).collect();
    (!lines.is_empty()).then(|| format!("```\n{}\n```", lines.join("\n")))
}

/// Where the runbook is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Runbook {
    /// In the footer.
    Linked,
    /// Behind a button.
    Button,
}

/// Where to look further.
pub(super) fn footer(message: &Outbound<'_>, place: Runbook) -> SlackBlock {
    let notice = &message.notification.notice;
    let incident = format!("Incident {}", message.notification.incident);
    let mut parts = vec![match message.link.and_then(wording::web_address) {
        Some(address) => link(&address, &incident),
        None => incident,
    }];
    if let Some(runbook) = notice.runbook.as_deref().filter(|_| place == Runbook::Linked) {
        parts.push(match wording::web_address(runbook) {
            Some(address) => link(&address, "Runbook"),
            None => format!("Runbook {}", code(&line(runbook), FIELD_LIMIT)),
        });
    }
    parts.extend(
        notice.subject.check().map(|it| format!("Check {}", code(it.as_str(), FIELD_LIMIT))),
    );
    if let NoticeKind::Failing { tier } = notice.kind
        && notice.subject.rule().is_none()
    {
        parts.push(format!("Tier {tier}"));
    }
    let verbatim = SlackBlockMarkDownText::new(parts.join("  ·  ")).with_verbatim(true);
    SlackContextBlock::new(vec![verbatim.into()]).into()
}

pub(super) fn fallback(message: &Outbound<'_>) -> String {
    let notification = message.notification;
    let notice = &notification.notice;
    let place = match wording::matrix(notice) {
        Some(matrix) => format!(" ({})", code(&matrix, MATRIX_LIMIT)),
        None if !wording::has_place(notice) => String::new(),
        None => format!(" in {}", code(&wording::regions(notice), FIELD_LIMIT)),
    };
    let mut text = format!(
        "{}{}: {}{place}",
        wording::title(notification),
        wording::repeat_mark(message.notification),
        code(&wording::name(notice), NAME_LIMIT),
    );
    let step = wording::step(notice).map(|step| code(&step, FIELD_LIMIT));
    let error = wording::error(notice).map(|error| code(&error, ERROR_LIMIT));
    let when = wording::when(notification);
    if wording::is_wrong(notice) {
        text.extend(step.map(|step| format!(", step {step}")));
        text.extend(error.map(|error| format!(": {error}")));
        text.extend([". ", &when]);
        text.extend(wording::in_a_row(notice).map(|count| format!(", {count}")));
    } else {
        text.extend([". ", &when]);
        text.extend(error.map(|error| format!(". {}: {error}", wording::last_error(notice))));
    }
    let incident = format!("Incident {}", notification.incident);
    match message.link.and_then(wording::web_address) {
        Some(address) => text + ". " + &link(&address, &incident),
        None => text + ". " + &incident,
    }
}

pub(super) fn field(label: &str, value: &str) -> SlackBlockText {
    markdown(format!("*{label}*\n{value}"))
}

pub(super) fn markdown(text: String) -> SlackBlockText {
    // Verbatim: Slack adds no links of its own.
    SlackBlockMarkDownText::new(text).with_verbatim(true).into()
}

pub(super) fn link(address: &str, label: &str) -> String {
    format!("<{}|{label}>", address.replace('&', "&amp;"))
}

/// Data among words, which Slack shows as it is.
pub(in crate::notify) fn prose(text: &str, limit: usize) -> String {
    data(&unformatted(text), limit)
}

/// Replaces what begins or ends bold, italic or struck text by signs that look like it; between letters it
/// means nothing to Slack.
/// Source: <https://docs.slack.dev/messaging/formatting-message-text#basic-formatting>.
fn unformatted(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let is_letter =
        |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    let plain = |(at, c): (usize, &char)| {
        if is_letter(at.checked_sub(1)) && is_letter(Some(at + 1)) {
            return *c;
        }
        match c {
            '*' => '∗',
            '_' => '＿',
            '~' => '∼',
            c => *c,
        }
    };
    chars.iter().enumerate().map(plain).collect()
}

/// Data as inline code.
pub(super) fn code(text: &str, limit: usize) -> String {
    format!("`{}`", data(text, limit))
}

/// Data, escaped, at most `limit` characters long.
/// Source: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
pub(in crate::notify) fn data(text: &str, limit: usize) -> String {
    let cost = |c| escaped(c).map_or(1, str::len);
    let cut = cut_by(&without_broadcasts(text), limit, cost);
    let mut safe = String::with_capacity(cut.len());
    for c in cut.chars() {
        match escaped(c) {
            Some(entity) => safe.push_str(entity),
            None if c == '`' => safe.push('\''),
            None => safe.push(c),
        }
    }
    safe
}

fn escaped(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// Replaces the `@` of `@here` and its like, so that no setting of a workspace can turn it into a
/// mention of everybody.
fn without_broadcasts(text: &str) -> String {
    const BROADCASTS: [&str; 4] = ["here", "channel", "everyone", "group"];
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let rest = &text.as_bytes()[at + c.len_utf8()..];
        let names = |word: &&str| {
            rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        };
        let broadcast = c == '@' && BROADCASTS.iter().any(names);
        safe.push(if broadcast { '＠' } else { c });
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_among_words_is_not_formatted() {
        let shown = |text| prose(text, 100);
        assert_eq!(shown("*gone* _at_ ~once~"), "∗gone∗ ＿at＿ ∼once∼");
        assert_eq!(shown("no such key: user_id in a*b"), "no such key: user_id in a*b");
        assert_eq!(shown("_*nested*_ <b>"), "＿∗nested∗＿ &lt;b&gt;");
        assert_eq!(shown("*"), "∗");
    }
}
