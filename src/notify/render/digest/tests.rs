//! What a digest looks like, and that it always fits.

use super::*;
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, NotificationId, PersonId, Region};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::Notification;
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;

const LIST: &str = "https://watch.example.com/incidents?state=open";

fn at() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn one(number: i64, name: &str, kind: NoticeKind) -> Notification {
    Notification {
        id: NotificationId(number),
        incident: IncidentId(number),
        recipient: Recipient::Sms(PersonId::new("ana").expect("good")),
        notice: Notice {
            check_name: name.into(),
            error: "expected <200>, received 503 from pay.example.com".into(),
            failures_in_a_row: 1,
            ..Notice::new(
                kind,
                Subject::Check(CheckId::new("login").expect("good")),
                Region::new("eu").expect("good"),
                at(),
            )
        },
        first_word: true,
        owed_at: at(),
        failures: 0,
        possible_repeat: false,
    }
}

fn digest(all: &[Notification], last: Option<Timestamp>) -> Digest<'_> {
    let link = |it: &Notification| Some(format!("https://watch.example.com/i/{}", it.incident));
    Digest {
        head: &all[0],
        told: all.iter().map(|it| Item { notification: it, link: link(it) }).collect(),
        phone: None,
        email: None,
        at: at(),
        open: 940,
        link: Some(LIST),
        last,
    }
}

fn failing(count: i64, name: &str) -> Vec<Notification> {
    let kind = NoticeKind::Failing { tier: 1 };
    (1..=count).map(|number| one(number, &format!("{name} {number}"), kind)).collect()
}

#[test]
fn a_digest_lists_what_it_tells() {
    let mut all = failing(2, "Sign in <@U1>");
    all.push(one(3, "Pay", NoticeKind::Recovered));
    let written = slack_digest(&digest(&all, None));
    let json = serde_json::to_value(&written.blocks).expect("blocks are JSON");
    assert_eq!(json[0]["text"]["text"], "🔴 2 more incidents, 1 ended");
    let listed = json[1]["text"]["text"].as_str().expect("a section");
    assert_eq!(
        listed,
        "🔴 <https://watch.example.com/i/1|#1> `Sign in &lt;@U1&gt; 1` failing: expected &lt;200&gt;, \
         received 503 from pay.example.com\n\
         🔴 <https://watch.example.com/i/2|#2> `Sign in &lt;@U1&gt; 2` failing: expected &lt;200&gt;, \
         received 503 from pay.example.com\n\
         🟢 <https://watch.example.com/i/3|#3> `Pay` recovered"
    );
    let footer = json[2]["elements"][0]["text"].as_str().expect("a line");
    assert!(
        footer.starts_with("940 open  ·  <https://watch.example.com/incidents?state=open|"),
        "{footer}"
    );
    assert!(written.text.starts_with("2 more incidents, 1 ended, 940 open: `Sign in"));
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    for (count, name) in
        [(995, "Sign in"), (300, "a name of many words, <as> some authors & others"), (31, "x")]
    {
        let all = failing(count, name);
        let written = slack_digest(&digest(&all, None));
        let json = serde_json::to_value(&written.blocks).expect("blocks are JSON");
        assert!(json.to_string().chars().count() < 13_000 && written.blocks.len() <= 50);
        let blocks = json.as_array().expect("blocks");
        let sections = blocks.iter().filter_map(|it| it["text"]["text"].as_str());
        assert!(sections.clone().all(|it| it.chars().count() <= SECTION));
        let listed = sections.filter(|it| it.contains("|#")).flat_map(str::lines).count();
        let footer = json[blocks.len() - 1].to_string();
        let more = all.len() - listed;
        assert_eq!(footer.contains(&format!("and {more} more")), more > 0, "{footer}");
        assert!(listed >= all.len().min(60), "{listed}");
    }
}

