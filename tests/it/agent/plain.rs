//! Plain requests: redirects, cookies, expectations.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use tripline::domain::check::{Expectations, JsonExpectation, StatusRange, TextExpectation};
use tripline::domain::run::{FailureKind, Outcome, Report};
use tripline::net::guard::{Policy, Private};
use tripline::net::{Dialer, Fickle, Names};

use super::shop::Shop;
use super::{get, run_request, run_request_over};

fn message(report: &Report) -> &str {
    report.failure.as_ref().map_or("passed", |failure| failure.message.as_str())
}

/// Names for this machine.
fn names(names: &[&str]) -> Names {
    let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    Names::Fixed(names.iter().map(|name| ((*name).to_owned(), here.clone())).collect())
}

#[tokio::test]
async fn an_answer_is_judged() {
    let shop = Shop::open().await;
    let json = |path: &str, equals: &str| JsonExpectation {
        path: path.to_owned(),
        equals: equals.to_owned(),
    };
    let mut spec = get(&shop.url("/account"));
    spec.expect = Expectations {
        status: vec![StatusRange { first: 200, last: 200 }],
        body: vec![TextExpectation::Contains("ana@".to_owned())],
        json: vec![json("roles.0", "\"admin\"")],
        header: vec![("content-type".to_owned(), TextExpectation::Contains("json".to_owned()))],
        max_time: None,
    };
    let report = run_request(spec.clone(), Names::System).await;
    assert_eq!((message(&report), report.outcome()), ("passed", Outcome::Passed));
    assert_eq!(report.trace.requests.len(), 1);
    assert_eq!(report.trace.requests[0].remote, Some(shop.address.to_string()));
    spec.expect.json = vec![json("email", "\"bob@shop.example\"")];
    let report = run_request(spec, Names::System).await;
    let expected = "expected `email` to be \"bob@shop.example\", received \"ana@shop.example\"";
    assert_eq!(message(&report), expected);

    let report = run_request(get(&shop.url("/none")), Names::System).await;
    assert_eq!(message(&report), "expected a status below 400, received 404");
    let failure = report.failure.expect("it failed");
    assert_eq!(failure.kind, FailureKind::Expectation);
    assert_eq!(failure.comparison.expect("compared").received, "404");
}

#[tokio::test]
async fn secrets_are_sent_and_not_told() {
    let shop = Shop::open().await;
    let mut spec = get(&shop.url("/none?key=${secret.TOKEN}"));
    spec.headers = vec![("authorization".to_owned(), "Bearer ${secret.TOKEN}".to_owned())];
    let report = run_request(spec, Names::System).await;
    assert_eq!(shop.heard()[0].2["authorization"], "Bearer t0k3n-value");
    assert_eq!(report.trace.requests[0].url, shop.url("/none?key=***"));
    assert!(!format!("{report:?}").contains("t0k3n"));
}

/// Spellings of a place that is closed.
const CLOSED: [&str; 10] = [
    "127.0.0.2",
    "127.2",
    "127.0.0.2.",
    "2130706434",
    "0x7f.2",
    "0177.0.0.2",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "canary.example",
    "ana:x@canary.example",
];

#[tokio::test]
async fn a_redirect_leads_nowhere_that_is_closed() {
    let shop = Shop::open().await;
    let canary = TcpListener::bind("127.0.0.2:0").expect("loopback has free ports");
    canary.set_nonblocking(true).expect("it can be asked without waiting");
    let address = canary.local_addr().expect("it is bound");
    // A name may have addresses of both sorts, and others the next time: each is judged when it is dialled.
    let mixed =
        vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))];
    let closed = ["127.0.0.2/32", "127.0.0.3/32"].map(|it| it.parse().expect("a network"));
    for host in CLOSED {
        let policy = Policy { refuse: closed.to_vec(), ..Policy::default() };
        let names = Names::Fixed([("canary.example".to_owned(), mixed.clone())].into());
        let place = format!("http://{host}:{}/", address.port());
        let place: String = url::form_urlencoded::byte_serialize(place.as_bytes()).collect();
        let spec = get(&shop.url(&format!("/to?status=302&place={place}")));
        let report = run_request_over(Dialer::new(policy).with_names(names), spec).await;
        assert!(message(&report).contains(" is refused: "), "{host}: {}", message(&report));
    }
    let nobody = canary.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    TcpStream::connect(address).expect("it could have been reached");
    canary.accept().expect("it listens");
}

