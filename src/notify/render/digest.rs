//! A digest on each channel: how many incidents, which, and where all of them are listed. What there is no
//! room for is counted.

use std::fmt::Write as _;

use slack_morphism::prelude::{
    SlackBlock, SlackBlockMarkDownText, SlackBlockPlainText, SlackContextBlock, SlackHeaderBlock,
    SlackSectionBlock,
};

use super::clean::{cut, cut_by, line};
use super::slack::{SlackMessage, code, link, markdown, prose, sign};
use super::sms::without_links;
use super::{gsm, wording};
use crate::domain::notification::Notification;
use crate::notify::Outbound;
use crate::notify::digest::{Counts, Digest, Item, says_how_it_is};

/// The longest text of a section, in characters: <https://docs.slack.dev/reference/block-kit/blocks/section-block>.
const SECTION: usize = 3_000;
/// As much of the list as leaves room for the rest of the message in Slack's about 13,000 characters.
const LIST: usize = 9_000;
/// The errors are listed where no more incidents are.
const WITH_ERRORS: usize = 30;
/// So many are named in the line that a telephone shows.
const NAMED: usize = 3;
const NAME_LIMIT: usize = 60;
const ERROR_LIMIT: usize = 120;
/// One part of an SMS in the GSM alphabet.
const ONE_PART: usize = 160;
/// A name in an SMS.
const SHORT_NAME: usize = 24;

/// Writes a digest for Slack.
pub fn slack_digest(digest: &Digest<'_>) -> SlackMessage {
    let latest = digest.latest();
    let counts = digest.counts();
    let repeat = wording::repeat_mark(digest.head);
    let title = format!("{} {}{repeat}", mark(counts), summary(counts));
    let title = SlackBlockPlainText::new(title).with_emoji(false);
    let mut blocks: Vec<SlackBlock> = vec![SlackHeaderBlock::new(title.into()).into()];
    let (sections, listed) = sections(&latest);
    let texts = sections.into_iter().map(markdown);
    blocks.extend(texts.map(|text| SlackSectionBlock::new().with_text(text).into()));
    let mut rest = Vec::new();
    if listed < latest.len() {
        rest.push(format!("and {} more", latest.len() - listed));
    }
    rest.push(format!("{} open", digest.open));
    let all = digest.link.and_then(wording::web_address);
    rest.extend(all.as_deref().map(|address| link(address, "All incidents")));
    let context = SlackBlockMarkDownText::new(rest.join("  ·  ")).with_verbatim(true);
    blocks.push(SlackContextBlock::new(vec![context.into()]).into());
    let mut text = format!("{}{repeat}, {} open: ", summary(counts), digest.open);
    let names = latest.iter().take(NAMED);
    let names: Vec<String> = names.map(|it| code(&name(it), NAME_LIMIT)).collect();
    text += &names.join(", ");
    if latest.len() > NAMED {
        let _ = write!(text, " and {} more", latest.len() - NAMED);
    }
    text.extend(all.map(|address| format!(". {}", link(&address, "All incidents"))));
    SlackMessage { text, blocks }
}

/// The list in as many sections as it needs, and how many it names.
fn sections(latest: &[&Item<'_>]) -> (Vec<String>, usize) {
    let (mut sections, mut size, mut listed) = (vec![String::new()], 0, 0);
    for item in latest {
        let entry = entry(item, latest.len() <= WITH_ERRORS);
        let length = entry.chars().count() + 1;
        if size + length > LIST {
            break;
        }
        if sections.last().is_some_and(|last| last.chars().count() + length > SECTION) {
            sections.push(String::new());
        }
        if let Some(section) = sections.last_mut() {
            if !section.is_empty() {
                section.push('\n');
            }
            *section += &entry;
        }
        size += length;
        listed += 1;
    }
    (sections, listed)
}

fn entry(item: &Item<'_>, with_error: bool) -> String {
    let (notification, notice) = (item.notification, &item.notification.notice);
    let number = format!("#{}", notification.incident);
    let number = match item.link.as_deref().and_then(wording::web_address) {
        Some(address) => link(&address, &number),
        None => number,
    };
    let mut text = format!("{} {number} {}", sign(notice.kind), code(&name(item), NAME_LIMIT));
    let note = wording::note(notice).filter(|_| !says_how_it_is(item));
    if let Some(note) = note.filter(|_| with_error) {
        let _ = write!(text, " {}", prose(&note, ERROR_LIMIT));
    } else if with_error {
        let _ = write!(text, " {}", wording::title(notification).to_lowercase());
        let error = wording::error(notice).filter(|_| wording::is_wrong(notice));
        text.extend(error.map(|error| format!(": {}", prose(&error, ERROR_LIMIT))));
    }
    text
}

fn name(item: &Item<'_>) -> String {
    wording::name(&item.notification.notice)
}

fn mark(counts: Counts) -> &'static str {
    match counts {
        Counts { wrong: 1.., .. } => "🔴",
        Counts { acknowledged: 1.., .. } => "🟡",
        Counts { over: 1.., .. } => "🟢",
        Counts { .. } => "⚪",
    }
}

