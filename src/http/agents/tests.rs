//! The link's router in process: whatever a peer sends, it is answered, and never believed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use axum::body::Body;
use axum::http::{Method, header};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::*;
use crate::clock::Manual;
use crate::domain::Timestamp;
use crate::domain::check::{Check, Expectations, RequestSpec, Work};
use crate::domain::coverage::{Gap, Presence, Tally, Watch};
use crate::domain::id::CheckId;
use crate::domain::schedule::{Interval, Schedule};
use crate::link::publication::Part;
use crate::link::token::Token;
use crate::store::accounts::{Expected, Place, Process, Ran};
use crate::store::agents::{AgentRecord, Claim, Claimed, TokenId, TokenRecord};
use crate::store::{Error, Standing};

fn now() -> Timestamp {
    "2026-11-21T04:12:31.250Z".parse().expect("a time")
}

fn region() -> Region {
    Region::new("eu").expect("a good name")
}

/// Knows one token, and everybody who claims to be somebody.
#[derive(Debug)]
struct Known(TokenRecord);

#[async_trait]
impl Agents for Known {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        Ok(vec![self.0.clone()])
    }

    async fn finish_rotation(&self, _: TokenId) -> Result<(), Error> {
        Ok(())
    }

    async fn claim_name(&self, claim: &Claim) -> Result<Claimed, Error> {
        Ok(Claimed::Granted(vec![claim.presence.name.clone()]))
    }

    async fn release_name(&self, _: &Region, _: &str, _: Uuid, _: Timestamp) -> Result<(), Error> {
        Ok(())
    }

    /// One whose clock is ten seconds ahead.
    async fn agents(&self) -> Result<Vec<AgentRecord>, Error> {
        let presence = crate::store::agents::Presence {
            region: region(),
            name: "fast".into(),
            instance: Uuid::nil(),
            version: "1.2.3".into(),
            skew_us: 10_012_345,
            lag_ms: 0,
            spool_reports: 0,
            spool_bytes: 0,
            thinned: 0,
            lost: 0,
            revision: None,
        };
        let (first_seen, last_seen, lease_until) = (now(), now(), now());
        Ok(vec![AgentRecord { presence, first_seen, last_seen, lease_until, left_at: None }])
    }

    async fn forget_agents(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }
}

/// Notes who was there, and nothing else.
#[derive(Debug, Default)]
struct Lives(Mutex<Vec<Process>>);

#[async_trait]
impl Accounts for Lives {
    async fn seen(&self, process: &Process, _: Timestamp) -> Result<(), Error> {
        self.0.lock().expect("nobody panics with it").push(process.clone());
        Ok(())
    }

    async fn expect(&self, _: &[Expected], _: Timestamp) -> Result<(), Error> {
        unreachable!("the link does not ask for it")
    }

