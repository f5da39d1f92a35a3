//! What happens to messages after they left: who is told instead, what providers say, what people answer.

use std::collections::BTreeMap;
use std::time::Duration;

use tripline::domain::Timestamp;
use tripline::domain::id::{IncidentId, PersonId};
use tripline::domain::incident::acting::Act;
use tripline::domain::notification::{Attempt, NotificationState as State};
use tripline::domain::policy::{Channel, Policy, Recipient, Roster, Target, Tier};
use tripline::domain::proof::{Status, Word};
use tripline::domain::restraint::{Actor, Via};
use tripline::domain::run::Outcome::{Failed, Passed};
use tripline::domain::succession::Order;
use tripline::engine::succession::InForce;
use tripline::store::care::{Acted, ActedOnce};
use tripline::store::succession::{Heard, Succeeded};
use tripline::store::{Claim, Ledger, NotificationRecord};

use super::scene::{
    accepted, at, attempt, claim, history, outbox, refused, report, rules_with, seconds,
};

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a good name")
}

/// Failures are told to ana by SMS, each one again.
fn policy() -> Policy {
    let ana = || vec![Target::Sms("ana".into())];
    Policy::of(Policy::DEFAULT_NAME, vec![Tier::after(1, ana()), Tier::after(2, ana())])
}

async fn tell(store: &dyn Ledger, slot: u32, outcome: tripline::domain::run::Outcome) {
    let report = report("login", "eu", slot, outcome);
    let now = report.slot.at + seconds(1);
    store.record(&[report], &rules_with(policy(), &["login"]), now).await.expect("recorded");
}

/// Ana has Slack besides, and bo and she are a team.
fn in_force() -> InForce {
    let (ana, bo) = (person("ana"), person("bo"));
    let phone = || Some("+4930".to_owned());
    let ways = vec![Recipient::Sms(ana.clone()), Recipient::Slack("UANA1".into())];
    InForce {
        roster: Roster {
            emails: BTreeMap::new(),
            people: [(ana.clone(), phone()), (bo.clone(), phone())].into(),
            teams: [("devops".to_owned(), vec![ana.clone(), bo])].into(),
            rotas: BTreeMap::new(),
        },
        order: Order {
            ways: [(ana, ways)].into(),
            fallback: vec![Target::Slack("#ops".into())],
            ..Order::default()
        },
    }
}

async fn succeed(store: &dyn Ledger, now: Timestamp) -> Vec<Succeeded> {
    store.succeed(&in_force(), 10, now).await.expect("decided")
}

async fn sms(store: &dyn Ledger, now: Timestamp) -> Claim {
    claim(store, Channel::Sms, now + seconds(3)).await.remove(0)
}

fn taken(receipt: &str) -> Attempt {
    Attempt::Accepted { receipt: receipt.into() }
}

fn word(status: Status, code: Option<u32>) -> Word {
    Word { status, code }
}

async fn hear(store: &dyn Ledger, receipt: &str, status: Status, slot: u32) -> Heard {
    store.hear(receipt, word(status, Some(30003)), at(slot)).await.expect("noted")
}

async fn first(store: &dyn Ledger) -> NotificationRecord {
    history(store, 1).await.notifications.remove(0)
}

pub(super) async fn what_is_given_up_is_told_to_others_once(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    assert!(succeed(store, at(1)).await.is_empty(), "nothing was given up");
    attempt(store, &sms(store, at(1)).await, at(1), &refused()).await;
    let decided = succeed(store, at(2)).await;
    assert_eq!(decided.len(), 1);
    assert!(succeed(store, at(2)).await.is_empty(), "it is decided once");
    assert_eq!(outbox(store, 1).await, ["sms:ana failing given_up", "slack:UANA1 failing owed"]);
    let succession = first(store).await.succession.expect("it is stored");
    assert_eq!(succession.at, at(2));
    assert_eq!(
        succession.sentence,
        "the SMS to ana did not arrive (refused for good: channel_not_found): ana is told by Slack \
         instead"
    );
    let told = &history(store, 1).await.notifications[1].notification;
    let note = "told to you because an SMS did not reach you";
    assert_eq!(told.notice.note.as_deref(), Some(note));
    assert!(told.first_word);
    // And so on, until there is nobody left; another telling begins anew.
    let slack = claim(store, Channel::Slack, at(3)).await.remove(0);
    attempt(store, &slack, at(3), &refused()).await;
    succeed(store, at(4)).await;
    attempt(store, &sms(store, at(5)).await, at(5), &refused()).await;
    succeed(store, at(6)).await;
    let ops = claim(store, Channel::Slack, at(7)).await.remove(0);
    attempt(store, &ops, at(7), &refused()).await;
    let end = succeed(store, at(8)).await;
    assert!(end[0].heirs.is_lost, "{end:?}");
    let all = ["sms:ana", "slack:UANA1", "sms:bo", "slack:#ops"];
    let expected = all.map(|it| format!("{it} failing given_up"));
    assert_eq!(outbox(store, 1).await, expected);
    tell(store, 9, Failed).await;
    attempt(store, &sms(store, at(10)).await, at(10), &refused()).await;
    succeed(store, at(11)).await;
    assert_eq!(
        outbox(store, 1).await[4..],
        ["sms:ana failing given_up", "slack:UANA1 failing owed"]
    );
}

