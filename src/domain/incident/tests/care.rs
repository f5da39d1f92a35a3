//! What keeps people from being told, what time alone does, and what people do.

use super::*;
use crate::domain::incident::acting::{Act, Refused, act};
use crate::domain::incident::telling::{Situation, finish};
use crate::domain::incident::tending::{Surroundings, due, tend};
use crate::domain::policy::Policy;
use crate::domain::restraint::{
    About, Actor, Maintenance, Quiet, Scope, Silence, SilenceId, Via, Window,
};

/// A check in `eu` with its rules, silences and maintenance, and what came of it.
struct Scene {
    story: Story,
    silences: Vec<Silence>,
    maintenance: Vec<Maintenance>,
    closed: Option<Incident>,
}

fn ana() -> Actor {
    Actor { name: "ana".into(), via: Via::Slack }
}

fn acknowledge(lasts: Option<u64>) -> Act {
    Act::Acknowledge { reason: None, lasts: lasts.map(Duration::from_mins) }
}

impl Scene {
    fn new(policy: Policy) -> Self {
        let story = Story::new(policy, &["eu"]);
        Self { story, silences: Vec::new(), maintenance: Vec::new(), closed: None }
    }

    fn with_tiers(tiers: &[(Condition, &str)]) -> Self {
        let tier = |(when, target): &(Condition, &str)| Tier {
            when: *when,
            notify: vec![Target::Slack((*target).into())],
        };
        Self::new(Policy { tiers: tiers.iter().map(tier).collect(), ..default_policy() })
    }

    fn silence(&mut self, minutes: i64) {
        let from = self.story.now;
        self.silences.push(Silence {
            id: SilenceId(1),
            scope: Scope::default(),
            reason: "deploy".into(),
            by: ana(),
            from,
            until: from + TimeDelta::minutes(minutes),
        });
    }

    fn quiet(&self) -> Quiet<'_> {
        Quiet { silences: &self.silences, maintenance: &self.maintenance }
    }

    fn later(&mut self, minutes: i64) {
        self.story.now += TimeDelta::minutes(minutes);
    }

    /// A result, 30 seconds later.
    fn tell(&mut self, outcome: Outcome) -> Transition {
        let open = self.story.state.incident.clone();
        let number = self.story.opened;
        let transition = self.story.tell(region("eu"), outcome);
        self.story.state.incident.clone_from(&open);
        // As the store has it before it numbers incidents.
        let mut raw = transition;
        if let Some(incident) = raw.incident.as_mut().filter(|_| open.is_none()) {
            incident.id = None;
        }
        self.story.opened = number;
        let subject = Subject::Check(self.story.check.id.clone());
        let situation = Situation {
            open: open.as_deref(),
            closed: self.closed.as_ref(),
            policy: Some(&self.story.policy),
            about: About { subject: &subject, labels: &self.story.check.labels, down: &[] },
            quiet: self.quiet(),
            now: self.story.now,
        };
        let transition = finish(raw, situation);
        self.keep(transition)
    }

    fn keep(&mut self, mut transition: Transition) -> Transition {
        if let Some(incident) = &mut transition.incident {
            if incident.id.is_none() {
                self.story.opened += 1;
                incident.id = Some(IncidentId(self.story.opened));
            }
            if incident.resolved_at.is_some() {
                self.closed = Some(incident.clone());
                self.story.state.incident = None;
            } else {
                self.closed = None;
                self.story.state.incident = Some(Box::new(incident.clone()));
            }
        }
        transition
    }

    fn around<'a>(&'a self, subject: &'a Subject, notice: &'a Notice) -> Surroundings<'a> {
        Surroundings {
            policy: Some(&self.story.policy),
            roster: &self.story.roster,
            about: About { subject, labels: &self.story.check.labels, down: &notice.down },
            notice,
            quiet: self.quiet(),
        }
    }

    fn open(&self) -> (Incident, Subject, Notice) {
        let open = self.story.state.incident.clone().expect("an open incident");
        let notice = open.story.notice.clone().expect("a notice");
        (*open, Subject::Check(self.story.check.id.clone()), notice)
    }

    fn tend(&mut self) -> Transition {
        let down = self.open().2.down;
        self.tend_down(&down)
    }

    fn tend_down(&mut self, down: &[Region]) -> Transition {
        let (open, subject, mut notice) = self.open();
        notice.down = down.to_vec();
        let transition = tend(&open, self.around(&subject, &notice), self.story.now);
        self.keep(transition)
    }

    fn act(&mut self, what: &Act) -> Result<Transition, Refused> {
        self.act_by(&ana(), what)
    }

    fn act_by(&mut self, actor: &Actor, what: &Act) -> Result<Transition, Refused> {
        let (open, subject, notice) = self.open();
        let done = act(&open, (what, actor), self.around(&subject, &notice), self.story.now)?;
        Ok(self.keep(done))
    }

    /// In how many seconds time alone changes something.
    fn due_in(&self) -> Option<i64> {
        let (open, subject, _) = self.open();
        let about = About { subject: &subject, labels: &self.story.check.labels, down: &[] };
        let at = due(&open, Some(&self.story.policy), (about, self.quiet()), self.story.now);
        at.map(|at| (at - self.story.now).num_seconds())
    }
}

