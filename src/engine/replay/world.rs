//! A world in which a rulebook lives through the past.
//!
//! It keeps what the store keeps of checks and their incidents, and asks the rulebook what the store would
//! ask it; it decides nothing itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::deeds::{Deed, Deeds};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId, NotificationId, PersonId};
use crate::domain::incident::acting::Act;
use crate::domain::incident::retold::still_lasts;
use crate::domain::incident::{CheckState, Decision, DecisionKind, Owed, Transition};
use crate::domain::notice::NoticeKind;
use crate::domain::notification::Notification;
use crate::domain::policy::Recipient;
use crate::domain::restraint::{Actor, Silence};
use crate::domain::rota;
use crate::domain::run::Report;
use crate::domain::subject::Subject;
use crate::engine::judge::Rulebook;
use crate::notify::render;
use crate::store::care::{Caretaker as _, Case};
use crate::store::{Judge as _, remember};

/// A message that would have gone out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it would have been decided.
    pub at: Timestamp,
    /// Whom it would have told: of a rota, whoever was on duty then.
    pub recipient: Recipient,
    /// The check that it is about.
    pub check: CheckId,
    /// What it says, as a kind.
    pub kind: NoticeKind,
    /// What it says, in one line.
    pub text: String,
    /// Why, in a sentence.
    pub why: String,
}

/// What became of the acknowledgements that people made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cares {
    /// Those that found an incident open.
    pub applied: u64,
    /// Incidents that opened while the check was being taken care of.
    pub carried: u64,
    /// Those that found none.
    pub without: u64,
}

/// What a recipient knows of the present incident of a check.
#[derive(Debug, Default)]
struct Heard {
    /// Everyone who heard of it.
    of_it: BTreeSet<Recipient>,
    /// Who was told in place of a rota.
    instead: BTreeMap<Recipient, BTreeSet<PersonId>>,
}

/// A rulebook with all that it would have known.
#[derive(Debug)]
pub struct World<'a> {
    rulebook: &'a Rulebook,
    checks: BTreeSet<CheckId>,
    deeds: &'a Deeds,
    /// How many of the deeds are done.
    done: usize,
    /// Messages count from here on.
    from: Timestamp,
    now: Timestamp,
    states: HashMap<CheckId, CheckState>,
    silences: Vec<Silence>,
    /// The open incidents that time alone may change, by when; and the same the other way round.
    due: BTreeSet<(Timestamp, CheckId)>,
    due_of: HashMap<CheckId, Timestamp>,
    heard: HashMap<CheckId, Heard>,
    incidents: i64,
    limit: usize,
    /// The first messages, as many as are asked for.
    pub messages: Vec<Message>,
    /// How many there are for each recipient.
    pub counts: BTreeMap<Recipient, u64>,
    /// What became of acknowledgements.
    pub cares: Cares,
}

impl<'a> World<'a> {
    /// One in which nothing happened yet. Messages count from `from` on, and the first `limit` of them
    /// are kept.
    pub fn new(rulebook: &'a Rulebook, deeds: &'a Deeds, from: Timestamp, limit: usize) -> Self {
        Self {
            rulebook,
            checks: rulebook.checks().map(|check| check.id.clone()).collect(),
            deeds,
            done: 0,
            from,
            now: Timestamp::MIN_UTC,
            states: HashMap::new(),
            silences: Vec::new(),
            due: BTreeSet::new(),
            due_of: HashMap::new(),
            heard: HashMap::new(),
            incidents: 0,
            limit,
            messages: Vec::new(),
            counts: BTreeMap::new(),
            cares: Cares::default(),
        }
    }

    /// Whether its project has the check.
    pub fn has(&self, check: &CheckId) -> bool {
        self.checks.contains(check)
    }

    /// Whether what is decided at `at` counts.
    pub(super) fn counts(&self, at: Timestamp) -> bool {
        self.from <= at
    }

