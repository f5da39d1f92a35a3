//! Looking for incidents, and the glance that tells whether anything has changed.

use tripline::domain::id::IncidentId;
use tripline::domain::notification::NotificationState as State;
use tripline::domain::policy::{Channel, Policy};
use tripline::domain::restraint::{Actor, Scope, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::domain::subject::Subject;
use tripline::store::Store;
use tripline::store::care::{Care, NewSilence};
use tripline::store::looking::{IncidentSearch, Looking, MessageSearch, Side};

use super::scene::{accepted, at, attempt, check_id, claim, report, rules, rules_with, tell};

fn all(side: Side) -> IncidentSearch {
    IncidentSearch {
        side,
        kind: None,
        text: String::new(),
        named: Vec::new(),
        before: None,
        limit: 10,
    }
}

async fn found(store: &impl Looking, search: IncidentSearch) -> Vec<i64> {
    let records = store.find_incidents(&search).await.expect("found");
    records.iter().map(|record| record.id.0).collect()
}

pub(super) async fn incidents_are_found_by_what_is_said_of_them(store: &(impl Store + Looking)) {
    tell(store, 1, &[Failed, Passed, Failed]).await;
    let other = report("search_100", "eu", 1, Failed);
    let rules = rules_with(Policy::built_in(Some("devops")), &["login", "search_100"]);
    store.record(&[other], &rules, at(2)).await.expect("recorded");
    let open = || all(Side::Open);
    assert_eq!(found(store, open()).await, [3, 2]);
    assert_eq!(found(store, all(Side::Resolved)).await, [1]);
    let before = Some(IncidentId(3));
    assert_eq!(found(store, IncidentSearch { before, ..open() }).await, [2]);
    assert_eq!(found(store, IncidentSearch { limit: 1, ..open() }).await, [3]);
    let kind = |kind| IncidentSearch { kind: Some(kind), ..open() };
    assert_eq!(found(store, kind("check")).await, [3, 2]);
    assert!(found(store, kind("coverage")).await.is_empty());
    let text = |text: &str| IncidentSearch { text: text.to_owned(), ..open() };
    assert_eq!(found(store, text("login")).await, [2]);
    assert_eq!(found(store, text("h_100")).await, [3]);
    for nothing in ["h%100", "l_gin", "!", "'"] {
        assert!(found(store, text(nothing)).await.is_empty(), "{nothing} stands for itself");
    }
    let named = vec![Subject::Check(check_id("login"))];
    assert_eq!(found(store, IncidentSearch { named, ..text("sign in") }).await, [2]);
}

pub(super) async fn messages_are_found_by_how_they_stand(store: &(impl Store + Looking)) {
    let found = async |state, limit| {
        let found = store.find_messages(MessageSearch { state, limit }).await.expect("found");
        found
            .into_iter()
            .map(|it| (it.notification.incident.0, it.state, it.deliveries.len()))
            .collect::<Vec<_>>()
    };
    assert!(found(None, 10).await.is_empty());
    tell(store, 1, &[Failed]).await;
    let claimed = claim(store, Channel::Slack, at(2)).await;
    attempt(store, &claimed[0], at(2), &accepted()).await;
    let other = report("search", "eu", 1, Failed);
    let rules = rules_with(Policy::built_in(Some("devops")), &["login", "search"]);
    store.record(&[other], &rules, at(2)).await.expect("recorded");
    assert_eq!(found(None, 10).await, [(2, State::Owed, 0), (1, State::Sent, 1)]);
    assert_eq!(found(None, 1).await, [(2, State::Owed, 0)]);
    assert_eq!(found(Some(State::Owed), 10).await, [(2, State::Owed, 0)]);
    assert_eq!(found(Some(State::Sent), 10).await, [(1, State::Sent, 1)]);
    assert!(found(Some(State::GivenUp), 10).await.is_empty());
    let history = store.incident(IncidentId(1)).await.expect("read").expect("it is there");
    let search = MessageSearch { state: Some(State::Sent), limit: 10 };
    assert_eq!(store.find_messages(search).await.expect("found"), history.notifications);
}

pub(super) async fn a_glance_shows_that_something_has_changed(
    store: &(impl Store + Looking + Care),
) {
    let glance = async || store.glance(at(9)).await.expect("looked");
    let at_first = glance().await;
    assert_eq!(at_first, glance().await);
    tell(store, 1, &[Passed]).await;
    let passed = glance().await;
    assert_ne!(at_first.results, passed.results);
    assert_eq!(at_first.without_results(), passed.without_results());
    tell(store, 2, &[Failed]).await;
    let failed = glance().await;
    assert_ne!(passed.without_results(), failed.without_results());
    let by = Actor { name: "ana".into(), via: Via::Web };
    let wanted = NewSilence { scope: Scope::default(), reason: "deploy".into(), by, until: at(8) };
    store.silence(&wanted, &rules(), at(3)).await.expect("silenced");
    let silenced = store.glance(at(4)).await.expect("looked");
    assert_ne!(failed.without_results(), silenced.without_results());
    assert_ne!(silenced.without_results(), glance().await.without_results(), "it is over by now");
}
