//! The one message of an incident in a Slack channel, which is edited at every change, and the
//! replies to it that say what changed.
//!
//! The message speaks of the incident as it is, a reply of the moment that it was owed for. What
//! holds for data in other messages holds here.

use slack_morphism::prelude::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement,
    SlackBlockButtonStyle, SlackBlockPlainText, SlackBlockText, SlackSectionBlock,
};

use super::clean::line;
use super::slack::{
    FIELD_LIMIT, NAME_LIMIT, NOTE_LIMIT, Runbook, SlackMessage, code, fallback, field, footer,
    headline, markdown, prose, regions, says_how_often, sign, slack, what_failed,
};
use super::wording;
use crate::domain::Timestamp;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::NotificationState;
use crate::domain::restraint::Acknowledgement;
use crate::domain::subject::Subject;
use crate::notify::{Outbound, Paging, Thread};

/// What the button that acknowledges is called.
pub const ACKNOWLEDGE: &str = "acknowledge";
/// What the button that asks for a silence is called.
pub const SILENCE: &str = "silence";
/// What the button that has the check run at once is called.
pub const RUN: &str = "run";
/// What the button that opens the runbook is called. Slack tells of clicks on it, too.
pub const RUNBOOK: &str = "runbook";

/// So many lines of what people said and did.
const LINES: usize = 2;
/// The longest of them.
const LINE_LIMIT: usize = 300;
/// So many of those who were woken are named.
const NAMED: usize = 8;

/// Whether a message is new or takes the place of what it said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is posted, so it may be a repeat.
    New,
    /// It is the message that was posted before.
    Edited,
}

/// Whether clicks on buttons reach us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buttons {
    /// They do.
    Shown,
    /// They do not, so there are none.
    Hidden,
}

/// How an incident stands.
enum State<'a> {
    Open,
    Acknowledged(&'a Acknowledgement),
    Over(Timestamp),
}

impl<'a> State<'a> {
    fn of(thread: &'a Thread, notice: &Notice) -> Self {
        let incident = &thread.incident;
        if let Some(at) = incident.resolved_at {
            return Self::Over(at);
        }
        // One that was taken back ends at that moment.
        let acknowledged = incident.story.acknowledged.as_ref().filter(|it| notice.at < it.until);
        acknowledged.map_or(Self::Open, Self::Acknowledged)
    }

    fn title(&self, notice: &Notice) -> &'static str {
        match self {
            Self::Over(_) if notice.kind.is_end() => wording::ended(notice),
            Self::Over(_) => "Resolved",
            Self::Acknowledged(_) => "Acknowledged",
            Self::Open => match notice.subject {
                Subject::Check(_) => "Failing",
                Subject::Rule(_) => "Breached",
                Subject::Path(_) => wording::unproven(notice, true),
                _ => "Blind",
            },
        }
    }

    fn sign(&self, notice: &Notice) -> &'static str {
        sign(match self {
            Self::Over(_) if notice.kind.is_end() => notice.kind,
            Self::Over(_) => NoticeKind::Closed,
            Self::Acknowledged(_) => NoticeKind::Acknowledged,
            Self::Open => match notice.subject {
                Subject::Check(_) | Subject::Rule(_) | Subject::Path(_) => {
                    NoticeKind::Failing { tier: 1 }
                }
                _ => NoticeKind::Blind,
            },
        })
    }
}

/// Writes the message of an incident as it is now.
pub fn living(
    message: &Outbound<'_>,
    thread: &Thread,
    (place, buttons): (Place, Buttons),
) -> SlackMessage {
    let notice = &message.notification.notice;
    let state = State::of(thread, notice);
    let repeat = match place {
        Place::New => wording::repeat_mark(message.notification),
        Place::Edited => "",
    };
    let (sign, title) = (state.sign(notice), state.title(notice));
    let mut blocks = vec![headline(message, (sign, title), repeat)];
    blocks.extend(context(thread, notice));
    blocks.push(facts(thread, notice, &state));
    blocks.extend(error(notice, &state));
    let over = matches!(state, State::Over(_));
    if buttons == Buttons::Shown && !over {
        let runbook = runbook(notice);
        let place = if runbook.is_some() { Runbook::Button } else { Runbook::Linked };
        blocks.push(footer(message, place));
        blocks.push(actions(message, &state, runbook));
    } else {
        blocks.push(footer(message, Runbook::Linked));
    }
    let text = match place {
        // What a telephone shows of a new message is what it is posted for.
        Place::New => fallback(message),
        Place::Edited => {
            let (label, when) = lasts(notice, &state);
            format!("{title}: {}. {label} {when}", code(&wording::name(notice), NAME_LIMIT))
        }
    };
    SlackMessage { text, blocks }
}

/// Writes a reply: what changed. One that is shown in the channel as well says all of it.
pub fn reply(message: &Outbound<'_>, broadcast: bool) -> SlackMessage {
    if broadcast {
        return slack(message);
    }
    let notification = message.notification;
    let notice = &notification.notice;
    let (sign, title) = (sign(notice.kind), wording::title(notification));
    let said = match wording::note(notice) {
        Some(note) => prose(&note, NOTE_LIMIT),
        None => prose(&wording::when(notification), NOTE_LIMIT),
    };
    let repeat = wording::repeat_mark(notification);
    // "acknowledged by ana" says what the title does.
    let is_said = said.get(..title.len()).is_some_and(|it| it.eq_ignore_ascii_case(title));
    let mut text = if is_said {
        format!("{sign} {title}{}{repeat}", &said[title.len()..])
    } else {
        format!("{sign} *{title}*{repeat}  {said}")
    };
    let failed = what_failed(notice).filter(|_| wording::is_wrong(notice));
    text.extend(failed.map(|failed| format!("\n{failed}")));
    let section = SlackSectionBlock::new().with_text(markdown(text));
    SlackMessage { text: fallback(message), blocks: vec![section.into()] }
}

