use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Longer than any test needs.
const PATIENCE: Duration = Duration::from_mins(10);

async fn daemon(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).await.expect("loopback can be bound");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

async fn received(socket: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let received = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("a packet in time");
    String::from_utf8_lossy(&buffer[..received.expect("a packet")]).into_owned()
}

/// A resolver that gives one answer after the other, and the last one for ever.
pub(in crate::statsd) fn answers(answers: Vec<Option<Vec<SocketAddr>>>) -> Names {
    let next = AtomicUsize::new(0);
    Box::new(move |_| {
        let index = next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
        let answer = answers[index].clone().ok_or_else(|| io::Error::other("no such name"));
        Box::pin(std::future::ready(answer))
    })
}

fn route(names: Names) -> Route {
    Route::new("statsd.test:8125".into(), names, Arc::default())
}

fn packets(route: &Route) -> u64 {
    route.dropped.read().packets
}

#[tokio::test]
async fn the_systems_resolver_knows_addresses_of_both_families() {
    for text in ["127.0.0.1:8125", "[::1]:8125"] {
        let found = system()(text).await.expect("an address needs no name server");
        assert_eq!(found, [text.parse().expect("an address")]);
    }
}

#[tokio::test]
async fn both_families_are_sent_to() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let (daemon, address) = daemon(any).await;
        let mut route = route(answers(vec![Some(vec![address])]));
        route.renew().await;
        route.send(b"hello").await;
        assert_eq!((received(&daemon).await.as_str(), packets(&route)), ("hello", 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_found_is_looked_up_until_it_is() {
    let (daemon, address) = daemon("127.0.0.1:0").await;
    let mut route = route(answers(vec![None, Some(vec![]), Some(vec![address])]));
    for failures in 1..=2 {
        route.renew().await;
        assert_eq!((route.condition, route.failures), (Condition::Unresolved, failures));
        route.send(b"lost").await;
    }
    assert_eq!(packets(&route), 2);
    route.renew().await;
    assert_eq!((route.condition, route.failures), (Condition::Open, 0));
    route.send(b"found").await;
    assert_eq!((received(&daemon).await.as_str(), packets(&route)), ("found", 2));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_lost_keeps_its_address_and_one_that_moves_is_followed() {
    let (old, before) = daemon("127.0.0.1:0").await;
    let (new, after) = daemon("127.0.0.1:0").await;
    let mut route = route(answers(vec![Some(vec![before]), None, Some(vec![after])]));
    route.renew().await;
    route.renew().await;
    route.send(b"one").await;
    assert_eq!((received(&old).await.as_str(), route.condition), ("one", Condition::Unresolved));
    route.renew().await;
    route.send(b"two").await;
    assert_eq!((received(&new).await.as_str(), route.condition), ("two", Condition::Open));
}

#[tokio::test(start_paused = true)]
async fn a_refused_daemon_is_sent_to_until_it_is_back() {
    let (gone, address) = daemon("127.0.0.1:0").await;
    drop(gone);
    let mut route = route(answers(vec![Some(vec![address])]));
    route.renew().await;
    route.send(b"refused").await;
    route.send(b"refused too").await;
    assert_eq!((route.condition, packets(&route)), (Condition::Refused, 1));
    // A period that ends with a refusal no packet has met yet.
    route.renew().await;
    assert_eq!((route.condition, packets(&route), route.failures), (Condition::Refused, 2, 1));
    // A silent period proves nothing.
    route.renew().await;
    assert_eq!(route.condition, Condition::Refused);

    let back = UdpSocket::bind(address).await.expect("the port is still free");
    route.send(b"heard").await;
    assert_eq!(received(&back).await, "heard");
    route.renew().await;
    assert_eq!((route.condition, packets(&route), route.failures), (Condition::Open, 2, 0));
}

#[tokio::test]
async fn where_one_address_refuses_the_next_is_tried() {
    let (gone, refusing) = daemon("127.0.0.1:0").await;
    drop(gone);
    let (daemon, listening) = daemon("[::1]:0").await;
    // IPv4 comes first, whatever the resolver thinks.
    let mut route = route(answers(vec![Some(vec![listening, refusing])]));
    route.renew().await;
    assert_eq!(route.addresses, [refusing, listening]);
    route.send(b"refused").await;
    route.send(b"heard").await;
    assert_eq!((received(&daemon).await.as_str(), packets(&route)), ("heard", 1));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_survives_being_cancelled_and_has_a_deadline() {
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let mut route = route(Box::new(move |_| {
        *counted.lock().expect("not poisoned") += 1;
        Box::pin(std::future::pending())
    }));
    for _ in 0..3 {
        assert!(timeout(Duration::from_secs(1), route.renew()).await.is_err());
    }
    assert_eq!(*calls.lock().expect("not poisoned"), 1);
    route.renew().await;
    assert_eq!((route.condition, packets(&route)), (Condition::Unresolved, 0));
}
