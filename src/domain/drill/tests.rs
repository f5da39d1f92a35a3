use super::*;
use crate::domain::id::PersonId;
use crate::domain::notice::NoticeKind;
use crate::domain::policy::{Policy, Tier};
use crate::domain::rota::Rota;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A Monday, at nine.
fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T09:00:00Z".parse().expect("a time");
    start + TimeDelta::seconds(second)
}

fn eu() -> Region {
    Region::new("eu").expect("a good name")
}

fn ana() -> Recipient {
    Recipient::Sms(PersonId::new("ana").expect("a good name"))
}

fn p2() -> Recipient {
    Recipient::Slack("#p2".into())
}

fn terms() -> Terms {
    let person = PersonId::new("ana").expect("a good name");
    let roster = Roster {
        people: [(person.clone(), Some("+49".to_owned()))].into(),
        teams: [("devops".to_owned(), vec![person])].into(),
        ..Roster::default()
    };
    let tiers = Policy::built_in(Some("devops")).tiers;
    let tiers: Vec<Vec<Target>> = tiers.into_iter().map(|Tier { notify, .. }| notify).collect();
    let plan = Plan {
        schedule: Cron::parse(Plan::SCHEDULE, "UTC").expect("a schedule"),
        channels: [Channel::Slack, Channel::Sms].into(),
        proven_within: Plan::PROVEN_WITHIN,
    };
    let terms = Terms::of(tiers.iter().flatten(), roster, &Order::default(), (|_| true, |_| None));
    Terms { plan: Some(plan), tiers, ..terms }
}

fn record(since: i64, proven: Option<i64>) -> Record {
    let proof = |second| Proven { at: at(second), by: Evidence::Accepted, receipt: "C1/2".into() };
    Record {
        since: at(since),
        drilled_since: Some(at(since)),
        proof: proven.map(proof),
        noted: proven.map(at),
        trial: None,
    }
}

/// All paths, known since `since` and never proven.
fn known(terms: &Terms, since: i64) -> Known {
    let records = terms.paths.iter().map(|it| (it.clone(), record(since, None)));
    Known { records: records.collect(), mark: Some(at(since)), ..Known::default() }
}

fn trial(second: i64, state: NotificationState) -> Trial {
    Trial {
        incident: IncidentId(1),
        owed_at: at(second),
        state,
        ended_at: (state != NotificationState::Owed).then(|| at(second + 60)),
        status: None,
        reason: Some("not delivered: undelivered, 30003".into()),
    }
}

fn decided(terms: &Terms, known: &Known, second: i64) -> Decided {
    decide(terms, known, &eu(), at(second))
}

/// "opened path:sms:ana: slack:#p2".
fn said(decided: &Decided) -> Vec<String> {
    let said = |Change { subject, transition }: &Change| {
        let owed: Vec<String> = transition.owed.iter().map(|it| it.recipient.to_string()).collect();
        format!("{} {subject}: {}", transition.decisions[0].kind.as_str(), owed.join(" "))
    };
    decided.changes.iter().map(said).collect()
}

#[test]
fn a_round_begins_at_its_time_once_and_not_when_that_is_long_past() {
    let terms = terms();
    let mut known = known(&terms, 0);
    assert!(decided(&terms, &known, HOUR - 1).is_empty());
    let round = decided(&terms, &known, HOUR + 5);
    assert_eq!(said(&round), ["noted drill:paths: slack:#p1 slack:#p2 sms:ana"]);
    let incident = round.changes[0].transition.incident.as_ref().expect("a round");
    assert!(incident.resolved_at.is_some() && incident.told.is_empty());
    known.mark = round.mark;
    assert!(decided(&terms, &known, HOUR + 6).is_empty(), "once");
    // The hub was down for longer than that.
    known.mark = Some(at(0));
    assert!(decided(&terms, &known, HOUR + 2 * HOUR).is_empty());
    // Whoever looks first does not begin at once, nor whoever's clock was set back.
    for mark in [None, Some(at(2 * DAY))] {
        let first = Known { mark, ..known.clone() };
        assert_eq!(decided(&terms, &first, HOUR).mark, Some(at(HOUR)));
        assert!(decided(&terms, &first, HOUR).changes.is_empty());
    }
}

#[test]
fn a_path_that_a_drill_is_on_its_way_to_is_left_out() {
    let terms = terms();
    let mut known = known(&terms, 0);
    let owed = Some(trial(0, NotificationState::Owed));
    known.records.get_mut(&ana()).expect("there").trial = owed;
    let round = decided(&terms, &known, HOUR);
    assert_eq!(said(&round), ["noted drill:paths: slack:#p1 slack:#p2"]);
    assert_eq!(super::round([ana()], &known, &eu(), "manual", at(1)), None);
}

