//! Drills: whether messages still arrive where people are to be told, found out before it matters.
//!
//! A path is every recipient that a policy, a rule or the fallback leads to, with all ways of every person
//! among them. From time to time each is sent a harmless message as any other is sent, and what comes of
//! that, or of any other message to the same recipient, is the proof.
//!
//! | the path | then it is |
//! |---|---|
//! | its channel has no credentials, so that messages are only shown | printed: it is no path, and only named |
//! | its channel, or the service it leads to, refuses our credentials | broken |
//! | its last drill did not arrive, and nothing has since | failed |
//! | nothing has arrived for [`Plan::proven_within`], nor was it drilled for the first time since | unproven, unless a drill of the last [`LATE`] is on its way or one round was left out |
//! | its last drill is on its way, or its arrival is still to be told | waiting |
//! | something has arrived | proven |
//! | none of these, as where nothing is scheduled | untried |
//!
//! | incident | condition | then |
//! |---|---|---|
//! | none about the path | failed or unproven, and no broken path covers it | open one |
//! | none about the broken path | broken | open one |
//! | about a path | something has arrived since it was opened, or it stands as proven | resolve |
//! | about a broken path | something was sent by it | resolve |
//! | about a path | nobody is told by it any more | resolve as no longer watched |
//!
//! Told are those of the first tier of the project's policy, by other paths where there are any; a rota takes
//! every path by which it may call somebody.
//! A round that could not begin within [`LATE`] of its time is left out: nobody wants an SMS at night because
//! a hub was down at noon.

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;

pub use self::changes::round;
use self::changes::{broken, end, ended, opened};
use super::id::{IncidentId, Region};
use super::incident::{Change, Incident};
use super::notification::NotificationState;
use super::path::{Breakage, Path};
use super::policy::{Channel, Recipient, Roster, Target};
use super::proof::Status;
use super::rule::span;
use super::schedule::Cron;
use super::subject::Subject;
use super::succession::Order;
use super::{Timestamp, after};

/// A round that could not begin so long after its time is left out.
pub const LATE: TimeDelta = TimeDelta::hours(1);

/// When paths are drilled, and how long a proof holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// When.
    pub schedule: Cron,
    /// Which paths: those by these channels.
    pub channels: BTreeSet<Channel>,
    /// So long a path counts as proven by what arrived.
    pub proven_within: Duration,
}

impl Plan {
    /// When paths are drilled, where that is not written: Mondays at ten.
    pub const SCHEDULE: &str = "0 10 * * 1";
    /// How long a proof holds, where that is not written: a week, and a day to do something about it.
    pub const PROVEN_WITHIN: Duration = Duration::from_hours(8 * 24);
}

/// By what a project decides about paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    /// When they are drilled, if they are.
    pub plan: Option<Plan>,
    /// All of them.
    pub paths: BTreeSet<Recipient>,
    /// Those whose messages are only shown where the hub runs, and what is missing: no paths.
    pub printed: BTreeMap<Recipient, String>,
    /// Whom each stage of the project's policy tells, the mildest first.
    pub tiers: Vec<Vec<Target>>,
    /// Who is told when nobody else can be.
    pub fallback: Vec<Target>,
    /// People, teams and rotas.
    pub roster: Roster,
    /// Who is reached by credentials of their own, as [`Order::apart`] says.
    pub apart: BTreeSet<Recipient>,
}

