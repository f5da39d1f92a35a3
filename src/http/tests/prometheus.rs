//! What clients of Prometheus are answered.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Answer, Face, request};
use crate::clock::Clock as _;
use crate::domain::policy::Channel;
use crate::store::gathering::Answered;

/// Half a minute after the last point.
const NOW: &str = "1795234381.25";

async fn data(face: &Face, path: &str) -> Value {
    let answer = face.ok(path).await;
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].clone()
}

async fn form(face: &Face, path: &str, form: &str) -> Answer {
    let mut request = request(Method::POST, path, "localhost", Body::from(form.to_owned()));
    let kind = "application/x-www-form-urlencoded; charset=utf-8".parse().expect("a header");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    face.answer(request).await
}

#[tokio::test]
async fn expressions_are_evaluated_at_one_time() {
    let face = Face::new();
    let asked = "/api/v1/query?query=sum+by+(region)(rate(logins_total[5m]))&time=";
    let found = data(&face, &format!("{asked}{NOW}")).await;
    insta::assert_json_snapshot!(found);
    let now = data(&face, "/api/v1/query?query=count(logins_total)").await;
    assert_eq!(now["result"][0]["value"], json!([1_795_234_351.25, "2"]));
    let scalar = data(&face, "/api/v1/query?query=-1/0&time=7").await;
    assert_eq!(scalar, json!({"resultType": "scalar", "result": [7, "-Inf"]}));
    let text = data(&face, "/api/v1/query?query=%22a%22&time=7.5").await;
    assert_eq!(text, json!({"resultType": "string", "result": [7.5, "a"]}));
    let range = data(&face, "/api/v1/query?query=logins_total{region=%22us%22}[2m]").await;
    assert_eq!(range["resultType"], "matrix");
    assert_eq!(range["result"][0]["values"].as_array().map(Vec::len), Some(2));
    let none = data(&face, "/api/v1/query?query=nothing").await;
    assert_eq!(none, json!({"resultType": "vector", "result": []}));
}

#[tokio::test]
async fn expressions_are_evaluated_over_time_and_by_form() {
    let face = Face::new();
    let asked = "query=max(logins_total)&start=1795234231.25&end=1795234351.25&step=1m";
    let by_form = form(&face, "/api/v1/query_range", asked).await;
    assert_eq!(by_form.status, StatusCode::OK, "{}", by_form.body);
    let by_query = face.ok(&format!("/api/v1/query_range?{asked}")).await;
    assert_eq!(by_form.body, by_query);
    let values = &by_query["data"]["result"][0]["values"];
    let expected =
        json!([[1_795_234_231.25, "480"], [1_795_234_291.25, "540"], [1_795_234_351.25, "600"]]);
    assert_eq!(*values, expected);
}

#[tokio::test]
async fn answers_say_what_was_left_out_and_what_may_be_wrong() {
    let face = Face::new();
    let answer = face.ok("/api/v1/query?query=rate(logins_total[5m])&limit=1").await;
    assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(answer["warnings"], json!(["results truncated due to limit"]));
    let answer = face.ok("/api/v1/query?query=quantile(2,logins_total)").await;
    let warning = "PromQL warning: quantile value should be between 0 and 1, got 2";
    assert_eq!(answer["warnings"], json!([warning]));
    assert_eq!(answer.get("infos"), None);
}

#[tokio::test]
async fn errors_are_those_of_prometheus() {
    let face = Face::new();
    let range = "/api/v1/query_range?query=up";
    for (path, status, kind, says) in [
        ("/api/v1/query?query=up[", 400, "bad_data", "invalid parameter \"query\": 1:"),
        ("/api/v1/query", 400, "bad_data", "invalid parameter \"query\": 1:1: parse error"),
        (
            "/api/v1/query?query=up&time=x",
            400,
            "bad_data",
            "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp",
        ),
        ("/api/v1/query?query=up&limit=-1", 400, "bad_data", "invalid parameter \"limit\""),
        (
            "/api/v1/query_range?query=up",
            400,
            "bad_data",
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            &format!("{range}&start=2&end=1&step=1"),
            400,
            "bad_data",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            &format!("{range}&start=1&end=2&step=0"),
            400,
            "bad_data",
            "invalid parameter \"step\": zero or negative query resolution step widths are not",
        ),
        (&format!("{range}&start=1&end=2"), 400, "bad_data", "invalid parameter \"step\""),
        (
            &format!("{range}&start=0&end=11000&step=1"),
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries.",
        ),
        (
            &format!("{range}[5m]&start=0&end=100&step=1"),
            400,
            "bad_data",
            "invalid expression type",
        ),
        ("/api/v1/query?query=logins_total*on()logins_total", 422, "execution", "found duplicate"),
        ("/api/v1/series", 400, "bad_data", "no match[] parameter provided"),
        ("/api/v1/series?match[]=up[5m]", 400, "bad_data", "invalid parameter \"match[]\""),
        ("/api/v1/labels?match[]={}", 400, "bad_data", "invalid parameter \"match[]\""),
    ] {
        let answer = face.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        assert_eq!(answer.body["status"], "error");
        assert_eq!(answer.body["errorType"], kind, "{path}");
        let error = answer.body["error"].as_str().expect("words");
        assert!(error.starts_with(says), "{path}: {error}");
    }
    face.store.fail();
    let answer = face.get("/api/v1/query?query=up").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body["errorType"], "internal");
}