/// "12 more incidents, 30 ended, 3 acknowledged, 2 notes"
fn summary(counts: Counts) -> String {
    let Counts { wrong, over, acknowledged, noted } = counts;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut parts = Vec::new();
    if wrong > 0 {
        parts.push(format!("{wrong} more incident{}", plural(wrong)));
    }
    if over > 0 {
        parts.push(format!("{over} ended"));
    }
    if acknowledged > 0 {
        parts.push(format!("{acknowledged} acknowledged"));
    }
    if noted > 0 {
        parts.push(format!("{noted} note{}", plural(noted)));
    }
    parts.join(", ")
}

/// Writes a digest for a telephone: in the GSM alphabet, and in one part where the link leaves room for
/// that. Of one incident it says what there is to say, and how that is answered where people can
/// (`answerable`).
pub fn sms_digest(digest: &Digest<'_>, answerable: bool) -> String {
    let latest = digest.latest();
    let repeat = wording::repeat_mark(digest.head);
    let last = digest.last.map(|at| format!(" No more SMS before {} UTC.", at.format("%H:%M")));
    if let [only] = latest.as_slice() {
        return sms_of_one(digest, only, last.as_deref(), answerable);
    }
    let mut head = format!("Tripline{repeat}: {}, {} open.", summary(digest.counts()), digest.open);
    head.extend(last);
    let link = digest.link.map(|link| format!(" {}", gsm::forced(&line(link))));
    let link = link.unwrap_or_default();
    let size = |text: &str| text.chars().map(|c| gsm::cost(c).unwrap_or(1)).sum::<usize>();
    let taken = size(&head) + size(&link);
    let room = if taken < ONE_PART { ONE_PART } else { super::sms::GSM_ROOM };
    let mut room = room.saturating_sub(taken);
    let mut names = String::new();
    for (index, item) in latest.iter().enumerate() {
        let name = without_links(&cut(&name(item), SHORT_NAME));
        let name = gsm::forced(&format!("#{} {name}", item.notification.incident));
        let name = if names.is_empty() { format!(" {name}") } else { format!(", {name}") };
        let more = if index + 1 < latest.len() { "...".len() } else { 0 };
        if size(&name) + more > room {
            if !names.is_empty() {
                names += "...";
            }
            break;
        }
        room -= size(&name);
        names += &name;
    }
    cut_by(&(head + &names + &link), super::sms::GSM_ROOM, |c| gsm::cost(c).unwrap_or(3))
}

/// The same where it tells of one incident.
fn sms_of_one(
    digest: &Digest<'_>,
    only: &Item<'_>,
    last: Option<&str>,
    answerable: bool,
) -> String {
    let possible_repeat = digest.head.possible_repeat;
    let notification = Notification { possible_repeat, ..only.notification.clone() };
    let message = Outbound {
        notification: &notification,
        phone: digest.phone,
        email: digest.email,
        at: digest.at,
        link: only.link.as_deref(),
        thread: None,
    };
    super::sms::last_sms(&message, last, answerable)
}

/// Writes a digest as lines of text.
pub fn plain_digest(digest: &Digest<'_>) -> String {
    let latest = digest.latest();
    let mut lines =
        vec![format!("{}{}", summary(digest.counts()), wording::repeat_mark(digest.head))];
    for item in latest.iter().take(WITH_ERRORS) {
        let (notification, title) = (item.notification, wording::title(item.notification));
        let note = wording::note(&notification.notice).filter(|_| !says_how_it_is(item));
        let note = note.map_or_else(String::new, |note| format!(": {}", cut(&note, ERROR_LIMIT)));
        let name = cut(&name(item), NAME_LIMIT);
        lines.push(format!("#{} {title}: {name}{note}", notification.incident));
    }
    if latest.len() > WITH_ERRORS {
        lines.push(format!("and {} more", latest.len() - WITH_ERRORS));
    }
    lines.push(match digest.link {
        Some(link) => format!("{} open: {}", digest.open, line(link)),
        None => format!("{} open", digest.open),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests;
