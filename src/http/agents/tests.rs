//! The link's router in process: whatever a peer sends, it is answered, and never believed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

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
use crate::domain::coverage::{Duty, Gap, Presence, Tally, Watch};
use crate::domain::edition::Rank;
use crate::domain::id::CheckId;
use crate::domain::schedule::{Interval, Schedule};
use crate::engine::judge::{ProjectJudge, Rulebook};
use crate::link::publication::Part;
use crate::link::token::Token;
use crate::store::accounts::{self, Expectation, Place, Process, Ran};
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
struct Known {
    token: TokenRecord,
    names: Vec<String>,
}

#[async_trait]
impl Agents for Known {
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Error> {
        Ok(vec![self.token.clone()])
    }

    async fn claim_name(&self, claim: &Claim) -> Result<Claimed, Error> {
        Ok(Claimed::Granted(vec![claim.presence.name.clone()]))
    }

    async fn release_name(
        &self,
        _: &Region,
        _: &str,
        instance: Uuid,
        _: Timestamp,
    ) -> Result<bool, Error> {
        Ok(instance == Uuid::from_u128(7))
    }

    async fn agent(&self, region: &Region, name: &str) -> Result<Option<AgentRecord>, Error> {
        let all = self.agents().await?.into_iter();
        Ok(all.into_iter().find(|it| it.presence.region == *region && it.presence.name == name))
    }

    /// Some whose clocks are ten seconds ahead.
    async fn agents(&self) -> Result<Vec<AgentRecord>, Error> {
        Ok(self.names.iter().map(|name| agent(name)).collect())
    }

    async fn forget_agents(&self, _: Timestamp) -> Result<u64, Error> {
        Ok(0)
    }
}

