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
    let text = sms_digest(&digest(&all, None));
    let link = format!(" {LIST}");
    let names = "Größe 1, Größe 2, Größe 3, Größe 4, Größe 5, Größe 6, Größe 7, Größe 8...";
    assert_eq!(text, format!("Tripline: 12 more incidents, 940 open. {names}{link}"));
    assert!(gsm::exact(&text).is_some());
    assert!(text.chars().map(|c| gsm::cost(c).expect("in it")).sum::<usize>() <= 160);
    all[0].possible_repeat = true;
    let last = sms_digest(&digest(&all, Some(at())));
    let head =
        "Tripline (possible repeat): 12 more incidents, 940 open. No more SMS before 03:00 UTC.";
    assert!(last.starts_with(head) && last.ends_with(&link), "{last}");
    // A name that looks like an address is none, and other scripts cost no second message.
    let odd = [one(1, "evil.example/x ログイン", NoticeKind::Blind)];
    let text = sms_digest(&digest(&odd, None));
    assert!(text.starts_with("Tripline: 1 more incident, 940 open. (link) ????"), "{text}");
}

#[test]
fn of_one_incident_the_latest_counts() {
    let mut all = failing(2, "Pay");
    all.push(Notification { id: NotificationId(9), ..one(1, "Pay 1", NoticeKind::Recovered) });
    let text = plain_digest(&digest(&all, None));
    let expected = "1 more incident, 1 ended\n#2 Failing: Pay 2\n#1 Recovered: Pay 1\n940 open: ";
    assert_eq!(text, format!("{expected}{LIST}"));
}