#[tokio::test]
async fn an_address_that_changes_from_hop_to_hop_is_judged_at_each() {
    let shop = Shop::open().await;
    let port = shop.address.port();
    let (open, closed) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let canary = TcpListener::bind((closed, port)).expect("the port is free there");
    canary.set_nonblocking(true).expect("it can be asked without waiting");
    let metadata = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
    let policy = Policy {
        private: Private::Refuse,
        allow: vec!["127.0.0.1/32".parse().expect("a network")],
        ..Policy::default()
    };
    let to = |host: &str, place: &str| {
        let place: String = url::form_urlencoded::byte_serialize(place.as_bytes()).collect();
        format!("http://{host}.example:{port}/to?status=302&place={place}")
    };
    let last = to("b", &format!("http://c.example:{port}/account"));
    for (address, why) in [(closed, "a loopback address"), (metadata, "a metadata service")] {
        let fickle = Arc::new(Fickle::new(vec![vec![open], vec![open], vec![address]]));
        let names = Names::Fickle(Arc::clone(&fickle));
        let dialer = Dialer::new(policy.clone()).with_names(names);
        let report = run_request_over(dialer, get(&to("a", &last))).await;
        assert!(message(&report).contains(&format!("is refused: it is {why}")), "{report:?}");
        assert_eq!(report.trace.requests.len(), 3, "two hops went where they might");
        assert_eq!(fickle.asked(), 3, "each hop asks once");
    }
    assert_eq!(shop.heard().len(), 4);
    let nobody = canary.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn redirects_keep_cookies_and_lose_credentials() {
    let (shop, other) = (Shop::open().await, Shop::open().await);
    let place = other.url("/account").replace(':', "%3A").replace('/', "%2F");
    let mut spec = get(&shop.url(&format!("/to?status=307&place={place}")));
    spec.method = "POST".to_owned();
    spec.body = Some("a=1".to_owned());
    let pairs = [
        ("authorization", "Bearer abc"),
        ("x-key", "${secret.TOKEN}"),
        ("x-kept", "1"),
        ("content-type", "text/plain"),
    ];
    spec.headers = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    run_request(spec, Names::System).await;
    assert!(shop.heard()[0].2.contains_key("x-key"));
    let (method, path, headers) = other.heard().remove(0);
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/account"));
    assert_eq!([&headers["x-kept"], &headers["content-length"]], ["1", "3"]);
    assert!(!headers.contains_key("authorization") && !headers.contains_key("x-key"));

    let report = run_request(get(&shop.url("/again")), Names::System).await;
    assert_eq!(message(&report), "more than 20 redirects");
    assert_eq!(report.trace.requests.len(), 21);
    let metadata = shop.url("/to?status=302&place=http%3A%2F%2F169.254.169.254%2F");
    let report = run_request(get(&metadata), Names::System).await;
    assert!(message(&report).contains("is a metadata service"), "{}", message(&report));
}

#[tokio::test]
async fn no_cookie_for_a_public_suffix_is_sent_back() {
    let shop = Shop::open().await;
    let port = shop.address.port();
    let names = names(&["shop.co.uk"]);
    run_request(get(&format!("http://shop.co.uk:{port}/suffix")), names).await;
    let heard = shop.heard();
    assert_eq!(heard[1].1, "/dashboard");
    assert_eq!(heard[1].2["cookie"], "own=1");
}

#[tokio::test(start_paused = true)]
async fn time_runs_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let report = run_request(get(&format!("http://{address}/")), Names::System).await;
    assert_eq!(message(&report), "timed out after 5 s while waiting for the answer");
    assert_eq!(report.failure.map(|failure| failure.kind), Some(FailureKind::Timeout));
    let error = report.trace.requests[0].error.as_deref();
    assert_eq!(error, Some("timed out after 5 s while waiting for the answer"));
}
