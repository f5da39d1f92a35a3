//! The door to the network: exchanges with good, bad and hostile servers on loopback.

mod exchanges;
mod hostile;
mod proxy;
mod raw;
mod rebinding;
pub(crate) mod trust;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tripline::net::guard::Policy;
use tripline::net::{Answer, Budget, Client, Dialer, Error, Limits, Names, Outgoing, Seen};
use url::Url;

/// Names that all stand for this machine.
fn loopback_names(names: &[&str]) -> Names {
    let here = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    Names::Fixed(names.iter().map(|name| ((*name).to_owned(), here.clone())).collect())
}

fn client(dialer: Dialer) -> Client {
    Client::new(Arc::new(dialer), Limits::default(), Arc::new(Budget::default()).share())
}

fn plain_client() -> Client {
    client(Dialer::new(Policy::default()))
}

async fn call(client: &Client, method: &str, url: &str) -> (Result<Answer, Error>, Seen) {
    let url = Url::parse(url).expect("a URL");
    let outgoing = Outgoing {
        method: method.parse().expect("a method"),
        url: &url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        within: Duration::from_secs(10),
    };
    let mut seen = Seen::default();
    let ended = client.exchange(outgoing, &mut seen).await;
    (ended, seen)
}

async fn get(client: &Client, url: &str) -> Result<Answer, Error> {
    call(client, "GET", url).await.0
}

/// The sentence with which a GET of `url` fails.
async fn complaint(client: &Client, url: &str) -> String {
    get(client, url).await.expect_err("it must fail").to_string()
}
