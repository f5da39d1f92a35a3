//! What is answered about checks, runs, incidents and health, and what is refused.

use super::*;

#[tokio::test]
async fn a_check_shows_how_it_is_doing_in_each_region() {
    let face = Face::new();
    insta::assert_json_snapshot!(face.ok("/api/v1/checks/shop%2Flogin").await);
    let all = face.ok("/api/v1/checks").await;
    let ids: Vec<&Value> =
        all["checks"].as_array().expect("a list").iter().map(|check| &check["id"]).collect();
    assert_eq!(ids, ["front", "shop/login"]);
    assert_eq!(all["checks"][0]["status"], "never_run");
    assert_eq!(all["next_after"], Value::Null);
}

#[tokio::test]
async fn a_run_shows_all_that_was_reported() {
    let face = Face::new();
    let id = face.ok("/api/v1/runs?check=shop/login&outcome=failed&limit=1").await;
    let id = id["runs"][0]["id"].as_str().expect("an id").to_owned();
    insta::assert_json_snapshot!(face.ok(&format!("/api/v1/runs/{id}")).await);
}

#[tokio::test]
async fn an_incident_shows_reasons_and_deliveries() {
    let face = Face::new();
    let incident = face.ok("/api/v1/incidents/7").await;
    for link in ["opened_by", "latest_failed_run"] {
        let run = face.ok(incident[link]["path"].as_str().expect("a path")).await;
        assert_eq!((&run["id"], &run["outcome"]), (&incident[link]["id"], &json!("failed")));
    }
    insta::assert_json_snapshot!(incident);
    assert_eq!(face.ok("/api/v1/incidents?open_only=true").await["incidents"][0]["id"], 7);
    assert_eq!(face.ok("/api/v1/incidents").await["next_before"], Value::Null);
    let pages = face.ok("/api/v1/incidents?limit=1").await;
    assert_eq!(pages["next_before"], 7);
    let rest = face.ok("/api/v1/incidents?limit=1&before=7").await;
    assert_eq!(rest, json!({ "incidents": [], "next_before": null }));
    let none = face.ok("/api/v1/incidents?check=front").await;
    assert_eq!(none, json!({ "incidents": [], "next_before": null }));
}

#[tokio::test]
async fn agents_say_whether_they_live() {
    insta::assert_json_snapshot!(Face::new().ok("/api/v1/agents").await);
}

#[tokio::test]
async fn every_link_of_the_index_leads_somewhere() {
    let face = Face::new();
    let index = face.ok("/api/v1").await;
    let links = index["links"].as_array().expect("a list");
    assert!(links.len() > 3, "{index}");
    for link in links {
        face.ok(link["path"].as_str().expect("a path")).await;
    }
}

#[tokio::test]
async fn answers_can_be_read_by_people() {
    let face = Face::new();
    let asked = request(Method::GET, "/api/v1/incidents/7", "localhost", Body::empty());
    let response = face.router.clone().oneshot(asked).await.expect("never fails");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    assert!(body.starts_with(b"{\n  \"incident\": {\n    \"id\": 7,\n"));
}

