//! Exchanges through an HTTP proxy: what passes, what is refused, and who is named for it.

use std::time::Duration;

use tripline::net::guard::Policy;
use tripline::net::proxy::Direct;
use tripline::net::{Client, Dialer, Names, Outgoing, Proxy, Seen};
use url::Url;

use super::raw::{Act, RawServer, answer};
use super::trust::{Authority, for_shop, serve};
use super::{call, client, complaint, get, loopback_names};
use crate::support::forward::ForwardProxy;

/// A client whose resolver knows the proxy alone.
fn through(address: &str, credentials: Option<&str>, direct: &[&str]) -> Dialer {
    let direct: Vec<Direct> = direct.iter().map(|text| text.parse().expect("a target")).collect();
    let proxy = Proxy::at(&Url::parse(address).expect("a URL")).expect("a proxy");
    let proxy = proxy.with_direct(direct);
    let proxy = match credentials {
        Some(credentials) => proxy.with_credentials(credentials),
        None => proxy,
    };
    let names = loopback_names(&["proxy.example", "near.example"]);
    Dialer::new(Policy::strict()).with_names(names).with_proxy(proxy)
}

fn plain(proxy: &ForwardProxy) -> Client {
    client(through(&proxy.url(), Some("ana:secret"), &[]))
}

#[tokio::test]
async fn plain_requests_are_forwarded_in_absolute_form() {
    let said = Act::Say(answer("200 OK", "", "Welcome"));
    let server = RawServer::start(vec![said]).await;
    let proxy = ForwardProxy::start("ana:secret").await;
    let url = format!("http://shop.example:{}/a?b#c", server.port());
    let client = plain(&proxy);
    for _ in 0..2 {
        let (ended, seen) = call(&client, "GET", &url).await;
        assert_eq!(ended.expect("an answer").body, "Welcome");
        assert_eq!(seen.remote.map(|remote| remote.port()), Some(proxy.port()));
        assert!(seen.timings.dns.is_none() && seen.timings.tls.is_none());
    }
    let line = format!("GET http://shop.example:{}/a?b HTTP/1.1", server.port());
    assert_eq!(proxy.asked(), [line.as_str(), line.as_str()]);
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_the_proxy_is_part_of_connecting() {
    let authority = Authority::new();
    let server = serve(&authority, for_shop(), "h2").await;
    let proxy = ForwardProxy::start("ana:secret").await;
    let dialer = through(&proxy.url(), Some("ana:secret"), &[]).with_trust(authority.trust());
    let client = client(dialer);
    let url = format!("https://shop.example:{}/", server.port);
    let (ended, seen) = call(&client, "GET", &url).await;
    assert_eq!(ended.expect("an answer").status, 200);
    let timings = seen.timings;
    assert!(timings.dns.is_none() && timings.connect.is_some() && timings.tls.is_some());
    assert_eq!(proxy.asked(), [format!("CONNECT shop.example:{} HTTP/1.1", server.port)]);
    let other = complaint(&client, &format!("https://other.example:{}/", server.port)).await;
    assert!(other.starts_with("certificate is not valid for name other.example"), "{other}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let proxy = ForwardProxy::start("ana:secret").await;
    let place = format!("the proxy 127.0.0.1:{}", proxy.port());
    let anonymous = client(through(&proxy.url(), None, &[]));
    let mistaken = client(through(&proxy.url(), Some("ana:hunter2"), &[]));
    for url in ["https://shop.example/", "http://shop.example/"] {
        assert_eq!(
            complaint(&anonymous, url).await,
            format!("{place} asks for a user and a password (407 Proxy Authentication Required)")
        );
        assert_eq!(
            complaint(&mistaken, url).await,
            format!("{place} refused the user or the password (407 Proxy Authentication Required)")
        );
    }
    assert_eq!(
        complaint(&plain(&proxy), "https://nowhere.example/").await,
        format!("{place} did not connect to nowhere.example:443: 502 Bad Gateway")
    );
    let gone = client(through("http://127.0.0.1:1", None, &[]));
    assert_eq!(
        complaint(&gone, "https://a.example/").await,
        "the proxy 127.0.0.1:1 cannot be reached: connection refused by 127.0.0.1:1"
    );
    let lost = client(through("http://lost.example", None, &[]));
    assert_eq!(
        complaint(&lost, "http://a.example/").await,
        "the proxy lost.example:80 cannot be reached: no address found for lost.example"
    );
}

#[tokio::test]
async fn a_proxy_that_talks_nonsense_is_named() {
    for (said, why) in [
        (Act::SayAndClose(b"SSH-2.0-x\r\n\r\n".to_vec()), "its answer is not HTTP"),
        (Act::SayAndClose(b"HTTP/1.1 200 OK\r\n".to_vec()), "it closed the connection"),
        (Act::Say(b"HTTP/1.1 200 OK\r\n\r\nmore".to_vec()), "it said more than its answer"),
        (
            Act::SayForEver(b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".to_vec()),
            "its answer has no end",
        ),
    ] {
        let server = RawServer::start(vec![said]).await;
        let told =
            complaint(&client(through(&server.url(""), None, &[])), "https://a.example/").await;
        assert!(told.ends_with(&format!("did not connect to a.example:443: {why}")), "{told}");
    }
}

#[tokio::test]
async fn what_the_guard_can_see_is_refused_before_the_proxy_hears_of_it() {
    let proxy = ForwardProxy::start("ana:secret").await;
    let client = plain(&proxy);
    for host in [
        "169.254.169.254",
        "metadata.google.internal",
        "[::ffff:169.254.169.254]",
        "0xa9fea9fe",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        for scheme in ["http", "https"] {
            get(&client, &format!("{scheme}://{host}/")).await.expect_err(host);
        }
    }
    get(&client, "http://shop.example:22/").await.expect_err("a refused port");
    assert_eq!(proxy.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn what_goes_past_the_proxy_is_judged_by_address() {
    let server = RawServer::start(vec![Act::Say(answer("200 OK", "", ""))]).await;
    let proxy = ForwardProxy::start("ana:secret").await;
    let direct = through(&proxy.url(), None, &["near.example"]);
    let url = format!("http://near.example:{}/", server.port());
    let refused = complaint(&client(direct.clone()), &url).await;
    assert!(refused.contains("127.0.0.1"), "{refused}");
    let local = complaint(&client(direct), &server.url("/")).await;
    assert!(local.contains("127.0.0.1"), "{local}");
    let open = Proxy::at(&Url::parse(&proxy.url()).expect("a URL")).expect("a proxy");
    let open = Dialer::new(Policy::default()).with_names(Names::System).with_proxy(open);
    let answer = get(&client(open), &server.url("/")).await.expect("this machine needs no proxy");
    assert_eq!(answer.status, 200);
    assert_eq!(proxy.asked(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_silent_proxy_is_a_time_out_while_connecting() {
    let server = RawServer::start(vec![Act::Silence]).await;
    let url = Url::parse("https://a.example/").expect("a URL");
    let outgoing = Outgoing {
        method: http::Method::GET,
        url: &url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        within: Duration::from_millis(50),
    };
    let client = client(through(&server.url(""), None, &[]));
    let ended = client.exchange(outgoing, &mut Seen::default()).await;
    let told = ended.expect_err("nothing was said").to_string();
    assert_eq!(told, "timed out after 50 ms while connecting");
}
