//! Messages to a rota: handed on once, and of an end to those who were told.

use tripline::domain::id::PersonId;
use tripline::domain::notification::NotificationState as State;
use tripline::domain::policy::{Channel, Policy, Roster, Target, Tier};
use tripline::domain::rota::{Call, Rota};
use tripline::domain::run::Outcome::{self, Failed, Passed};
use tripline::engine::judge::Rulebook;
use tripline::store::{Claim, Standing, Store};

use super::scene::{accepted, at, attempt, check, claim, history, outbox, report, seconds};

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a good name")
}

fn call(people: &[&str]) -> Call {
    let reason = format!("{} is on duty", people.join(", "));
    Call { people: people.iter().map(|name| person(name)).collect(), reason }
}

/// Tells a result of `login`, whose failures are told to the rota, and again every failure.
async fn tell(store: &dyn Store, slot: u32, outcome: Outcome) {
    tell_by(store, Target::Sms("primary".into()), slot, outcome).await;
}

async fn tell_by(store: &dyn Store, target: Target, slot: u32, outcome: Outcome) {
    let rota = || vec![target.clone()];
    let tiers = vec![Tier::after(1, rota()), Tier::after(2, rota())];
    let policy = Policy::of(Policy::DEFAULT_NAME, tiers);
    let primary = Rota {
        name: "primary".into(),
        team: "devops".into(),
        layers: Vec::new(),
        overrides: Vec::new(),
    };
    let roster = Roster {
        people: [(person("ana"), None), (person("bo"), None)].into(),
        teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
        rotas: [("primary".to_owned(), primary)].into(),
        ..Roster::default()
    };
    let rules = Rulebook::new([check("login")], [policy], roster).expect("it has its policy");
    let report = report("login", "eu", slot, outcome);
    let now = report.slot.at + seconds(1);
    store.record(&[report], &rules, now).await.expect("recorded");
}

async fn claim_rota(store: &dyn Store, slot: u32) -> Vec<Claim> {
    claim(store, Channel::Rota, at(slot) + seconds(2)).await
}

async fn hand_on(store: &dyn Store, claim: &Claim, people: &[&str], slot: u32) -> Standing {
    let now = at(slot) + seconds(3);
    store.hand_on(claim, &call(people), now).await.expect("handed on")
}

async fn handed_on(store: &dyn Store, claim: &Claim, people: &[&str], slot: u32) {
    assert_eq!(hand_on(store, claim, people, slot).await, Standing::Held);
}

pub(super) async fn a_message_to_a_rota_is_handed_on_once(store: &dyn Store) {
    tell(store, 1, Failed).await;
    assert_eq!(outbox(store, 1).await, ["rota:primary failing owed"]);
    let first = claim_rota(store, 1).await;
    let late = claim(store, Channel::Rota, at(1) + seconds(30)).await;
    assert_eq!(hand_on(store, &first[0], &["bo"], 2).await, Standing::Lost);
    assert_eq!(outbox(store, 1).await, ["rota:primary failing owed"]);
    assert_eq!(hand_on(store, &late[0], &["ana"], 2).await, Standing::Held);
    assert_eq!(hand_on(store, &late[0], &["ana"], 2).await, Standing::Lost);
    assert_eq!(outbox(store, 1).await, ["rota:primary failing handed_on", "sms:ana failing owed"]);
    let [rota, ana] = &history(store, 1).await.notifications[..] else { panic!("two") };
    assert_eq!((rota.state, rota.reason.as_deref()), (State::HandedOn, Some("ana is on duty")));
    assert_eq!(ana.notification.notice, rota.notification.notice);
    let sms = claim(store, Channel::Sms, at(3)).await;
    assert!(sms[0].notification.first_word);
    assert!(claim(store, Channel::Rota, at(9)).await.is_empty());
    tell(store, 9, Failed).await;
    let none = claim_rota(store, 9).await;
    assert_eq!(hand_on(store, &none[0], &[], 9).await, Standing::Held);
    assert_eq!(outbox(store, 1).await[2..], ["rota:primary failing given_up"]);
}

pub(super) async fn what_is_over_goes_to_those_who_were_told(store: &dyn Store) {
    tell(store, 1, Failed).await;
    handed_on(store, &claim_rota(store, 1).await[0], &["ana"], 1).await;
    attempt(store, &claim(store, Channel::Sms, at(2)).await[0], at(2), &accepted()).await;
    tell(store, 3, Passed).await;
    handed_on(store, &claim_rota(store, 3).await[0], &["bo"], 3).await;
    assert_eq!(
        outbox(store, 1).await,
        [
            "rota:primary failing handed_on",
            "sms:ana failing sent",
            "rota:primary recovered handed_on",
            "sms:ana recovered owed"
        ]
    );
    let recovery = claim(store, Channel::Sms, at(4)).await;
    assert!(!recovery[0].notification.first_word);
}

pub(super) async fn what_is_over_before_anybody_was_told_goes_to_whoever_is_on_duty(
    store: &dyn Store,
) {
    tell(store, 1, Failed).await;
    tell(store, 2, Passed).await;
    handed_on(store, &claim_rota(store, 2).await[0], &["bo"], 2).await;
    let expected = [
        "rota:primary failing superseded",
        "rota:primary recovered handed_on",
        "sms:bo recovered owed",
    ];
    assert_eq!(outbox(store, 1).await, expected);
    assert!(claim(store, Channel::Sms, at(3)).await[0].notification.first_word, "it says both");
    // Of another incident, what was handed on and not sent is superseded in its turn.
    tell(store, 60, Failed).await;
    handed_on(store, &claim_rota(store, 60).await[0], &["ana"], 60).await;
    tell(store, 61, Passed).await;
    handed_on(store, &claim_rota(store, 61).await[0], &["bo"], 61).await;
    let expected = [
        "rota:primary failing handed_on",
        "sms:ana failing superseded",
        "rota:primary recovered handed_on",
        "sms:ana recovered owed",
    ];
    assert_eq!(outbox(store, 2).await, expected);
}

pub(super) async fn a_message_to_a_rota_by_email_goes_on_by_email(store: &dyn Store) {
    let primary = || Target::Email("primary".into());
    tell_by(store, primary(), 1, Failed).await;
    assert_eq!(outbox(store, 1).await, ["email_rota:primary failing owed"]);
    let due = claim(store, Channel::EmailRota, at(1) + seconds(2)).await;
    handed_on(store, &due[0], &["ana"], 1).await;
    attempt(store, &claim(store, Channel::Email, at(2)).await[0], at(2), &accepted()).await;
    tell_by(store, primary(), 3, Passed).await;
    let due = claim(store, Channel::EmailRota, at(3) + seconds(2)).await;
    handed_on(store, &due[0], &["bo"], 3).await;
    let expected = [
        "email_rota:primary failing handed_on",
        "email:ana failing sent",
        "email_rota:primary recovered handed_on",
        "email:ana recovered owed",
    ];
    assert_eq!(outbox(store, 1).await, expected);
    assert!(claim(store, Channel::Sms, at(4)).await.is_empty());
}
