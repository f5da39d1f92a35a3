//! Replays of a few results: their order, what people did, whose duty it was, and what is compared.

use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::domain::check::Check;
use crate::domain::id::{IncidentId, PersonId, Region};
use crate::domain::incident::{Decision, DecisionKind};
use crate::domain::notification::NotificationState;
use crate::domain::policy::{Condition, Policy, Recipient, Roster, Target, Tier};
use crate::domain::restraint::{Actor, Scope, Silence, SilenceId, Via};
use crate::domain::rota::{Layer, Rota, Turn};
use crate::domain::run::{Failure, FailureKind, Outcome};
use crate::domain::slot::Slot;
use crate::domain::subject::Subject;
use crate::domain::zone::Zone;
use crate::engine::judge::Rulebook;
use crate::store::DecisionRecord;
use crate::store::past::Told;

fn start() -> Timestamp {
    "2026-11-21T23:50:00Z".parse().expect("a time")
}

/// So many half minutes later: a slot.
fn slot(number: i64) -> Timestamp {
    start() + TimeDelta::seconds(30 * number)
}

fn id(check: &str) -> CheckId {
    CheckId::new(check).expect("a good name")
}

/// A result of `login` that was stored `late` seconds after its slot.
fn result(number: i64, outcome: Outcome, late: i64) -> PastResult {
    let check = id("login");
    let slot_at = Slot { check, region: Region::new("eu").expect("a good name"), at: slot(number) };
    let failed = Failure::new(FailureKind::Expectation, "expected 200, received 503");
    PastResult {
        number,
        recorded_at: slot(number) + TimeDelta::seconds(late),
        run: RunSummary {
            id: slot_at.run_id(),
            slot: slot_at,
            started_at: slot(number),
            duration: Duration::ZERO,
            outcome,
            failure: (outcome == Outcome::Failed).then_some(failed),
        },
    }
}

/// One result for each letter, from slot 0 on: `f` failed, `.` passed.
fn results(letters: &str) -> Vec<PastResult> {
    let outcome = |letter| if letter == 'f' { Outcome::Failed } else { Outcome::Passed };
    (0..).zip(letters.chars()).map(|(number, it)| result(number, outcome(it), 1)).collect()
}

fn slack(name: &str) -> Target {
    Target::Slack(name.into())
}

/// Ana and Bo take turns of a day; `devops` is both.
fn rulebook(tiers: Vec<Tier>) -> Rulebook {
    let people = ["ana", "bo"].map(|name| PersonId::new(name).expect("a good name"));
    let starts = start().date_naive().and_time(chrono::NaiveTime::MIN);
    let layer = Layer::new(people.to_vec(), Zone::UTC, starts, Turn::Days(1));
    let primary = Rota {
        name: "primary".into(),
        team: "devops".into(),
        layers: vec![layer],
        overrides: Vec::new(),
    };
    let roster = Roster {
        people: people.clone().map(|it| (it, Some("+4930123456".to_owned()))).into(),
        teams: [("devops".to_owned(), people.to_vec())].into(),
        rotas: [("primary".to_owned(), primary)].into(),
        ..Roster::default()
    };
    let policy = Policy::of(Policy::DEFAULT_NAME, tiers);
    Rulebook::new([Check::example("login")], [policy], roster).expect("it has its policy")
}

/// What is stored, handed out two at a time.
#[derive(Debug)]
struct Stored(Vec<PastResult>);

#[async_trait]
impl Past for Stored {
    async fn whole_since(&self) -> Result<Option<Timestamp>, Error> {
        Ok(Some(start()))
    }

    async fn past_results(
        &self,
        (from, until): (Timestamp, Timestamp),
        after: Option<RunId>,
        _: u32,
    ) -> Result<Vec<PastResult>, Error> {
        let is_asked = |it: &&PastResult| {
            (from..until).contains(&it.run.slot.at) && after.is_none_or(|after| it.run.id > after)
        };
        let mut all: Vec<PastResult> = self.0.iter().filter(is_asked).cloned().collect();
        all.sort_by_key(|it| it.run.id);
        all.truncate(2);
        Ok(all)
    }

    async fn past_acts(&self, _: (Timestamp, Timestamp)) -> Result<Vec<DecisionRecord>, Error> {
        Ok(Vec::new())
    }

    async fn past_silences(&self, _: (Timestamp, Timestamp)) -> Result<Vec<Silence>, Error> {
        Ok(Vec::new())
    }