fn note(transition: &Transition) -> &str {
    transition.owed[0].notice.note.as_deref().expect("a note")
}

const NOBODY: &str = "not_told 1";

#[test]
fn an_acknowledged_incident_wakes_nobody_until_that_is_forgotten() {
    let mut scene = Scene::new(default_policy());
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), OPENED);
    let told = scene.act(&acknowledge(Some(60))).expect("acknowledged");
    assert_eq!(in_words(&told), "acknowledged 1: slack:#p2");
    assert_eq!(note(&told), "acknowledged by ana (Slack) until 2026-11-21 04:00:30 UTC");
    let second = scene.tell(Outcome::Failed);
    assert_eq!(in_words(&second), NOBODY);
    let why = "2 failures in a row in eu: tier 2 of policy p2-then-p1 tells slack:#p1, sms:ana, \
               sms:bo, but nobody is told: acknowledged by ana (Slack) until 2026-11-21 04:00:30 \
               UTC";
    assert_eq!(reason(&second), why);
    assert_eq!(scene.due_in(), Some(3570));
    assert_eq!(in_words(&scene.tend()), "-");
    scene.later(60);
    let woken = scene.tend();
    assert_eq!(in_words(&woken), "left_alone reminded 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    assert!(note(&woken).starts_with("the acknowledgement by ana (Slack) is over after 1h, and"));
    assert_eq!(scene.due_in(), None);
    let over = scene.tell(Outcome::Passed);
    assert_eq!(in_words(&over), "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo");
}

#[test]
fn whoever_takes_it_back_has_all_told_again() {
    let mut scene = Scene::new(default_policy());
    scene.tell(Outcome::Failed);
    assert_eq!(scene.act(&Act::TakeBack), Err(Refused::NotAcknowledged));
    scene.act(&acknowledge(None)).expect("acknowledged");
    scene.tell(Outcome::Failed);
    assert_eq!(in_words(&scene.act(&Act::TakeBack).expect("done")), "left_alone 1: slack:#p2");
    assert_eq!(scene.due_in(), Some(0));
    assert_eq!(scene.act(&Act::TakeBack), Err(Refused::NotAcknowledged), "once is enough");
    let woken = in_words(&scene.tend());
    assert_eq!(woken, "left_alone reminded 1: slack:#p2 slack:#p1 sms:ana sms:bo");
}

#[test]
fn whoever_takes_over_says_from_whom() {
    let mut scene = Scene::new(default_policy());
    scene.tell(Outcome::Failed);
    scene.act(&acknowledge(Some(60))).expect("acknowledged");
    let again = scene.act(&acknowledge(Some(120))).expect("acknowledged");
    assert_eq!(note(&again), "acknowledged by ana (Slack) until 2026-11-21 05:00:30 UTC");
    let bo = Actor { name: "bo".into(), via: Via::Sms };
    let over = scene.act_by(&bo, &acknowledge(Some(60))).expect("acknowledged");
    let said = "acknowledged by bo (SMS) until 2026-11-21 04:00:30 UTC, in place of ana (Slack)";
    assert_eq!(note(&over), said);
}

