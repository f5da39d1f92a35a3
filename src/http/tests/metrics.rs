//! What others measured, sent by HTTP.

use super::description::assert_described;
use super::*;

fn sent(kind: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = request(Method::POST, "/api/v1/metrics", "localhost", body.into());
    request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
    request
}

impl Face {
    /// What was stored, as text.
    fn stored(&self) -> Vec<String> {
        let series = self.store.series.lock().expect("no test panics with it");
        let said = |it: &crate::query::Series| {
            format!("{} {:?} {:?}", it.labels(), it.times(), it.values())
        };
        series.iter().map(said).collect()
    }
}

#[tokio::test]
async fn what_others_send_is_a_counter_or_a_gauge_as_they_say() {
    let face = Face::new();
    let sold = r#"{"series": [{"name": "sold", "type": "counter", "points": [{"value": 3}]}]}"#;
    assert_eq!(face.answer(sent("application/json", sold)).await.body["new"], 1);
    let about = face.ok("/api/v1/metadata?metric=sold").await;
    assert_eq!(about["data"], json!({"sold": [{"type": "counter", "help": "", "unit": ""}]}));
    let all = face.ok("/api/v1/metadata").await;
    assert!(all["data"]["process_cpu_seconds_total"].is_array());
}

#[tokio::test]
async fn open_metrics_and_json_are_stored() {
    let face = Face::new();
    let text =
        "# TYPE a summary\na{quantile=\"0.5\"} 1 5\na_count 2 # {id=\"x\"} 1\na_count 3\n# EOF\n";
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let answer = face.answer(sent(kind, text)).await;
    assert_eq!(
        answer.body,
        json!({"new": 2, "repeated": 1, "too_old": 0, "over_limit": 0, "ahead": 0, "exemplars_ignored": 1})
    );
    let json = r#"{"series": [{"name": "b", "points": [{"value": 7}]}]}"#;
    assert_eq!(face.answer(sent("application/json", json)).await.body["new"], 1);
    let now = now().timestamp_millis();
    assert_eq!(
        face.stored(),
        [
            r#"{__name__="a", quantile="0.5"} [5000] [1.0]"#.to_owned(),
            format!(r#"{{__name__="a_count"}} [{now}] [2.0]"#),
            format!(r#"{{__name__="b"}} [{now}] [7.0]"#),
        ]
    );
}

const TEXT: &str = "application/openmetrics-text";

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_and_nothing_is_stored() {
    let face = Face::new();
    let told = async |kind: &str, body: &[u8], status| {
        let answer = face.answer(sent(kind, body.to_vec())).await;
        assert_problem(&answer, status);
        answer.body["detail"].as_str().expect("a sentence").to_owned()
    };
    let bad = StatusCode::BAD_REQUEST;
    assert_eq!(
        told(TEXT, b"a 1\nb{ 2\n# EOF\n", bad).await,
        "line 2, column 4: a label is written like `name=\"value\"`"
    );
    assert!(told(TEXT, b"a 1\n", bad).await.starts_with("line 2, column 1: the text ends without"));
    assert_eq!(told(TEXT, b"a 1\n\xff 1\n# EOF\n", bad).await, "line 2: it is not UTF-8");
    for (kind, body) in [
        (TEXT, "a 1\ntripline_check_up{check=\"x\"} 1\n# EOF\n"),
        ("application/json", r#"{"series": [{"name": "tripline_check_up", "points": []}]}"#),
    ] {
        let said = told(kind, body.as_bytes(), bad).await;
        assert!(said.contains("begins with `tripline_`, as only the names of"), "{said}");
    }
    let many = (0..65).map(|number| format!("l{number}=\"x\"")).collect::<Vec<_>>().join(",");
    let said = told(TEXT, format!("a{{{many}}} 1\n# EOF\n").as_bytes(), bad).await;
    assert_eq!(said, "line 1, column 1: it has 65 labels, and 64 is the most");
    let counted = face.get("/metrics").await;
    let counted = counted.body.as_str().expect("a text");
    assert!(counted.contains("tripline_metrics_requests_refused_total 6"), "{counted}");
    assert!(told("application/json", b"{", bad).await.starts_with("line 1, column 1: EOF"));
    let kind = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    assert!(told("text/plain", b"a 1\n# EOF\n", kind).await.contains("`text/plain`"));
    let long = "#".repeat(5 << 20);
    told(TEXT, long.as_bytes(), StatusCode::PAYLOAD_TOO_LARGE).await;
    assert_eq!(face.stored(), [""; 0]);
    face.store.fail();
    told(TEXT, b"a 1\n# EOF\n", StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test]
async fn a_page_of_another_site_sends_nothing() {
    let face = Face::new();
    for (site, status) in [("cross-site", StatusCode::FORBIDDEN), ("same-origin", StatusCode::OK)] {
        let mut asked = sent("application/openmetrics-text", "a 1\n# EOF\n");
        asked.headers_mut().insert("sec-fetch-site", site.parse().expect("a header"));
        assert_eq!(face.answer(asked).await.status, status);
    }
    let answer = face.get("/api/v1/metrics").await;
    assert_problem(&answer, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.body["detail"].as_str().is_some_and(|it| it.ends_with("use POST")));
}

#[tokio::test]
async fn the_answers_are_described() {
    let face = Face::new();
    let document = face.ok("/api/v1/openapi.json").await;
    for (kind, body) in [
        ("application/openmetrics-text", "a 1\n# EOF\n"),
        ("application/openmetrics-text", "a"),
        ("text/plain", "a 1"),
    ] {
        let answer = face.answer(sent(kind, body)).await;
        assert_described(&document, ("post", "/api/v1/metrics"), &answer);
    }
}
