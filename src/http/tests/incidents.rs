//! Pages about incidents, and the forms on them.

use super::overview::{browse, page};
use super::*;

const OF_FORMS: &str = "application/x-www-form-urlencoded";

fn form(path: &str, body: &str) -> Request<Body> {
    let mut asked = request(Method::POST, path, "localhost:7070", Body::from(body.to_owned()));
    let headers = asked.headers_mut();
    headers.insert(header::CONTENT_TYPE, OF_FORMS.parse().expect("a header"));
    headers.insert(header::ACCEPT, "text/html".parse().expect("a header"));
    headers.insert("sec-fetch-site", "same-origin".parse().expect("a header"));
    asked
}

/// Sends a form as a browser does, and follows where it leads.
async fn send(face: &Face, path: &str, body: &str) -> String {
    let answer = face.answer(form(path, body)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}: {}", answer.body);
    let place = answer.headers[header::LOCATION].to_str().expect("a path").to_owned();
    page(face, &place).await
}

/// Sends one that is refused.
async fn send_in_vain(face: &Face, path: &str, body: &str, status: StatusCode) -> String {
    let answer = face.answer(form(path, body)).await;
    assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    answer.body.as_str().expect("a page").to_owned()
}

#[tokio::test]
async fn an_incident_says_what_where_since_when_and_who_knows() {
    let face = Face::new();
    let page = page(&face, "/incidents/7").await;
    for said in [
        "<title>Sign in to the shop: down · Tripline</title>",
        "<span class=\"mark down\">down</span> for",
        "expected 200, received 503",
        "<dd>eu-west-1<span class=\"quiet\"> (1 of 2 regions)</span></dd>",
        "<dd>sign in</dd>",
        "by nobody yet",
        "<dt>Told</dt><dd>nobody yet</dd>",
        "<dt>Not reached</dt><dd>slack:#p2<span class=\"quiet\"> (tried, owed)</span></dd>",
        "href=\"https://wiki.example.com/login\"",
        "first failure in eu-west-1: tier 1 of policy p2-then-p1 tells slack:#p2",
        "tried, owed",
        "that it fails, tier 1",
        "1 attempt",
        "failed for now",
        "1 failed",
    ] {
        assert!(page.contains(said), "{said} in {page}");
    }
    assert_eq!(page.matches("<h1").count(), 1);
}

#[tokio::test]
async fn who_has_a_message_is_told_from_who_only_should() {
    use crate::domain::id::PersonId;
    use crate::domain::notification::NotificationState as State;
    use crate::domain::policy::Recipient;
    let (checks, mut store) = a_world();
    let sms = |name: &str| Recipient::Sms(PersonId::new(name).expect("a good name"));
    store.tells(Recipient::Slack("#p1".into()), State::Sent, Some("1700000000.1"));
    store.tells(sms("ana"), State::Sent, Some("printed"));
    store.tells(Recipient::Webhook("ops".into()), State::Sent, Some("printed"));
    store.tells(sms("bo"), State::GivenUp, None);
    store.tells(Recipient::Rota("primary".into()), State::HandedOn, None);
    store.tells(sms("eva"), State::InDigest, None);
    // What was sent to Slack later said what was owed before, too.
    store.tells(Recipient::Slack("#p2".into()), State::Sent, Some("1700000000.2"));
    let face = Face::watching(checks, store);
    let page = page(&face, "/incidents/7").await;
    let why = |why: &str| format!("<span class=\"quiet\"> ({why})</span>");
    let printed = why("shown, not sent: no such channel is set up");
    for said in [
        "<dt>Told</dt><dd>slack:#p1, slack:#p2, sms:eva</dd>".to_owned(),
        format!("<dd>sms:ana, webhook:ops{printed}; sms:bo{}</dd>", why("given up")),
    ] {
        assert!(page.contains(&said), "{said} in {page}");
    }
}

#[tokio::test]
async fn what_told_nobody_is_folded_below_the_messages() {
    let (checks, mut store) = a_world();
    store.tells_nobody(23);
    let face = Face::watching(checks, store);
    let page = page(&face, "/incidents/7").await;
    assert!(page.contains("<b>nobody told, 23 times</b>"), "{page}");
    assert!(page.contains("<p>last: failed 1 in a row in region 22</p>"), "{page}");
    assert!(page.contains("<details id=\"decided-1\"><summary>all 23 reasons"), "{page}");
    let (messages, trail) = (page.find("id=\"messages\""), page.find("id=\"trail\""));
    assert!(messages < trail, "{messages:?} {trail:?}");
}