#[tokio::test]
async fn the_catalogue_lists_what_there_is() {
    let face = Face::new();
    let series = data(&face, "/api/v1/series?match[]={region=%22us%22}&match[]=nothing").await;
    let us = json!({"__name__": "logins_total", "region": "us", "http.status": "200"});
    assert_eq!(series, json!([us]));
    let early = data(&face, "/api/v1/series?match[]=logins_total&end=1000").await;
    assert_eq!(early, json!([]));
    let names = data(&face, "/api/v1/labels").await;
    assert_eq!(names, json!(["__name__", "http.status", "region"]));
    let regions = data(&face, "/api/v1/label/region/values").await;
    assert_eq!(regions, json!(["eu", "us"]));
    let escaped = data(&face, "/api/v1/label/U__http_2e_status/values").await;
    assert_eq!(escaped, json!(["200"]));
    let limited = face.ok("/api/v1/label/region/values?limit=1").await;
    assert_eq!(limited["data"], json!(["eu"]));
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
    let always = "start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z";
    let all = data(&face, &format!("/api/v1/label/region/values?{always}")).await;
    assert_eq!(all, json!(["eu", "us"]));
    let about = data(&face, "/api/v1/metadata?metric=process_cpu_seconds_total").await;
    let help = "How much processor time the hub has used.";
    let cpu = json!([{"type": "counter", "help": help, "unit": "seconds"}]);
    assert_eq!(about, json!({"process_cpu_seconds_total": cpu}));
    let build = data(&face, "/api/v1/status/buildinfo").await;
    assert_eq!(build["version"], "3.5.0");
    assert_eq!(build["application"], "Tripline 1.2.3");
}

#[tokio::test]
async fn hostile_questions_are_refused_and_harm_nobody() {
    let face = Face::new();
    let deep = format!("/api/v1/query?query={}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(face.get(&deep).await.status, StatusCode::BAD_REQUEST);
    let long = "a".repeat(70_000);
    let answer = form(&face, "/api/v1/query", &format!("query={long}")).await;
    assert_eq!(answer.body["error"], "a form has at most 65536 bytes");
    let subqueries =
        "max_over_time(max_over_time(max_over_time(vector(1)[1y:1ms])[1y:1ms])[1y:1ms])";
    let answer = form(&face, "/api/v1/query", &format!("query={subqueries}")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
    assert!(answer.body["error"].as_str().expect("words").contains("limit"));
}

#[tokio::test]
async fn rules_and_alerts_are_shown_as_prometheus_shows_them() {
    let face = Face::new();
    insta::assert_json_snapshot!(data(&face, "/api/v1/rules").await);
    let alerts = data(&face, "/api/v1/alerts").await;
    let labels = json!({"alertname": "few logins", "region": "us", "severity": "page"});
    assert_eq!(alerts["alerts"][0]["labels"], labels);
    assert_eq!(alerts["alerts"][0]["state"], "firing");
    let none = json!({"groups": []});
    for asked in ["type=record", "rule_name[]=other"] {
        assert_eq!(data(&face, &format!("/api/v1/rules?{asked}")).await, none, "{asked}");
    }
    let bare = data(&face, "/api/v1/rules?exclude_alerts=true&rule_name[]=few+logins").await;
    assert_eq!(bare["groups"][0]["rules"][0]["alerts"], json!([]));
    let wrong = face.get("/api/v1/rules?type=x").await;
    assert_eq!(wrong.body["error"], "invalid parameter \"type\": not supported value \"x\"");
}

#[tokio::test]
async fn how_long_messages_take_is_a_histogram() {
    let face = Face::new();
    let accepted_at = face.clock.now();
    face.stamps.answered(&Answered {
        channel: Channel::Slack,
        accepted_at,
        acknowledged_at: accepted_at + TimeDelta::seconds(90),
    });
    let answer = face.get("/metrics").await;
    let text = answer.body.as_str().expect("a text");
    assert!(text.contains("# TYPE tripline_notification_seconds histogram"), "{text}");
    let labels = r#"span="accepted_to_acknowledged",channel="slack""#;
    for line in [
        format!("tripline_notification_seconds_sum{{{labels}}} 90.0"),
        format!("tripline_notification_seconds_count{{{labels}}} 1"),
        format!("tripline_notification_seconds_bucket{{le=\"60.0\",{labels}}} 0"),
        format!("tripline_notification_seconds_bucket{{le=\"300.0\",{labels}}} 1"),
        format!("tripline_notification_seconds_bucket{{le=\"+Inf\",{labels}}} 1"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn prometheus_can_scrape_us() {
    let face = Face::new();
    let answer = face.get("/metrics").await;
    let text = answer.body.as_str().expect("a text");
    let moving = ["process_resident_memory_bytes ", "process_cpu_seconds_total "];
    let is_still = |line: &&str| !moving.iter().any(|name| line.starts_with(name));
    let shown: Vec<&str> = text.lines().filter(is_still).collect();
    assert_eq!(text.lines().count(), shown.len() + moving.len(), "{text}");
    insta::assert_snapshot!(shown.join("\n"));
    face.store.fail();
    let answer = face.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.body.as_str().expect("a text");
    assert!(text.contains("\ntripline_store_up 0.0\n"), "{text}");
}