#[test]
fn an_sms_is_one_part_in_the_gsm_alphabet() {
    let mut all = failing(12, "Größe");
    let text = sms_digest(&digest(&all, None), true);
    let link = format!(" {LIST}");
    let names = "#1 Größe 1, #2 Größe 2, #3 Größe 3, #4 Größe 4, #5 Größe 5, #6 Größe 6...";
    assert_eq!(text, format!("Tripline: 12 more incidents, 940 open. {names}{link}"));
    assert!(gsm::exact(&text).is_some());
    assert!(text.chars().map(|c| gsm::cost(c).expect("in it")).sum::<usize>() <= 160);
    all[0].possible_repeat = true;
    let last = sms_digest(&digest(&all, Some(at())), true);
    let head =
        "Tripline (possible repeat): 12 more incidents, 940 open. No more SMS before 03:00 UTC.";
    assert!(last.starts_with(head) && last.ends_with(&link), "{last}");
    // A name that looks like an address is none, and other scripts cost no second message.
    let odd =
        [one(1, "evil.example/x ログイン", NoticeKind::Blind), one(2, "Pay", NoticeKind::Blind)];
    let text = sms_digest(&digest(&odd, None), true);
    assert!(text.starts_with("Tripline: 2 more incidents, 940 open. #1 (link) ????"), "{text}");
}

#[test]
fn an_sms_of_one_incident_says_all_of_it_and_that_it_is_the_last() {
    let all = failing(1, "Pay");
    let text = sms_digest(&digest(&all, Some(at())), true);
    assert!(text.starts_with("#1 FAILING: Pay 1 in eu: expected"), "{text}");
    assert!(text.contains(" Reply ACK 1. No more SMS before 03:00 UTC. https://"), "{text}");
    let text = sms_digest(&digest(&all, None), false);
    assert!(!text.contains("ACK") && !text.contains("No more"), "{text}");
}

#[test]
fn a_note_takes_the_place_of_no_alarm_and_says_what_it_says() {
    let note = |number: i64, incident: i64, kind| {
        let mut note = one(incident, &format!("Pay {incident}"), kind);
        note.id = NotificationId(number);
        note.notice.note = Some("silenced by eva <@U1>: a deploy".into());
        note
    };
    let mut all = failing(2, "Pay");
    all.extend([1, 2, 3].map(|it| note(10 + it, it, NoticeKind::Noted)));
    all.push(note(14, 4, NoticeKind::Acknowledged));
    let written = slack_digest(&digest(&all, None));
    let json = serde_json::to_value(&written.blocks).expect("blocks are JSON");
    let header = "🔴 2 more incidents, 1 acknowledged, 1 note";
    assert_eq!(json[0]["text"]["text"], header);
    let listed = json[1]["text"]["text"].as_str().expect("a section");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].contains("`Pay 1` failing: expected"), "{listed}");
    assert!(lines[2].ends_with("`Pay 4` silenced by eva &lt;@U1&gt;: a deploy"), "{listed}");
    assert!(lines[3].ends_with("`Pay 3` silenced by eva &lt;@U1&gt;: a deploy"), "{listed}");
    let plain = plain_digest(&digest(&all, None));
    assert!(plain.contains("#3 Note: Pay 3: silenced by eva <@U1>: a deploy\n"), "{plain}");
}

#[test]
fn a_digest_by_e_mail_lists_the_same_and_makes_no_link_of_a_name() {
    let mut all = failing(2, "shop.example.com/pay");
    all.push(one(3, "Pay", NoticeKind::Recovered));
    let mail = crate::notify::render::mail_digest(&digest(&all, None));
    assert_eq!(mail.subject, "Tripline: 2 more incidents, 1 ended");
    assert!(mail.text.starts_with("2 more incidents, 1 ended\n#1 Failing: (link) 1\n"), "{mail:?}");
    assert!(mail.text.ends_with(&format!("\n940 open: {LIST}\n")), "{mail:?}");
    assert!(mail.html.contains(&format!("<a href=\"{LIST}\">All incidents</a>")), "{mail:?}");
    assert_eq!(mail.html.matches(LIST).count(), 1, "{mail:?}");
}

#[test]
fn of_one_incident_the_latest_counts() {
    let mut all = failing(2, "Pay");
    all.push(Notification { id: NotificationId(9), ..one(1, "Pay 1", NoticeKind::Recovered) });
    let text = plain_digest(&digest(&all, None));
    let expected = "1 more incident, 1 ended\n#2 Failing: Pay 2\n#1 Recovered: Pay 1\n940 open: ";
    assert_eq!(text, format!("{expected}{LIST}"));
}