    async fn past_told(&self, _: (Timestamp, Timestamp)) -> Result<Vec<Told>, Error> {
        Ok(Vec::new())
    }
}

async fn lived<'a>(
    stored: Vec<PastResult>,
    rulebook: &'a Rulebook,
    deeds: &'a Deeds,
    until: Timestamp,
) -> World<'a> {
    let mut worlds = [World::new(rulebook, deeds, start(), 100)];
    let all = BTreeSet::new();
    let read = replay(&Stored(stored), &mut worlds, (start(), until), &all, &mut |_| {}).await;
    read.expect("read");
    let [world] = worlds;
    world
}

/// `00:30 slack:#p2 failing`: how long after the start, whom, of what.
fn said(world: &World<'_>) -> Vec<String> {
    let line = |it: &Message| {
        let after = (it.at - start()).num_seconds();
        format!("{:02}:{:02} {} {}", after / 60, after % 60, it.recipient, it.kind.as_str())
    };
    world.messages.iter().map(line).collect()
}

fn tiers() -> Vec<Tier> {
    vec![
        Tier::after(1, vec![slack("#p2")]),
        Tier::after(3, vec![slack("#p1"), Target::Sms("primary".into())]),
    ]
}

fn decided(number: i64, kind: DecisionKind, reason: &str) -> DecisionRecord {
    DecisionRecord {
        subject: Subject::Check(id("login")),
        incident: Some(IncidentId(7)),
        run: None,
        at: slot(number) + TimeDelta::seconds(2),
        decision: Decision { kind, reason: reason.into() },
    }
}

#[tokio::test]
async fn results_are_judged_in_the_order_in_which_they_were_stored() {
    let rules = rulebook(tiers());
    let mut stored = results("f.f...");
    // An agent was cut off: what failed before was stored after what passed.
    stored[2].recorded_at = slot(5) + TimeDelta::seconds(20);
    stored[2].number = 50;
    let deeds = Deeds::default();
    let world = lived(stored, &rules, &deeds, slot(20)).await;
    assert_eq!(said(&world), ["00:01 slack:#p2 failing", "00:31 slack:#p2 recovered"]);
}

#[tokio::test]
async fn whoever_was_on_duty_then_is_told_and_hears_the_end() {
    let rules = rulebook(tiers());
    let deeds = Deeds::default();
    // The duty changes at midnight, ten minutes after the start.
    let mut letters = "f".repeat(25);
    letters.push('.');
    let world = lived(results(&letters), &rules, &deeds, slot(60)).await;
    assert_eq!(
        said(&world),
        [
            "00:01 slack:#p2 failing",
            "01:01 slack:#p1 failing",
            "01:01 sms:ana failing",
            "12:31 slack:#p1 recovered",
            "12:31 slack:#p2 recovered",
            "12:31 sms:ana recovered",
        ]
    );
    let call = &world.messages[2];
    assert!(call.why.contains("ana is on duty (rota primary"), "{}", call.why);
    assert_eq!(call.text, "Failing: login in eu: expected 200, received 503");
}

#[tokio::test]
async fn what_time_alone_decides_is_decided_between_results() {
    let mut tiers = tiers();
    let when = Condition::UnacknowledgedFor(Duration::from_mins(5));
    tiers.push(Tier { when, notify: vec![Target::Sms("bo".into())] });
    let rules = rulebook(tiers);
    let deeds = Deeds::default();
    let world = lived(results("f"), &rules, &deeds, slot(60)).await;
    assert_eq!(said(&world), ["00:01 slack:#p2 failing", "05:01 sms:bo failing"]);
}

