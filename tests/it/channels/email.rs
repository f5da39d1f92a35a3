//! E-mail, against a server that speaks SMTP.

use tempfile::TempDir;
use tripline::domain::id::PersonId;
use tripline::domain::notice::NoticeKind;
use tripline::domain::policy::{Mailbox, Recipient};
use tripline::notify::email::{Access, Encryption, Smtp};

use super::{FAILING, SOON, notification, send, with_ring, words};
use crate::support::certify::certify;
use crate::support::smtp::{FakeSmtp, Fate, Mailed, PASSWORD, USER, Way};

const ADDRESS: &str = "ana@example.com";

fn ana() -> Recipient {
    Recipient::Email(Mailbox::Person(PersonId::new("ana").expect("a good name")))
}

fn access(port: u16) -> Access<'static> {
    Access {
        host: "127.0.0.1",
        port,
        encryption: Encryption::None,
        login: None,
        from: "Tripline <tripline@example.com>",
        authority: None,
    }
}

fn smtp(access: &Access<'_>) -> Smtp {
    with_ring();
    Smtp::new(access).expect("a good server").within(SOON)
}

#[tokio::test]
async fn all_mail_about_an_incident_is_one_thread() {
    let fake = FakeSmtp::plain().await;
    let smtp = smtp(&access(fake.port));
    let first = notification(ana(), FAILING);
    let attempt = send(&smtp, &first, Some(ADDRESS)).await;
    assert_eq!(words(&attempt), ("accepted", "250 2.0.0 queued as 4711".into()));
    let mut second = notification(ana(), NoticeKind::Recovered);
    (second.id.0, second.first_word) = (8, false);
    assert_eq!(send(&smtp, &second, Some(ADDRESS)).await.as_str(), "accepted");
    let mut again = first.clone();
    again.possible_repeat = true;
    assert_eq!(send(&smtp, &again, Some(ADDRESS)).await.as_str(), "accepted");
    let [first, second, again] = &fake.taken(ADDRESS)[..] else { panic!("three messages") };
    let header = |mailed: &Mailed, name: &str| mailed.header(name).unwrap_or_default();
    assert_eq!(header(first, "Subject"), "Sign in (incident 42)");
    assert_eq!(header(second, "Subject"), "Re: Sign in (incident 42)");
    assert_eq!(header(first, "In-Reply-To"), "");
    let root = header(first, "Message-ID");
    assert!(root.starts_with("<incident-42.") && root.ends_with("@example.com>"), "{root}");
    assert_eq!((header(second, "In-Reply-To"), header(second, "References")), {
        (root.clone(), root.clone())
    });
    assert_ne!(header(second, "Message-ID"), root);
    assert_eq!(header(again, "Message-ID"), root, "whoever has it already can drop it");
    assert!(again.text().contains("(possible repeat)") && !first.text().contains("repeat"));
    assert_eq!(header(first, "From"), "Tripline <tripline@example.com>");
    assert_eq!(header(first, "To"), ADDRESS);
    assert_eq!(header(first, "Auto-Submitted"), "auto-generated");
    assert_eq!(first.from, "tripline@example.com");
}

#[tokio::test]
async fn nothing_of_a_notice_becomes_a_header_a_tag_or_a_link() {
    let fake = FakeSmtp::plain().await;
    let smtp = smtp(&access(fake.port));
    let mut nasty = notification(ana(), FAILING);
    nasty.notice.check_name = "Pay\r\nBcc: y@evil.example <img src=x>".into();
    assert_eq!(send(&smtp, &nasty, Some(ADDRESS)).await.as_str(), "accepted");
    let mailed = fake.taken(ADDRESS).remove(0);
    assert_eq!(mailed.header("Bcc"), None);
    let text = mailed.text();
    let (plain, html) = text.split_once("text/html").expect("both forms");
    assert!(plain.contains("expected 200, got <b>503</b> Bcc: x@evil(.)example (link)"), "{plain}");
    assert!(html.contains("&lt;b&gt;503&lt;/b&gt;") && !html.contains("<b>503"), "{html}");
    assert!(!html.contains("<img"), "{html}");
    assert!(!text.contains("evil.example"), "{text}");
    let links = html.matches("<a href=").count();
    assert_eq!(links, 2, "the incident and the runbook: {html}");
    assert!(html.contains("https://wiki.example.com/login?a=1&amp;b=2"), "{html}");
}

