//! What people do, by HTTP.

use super::description::assert_described;
use super::*;

fn sent(method: Method, path: &str, body: &Value) -> Request<Body> {
    let mut request = request(method, path, "localhost", Body::from(body.to_string()));
    let kind = "application/json".parse().expect("a header");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    request
}

impl Face {
    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.answer(sent(Method::POST, path, body)).await
    }

    /// Sends something that is refused, and gives back what is said.
    pub(super) async fn post_in_vain(
        &self,
        path: &str,
        body: &Value,
        status: StatusCode,
    ) -> String {
        let answer = self.post(path, body).await;
        assert_problem(&answer, status);
        answer.body["detail"].as_str().expect("a sentence").to_owned()
    }
}

#[tokio::test]
async fn an_incident_is_acknowledged_noted_and_resolved() {
    let face = Face::new();
    let of = |act: &str| format!("/api/v1/incidents/7/{act}");
    let body = json!({"by": " ana\n", "via": "cli", "reason": "on\u{202e} it", "for": "1h"});
    let answer = face.post(&of("acknowledge"), &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let acknowledged = json!({"by": "ana", "via": "cli", "reason": "on it",
        "at": "2026-11-21T04:12:31.250Z", "until": "2026-11-21T05:12:31.250Z"});
    assert_eq!(answer.body["acknowledged"], acknowledged);
    assert_eq!(answer.body["due_at"], "2026-11-21T05:12:31.250Z");
    assert_eq!(face.ok("/api/v1/incidents/7").await["incident"]["acknowledged"], acknowledged);
    let by = json!({"by": "ana"});
    assert_eq!(face.post(&of("note"), &json!({"by": "ana", "text": "x"})).await.status, 200);
    assert_eq!(face.post(&of("unacknowledge"), &by).await.status, 200);
    assert_eq!(face.post(&of("resolve"), &by).await.body["status"], "resolved");
    let said = face.post_in_vain(&of("resolve"), &by, StatusCode::CONFLICT).await;
    assert_eq!(said, "the incident is resolved already, since 2026-11-21 04:12:31 UTC");
    let woken = face.woken.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(woken, 4);
}

#[tokio::test]
async fn acts_that_mean_nothing_are_refused() {
    let face = Face::new();
    let (acknowledge, bad) = ("/api/v1/incidents/7/acknowledge", StatusCode::BAD_REQUEST);
    let long = "x".repeat(501);
    for (body, wanted) in [
        (json!({}), "say who acts, in `by`"),
        (json!({"by": "\u{200b} "}), "`by` must not be empty"),
        (json!({"by": "ana", "reason": long}), "at most 500 are possible"),
        (json!({"by": "ana", "for": "1"}), "`1` has no unit"),
        (json!({"by": "ana", "for": "8d"}), "from one minute to seven days"),
        (json!({"by": "ana", "via": "slack"}), "unknown variant `slack`"),
        (json!({"by": "ana", "reson": "x"}), "unknown field `reson`"),
    ] {
        let said = face.post_in_vain(acknowledge, &body, bad).await;
        assert!(said.contains(wanted), "{said}");
    }
    let by = json!({"by": "ana"});
    let said = face.post_in_vain("/api/v1/incidents/8/resolve", &by, StatusCode::NOT_FOUND).await;
    assert_eq!(said, "there is no incident 8");
    face.post_in_vain("/api/v1/incidents/x/resolve", &by, bad).await;
    face.post_in_vain("/api/v1/incidents/%ff/resolve", &by, bad).await;
    let taken_back = "/api/v1/incidents/7/unacknowledge";
    let said = face.post_in_vain(taken_back, &by, StatusCode::CONFLICT).await;
    assert_eq!(said, "nobody has acknowledged the incident");
    let get = face.refused(acknowledge, StatusCode::METHOD_NOT_ALLOWED).await;
    assert!(get["detail"].as_str().is_some_and(|it| it.ends_with("use POST")), "{get}");
    face.store.fail();
    face.post_in_vain(taken_back, &by, StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test]
async fn a_page_of_another_site_does_nothing() {
    let face = Face::new();
    let by = json!({"by": "ana"});
    for (method, path) in
        [(Method::POST, "/api/v1/incidents/7/resolve"), (Method::DELETE, "/api/v1/silences/1")]
    {
        let mut asked = sent(method, path, &by);
        asked.headers_mut().insert("sec-fetch-site", "cross-site".parse().expect("a header"));
        assert_problem(&face.answer(asked).await, StatusCode::FORBIDDEN);
    }
    let mut asked = sent(Method::POST, "/api/v1/incidents/7/resolve", &by);
    let kind = "text/plain".parse().expect("a header");
    asked.headers_mut().insert(header::CONTENT_TYPE, kind);
    assert_problem(&face.answer(asked).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(face.ok("/api/v1/incidents/7").await["incident"]["status"], "open");
}

#[tokio::test]
async fn silences_begin_are_listed_and_end() {
    let face = Face::new();
    let wanted = json!({"checks": ["shop/login"], "regions": ["eu-west-1"],
        "labels": {"team": "shop"}, "reason": "deploy", "by": "ana", "for": "2h"});
    let begun = face.post("/api/v1/silences", &wanted).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.body);
    let silence = json!({"id": 1, "checks": ["shop/login"], "rules": [], "regions": ["eu-west-1"],
        "labels": {"team": "shop"}, "reason": "deploy", "by": "ana", "via": "api",
        "from": "2026-11-21T04:12:31.250Z", "until": "2026-11-21T06:12:31.250Z"});
    assert_eq!(begun.body, silence);
    assert_eq!(face.ok("/api/v1/silences").await, json!({"silences": [silence]}));
    let end = || request(Method::DELETE, "/api/v1/silences/1", "localhost", Body::empty());
    let ended = face.answer(end()).await;
    assert_eq!(ended.body["until"], "2026-11-21T04:12:31.250Z");
    assert_eq!(face.ok("/api/v1/silences").await, json!({"silences": []}));
    assert_problem(&face.answer(end()).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn silences_that_mean_nothing_are_refused() {
    let face = Face::new();
    for (change, wanted) in [
        (json!({"checks": ["frnt"]}), "there is no check `frnt`; did you mean `front`?"),
        (json!({"checks": ["sign in to the shop"]}), "did you mean `shop/login`?"),
        (json!({"rules": ["x"]}), "there is no rule `x`"),
        (json!({"regions": ["mars"]}), "no check runs in a region `mars`"),
        (json!({"labels": {"team": "pay"}}), "no check and no rule has the label `team=pay`"),
        (json!({"checks": []}), "name at least one check"),
        (json!({"everything": true}), "`everything` stands alone"),
        (json!({"for": "8d"}), "within seven days"),
        (json!({"for": null, "until": "2026-11-21T04:00:00Z"}), "ends in the future"),
        (json!({"for": null}), "say how long"),
        (json!({"reason": " "}), "say why"),
    ] {
        let mut body = json!({"checks": ["front"], "reason": "x", "by": "ana", "for": "1h"});
        let all = body.as_object_mut().expect("an object");
        all.extend(change.as_object().expect("an object").clone());
        let bad = StatusCode::BAD_REQUEST;
        let said = face.post_in_vain("/api/v1/silences", &body, bad).await;
        assert!(said.contains(wanted), "{body}: {said}");
    }
    let everything = json!({"everything": true, "reason": "x", "by": "ana", "for": "1h"});
    assert_eq!(face.post("/api/v1/silences", &everything).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_answers_are_described() {
    let face = Face::new();
    let document = face.ok("/api/v1/openapi.json").await;
    let by = json!({"by": "ana"});
    let acknowledge = "/api/v1/incidents/{id}/acknowledge";
    for id in ["7", "8", "x"] {
        let answer = face.post(&acknowledge.replace("{id}", id), &by).await;
        assert_described(&document, ("post", acknowledge), &answer);
    }
    let silence = json!({"checks": ["front"], "reason": "x", "by": "ana", "for": "1h"});
    for body in [&silence, &by] {
        let answer = face.post("/api/v1/silences", body).await;
        assert_described(&document, ("post", "/api/v1/silences"), &answer);
    }
    assert_described(&document, ("get", "/api/v1/silences"), &face.get("/api/v1/silences").await);
    for _ in 0..2 {
        let end = request(Method::DELETE, "/api/v1/silences/1", "localhost", Body::empty());
        let answer = face.answer(end).await;
        assert_described(&document, ("delete", "/api/v1/silences/{id}"), &answer);
    }
}
