//! `tripline metrics import`, through the API of a daemon.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::support::tripline::Project;

/// What a daemon was sent.
type Sent = Arc<Mutex<Vec<String>>>;

/// A daemon that takes metrics until it was sent a line with `too much`.
async fn daemon() -> (String, Sent) {
    let sent = Sent::default();
    let take = async |State(sent): State<Sent>, headers: HeaderMap, body: String| {
        assert_eq!(headers["content-type"], "application/openmetrics-text");
        if body.contains("too much") {
            let problem = r#"{"detail": "there is no room"}"#;
            return (StatusCode::INSUFFICIENT_STORAGE, problem.to_owned());
        }
        let points = body.lines().filter(|line| !line.starts_with('#')).count();
        sent.lock().expect("no test panics with it").push(body);
        let answer = format!(
            r#"{{"new": {points}, "repeated": 1, "too_old": 0, "over_limit": 0, "exemplars_ignored": 0}}"#
        );
        (StatusCode::OK, answer)
    };
    let router = Router::new().route("/base/api/v1/metrics", post(take)).with_state(sent.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/base"), sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_history_goes_to_the_daemon() {
    let (url, sent) = daemon().await;
    let project = Project::new();
    let mut text = "# TYPE http histogram\n".to_owned();
    for minute in 0..30_000 {
        let at = 1_600_000_000 + 60 * minute;
        let _ = writeln!(text, "http_bucket{{le=\"0.5\"}} {minute} {at}");
    }
    text +=
        "http_count 7 1600000000.25 # {trace_id=\"a\"} 0.3\nhttp_count 8 1600000000.25\n# EOF\n";
    project.write("history.om", &text);
    let (code, told, words) =
        project.run(&["metrics", "import", "history.om", "--hub", &url]).await;
    assert_eq!(code, Some(0), "{words}");
    let sent = sent.lock().expect("no test panics with it");
    let batches = sent.len();
    assert!(batches >= 2, "{batches}");
    assert_eq!(
        told,
        format!(
            "30001 points new, {} stored before, in 30004 lines.\n\
             1 exemplar passed over; they are not kept.\n",
            batches + 1
        )
    );
    assert!(sent.concat().contains("{\"http_count\"} 7 1600000000.250\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_with_its_place_and_what_stands_before_it_is_stored() {
    let (url, sent) = daemon().await;
    let project = Project::new();
    for (text, place) in [
        ("a 1 1\na 2 2\na{ 3\n", "bad.om, line 3, column 4: a label is written like"),
        ("a 1 1\na 2 2\na 3\n", "bad.om, line 3, column 1: the value has no timestamp"),
        ("a 1 1\na 2 2\n", "bad.om, line 3, column 1: the text ends without `# EOF`"),
    ] {
        project.write("bad.om", text);
        let (code, told, words) =
            project.run(&["metrics", "import", "bad.om", "--hub", &url]).await;
        assert_eq!((code, told.as_str()), (Some(2), ""), "{words}");
        assert!(words.contains(place) && words.contains("(2 new)"), "{words}");
    }
    assert_eq!(sent.lock().expect("no test panics with it").len(), 3);
    project.write("bad.om", "a{b=\"too much\"} 1 1\n# EOF\n");
    let (code, _, words) = project.run(&["metrics", "import", "bad.om", "--hub", &url]).await;
    assert_eq!(code, Some(1));
    assert!(words.contains("there is no room"), "{words}");
    let (code, _, words) =
        project.run(&["metrics", "import", "bad.om", "--hub", "http://127.0.0.1:9"]).await;
    assert_eq!(code, Some(1));
    assert!(words.contains("failed to reach the daemon at http://127.0.0.1:9/"), "{words}");
    let (code, _, words) = project.run(&["metrics", "import", "none.om", "--hub", &url]).await;
    assert_eq!(code, Some(2), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_a_daemon_holds_is_reached_through_it() {
    let project = Project::new();
    let daemon = project.up().await;
    project.write("a.om", "a 1 1\nb{c=\"d\"} 2 1.5\n# EOF\n");
    let (_, _, words) = project.run(&["metrics", "import", "a.om"]).await;
    // Whatever the daemon's store makes of points of 1970, it was asked and not the file.
    assert!(!words.contains("in use by process"), "{words}");
    let ended = daemon.stop().await;
    assert!(ended.success(), "{ended}");
}
