use super::*;
use crate::domain::id::{CheckId, IncidentId, NotificationId, Region};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::restraint::Via;
use crate::domain::rota::{Layer, Rota, Turn};
use crate::domain::subject::Subject;

fn at() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a good name")
}

fn sms(name: &str) -> Recipient {
    Recipient::Sms(person(name))
}

fn slack(name: &str) -> Recipient {
    Recipient::Slack(name.into())
}

fn notification(recipient: Recipient) -> Notification {
    Notification {
        id: NotificationId(1),
        incident: IncidentId(1),
        recipient,
        notice: Notice {
            check_name: "Login".into(),
            error: "no".into(),
            failures_in_a_row: 2,
            ..Notice::new(
                NoticeKind::Failing { tier: 2 },
                Subject::Check(CheckId::new("login").expect("good")),
                Region::new("eu").expect("good"),
                at(),
            )
        },
        first_word: true,
        owed_at: at(),
        failures: 1,
        possible_repeat: false,
    }
}

/// Ana, bo and cy are `devops`, in this order, and all have telephones; ana is reached in Slack, too.
struct World {
    roster: Roster,
    order: Order,
    broken: BTreeSet<Path>,
    standing: Standing,
    rota: Option<&'static str>,
    may_still_leave: bool,
}

impl World {
    fn new(fallback: &[Target]) -> Self {
        let devops = ["ana", "bo", "cy"].map(person);
        let phones = devops.iter().map(|it| (it.clone(), Some("+4930".to_owned())));
        Self {
            roster: Roster {
                people: phones.chain([(person("deaf"), None)]).collect(),
                teams: [("devops".to_owned(), devops.to_vec())].into(),
                ..Roster::default()
            },
            order: Order {
                ways: [(person("ana"), vec![sms("ana"), slack("UANA1")])].into(),
                fallback: fallback.to_vec(),
                apart: BTreeSet::new(),
            },
            broken: BTreeSet::new(),
            standing: Standing::Open,
            rota: None,
            may_still_leave: false,
        }
    }

    fn heirs(&self, to: Recipient, others: &[(Recipient, NotificationState)]) -> Heirs {
        let notification = notification(to);
        let case = Case {
            notification: &notification,
            reason: "not delivered: undelivered, 30003",
            rota: self.rota,
            others,
            broken: &self.broken,
            finds_it_broken: false,
            may_still_leave: self.may_still_leave,
            standing: &self.standing,
        };
        heirs(&self.roster, &self.order, &case, at())
    }

    fn told(&self, to: Recipient, others: &[(Recipient, NotificationState)]) -> Vec<String> {
        self.heirs(to, others).recipients.iter().map(Recipient::to_string).collect()
    }
}

const LOST: NotificationState = NotificationState::GivenUp;
const SENT: NotificationState = NotificationState::Sent;

#[test]
fn first_the_next_way_then_the_next_person() {
    let world = World::new(&[]);
    let first = world.heirs(sms("ana"), &[]);
    assert_eq!(first.recipients, [slack("UANA1")]);
    assert_eq!(
        first.sentence,
        "the SMS to ana did not arrive (not delivered: undelivered, 30003): ana is told by Slack \
         instead"
    );
    assert_eq!(first.note, "told to you because an SMS did not reach you");
    let tried = [(sms("ana"), LOST)];
    let second = world.heirs(slack("UANA1"), &tried);
    assert_eq!(second.recipients, [sms("bo")]);
    assert!(
        second.sentence.starts_with("the message to ana by Slack did not arrive"),
        "{second:?}"
    );
    assert_eq!(second.note, "told to you because a message did not reach ana");
    assert_eq!(world.told(sms("bo"), &tried), ["sms:cy"]);
    // After the last of a team comes its first.
    assert_eq!(world.told(sms("cy"), &[]), ["sms:ana"]);
    assert_eq!(world.told(sms("cy"), &[(sms("ana"), LOST)]), ["slack:UANA1"]);
}

#[test]
fn who_has_the_same_message_is_enough_and_the_last_of_a_team_is_not() {
    let world = World::new(&[]);
    let heirs = world.heirs(sms("bo"), &[(sms("cy"), SENT)]);
    assert!(heirs.recipients.is_empty() && !heirs.is_lost);
    assert!(heirs.sentence.ends_with(": cy is told the same, so nobody is told instead"));
    let all = [(sms("bo"), LOST), (sms("cy"), LOST)];
    assert_eq!(world.told(sms("ana"), &all), ["slack:UANA1"]);
    let all = [(sms("bo"), LOST), (sms("cy"), LOST), (slack("UANA1"), LOST)];
    let heirs = world.heirs(sms("ana"), &all);
    assert!(heirs.is_lost && heirs.recipients.is_empty(), "{heirs:?}");
    assert!(heirs.sentence.ends_with("nobody is left who could be told"));
    // Unless it may still arrive.
    let world = World { may_still_leave: true, ..world };
    let heirs = world.heirs(sms("ana"), &all);
    assert!(heirs.is_tried_on && !heirs.is_lost && heirs.recipients.is_empty(), "{heirs:?}");
    assert!(heirs.sentence.ends_with("; it is tried on until it arrives or is over"), "{heirs:?}");
    assert!(!world.heirs(sms("ana"), &[(sms("bo"), SENT)]).is_tried_on, "bo knows");
    // Whoever is still to be told may not be, either.
    let owed = [(slack("UANA1"), LOST), (sms("bo"), NotificationState::Owed)];
    assert!(world.heirs(sms("ana"), &owed).is_tried_on);
    // The fallback comes before that.
    let world = World::new(&[Target::Slack("#ops".into()), Target::Sms("devops".into())]);
    assert_eq!(world.told(sms("ana"), &all), ["slack:#ops"]);
}