#[tokio::test]
async fn every_answer_has_its_consequence() {
    let fake = FakeSmtp::plain().await;
    let smtp = smtp(&access(fake.port));
    let failing = notification(ana(), FAILING);
    let refused = |what: &str, code: &str| format!("the mail server refused the {what}: {code}");
    let table = [
        (Fate::RefuseRecipient(550), "given_up", refused("recipient", "permanent error (550)")),
        (Fate::RefuseRecipient(450), "retry", refused("recipient", "transient error (450)")),
        (Fate::RefuseMessage(554), "given_up", refused("message", "permanent error (554)")),
        (Fate::RefuseMessage(451), "retry", refused("message", "transient error (451)")),
        (Fate::Cut, "ambiguous", "no answer: ".into()),
        (Fate::Hang, "ambiguous", "the mail server did not say whether it took it".into()),
        (Fate::HangUp, "retry", "the mail server 127.0.0.1 cannot be used: ".into()),
    ];
    for (fate, outcome, reason) in table {
        fake.fates([fate]);
        let (found, why) = words(&send(&smtp, &failing, Some(ADDRESS)).await);
        assert_eq!(found, outcome, "{fate:?}: {why}");
        assert!(why.starts_with(&reason), "{fate:?}: {why}");
        assert!(!why.contains(ADDRESS), "{why}");
    }
    let nobody = words(&send(&smtp, &failing, None).await);
    assert_eq!(nobody, ("given_up", "ana has no e-mail address".into()));
    let port = fake.port;
    drop(fake);
    let (outcome, why) = words(&send(&self::smtp(&access(port)), &failing, Some(ADDRESS)).await);
    assert_eq!(outcome, "retry", "{why}");
}

#[tokio::test]
async fn the_way_is_encrypted_or_nothing_goes() {
    with_ring();
    let folder = TempDir::new().expect("a folder");
    let authority = certify(folder.path(), &["127.0.0.1"]);
    let failing = notification(ana(), FAILING);
    for (way, encryption) in [(Way::StartTls, Encryption::StartTls), (Way::Tls, Encryption::Tls)] {
        let fake = FakeSmtp::encrypted(way, folder.path()).await;
        let trusting = Access {
            encryption,
            login: Some((USER, PASSWORD)),
            authority: Some(&authority),
            ..access(fake.port)
        };
        let attempt = send(&smtp(&trusting), &failing, Some(ADDRESS)).await;
        assert_eq!(attempt.as_str(), "accepted", "{way:?}: {attempt:?}");
        let mailed = fake.taken(ADDRESS).remove(0);
        assert!(mailed.encrypted, "{way:?}");
        assert_eq!(mailed.user.as_deref(), Some(USER));

        let wrong = Access { login: Some((USER, "hunter2")), ..trusting };
        let (outcome, why) = words(&send(&smtp(&wrong), &failing, Some(ADDRESS)).await);
        assert_eq!(outcome, "broken", "{why}");
        assert!(why.starts_with("credentials refused by the mail server"), "{why}");
        assert!(!format!("{:?} {why}", smtp(&wrong)).contains("hunter2"));

        let distrusting = Access { authority: None, ..trusting };
        let (outcome, why) = words(&send(&smtp(&distrusting), &failing, Some(ADDRESS)).await);
        assert_eq!(outcome, "retry", "{why}");
        assert_eq!(fake.mailed().len(), 1, "nothing goes to whoever cannot show who they are");
    }
    let plain = FakeSmtp::plain().await;
    let wanted = Access { encryption: Encryption::StartTls, ..access(plain.port) };
    let (outcome, why) = words(&send(&smtp(&wanted), &failing, Some(ADDRESS)).await);
    assert_eq!(outcome, "given_up", "{why}");
    assert!(why.contains("STARTTLS"), "{why}");
    assert!(plain.mailed().is_empty());
}