    async fn watches(
        &self,
        _: Option<&CheckId>,
        _: (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn presence(
        &self,
        _: (Timestamp, Timestamp),
    ) -> Result<HashMap<Option<Region>, Presence>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn accounted_until(&self) -> Result<Option<Timestamp>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn ran(&self, _: (Timestamp, Timestamp)) -> Result<Ran, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn latest_gaps(&self, _: &[Place]) -> Result<HashMap<Place, Gap>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn account(
        &self,
        _: &[Gap],
        _: Option<Timestamp>,
        _: Timestamp,
    ) -> Result<Standing, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn gaps(
        &self,
        _: Option<&CheckId>,
        _: (Timestamp, Timestamp),
        _: u32,
    ) -> Result<Vec<Gap>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn tallies(
        &self,
        _: Option<&CheckId>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn tallied(&self) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn tally(
        &self,
        _: (Timestamp, Timestamp),
        _: &BTreeMap<Place, u64>,
    ) -> Result<Standing, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn tallied_hours(
        &self,
        _: Option<&CheckId>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn forget_accounts(&self, _: Timestamp) -> Result<(), Error> {
        unreachable!("the link does not ask for it")
    }
}

/// Takes reports, or has no room for them.
#[derive(Default)]
struct Taken {
    reports: Mutex<Vec<Report>>,
    is_full: bool,
}

#[async_trait]
impl Inlet for Taken {
    async fn take(&self, reports: Vec<Report>) -> Result<(), Unavailable> {
        if self.is_full {
            return Err(Unavailable("the store does not take results now".into()));
        }
        self.reports.lock().expect("nobody panics with it").extend(reports);
        Ok(())
    }
}

struct Hub {
    router: Router,
    token: String,
    taken: Arc<Taken>,
    lives: Arc<Lives>,
}

impl Hub {
    fn new(inlet: Taken) -> Self {
        let token = Token::generate().expect("random numbers");
        let record = TokenRecord {
            id: TokenId(1),
            region: region(),
            name: "eu".into(),
            digest: token.digest(),
            previous: None,
            created_at: now(),
            rotated_at: None,
            revoked_at: None,
        };
        let check = Check {
            id: CheckId::new("shop").expect("a good name"),
            name: "Shop".into(),
            schedule: Schedule::Every(Interval::new(Duration::from_secs(1)).expect("in range")),
            regions: vec![region()],
            timeout: Duration::from_secs(1),
            policy: "p2-then-p1".into(),
            runbook: None,
            labels: BTreeMap::new(),
            work: Work::Request(Box::new(RequestSpec {
                method: "GET".into(),
                url: "https://shop.example/".into(),
                headers: Vec::new(),
                body: None,
                expect: Expectations::default(),
            })),
        };
        let part = Part { checks: vec![Arc::new(check)], ..Part::default() };
        let publication = Arc::new(Publication::new([(region(), part)]));
        let (inlet, lives) = (Arc::new(inlet), Arc::new(Lives::default()));
        let link = Link::new(Parts {
            agents: Arc::new(Known(record)),
            accounts: Arc::clone(&lives) as Arc<dyn Accounts>,
            inlet: inlet.clone(),
            publication: watch::channel(publication).1,
            clock: Arc::new(Manual::new(now())),
            version: "1.2.3",
            loops: Loops::new(watch::channel(None).1),
            closing: Halt::new(),
        });
        Self { router: router(link), token: token.expose(), taken: inlet, lives }
    }

    async fn asked(&self, method: Method, path: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(format!("/agent/v1/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header("tripline-protocol", "1");
        let request = request.body(body.into()).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("never fails");
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

fn report() -> Value {
    json!({
        "check": "shop", "region": "eu", "slot_at": now(), "started_at": now(),
        "duration_us": 5, "outcome": "passed",
    })
}

fn batch(reports: &[Value]) -> String {
    json!({ "name": "one", "reports": reports }).to_string()
}

#[tokio::test]
async fn nothing_is_acknowledged_that_was_not_taken() {
    let hub = Hub::new(Taken { is_full: true, ..Taken::default() });
    let (status, answer) = hub.asked(Method::POST, "reports", batch(&[report()])).await;
    assert_eq!((status, &answer["status"]), (503, &json!(503)));
    // What will never be taken needs no room.
    let (status, answer) = hub.asked(Method::POST, "reports", batch(&[json!(5)])).await;
    assert_eq!((status, &answer["refused"][0]["index"]), (200, &json!(0)));

    let hub = Hub::new(Taken::default());
    let (status, _) = hub.asked(Method::POST, "reports", batch(&[report(), json!({})])).await;
    let taken = hub.taken.reports.lock().expect("nobody panics with it").len();
    assert_eq!((status, taken), (200, 1));

    // Either clock may be wrong, and be set right.
    let mut early = report();
    early["slot_at"] = json!(now() + TimeDelta::hours(1));
    let (status, answer) = hub.asked(Method::POST, "reports", batch(&[report(), early])).await;
    assert_eq!((status, answer), (200, json!({ "refused": [], "later": [1] })));
}

#[tokio::test]
async fn runs_are_told_by_the_hubs_clock() {
    let hub = Hub::new(Taken::default());
    for name in ["one", "fast"] {
        let batch = json!({ "name": name, "reports": [report()] }).to_string();
        assert_eq!(hub.asked(Method::POST, "reports", batch).await.0, 200);
    }
    let taken = hub.taken.reports.lock().expect("nobody panics with it");
    let times: Vec<_> = taken.iter().map(|it| (it.slot.at, it.started_at)).collect();
    let by_ours = now() - chrono::TimeDelta::seconds(10);
    assert_eq!(times, [(now(), now()), (now(), by_ours)], "the slot stays what it is");
}

#[tokio::test]
async fn whoever_says_that_it_lives_was_there() {
    let hub = Hub::new(Taken::default());
    let instance = Uuid::from_u128(7);
    let beat = json!({
        "region": "eu", "name": "one", "instance": instance, "sent_at": now(), "round_trip_us": 5,
    });
    let goodbye = json!({ "name": "one", "instance": instance });
    for (path, body) in [("hello", &beat), ("heartbeat", &beat), ("goodbye", &goodbye)] {
        let (status, answer) = hub.asked(Method::POST, path, body.to_string()).await;
        assert!(status < 300, "{path}: {status} {answer}");
        let seen = std::mem::take(&mut *hub.lives.0.lock().expect("nobody panics with it"));
        let process = Process { id: instance.to_string(), region: Some(region()) };
        assert_eq!(seen, [process], "{path}");
    }
    let elsewhere = json!({
        "region": "us", "name": "one", "instance": instance, "sent_at": now(), "round_trip_us": 5,
    });
    assert_eq!(hub.asked(Method::POST, "heartbeat", elsewhere.to_string()).await.0, 403);
    assert!(hub.lives.0.lock().expect("nobody panics with it").is_empty());
}

#[tokio::test]
async fn a_region_gets_its_checks_and_modules_by_their_hash_only() {
    let hub = Hub::new(Taken::default());
    let (status, told) = hub.asked(Method::GET, "assignments", "").await;
    assert_eq!((status, &told["checks"][0]["id"]), (200, &json!("shop")));
    let same = format!("assignments?revision={}", told["revision"].as_str().expect("a text"));
    assert_eq!(hub.asked(Method::GET, &same, "").await, (204, Value::Null));
    for path in ["modules/..%2F..%2Fetc%2Fpasswd", "modules/%ff", "assignments?wait_ms=-1"] {
        let (status, answer) = hub.asked(Method::GET, path, "").await;
        assert!((400..500).contains(&status) && answer["detail"].is_string(), "{path}: {answer}");
    }
}

proptest! {
    #[test]
    fn whatever_a_peer_sends_is_answered_in_words(
        path in prop_oneof!["(hello|heartbeat|goodbye|reports)", "[a-z%]{1,8}"],
        bytes in prop_oneof![
            any::<Vec<u8>>(),
            "(\\{|\\[|\"(reports|name|instance|region|eu)\"|:|,|1e999|null|\\]|\\}){0,24}"
                .prop_map(String::into_bytes),
        ],
    ) {
        prop_assume!(axum::http::Uri::try_from(format!("/agent/v1/{path}")).is_ok());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let hub = Hub::new(Taken::default());
        let asked = hub.asked(Method::POST, &path, bytes);
        let (status, answer) = runtime.expect("a runtime").block_on(asked);
        // Without the API around it, a route that is not there has no words.
        prop_assert!((400..500).contains(&status), "{status} {answer}");
        prop_assert!(status == 404 || answer["detail"].is_string(), "{status} {answer}");
        prop_assert!(hub.taken.reports.lock().expect("nobody panics with it").is_empty());
    }
}