#[test]
fn what_fails_under_a_silence_is_told_when_that_ends() {
    let mut scene = Scene::new(default_policy());
    scene.silence(10);
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), "opened 1");
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), NOBODY);
    assert_eq!(scene.due_in(), Some(540));
    assert_eq!(in_words(&scene.tend()), "-");
    scene.later(9);
    let told = scene.tend();
    assert_eq!(in_words(&told), "reminded 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    let said = "still fails after: silenced by ana (Slack) until 2026-11-21 03:10:00 UTC: deploy";
    assert_eq!(note(&told), said);
    assert_eq!(in_words(&scene.tend()), "-");
}

#[test]
fn what_recovers_under_a_silence_was_never_told() {
    let mut scene = Scene::new(default_policy());
    scene.silence(10);
    scene.tell(Outcome::Failed);
    assert_eq!(in_words(&scene.tell(Outcome::Passed)), "resolved 1");
}

#[test]
fn maintenance_begins_and_ends_while_it_fails() {
    let mut scene = Scene::new(default_policy());
    let (from, until) = (start() + TimeDelta::seconds(45), start() + TimeDelta::minutes(30));
    scene.maintenance.push(Maintenance {
        name: "db".into(),
        scope: Scope::default(),
        window: Window::Once { from, until },
    });
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), OPENED);
    let second = scene.tell(Outcome::Failed);
    assert_eq!(in_words(&second), NOBODY);
    assert!(reason(&second).ends_with("maintenance `db` until 2026-11-21 03:30:00 UTC"));
    assert_eq!(scene.due_in(), Some(0), "that it goes on through it is taken down");
    scene.tend();
    scene.later(29);
    let told = scene.tend();
    assert_eq!(in_words(&told), "reminded 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    let why = "still fails after: maintenance `db` until 2026-11-21 03:30:00 UTC";
    assert_eq!(note(&told), why, "said once");
    assert_eq!((in_words(&scene.tend()).as_str(), scene.due_in()), ("-", None));
}

/// A maintenance that begins a minute after the first failure and lasts for ten.
fn maintained() -> Scene {
    let mut scene = Scene::new(default_policy());
    let from = start() + TimeDelta::minutes(2);
    scene.maintenance.push(Maintenance {
        name: "db".into(),
        scope: Scope::default(),
        window: Window::Once { from, until: from + TimeDelta::minutes(10) },
    });
    scene.tell(Outcome::Failed);
    scene.tell(Outcome::Failed);
    scene
}

#[test]
fn what_was_told_before_a_maintenance_is_told_again_at_its_end() {
    let mut scene = maintained();
    let begins = scene.due_in().expect("it begins");
    scene.story.now += TimeDelta::seconds(begins);
    assert_eq!(in_words(&scene.tend()), "1");
    let ends = scene.due_in().expect("it ends");
    scene.story.now += TimeDelta::seconds(ends);
    let told = scene.tend();
    assert_eq!(in_words(&told), "reminded 1: slack:#p2 slack:#p1 sms:ana sms:bo");
    assert!(note(&told).starts_with("still fails after: maintenance `db`"), "{}", note(&told));
    assert_eq!((in_words(&scene.tend()).as_str(), scene.due_in()), ("-", None), "once");
}

#[test]
fn a_maintenance_of_a_region_does_not_end_when_another_goes_down_too() {
    let mut scene = maintained();
    scene.maintenance[0].scope = Scope { regions: [region("eu")].into(), ..Scope::default() };
    let (here, both) = ([region("eu")], [region("eu"), region("us")]);
    scene.later(2);
    assert_eq!(in_words(&scene.tend_down(&here)), "1");
    for _ in 0..2 {
        scene.later(1);
        let told = scene.tend_down(&both);
        assert!(told.owed.is_empty(), "it is not over: {told:?}");
        scene.tend_down(&here);
    }
    scene.later(10);
    let told = scene.tend_down(&here);
    assert!(note(&told).starts_with("still fails after: maintenance `db`"), "{}", note(&told));
    assert!(scene.tend_down(&here).owed.is_empty(), "once");
}

