//! The lines of messages: told, not told yet, given up, or only shown.

use super::Live;
use crate::cli::look::{Glyphs, Paint, clean, columns, wrapped};
use crate::domain::Timestamp;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::{Attempt, Notification, NotificationState, Settlement};
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;

/// The widest frame around a message, in columns.
const WIDEST_FRAME: usize = 76;

/// Where a frame begins: below the text of a line, after the time of day.
const INDENT: usize = 10;

impl Live {
    /// The line of an attempt to send that ended at `at`, and of what follows from it.
    pub fn attempt(
        &self,
        at: Timestamp,
        notification: &Notification,
        attempt: &Attempt,
        settlement: &Settlement,
    ) -> String {
        let about = subject(&notification.notice);
        let recipient = clean(&notification.recipient.to_string());
        let reason = clean(&settlement.reason);
        let (sign, paint, said) = match settlement.state {
            NotificationState::Sent | NotificationState::InDigest => {
                let repeat = if notification.possible_repeat { " (possible repeat)" } else { "" };
                let said = format!("told {recipient}: {about}{repeat}");
                let digest = settlement.reason.rsplit_once(" (a digest with ");
                let others =
                    digest.map(|(_, rest)| format!(", a digest with {}", &rest[..rest.len() - 1]));
                let receipt = clean(attempt.detail()) + &others.unwrap_or_default();
                let receipt = format!("({receipt})");
                let faint = self.look.paint(Paint::Faint, &receipt);
                let sign = self.look.sign("→", ">");
                let sign = self.look.paint(Paint::Accent, sign);
                return format!("{}  {sign} {said}  {faint}", self.time(at));
            }
            NotificationState::Owed => (self.look.sign("…", "~"), Paint::Unsure, "not told yet"),
            NotificationState::GivenUp => (self.look.sign("✗", "x"), Paint::Bad, "NOT TOLD"),
            NotificationState::HandedOn => {
                (self.look.sign("→", ">"), Paint::Faint, "is told by those on duty")
            }
            NotificationState::Superseded => {
                (self.look.sign("·", "-"), Paint::Faint, "no longer to be told")
            }
        };
        let (sign, said) = (self.look.paint(paint, sign), self.look.paint(paint, said));
        format!("{}  {sign} {recipient} {said}: {about}: {reason}", self.time(at))
    }

    /// The block of a message that is shown instead of sent, since the channel has no credentials.
    pub fn shown(&self, at: Timestamp, recipient: &Recipient, text: &str) -> String {
        let sign = self.look.paint(Paint::Accent, self.look.sign("→", ">"));
        let head = format!(
            "{}  {sign} {} would be told (its channel is not set up):",
            self.time(at),
            clean(&recipient.to_string())
        );
        std::iter::once(head).chain(self.framed(text)).collect::<Vec<_>>().join("\n")
    }

    fn framed(&self, text: &str) -> Vec<String> {
        let room = self.look.width.min(WIDEST_FRAME + INDENT).saturating_sub(INDENT + 4).max(16);
        let lines = wrapped(text, room);
        let inner = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        let (corners, flat, side) = match self.look.glyphs {
            Glyphs::Unicode => (["╭", "╮", "╰", "╯"], "─", "│"),
            Glyphs::Ascii => (["+", "+", "+", "+"], "-", "|"),
        };
        let margin = " ".repeat(INDENT);
        let faint = |text: &str| self.look.paint(Paint::Faint, text);
        let edge = |left: &str, right: &str| {
            format!("{margin}{}", faint(&format!("{left}{}{right}", flat.repeat(inner + 2))))
        };
        let mut framed = vec![edge(corners[0], corners[1])];
        framed.extend(lines.iter().map(|line| {
            let fill = " ".repeat(inner - columns(line));
            format!("{margin}{} {line}{fill} {}", faint(side), faint(side))
        }));
        framed.push(edge(corners[2], corners[3]));
        framed
    }
}

/// What a message is about: "login is failing (tier 2)".
fn subject(notice: &Notice) -> String {
    let name = notice.subject.name();
    match (notice.kind, &notice.subject) {
        (NoticeKind::Failing { .. }, Subject::Rule(_)) => format!("{name} is breached"),
        (NoticeKind::Failing { .. }, Subject::Path(path)) if path.recipient().is_none() => {
            format!("nothing can be sent by {name}")
        }
        (NoticeKind::Failing { .. }, Subject::Path(_)) => {
            format!("nothing shows that messages to {name} arrive")
        }
        (NoticeKind::Failing { tier }, _) => format!("{name} is failing (tier {tier})"),
        (NoticeKind::Blind, Subject::Region(_)) => format!("no check answers in {name}"),
        (NoticeKind::Blind, Subject::Shortfall(_)) => format!("too little is known of {name}"),
        (NoticeKind::Blind, Subject::Unseen(_)) => {
            format!("nobody knows whether {name} is breached")
        }
        (NoticeKind::Blind, _) => format!("nobody knows how {name} is doing"),
        (NoticeKind::Recovered, Subject::Check(_)) => format!("{name} works again"),
        (NoticeKind::Recovered, Subject::Coverage(_)) => format!("{name} is seen again"),
        (NoticeKind::Recovered, Subject::Region(_)) => format!("checks answer again in {name}"),
        (NoticeKind::Recovered, Subject::Shortfall(_)) => {
            format!("enough is known of {name} again")
        }
        (NoticeKind::Recovered, Subject::Rule(_)) => format!("{name} is breached no more"),
        (NoticeKind::Recovered, Subject::Unseen(_)) => format!("{name} has data again"),
        (NoticeKind::Recovered, Subject::Path(_)) => format!("messages by {name} arrive again"),
        (NoticeKind::Recovered, Subject::Drill) | (NoticeKind::Drill, _) => "a drill".to_owned(),
        (NoticeKind::Lost, _) => format!("the data of {name} are gone"),
        (NoticeKind::Withdrawn, _) => format!("{name} is no longer watched"),
        (NoticeKind::Closed, _) => format!("{name} was closed"),
        (NoticeKind::Acknowledged, _) => format!("somebody takes care of {name}"),
        (NoticeKind::Noted, _) => format!("a note about {name}"),
    }
}
