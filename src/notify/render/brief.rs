//! A notification as one line, for lists of what was said.

use super::clean::cut;
use super::wording;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::Notification;

const NAME_LIMIT: usize = 80;
const TEXT_LIMIT: usize = 200;

/// Writes a notification as one line: what happened to what, and the fact that matters most.
pub fn brief(notification: &Notification) -> String {
    let notice = &notification.notice;
    let name = cut(&wording::name(notice), NAME_LIMIT);
    let mut text = format!("{}: {name}", wording::title(notification));
    let (fact, mark) = match notice.kind {
        NoticeKind::Failing { .. } | NoticeKind::Blind => {
            if wording::has_place(notice) {
                text = format!("{text} in {}", wording::regions(notice));
            }
            (wording::error(notice), ": ")
        }
        NoticeKind::Acknowledged | NoticeKind::Noted | NoticeKind::Closed => {
            (wording::note(notice), ", ")
        }
        NoticeKind::Recovered | NoticeKind::Lost | NoticeKind::Withdrawn | NoticeKind::Drill => {
            (Some(wording::when(notification)), ". ")
        }
    };
    match fact {
        Some(fact) => format!("{text}{mark}{}", cut(&fact, TEXT_LIMIT)),
        None => text,
    }
}
