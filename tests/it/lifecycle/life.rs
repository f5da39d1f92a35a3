//! A life of incidents: events are told to a real store by the rules of a project, and what must hold
//! between any two of them is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;
use tripline::domain::Timestamp;
use tripline::domain::id::IncidentId;
use tripline::domain::incident::acting::Act;
use tripline::domain::incident::{Change, DecisionKind, Transition};
use tripline::domain::notice::NoticeKind;
use tripline::domain::policy::Recipient;
use tripline::domain::restraint::{Actor, SilenceId, Via};
use tripline::domain::run::{Failure, FailureKind, Outcome, Report, Trace};
use tripline::domain::slot::Slot;
use tripline::domain::subject::Subject;
use tripline::engine::judge::Rulebook;
use tripline::store::care::{Acted, Care as _, NewSilence};
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{IncidentFilter, Store as _};

use super::{Between, CHECKS, Event, Project, check_id, region, start};

/// A store, the rules, and what was decided.
pub(super) struct Life {
    folder: TempDir,
    store: Option<SqliteStore>,
    rulebook: Rulebook,
    pub(super) now: Timestamp,
    /// All that was owed, in order: when, to whom, of what.
    pub(super) owed: Vec<String>,
    /// Each result that was recorded, with when.
    pub(super) recorded: Vec<(Report, Timestamp)>,
    promises: BTreeMap<Subject, Promise>,
}

/// What is known of the open incident of a subject.
#[derive(Default)]
struct Promise {
    open: bool,
    tiers: BTreeSet<u32>,
    told: BTreeSet<Recipient>,
    /// Until when somebody takes care.
    acknowledged: Option<Timestamp>,
}

async fn open(folder: &Path) -> SqliteStore {
    let holder = Holder { command: "a test".into(), since: start() };
    SqliteStore::open(&folder.join("t.db"), &holder).await.expect("opened")
}

impl Life {
    pub(super) async fn begin(project: &Project) -> Self {
        // In memory where that is possible: disks are slow, and nothing here is about them.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let store = Some(open(folder.path()).await);
        Self {
            folder,
            store,
            rulebook: project.rulebook(),
            now: start(),
            owed: Vec::new(),
            recorded: Vec::new(),
            promises: BTreeMap::new(),
        }
    }

    pub(super) fn store(&self) -> &SqliteStore {
        self.store.as_ref().expect("it is open")
    }

    /// All that was owed as the store has it, in no order: when, to whom, of which check, what.
    pub(super) async fn told(&self) -> Vec<String> {
        let filter = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
        let mut told = Vec::new();
        for record in self.store().incidents(&filter).await.expect("read") {
            let history = self.store().incident(record.id).await.expect("read");
            for it in history.expect("it is there").notifications {
                let (it, about) = (it.notification, record.subject.name());
                let kind = it.notice.kind.as_str();
                told.push(format!("{} {} {about} {kind}", it.owed_at, it.recipient));
            }
        }
        told.sort_unstable();
        told
    }

    pub(super) async fn live(&mut self, project: &Project, events: &[Event], between: Between) {
        for event in events {
            match between {
                Between::Nothing => {}
                Between::Reload => {
                    self.rulebook = project.rulebook();
                    self.store().reconsider(self.now).await.expect("stored");
                    self.tend().await;
                }
                Between::Restart => {
                    self.store.take().expect("it is open").close().await;
                    self.store = Some(open(self.folder.path()).await);
                    self.store().reconsider(self.now).await.expect("stored");
                    self.tend().await;
                }
            }
            // All slots are whole minutes apart from those of other regions and checks.
            self.pass(TimeDelta::seconds(30)).await;
            self.happen(event).await;
            self.tend().await;
            self.look().await;
        }
    }

    /// Lets time go by, with whatever it alone changes.
    pub(super) async fn pass(&mut self, time: TimeDelta) {
        let end = self.now + time;
        while let Some(due) =
            self.store().next_tending().await.expect("read").filter(|it| *it < end)
        {
            self.now = due.max(self.now);
            self.tend().await;
        }
        self.now = end;
        self.tend().await;
    }

