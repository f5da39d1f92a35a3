//! Runs that people ask for, by HTTP.

use super::description::assert_described;
use super::*;
use crate::domain::errand::ErrandId;
use crate::domain::id::{CheckId, Region};
use crate::domain::output::{Line, What};
use crate::domain::run::{Report, Trace};
use crate::domain::slot::Slot;

const LOGIN: &str = "/api/v1/checks/shop%2Flogin/errands";

#[tokio::test]
async fn a_check_is_run_by_hand_and_what_came_of_it_is_read() {
    let face = Face::new();
    let body = json!({"by": "ana", "via": "cli"});
    let answer = face.post(LOGIN, &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let document = face.ok("/api/v1/openapi.json").await;
    assert_described(&document, ("post", "/api/v1/checks/{id}/errands"), &answer);
    let place = answer.headers[header::LOCATION].to_str().expect("a path").to_owned();
    let legs = answer.body["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 2, "all regions of the check: {legs:?}");
    assert_eq!((&legs[0]["stage"], &answer.body["incident"]), (&json!("asked"), &json!(7)));
    assert_eq!(face.ok(&place).await, answer.body);
    assert_eq!(face.ok(LOGIN).await["errands"][0], answer.body);

    let run = format!("/api/v1/runs/{}", legs[0]["run"].as_str().expect("an id"));
    face.refused(&run, StatusCode::NOT_FOUND).await;
    let region = Region::new(legs[0]["region"].as_str().expect("a name")).expect("a name");
    let check = CheckId::new("shop/login").expect("a name");
    face.store.end_errand(Report {
        slot: Slot { check, region, at: now() },
        started_at: now() + Duration::from_secs(3),
        duration: Duration::from_millis(312),
        failure: None,
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    });
    let ended = face.ok(&place).await;
    assert_eq!(ended["legs"][0]["summary"], "passed in 312 ms");
    assert_eq!(
        (&ended["legs"][0]["outcome"], &ended["is_over"]),
        (&json!("passed"), &json!(false))
    );
    let shown = face.get(&place).await;
    assert_described(&document, ("get", "/api/v1/errands/{id}"), &shown);
    let listed = face.get(LOGIN).await;
    assert_described(&document, ("get", "/api/v1/checks/{id}/errands"), &listed);
    let run = face.ok(&run).await;
    assert_eq!((&run["id"], &run["late_ms"]), (&legs[0]["run"], &json!(0.0)));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_a_reason() {
    let face = Face::new();
    let by = json!({"by": "ana"});
    for (path, body, status, wanted) in [
        (
            "/api/v1/checks/nothing/errands",
            &by,
            StatusCode::NOT_FOUND,
            "there is no check `nothing`",
        ),
        (LOGIN, &json!({}), StatusCode::BAD_REQUEST, "say who acts, in `by`"),
        (
            LOGIN,
            &json!({"by": "ana", "region": "mars"}),
            StatusCode::BAD_REQUEST,
            "does not run in mars; it runs in eu-west-1, us-east-1",
        ),
    ] {
        let said = face.post_in_vain(path, body, status).await;
        assert!(said.contains(wanted), "{said}");
    }
    assert_eq!(face.post(LOGIN, &by).await.status, StatusCode::ACCEPTED);
    let said = face.post_in_vain(LOGIN, &by, StatusCode::CONFLICT).await;
    assert!(said.contains("is being run by hand in eu-west-1 already"), "{said}");
    face.refused("/api/v1/errands/nothing", StatusCode::BAD_REQUEST).await;
    let unknown = "/api/v1/errands/00000000-0000-4000-8000-000000000000";
    face.refused(unknown, StatusCode::NOT_FOUND).await;
    face.store.fail();
    face.post_in_vain(LOGIN, &by, StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_what_a_run_does_and_what_came_of_it() {
    let face = Face::new();
    let asked = face.post(LOGIN, &json!({"by": "ana", "region": "us-east-1"})).await;
    let errand = asked.body["id"].as_str().expect("an id").to_owned();
    let page = super::overview::page(&face, "/checks/shop/login").await;
    let place = format!("/errands/{errand}/output");
    assert!(page.contains(&format!("data-output=\"{place}\"")), "{page}");
    let what = What::Began { step: "sign in\n<img src=x>".to_owned() };
    face.store.tell_errand(Line { at: Duration::from_millis(12), what });
    let stream = tokio::spawn({
        let request = request(Method::GET, &place, "localhost:7070", Body::empty());
        face.router.clone().oneshot(request)
    });
    let response = stream.await.expect("no panic").expect("never fails");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || {
        let chunk = futures::StreamExt::next(&mut body).await?;
        Some(String::from_utf8(chunk.expect("it does not break").to_vec()).expect("text"))
    };
    // It comes while the run goes on.
    let line = next().await.expect("a line");
    assert_eq!(
        line,
        "event: line\ndata: {\"region\":\"us-east-1\",\"at_ms\":12,\"look\":\"begins\",\
         \"text\":\"sign in\\n<img src=x>\"}\n\n"
    );
    let (check, region) = ("shop/login", "us-east-1");
    face.store.end_errand(Report {
        slot: Slot {
            check: CheckId::new(check).expect("a name"),
            region: Region::new(region).expect("a name"),
            at: now(),
        },
        started_at: now(),
        duration: Duration::from_millis(312),
        failure: None,
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    });
    let run = ErrandId(errand.parse().expect("a UUID"))
        .run_in(&Region::new(region).expect("a name"), now());
    assert_eq!(
        next().await.expect("what came of it"),
        format!(
            "event: verdict\ndata: {{\"region\":\"us-east-1\",\"outcome\":\"passed\",\
             \"text\":\"passed in 312 ms\",\"run\":\"/runs/{run}\"}}\n\n"
        )
    );
    assert_eq!(next().await.as_deref(), Some("event: end\ndata: end\n\n"));
    assert_eq!(next().await, None);
    face.refused("/errands/nothing/output", StatusCode::BAD_REQUEST).await;
    let unknown = "/errands/00000000-0000-4000-8000-000000000000/output";
    face.refused(unknown, StatusCode::NOT_FOUND).await;
}
