//! The past, told once more: results in pages, what people did, who was told.

use std::time::Duration;

use tripline::domain::id::{IncidentId, RunId};
use tripline::domain::incident::DecisionKind;
use tripline::domain::incident::acting::Act;
use tripline::domain::policy::Channel;
use tripline::domain::restraint::{Actor, Scope, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::store::care::{Care, NewSilence};
use tripline::store::past::{Past, PastResult};
use tripline::store::{Horizons, Store};

use super::scene::{accepted, at, attempt, claim, report, rules, seconds, tell};

pub(super) async fn results_of_a_time_come_in_pages(store: &(impl Store + Past)) {
    assert_eq!(store.whole_since().await.expect("read"), None);
    tell(store, 0, &[Passed, Failed, Failed, Passed, Passed]).await;
    // Stored last, though its slot is among the first.
    let late = report("login", "us", 1, Passed);
    store.record(&[late], &rules(), at(9)).await.expect("recorded");
    let mut all: Vec<PastResult> = Vec::new();
    loop {
        let after: Option<RunId> = all.last().map(|it| it.run.id);
        let page = store.past_results((at(1), at(4)), after, 2).await.expect("read");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        all.extend(page);
    }
    let slots: Vec<_> = all.iter().map(|it| it.run.slot.at).collect();
    assert_eq!(slots, [at(1), at(1), at(2), at(3)]);
    all.sort_by_key(|it| it.number);
    let last = all.last().expect("there are some");
    assert_eq!((last.run.slot.region.as_str(), last.recorded_at), ("us", at(9)));
    assert_eq!(all[0].recorded_at, at(1) + seconds(1));
    let failure = all[0].run.failure.as_ref().expect("it failed");
    assert_eq!(failure.message, "expected 200\nbut");
}

pub(super) async fn results_that_all_led_to_decisions_are_whole_from_the_first(
    store: &(impl Store + Past),
) {
    tell(store, 0, &[Failed, Failed, Failed]).await;
    assert_eq!(store.whole_since().await.expect("read"), Some(at(0)));
    tell(store, 3, &[Passed, Passed]).await;
    assert_eq!(store.whole_since().await.expect("read"), Some(at(0)));
}

pub(super) async fn results_are_whole_from_what_is_forgotten_on(store: &(impl Store + Past)) {
    tell(store, 0, &[Passed, Passed, Failed, Passed, Passed]).await;
    assert_eq!(store.whole_since().await.expect("read"), Some(at(0)));
    let before = Horizons { passed: at(1), ..Horizons::of_runs(at(0)) };
    store.forget(&before, 100).await.expect("forgotten");
    let whole = store.whole_since().await.expect("read").expect("there are some");
    assert_eq!(whole, at(1));
}

pub(super) async fn what_people_did_and_who_was_told_is_known(store: &(impl Store + Past + Care)) {
    tell(store, 1, &[Failed, Failed]).await;
    let sent_at = at(2) + seconds(2);
    for claim in claim(store, Channel::Slack, sent_at).await {
        attempt(store, &claim, sent_at, &accepted()).await;
    }
    let ana = Actor { name: "ana".into(), via: Via::Slack };
    let lasts = Some(Duration::from_hours(1));
    let act = Act::Acknowledge { reason: Some("on it".into()), lasts };
    store.act(IncidentId(1), (&act, &ana), &rules(), at(3)).await.expect("taken");
    tell(store, 4, &[Passed]).await;
    let wanted = NewSilence {
        scope: Scope::default(),
        reason: "a deploy".into(),
        by: ana.clone(),
        until: at(8),
    };
    let silence = store.silence(&wanted, &rules(), at(6)).await.expect("made");
    store.end_silence(silence.id, at(7)).await.expect("ended");

    let acts = store.past_acts((at(0), at(9))).await.expect("read");
    let kinds: Vec<DecisionKind> = acts.iter().map(|it| it.decision.kind).collect();
    assert_eq!(kinds, [DecisionKind::Acknowledged, DecisionKind::Resolved]);
    assert_eq!((acts[0].at, acts[0].incident), (at(3), Some(IncidentId(1))));
    assert_eq!(store.past_acts((at(4), at(9))).await.expect("read").len(), 1);

    let silences = |from, until| store.past_silences((at(from), at(until)));
    let found = silences(0, 9).await.expect("read");
    assert_eq!((found.len(), found[0].from, found[0].until), (1, at(6), at(7)));
    assert_eq!(silences(7, 9).await.expect("read"), []);
    assert_eq!(silences(0, 6).await.expect("read"), []);

    let told = store.past_told((at(0), at(4))).await.expect("read");
    let line = |it: &tripline::store::past::Told| {
        format!("{} {} {} {}", it.subject, it.recipient, it.state.as_str(), it.count)
    };
    // The end took the place of what was not sent.
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            "check:login slack:#p1 sent 1",
            "check:login slack:#p1 superseded 1",
            "check:login slack:#p2 sent 1",
            "check:login slack:#p2 superseded 1",
            "check:login sms:ana superseded 1",
            "check:login sms:bo superseded 1",
        ]
    );
    assert!(told.iter().all(|it| !it.instead));
}