pub(super) async fn what_nobody_else_can_be_told_is_tried_on_until_it_arrives_or_is_over(
    store: &dyn Ledger,
) {
    let broken = Attempt::Broken { reason: "token_revoked".into() };
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &refused()).await;
    succeed(store, at(2)).await;
    let slack = claim(store, Channel::Slack, at(2)).await.remove(0);
    attempt(store, &slack, at(2), &refused()).await;
    succeed(store, at(3)).await;
    attempt(store, &sms(store, at(3)).await, at(3), &refused()).await;
    succeed(store, at(4)).await;
    // Nobody is left but those who read #ops.
    let mut slot = 4;
    for is_news in [true, false] {
        let ops = claim(store, Channel::Slack, at(slot)).await.remove(0);
        attempt(store, &ops, at(slot), &broken).await;
        let decided = succeed(store, at(slot + 1)).await;
        assert!(decided[0].heirs.is_tried_on && !decided[0].heirs.is_lost, "{decided:?}");
        assert_eq!(decided[0].is_news, is_news);
        assert_eq!(outbox(store, 1).await.pop().expect("one"), "slack:#ops failing owed");
        let due = store.next_due(Channel::Slack).await.expect("read");
        assert_eq!(due, Some(at(slot + 1) + seconds(60)));
        slot += 4;
    }
    // It is set right.
    let ops = claim(store, Channel::Slack, at(slot)).await.remove(0);
    attempt(store, &ops, at(slot), &accepted()).await;
    assert_eq!(outbox(store, 1).await.pop().expect("one"), "slack:#ops failing sent");
    assert!(store.broken().await.expect("read").is_empty());
    assert!(succeed(store, at(slot + 1)).await.is_empty());
}

pub(super) async fn what_did_not_arrive_is_given_up_once_and_words_in_any_order_are_heard(
    store: &dyn Ledger,
) {
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &taken("SM1")).await;
    assert_eq!(hear(store, "SM2", Status::Failed, 2).await, Heard::Unknown);
    assert_eq!(hear(store, "SM1", Status::Queued, 2).await, Heard::Known);
    assert_eq!(hear(store, "SM1", Status::Sent, 2).await, Heard::Noted);
    assert_eq!(hear(store, "SM1", Status::Sending, 2).await, Heard::Known);
    assert_eq!(first(store).await.state, State::Sent);
    assert_eq!(hear(store, "SM1", Status::Undelivered, 3).await, Heard::GivenUp);
    assert_eq!(hear(store, "SM1", Status::Undelivered, 3).await, Heard::Known);
    assert_eq!(hear(store, "SM1", Status::Delivered, 4).await, Heard::Known);
    let record = first(store).await;
    assert_eq!(record.state, State::GivenUp);
    assert_eq!(record.reason.as_deref(), Some("not delivered: undelivered, 30003"));
    let proof = record.deliveries[0].proof.expect("it is kept");
    assert_eq!((proof.word, proof.at), (word(Status::Undelivered, Some(30003)), at(3)));
    assert_eq!(succeed(store, at(5)).await.len(), 1);
    assert_eq!(outbox(store, 1).await, ["sms:ana failing given_up", "slack:UANA1 failing owed"]);
}

pub(super) async fn a_message_that_was_taken_twice_is_lost_only_twice(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    let early = sms(store, at(1)).await;
    let late = sms(store, at(2)).await;
    attempt(store, &late, at(2), &taken("SM2")).await;
    attempt(store, &early, at(1), &taken("SM1")).await;
    assert_eq!(hear(store, "SM1", Status::Failed, 3).await, Heard::Noted);
    assert_eq!(first(store).await.state, State::Sent);
    assert_eq!(hear(store, "SM2", Status::Overdue, 3).await, Heard::GivenUp);
    assert_eq!(hear(store, "SM2", Status::Delivered, 4).await, Heard::Noted);
}