#[test]
fn a_drill_that_did_not_arrive_is_told_once_and_ends_with_the_next_proof() {
    let terms = terms();
    let mut known = known(&terms, HOUR);
    known.records.get_mut(&ana()).expect("there").trial =
        Some(trial(HOUR, NotificationState::GivenUp));
    let wrong = decided(&terms, &known, 2 * HOUR);
    assert_eq!(said(&wrong), ["opened path:sms:ana: slack:#p2"]);
    let incident = wrong.changes[0].transition.incident.clone().expect("an incident");
    known.open.insert(Subject::Path(Path::to(ana())), incident);
    assert!(decided(&terms, &known, 2 * HOUR + 1).is_empty(), "once");
    // The next drill is on its way; what was proven before says nothing of that.
    let known_before = known.clone();
    let person = known.records.get_mut(&ana()).expect("there");
    person.trial = Some(trial(2 * HOUR + 2, NotificationState::Owed));
    assert!(decided(&terms, &known, 2 * HOUR + 3).is_empty());
    known = known_before;
    known.records.insert(ana(), record(HOUR, Some(3 * HOUR)));
    let over = decided(&terms, &known, 3 * HOUR);
    assert_eq!(said(&over), ["resolved path:sms:ana: slack:#p2"]);
    // Nobody is told by it any more.
    known.records.insert(ana(), record(HOUR, None));
    let without = Terms { paths: [p2()].into(), ..terms };
    let gone = decided(&without, &known, 3 * HOUR);
    assert_eq!(gone.changes[0].transition.owed[0].notice.kind, NoticeKind::Withdrawn);
    assert_eq!(gone.gone, [Recipient::Slack("#p1".into()), ana()]);
}

#[test]
fn what_nothing_has_proven_for_long_is_told_by_another_way() {
    let terms = Terms { paths: [p2()].into(), ..terms() };
    let within = 8 * DAY;
    let stands = |proven, second| {
        let known = Known { records: [(p2(), record(0, proven))].into(), ..Known::default() };
        verdict(&terms, &known, &p2(), at(second)).standing
    };
    assert_eq!(stands(None, within), Standing::Untried);
    assert_eq!(stands(None, within + 1), Standing::Unproven);
    assert_eq!(stands(Some(DAY), within + 1), Standing::Proven);
    assert_eq!(stands(Some(DAY), DAY + within + 1), Standing::Unproven);
    // The first tier is that very path.
    let known = Known { records: [(p2(), record(0, None))].into(), ..Known::default() };
    let wrong = decided(&terms, &Known { mark: Some(at(within)), ..known }, within + 1);
    assert_eq!(said(&wrong), ["opened path:slack:#p2: slack:#p1 sms:ana"]);
}

#[test]
fn an_sms_that_was_taken_and_not_delivered_proves_nothing_yet() {
    let terms = terms();
    let mut known = known(&terms, 0);
    known.records.get_mut(&ana()).expect("there").trial =
        Some(trial(HOUR, NotificationState::Sent));
    let stands = |known: &Known| verdict(&terms, known, &ana(), at(2 * HOUR)).standing;
    assert_eq!(stands(&known), Standing::Waiting);
    known.records.get_mut(&ana()).expect("there").proof = record(0, Some(HOUR + 30)).proof;
    assert_eq!(stands(&known), Standing::Proven);
}

#[test]
fn a_channel_that_is_broken_is_told_once_by_the_others() {
    let terms = terms();
    let mut known = known(&terms, 0);
    for record in known.records.values_mut() {
        record.trial = Some(trial(0, NotificationState::GivenUp));
    }
    let slack = Path::by(Channel::Slack);
    known.broken =
        vec![Breakage { path: slack.clone(), since: at(60), reason: "token_revoked".into() }];
    // Of what is reached by Slack, nothing else is said.
    let wrong = decided(&terms, &known, 120);
    let told = ["opened path:sms:ana: slack:#p2", "opened path:slack: sms:ana"];
    assert_eq!(said(&wrong), told);
    let incident = wrong.changes[1].transition.incident.clone().expect("an incident");
    known.open.insert(Subject::Path(slack), incident);
    known.broken.clear();
    let over = decided(&terms, &known, 180);
    assert!(said(&over).contains(&"resolved path:slack: sms:ana".to_owned()), "{over:?}");
}

#[test]
fn of_a_rota_everyone_is_a_path_and_of_each_person_every_way() {
    let person = |name: &str| PersonId::new(name).expect("a good name");
    let roster = Roster {
        people: [(person("ana"), None), (person("bo"), Some("+49".to_owned()))].into(),
        teams: [("devops".to_owned(), vec![person("ana"), person("bo")])].into(),
        ..Roster::default()
    };
    let ways = [Recipient::Sms(person("bo")), Recipient::Slack("U1".into())];
    let order = Order {
        ways: [(person("bo"), ways.into())].into(),
        fallback: Vec::new(),
        ..Order::default()
    };
    let targets = [Target::Sms("devops".into()), Target::Webhook("chat".into())];
    let set_up = |it: &Recipient| it.channel() != Channel::Webhook;
    let lack = |it: &Recipient| (it.channel() == Channel::Webhook).then(|| "no key".to_owned());
    let terms = Terms::of(&targets, roster, &order, (set_up, lack));
    let paths: Vec<String> = terms.paths.iter().map(Recipient::to_string).collect();
    assert_eq!(paths, ["slack:U1", "sms:ana", "sms:bo"]);
    let chat = Recipient::Webhook("chat".into());
    let stands = verdict(&terms, &Known::default(), &chat, at(0));
    assert_eq!(stands.standing, Standing::Printed);
    assert_eq!(stands.reason, "messages are only printed where the hub runs: no key");
}

