//! What keeps people from being told: an acknowledgement, a silence, a maintenance window.
//!
//! | restraint | given by | about | ends |
//! |---|---|---|---|
//! | acknowledgement | whoever takes care of it | one incident | when it is over, taken back or resolved |
//! | silence | somebody, with a reason | what its scope covers | at its end, or when it is ended |
//! | maintenance | the project | what its scope covers | at the end of each of its windows |
//!
//! Checks run and incidents open and end under all of them. What should have been told meanwhile is
//! held back, and told when no restraint is left and it still fails
//! ([`tending`](super::incident::tending)); nothing is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::id::{CheckId, Region};
use super::rule::RuleName;
use super::schedule::Cron;
use super::subject::Subject;
use super::{Timestamp, after};

/// Somebody who does something about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A person of the project, or what the way in knows of them: one line of text.
    pub name: String,
    /// How they did it.
    pub via: Via,
}

/// How somebody does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// By a button in Slack.
    Slack,
    /// By answering an SMS.
    Sms,
    /// On a page.
    Web,
    /// In a terminal.
    Cli,
    /// By a request to the API.
    Api,
}

impl Via {
    /// All ways.
    pub const ALL: [Self; 5] = [Self::Slack, Self::Sms, Self::Web, Self::Cli, Self::Api];

    /// The word used in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Sms => "sms",
            Self::Web => "web",
            Self::Cli => "cli",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let via = match self.via {
            Via::Slack => "Slack",
            Via::Sms => "SMS",
            Via::Web => "web",
            Via::Cli => "command line",
            Via::Api => "API",
        };
        write!(f, "{} ({via})", self.name)
    }
}

/// What somebody said, as one line of text: without control characters and marks that turn the
/// direction of text, with single spaces.
pub fn one_line(text: &str) -> String {
    let is_hidden = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
    };
    let plain =
        |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let text: String = text.chars().map(plain).filter(|c| !is_hidden(*c)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Somebody takes care of an incident: further people are not told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub by: Actor,
    /// What they say.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
    /// When it ends by itself: one that is forgotten must not hide what goes on.
    pub until: Timestamp,
    /// Whether it was taken back, at [`Self::until`].
    pub taken_back: bool,
}

/// Identifies a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId(pub i64);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// People asked not to be told of something for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Its number.
    pub id: SilenceId,
    /// Of what.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub by: Actor,
    /// From when.
    pub from: Timestamp,
    /// Until when; this moment is not in it.
    pub until: Timestamp,
}

/// A planned time in which nobody is told of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    /// What people call it.
    pub name: String,
    /// Of what.
    pub scope: Scope,
    /// When.
    pub window: Window,
}

/// When a maintenance is.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// Once.
    Once {
        /// From when.
        from: Timestamp,
        /// Until when; this moment is not in it.
        until: Timestamp,
    },
    /// Again and again: it begins at the times of a crontab line and lasts as long in real time,
    /// whatever the clocks of its zone do meanwhile.
    Recurring {
        /// When it begins.
        begins: Box<Cron>,
        /// How long it lasts.
        lasts: Duration,
    },
}

impl Window {
    /// The end of the window that `now` is in.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= now && now < *until).then_some(*until),
            Self::Recurring { begins, lasts } => {
                let length = chrono::TimeDelta::from_std(*lasts).ok()?;
                let mut open = None;
                let mut begin = begins.next_after(now.checked_sub_signed(length)?);
                // Windows may overlap; the last that has begun ends last.
                while let Some(at) = begin.filter(|at| *at <= now) {
                    open = Some(after(at, *lasts));
                    begin = begins.next_after(at);
                }
                open
            }
        }
    }

    /// When it begins next, after `now`.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, .. } => (*from > now).then_some(*from),
            Self::Recurring { begins, .. } => begins.next_after(now),
        }
    }
}

/// Which incidents are meant: those that fit all that is named. With nothing named, all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// About one of these checks, or their coverage; or about one of `rules`.
    pub checks: BTreeSet<CheckId>,
    /// About one of these rules; or about one of `checks`.
    pub rules: BTreeSet<RuleName>,
    /// About one of these regions, or checks that are down nowhere else.
    pub regions: BTreeSet<Region>,
    /// About a check or rule with all of these labels.
    pub labels: BTreeMap<String, String>,
}

