//! Our own connections to the internet, by the proxy that the environment names (`HTTPS_PROXY`,
//! `NO_PROXY`), as our own requests go.
//!
//! Must not: be used for checks, whose proxy and whose bounds the `dialer` knows.

use std::io;

use hyper_util::client::proxy::matcher::Matcher;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::proxy::Proxy;

/// Connects to the host and the port of a URL, without TLS.
///
/// # Errors
///
/// [`io::Error`] when nobody is there, or the proxy does not do what it is asked.
pub async fn connect(url: &Url) -> io::Result<TcpStream> {
    connect_by(&Matcher::from_env(), url).await
}

async fn connect_by(matcher: &Matcher, url: &Url) -> io::Result<TcpStream> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    let host = url.host().ok_or_else(|| invalid("the URL names no host"))?;
    let is_secure = matches!(url.scheme(), "https" | "wss");
    let port = url.port().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = match proxy_for(matcher, &host, is_secure)? {
        Some(proxy) => through(&proxy, &format!("{host}:{port}")).await?,
        None => dial(&host, port).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The proxy by which `host` is reached; this machine is reached without one.
fn proxy_for(matcher: &Matcher, host: &Host<&str>, is_secure: bool) -> io::Result<Option<Proxy>> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let scheme = if is_secure { "https" } else { "http" };
    let target = format!("{scheme}://{host}").parse();
    let target = target.map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
    let Some(found) = matcher.intercept(&target) else { return Ok(None) };
    let url = Url::parse(&found.uri().to_string()).map_err(|error| invalid(error.to_string()))?;
    let proxy = Proxy::at(&url).map_err(|error| invalid(format!("the proxy: {error}")))?;
    let proxy = proxy.with_authorization(found.basic_auth().cloned());
    Ok(Some(proxy).filter(|proxy| proxy.covers(host)))
}

async fn dial(host: &Host<&str>, port: u16) -> io::Result<TcpStream> {
    match host {
        Host::Domain(name) => TcpStream::connect((*name, port)).await,
        Host::Ipv4(address) => TcpStream::connect((*address, port)).await,
        Host::Ipv6(address) => TcpStream::connect((*address, port)).await,
    }
}

async fn through(proxy: &Proxy, target: &str) -> io::Result<TcpStream> {
    let refused =
        |why: &dyn std::fmt::Display| io::Error::other(format!("the proxy {proxy} {why}"));
    let (host, port) = proxy.place();
    let mut stream = dial(&host, port).await.map_err(|error| refused(&error))?;
    proxy.tunnel(&mut stream, target).await.map_err(|refusal| refused(&refusal))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// One connection to a proxy that answers like this; what it was asked.
    async fn asked(answer: &'static [u8]) -> (io::Result<TcpStream>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = format!("http://ana:secret@{}", listener.local_addr().expect("an address"));
        let serving = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut buffer = vec![0; 1024];
            let length = stream.read(&mut buffer).await.expect("a request");
            stream.write_all(answer).await.expect("answered");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let matcher = Matcher::builder().all(proxy).no("intra.example").build();
        let url = Url::parse("wss://wss.slack.example/link/?ticket=1").expect("a URL");
        tokio::join!(connect_by(&matcher, &url), serving)
    }

    #[tokio::test]
    async fn what_is_outside_is_reached_by_the_proxy() {
        let (connected, request) = asked(b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(connected.is_ok(), "{connected:?}");
        assert!(request.starts_with("CONNECT wss.slack.example:443 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("Proxy-Authorization: Basic YW5hOnNlY3JldA==\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_refusal_names_the_proxy_and_no_secret() {
        let (connected, _) = asked(b"HTTP/1.1 407 No\r\n\r\n").await;
        let error = connected.expect_err("refused").to_string();
        assert!(error.contains("refused the user or the password"), "{error}");
        assert!(!error.contains("secret") && error.contains("127.0.0.1:"), "{error}");
    }

    #[test]
    fn this_machine_and_what_is_named_are_reached_directly() {
        let matcher = Matcher::builder().all("http://127.0.0.1:9").no("intra.example").build();
        for (host, is_direct) in
            [("localhost", true), ("127.0.0.1", true), ("a.intra.example", true), ("x.test", false)]
        {
            let host = Host::parse(host).expect("a host");
            let host = match &host {
                Host::Domain(name) => Host::Domain(name.as_str()),
                Host::Ipv4(address) => Host::Ipv4(*address),
                Host::Ipv6(address) => Host::Ipv6(*address),
            };
            let found = proxy_for(&matcher, &host, true).expect("a proxy that is understood");
            assert_eq!(found.is_none(), is_direct, "{host}");
        }
        let secure = Matcher::builder().all("https://proxy.example").build();
        assert!(proxy_for(&secure, &Host::Domain("x.test"), true).is_err());
    }
}
