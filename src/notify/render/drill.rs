//! A drill: a message that shows that messages arrive, the same on every channel.

use super::wording::repeat_mark;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::Notification;

/// What a drill says, in the GSM alphabet and short enough for one part of an SMS; `None` where the
/// message is none.
pub(super) fn drill(notification: &Notification) -> Option<String> {
    let notice = &notification.notice;
    (notice.kind == NoticeKind::Drill).then(|| {
        format!(
            "DRILL by Tripline{}, {} UTC. Nothing is wrong and nothing needs to be done: this \
             shows that messages arrive here.",
            repeat_mark(notification),
            notice.at.format("%Y-%m-%d %H:%M")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::drill::{Known, round};
    use crate::domain::id::{IncidentId, NotificationId, Region};
    use crate::domain::policy::Recipient;
    use crate::notify::render::gsm;
    use crate::notify::{Outbound, render};

    #[test]
    fn every_channel_says_that_it_is_a_drill_and_that_nothing_needs_to_be_done() {
        let at: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        let (region, p1) = (Region::new("eu").expect("good"), Recipient::Slack("#p1".into()));
        let round = round([p1.clone()], &Known::default(), &region, "manual", at).expect("one");
        let notification = Notification {
            id: NotificationId(2),
            incident: IncidentId(1),
            recipient: p1,
            notice: round.transition.owed[0].notice.clone(),
            first_word: true,
            owed_at: at,
            failures: 0,
            possible_repeat: true,
        };
        let text = drill(&notification).expect("it is one");
        insta::assert_snapshot!(text, @"DRILL by Tripline (possible repeat), 2026-11-23 10:00 UTC. Nothing is wrong and nothing needs to be done: this shows that messages arrive here.");
        assert!(gsm::exact(&text).is_some() && text.len() <= 160, "{}", text.len());
        let message = Outbound {
            notification: &notification,
            phone: None,
            email: None,
            at,
            link: None,
            thread: None,
        };
        let slack = render::slack(&message);
        assert!(slack.text == text && slack.blocks.len() == 3);
        let (sms, mail) = (render::answerable_sms(&message), render::mail(&message));
        assert!(sms == text && render::plain(&message) == text && mail.text.contains(&text));
        let payload = render::payload(&message).to_json();
        assert!(payload.contains("\"type\":\"drill\"") && payload.contains("DRILL"), "{payload}");
    }
}