#[tokio::test]
async fn acknowledgements_of_then_hold_in_a_replay() {
    let until = (slot(0) + TimeDelta::hours(4)).format("%Y-%m-%d %H:%M:%S UTC");
    let words = format!("acknowledged by ana (Slack) until {until}: on it");
    let acts = [decided(0, DecisionKind::Acknowledged, &words)];
    let deeds = Deeds::of(&acts, &[]);
    let first = rulebook(tiers());
    let world = lived(results("ffff"), &first, &deeds, slot(9)).await;
    assert_eq!(said(&world), ["00:01 slack:#p2 failing", "00:02 slack:#p2 acknowledged"]);
    assert_eq!(world.cares, Cares { applied: 1, ..Cares::default() });

    // What opens later is taken care of, too, once it was told.
    let later = rulebook(vec![
        Tier::after(3, vec![slack("#p2")]),
        Tier::after(4, vec![Target::Sms("primary".into())]),
    ]);
    let world = lived(results("ffffff"), &later, &deeds, slot(9)).await;
    assert_eq!(said(&world), ["01:01 slack:#p2 failing", "01:01 slack:#p2 acknowledged"]);
    assert_eq!(world.cares, Cares { carried: 1, without: 1, ..Cares::default() });

    // Whoever had taken care of what was over by then does not take care of what comes after.
    let ended = decided(1, DecisionKind::Resolved, "passed in eu");
    let deeds = Deeds::of(&[acts[0].clone(), ended], &[]);
    let world = lived(results("ffffff"), &later, &deeds, slot(9)).await;
    assert_eq!(said(&world), ["01:01 slack:#p2 failing", "01:31 sms:ana failing"]);
}

#[tokio::test]
async fn silences_of_then_hold_back_until_they_ended() {
    let silence = Silence {
        id: SilenceId(1),
        scope: Scope::default(),
        reason: "a deploy".into(),
        by: Actor { name: "eva".into(), via: Via::Cli },
        from: start() - TimeDelta::minutes(1),
        until: slot(4) + TimeDelta::seconds(10),
    };
    let rules = rulebook(tiers());
    let deeds = Deeds::of(&[], &[silence]);
    let world = lived(results("ffffff"), &rules, &deeds, slot(9)).await;
    let all = ["slack:#p2", "slack:#p1", "sms:ana"].map(|to| format!("02:10 {to} failing"));
    assert_eq!(said(&world), all);
}

#[tokio::test]
async fn two_projects_are_compared_message_by_message() {
    let (current, edited) = (rulebook(tiers()), rulebook(vec![Tier::after(3, vec![slack("#p2")])]));
    let deeds = Deeds::default();
    let mut worlds = [&current, &edited].map(|rules| World::new(rules, &deeds, slot(3), 100));
    let mut stored = results("f.......fff.");
    let stranger = Slot { check: id("gone"), ..stored[5].run.slot.clone() };
    stored[5].run.id = stranger.run_id();
    stored[5].run.slot = stranger;
    let told = |recipient: &str, state, instead, count| Told {
        subject: Subject::Check(id("login")),
        recipient: Recipient::Slack(recipient.into()),
        state,
        instead,
        count,
    };
    let all = BTreeSet::new();
    let (store, period) = (Stored(stored), (start(), slot(20)));
    let read = replay(&store, &mut worlds, period, &all, &mut |_| {}).await.expect("read");
    // What came before slot 3 was judged, and does not count.
    assert_eq!((read.results, read.strangers.get(&id("gone"))), (8, Some(&1)));
    let stored = [
        told("#p2", NotificationState::Sent, false, 3),
        told("#p2", NotificationState::Superseded, false, 1),
        told("#old", NotificationState::InDigest, true, 2),
        Told {
            subject: Subject::Coverage(id("login")),
            ..told("#p2", NotificationState::Sent, false, 9)
        },
        told("#rota", NotificationState::HandedOn, false, 9),
    ];
    let rows = rows(&stored, &all, &worlds);
    let shown = |row: &Row| (row.recipient.to_string(), row.stood.told, row.replayed.clone());
    assert_eq!(
        rows.iter().map(shown).collect::<Vec<_>>(),
        [
            ("slack:#old".to_owned(), 2, vec![0, 0]),
            ("slack:#p1".to_owned(), 0, vec![2, 0]),
            ("slack:#p2".to_owned(), 3, vec![2, 2]),
            ("sms:ana".to_owned(), 0, vec![2, 0]),
        ]
    );
    assert_eq!((rows[0].stood.instead, rows[2].stood.superseded), (2, 1));
    let both = merged(&worlds[0].messages, &worlds[1].messages, 100);
    let side = |(side, it): &(Side, Message)| {
        let side = match side {
            Side::Both => ' ',
            Side::First => '-',
            Side::Second => '+',
        };
        format!("{side}{} {}", it.recipient, it.kind.as_str())
    };
    assert_eq!(
        both.iter().map(side).collect::<Vec<_>>(),
        [
            "-slack:#p2 failing",
            "-slack:#p1 failing",
            "-sms:ana failing",
            "+slack:#p2 failing",
            "-slack:#p1 recovered",
            "-sms:ana recovered",
            " slack:#p2 recovered",
        ]
    );
}