pub(super) async fn an_end_goes_to_those_who_were_told_instead(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &refused()).await;
    succeed(store, at(2)).await;
    let slack = claim(store, Channel::Slack, at(2)).await.remove(0);
    attempt(store, &slack, at(2), &refused()).await;
    succeed(store, at(3)).await;
    attempt(store, &sms(store, at(3)).await, at(3), &taken("SM1")).await;
    tell(store, 5, Passed).await;
    assert_eq!(
        outbox(store, 1).await,
        [
            "sms:ana failing given_up",
            "slack:UANA1 failing given_up",
            "sms:bo failing sent",
            "sms:ana recovered owed",
            "slack:UANA1 recovered owed",
            "sms:bo recovered owed",
        ]
    );
    let bo = claim(store, Channel::Sms, at(6)).await;
    let bo = bo.iter().find(|it| it.notification.recipient.address() == "bo").expect("owed");
    assert!(!bo.notification.first_word);
    // Of an end that does not arrive, nobody is woken.
    attempt(store, bo, at(6), &refused()).await;
    assert!(succeed(store, at(7)).await.is_empty());
}

pub(super) async fn nobody_is_told_instead_of_what_was_acknowledged_or_is_over(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &refused()).await;
    let lasts = Some(Duration::from_mins(10));
    let act = Act::Acknowledge { reason: None, lasts };
    let by = Actor { name: "bo".into(), via: Via::Cli };
    let rules = rules_with(policy(), &["login"]);
    store.act(IncidentId(1), (&act, &by), &rules, at(1)).await.expect("taken");
    let decided = succeed(store, at(2)).await;
    assert!(decided[0].heirs.recipients.is_empty(), "{decided:?}");
    assert!(decided[0].heirs.sentence.contains("takes care of it"));
    // Another one is over before anybody is told.
    tell(store, 3, Passed).await;
    let end = sms(store, at(4)).await;
    attempt(store, &end, at(4), &taken("SM1")).await;
    tell(store, 100, Failed).await;
    attempt(store, &sms(store, at(100)).await, at(100), &refused()).await;
    tell(store, 101, Passed).await;
    let decided = succeed(store, at(102)).await;
    assert!(decided[0].heirs.sentence.contains("it is over"), "{decided:?}");
    assert!(succeed(store, at(102)).await.is_empty());
}

pub(super) async fn a_broken_channel_is_found_once_and_mended_by_what_is_sent(store: &dyn Ledger) {
    let broken = Attempt::Broken { reason: "401".into() };
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &broken).await;
    tell(store, 2, Failed).await;
    attempt(store, &sms(store, at(2)).await, at(2), &broken).await;
    let decided = succeed(store, at(3)).await;
    let found: Vec<bool> = decided.iter().map(|it| it.finds_it_broken).collect();
    assert_eq!(found, [true, false]);
    let broken = store.broken().await.expect("read");
    assert_eq!((broken[0].path.as_str(), broken.len()), ("sms", 1));
    assert!(broken[0].since == at(3) && broken[0].reason.contains("401"), "{broken:?}");
    let ops = "slack:#ops failing owed";
    assert_eq!(outbox(store, 1).await[2..], [ops, ops], "past all other ways");
    let notice = &history(store, 1).await.notifications[2].notification.notice;
    let note = notice.note.as_deref().unwrap_or_default();
    assert!(note.starts_with("nothing can be sent by SMS until somebody sets it right"), "{note}");
    tell(store, 3, Passed).await;
    attempt(store, &sms(store, at(4)).await, at(4), &taken("SM1")).await;
    assert!(store.broken().await.expect("read").is_empty());
}

pub(super) async fn an_end_finds_a_broken_channel_and_what_was_mended_is_not_broken_again(
    store: &dyn Ledger,
) {
    let broken = Attempt::Broken { reason: "401".into() };
    tell(store, 1, Failed).await;
    attempt(store, &sms(store, at(1)).await, at(1), &broken).await;
    tell(store, 2, Failed).await;
    attempt(store, &sms(store, at(2)).await, at(2), &taken("SM1")).await;
    let decided = succeed(store, at(3)).await;
    assert!(decided.iter().all(|it| !it.finds_it_broken), "it works since: {decided:?}");
    assert!(store.broken().await.expect("read").is_empty());
    tell(store, 3, Passed).await;
    attempt(store, &sms(store, at(4)).await, at(4), &broken).await;
    assert!(succeed(store, at(5)).await.is_empty(), "an end is tried on");
    let found = store.broken().await.expect("read");
    assert_eq!((found[0].path.as_str(), found[0].since), ("sms", at(4) + seconds(1)));
}