    /// A result that was stored at `at`.
    pub(super) fn result(&mut self, report: &Report, at: Timestamp) {
        self.pass(at);
        let check = &report.slot.check;
        if !self.has(check) {
            return;
        }
        let state = self.states.entry(check.clone()).or_default();
        let mut transition = self.rulebook.judge(state, report, &self.silences, at);
        if let Some(streak) = transition.streak.take() {
            state.streaks.insert(report.slot.region.clone(), streak);
        }
        if transition != Transition::default() {
            self.take(check, transition, at);
        }
    }

    /// Lets time go by up to `at`, with what it alone decides and what people did meanwhile.
    pub fn pass(&mut self, at: Timestamp) {
        loop {
            let due = self.due.first().map(|(due, _)| *due).filter(|due| *due <= at);
            let deed = self.deeds.all.get(self.done).map(|(when, _)| *when);
            let deed = deed.filter(|when| *when <= at);
            match (due, deed) {
                (Some(due), deed) if deed.is_none_or(|deed| due <= deed) => self.tend(),
                (_, Some(deed)) => {
                    self.now = self.now.max(deed);
                    self.happen();
                }
                _ => break,
            }
        }
        self.now = self.now.max(at);
    }

    /// Decides about the incident that is due first.
    fn tend(&mut self) {
        let Some((due, check)) = self.due.pop_first() else { return };
        self.due_of.remove(&check);
        self.now = self.now.max(due);
        let now = self.now;
        let tended = self.about(&check, |rulebook, case| Some(rulebook.tend(case, now)));
        if let Some(transition) = tended {
            self.take(&check, transition, now);
        }
    }

    /// Does what people did next.
    fn happen(&mut self) {
        let Some((_, deed)) = self.deeds.all.get(self.done) else { return };
        self.done += 1;
        let now = self.now;
        self.silences.retain(|silence| now < silence.until);
        match deed {
            Deed::Act(check, actor, act) => {
                let is_taken = self.act(check, (act, actor));
                if let Act::Acknowledge { .. } = act
                    && self.counts(now)
                    && self.has(check)
                {
                    let count =
                        if is_taken { &mut self.cares.applied } else { &mut self.cares.without };
                    *count += 1;
                }
            }
            Deed::Silence(silence) => self.silence(silence),
            Deed::SilenceOver => self.reconsider(),
        }
    }

    fn silence(&mut self, silence: &Silence) {
        self.silences.push(silence.clone());
        self.reconsider();
        let act = Act::Silenced { until: silence.until, reason: silence.reason.clone() };
        let mut open: Vec<CheckId> = self.due_of.keys().cloned().collect();
        open.sort_unstable();
        for check in open {
            let covered = self.about(&check, |rulebook, case| {
                rulebook.covers(&silence.scope, case).then(Transition::default)
            });
            if covered.is_some() {
                self.act(&check, (&act, &silence.by));
            }
        }
    }

    /// Has all open incidents looked at.
    fn reconsider(&mut self) {
        let now = self.now;
        let due = |(check, state): (&CheckId, &mut CheckState)| {
            let open = state.incident.as_mut()?;
            open.due_at = Some(now);
            Some(check.clone())
        };
        let open: Vec<CheckId> = self.states.iter_mut().filter_map(due).collect();
        for check in open {
            self.plan(&check, Some(now));
        }
    }

    /// Does something about the open incident of a check; says whether there is one and it is taken.
    fn act(&mut self, check: &CheckId, (act, actor): (&Act, &Actor)) -> bool {
        let now = self.now;
        let acted = self.about(check, |rulebook, case| rulebook.act(case, act, actor, now).ok());
        let is_taken = acted.is_some();
        if let Some(transition) = acted {
            self.take(check, transition, now);
        }
        is_taken
    }