#[tokio::test]
async fn pages_of_runs_lose_none_and_repeat_none() {
    let face = Face::new();
    for (limit, pages) in [(1, 3), (2, 3), (3, 2), (4, 2), (5, 1)] {
        let (mut ids, mut asked, mut before) = (Vec::new(), 0, String::new());
        loop {
            let page = face.ok(&format!("/api/v1/runs?limit={limit}{before}")).await;
            let runs = page["runs"].as_array().expect("a list");
            ids.extend(runs.iter().map(|run| run["id"].to_string()));
            asked += 1;
            let Some(next) = page["next_before"].as_str() else { break };
            before = format!("&before={next}");
        }
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), asked), (5, pages), "limit {limit}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_by_name() {
    let face = Face::new();
    let bad = StatusCode::BAD_REQUEST;
    for (path, parameter) in [
        ("/api/v1/runs?limit=501", "limit"),
        ("/api/v1/runs?limit=0", "limit"),
        ("/api/v1/runs?limit=-1", "limit"),
        ("/api/v1/runs?outcome=maybe", "outcome"),
        ("/api/v1/runs?before=yesterday", "before"),
        ("/api/v1/runs?region=eu%20west", "region"),
        ("/api/v1/runs?check=", "check"),
        ("/api/v1/runs?check=a&check=b", "check"),
        ("/api/v1/runs/7", "id"),
        ("/api/v1/incidents?open_only=1", "open_only"),
        ("/api/v1/incidents?before=2026-11-21T04:12:31Z", "before"),
        ("/api/v1/incidents/99999999999999999999", "id"),
        ("/api/v1/checks/%ff", "id"),
    ] {
        let problem = face.refused(path, bad).await;
        assert_eq!(problem["parameter"], parameter, "{path}");
    }
    let problem = face.refused("/api/v1/runs?limt=5", bad).await;
    assert_eq!(problem["detail"], "there is no parameter `limt`; did you mean `limit`?");
    let problem = face.refused("/api/v1/agents?x=1", bad).await;
    assert_eq!(problem["detail"], "there is no parameter `x`; this route has none");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let face = Face::new();
    let missing = StatusCode::NOT_FOUND;
    for (path, detail) in [
        ("/api/v1/checks/shop", "there is no check `shop` in the project"),
        (
            "/api/v1/checks/shop/login",
            "there is nothing at /api/v1/checks/shop/login; a `/` in the id of a check is written \
             `%2F`",
        ),
        ("/nowhere", "there is nothing at /nowhere; /api/v1 lists what there is"),
        ("/api/v1/incidents/8", "there is no incident 8"),
        (
            "/api/v1/runs/00000000-0000-8000-8000-000000000000",
            "there is no run 00000000-0000-8000-8000-000000000000; old runs are forgotten",
        ),
    ] {
        assert_eq!(face.refused(path, missing).await["detail"], detail);
    }
    let post = request(Method::POST, "/api/v1/runs", "localhost", Body::empty());
    let answer = face.answer(post).await;
    assert_problem(&answer, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn strangers_and_long_bodies_stay_outside() {
    let face = Face::new();
    let rebound = request(Method::GET, "/api/v1/checks", "evil.example:7070", Body::empty());
    assert_problem(&face.answer(rebound).await, StatusCode::MISDIRECTED_REQUEST);
    let absolute = request(Method::GET, "http://evil.example/healthz", "localhost", Body::empty());
    assert_problem(&face.answer(absolute).await, StatusCode::MISDIRECTED_REQUEST);
    let nameless = Request::builder().uri("/healthz").body(Body::empty()).expect("a request");
    assert_problem(&face.answer(nameless).await, StatusCode::MISDIRECTED_REQUEST);
    let mut long = request(Method::GET, "/healthz", "localhost", Body::from(vec![0; 70_000]));
    long.headers_mut().insert(header::CONTENT_LENGTH, 70_000.into());
    assert_problem(&face.answer(long).await, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn health_is_a_judgement_with_reasons() {
    let face = Face::new();
    let healthy = face.ok("/healthz").await;
    insta::assert_json_snapshot!(healthy);

    face.clock.advance(Duration::from_secs(31));
    let overdue = face.get("/healthz").await;
    assert_eq!(overdue.status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = "a notification by slack has been owed for 61 s (1 owed)";
    assert_eq!(overdue.body["reasons"], json!([reason]));

    face.clock.set(now());
    face.pulse.expect(Some(now() - TimeDelta::seconds(90)));
    let behind = face.get("/healthz").await;
    assert_eq!(behind.body["reasons"], json!(["the scheduler is 90 s behind"]));
    assert_eq!(behind.body["scheduler"]["lag_ms"], 90_000.0);
    face.pulse.expect(None);

    let reason = "disk I/O error: /var/lib/tripline.db".to_owned();
    face.trouble.send_replace(Some(Trouble { since: now() - TimeDelta::seconds(7), reason }));
    let full = face.get("/healthz").await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = "results have not been stored for 7 s; the log of the daemon says why";
    assert_eq!(full.body["reasons"], json!([reason]));
    assert_eq!(full.body["store"], json!({ "answers": true, "stores": false }));
    face.trouble.send_replace(None);

    face.store.give_up();
    let degraded = face.get("/healthz").await;
    assert_eq!(degraded.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(degraded.body["status"], "degraded");
    let reason = "2 messages by slack did not arrive in the last hour; /api/v1/incidents says which, \
                  why, and who was told instead";
    assert_eq!(degraded.body["reasons"], json!([reason]));

    face.store.fail();
    let broken = face.get("/healthz").await;
    assert_eq!(broken.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(broken.body["store"]["answers"], false);
    assert_eq!(broken.body["notifications"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_silent_store_is_found_out() {
    let face = Face::new();
    face.store.hang();
    let health = face.get("/healthz").await;
    assert_eq!(health.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health.body["reasons"], json!(["the store did not answer within 2 s"]));
    let problem = face.refused("/api/v1/checks", StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(problem["detail"], "no answer within 10 s; try again");
}

#[tokio::test]
async fn a_failure_of_the_store_is_not_spelled_out_to_callers() {
    let face = Face::new();
    face.store.fail();
    let problem = face.refused("/api/v1/incidents", StatusCode::INTERNAL_SERVER_ERROR).await;
    assert_eq!(problem["detail"], "the store did not answer; the log of the daemon says why");
}

#[tokio::test]
async fn the_next_slot_follows_the_wall_clock_over_a_change_of_it() {
    let cron = Cron::parse("30 2 * * *", "Europe/Berlin").expect("a good line");
    let check = Check { schedule: Schedule::Cron(Box::new(cron)), ..Check::example("nightly") };
    let face = Face::watching(vec![Arc::new(check)], a_world().1);
    for (now, next) in [
        ("2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z"),
        // 02:30 is skipped: the clocks go from 02:00 to 03:00.
        ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z"),
        // 02:30 comes twice, and the first time counts.
        ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"),
    ] {
        face.clock.set(now.parse().expect("a time"));
        let answer = face.get("/api/v1/checks").await;
        let shown = answer.body["checks"][0]["regions"][0]["next_slot_at"].as_str();
        let shown = shown.unwrap_or_else(|| panic!("no next slot: {}", answer.body));
        let (shown, next): (Timestamp, Timestamp) =
            (shown.parse().expect("a time"), next.parse().expect("a time"));
        assert_eq!(shown, next, "after {now}");
    }
}

#[tokio::test]
async fn the_server_answers_until_it_is_told_to_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let halt = crate::clock::Halt::new();
    let serving = tokio::spawn(serve(listener, None, Face::new().router, halt.clone()));
    let mut kept = tokio::net::TcpStream::connect(address).await.expect("a connection");
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut head = [0; 15];
    kept.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    halt.ask();
    // An idle connection does not hold the stop up: it is closed.
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).await.expect("closed in order");
    serving.await.expect("no panic");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn uptime_is_told_with_its_coverage() {
    let world = Face::new();
    let answer = world.ok("/api/v1/uptime?since=1h").await;
    let login = &answer["checks"][0];
    assert_eq!((&login["check"], &login["region"]), (&json!("login"), &json!("eu")));
    // The last minute is not accounted for yet.
    assert_eq!((&login["expected"], &login["missed"]), (&json!(59), &json!(29)));
    assert_eq!(login["uptime"], json!(0.8));
    assert_eq!(login["coverage"], json!(30.0 / 59.0));
    assert_eq!(login["lateness"]["p99_ms"], json!(2));
    assert_eq!(login, &world.ok("/api/v1/uptime?since=1h&limit=1").await["checks"][0]);
    let rest = world.ok("/api/v1/uptime?since=1h&after=login").await;
    assert_eq!((&rest["checks"], &rest["next_after"]), (&json!([]), &json!(null)));
    world.refused("/api/v1/uptime?limit=501", StatusCode::BAD_REQUEST).await;
    let gaps = world.ok("/api/v1/gaps?since=1h&check=login").await;
    assert_eq!(gaps["gaps"][0]["reason"], json!("hub_down"));
    world.refused("/api/v1/uptime?since=soon", StatusCode::BAD_REQUEST).await;
    world.store.fail();
    world.refused("/api/v1/gaps", StatusCode::INTERNAL_SERVER_ERROR).await;
}