#[tokio::test]
async fn what_takes_something_from_others_is_pressed_twice() {
    let face = Face::new();
    send(&face, "/incidents/7/acknowledge", "by=ana").await;
    let shown = page(&face, "/incidents/7").await;
    assert!(shown.contains("<details class=\"asked\" id=\"take-back\">"), "{shown}");
    let shown = send(&face, "/incidents/silences", "check=shop%2Flogin&for=2h&reason=deploy").await;
    assert!(shown.contains("<details class=\"asked\" id=\"end-1\">"), "{shown}");
}

#[tokio::test]
async fn decisions_stand_in_their_order_and_of_many_the_middle_is_left_out() {
    let (checks, mut store) = a_world();
    store.decide(400);
    let face = Face::watching(checks, store);
    let page = page(&face, "/incidents/7").await;
    let reasons: Vec<usize> = page
        .split("<p>reason ")
        .skip(1)
        .filter_map(|rest| rest.split_once('<')?.0.parse().ok())
        .collect();
    assert!(reasons.is_sorted(), "{reasons:?}");
    assert_eq!((reasons.len(), reasons.first(), reasons.last()), (249, Some(&1), Some(&399)));
    assert!(page.contains("150 decisions left out here"), "{page}");
}

#[tokio::test]
async fn no_text_of_others_becomes_markup() {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let (checks, mut store) = a_world();
    store.say(hostile);
    let face = Face::watching(checks, store);
    let query: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    for path in [
        "/".to_owned(),
        "/incidents/7".into(),
        "/incidents".into(),
        format!("/incidents?q={query}"),
    ] {
        let page = page(&face, &path).await;
        assert!(page.contains("&lt;script&gt;"), "{path}: {page}");
        for markup in ["<script>", "<img", "\"'>", " style="] {
            assert!(!page.contains(markup), "{path}: {page}");
        }
    }
}

#[tokio::test]
async fn forms_do_what_the_api_does_and_lead_back_with_a_word() {
    let face = Face::new();
    let of = |act: &str| format!("/incidents/7/{act}");
    let said = send(&face, &of("acknowledge"), "for=1h&reason=on+it&by=ana").await;
    assert!(said.contains("role=\"status\">Acknowledged."), "{said}");
    assert!(said.contains("by <b>ana (web)</b>") && said.contains("“on it”"), "{said}");
    let known = face.ok("/api/v1/incidents/7").await;
    assert_eq!(known["incident"]["acknowledged"]["until"], "2026-11-21T05:12:31.250Z");
    assert!(send(&face, &of("unacknowledge"), "").await.contains("Taken back."));
    assert!(send(&face, &of("acknowledge"), "for=&reason=&by=").await.contains("somebody (web)"));
    assert!(send(&face, &of("note"), "text=x&by=").await.contains("Noted."));
    let asked = send(&face, &of("run-now"), "").await;
    assert!(asked.contains("no agent has taken it yet"), "{asked}");
    let silenced = send(&face, &of("silence"), "for=1h&reason=deploy&by=ana").await;
    assert!(silenced.contains("Silenced."), "{silenced}");
    let over = send(&face, &of("resolve"), "reason=rolled+back&by=ana").await;
    assert!(over.contains("Resolved.") && over.contains("mark up\">resolved"), "{over}");
    assert!(!over.contains("<form"), "nothing is left to be done: {over}");
    let again = send_in_vain(&face, &of("resolve"), "by=ana", StatusCode::CONFLICT).await;
    assert!(again.contains("The incident is resolved already"), "{again}");
    assert!(again.contains("href=\"/incidents/7\""), "there is a way back: {again}");
}