    /// Has all decided that is due.
    pub(super) async fn tend(&mut self) {
        for _ in 0..20 {
            let changes = self.store().tend(&self.rulebook, 200, self.now).await.expect("stored");
            for Change { subject, transition } in changes {
                self.hear(&subject, &transition);
            }
            let next = self.store().next_tending().await.expect("read");
            if next.is_none_or(|next| next > self.now) {
                return;
            }
        }
        panic!("at {} something is due again and again", self.now);
    }

    async fn happen(&mut self, event: &Event) {
        // Two people take incidents over from each other.
        let is_second = matches!(event, Event::Acknowledge(_, lasts) if lasts % 2 == 1);
        let name = if is_second { "finn" } else { "eva" };
        let actor = Actor { name: name.into(), via: Via::Cli };
        let minutes = |count: i64| TimeDelta::minutes(count);
        match event {
            Event::Result(check, place, outcome) => {
                let report = report(*check, *place, self.now, *outcome);
                self.record(report).await;
            }
            Event::Wait(count) => self.pass(minutes((*count).into())).await,
            Event::Acknowledge(check, lasts) => {
                let lasts = Some(Duration::from_mins(*lasts));
                self.act(*check, &Act::Acknowledge { reason: None, lasts }, &actor).await;
            }
            Event::TakeBack(check) => self.act(*check, &Act::TakeBack, &actor).await,
            Event::Resolve(check) => self.act(*check, &Act::Resolve { reason: None }, &actor).await,
            Event::Note(check) => {
                self.act(*check, &Act::Note { text: "it is the database".into() }, &actor).await;
            }
            Event::Silence(scope, lasts) => {
                let until = self.now + minutes(*lasts);
                let wanted = NewSilence {
                    scope: scope.clone(),
                    reason: "a deploy".into(),
                    by: actor,
                    until,
                };
                let begun = self.store().silence(&wanted, &self.rulebook, self.now).await;
                begun.expect("stored");
            }
            Event::EndSilence(number) => {
                let ended = self.store().end_silence(SilenceId(*number), self.now).await;
                ended.expect("stored");
            }
        }
    }

    pub(super) async fn record(&mut self, report: Report) {
        let reports = std::slice::from_ref(&report);
        let recorded = self.store().record(reports, &self.rulebook, self.now).await;
        let subject = Subject::Check(report.slot.check.clone());
        for one in recorded.expect("stored") {
            self.hear(&subject, &one.transition);
        }
        self.recorded.push((report, self.now));
    }

    async fn act(&mut self, check: usize, act: &Act, actor: &Actor) {
        let filter = IncidentFilter {
            check: Some(check_id(check)),
            open_only: true,
            limit: 10,
            ..IncidentFilter::default()
        };
        let open = self.store().incidents(&filter).await.expect("read");
        let Some(open) = open.first() else { return };
        let acted = self.store().act(open.id, (act, actor), &self.rulebook, self.now).await;
        if let Acted::Done(change) = acted.expect("stored") {
            let Change { subject, transition } = *change;
            self.hear(&subject, &transition);
        }
    }