    /// What a rulebook says of the open incident of a check, where there is one.
    fn about(
        &self,
        check: &CheckId,
        ask: impl FnOnce(&Rulebook, Case<'_>) -> Option<Transition>,
    ) -> Option<Transition> {
        let state = self.states.get(check).filter(|_| self.has(check))?;
        let subject = Subject::Check(check.clone());
        let open = state.incident.as_ref()?;
        let silences = &self.silences;
        ask(self.rulebook, Case { subject: &subject, open, state: Some(state), silences })
    }

    /// Looks at the incident of a check at `at` again.
    fn plan(&mut self, check: &CheckId, at: Option<Timestamp>) {
        if let Some(before) = self.due_of.remove(check) {
            self.due.remove(&(before, check.clone()));
        }
        if let Some(at) = at {
            self.due_of.insert(check.clone(), at);
            self.due.insert((at, check.clone()));
        }
    }

    /// Remembers what was decided about a check.
    fn take(&mut self, check: &CheckId, transition: Transition, now: Timestamp) {
        let Transition { incident, decisions, owed, .. } = transition;
        let decided = |kind| decisions.iter().any(|it: &Decision| it.kind == kind);
        if decided(DecisionKind::Opened) {
            self.heard.remove(check);
        }
        if let Some(mut incident) = incident {
            let state = self.states.entry(check.clone()).or_default();
            let open = state.incident.as_ref().and_then(|incident| incident.id);
            incident.id = incident.id.or(open).or_else(|| {
                self.incidents += 1;
                Some(IncidentId(self.incidents))
            });
            remember(state, &incident);
            self.plan(check, incident.due_at);
        }
        let why: Vec<&str> = decisions.iter().map(|decision| decision.reason.as_str()).collect();
        self.say(check, owed, &why.join("; "), now);
        if decided(DecisionKind::Opened) || decided(DecisionKind::Reopened) {
            self.go_on_caring(check, now);
        }
    }

    /// Acknowledges what has opened while somebody took care of the check.
    fn go_on_caring(&mut self, check: &CheckId, now: Timestamp) {
        let Some(care) = self.deeds.care_at(check, now) else { return };
        let Some(lasts) = still_lasts(care.meant_until, now) else { return };
        let act = Act::Acknowledge { reason: care.reason.clone(), lasts: Some(lasts) };
        if self.act(check, (&act, &care.by)) && self.counts(now) {
            self.cares.carried += 1;
        }
    }

    /// Notes who would have been told; nobody twice of the same.
    fn say(&mut self, check: &CheckId, owed: Vec<Owed>, why: &str, now: Timestamp) {
        let mut told = BTreeSet::new();
        for Owed { recipient, notice, .. } in owed {
            let (people, called) = self.called(check, &recipient, notice.kind, now);
            let why = match called {
                Some(called) => format!("{why}; {called}"),
                None => why.to_owned(),
            };
            for recipient in people {
                if !told.insert(recipient.clone()) {
                    continue;
                }
                let heard = self.heard.entry(check.clone()).or_default();
                let first_word = heard.of_it.insert(recipient.clone());
                if !self.counts(now) {
                    continue;
                }
                *self.counts.entry(recipient.clone()).or_default() += 1;
                if self.messages.len() < self.limit {
                    let kind = notice.kind;
                    let notification = Notification {
                        id: NotificationId(0),
                        incident: IncidentId(self.incidents),
                        recipient: recipient.clone(),
                        notice: notice.clone(),
                        first_word,
                        owed_at: now,
                        failures: 0,
                        possible_repeat: false,
                    };
                    let text = render::brief(&notification);
                    let (check, why) = (check.clone(), why.clone());
                    self.messages.push(Message { at: now, recipient, check, kind, text, why });
                }
            }
        }
    }

    /// Who is told in place of a recipient, and why they: of a rota, whoever is on duty, or of the end,
    /// those who were told in its place before.
    fn called(
        &mut self,
        check: &CheckId,
        recipient: &Recipient,
        kind: NoticeKind,
        now: Timestamp,
    ) -> (Vec<Recipient>, Option<String>) {
        let Some(call) = rota::call_for(self.rulebook.roster(), recipient, now) else {
            return (vec![recipient.clone()], None);
        };
        let heard = self.heard.entry(check.clone()).or_default();
        let before = heard.instead.entry(recipient.clone()).or_default();
        let people: Vec<PersonId> = if kind.is_end() && !before.is_empty() {
            before.iter().cloned().collect()
        } else {
            call.people
        };
        before.extend(people.iter().cloned());
        (people.into_iter().map(|it| recipient.handed_to(it)).collect(), Some(call.reason))
    }
}