#[test]
fn a_run_by_hand_that_ends_after_it_all_is_told_in_threads_alone() {
    let mut scene = Scene::new(default_policy());
    scene.tell(Outcome::Failed);
    scene.tell(Outcome::Failed);
    let (mut open, subject, notice) = scene.open();
    open.told.insert(Recipient::Webhook("tickets".into()));
    let ran = Act::Ran { deed: "ran it: passed in eu".into() };
    let told = |open: &Incident, at| {
        let done = act(open, (&ran, &ana()), scene.around(&subject, &notice), at);
        done.expect("noted").owed.into_iter().map(|it| it.recipient.to_string()).collect::<Vec<_>>()
    };
    let now = scene.story.now;
    assert!(told(&open, now).contains(&"webhook:tickets".to_owned()));
    open.resolved_at = Some(now);
    assert_eq!(told(&open, now), ["slack:#p1", "slack:#p2"]);
}

#[test]
fn what_somebody_takes_care_of_is_not_told_again_at_the_end_of_a_maintenance() {
    let mut scene = maintained();
    scene.later(2);
    scene.tend();
    scene.act(&acknowledge(Some(600))).expect("acknowledged");
    scene.later(10);
    assert_eq!(in_words(&scene.tend()), "1");
    assert_eq!(
        in_words(&scene.tell(Outcome::Passed)),
        "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo"
    );
}

#[test]
fn what_was_taken_back_is_called_so_and_said_once() {
    let mut scene = Scene::new(default_policy());
    scene.tell(Outcome::Failed);
    scene.act(&acknowledge(None)).expect("acknowledged");
    scene.story.now += TimeDelta::milliseconds(71_500);
    scene.act(&Act::TakeBack).expect("taken back");
    let told = scene.tend();
    let why = "the acknowledgement by ana (Slack) was taken back after 1m12s";
    let reasons: Vec<&str> = told.decisions.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, [why, "it still fails: tier 1 told, which is slack:#p2"]);
    assert_eq!(note(&told), format!("{why}, and it still fails"));
}

#[test]
fn what_has_no_policy_tells_those_it_would_have_told() {
    let (eu, now) = (region("eu"), start());
    let cause = Cause::new(eu.clone(), "no agent");
    let p2 = Recipient::Slack("#p2".into());
    let opened = Incident {
        tiers: [1].into(),
        told: [p2.clone()].into(),
        ..Incident::opening(now, now, cause)
    };
    let subject = Subject::Region(eu);
    let mut scene = Scene::new(default_policy());
    scene.silence(10);
    let notice = Notice { kind: NoticeKind::Blind, ..a_notice(&subject) };
    let owed = vec![Owed { recipient: p2, notice: notice.clone(), telling: 0 }];
    let about = About { subject: &subject, labels: &scene.story.check.labels, down: &[] };
    let situation =
        Situation { open: None, closed: None, policy: None, about, quiet: scene.quiet(), now };
    let transition = Transition { incident: Some(opened), owed, ..Transition::default() };
    let held = finish(transition, situation).incident.expect("opened");
    assert!(held.told.is_empty());
    let roster = roster();
    let quiet = scene.quiet();
    let around = Surroundings { policy: None, roster: &roster, about, notice: &notice, quiet };
    let told = tend(&held, around, held.due_at.expect("due"));
    assert_eq!(told.owed[0].recipient.to_string(), "slack:#p2");
    assert_eq!(told.owed[0].notice.kind, NoticeKind::Blind);
}

fn a_notice(subject: &Subject) -> Notice {
    Notice {
        error: "no agent".into(),
        ..Notice::new(NoticeKind::Blind, subject.clone(), region("eu"), start())
    }
}

#[test]
fn time_reaches_tiers() {
    let minutes = Duration::from_mins;
    let mut scene = Scene::with_tiers(&[
        (Condition::FailuresInARow(1), "#p2"),
        (Condition::UnacknowledgedFor(minutes(10)), "#lead"),
        (Condition::OpenFor(minutes(60)), "#boss"),
    ]);
    scene.tell(Outcome::Failed);
    assert_eq!(scene.due_in(), Some(600));
    scene.later(10);
    let told = scene.tend();
    assert_eq!(in_words(&told), "escalated 1: slack:#lead");
    assert_eq!(note(&told), "tier 2: 10m without an acknowledgement");
    assert_eq!(scene.due_in(), Some(3000));
    scene.act(&acknowledge(Some(100))).expect("acknowledged");
    scene.later(50);
    assert_eq!(in_words(&scene.tend()), NOBODY);
    scene.later(50);
    let all = "left_alone reminded 1: slack:#p2 slack:#lead slack:#boss";
    assert_eq!(in_words(&scene.tend()), all);
}