impl Terms {
    /// Terms for whoever `targets` lead to: of rotas everyone who may ever be called, of each person all
    /// ways, and of those who are reached by what `reaches` says is set up. Others are named with what
    /// `lack` says is missing.
    pub fn of<'a>(
        targets: impl IntoIterator<Item = &'a Target>,
        roster: Roster,
        order: &Order,
        (reaches, lack): (impl Fn(&Recipient) -> bool, impl Fn(&Recipient) -> Option<String>),
    ) -> Self {
        let (mut paths, mut printed) = (BTreeSet::new(), BTreeMap::new());
        for recipient in targets.into_iter().flat_map(|target| roster.recipients(target)) {
            for recipient in called(&roster, &recipient) {
                let person = order.person(&recipient).cloned();
                paths.extend(person.into_iter().flat_map(|person| order.ways_of(&person)));
                printed.extend(lack(&recipient).map(|lack| (recipient.clone(), lack)));
                paths.insert(recipient);
            }
        }
        paths.retain(reaches);
        printed.retain(|path, _| !paths.contains(path));
        Self { paths, printed, roster, apart: order.apart.clone(), ..Self::default() }
    }

    /// Those of `broken` by which somebody is to be told still.
    pub fn broken_in_use<'a>(
        &'a self,
        broken: &'a [Breakage],
    ) -> impl Iterator<Item = &'a Breakage> {
        broken.iter().filter(|it| self.is_used(&it.path))
    }

    /// Whether messages to `recipient` take `path`.
    fn takes(&self, recipient: &Recipient, path: &Path) -> bool {
        let is_apart = path.recipient().is_none() && self.apart.contains(recipient);
        path.reaches(recipient) && !is_apart
    }

    /// Whether anybody is told by `path`.
    fn is_used(&self, path: &Path) -> bool {
        self.paths.iter().any(|recipient| self.takes(recipient, path))
    }

    /// Whether what is told to `recipient` may take `path`, whoever is on duty.
    fn may_take(&self, recipient: &Recipient, path: &Path) -> bool {
        called(&self.roster, recipient).iter().any(|called| self.takes(called, path))
    }

    /// Whether, as far as rounds began at `mark`, the last one before `now` was left out, and that one alone.
    fn has_left_one_out(&self, mark: Option<Timestamp>, now: Timestamp) -> bool {
        let past = |at: &Timestamp| *at <= now - LATE;
        let first = mark.and_then(|mark| self.next_round(mark)).filter(past);
        first.is_some_and(|first| !self.next_round(first).is_some_and(|next| past(&next)))
    }

    /// Whether a path is drilled.
    fn is_drilled(&self, path: &Recipient) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.channels.contains(&path.channel()))
    }

    /// The paths that are drilled and were not, and those that were and are not.
    fn drilled_anew(&self, known: &Known) -> Vec<(Recipient, bool)> {
        let was = |path: &Recipient| {
            known.records.get(path).is_some_and(|record| record.drilled_since.is_some())
        };
        let paths = self.paths.iter().map(|path| (path, self.is_drilled(path)));
        let changed = paths.filter(|(path, is_drilled)| was(path) != *is_drilled);
        changed.map(|(path, is_drilled)| (path.clone(), is_drilled)).collect()
    }

    /// When the first round after `moment` is.
    pub fn next_round(&self, moment: Timestamp) -> Option<Timestamp> {
        self.plan.as_ref().and_then(|plan| plan.schedule.next_after(moment))
    }

    /// Who is told of `path`: the first tier, by other ways; without one the fallback, the further tiers,
    /// and, where there is no other way at all, the first tier by this one.
    fn told_of(&self, path: &Path) -> BTreeSet<Recipient> {
        let all = |targets: &[Target]| -> BTreeSet<Recipient> {
            targets.iter().flat_map(|target| self.roster.recipients(target)).collect()
        };
        let mut tiers = self.tiers.iter().map(|targets| all(targets));
        let first = tiers.next().unwrap_or_default();
        let others = |mut told: BTreeSet<Recipient>| {
            told.retain(|recipient| !self.may_take(recipient, path));
            Some(told).filter(|told| !told.is_empty())
        };
        others(first.clone())
            .or_else(|| others(all(&self.fallback)))
            .or_else(|| tiers.find_map(others))
            .unwrap_or(first)
    }
}

/// Whoever may be told in place of `recipient`: of a rota everyone who may ever be on duty.
fn called(roster: &Roster, recipient: &Recipient) -> Vec<Recipient> {
    let (Recipient::Rota(name) | Recipient::EmailRota(name)) = recipient else {
        return vec![recipient.clone()];
    };
    let rota = roster.rotas.get(name);
    let mut people = rota.map(|it| roster.members(&it.team)).unwrap_or_default();
    people.extend(rota.into_iter().flat_map(|it| it.people()).cloned());
    people.into_iter().map(|it| recipient.handed_to(it)).collect()
}

/// How it is known that something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// Whoever takes messages there took it; nothing more is ever told.
    Accepted,
    /// Its provider says that it was delivered.
    Delivered,
}

impl Evidence {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Accepted, Self::Delivered];

    /// What it takes for messages by `channel`.
    pub fn of(channel: Channel) -> Self {
        match channel {
            Channel::Sms | Channel::Rota => Self::Delivered,
            Channel::Slack
            | Channel::Email
            | Channel::EmailRota
            | Channel::Webhook
            | Channel::Pagerduty => Self::Accepted,
        }
    }

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
        }
    }
}

