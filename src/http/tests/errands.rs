//! Runs that people ask for, by HTTP.

use super::description::assert_described;
use super::*;
use crate::domain::id::{CheckId, Region};
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
