//! Exchanges that go well, and plain failures.

use std::io::{ErrorKind, Read as _};
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tripline::net::guard::Policy;
use tripline::net::{Dialer, Error, Names, Outgoing, Phase, Seen};

use super::raw::{Act, RawServer, answer};
use super::{call, client, complaint, get, loopback_names, plain_client};

#[tokio::test]
async fn an_answer_comes_with_its_timings() {
    let said = answer("418 Short And Stout", "x-a: 1\r\n", "Welcome");
    let server = RawServer::start(vec![Act::Say(said)]).await;
    let (ended, seen) = call(&plain_client(), "GET", &server.url("/a?b=c#d")).await;
    let answer = ended.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.reason.as_str()), (418, "Short And Stout"));
    assert_eq!((answer.headers["x-a"].as_bytes(), &answer.body[..]), (&b"1"[..], &b"Welcome"[..]));
    let timings = seen.timings;
    assert!(timings.dns.is_none() && timings.tls.is_none());
    assert!(timings.connect.is_some() && timings.wait.is_some() && timings.download.is_some());
    assert_eq!((seen.sent, seen.received), (0, 7));
    assert_eq!(seen.remote.map(|remote| remote.port()), Some(server.port()));
    let expected = format!("get /a?b=c http/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", server.port());
    assert_eq!(server.heard(), [expected]);
}

#[tokio::test]
async fn names_are_resolved_and_timed() {
    let server = RawServer::start(vec![Act::Say(answer("200 OK", "", ""))]).await;
    let port = server.port();
    let client = client(Dialer::new(Policy::default()).with_names(loopback_names(&["a.example"])));
    let (ended, seen) = call(&client, "GET", &format!("http://A.Example:{port}/")).await;
    assert_eq!(ended.expect("an answer").status, 200);
    assert!(seen.timings.dns.is_some());
    let unknown = complaint(&client, "http://shop.example/").await;
    assert_eq!(unknown, "no address found for shop.example");
    let local = get(&plain_client(), &format!("http://app.localhost:{port}/")).await;
    assert_eq!(local.expect("localhost needs no resolver").status, 200);
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let server = RawServer::start(vec![Act::Say(answer("200 OK", "", ""))]).await;
    let port = server.port();
    let table = |addresses: &[&str]| {
        let addresses: Vec<IpAddr> =
            addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let names = Names::Fixed([("a.example".to_owned(), addresses)].into());
        client(Dialer::new(Policy::default()).with_names(names))
    };
    let url = format!("http://a.example:{port}/");
    let (ended, seen) = call(&table(&["127.0.0.2", "127.0.0.1"]), "GET", &url).await;
    assert_eq!(ended.expect("the second answers").status, 200);
    assert_eq!(seen.remote.map(|remote| remote.to_string()), Some(format!("127.0.0.1:{port}")));
    let refused = complaint(&table(&["127.0.0.2", "127.0.0.3"]), &url).await;
    let expected =
        format!("connection refused by 127.0.0.2:{port}; connection refused by 127.0.0.3:{port}");
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let refused = complaint(&plain_client(), &format!("http://{address}/")).await;
    assert_eq!(refused, format!("connection refused by {address}"));
}

#[tokio::test]
async fn connections_are_kept_within_a_client_only() {
    let server = RawServer::start(vec![Act::Say(answer("200 OK", "", "one"))]).await;
    let client = plain_client();
    for _ in 0..3 {
        get(&client, &server.url("/")).await.expect("an answer");
    }
    assert_eq!(server.connections(), 1);
    let (_, seen) = call(&client, "GET", &server.url("/")).await;
    assert!(seen.timings.connect.is_none() && seen.remote.is_some());
    get(&plain_client(), &server.url("/")).await.expect("an answer");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn kept_connections_are_closed_after_their_client_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody comes");
        assert_ne!(stream.read(&mut [0; 4096]).await.expect("a request"), 0);
        stream.write_all(&answer("200 OK", "", "one")).await.expect("it is taken");
        stream
    });
    let client = plain_client();
    get(&client, &url).await.expect("an answer");
    let mut stream = server.await.expect("it answered").into_std().expect("a socket");
    drop(client);
    let open = stream.read(&mut [0]).expect_err("whoever dropped it goes on first");
    assert_eq!(open.kind(), ErrorKind::WouldBlock);
    tokio::task::yield_now().await;
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    assert_eq!(stream.read(&mut [0]).expect("it is closed in order"), 0);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let kept = answer("200 OK", "", "");
    let acts = vec![Act::Say(kept.clone()), Act::SayAndClose(Vec::new()), Act::Say(kept.clone())];
    let server = RawServer::start(acts).await;
    let client = plain_client();
    get(&client, &server.url("/1")).await.expect("an answer");
    get(&client, &server.url("/2")).await.expect("sent again over a fresh connection");
    assert_eq!(server.connections(), 2);
    assert_eq!(server.heard().len(), 3);

    let acts = vec![Act::Say(kept), Act::SayAndClose(Vec::new())];
    let server = RawServer::start(acts).await;
    get(&client, &server.url("/1")).await.expect("an answer");
    let (ended, _) = call(&client, "POST", &server.url("/2")).await;
    let refused = ended.expect_err("a POST may have had its effect").to_string();
    assert_eq!(refused, "the connection was closed before an answer came");
    assert_eq!(server.heard().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn time_runs_out_while_waiting() {
    let server = RawServer::start(vec![Act::Silence]).await;
    let url = server.url("/").parse().expect("a URL");
    let outgoing = Outgoing {
        method: http::Method::POST,
        url: &url,
        headers: http::HeaderMap::new(),
        body: "name=ana".into(),
        within: Duration::from_secs(5),
    };
    let mut seen = Seen::default();
    let ended = plain_client().exchange(outgoing, &mut seen).await;
    let error = ended.expect_err("nobody answers");
    assert_eq!(error.to_string(), "timed out after 5 s while waiting for the answer");
    assert!(matches!(error, Error::TimedOut { phase: Some(Phase::Waiting), .. }));
    assert!(seen.timings.wait.is_some() && seen.timings.download.is_none());
    assert_eq!(seen.sent, 8);
}

#[tokio::test]
async fn a_cut_off_exchange_leaves_what_was_seen() {
    let server = RawServer::start(vec![Act::Silence]).await;
    let url = server.url("/").parse().expect("a URL");
    let outgoing = Outgoing {
        method: http::Method::GET,
        url: &url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        within: Duration::from_secs(5),
    };
    let (mut seen, client) = (Seen::default(), plain_client());
    let heard = async {
        while server.heard().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = client.exchange(outgoing, &mut seen) => panic!("nobody answers"),
        () = heard => {}
    }
    assert_eq!(seen.leave(), Some(Phase::Waiting));
    assert!(seen.timings.connect.is_some() && seen.remote.is_some());
}