/// Something that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// When that was known.
    pub at: Timestamp,
    /// How.
    pub by: Evidence,
    /// The provider's name for the message.
    pub receipt: String,
}

/// The last drill of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The round.
    pub incident: IncidentId,
    /// When it was owed.
    pub owed_at: Timestamp,
    /// How the message stands.
    pub state: NotificationState,
    /// When it came to that, where it is not owed any more.
    pub ended_at: Option<Timestamp>,
    /// What its provider said last.
    pub status: Option<Status>,
    /// Why it stands there.
    pub reason: Option<String>,
}

/// What is known of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Since when there is such a path.
    pub since: Timestamp,
    /// Since when it is drilled; `None` where it is not, or nobody has looked since.
    pub drilled_since: Option<Timestamp>,
    /// The last that arrived.
    pub proof: Option<Proven>,
    /// When the last proof came of which a note was made.
    pub noted: Option<Timestamp>,
    /// The last drill.
    pub trial: Option<Trial>,
}

/// What is known of all paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// Each of them.
    pub records: BTreeMap<Recipient, Record>,
    /// Those that refuse our credentials.
    pub broken: Vec<Breakage>,
    /// Up to when rounds have begun or are left out; `None` where nobody has looked yet.
    pub mark: Option<Timestamp>,
    /// The open incidents about paths.
    pub open: BTreeMap<Subject, Incident>,
}

/// How a path stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Our credentials are refused.
    Broken,
    /// Its last drill did not arrive, and nothing has since.
    Failed,
    /// Nothing has arrived for too long.
    Unproven,
    /// A drill is on its way, or its arrival is still to be told.
    Waiting,
    /// Something has arrived.
    Proven,
    /// Nothing is known.
    Untried,
    /// Messages are only shown where the hub runs.
    Printed,
}

impl Standing {
    /// All of them, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Broken,
        Self::Failed,
        Self::Unproven,
        Self::Waiting,
        Self::Proven,
        Self::Untried,
        Self::Printed,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Failed => "failed",
            Self::Unproven => "unproven",
            Self::Waiting => "waiting",
            Self::Proven => "proven",
            Self::Untried => "untried",
            Self::Printed => "printed",
        }
    }

    /// Whether people may not be told by it.
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Broken | Self::Failed | Self::Unproven)
    }
}

/// How a path stands, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How.
    pub standing: Standing,
    /// Since when it has been so, where something is wrong.
    pub since: Timestamp,
    /// Why, a sentence without a full stop; empty where nothing is wrong.
    pub reason: String,
}

/// How the path to `recipient` stands at `now`.
pub fn verdict(terms: &Terms, known: &Known, recipient: &Recipient, now: Timestamp) -> Verdict {
    let verdict = |standing, since, reason: String| Verdict { standing, since, reason };
    if let Some(lack) = terms.printed.get(recipient) {
        let reason = format!("messages are only printed where the hub runs: {lack}");
        return verdict(Standing::Printed, now, reason);
    }
    if let Some(broken) = known.broken.iter().find(|it| terms.takes(recipient, &it.path)) {
        return verdict(Standing::Broken, broken.since, broken.reason.clone());
    }
    let Some(record) = known.records.get(recipient) else {
        return verdict(Standing::Untried, now, String::new());
    };
    // A clock that was ahead proves nothing for longer.
    let proof = record.proof.as_ref().filter(|proof| proof.at <= now);
    let proven_at = proof.map(|proof| proof.at);
    let trial = record.trial.as_ref();
    let since = |moment: Timestamp| proven_at.is_some_and(|proven| proven >= moment);
    if let Some(lost) = trial.filter(|it| it.state == NotificationState::GivenUp)
        && !since(lost.ended_at.unwrap_or(lost.owed_at))
    {
        let why = lost.reason.as_deref().unwrap_or("it was given up");
        let at = lost.owed_at.format("%Y-%m-%d %H:%M");
        let reason = format!("the drill of {at} UTC did not arrive: {why}");
        return verdict(Standing::Failed, lost.owed_at, reason);
    }
    let is_waiting = |it: &Trial| {
        let is_out = matches!(it.state, NotificationState::Owed | NotificationState::Sent);
        is_out && !since(it.owed_at)
    };
    let is_fresh = |it: &Trial| is_waiting(it) && now < it.owed_at + LATE;
    let is_excused = trial.is_some_and(is_fresh) || terms.has_left_one_out(known.mark, now);
    let plan = terms.plan.as_ref().filter(|_| terms.is_drilled(recipient) && !is_excused);
    if let Some(plan) = plan {
        // What is drilled for the first time had no reason to be proven before.
        let last = proven_at.unwrap_or(record.since).max(record.drilled_since.unwrap_or(now));
        if now > after(last.min(now), plan.proven_within) {
            let within = span(plan.proven_within);
            let reason = match proven_at {
                Some(at) => format!(
                    "nothing has been shown to arrive for {within}, the last time {} UTC",
                    at.format("%Y-%m-%d %H:%M")
                ),
                None => format!("nothing has ever been shown to arrive, in {within}"),
            };
            return verdict(Standing::Unproven, last, reason);
        }
    }
    let standing = match trial {
        Some(trial) if is_waiting(trial) => Standing::Waiting,
        _ if proven_at.is_some() => Standing::Proven,
        _ => Standing::Untried,
    };
    verdict(standing, now, String::new())
}

