//! How much is gathered, and when; and that everything is told once, whatever happens.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::id::{CheckId, PersonId, Region};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::notification::{Attempt, settle};
use crate::domain::policy::Recipient;
use crate::domain::subject::Subject;

fn start() -> Timestamp {
    "2026-11-21T03:00:00Z".parse().expect("a time")
}

fn at(seconds: i64) -> Timestamp {
    start() + TimeDelta::seconds(seconds)
}

fn notification(id: i64, incident: i64, owed_at: Timestamp) -> Notification {
    Notification {
        id: NotificationId(id),
        incident: IncidentId(incident),
        recipient: Recipient::Sms(PersonId::new("ana").expect("good")),
        notice: Notice {
            check_name: "Login".into(),
            error: "no".into(),
            failures_in_a_row: 1,
            ..Notice::new(
                NoticeKind::Failing { tier: 1 },
                Subject::Check(CheckId::new("login").expect("good")),
                Region::new("eu").expect("good"),
                owed_at,
            )
        },
        first_word: true,
        owed_at,
        failures: 0,
        possible_repeat: false,
    }
}

fn waiting(id: i64, incident: i64) -> Waiting {
    let (id, incident) = (NotificationId(id), IncidentId(incident));
    Waiting { id, incident, due_at: start(), is_bound: false, is_known: false }
}

fn told(id: i64, incident: i64, seconds: i64, is_digest: bool) -> Told {
    Told { id: NotificationId(id), incident: IncidentId(incident), at: at(seconds), is_digest }
}

fn slack() -> Limit {
    Bounds::default().of(Channel::Slack).expect("it is bounded")
}

fn sms() -> Limit {
    Bounds::default().of(Channel::Sms).expect("it is bounded")
}

/// Five incidents, told one a second up to now, and nothing since.
fn five() -> Vec<Told> {
    (1..=5).map(|number| told(number, number, number - 5, false)).collect()
}

fn numbers(ids: &[NotificationId]) -> Vec<i64> {
    ids.iter().map(|id| id.0).collect()
}

#[test]
fn a_few_go_alone_and_more_go_together() {
    let head = notification(10, 10, at(-3));
    let waiting = [10, 11, 12].map(|number| waiting(number, number)).to_vec();
    let decide = |told: Vec<Told>| {
        let crowd = Crowd { waiting: waiting.clone(), told };
        decide(&head, &crowd, &slack(), Strain::None, at(0))
    };
    let four = five()[..4].to_vec();
    assert_eq!(decide(four), Verdict::Alone);
    let Verdict::Gather { others, last } = decide(five()) else { panic!("it is a storm") };
    assert_eq!((numbers(&others), last), (vec![11, 12], None));
    // What was told long ago does not count, and neither does one incident that changes often.
    let long_ago = five().iter().map(|it| Told { at: at(-60), ..*it }).collect();
    assert_eq!(decide(long_ago), Verdict::Alone);
    let often = (1..=9).map(|id| told(id, 1, -1, false)).collect();
    assert_eq!(decide(often), Verdict::Alone);
}

#[test]
fn a_digest_waits_for_company_and_keeps_its_distance() {
    let crowd = |told| Crowd { waiting: vec![waiting(10, 10), waiting(11, 11)], told };
    let head = notification(10, 10, at(0));
    let hold = |told, now| match decide(&head, &crowd(told), &slack(), Strain::None, now) {
        Verdict::Hold { others, until, .. } => Some((numbers(&others), until)),
        _ => None,
    };
    assert_eq!(hold(five(), at(0)), Some((vec![11], at(2))));
    assert_eq!(hold(five(), at(2)), None);
    let mut told_so_far = five();
    told_so_far.push(told(6, 6, 0, true));
    assert_eq!(hold(told_so_far.clone(), at(3)), Some((vec![11], at(10))));
    assert_eq!(hold(told_so_far, at(10)), None);
    // A clock that was set back holds nobody for longer.
    let ahead = vec![told(1, 1, 3600, true)];
    let crowd = Crowd { told: five().into_iter().chain(ahead).collect(), ..crowd(Vec::new()) };
    let verdict = decide(&head, &crowd, &slack(), Strain::None, at(0));
    assert!(matches!(verdict, Verdict::Hold { until, .. } if until == at(10)), "{verdict:?}");
}

