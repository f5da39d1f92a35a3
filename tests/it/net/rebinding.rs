//! A name whose address changes between two look-ups: what is judged is what is dialled.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use tripline::net::guard::{Policy, Private};
use tripline::net::{Dialer, Fickle, Names};

use super::raw::{Act, RawServer, answer};
use super::{call, client};

/// Where one may go, and where nobody may.
const OPEN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CLOSED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_judged_is_dialled() {
    // Closed after each answer, so that each exchange is dialled anew.
    let open = RawServer::start(vec![Act::SayAndClose(answer("200 OK", "", ""))]).await;
    let canary = TcpListener::bind((CLOSED, open.port())).expect("the port is free there");
    canary.set_nonblocking(true).expect("it can be asked without waiting");
    let policy = Policy {
        private: Private::Refuse,
        allow: vec!["127.0.0.1/32".parse().expect("a network")],
        ..Policy::default()
    };
    // What each exchange is told, and why it is refused. Whoever looks up twice for one exchange is told
    // what was meant for the next.
    let exchanges: [(&[IpAddr], Option<&str>); 7] = [
        (&[OPEN], None),
        (&[CLOSED], Some("127.0.0.2 is refused: it is a loopback address")),
        (&[OPEN], None),
        (&[METADATA], Some("169.254.169.254 is refused: it is a metadata service of a cloud")),
        (&[CLOSED, OPEN, METADATA], None),
        (&[METADATA, CLOSED], Some("is refused: ")),
        (&[OPEN, CLOSED], None),
    ];
    let answers = exchanges.iter().map(|(addresses, _)| addresses.to_vec()).collect();
    let fickle = Arc::new(Fickle::new(answers));
    let client = client(Dialer::new(policy).with_names(Names::Fickle(Arc::clone(&fickle))));
    let url = format!("http://rebound.example:{}/", open.port());
    for (number, (_, refused)) in (1..).zip(exchanges) {
        let (ended, seen) = call(&client, "GET", &url).await;
        match (ended, refused) {
            (Ok(_), None) => assert_eq!(seen.remote.map(|it| it.ip()), Some(OPEN), "{number}"),
            (Err(error), Some(why)) => {
                assert!(error.to_string().contains(why), "{number}: {error}");
                assert_eq!(seen.remote, None, "{number}: nothing was dialled");
            }
            (ended, _) => panic!("{number}: {ended:?}"),
        }
        assert_eq!(fickle.asked(), number, "each exchange asks once");
    }
    assert_eq!(open.connections(), 4);
    let nobody = canary.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    TcpStream::connect((CLOSED, open.port())).expect("it could have been reached");
    canary.accept().expect("it listens");
}