/// What an incident is about, as far as scopes ask.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its subject.
    pub subject: &'a Subject,
    /// The labels of its check or rule.
    pub labels: &'a BTreeMap<String, String>,
    /// Where it is down; empty where that has no meaning.
    pub down: &'a [Region],
}

impl Scope {
    /// Whether an incident is meant.
    pub fn covers(&self, about: About<'_>) -> bool {
        self.covers_name(about) && self.covers_place(about) && self.covers_labels(about)
    }

    fn covers_name(&self, about: About<'_>) -> bool {
        let check = about.subject.check().is_some_and(|check| self.checks.contains(check));
        let rule = about.subject.rule().is_some_and(|rule| self.rules.contains(rule));
        (self.checks.is_empty() && self.rules.is_empty()) || check || rule
    }

    fn covers_place(&self, about: About<'_>) -> bool {
        if self.regions.is_empty() {
            return true;
        }
        match about.subject {
            Subject::Region(region) | Subject::Shortfall(region) => self.regions.contains(region),
            Subject::Check(_) | Subject::Coverage(_) => {
                let inside = |region: &Region| self.regions.contains(region);
                !about.down.is_empty() && about.down.iter().all(inside)
            }
            Subject::Rule(_) | Subject::Unseen(_) | Subject::Path(_) | Subject::Drill => false,
        }
    }

    fn covers_labels(&self, about: About<'_>) -> bool {
        self.labels.iter().all(|(name, value)| about.labels.get(name) == Some(value))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |what: &str, names: Vec<&str>| match names.len() {
            0 => None,
            1 => Some(format!("{what} {}", names[0])),
            _ => Some(format!("{what}s {}", names.join(", "))),
        };
        let labels: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let parts = [
            named("check", self.checks.iter().map(CheckId::as_str).collect()),
            named("rule", self.rules.iter().map(RuleName::as_str).collect()),
            named("region", self.regions.iter().map(Region::as_str).collect()),
            named("label", labels.iter().map(String::as_str).collect()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("everything") } else { f.write_str(&parts.join(", ")) }
    }
}

/// All silences and maintenance windows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet<'a> {
    /// What people asked for.
    pub silences: &'a [Silence],
    /// What the project plans.
    pub maintenance: &'a [Maintenance],
}

/// What the reason of an alarm begins with that is owed, and wakes nobody for now.
pub const HELD_BACK: &str = "held: nobody is woken, ";

/// Why nobody is told at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restraint {
    /// In words, after "nobody is told: ".
    pub why: String,
    /// When to look again at the latest.
    pub until: Timestamp,
}

impl Quiet<'_> {
    /// What keeps people from being told of `about` at `now`; of several, what lasts longest.
    pub fn restrains(
        &self,
        about: About<'_>,
        acknowledged: Option<&Acknowledgement>,
        now: Timestamp,
    ) -> Option<Restraint> {
        let acknowledged = acknowledged.filter(|it| now < it.until).map(|it| Restraint {
            why: format!("acknowledged by {} until {}", it.by, moment(it.until)),
            until: it.until,
        });
        let silences = self
            .silences
            .iter()
            .filter(|it| it.from <= now && now < it.until && it.scope.covers(about))
            .map(|it| Restraint {
                why: format!("silenced by {} until {}: {}", it.by, moment(it.until), it.reason),
                until: it.until,
            });
        let all = acknowledged.into_iter().chain(silences).chain(self.windows(about, now));
        all.max_by_key(|it| it.until)
    }

    /// The maintenance that covers `about` at `now`; of several, what lasts longest.
    pub fn maintained(&self, about: About<'_>, now: Timestamp) -> Option<Restraint> {
        self.windows(about, now).max_by_key(|it| it.until)
    }

    /// When the next maintenance of `about` begins, after `now`.
    pub fn next_maintenance(&self, about: About<'_>, now: Timestamp) -> Option<Timestamp> {
        let covering = self.maintenance.iter().filter(|it| it.scope.covers(about));
        covering.filter_map(|it| it.window.next_after(now)).min()
    }

    fn windows(&self, about: About<'_>, now: Timestamp) -> impl Iterator<Item = Restraint> {
        self.maintenance.iter().filter_map(move |it| {
            let until = it.window.open_until(now).filter(|_| it.scope.covers(about))?;
            let why = format!("maintenance `{}` until {}", it.name, moment(until));
            Some(Restraint { why, until })
        })
    }
}