fn agent(name: &str) -> AgentRecord {
    let presence = crate::store::agents::Presence {
        region: region(),
        name: name.into(),
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
    AgentRecord { presence, first_seen, last_seen, lease_until, left_at: None }
}

/// Notes who was there, and knows what was expected.
#[derive(Debug, Default)]
struct Book {
    lives: Mutex<Vec<Process>>,
    watches: Mutex<Vec<Watch>>,
    /// How often it was asked for them.
    asked: AtomicUsize,
}

impl Book {
    fn is_to_watch(&self, check: &str, from: Timestamp, until: Option<Timestamp>) {
        let check = CheckId::new(check).expect("a good name");
        let (schedule, duty) = (schedule(), Duty::Run);
        let watch = Watch { check, region: region(), schedule, from, until, duty };
        self.watches.lock().expect("nobody panics with it").push(watch);
    }
}

fn schedule() -> Schedule {
    Schedule::Every(Interval::new(Duration::from_secs(1)).expect("in range"))
}

/// The last slot of a check at or before a moment.
fn slot(check: &str, at: Timestamp) -> Timestamp {
    let check = CheckId::new(check).expect("a good name");
    let next = schedule().next_after(at - TimeDelta::seconds(1), &check, &region());
    next.expect("there is one")
}

#[async_trait]
impl Accounts for Book {
    async fn seen(&self, process: &Process, _: Timestamp) -> Result<(), Error> {
        self.lives.lock().expect("nobody panics with it").push(process.clone());
        Ok(())
    }

    async fn expect(&self, _: &Expectation, _: Timestamp) -> Result<Rank, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn hold_edition(&self, _: &str, _: Timestamp) -> Result<Rank, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn may_lead(&self, _: &str, _: Timestamp) -> Result<bool, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn known(&self) -> Result<accounts::Known, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn watches(
        &self,
        _: Option<&[CheckId]>,
        (after, until): (Timestamp, Timestamp),
    ) -> Result<Vec<Watch>, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_on = |watch: &&Watch| watch.until.is_none_or(|it| it > after) && watch.from < until;
        let watches = self.watches.lock().expect("nobody panics with it");
        Ok(watches.iter().filter(is_on).cloned().collect())
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
        _: accounts::Known,
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
        _: Option<&[CheckId]>,
        _: (Timestamp, Timestamp),
    ) -> Result<BTreeMap<Place, Tally>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn first_ran(&self) -> Result<Option<Timestamp>, Error> {
        unreachable!("the link does not ask for it")
    }

    async fn forgotten_until(&self) -> Result<Option<Timestamp>, Error> {
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
        _: Option<&[CheckId]>,
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
    book: Arc<Book>,
}

impl Hub {
    fn new(inlet: Taken) -> Self {
        Self::knowing(inlet, vec!["fast".into()])
    }

    fn knowing(inlet: Taken, names: Vec<String>) -> Self {
        let token = Token::generate().expect("random numbers");
        let record = TokenRecord {
            id: TokenId(1),
            region: region(),
            name: "eu".into(),
            digest: token.digest(),
            former: Vec::new(),
            created_at: now(),
            rotated_at: None,
            revoked_at: None,
        };
        let check = Check {
            id: CheckId::new("shop").expect("a good name"),
            name: "Shop".into(),
            schedule: schedule(),
            regions: vec![region()],
            timeout: Duration::from_secs(1),
            policy: "p2-then-p1".into(),
            runbook: None,
            labels: BTreeMap::new(),
            bodies: crate::domain::exchange::Bodies::Kept,
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
        let (inlet, book) = (Arc::new(inlet), Arc::new(Book::default()));
        book.is_to_watch("shop", now() - TimeDelta::days(30), None);
        let clock = Arc::new(Manual::new(now()));
        let store = Arc::new(crate::http::tests::fake::a_world().1);
        let judge = Arc::new(ProjectJudge::new(Rulebook::default()));
        let errands = crate::http::tests::fake::errands::errands(&store, &judge, &clock);
        let link = Link::new(Parts {
            agents: Arc::new(Known { token: record, names }),
            accounts: Arc::clone(&book) as Arc<dyn Accounts>,
            inlet: inlet.clone(),
            retention: Retention::of_runs(Duration::from_hours(48)),
            errands,
            publication: watch::channel(publication).1,
            clock,
            version: "1.2.3",
            loops: Loops::new(watch::channel(None).1),
            closing: Halt::new(),
        });
        Self { router: router(link), token: token.expose(), taken: inlet, book }
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
    report_of("shop", slot("shop", now()))
}

fn report_of(check: &str, at: Timestamp) -> Value {
    json!({
        "check": check, "region": "eu", "slot_at": at, "started_at": now(),
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
    assert_eq!((status, &answer["refused"], &answer["later"]), (200, &json!([]), &json!([1])));
    let reason = answer["later_reason"].as_str().expect("a reason");
    assert!(reason.contains("one of the two clocks is wrong"), "{reason}");
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
    let slot = slot("shop", now());
    assert_eq!(times, [(slot, now()), (slot, by_ours)], "the slot stays what it is");
}

/// What became of reports: `taken`, `later` or `refused`, each with why.
async fn became(hub: &Hub, reports: &[Value]) -> Vec<String> {
    let (status, answer) = hub.asked(Method::POST, "reports", batch(reports)).await;
    assert_eq!(status, 200, "{answer}");
    let mut became = vec!["taken".to_owned(); reports.len()];
    let index = |it: &Value| usize::try_from(it.as_u64().expect("a number")).expect("small");
    for refused in answer["refused"].as_array().expect("a list") {
        let reason = refused["reason"].as_str().expect("a text");
        became[index(&refused["index"])] = format!("refused: {reason}");
    }
    for later in answer["later"].as_array().into_iter().flatten() {
        became[index(later)] = format!("later: {}", answer["later_reason"]);
    }
    became
}

fn begins(became: &[String]) -> Vec<&str> {
    became.iter().map(|it| it.split(':').next().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_report_counts_where_its_slot_was_expected_by_whomever() {
    let hub = Hub::new(Taken::default());
    let (hour, minute) = (TimeDelta::hours(1), TimeDelta::minutes(1));
    // Another hub that shares the store has a check that this one does not know yet, and can judge
    // what it says; one was taken out an hour ago.
    hub.book.is_to_watch("new", now() - minute, None);
    hub.book.is_to_watch("gone", now() - hour * 3, Some(now() - hour));
    let of = |check: &str, ago: TimeDelta| report_of(check, slot(check, now() - ago));
    let became = became(
        &hub,
        &[
            of("shop", minute),
            of("new", minute / 2),
            of("gone", hour * 2),
            // Nobody asked for these; of the fresh ones somebody may tell this hub in a moment.
            of("new", minute * 2),
            of("new", hour * 2),
            of("gone", minute),
            of("gone", hour / 2),
            of("never", minute),
            of("never", hour),
            report_of("shop", slot("shop", now() - minute) + TimeDelta::milliseconds(7)),
            report_of("shop", slot("shop", now() - hour) + TimeDelta::milliseconds(7)),
        ],
    )
    .await;
    assert_eq!(
        begins(&became),
        [
            "taken", "later", "taken", "later", "refused", "later", "refused", "later", "refused",
            "later", "refused"
        ]
    );
    let waits = "this hub does not have the check `new` yet; another one has";
    assert!(became[1].contains(waits), "{}", became[1]);
    assert!(became[8].contains("eu was not to run the check `never`"), "{}", became[8]);
    assert_eq!(hub.taken.reports.lock().expect("nobody panics with it").len(), 2);
    let alone = self::became(&hub, &[of("gone", minute)]).await;
    assert!(alone[0].contains("does not know (yet, or any more)"), "{}", alone[0]);
}

#[tokio::test]
async fn the_store_is_not_asked_about_usual_reports() {
    let hub = Hub::new(Taken::default());
    let asked = || hub.book.asked.load(Ordering::Relaxed);
    // As when it could not be written what is expected: people are told all the same.
    hub.book.watches.lock().expect("nobody panics with it").clear();
    for second in [100, 90, 50, 0] {
        let at = slot("shop", now() - TimeDelta::seconds(second));
        assert_eq!(became(&hub, &[report_of("shop", at)]).await, ["taken"]);
    }
    assert_eq!(asked(), 0);
    // Nor again and again about what it has said no to.
    for _ in 0..3 {
        let at = slot("never", now() - TimeDelta::seconds(60));
        assert_eq!(begins(&became(&hub, &[report_of("never", at)]).await), ["later"]);
    }
    assert_eq!(asked(), 1);
    // Nor for each report of a time that is over.
    hub.book.is_to_watch("shop", now() - TimeDelta::days(1), None);
    let hour_ago = now() - TimeDelta::hours(1);
    for second in 0..3 {
        let at = slot("shop", hour_ago + TimeDelta::seconds(second));
        assert_eq!(became(&hub, &[report_of("shop", at)]).await, ["taken"]);
    }
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_clock_that_is_off_does_not_make_a_run_one_that_nobody_asked_for() {
    let hub = Hub::new(Taken::default());
    let beat = json!({
        "region": "eu", "name": "slow", "instance": Uuid::from_u128(7),
        "sent_at": now() - TimeDelta::hours(2), "round_trip_us": 5,
    });
    assert_eq!(hub.asked(Method::POST, "hello", beat.to_string()).await.0, 200);
    hub.book.watches.lock().expect("nobody panics with it").clear();
    // The check is newer than that.
    hub.book.is_to_watch("shop", now() - TimeDelta::minutes(1), None);
    let report = report_of("shop", slot("shop", now() - TimeDelta::hours(2)));
    let of = async |name: &str| {
        let batch = json!({ "name": name, "reports": [report] }).to_string();
        hub.asked(Method::POST, "reports", batch).await.1
    };
    assert_eq!(of("slow").await, json!({ "refused": [] }));
    assert_eq!(of("other").await["refused"][0]["index"], 0);
}

#[tokio::test]
async fn what_is_too_old_to_be_kept_is_not_taken() {
    let hub = Hub::new(Taken::default());
    let at = |hours: i64| slot("shop", now() - TimeDelta::hours(hours));
    let became = became(&hub, &[report_of("shop", at(47)), report_of("shop", at(49))]).await;
    assert_eq!(became[0], "taken");
    assert!(became[1].contains("the hub keeps such runs for 2 d only"), "{}", became[1]);
}

#[tokio::test]
async fn what_is_too_old_by_a_clock_that_is_wrong_is_wanted_later() {
    let hub = Hub::new(Taken::default());
    let batch = batch(&[]);
    let name = serde_json::from_str::<Value>(&batch).expect("JSON")["name"].clone();
    // Ours is 40 days ahead of the agent's.
    let beat = json!({
        "region": "eu", "name": name, "instance": Uuid::from_u128(1),
        "sent_at": now() - TimeDelta::days(40), "round_trip_us": 5,
    });
    assert_eq!(hub.asked(Method::POST, "hello", beat.to_string()).await.0, 200);
    let at = |days: i64| slot("shop", now() - TimeDelta::days(days));
    let became = became(&hub, &[report_of("shop", at(40)), report_of("shop", at(43))]).await;
    assert_eq!(begins(&became), ["later", "refused"], "{became:?}");
}

#[tokio::test]
async fn names_and_starts_of_agents_are_bounded() {
    let beat = |name: &str, instance: u128| {
        let beat = json!({
            "region": "eu", "name": name, "instance": Uuid::from_u128(instance),
            "sent_at": now(), "round_trip_us": 5,
        });
        beat.to_string()
    };
    let names = (0..500).map(|number| format!("agent-{number}")).collect();
    let hub = Hub::knowing(Taken::default(), names);
    let (status, answer) = hub.asked(Method::POST, "hello", beat("another", 1)).await;
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert_eq!((status, detail.contains("give agents names that stay")), (429, true), "{answer}");
    assert_eq!(hub.asked(Method::POST, "hello", beat("agent-1", 1)).await.0, 200);

    let hub = Hub::new(Taken::default());
    for instance in 0..1_000 {
        assert_eq!(hub.asked(Method::POST, "hello", beat("one", instance)).await.0, 200);
    }
    assert_eq!(hub.asked(Method::POST, "heartbeat", beat("one", 999)).await.0, 200);
    let (status, answer) = hub.asked(Method::POST, "hello", beat("one", 1_000)).await;
    let detail = answer["detail"].as_str().unwrap_or_default();
    assert_eq!((status, detail.contains("starts them again and again")), (429, true), "{answer}");
}

#[tokio::test]
async fn a_failure_that_comes_with_the_pass_after_it_is_marked() {
    let hub = Hub::new(Taken::default());
    let last = slot("shop", now());
    let mut failed = report_of("shop", last - TimeDelta::seconds(1));
    failed["outcome"] = "failed".into();
    failed["failure"] = json!({ "kind": "network", "message": "no answer" });
    let passed = report_of("shop", last);
    let marked = async |reports: &[Value]| -> Vec<bool> {
        assert_eq!(hub.asked(Method::POST, "reports", batch(reports)).await.0, 200);
        let taken = std::mem::take(&mut *hub.taken.reports.lock().expect("nobody panics with it"));
        taken.iter().filter_map(|it| it.failure.as_ref()).map(|it| it.overtaken).collect()
    };
    assert_eq!(marked(&[failed.clone(), passed]).await, [true]);
    assert_eq!(marked(&[failed]).await, [false]);
}

#[tokio::test]
async fn a_heartbeat_that_was_held_up_does_not_make_a_clock_look_wrong() {
    let hub = Hub::new(Taken::default());
    let skew_of = async |instance: u128, behind: i64| {
        let beat = json!({
            "region": "eu", "name": "one", "instance": Uuid::from_u128(instance),
            "sent_at": now() - TimeDelta::seconds(behind), "round_trip_us": 0,
        });
        let answer = hub.asked(Method::POST, "heartbeat", beat.to_string()).await.1;
        answer["skew_us"].as_i64().expect("a number") / 1_000_000
    };
    assert_eq!(skew_of(7, 0).await, 0);
    assert_eq!(skew_of(7, 5).await, 0, "one is behind");
    assert_eq!(skew_of(7, 6).await, -5, "so is the next");
    assert_eq!(skew_of(7, -3).await, 3, "what is ahead is believed at once");
    assert_eq!(skew_of(8, 5).await, -5, "another process says nothing of this one");
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
        let seen = std::mem::take(&mut *hub.book.lives.lock().expect("nobody panics with it"));
        let process = Process { id: instance.to_string(), region: Some(region()) };
        assert_eq!(seen, [process], "{path}");
    }
    let elsewhere = json!({
        "region": "us", "name": "one", "instance": instance, "sent_at": now(), "round_trip_us": 5,
    });
    assert_eq!(hub.asked(Method::POST, "heartbeat", elsewhere.to_string()).await.0, 403);
    let stranger = json!({ "name": "one", "instance": Uuid::from_u128(8) });
    assert_eq!(hub.asked(Method::POST, "goodbye", stranger.to_string()).await.0, 204);
    assert!(hub.book.lives.lock().expect("nobody panics with it").is_empty());
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