#[test]
fn what_goes_on_alone_is_not_gathered() {
    let mut crowd = Crowd {
        waiting: vec![waiting(10, 10), waiting(11, 3), waiting(12, 12), waiting(13, 13)],
        told: five(),
    };
    // Its incident has a message of its own since a moment.
    let known = notification(11, 3, at(-9));
    assert_eq!(decide(&known, &crowd, &slack(), Strain::None, at(0)), Verdict::Alone);
    let head = notification(10, 10, at(-9));
    let gathered = |crowd: &Crowd| match decide(&head, crowd, &slack(), Strain::None, at(0)) {
        Verdict::Gather { others, .. } => numbers(&others),
        other => panic!("{other:?}"),
    };
    assert_eq!(gathered(&crowd), [12, 13]);
    // What waits for something earlier about its incident does not overtake it.
    crowd.waiting[2].is_bound = true;
    crowd.waiting.push(waiting(14, 12));
    assert_eq!(gathered(&crowd), [13]);
    // A message of its own is kept true however long ago it was told, where that can be.
    crowd.waiting[3].is_known = true;
    crowd.waiting.push(waiting(15, 15));
    assert_eq!(gathered(&crowd), [15]);
    let known = notification(13, 13, at(-9));
    assert_eq!(decide(&known, &crowd, &slack(), Strain::None, at(0)), Verdict::Alone);
    let by_sms = decide(&known, &crowd, &sms(), Strain::None, at(0));
    assert!(matches!(by_sms, Verdict::Gather { .. } | Verdict::Hold { .. }), "{by_sms:?}");
    let repeat = Notification { possible_repeat: true, ..head.clone() };
    assert_eq!(decide(&repeat, &crowd, &slack(), Strain::None, at(0)), Verdict::Alone);
    crowd.waiting.truncate(1);
    assert_eq!(decide(&head, &crowd, &slack(), Strain::None, at(0)), Verdict::Alone);
}

#[test]
fn under_strain_what_waits_goes_together() {
    let decide = |count: i64| {
        let waiting = (10..10 + count).map(|number| waiting(number, number)).collect();
        let crowd = Crowd { waiting, told: Vec::new() };
        decide(&notification(10, 10, at(0)), &crowd, &slack(), Strain::Limited, at(0))
    };
    assert_eq!(decide(2), Verdict::Alone);
    assert!(matches!(decide(3), Verdict::Gather { .. }));
}

#[test]
fn the_last_message_says_so_and_none_follows() {
    let head = notification(20, 20, at(0));
    let sent = |count: i64| (1..=count).map(|id| told(id, 1, id - 30, false)).collect();
    let decide = |told, now| {
        let crowd = Crowd { waiting: vec![waiting(20, 20), waiting(21, 21)], told };
        decide(&head, &crowd, &sms(), Strain::None, now)
    };
    assert_eq!(decide(sent(8), at(0)), Verdict::Alone);
    let Verdict::Gather { others, last } = decide(sent(9), at(0)) else { panic!("the last") };
    assert_eq!((numbers(&others), last), (vec![21], Some(at(600 - 29))));
    let Verdict::Hold { until, .. } = decide(sent(10), at(0)) else { panic!("no more") };
    assert_eq!(until, at(600 - 29));
    assert!(matches!(decide(sent(10), until), Verdict::Gather { last: Some(_), .. }));
}

#[test]
fn what_is_gathered_shares_the_fate_of_its_digest() {
    let (head, member) = (notification(1, 1, at(0)), notification(2, 2, at(0)));
    let shared = |attempt: &Attempt| {
        let of = |it: &Notification| settle(it, attempt, at(1), at(1), 0.0);
        share((head.id, &of(&head)), of(&member))
    };
    let told = shared(&Attempt::Accepted { receipt: "digest C1/17".into() });
    assert_eq!(told.state, NotificationState::InDigest);
    assert_eq!(told.reason, "told in the digest of notification 1, accepted: digest C1/17");
    let refused = shared(&Attempt::GiveUp { reason: "no".into() });
    assert_eq!(refused.state, NotificationState::GivenUp);
    let lost = shared(&Attempt::Ambiguous { reason: "timed out".into() });
    assert_eq!((lost.state, lost.possible_repeat), (NotificationState::Owed, true));
}

/// What happens to one recipient.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Seconds after the step before.
    after: i64,
    /// How many incidents there is news of.
    news: i64,
    /// From which on.
    from: i64,
    /// Whether the provider takes the next message.
    is_taken: bool,
}

/// Everything that is owed, told by the decisions alone, as a lane and a store would.
#[derive(Default)]
struct Model {
    owed: Vec<(Notification, Timestamp)>,
    /// What was told, when, and by whose message.
    told: Vec<(Waiting, Timestamp, NotificationId)>,
    sent: Vec<Told>,
}

