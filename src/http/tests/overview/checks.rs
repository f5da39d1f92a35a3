//! The pages of checks and of their runs.

use super::*;
use crate::domain::restraint::{Actor, Scope, Silence, SilenceId, Via};
use crate::store::RunFilter;

/// Sends a form as a browser does, and says where that leads.
async fn send(face: &Face, path: &str, site: &str, form: &'static str) -> (Answer, String) {
    let mut sent = request(Method::POST, path, "localhost:7070", Body::from(form));
    let headers = sent.headers_mut();
    headers.insert(header::ACCEPT, "text/html".parse().expect("a value"));
    let kind = "application/x-www-form-urlencoded".parse().expect("a value");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert("sec-fetch-site", site.parse().expect("a value"));
    let answer = face.answer(sent).await;
    let place = answer.headers.get(header::LOCATION).and_then(|it| it.to_str().ok());
    let place = place.unwrap_or_default().to_owned();
    (answer, place)
}

/// Where the first link with these words leads.
fn link<'a>(page: &'a str, words: &str) -> &'a str {
    let before = page.split(words).next().unwrap_or_default();
    let link = before.rsplit("href=\"").next().unwrap_or_default();
    link.split('"').next().unwrap_or_default()
}

#[tokio::test]
async fn a_check_says_how_it_is_doing_and_who_would_be_told() {
    let face = Face::new();
    let page = page(&face, "/checks/shop/login").await;
    assert!(page.contains("<title>Sign in to the shop down · Tripline</title>"), "{page}");
    assert_eq!(page.matches("<h1").count(), 1);
    assert!(page.contains("<dd>every 30s</dd>"), "{page}");
    assert!(page.contains("<a href=\"https://wiki.example.com/login\""), "{page}");
    assert!(page.contains("after 2 failures in a row"), "{page}");
    assert!(page.contains("Regions that must agree: 1 of 2."), "{page}");
    assert!(page.contains("id=\"L2\"><span class=\"k\">export</span>"), "{page}");
    assert!(page.contains("// &lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    let one = super::page(&face, "/checks/front").await;
    assert!(one.contains("<code>GET https://example.com/</code>"), "no password: {one}");
    assert!(one.contains("It has not run yet."), "{one}");
}

#[tokio::test]
async fn charts_are_in_the_zone_of_whoever_looks_and_say_so() {
    let face = Face::new();
    let utc = page(&face, "/checks/shop/login").await;
    assert!(utc.contains("The axes are in UTC."), "{utc}");
    let mut asked = request(Method::GET, "/checks/shop/login", "localhost:7070", Body::empty());
    asked.headers_mut().insert(header::ACCEPT, "text/html".parse().expect("a value"));
    let cookie = "tripline-zone=Asia/Kolkata".parse().expect("a value");
    asked.headers_mut().insert(header::COOKIE, cookie);
    let answer = face.answer(asked).await;
    let there = answer.body.as_str().expect("a page");
    assert!(there.contains("The axes are in Asia/Kolkata."), "{there}");
    assert!(there.contains(">Nov 21, 09:42<") || there.contains("(Asia/Kolkata)"), "{there}");
}

#[tokio::test]
async fn what_is_not_drawn_is_said() {
    use crate::domain::schedule::{Interval, Schedule};
    let (mut checks, mut store) = a_world();
    store.runs_often(2_500);
    let login = Arc::make_mut(&mut checks[0]);
    login.schedule = Schedule::Every(Interval::new(Duration::from_secs(1)).expect("good"));
    login.regions = ["eu-west-1", "us-east-1"]
        .into_iter()
        .chain(["a", "b", "c", "d", "e", "f", "g", "h"])
        .map(|name| Region::new(name).expect("a good name"))
        .collect();
    let face = Face::watching(checks, store);
    let week = page(&face, "/checks/shop/login?window=7d").await;
    assert!(week.contains("Only the last 2000 runs are drawn, since "), "{week}");
    assert!(week.contains("There are too many values to draw"), "{week}");
    let hour = page(&face, "/checks/shop/login?window=15m").await;
    assert!(!hour.contains("Only the last") && !hour.contains("too many values"), "{hour}");
}

#[tokio::test]
async fn a_runbook_is_a_link_only_where_a_browser_may_follow_it() {
    let mut check = Check::example("front");
    check.runbook = Some("javascript:alert(1)".into());
    let face = Face::watching(vec![Arc::new(check)], a_world().1);
    let page = page(&face, "/checks/front").await;
    assert!(page.contains("<dd>javascript:alert(1)</dd>"), "{page}");
}

#[tokio::test]
async fn what_keeps_people_from_being_told_stands_there() {
    let face = Face::new();
    let by = Actor { name: "ana".into(), via: Via::Cli };
    let (from, until) = (now(), now() + TimeDelta::hours(1));
    let (scope, reason) = (Scope::default(), "moving".to_owned());
    let silence = Silence { id: SilenceId(3), scope, reason, by, from, until };
    face.store.silences.lock().expect("no test panics with it").push(silence);
    let page = page(&face, "/checks/shop/login").await;
    assert!(page.contains("Nobody is told now: silence 3 by ana"), "{page}");
}

#[tokio::test]
async fn runs_are_filtered_and_each_has_a_page() {
    let face = Face::new();
    let runs = |page: &str| page.matches("<a href=\"/runs/").count();
    let all = page(&face, "/checks/shop/login").await;
    for (query, fewer) in [
        ("region=&outcome=", 0),
        ("region=us-east-1", 2),
        ("outcome=failed", 4),
        ("region=us-east-1&outcome=failed", 5),
    ] {
        let some = page(&face, &format!("/checks/shop/login?{query}")).await;
        assert_eq!(runs(&some), runs(&all) - fewer, "{query}");
    }
    let failed = page(&face, "/checks/shop/login?outcome=failed").await;
    let run =
        page(&face, link(failed.split("id=\"run-list\"").nth(1).expect("a list"), "</a>")).await;
    for words in [
        "<title>Sign in to the shop failed · Tripline</title>",
        "<pre>200</pre>",
        "href=\"/checks/shop/login#L18\"",
        "18 |   expect(home.status).toBe(200);",
        "POST https://shop.example.com/login",
        "203.0.113.7:443",
        "What they carried",
        "<dt>cookie</dt><dd>sid=***</dd>",
        "user=ana&amp;password=***",
        "&lt;script&gt;alert(1)&lt;/script&gt;…",
        "slow",
        "logins",
        "Left out, to keep the report short: 3 log lines.",
    ] {
        assert!(run.contains(words), "{words}: {run}");
    }
}

#[tokio::test]
async fn a_button_has_a_check_run_at_once() {
    let face = Face::new();
    let path = "/checks/shop/login/run-now";
    let (refused, _) = send(&face, path, "cross-site", "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let (wrong, _) = send(&face, path, "same-origin", "region=mars").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let (done, place) = send(&face, path, "same-origin", "region=us-east-1").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let after = page(&face, place.split('#').next().expect("a path")).await;
    assert!(after.contains("<b>Asked for. </b>Run by hand for somebody (web)"), "{after}");
    assert!(after.contains("us-east-1: no agent has taken it yet"), "{after}");
    let (again, _) = send(&face, path, "same-origin", "region=").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let (_, store) = a_world();
    let report = store.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await.expect("runs");
    let report = store.run(report[0].id).await.expect("it answers").expect("it is there");
    face.store.end_errand(report);
    let ended = page(&face, "/checks/shop/login").await;
    let errands = ended.split("id=\"errands\"").nth(1).expect("errands");
    let run = page(&face, link(errands, "</a>")).await;
    assert!(run.contains("counts for nothing"), "{run}");
}

#[tokio::test]
async fn what_is_not_there_has_a_page_that_says_so() {
    let face = Face::new();
    for (path, status, words) in [
        ("/checks/shop", StatusCode::NOT_FOUND, "There is no check `shop` in the project."),
        ("/checks/shop/login?before=x", StatusCode::BAD_REQUEST, "a moment is written like"),
        ("/checks/shop/login?asked=x", StatusCode::BAD_REQUEST, "the id of an errand is a UUID"),
        ("/runs/7", StatusCode::BAD_REQUEST, "The id of a run is a UUID"),
        (
            "/runs/00000000-0000-8000-8000-000000000000",
            StatusCode::NOT_FOUND,
            "old runs are forgotten",
        ),
    ] {
        let (answer, text) = browse(&face, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(text.contains(words), "{path}: {text}");
    }
    let (answer, _) = send(&face, "/checks/shop/login", "same-origin", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
