//! Taking care of open incidents: what time alone does, what people do, what they ask not to be told of.

use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::id::IncidentId;
use tripline::domain::incident::acting::{Act, Refused};
use tripline::domain::notification::Attempt;
use tripline::domain::policy::{Channel, Condition, Policy, Target, Tier};
use tripline::domain::restraint::{Actor, Scope, SilenceId, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::engine::judge::Rulebook;
use tripline::store::Store;
use tripline::store::care::{Acted, Care, NewSilence};

use super::scene::{
    at, attempt, check_id, claim, history, outbox, report, rules, rules_with, tell,
};

fn ana() -> Actor {
    Actor { name: "ana".into(), via: Via::Cli }
}

fn acknowledge(lasts: u64) -> Act {
    Act::Acknowledge { reason: Some("on it".into()), lasts: Some(Duration::from_secs(lasts)) }
}

async fn act(store: &(impl Store + Care), act: &Act, now: Timestamp) -> Acted {
    store.act(IncidentId(1), (act, &ana()), &rules(), now).await.expect("taken")
}

/// Has all decided that is due; says which decisions that led to.
async fn tend(store: &impl Care, rules: &Rulebook, now: Timestamp) -> Vec<String> {
    let changes = store.tend(rules, 100, now).await.expect("tended");
    let words = changes.iter().flat_map(|change| &change.transition.decisions);
    words.map(|decision| decision.kind.as_str().to_owned()).collect()
}

pub(super) async fn an_acknowledgement_holds_back_and_ends(store: &(impl Store + Care)) {
    tell(store, 1, &[Failed]).await;
    assert!(matches!(act(store, &acknowledge(120), at(1)).await, Acted::Done(_)));
    tell(store, 2, &[Failed]).await;
    let quiet = ["slack:#p2 failing owed", "slack:#p2 acknowledged owed"];
    assert_eq!(outbox(store, 1).await, quiet);
    let told = history(store, 1).await.record.incident.story;
    assert_eq!(told.acknowledged.map(|it| it.by), Some(ana()));
    assert_eq!(told.held, [2].into());
    let end = at(1) + Duration::from_mins(2);
    assert_eq!(store.next_tending().await.expect("read"), Some(end));
    assert_eq!(tend(store, &rules(), at(4)).await, Vec::<String>::new());
    assert_eq!(tend(store, &rules(), end).await, ["left_alone", "reminded"]);
    assert_eq!(tend(store, &rules(), end).await, Vec::<String>::new());
    let woken =
        ["slack:#p2", "slack:#p1", "sms:ana", "sms:bo"].map(|it| format!("{it} failing owed"));
    assert_eq!(outbox(store, 1).await[2..], woken);
    assert_eq!(store.next_tending().await.expect("read"), None);
}

pub(super) async fn what_came_of_a_run_is_told_of_what_is_over_and_changes_nothing_else(
    store: &(impl Store + Care),
) {
    // The first incident is over; the second is open.
    tell(store, 1, &[Failed, Passed, Failed]).await;
    let states = async || store.states_of(&[check_id("login")]).await.expect("read");
    let open = |id| move |it: &tripline::domain::incident::Incident| it.id == Some(IncidentId(id));
    let before = states().await;
    assert!(before[&check_id("login")].incident.as_deref().is_some_and(open(2)));
    let ran = Act::Ran { deed: "had it run once: passed in eu".into() };
    assert!(matches!(act(store, &ran, at(4)).await, Acted::Done(_)));
    assert_eq!(outbox(store, 1).await.last().expect("told"), "slack:#p2 noted owed");
    assert!(history(store, 1).await.record.incident.resolved_at.is_some());
    assert_eq!(states().await, before, "the open one goes on");
    let note = Act::Note { text: "late".into() };
    assert!(matches!(act(store, &note, at(4)).await, Acted::Refused(Refused::Resolved(_))));
    tell(store, 4, &[Passed]).await;
    assert!(history(store, 2).await.record.incident.resolved_at.is_some());
}

pub(super) async fn an_act_on_what_is_over_is_refused(store: &(impl Store + Care)) {
    assert_eq!(act(store, &acknowledge(120), at(1)).await, Acted::Unknown);
    tell(store, 1, &[Failed, Passed]).await;
    let over = history(store, 1).await.record.incident.resolved_at.expect("over");
    let refused = Acted::Refused(Refused::Resolved(over));
    assert_eq!(act(store, &acknowledge(120), at(3)).await, refused);
}

pub(super) async fn what_is_closed_by_hand_is_opened_again(store: &(impl Store + Care)) {
    tell(store, 1, &[Failed]).await;
    let closed = act(store, &Act::Resolve { reason: None }, at(1)).await;
    assert!(matches!(closed, Acted::Done(_)));
    assert!(history(store, 1).await.record.incident.resolved_at.is_some());
    let forgiving = rules_with(Policy::built_in(Some("devops")), &["login"]);
    let again = [report("login", "eu", 2, Failed)];
    store.record(&again, &forgiving, at(2)).await.expect("recorded");
    let incident = history(store, 1).await.record.incident;
    assert_eq!((incident.resolved_at, incident.story.reopened), (None, 1));
    // The end of the first time takes the place of what was not sent.
    let said = outbox(store, 1).await;
    assert_eq!(said[..2], ["slack:#p2 failing superseded", "slack:#p2 closed owed"]);
    assert!(said[2..].contains(&"slack:#p2 failing owed".to_owned()), "{said:?}");
    let states = store.check_states().await.expect("read");
    assert!(states[&check_id("login")].incident.is_some());
}

pub(super) async fn a_silence_holds_back_until_it_ends(store: &(impl Store + Care)) {
    tell(store, 1, &[Failed]).await;
    let scope = Scope { checks: [check_id("login")].into(), ..Scope::default() };
    let reason = "deploy".to_owned();
    let wanted = NewSilence { scope, reason, by: ana(), until: at(10) };
    let made = store.silence(&wanted, &rules(), at(1)).await.expect("made");
    assert_eq!(store.silences(at(2)).await.expect("read"), std::slice::from_ref(&made));
    tell(store, 2, &[Failed]).await;
    // Another one is not silenced.
    let other = [report("search", "eu", 2, Failed)];
    store.record(&other, &rules(), at(2)).await.expect("recorded");
    assert_eq!(outbox(store, 2).await, ["slack:#p2 failing owed"]);
    let said = ["slack:#p2 failing owed", "slack:#p2 noted owed"];
    assert_eq!(outbox(store, 1).await, said);
    tend(store, &rules(), at(2)).await;
    assert_eq!(store.next_tending().await.expect("read"), Some(at(10)));

    assert_eq!(store.end_silence(SilenceId(made.id.0 + 1), at(3)).await.expect("read"), None);
    let ended = store.end_silence(made.id, at(3)).await.expect("ended").expect("there");
    assert_eq!(ended.until, at(3));
    assert_eq!(store.end_silence(made.id, at(4)).await.expect("read"), None);
    assert_eq!(store.silences(at(4)).await.expect("read"), []);
    assert_eq!(tend(store, &rules(), at(4)).await, ["reminded"]);
    let woken = ["slack:#p1", "sms:ana", "sms:bo"].map(|it| format!("{it} failing owed"));
    assert_eq!(outbox(store, 1).await[2..], woken);
}

pub(super) async fn rules_that_change_are_heeded(store: &(impl Store + Care)) {
    tell(store, 1, &[Failed]).await;
    assert_eq!(store.next_tending().await.expect("read"), None);
    let slack = |channel: &str| vec![Target::Slack(channel.into())];
    let policy = Policy::of(
        Policy::DEFAULT_NAME,
        vec![
            Tier::after(1, slack("#p2")),
            Tier { when: Condition::OpenFor(Duration::from_mins(1)), notify: slack("#boss") },
        ],
    );
    let patient = rules_with(policy, &["login"]);
    store.reconsider(at(2)).await.expect("noted");
    assert_eq!(tend(store, &patient, at(2)).await, Vec::<String>::new());
    let due = store.next_tending().await.expect("read").expect("due");
    assert_eq!(tend(store, &patient, due).await, ["escalated"]);
    assert_eq!(outbox(store, 1).await, ["slack:#p2 failing owed", "slack:#boss failing owed"]);
}

pub(super) async fn what_is_told_once_more_takes_the_place_of_what_was_not_sent(
    store: &(impl Store + Care),
) {
    let tiers = vec![Tier::after(1, vec![Target::Sms("ana".into())])];
    let policy = Policy {
        repeat_every: Some(Duration::from_mins(1)),
        ..Policy::of(Policy::DEFAULT_NAME, tiers)
    };
    let rules = rules_with(policy, &["login"]);
    let failed = report("login", "eu", 1, Failed);
    store.record(&[failed], &rules, at(1)).await.expect("recorded");
    assert_eq!(tend(store, &rules, at(3)).await, ["reminded"]);
    assert_eq!(outbox(store, 1).await, ["sms:ana failing superseded", "sms:ana failing owed"]);
    // What is on its way stays, and so does what may have arrived.
    let sending = claim(store, Channel::Sms, at(3)).await;
    assert!(sending[0].notification.first_word, "nobody has seen the one before");
    assert_eq!(tend(store, &rules, at(5)).await, ["reminded"]);
    let both = ["sms:ana failing owed", "sms:ana failing owed"];
    assert_eq!(outbox(store, 1).await[1..], both);
    let unheard = Attempt::Ambiguous { reason: "timed out".into() };
    attempt(store, &sending[0], at(5), &unheard).await;
    assert_eq!(tend(store, &rules, at(7)).await, ["reminded"]);
    let states = outbox(store, 1).await;
    assert_eq!(states[1], "sms:ana failing owed", "it may have arrived");
    assert_eq!(states[2..], ["sms:ana failing superseded", "sms:ana failing owed"]);
    // An end takes the place of all that is still to be said.
    store.act(IncidentId(1), (&acknowledge(120), &ana()), &rules, at(7)).await.expect("taken");
    let passed = report("login", "eu", 8, Passed);
    store.record(&[passed], &rules, at(8)).await.expect("recorded");
    let states = outbox(store, 1).await;
    assert_eq!(states[3..], ["sms:ana failing superseded", "sms:ana recovered owed"]);
}

pub(super) async fn failures_are_remembered_one_by_one(store: &(impl Store + Care)) {
    let when = Condition::FailuresOfLast { failures: 2, of_last: 3 };
    let tiers = vec![Tier { when, notify: vec![Target::Slack("#p2".into())] }];
    let policy = rules_with(Policy::of(Policy::DEFAULT_NAME, tiers), &["login"]);
    for (slot, outcome) in (1..).zip([Failed, Passed, Failed]) {
        let one = [report("login", "eu", slot, outcome)];
        store.record(&one, &policy, at(slot)).await.expect("recorded");
    }
    assert_eq!(outbox(store, 1).await, ["slack:#p2 failing owed"]);
}