#[test]
fn an_acknowledged_incident_is_not_unacknowledged() {
    let mut scene = Scene::with_tiers(&[
        (Condition::FailuresInARow(1), "#p2"),
        (Condition::UnacknowledgedFor(Duration::from_mins(10)), "#lead"),
    ]);
    scene.tell(Outcome::Failed);
    scene.act(&acknowledge(Some(30))).expect("acknowledged");
    assert_eq!(scene.due_in(), Some(1800));
    scene.later(30);
    assert_eq!(in_words(&scene.tend()), "left_alone reminded 1: slack:#p2");
    // Counted from when it was left alone.
    assert_eq!(scene.due_in(), Some(600));
}

#[test]
fn people_are_reminded_while_nobody_takes_care() {
    let every = Some(Duration::from_mins(15));
    let mut scene = Scene::new(Policy { repeat_every: every, ..default_policy() });
    scene.tell(Outcome::Failed);
    scene.tell(Outcome::Failed);
    assert_eq!(scene.due_in(), Some(900));
    scene.later(15);
    let told = scene.tend();
    assert_eq!(in_words(&told), "reminded 1: slack:#p1 sms:ana sms:bo");
    assert_eq!(note(&told), "still fails after 15m30s");
    assert_eq!(told.owed[0].telling, 3);
    scene.act(&acknowledge(Some(60))).expect("acknowledged");
    assert_eq!(scene.due_in(), Some(3600));
}

#[test]
fn what_fails_again_soon_is_the_same_incident() {
    let mut scene = Scene::new(default_policy());
    for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Passed] {
        scene.tell(outcome);
    }
    let again = scene.tell(Outcome::Failed);
    assert_eq!(in_words(&again), "reopened 1: slack:#p2");
    assert_eq!(note(&again), "fails again 30s after it was over, for the 2nd time");
    // A second failure in a row is one, and wakes people again.
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), ESCALATED);
    let over = "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo";
    assert_eq!(in_words(&scene.tell(Outcome::Passed)), over);
    scene.later(10);
    assert_eq!(in_words(&scene.tell(Outcome::Failed)), "opened 2: slack:#p2");
}

#[test]
fn failures_count_among_the_last_runs() {
    let three_of_five = Condition::FailuresOfLast { failures: 3, of_last: 5 };
    let mut scene = Scene::with_tiers(&[(three_of_five, "#p2")]);
    let mut told = Vec::new();
    for letter in ["fail", "pass", "fail", "unknown", "pass", "fail"] {
        told.push(in_words(&scene.tell(outcome_of(letter))));
    }
    assert_eq!(told, ["not_told", "-", "not_told", "-", "-", "opened 1: slack:#p2"]);
}

#[test]
fn people_close_annotate_and_are_refused() {
    let mut scene = Scene::new(default_policy());
    scene.tell(Outcome::Failed);
    scene.tell(Outcome::Failed);
    let said = scene.act(&Act::Note { text: "the database".into() }).expect("noted");
    assert_eq!(in_words(&said), "noted 1: slack:#p1 slack:#p2");
    assert_eq!(note(&said), "ana (Slack): the database");
    let short = Act::Acknowledge { reason: None, lasts: Some(Duration::from_secs(1)) };
    assert_eq!(scene.act(&short), Err(Refused::Length));
    let closed = scene.act(&Act::Resolve { reason: Some("rolled back".into()) }).expect("closed");
    assert_eq!(in_words(&closed), "resolved 1: slack:#p1 slack:#p2 sms:ana sms:bo");
    assert_eq!(closed.owed[0].notice.kind, NoticeKind::Closed);
    assert_eq!(reason(&closed), "closed by ana (Slack): rolled back");
    // It still fails: nobody should believe that it is over.
    assert_eq!(
        in_words(&scene.tell(Outcome::Failed)),
        "reopened 1: slack:#p2 slack:#p1 sms:ana sms:bo"
    );
}
