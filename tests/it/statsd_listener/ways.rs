//! UDP, TCP, both Unix sockets, and the relay.

use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tripline::clock::System;
use tripline::statsd::Listener;

use super::{Heard, Listening, PATIENCE, nowhere, udp};
use crate::support::site::Site;
use crate::support::tripline::Project;
use crate::support::wait::{until, until_true};

#[tokio::test]
async fn every_way_leads_to_the_same_series_and_is_relayed_unchanged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let behind = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let paths = ["a.sock", "b.sock"].map(|name| folder.path().join(name));
    // A process that was killed left its socket behind.
    drop(UnixDatagram::bind(&paths[0]).expect("a path"));
    let listening = Listening {
        tcp: Some("127.0.0.1:0".parse().expect("an address")),
        unix: Some(paths[0].clone()),
        unix_stream: Some(paths[1].clone()),
        relay_to: Some(behind.local_addr().expect("an address").to_string()),
        ..udp()
    };
    let heard = Heard::start(listening);
    let packets: [&[u8]; 2] = [b"a:1|c\na:2|c\n\nb:7|g", b"not \xff text\na:3|c"];
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.send_to(packets[0], ("127.0.0.1", heard.port())).expect("it is sent");
    UnixDatagram::unbound().expect("a socket").send_to(packets[1], &paths[0]).expect("it is sent");
    heard.until_lines(5).await;
    let mut tcp = tokio::net::TcpStream::connect(heard.listener.tcp().expect("an address"))
        .await
        .expect("a connection");
    // A line in two parts, and one without a line break at the end.
    tcp.write_all(b"a:4").await.expect("it is sent");
    tcp.flush().await.expect("it is sent");
    tcp.write_all(b"|c\r\na:5|c").await.expect("it is sent");
    drop(tcp);
    heard.until_lines(7).await;
    let mut unix = UnixStream::connect(&paths[1]).expect("a connection");
    std::io::Write::write_all(&mut unix, b"a:6|c\n").expect("it is sent");
    heard.until_lines(8).await;

    let (mut relayed, mut buffer) = (Vec::new(), [0; 2048]);
    while relayed.iter().map(Vec::len).sum::<usize>() < 52 {
        let length = tokio::time::timeout(PATIENCE, behind.recv(&mut buffer)).await;
        let length = length.expect("the relay passes on").expect("a packet");
        relayed.push(buffer[..length].to_vec());
    }
    assert!(packets.iter().all(|packet| relayed.iter().any(|it| it == packet)), "{relayed:?}");
    let lines = relayed.concat();
    for line in ["a:4|c\r\n", "a:5|c", "a:6|c\n"] {
        assert!(lines.windows(line.len()).any(|part| part == line.as_bytes()), "{line}");
    }
    assert_eq!(heard.count().relay_drops, 0);
    assert_eq!(heard.count().refused.len(), 1, "{:?}", heard.count());
    let values = heard.end().await;
    assert_eq!(values.get(r#"{__name__="a"}"#), Some(&f64::from(1 + 2 + 3 + 4 + 5 + 6)));
    assert_eq!(values.get(r#"{__name__="b"}"#), Some(&7.0));
    until_true("the sockets are removed", PATIENCE, async || !paths.iter().any(|it| it.exists()))
        .await;
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_and_the_next_is_taken() {
    let tcp = Some("127.0.0.1:0".parse().expect("an address"));
    let heard = Heard::start(Listening { tcp, ..nowhere() });
    let mut stream =
        tokio::net::TcpStream::connect(("127.0.0.1", heard.port())).await.expect("a connection");
    let long = "x".repeat(100_000);
    stream.write_all(format!("{long}:1|c\na:1|c\n").as_bytes()).await.expect("it is sent");
    heard.until_lines(1).await;
    let refused = heard.count().refused;
    assert_eq!((refused[0].0.as_str(), refused[0].1, refused.len()), ("too_long", 1, 1));
    assert_eq!(heard.end().await.into_values().collect::<Vec<_>>(), [1.0]);
}

#[tokio::test]
async fn a_place_that_is_taken_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("statsd.sock");
    let _theirs = UnixListener::bind(&path).expect("a path");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for listening in [
        Listening { udp: socket.local_addr().ok(), ..nowhere() },
        Listening { unix_stream: Some(path.clone()), ..nowhere() },
        Listening { unix: Some(folder.path().join("no/such/folder")), ..nowhere() },
    ] {
        let refused = Listener::start(listening, Arc::new(System)).expect_err("it is taken");
        assert!(refused.to_string().starts_with("failed to listen on "), "{refused}");
    }
    assert!(path.exists(), "the socket of another is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_receives_and_says_how_much() {
    let (site, port) = (Site::start().await, crate::support::port::free());
    let project = Project::new()
        .toml(&format!("[statsd]\nlisten = \"127.0.0.1:{port}\"\nflush = \"1s\"\n"))
        .toml(&format!("[[check]]\nname = \"a\"\nurl = \"{}\"\nevery = \"1s\"", site.url()));
    let daemon = project.up().await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.send_to(b"logins:1|c\nlogins:x|c\n_sc|db|0", ("127.0.0.1", port)).expect("it is sent");
    let heard = until("the lines are counted", PATIENCE, async || {
        let health: serde_json::Value = daemon.ask("/healthz").await;
        Some(health["statsd_listener"].clone()).filter(|it| it["series"] == 1)
    })
    .await;
    assert_eq!((&heard["lines"], &heard["refused"]["value"]), (&3.into(), &1.into()));
    if cfg!(target_os = "linux") {
        assert_eq!(heard["kernel_drops"], 0);
    }
    let ended = daemon.stop().await;
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn what_came_before_the_stop_is_taken() {
    let heard = Heard::start(udp());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for _ in 0..300 {
        socket.send_to(b"a:1|c", ("127.0.0.1", heard.port())).expect("it is sent");
    }
    let values = heard.end().await;
    assert_eq!(values.get(r#"{__name__="a"}"#), Some(&300.0));
}