    /// Takes down what was decided, and holds the promises about it.
    fn hear(&mut self, subject: &Subject, transition: &Transition) {
        let now = self.now;
        let promise = self.promises.entry(subject.clone()).or_default();
        let decided = |kind| transition.decisions.iter().any(|it| it.kind == kind);
        if decided(DecisionKind::Opened) || decided(DecisionKind::Reopened) {
            assert!(!promise.open, "{now}: a second incident about {subject}");
            let told = std::mem::take(&mut promise.told);
            *promise = Promise { open: true, ..Promise::default() };
            if decided(DecisionKind::Reopened) {
                promise.told = told;
            }
        }
        let alarms = transition.owed.iter().filter(|it| it.notice.kind.is_alarm());
        let alarms: Vec<&Recipient> = alarms.map(|owed| &owed.recipient).collect();
        // Nobody is paged after the end.
        assert!(alarms.is_empty() || promise.open, "{now}: {subject} is over: {alarms:?}");
        if let Some(incident) = &transition.incident {
            if promise.open && incident.resolved_at.is_none() {
                // Tiers only rise.
                let lost: Vec<_> = promise.tiers.difference(&incident.tiers).collect();
                assert!(lost.is_empty(), "{now}: tiers {lost:?} are no longer reached");
                promise.tiers.clone_from(&incident.tiers);
            }
            let until = incident.story.acknowledged.as_ref().map(|it| it.until);
            promise.acknowledged = until.filter(|until| *until > now);
        }
        if promise.acknowledged.is_some_and(|until| now < until) {
            // Of what is acknowledged, nothing is decided that wakes anybody.
            assert!(alarms.is_empty(), "{now}: {subject} is acknowledged: {alarms:?}");
        }
        let mut ended = BTreeSet::new();
        for owed in &transition.owed {
            let (to, kind) = (&owed.recipient, owed.notice.kind);
            match kind {
                NoticeKind::Failing { .. } | NoticeKind::Blind => {
                    promise.told.insert(to.clone());
                }
                NoticeKind::Acknowledged | NoticeKind::Noted => {
                    assert!(matches!(to, Recipient::Slack(_)), "{now}: {to} is woken by {kind:?}");
                    assert!(promise.told.contains(to), "{now}: {to} never heard of {subject}");
                }
                _ => assert!(ended.insert(to.clone()), "{now}: {to} is told twice"),
            }
            let note = owed.notice.note.clone().unwrap_or_default();
            self.owed.push(format!("{now} {to} {} {note} #{}", kind.as_str(), owed.telling));
        }
        if transition.incident.as_ref().is_some_and(|it| it.resolved_at.is_some()) {
            // The end is told to those who were told of the beginning, and to nobody else.
            assert_eq!(ended, promise.told, "{now}: the end of {subject}");
            promise.open = false;
            promise.acknowledged = None;
        }
    }

    /// What the store shows agrees with what was decided.
    async fn look(&self) {
        let filter = IncidentFilter { open_only: true, limit: 100, ..IncidentFilter::default() };
        let open = self.store().incidents(&filter).await.expect("read");
        let subjects: BTreeSet<String> = open.iter().map(|it| it.subject.to_string()).collect();
        assert_eq!(subjects.len(), open.len(), "one open incident for each subject");
        let known = self.promises.iter().filter(|(_, it)| it.open);
        let known: BTreeSet<String> = known.map(|(subject, _)| subject.to_string()).collect();
        assert_eq!(subjects, known);
    }

    /// All decisions and notifications of all incidents.
    pub(super) async fn stored(&self) -> Vec<String> {
        let filter = IncidentFilter { limit: 1000, ..IncidentFilter::default() };
        let mut incidents = self.store().incidents(&filter).await.expect("read");
        incidents.sort_by_key(|it| it.id);
        let mut all = Vec::new();
        for IncidentId(id) in incidents.into_iter().map(|it| it.id) {
            let history = self.store().incident(IncidentId(id)).await.expect("read");
            let history = history.expect("it is there");
            all.push(format!("{:?}", history.record));
            all.extend(history.decisions.iter().map(|it| format!("{id} {it:?}")));
            all.extend(history.notifications.iter().map(|it| format!("{id} {it:?}")));
        }
        for number in 0..CHECKS.len() {
            let decided = self.store().decisions(&check_id(number), 10_000).await.expect("read");
            all.extend(decided.iter().map(|it| format!("{it:?}")));
        }
        all
    }
}

fn report(check: usize, place: usize, at: Timestamp, outcome: Outcome) -> Report {
    let failure = match outcome {
        Outcome::Passed => None,
        Outcome::Failed => {
            Some(Failure::new(FailureKind::Expectation, "expected 200, received 503"))
        }
        Outcome::Unknown => Some(Failure::new(FailureKind::Overload, "no capacity")),
    };
    Report {
        slot: Slot { check: check_id(check), region: region(place), at },
        started_at: at,
        duration: Duration::from_millis(1),
        failure,
        trace: Trace::default(),
        clock_ahead: TimeDelta::zero(),
    }
}