/// What follows from what is known; stored as one unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// Incidents, and rounds.
    pub changes: Vec<Change>,
    /// The time of the round that begins, or from which on rounds are counted.
    pub mark: Option<Timestamp>,
    /// Paths that are new.
    pub begun: Vec<Recipient>,
    /// Paths that are drilled from now on, and those that are not any more.
    pub drilled: Vec<(Recipient, bool)>,
    /// Paths that are none any more.
    pub gone: Vec<Recipient>,
    /// Whether what is known of proofs is to be noted, so that it outlives the messages.
    pub is_noted: bool,
}

impl Decided {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A proof is noted anew when it is so much later than the last one that was.
const NOTED: TimeDelta = TimeDelta::hours(1);

/// Decides at `now` what follows from what is known of paths; `region` is the hub's own.
pub fn decide(terms: &Terms, known: &Known, region: &Region, now: Timestamp) -> Decided {
    let mut decided = Decided {
        changes: incidents(terms, known, region, now),
        begun: terms.paths.iter().filter(|it| !known.records.contains_key(*it)).cloned().collect(),
        drilled: terms.drilled_anew(known),
        gone: known.records.keys().filter(|it| !terms.paths.contains(*it)).cloned().collect(),
        is_noted: known.records.values().any(|record| {
            let proven_at = record.proof.as_ref().map(|proof| proof.at);
            proven_at.is_some_and(|at| record.noted.is_none_or(|noted| at >= noted + NOTED))
        }),
        mark: None,
    };
    if let Some(plan) = &terms.plan {
        match known.mark {
            Some(mark) if mark <= now => {
                // The last of those that were not.
                let mut due = plan.schedule.next_after(mark.max(now - LATE));
                while let Some(at) = due.filter(|at| *at <= now) {
                    decided.mark = Some(at);
                    due = plan.schedule.next_after(at);
                }
                if decided.mark.is_some() {
                    let paths = terms.paths.iter().filter(|it| terms.is_drilled(it)).cloned();
                    decided.changes.extend(round(paths, known, region, "scheduled", now));
                }
            }
            // Nobody has looked yet, or the clock was set back.
            _ => decided.mark = Some(now),
        }
    }
    decided
}

fn incidents(terms: &Terms, known: &Known, region: &Region, now: Timestamp) -> Vec<Change> {
    let in_use = terms.broken_in_use(&known.broken);
    let mut wrong: BTreeMap<Path, (Timestamp, String)> =
        in_use.map(|it| (it.path.clone(), (it.since, broken(it)))).collect();
    for recipient in &terms.paths {
        let Verdict { standing, since, reason } = verdict(terms, known, recipient, now);
        if matches!(standing, Standing::Failed | Standing::Unproven) {
            wrong.insert(Path::to(recipient.clone()), (since, reason));
        }
    }
    let new = wrong.iter().filter_map(|(path, (since, reason))| {
        let subject = Subject::Path(path.clone());
        let is_new = !known.open.contains_key(&subject);
        is_new.then(|| opened(terms, (path, subject), (*since, reason), (region, now)))
    });
    let over = known.open.iter().filter_map(|(subject, open)| {
        let path = subject.path().filter(|path| !wrong.contains_key(*path))?;
        let (kind, reason) = end(terms, known, (path, open), now)?;
        Some(ended((path, subject), open, (kind, reason), (region, now)))
    });
    new.chain(over).collect()
}

#[cfg(test)]
mod tests;