#[test]
fn a_person_of_no_team_is_followed_by_everyone() {
    let mut world = World::new(&[]);
    world.roster.teams.clear();
    assert_eq!(world.told(sms("bo"), &[]), ["sms:ana", "sms:cy"]);
    assert_eq!(world.told(sms("bo"), &[(slack("#p1"), SENT)]), Vec::<String>::new());
}

#[test]
fn a_rota_goes_on_with_who_is_on_duty_then_its_layers_then_its_team() {
    let mut world = World::new(&[]);
    let layer = |name: &str| {
        let starts = at().naive_utc() - chrono::TimeDelta::days(1);
        Layer::new(vec![person(name)], crate::domain::zone::Zone::UTC, starts, Turn::Weeks(1))
    };
    let primary = Rota {
        name: "primary".into(),
        team: "devops".into(),
        layers: vec![layer("bo"), layer("cy")],
        overrides: Vec::new(),
    };
    world.roster.rotas.insert("primary".into(), primary);
    world.rota = Some("primary");
    // Cy is on duty; the layer below has bo.
    assert_eq!(world.told(sms("cy"), &[]), ["sms:bo"]);
    assert_eq!(world.told(sms("bo"), &[(sms("cy"), LOST)]), ["sms:ana"]);
    // Duty was handed over meanwhile.
    assert_eq!(world.told(slack("UANA1"), &[(sms("ana"), LOST)]), ["sms:cy"]);
    let nobody = Recipient::Rota("primary".into());
    assert_eq!(world.told(nobody, &[]), ["sms:ana", "sms:bo", "sms:cy"]);
}

#[test]
fn a_place_is_followed_by_the_fallback_and_by_nobody_unasked() {
    let world = World::new(&[]);
    let heirs = world.heirs(slack("#p2"), &[]);
    assert!(heirs.is_lost && heirs.recipients.is_empty());
    assert!(heirs.sentence.ends_with("because [hub] names no `fallback`"), "{heirs:?}");
    assert!(!world.heirs(slack("#p2"), &[(sms("bo"), SENT)]).is_lost);
    let world = World::new(&[Target::Slack("#ops".into()), Target::Sms("bo".into())]);
    assert_eq!(world.told(slack("#p2"), &[(sms("cy"), SENT)]), ["slack:#ops", "sms:bo"]);
    assert_eq!(
        world.told(slack("#ops"), &[(slack("#p2"), LOST), (sms("bo"), LOST)]),
        ["sms:ana", "sms:cy"]
    );
}

#[test]
fn by_a_broken_channel_nobody_is_tried_any_more() {
    let mut world = World::new(&[Target::Slack("#ops".into()), Target::Sms("bo".into())]);
    world.broken.insert(Path::by(Channel::Sms));
    assert_eq!(world.told(sms("ana"), &[]), ["slack:#ops"]);
    let known = world.heirs(sms("bo"), &[(slack("#ops"), NotificationState::Owed)]);
    assert!(known.sentence.ends_with("the fallback is told the same, so nobody is told instead"));
    world.order.fallback.clear();
    assert_eq!(world.told(sms("ana"), &[]), ["slack:UANA1"]);
    assert_eq!(world.told(sms("bo"), &[]), ["slack:UANA1"], "cy has only SMS");
}

#[test]
fn what_nobody_waits_for_is_told_to_nobody() {
    let mut world = World::new(&[]);
    world.standing = Standing::Over;
    assert!(world.heirs(sms("ana"), &[]).sentence.contains("it is over"));
    let by = Actor { name: "bo".into(), via: Via::Sms };
    world.standing = Standing::Acknowledged(by);
    let heirs = world.heirs(sms("ana"), &[]);
    assert!(heirs.sentence.contains("bo (SMS) takes care of it"), "{heirs:?}");
    assert!(heirs.recipients.is_empty() && !heirs.is_lost);
}

#[test]
fn a_channel_with_a_webhook_is_open_when_the_bot_is_refused() {
    let mut world = World::new(&[Target::Slack("#elsewhere".into())]);
    world.broken = [Path::by(Channel::Slack)].into();
    assert!(!world.told(slack("#p1"), &[]).contains(&"slack:#elsewhere".to_owned()));
    world.order.apart = [slack("#elsewhere")].into();
    assert_eq!(world.told(slack("#p1"), &[]), ["slack:#elsewhere"]);
}