/// The last of what people said and did, and what there is to say now.
fn context(thread: &Thread, notice: &Notice) -> Option<SlackBlock> {
    let mut lines: Vec<String> = Vec::new();
    let said = |at: &Timestamp, text: &str| {
        format!("{} UTC  {}", at.format("%H:%M"), prose(&line(text), LINE_LIMIT))
    };
    lines.extend(thread.words.iter().map(|(at, text)| said(at, text)));
    let note = wording::note(notice).filter(|_| notice.kind.is_alarm());
    lines.extend(note.map(|note| said(&notice.at, &note)));
    let last = lines.split_off(lines.len().saturating_sub(LINES));
    let text = last.join("\n");
    (!text.is_empty()).then(|| SlackSectionBlock::new().with_text(markdown(text)).into())
}

/// How long, and what that is called.
fn lasts(notice: &Notice, state: &State<'_>) -> (&'static str, String) {
    match state {
        State::Over(at) => {
            let whole = Notice { at: *at, ..notice.clone() };
            (wording::was(notice), wording::span(&whole))
        }
        // No duration: it would soon be wrong.
        State::Open | State::Acknowledged(_) => {
            ("Since", format!("{} UTC", notice.since.format("%Y-%m-%d %H:%M:%S")))
        }
    }
}

fn facts(thread: &Thread, notice: &Notice, state: &State<'_>) -> SlackBlock {
    let over = matches!(state, State::Over(_));
    let mut fields: Vec<SlackBlockText> = Vec::new();
    if let Some(step) = wording::step(notice) {
        let label = if over { "Last failing step" } else { "First failing step" };
        fields.push(field(label, &code(&step, FIELD_LIMIT)));
    }
    let (label, when) = lasts(notice, state);
    fields.push(field(label, &when));
    if notice.subject.rule().is_none() {
        fields.push(regions(notice));
    }
    let is_counted = matches!(notice.subject, Subject::Check(_)) && notice.failures_in_a_row > 0;
    if !over && is_counted && !says_how_often(notice) {
        fields.push(field("Failures in a row", &notice.failures_in_a_row.to_string()));
    }
    if let Some(at) = thread.last_success.filter(|_| !over) {
        let at = at.format("%Y-%m-%d %H:%M:%S");
        fields.push(field("Last success", &format!("{at} UTC")));
    }
    if !thread.woken.is_empty() {
        fields.push(field("Paged", &paged(thread)));
    }
    if let State::Acknowledged(Acknowledgement { by, until, .. }) = state {
        let until = until.format("%Y-%m-%d %H:%M");
        let who = prose(&line(&by.to_string()), FIELD_LIMIT);
        fields.push(field("Acknowledged by", &format!("{who} until {until} UTC")));
    }
    SlackSectionBlock::new().with_fields(fields).into()
}

fn paged(thread: &Thread) -> String {
    let word = |paging: Paging| match paging {
        Paging::Printed => "NOT sent: SMS is not set up",
        Paging::Stands(NotificationState::Owed) => "on its way",
        Paging::Stands(NotificationState::Sent) => "sent",
        Paging::Stands(NotificationState::InDigest) => "sent in a digest",
        Paging::Stands(NotificationState::GivenUp) => "not reached",
        Paging::Stands(NotificationState::HandedOn) => "handed on",
        Paging::Stands(NotificationState::Superseded) => "not needed any more",
    };
    let first = thread.woken.iter().take(NAMED);
    let mut people: Vec<String> = first
        .map(|(person, state)| format!("{} ({})", code(person.as_str(), 60), word(*state)))
        .collect();
    let more = thread.woken.len().saturating_sub(NAMED);
    if more > 0 {
        people.push(format!("{more} more"));
    }
    people.join(", ")
}

fn error(notice: &Notice, state: &State<'_>) -> Option<SlackBlock> {
    let label = match state {
        State::Over(_) => format!("{}\n", wording::last_error(notice)),
        State::Open | State::Acknowledged(_) => String::new(),
    };
    let text = label + &what_failed(notice)?;
    Some(SlackSectionBlock::new().with_text(markdown(text)).into())
}

/// Where a button can lead to.
fn runbook(notice: &Notice) -> Option<url::Url> {
    notice.runbook.as_deref().and_then(wording::web_address).and_then(|it| it.parse().ok())
}

fn actions(message: &Outbound<'_>, state: &State<'_>, runbook: Option<url::Url>) -> SlackBlock {
    let incident = message.notification.incident.to_string();
    let label = |text: &str| SlackBlockPlainText::new(text.to_owned()).into();
    let button = |action: &str, text: &str| {
        SlackBlockButtonElement::new(label(text))
            .with_action_id(action.into())
            .with_value(incident.clone())
    };
    let mut elements: Vec<SlackActionBlockElement> = Vec::new();
    if matches!(state, State::Open) {
        let primary = button(ACKNOWLEDGE, "Acknowledge").with_style(SlackBlockButtonStyle::Primary);
        elements.push(primary.into());
    }
    elements.push(button(SILENCE, "Silence…").into());
    if message.notification.notice.subject.check().is_some() {
        elements.push(button(RUN, "Run now").into());
    }
    elements.extend(runbook.map(|url| button(RUNBOOK, "Runbook").with_url(url).into()));
    SlackActionsBlock::new(elements).into()
}