#[test]
fn what_is_drilled_for_the_first_time_is_given_its_time() {
    let terms = Terms { paths: [p2()].into(), ..terms() };
    // The project had no drills for a month.
    let mut known = Known { mark: Some(at(0)), ..Known::default() };
    known.records.insert(p2(), Record { drilled_since: None, ..record(-30 * DAY, None) });
    let first = decided(&terms, &known, 60);
    assert_eq!((first.changes.len(), first.drilled), (0, vec![(p2(), true)]));
    known.records.insert(p2(), Record { drilled_since: Some(at(60)), ..record(-30 * DAY, None) });
    let mut stands = |mark: i64, second| {
        known.mark = Some(at(mark));
        verdict(&terms, &known, &p2(), at(second)).standing
    };
    assert_eq!(stands(8 * DAY, 60 + 8 * DAY), Standing::Untried);
    assert_eq!(stands(8 * DAY, 61 + 8 * DAY), Standing::Unproven);
    let without = decided(&Terms { plan: None, ..terms }, &known, 120);
    assert_eq!(without.drilled, [(p2(), false)]);
}

#[test]
fn nobody_is_told_of_paths_that_only_were_not_drilled() {
    let terms = Terms { paths: [p2()].into(), ..terms() };
    let mut known = known(&terms, 0);
    known.records.insert(p2(), record(-DAY, Some(0)));
    let mut stands = |mark: i64, trial: Option<Trial>, second| {
        known.mark = Some(at(mark));
        known.records.get_mut(&p2()).expect("there").trial = trial;
        verdict(&terms, &known, &p2(), at(second)).standing
    };
    let (second, third) = (7 * DAY + HOUR, 14 * DAY + HOUR);
    // The hub was down at the second round, and so the third is waited for, and no longer.
    assert_eq!(stands(HOUR, None, 9 * DAY), Standing::Proven);
    assert_eq!(stands(HOUR, None, third + HOUR), Standing::Unproven);
    // The round began, and what it sent is on its way.
    let owed = || Some(trial(third, NotificationState::Owed));
    assert_eq!(stands(third, owed(), third + 1), Standing::Waiting);
    assert_eq!(stands(third, owed(), third + HOUR), Standing::Unproven);
    assert_eq!(stands(second, None, 9 * DAY), Standing::Unproven);
}

#[test]
fn a_proof_to_come_is_none() {
    let terms = Terms { paths: [p2()].into(), ..terms() };
    let mut known = known(&terms, 0);
    known.records.insert(p2(), record(0, Some(400 * DAY)));
    known.mark = Some(at(8 * DAY));
    assert_eq!(verdict(&terms, &known, &p2(), at(1)).standing, Standing::Untried);
    assert_eq!(verdict(&terms, &known, &p2(), at(8 * DAY + 1)).standing, Standing::Unproven);
}

#[test]
fn what_arrived_right_before_an_incident_was_opened_ends_it() {
    let terms = terms();
    let mut known = known(&terms, 0);
    known.mark = Some(at(8 * DAY));
    let opened = decided(&terms, &known, 8 * DAY + 10);
    for Change { subject, transition } in opened.changes {
        known.open.insert(subject, transition.incident.expect("an incident"));
    }
    // It was delivered before, and heard of after.
    known.records.insert(ana(), record(0, Some(8 * DAY + 9)));
    let over = decided(&terms, &known, 8 * DAY + 11);
    assert!(said(&over).iter().any(|it| it.starts_with("resolved path:sms:ana")), "{over:?}");
}

#[test]
fn a_rota_is_not_told_by_the_path_that_it_may_call_by() {
    let person = |name: &str| PersonId::new(name).expect("a good name");
    let (layers, overrides) = (Vec::new(), Vec::new());
    let rota = Rota { name: "first".into(), team: "devops".into(), layers, overrides };
    let roster = Roster {
        people: [(person("ana"), Some("+49".to_owned()))].into(),
        teams: [("devops".to_owned(), vec![person("ana")])].into(),
        rotas: [("first".to_owned(), rota)].into(),
        ..Roster::default()
    };
    let tiers = vec![vec![Target::Sms("first".into())], vec![Target::Slack("#p1".into())]];
    let terms = Terms::of(tiers.iter().flatten(), roster, &Order::default(), (|_| true, |_| None));
    let terms = Terms { tiers, ..terms };
    let told = |path: Recipient| -> Vec<String> {
        terms.told_of(&Path::to(path)).iter().map(Recipient::to_string).collect()
    };
    assert_eq!(told(ana()), ["slack:#p1"]);
    assert_eq!(told(Recipient::Slack("#p1".into())), ["rota:first"]);
}