pub(super) async fn what_is_unproven_is_handed_out_when_it_is_due(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    let sent_at = at(2);
    attempt(store, &sms(store, sent_at).await, sent_at, &taken("SM1")).await;
    let taken_at = sent_at + seconds(1);
    let ask = async |now: Timestamp, before: Timestamp| {
        store.claim_unproven(now, before, now + seconds(15), 10).await.expect("claimed")
    };
    let later = taken_at + seconds(2);
    assert!(ask(taken_at + seconds(1), later).await.is_empty(), "too early");
    assert!(ask(later, taken_at - seconds(1)).await.is_empty(), "its provider may tell by itself");
    let claimed = ask(later, later).await;
    assert_eq!((claimed[0].receipt.as_str(), claimed[0].taken_at), ("SM1", taken_at));
    assert_eq!(claimed[0].last, Some(Status::Queued));
    assert!(ask(later, later).await.is_empty(), "somebody asks already");
    store.ask_next("SM1", Some(later + seconds(4))).await.expect("noted");
    assert_eq!(ask(later + seconds(4), later).await.len(), 1);
    assert_eq!(hear(store, "SM1", Status::Delivered, 3).await, Heard::Noted);
    assert!(ask(at(99), at(99)).await.is_empty(), "it is known");
    // What was only shown has no provider to ask.
    tell(store, 4, Failed).await;
    attempt(store, &sms(store, at(5)).await, at(5), &taken("printed")).await;
    assert!(ask(at(99), at(99)).await.is_empty());
    assert_eq!(history(store, 1).await.notifications[1].deliveries[0].proof, None);
}

pub(super) async fn an_answer_is_acted_upon_once(store: &dyn Ledger) {
    tell(store, 1, Failed).await;
    let rules = rules_with(policy(), &["login"]);
    let by = Actor { name: "ana".into(), via: Via::Sms };
    let answer = async |message: &str, incident: i64, act: &Act, slot: u32| {
        let incident = IncidentId(incident);
        store.act_once(message, incident, (act, &by), &rules, at(slot)).await.expect("taken")
    };
    let acknowledge = Act::Acknowledge { reason: None, lasts: None };
    let acted = answer("SM1", 1, &acknowledge, 2).await;
    assert!(matches!(acted, ActedOnce::Acted(Acted::Done(_))), "{acted:?}");
    assert_eq!(answer("SM1", 1, &acknowledge, 3).await, ActedOnce::Repeated);
    let acted = answer("SM2", 1, &Act::TakeBack, 4).await;
    assert!(matches!(acted, ActedOnce::Acted(Acted::Done(_))), "{acted:?}");
    assert_eq!(answer("SM1", 1, &acknowledge, 5).await, ActedOnce::Repeated);
    let incident = history(store, 1).await.record.incident;
    let until = incident.story.acknowledged.map(|it| it.until);
    assert_eq!(until, Some(at(4)), "what came before is not done again");
    let lasts = Some(Duration::from_hours(9999));
    let refused = answer("SM3", 1, &Act::Acknowledge { reason: None, lasts }, 6).await;
    assert!(matches!(refused, ActedOnce::Acted(Acted::Refused(_))), "{refused:?}");
    assert_eq!(answer("SM3", 1, &acknowledge, 7).await, ActedOnce::Repeated);
    assert_eq!(answer("SM4", 99, &acknowledge, 8).await, ActedOnce::Acted(Acted::Unknown));
}

pub(super) async fn a_person_has_the_incidents_they_were_told_of(store: &dyn Ledger) {
    let open_for = async |name: &str| {
        let open = store.open_for(&person(name)).await.expect("read");
        open.iter().map(|it| it.id.0).collect::<Vec<_>>()
    };
    assert!(open_for("ana").await.is_empty());
    tell(store, 1, Failed).await;
    assert_eq!((open_for("ana").await, open_for("bo").await), (vec![1], vec![]));
    attempt(store, &sms(store, at(1)).await, at(1), &taken("SM1")).await;
    assert_eq!(open_for("ana").await, [1]);
    tell(store, 2, Passed).await;
    assert!(open_for("ana").await.is_empty());
}