impl Model {
    /// Sends what may be sent now.
    fn tick(&mut self, limit: &Limit, strain: Strain, now: Timestamp, is_taken: bool) {
        // At most once for each: whatever is held is not due.
        for _ in 0..=self.owed.len() {
            let mut seen = BTreeSet::new();
            let next = self.owed.iter().find(|(it, due)| seen.insert(it.incident) && *due <= now);
            let Some((head, _)) = next.cloned() else { return };
            let memory = now - limit.memory();
            let crowd = Crowd {
                waiting: self.owed.iter().map(|(it, due)| waiting_of(it, *due)).collect(),
                told: self.sent.iter().filter(|it| it.at > memory).copied().collect(),
            };
            match decide(&head, &crowd, limit, strain, now) {
                Verdict::Hold { others, until, .. } => {
                    assert!(until > now, "or it would be asked without end");
                    self.put_off(&others, head.id, until);
                }
                _ if !is_taken => self.put_off(&[], head.id, now + TimeDelta::seconds(1)),
                Verdict::Alone => self.tell(&[], &head, false, now),
                Verdict::Gather { others, .. } => self.tell(&others, &head, true, now),
            }
        }
    }

    fn put_off(&mut self, others: &[NotificationId], head: NotificationId, until: Timestamp) {
        let all = self.owed.iter_mut().filter(|(it, _)| it.id == head || others.contains(&it.id));
        all.for_each(|(_, due)| *due = until);
    }

    fn tell(
        &mut self,
        others: &[NotificationId],
        head: &Notification,
        is_digest: bool,
        now: Timestamp,
    ) {
        self.sent.push(Told { id: head.id, incident: head.incident, at: now, is_digest });
        let leave =
            |(it, _): &mut (Notification, Timestamp)| it.id == head.id || others.contains(&it.id);
        for (it, _) in self.owed.extract_if(.., leave) {
            assert!(self.told.iter().all(|(told, ..)| told.id != it.id), "{} twice", it.id);
            self.told.push((waiting_of(&it, now), now, head.id));
        }
    }
}

fn waiting_of(it: &Notification, due_at: Timestamp) -> Waiting {
    let (id, incident) = (it.id, it.incident);
    Waiting { id, incident, due_at, is_bound: false, is_known: false }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let news = prop_oneof![3 => Just(0i64), 3 => Just(1i64), 2 => 2i64..8, 1 => 8i64..60];
    let step = (0i64..20, news, 0i64..40, prop::bool::weighted(0.85));
    let step = step.prop_map(|(after, news, from, is_taken)| Step { after, news, from, is_taken });
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Every notification is told once, alone or in one digest; no incident's news overtake each other;
    /// and no window has more messages than it may.
    #[test]
    fn everything_is_told_once(steps in steps(), by_sms in any::<bool>(), strained in any::<bool>()) {
        let limit = if by_sms { sms() } else { slack() };
        let strain = if strained { Strain::Limited } else { Strain::None };
        let (mut model, mut now, mut number) = (Model::default(), start(), 0);
        for Step { after, news, from, is_taken } in steps {
            now += TimeDelta::seconds(after);
            for incident in from..from + news {
                number += 1;
                model.owed.push((notification(number, incident, now), now));
            }
            model.tick(&limit, strain, now, is_taken);
        }
        // Whatever is held is told in the end.
        for _ in 0..4_000 {
            now += TimeDelta::seconds(1);
            model.tick(&limit, strain, now, true);
        }
        prop_assert!(model.owed.is_empty(), "{} are never told", model.owed.len());
        let expected: Vec<i64> = (1..=number).collect();
        let mut all: Vec<i64> = model.told.iter().map(|(it, ..)| it.id.0).collect();
        all.sort_unstable();
        prop_assert_eq!(all, expected);
        for (it, at, by) in &model.told {
            let sent = model.sent.iter().filter(|sent| sent.id == *by);
            prop_assert_eq!(sent.map(|sent| sent.at).collect::<Vec<_>>(), vec![*at]);
            let overtaken = model.told.iter().any(|(other, before, _)| {
                other.incident == it.incident && other.id < it.id && before > at
            });
            prop_assert!(!overtaken, "{} came before what it follows", it.id);
        }
        if let Some(cap) = limit.cap {
            for Told { at: from, .. } in &model.sent {
                let until = *from + cap.within;
                let near = model.sent.iter().filter(|it| *from <= it.at && it.at < until);
                let count = near.count();
                prop_assert!(count <= 10, "{count} SMS in ten minutes");
            }
        }
        // New incidents alone: five, and then one digest for each pause at most.
        let digests = || model.sent.iter().filter(|it| it.is_digest && !by_sms);
        for from in digests() {
            let until = from.at + limit.pause;
            prop_assert_eq!(digests().filter(|it| from.at <= it.at && it.at < until).count(), 1);
        }
    }
}
