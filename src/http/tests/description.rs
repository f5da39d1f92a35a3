//! The description of the API and the guide say what is there.

use axum::http::header;
use serde_json::{Value, json};

use super::super::access::door::Door;
use super::super::doors;
use super::{Answer, Face};

/// The document's schemas, closed: a key that is not described is an error, and so is a missing one.
fn closed_schemas(document: &Value) -> Value {
    let mut components = document["components"].clone();
    for schema in components["schemas"].as_object_mut().expect("schemas").values_mut() {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            continue;
        };
        // Prometheus leaves notes out where there are none.
        let may_miss = |key: &&String| !["warnings", "infos"].contains(&key.as_str());
        let keys: Vec<String> = properties.keys().filter(may_miss).cloned().collect();
        schema["additionalProperties"] = json!(false);
        schema["required"] = json!(keys);
    }
    components
}

pub(super) fn assert_described(document: &Value, (method, path): (&str, &str), answer: &Answer) {
    let media = answer.headers[header::CONTENT_TYPE].to_str().expect("text");
    let status = answer.status.as_str();
    let response = &document["paths"][path][method]["responses"][status];
    let schema = &response["content"][media]["schema"];
    assert!(schema.is_object(), "{path} answers {status} as {media}, which is not described");
    let mut root = schema.clone();
    root["components"] = closed_schemas(document);
    let validator = jsonschema::validator_for(&root).expect("a good schema");
    let wrong: Vec<String> = validator
        .iter_errors(&answer.body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{path}: {wrong:?}");
}

#[tokio::test]
async fn the_description_is_true() {
    let face = Face::new();
    let document = face.ok("/api/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "1.2.3");

    let operations = document["paths"].as_object().expect("paths").values();
    let methods = operations.flat_map(|path| path.as_object().expect("methods").values());
    let mut ids: Vec<&str> = methods.filter_map(|it| it["operationId"].as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operation needs an id of its own: {ids:?}");

    let mut routed: Vec<&str> = doors().iter().flat_map(Door::ways).map(|it| it.path).collect();
    let described = document["paths"].as_object().expect("paths");
    routed.sort_unstable();
    routed.dedup();
    assert_eq!(described.keys().collect::<Vec<_>>(), routed);

    let runs = face.ok("/api/v1/runs").await;
    let id = |outcome: &str| {
        let mut runs = runs["runs"].as_array().expect("a list").iter();
        let run = runs.find(|run| run["outcome"] == outcome).expect("such a run");
        run["id"].as_str().expect("an id").to_owned()
    };
    for (path, asked) in [
        ("/api/v1/checks", "/api/v1/checks".to_owned()),
        ("/api/v1/checks", "/api/v1/checks?x=y".to_owned()),
        ("/api/v1/checks/{id}", "/api/v1/checks/shop%2Flogin".to_owned()),
        ("/api/v1/checks/{id}", "/api/v1/checks/front".to_owned()),
        ("/api/v1/checks/{id}", "/api/v1/checks/nowhere".to_owned()),
        ("/api/v1/runs", "/api/v1/runs?limit=2".to_owned()),
        ("/api/v1/runs", "/api/v1/runs?limit=0".to_owned()),
        ("/api/v1/runs/{id}", format!("/api/v1/runs/{}", id("failed"))),
        ("/api/v1/runs/{id}", format!("/api/v1/runs/{}", id("passed"))),
        ("/api/v1/runs/{id}", "/api/v1/runs/x".to_owned()),
        ("/api/v1/incidents", "/api/v1/incidents".to_owned()),
        ("/api/v1/incidents/{id}", "/api/v1/incidents/7".to_owned()),
        ("/api/v1/incidents/{id}", "/api/v1/incidents/8".to_owned()),
        ("/api/v1/agents", "/api/v1/agents".to_owned()),
        ("/api/v1/notifications/backlog", "/api/v1/notifications/backlog".to_owned()),
        ("/api/v1/uptime", "/api/v1/uptime?since=2h".to_owned()),
        ("/api/v1/uptime", "/api/v1/uptime?since=2".to_owned()),
        ("/api/v1/gaps", "/api/v1/gaps".to_owned()),
        ("/api/v1/query", "/api/v1/query?query=logins_total".to_owned()),
        ("/api/v1/query", "/api/v1/query?query=logins_total[".to_owned()),
        ("/api/v1/query", "/api/v1/query?query=1".to_owned()),
        ("/api/v1/query_range", "/api/v1/query_range?query=1&start=1&end=9&step=3".to_owned()),
        ("/api/v1/series", "/api/v1/series?match[]=logins_total".to_owned()),
        ("/api/v1/labels", "/api/v1/labels".to_owned()),
        ("/api/v1/label/{name}/values", "/api/v1/label/region/values".to_owned()),
        ("/api/v1/metadata", "/api/v1/metadata".to_owned()),
        ("/api/v1/rules", "/api/v1/rules".to_owned()),
        ("/api/v1/alerts", "/api/v1/alerts".to_owned()),
        ("/api/v1/status/buildinfo", "/api/v1/status/buildinfo".to_owned()),
        ("/api/v1/openapi.json", "/api/v1/openapi.json".to_owned()),
        ("/metrics", "/metrics".to_owned()),
        ("/healthz", "/healthz".to_owned()),
        ("/api/v1", "/api/v1".to_owned()),
    ] {
        assert_described(&document, ("get", path), &face.get(&asked).await);
    }
    face.store.fail();
    for (path, asked) in [("/healthz", "/healthz"), ("/api/v1/runs", "/api/v1/runs")] {
        assert_described(&document, ("get", path), &face.get(asked).await);
    }
}

#[test]
fn the_guide_names_every_route() {
    let guide = include_str!("../../../docs/api.md");
    for way in doors().iter().flat_map(Door::ways) {
        assert!(guide.contains(way.path), "docs/api.md does not mention {}", way.path);
    }
}
