//! Reviews: incidents that follow from no single result.

use tripline::domain::Timestamp;
use tripline::domain::id::IncidentId;
use tripline::domain::incident::Change;
use tripline::domain::policy::Channel;
use tripline::domain::run::Outcome::{Failed, Passed, Unknown};
use tripline::store::{Error, IncidentFilter, Lease, Store};

use super::scene::{
    accepted, at, attempt, check_id, claim, history, outbox, report, rules, seconds, tell, tell_one,
};

/// The lease on reviewing, taken at `now` by the one hub.
pub(super) async fn turn(store: &dyn Store, now: Timestamp) -> Lease {
    turn_of(store, "one", now).await.expect("it is free, or its own")
}

async fn turn_of(store: &dyn Store, holder: &str, now: Timestamp) -> Option<Lease> {
    let (part, holder) = ("review".to_owned(), holder.to_owned());
    let epoch = store.lease(&part, &holder, now, now + seconds(15)).await.expect("answered")?;
    Some(Lease { part, holder, epoch })
}

pub(super) async fn whoever_lost_the_lease_decides_nothing(store: &dyn Store) {
    tell(store, 1, &[Unknown; 5]).await;
    let frozen = turn(store, at(5)).await;
    let other = turn_of(store, "other", at(6)).await.expect("it ran out");
    let refused = store.review(&rules(), &frozen, at(6)).await;
    assert!(matches!(refused, Err(Error::LeaseLost { .. })), "{refused:?}");
    let all = IncidentFilter { limit: 10, ..IncidentFilter::default() };
    assert_eq!(store.incidents(&all).await.expect("listed"), []);
    assert_eq!(store.review(&rules(), &other, at(6)).await.expect("reviewed").len(), 1);
    // Taken anew it is another lease, and by the one before, still nothing is decided.
    tell(store, 6, &[Passed]).await;
    turn(store, at(8)).await;
    for lost in [frozen, other] {
        let refused = store.review(&rules(), &lost, at(8)).await;
        assert!(matches!(refused, Err(Error::LeaseLost { .. })), "{refused:?}");
    }
    assert_eq!(review(store, at(8)).await, ["1 coverage:login resolved"]);
}

async fn review(store: &dyn Store, now: Timestamp) -> Vec<String> {
    let changes = store.review(&rules(), &turn(store, now).await, now).await.expect("reviewed");
    let words = |change: Change| {
        let incident = change.transition.incident.expect("each changes one");
        let id = incident.id.expect("it has a number");
        let state = if incident.resolved_at.is_some() { "resolved" } else { "open" };
        format!("{id} {} {state}", change.subject)
    };
    changes.into_iter().map(words).collect()
}

pub(super) async fn a_check_of_which_nothing_is_known_is_told_of_once(store: &dyn Store) {
    tell(store, 1, &[Failed, Unknown, Unknown, Unknown, Unknown]).await;
    assert!(review(store, at(5)).await.is_empty());
    tell(store, 6, &[Unknown]).await;
    assert_eq!(review(store, at(6)).await, ["2 coverage:login open"]);
    assert!(review(store, at(7)).await.is_empty());
    assert_eq!(outbox(store, 2).await, ["slack:#p2 blind owed"]);
    let record = history(store, 2).await;
    assert_eq!(record.record.incident.since, at(2));
    assert_eq!(record.record.incident.cause.error, {
        "5 runs in a row ended unknown; the last: no capacity"
    });
    // The incident about its failures is another one, and both are the check's.
    let all = IncidentFilter {
        check: Some(check_id("login")),
        open_only: true,
        limit: 10,
        ..IncidentFilter::default()
    };
    let found = store.incidents(&all).await.expect("listed");
    let subjects: Vec<String> = found.iter().map(|it| it.subject.to_string()).collect();
    assert_eq!(subjects, ["coverage:login", "check:login"]);
    let state = &store.check_states().await.expect("read")[&check_id("login")];
    assert_eq!(state.incident.as_ref().and_then(|it| it.id), Some(IncidentId(1)));
    let decisions = store.decisions(&check_id("login"), 1).await.expect("read");
    assert_eq!(decisions[0].subject.to_string(), "coverage:login");
    assert_eq!(decisions[0].run, None);
}

pub(super) async fn an_answer_ends_it_and_tells_those_who_were_told(store: &dyn Store) {
    tell(store, 1, &[Unknown; 5]).await;
    review(store, at(5)).await;
    let told = claim(store, Channel::Slack, at(6)).await;
    attempt(store, &told[0], at(6), &accepted()).await;
    tell(store, 7, &[Passed]).await;
    assert_eq!(review(store, at(7)).await, ["1 coverage:login resolved"]);
    assert!(review(store, at(8)).await.is_empty());
    assert_eq!(outbox(store, 1).await, ["slack:#p2 blind sent", "slack:#p2 recovered owed"]);
    assert!(!claim(store, Channel::Slack, at(8)).await[0].notification.first_word);
    // The next number is a new one, and what was not sent in time is said by the recovery.
    tell(store, 8, &[Unknown; 5]).await;
    assert_eq!(review(store, at(12)).await, ["2 coverage:login open"]);
    tell(store, 13, &[Passed]).await;
    assert_eq!(review(store, at(13)).await, ["2 coverage:login resolved"]);
    assert_eq!(outbox(store, 2).await, ["slack:#p2 blind superseded", "slack:#p2 recovered owed"]);
    assert_eq!(tell(store, 14, &[Failed]).await[0].incident, Some(IncidentId(3)));
}

pub(super) async fn a_region_of_which_nothing_is_known_is_one_incident(store: &dyn Store) {
    for slot in 1..6 {
        tell_one(store, &report("search", "eu", slot, Unknown)).await;
        tell_one(store, &report("login", "eu", slot, Unknown)).await;
        tell_one(store, &report("login", "us", slot, Passed)).await;
    }
    assert_eq!(review(store, at(5)).await, ["1 region:eu open"]);
    assert!(review(store, at(6)).await.is_empty());
    let record = history(store, 1).await;
    assert_eq!(record.notifications[0].notification.notice.check_name, "eu");
    let of_login =
        IncidentFilter { check: Some(check_id("login")), limit: 10, ..IncidentFilter::default() };
    assert!(store.incidents(&of_login).await.expect("listed").is_empty());
    tell_one(store, &report("login", "eu", 6, Failed)).await;
    assert_eq!(review(store, at(6)).await, ["1 region:eu resolved", "3 coverage:search open"]);
}