#[tokio::test]
async fn what_a_form_says_wrongly_is_refused_in_words() {
    let face = Face::new();
    for (path, body, status, wanted) in [
        ("/incidents/7/acknowledge", "for=soon", StatusCode::BAD_REQUEST, "`for` is wrong"),
        ("/incidents/7/acknowledge", "four=1h", StatusCode::BAD_REQUEST, "did you mean `for`?"),
        ("/incidents/7/acknowledge", "by=%ff", StatusCode::OK, ""),
        ("/incidents/7/note", "text=+", StatusCode::BAD_REQUEST, "`text` must not be empty"),
        ("/incidents/7/silence", "for=1h&reason=", StatusCode::BAD_REQUEST, "Say why"),
        ("/incidents/8/resolve", "", StatusCode::NOT_FOUND, "There is no incident 8"),
        ("/incidents/x/resolve", "", StatusCode::BAD_REQUEST, "is a number"),
        ("/incidents/silences", "for=1h&reason=x", StatusCode::BAD_REQUEST, "Name at least one"),
        ("/incidents/silences", "label=team", StatusCode::BAD_REQUEST, "like `team=shop`"),
        ("/incidents/silences/9/end", "", StatusCode::NOT_FOUND, "no silence 9"),
    ] {
        if status == StatusCode::OK {
            send(&face, path, body).await;
        } else {
            let said = send_in_vain(&face, path, body, status).await;
            assert!(said.contains(wanted), "{path} {body}: {said}");
        }
    }
    let mut json = form("/incidents/7/resolve", "{}");
    json.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a header"));
    assert_eq!(face.answer(json).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (answer, _) = browse(&face, "/incidents/7/resolve").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let face = Face::new();
    for path in [
        "/incidents/7/acknowledge",
        "/incidents/7/unacknowledge",
        "/incidents/7/resolve",
        "/incidents/7/note",
        "/incidents/7/silence",
        "/incidents/7/run-now",
        "/incidents/silences",
        "/incidents/silences/1/end",
    ] {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:9090"),
            ("origin", "null"),
        ] {
            let mut asked = form(path, "text=x&reason=x&for=1h&everything=yes");
            asked.headers_mut().remove("sec-fetch-site");
            asked.headers_mut().insert(name, value.parse().expect("a header"));
            let answer = face.answer(asked).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    assert_eq!(face.woken.load(std::sync::atomic::Ordering::Relaxed), 0);
    let mut own = form("/incidents/7/resolve", "");
    own.headers_mut().remove("sec-fetch-site");
    own.headers_mut().insert("origin", "http://localhost:7070".parse().expect("a header"));
    assert_eq!(face.answer(own).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn incidents_are_listed_as_the_url_says() {
    let face = Face::new();
    let link = "href=\"/incidents/7\"";
    for (query, is_listed) in [
        ("", true),
        ("?state=open", true),
        ("?state=resolved", false),
        ("?q=SHOP&about=&state=", true),
        ("?q=sign+in+to", true),
        ("?q=503", true),
        ("?q=nothing", false),
        ("?about=check", true),
        ("?about=rule", false),
        ("?after=open-7", false),
        ("?after=open-8", true),
        ("?after=resolved-8", false),
    ] {
        let page = page(&face, &format!("/incidents{query}")).await;
        assert_eq!(page.contains(link), is_listed, "{query}: {page}");
    }
    let none = page(&face, "/incidents?q=nothing").await;
    assert!(none.contains("No incident is like this."), "{none}");
    assert!(page(&face, "/incidents").await.contains("None of these is over yet."));
    send(&face, "/incidents/7/resolve", "").await;
    let over = page(&face, "/incidents").await;
    assert!(over.contains("No open incidents") && over.contains(link), "{over}");
    for (path, words) in [
        ("/incidents?state=closed", "a state is `open` or `resolved`"),
        ("/incidents?after=7", "it is written like `open-42`"),
        ("/incidents?done=x", "it is written by forms"),
    ] {
        let (answer, text) = browse(&face, path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[tokio::test]
async fn silences_are_asked_for_listed_and_ended_on_the_page() {
    let face = Face::new();
    let before = page(&face, "/incidents").await;
    assert!(before.contains("Nobody asked not to be told of anything."), "{before}");
    let body =
        "check=shop%2Flogin&rule=&region=eu-west-1&label=team%3Dshop&for=2h&reason=deploy&by=ana";
    let silenced = send(&face, "/incidents/silences", body).await;
    assert!(silenced.contains("Silenced.") && silenced.contains("deploy"), "{silenced}");
    let known = face.ok("/api/v1/silences").await;
    assert_eq!(known["silences"][0]["labels"], json!({"team": "shop"}));
    assert_eq!(known["silences"][0]["via"], "web");
    let ended = send(&face, "/incidents/silences/1/end", "").await;
    assert!(ended.contains("The silence is over.") && !ended.contains("deploy"), "{ended}");
}

#[tokio::test]
async fn an_open_page_is_told_of_changes() {
    let face = Face::new();
    let asked = request(Method::GET, "/events", "localhost:7070", Body::empty());
    let answer = face.router.clone().oneshot(asked).await.expect("never fails");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}