/// A moment in a sentence.
pub(super) fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn check(name: &str) -> Subject {
        Subject::Check(CheckId::new(name).expect("a name"))
    }

    fn region(name: &str) -> Region {
        Region::new(name).expect("a name")
    }

    #[test]
    fn a_window_lasts_in_real_time_when_the_clocks_change() {
        let begins = Box::new(Cron::parse("0 1 * * SUN", "Europe/Berlin").expect("a line"));
        let nightly = Window::Recurring { begins, lasts: Duration::from_hours(3) };
        // The clocks go back at 01:00 UTC on this day; 01:00 in Berlin is 23:00 UTC the day before.
        let end = at("2026-10-25T02:00:00Z");
        assert_eq!(nightly.open_until(at("2026-10-24T22:59:59Z")), None);
        assert_eq!(nightly.open_until(at("2026-10-24T23:00:00Z")), Some(end));
        assert_eq!(nightly.open_until(at("2026-10-25T01:59:59Z")), Some(end));
        assert_eq!(nightly.open_until(end), None);
        // They go forward at 01:00 UTC; 01:00 in Berlin is midnight UTC.
        assert_eq!(
            nightly.open_until(at("2026-03-29T02:59:00Z")),
            Some(at("2026-03-29T03:00:00Z"))
        );
        assert_eq!(nightly.next_after(end), Some(at("2026-11-01T00:00:00Z")));
    }

    #[test]
    fn windows_that_overlap_end_with_the_last() {
        let begins = Box::new(Cron::parse("*/10 * * * *", "UTC").expect("a line"));
        let often = Window::Recurring { begins, lasts: Duration::from_mins(25) };
        let until = often.open_until(at("2026-11-21T03:14:00Z"));
        assert_eq!(until, Some(at("2026-11-21T03:35:00Z")));
    }

    #[test]
    fn a_scope_covers_what_fits_all_that_it_names() {
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let (eu, us) = ([region("eu")], [region("eu"), region("us")]);
        let login = check("login");
        let about = |down| About { subject: &login, labels: &labels, down };
        let everything = Scope::default();
        assert!(everything.covers(about(&[])));
        let by_check =
            Scope { checks: [CheckId::new("login").expect("a name")].into(), ..everything };
        assert!(by_check.covers(about(&us)));
        let by_region = Scope { regions: [region("eu")].into(), ..by_check.clone() };
        assert!(by_region.covers(about(&eu)) && !by_region.covers(about(&us)));
        let by_label = Scope { labels: labels.clone(), ..by_region };
        assert!(by_label.covers(about(&eu)));
        let other = Scope { labels: [("team".to_owned(), "pay".to_owned())].into(), ..by_check };
        assert!(!other.covers(about(&eu)));
        assert_eq!(by_label.to_string(), "check login, region eu, label team=shop");
    }

    #[test]
    fn what_somebody_said_is_one_line() {
        let said = "  a deploy,\r\nof\u{2028}shop \u{202e}evil\u{200b}\t\u{1b}[2J ";
        assert_eq!(one_line(said), "a deploy, of shop evil [2J");
        assert_eq!(one_line("\u{200b}\n"), "");
    }

    #[test]
    fn what_lasts_longest_restrains() {
        let now = at("2026-11-21T03:00:00Z");
        let by = Actor { name: "ana".into(), via: Via::Slack };
        let silence = Silence {
            id: SilenceId(1),
            scope: Scope::default(),
            reason: "deploy".into(),
            by: by.clone(),
            from: now,
            until: at("2026-11-21T04:00:00Z"),
        };
        let acknowledged = Acknowledgement {
            by,
            reason: None,
            at: now,
            until: at("2026-11-21T03:30:00Z"),
            taken_back: false,
        };
        let silences = [silence];
        let quiet = Quiet { silences: &silences, maintenance: &[] };
        let (login, labels) = (check("login"), BTreeMap::new());
        let about = About { subject: &login, labels: &labels, down: &[] };
        let why = |now| quiet.restrains(about, Some(&acknowledged), now).map(|it| it.why);
        let by_silence = "silenced by ana (Slack) until 2026-11-21 04:00:00 UTC: deploy";
        assert_eq!(why(now).as_deref(), Some(by_silence));
        assert_eq!(why(at("2026-11-21T04:00:00Z")), None);
        let alone = Quiet::default().restrains(about, Some(&acknowledged), now).map(|it| it.why);
        let by_ana = "acknowledged by ana (Slack) until 2026-11-21 03:30:00 UTC";
        assert_eq!(alone.as_deref(), Some(by_ana));
    }
}
