//! Servers that mean harm, and addresses that must not be dialled.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tripline::net::guard::{Policy, Private};
use tripline::net::{Dialer, Names, Outgoing, Seen};

use super::raw::{Act, RawServer, answer};
use super::{client, complaint, get, plain_client};

#[tokio::test]
async fn a_head_without_end_is_cut() {
    let start = b"HTTP/1.1 200 OK\r\n".to_vec();
    let many: Vec<u8> = (0..100_000).flat_map(|n| format!("h{n}: 1\r\n").into_bytes()).collect();
    let too_many = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: 1\r\n".repeat(300), b"\r\n".to_vec()];
    let cases = [
        Act::SayForEver(start.clone(), b"x-filler: 0123456789\r\n".to_vec()),
        Act::SayForEver(b"HTTP/1.1 200 ".to_vec(), b"OK".repeat(1000)),
        Act::SayAndClose([start, many].concat()),
        Act::SayAndClose(too_many.concat()),
    ];
    for act in cases {
        let server = RawServer::start(vec![act]).await;
        let said = complaint(&plain_client(), &server.url("/")).await;
        assert_eq!(said, "the headers are larger than 64 KiB or more than 256");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut() {
    let chunk = [b"10000\r\n".to_vec(), vec![b'a'; 0x10000], b"\r\n".to_vec()].concat();
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let untold = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let cases = [
        Act::SayForEver(chunked, chunk),
        Act::SayForEver(untold, vec![b'a'; 0x10000]),
        Act::Say(announced),
    ];
    for act in cases {
        let server = RawServer::start(vec![act]).await;
        let said = complaint(&plain_client(), &server.url("/")).await;
        assert_eq!(said, "the body is larger than 10 MB");
    }
}

#[tokio::test]
async fn a_bomb_does_not_go_off() {
    use tokio::io::AsyncWriteExt as _;
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    encoder.write_all(&vec![0; 11_000_000]).await.expect("memory takes it");
    encoder.shutdown().await.expect("memory takes it");
    let bomb = encoder.into_inner();
    assert!(bomb.len() < 20_000);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let server = RawServer::start(vec![Act::Say([head.into_bytes(), bomb].concat())]).await;
    let said = complaint(&plain_client(), &server.url("/")).await;
    assert_eq!(said, "the body is larger than 10 MB");
}

#[tokio::test]
async fn rubbish_is_an_error_in_words() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "the connection was closed before an answer came"),
        (b"HTTP/1.1 200 OK\r\nx: ", "the connection was closed before an answer came"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the answer is not HTTP: invalid HTTP version parsed"),
        (b"HTTP/1.1 9999 Never\r\n\r\n", "the answer is not HTTP: invalid HTTP status-code parsed"),
        (
            b"HTTP/1.1 200 OK\r\n\x00\x01: x\r\n\r\n",
            "the answer is not HTTP: invalid HTTP header parsed",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            "the answer is not HTTP: invalid content-length parsed",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nWel",
            "the connection was closed before the body was complete",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "the exchange broke off: Invalid chunk size line: missing size digit",
        ),
    ];
    for (bytes, expected) in cases {
        let server = RawServer::start(vec![Act::SayAndClose(bytes.to_vec())]).await;
        let said = complaint(&plain_client(), &server.url("/")).await;
        assert_eq!(said, expected, "{}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn a_server_that_only_promises_runs_out_of_time() {
    let promise = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let server = RawServer::start(vec![Act::SayForEver(Vec::new(), promise)]).await;
    let url = server.url("/").parse().expect("a URL");
    let outgoing = Outgoing {
        method: http::Method::GET,
        url: &url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        within: Duration::from_millis(50),
    };
    let ended = plain_client().exchange(outgoing, &mut Seen::default()).await;
    let said = ended.expect_err("no answer comes").to_string();
    assert_eq!(said, "timed out after 50 ms while waiting for the answer");
}

/// Spellings of this machine, all of which a strict policy refuses.
const HERE: [&str; 14] = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "0x7f000001",
    "１２７.０.０.１",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::1]",
    "localhost",
    "canary.example",
];

#[tokio::test]
async fn the_canary_is_never_reached() {
    let canary = RawServer::start(vec![Act::Say(answer("200 OK", "", ""))]).await;
    let names = Names::Fixed(
        ["localhost", "canary.example"]
            .map(|name| (name.to_owned(), vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]))
            .into(),
    );
    let strict = client(Dialer::new(Policy::strict()).with_names(names));
    for host in HERE {
        for userinfo in ["", "example.com:x@"] {
            let url = format!("http://{userinfo}{host}:{}/", canary.port());
            let said = complaint(&strict, &url).await;
            assert!(said.contains(" is refused: "), "{url}: {said}");
        }
    }
    assert_eq!(canary.connections(), 0);
    let open = Policy {
        private: Private::Refuse,
        allow: vec!["127.0.0.0/8".parse().expect("a network")],
        ..Policy::default()
    };
    get(&client(Dialer::new(open)), &canary.url("/")).await.expect("the network was opened");
    assert_eq!(canary.connections(), 1);
}
