//! What is around a check: `[defaults]`, and the names it may refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::schedule;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::suggestion;
use crate::domain::exchange::Bodies;
use crate::domain::id::Region;
use crate::domain::policy::Policy;
use crate::domain::schedule::Interval;

/// What applies to checks that do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// The interval.
    pub every: Interval,
    /// How long a run may take; where runs follow each other faster, a little less than the time
    /// between two of them.
    pub timeout: Duration,
    /// Where checks run; never empty.
    pub regions: Vec<Region>,
    /// The policy; `None` when there are several and none is the obvious one.
    pub policy: Option<String>,
    /// Whether heads and bodies of requests are kept.
    pub bodies: Bodies,
}

/// How a check came by its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The check names it.
    Named,
    /// The policy is for checks with these labels.
    ByLabels(BTreeMap<String, String>),
    /// Nothing else is written.
    Default,
}

impl fmt::Display for Choice {
    /// Why, after "because".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named => f.write_str("the check names it"),
            Self::ByLabels(labels) => {
                let labels: Vec<String> =
                    labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "it is for {}", labels.join(", "))
            }
            Self::Default => f.write_str("the check names none, and no policy is for its labels"),
        }
    }
}

/// The names that checks may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::config) struct Known {
    /// All policies.
    pub(in crate::config) policies: BTreeSet<String>,
    /// The policies that are written, without the built-in one.
    pub(in crate::config) written_policies: BTreeSet<String>,
    /// The policies that are for checks with labels, in the order written.
    pub(in crate::config) by_labels: Vec<(String, BTreeMap<String, String>)>,
    pub(in crate::config) regions: BTreeSet<Region>,
    pub(in crate::config) secrets: BTreeSet<String>,
}

impl Known {
    /// The policies that are written for no labels.
    pub(in crate::config) fn general_policies(&self) -> BTreeSet<String> {
        let is_general = |name: &&String| self.by_labels.iter().all(|(own, _)| own != *name);
        self.written_policies.iter().filter(is_general).cloned().collect()
    }
}

impl Defaults {
    /// The interval when nothing is written.
    pub const EVERY: Duration = Duration::from_mins(1);
    /// The limit of a run when nothing is written.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// What applies when nothing is written.
    fn of_region(region: &Region) -> Self {
        Self {
            every: Interval::new(Self::EVERY).expect("a minute is within the range"),
            timeout: Self::TIMEOUT,
            regions: vec![region.clone()],
            policy: Some(Policy::DEFAULT_NAME.to_owned()),
            bodies: Bodies::default(),
        }
    }

    /// What applies when the settings cannot be read.
    pub(in crate::config) fn without_settings() -> Self {
        Self::of_region(&Region::new("local").expect("letters only"))
    }

    pub(in crate::config) fn read(
        section: Option<Table<'_>>,
        region: &Region,
        known: &Known,
        report: &mut Report,
    ) -> Self {
        let mut defaults = Self::of_region(region);
        defaults.policy = obvious_policy(&known.general_policies());
        let Some(mut table) = section else {
            return defaults;
        };
        let every = table.optional("every");
        let interval = every.as_ref().and_then(|it| schedule::interval(it, report));
        defaults.every = interval.unwrap_or(defaults.every);
        if let Some(field) = table.optional("timeout")
            && let Some(timeout) = schedule::timeout(&field, report)
        {
            let shortest = interval.map(Interval::duration);
            let place = every.as_ref().map(|it| &it.span);
            schedule::check_timeout(timeout, &field.span, shortest.zip(place), report);
            defaults.timeout = timeout;
        }
        let surroundings = Surroundings::new(&defaults, Some(known));
        let regions = table.optional("regions").and_then(|it| surroundings.regions(&it, report));
        let policy = table.optional("policy").and_then(|it| surroundings.policy(&it, report));
        defaults.regions = regions.unwrap_or(defaults.regions);
        defaults.policy = policy.or(defaults.policy);
        defaults.bodies = bodies(&mut table, report).unwrap_or(defaults.bodies);
        table.finish(report, no_hint);
        defaults
    }
}

/// `keep_bodies`, where it is written.
pub(super) fn bodies(table: &mut Table<'_>, report: &mut Report) -> Option<Bodies> {
    let is_kept = table.optional("keep_bodies")?.boolean(report)?;
    Some(if is_kept { Bodies::Kept } else { Bodies::Omitted })
}

/// The built-in policy when none is written; else the one under its name, or the only one.
fn obvious_policy(written: &BTreeSet<String>) -> Option<String> {
    if written.is_empty() || written.contains(Policy::DEFAULT_NAME) {
        return Some(Policy::DEFAULT_NAME.to_owned());
    }
    written.first().filter(|_| written.len() == 1).cloned()
}

/// What is around a check.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Surroundings<'a> {
    pub(in crate::config) defaults: &'a Defaults,
    /// `None` when the settings cannot be read; then every name is taken as known.
    known: Option<&'a Known>,
}

impl<'a> Surroundings<'a> {
    pub(in crate::config) fn new(defaults: &'a Defaults, known: Option<&'a Known>) -> Self {
        Self { defaults, known }
    }

    /// Regions that are known, each once.
    pub(in crate::config) fn regions(
        &self,
        field: &Field<'_>,
        report: &mut Report,
    ) -> Option<Vec<Region>> {
        let mut regions = Some(Vec::new());
        for item in field.list(report)? {
            match item.parsed(Region::new, report).filter(|it| self.knows(it, &item, report)) {
                None => regions = None,
                Some(region) => match &mut regions {
                    Some(list) if list.contains(&region) => {
                        report.warning(&item.span, format!("`{region}` is named twice"));
                    }
                    Some(list) => list.push(region),
                    None => {}
                },
            }
        }
        regions
    }

    fn knows(&self, region: &Region, field: &Field<'_>, report: &mut Report) -> bool {
        let Some(known) = self.known.filter(|it| !it.regions.contains(region)) else {
            return true;
        };
        let names = known.regions.iter().map(Region::as_str);
        let help = match suggestion::closest(region.as_str(), names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "known are {}; add it to `regions = [...]` at the top of tripline.toml",
                suggestion::listed(names)
            ),
        };
        report.error(&field.span, format!("there is no region `{region}`")).advise(help);
        false
    }

    /// The name of a policy that is known.
    pub(super) fn policy(&self, field: &Field<'_>, report: &mut Report) -> Option<String> {
        let name = field.text(report)?;
        if let Some(known) = self.known.filter(|it| !it.policies.contains(name)) {
            let names = known.policies.iter().map(String::as_str);
            let message = format!("there is no policy `{name}`");
            report.error(&field.span, message).help = suggestion::did_you_mean(name, names);
            return None;
        }
        Some(name.to_owned())
    }

    /// The policy of a check that names none: the first that is for its labels, or else the default.
    pub(super) fn chosen_policy(
        &self,
        labels: &BTreeMap<String, String>,
        span: &Span,
        report: &mut Report,
    ) -> (Option<String>, Choice) {
        let has = |(name, value): (&String, &String)| labels.get(name) == Some(value);
        let mut by_labels = self.known.map(|it| it.by_labels.as_slice()).unwrap_or_default().iter();
        match by_labels.find(|(_, wanted)| wanted.iter().all(has)) {
            Some((name, wanted)) => (Some(name.clone()), Choice::ByLabels(wanted.clone())),
            None => (self.default_policy(span, report), Choice::Default),
        }
    }

    /// The policy of a check that names none and that no other is for.
    fn default_policy(&self, span: &Span, report: &mut Report) -> Option<String> {
        if self.defaults.policy.is_none() {
            let written = self.known.map(|it| it.written_policies.iter().map(String::as_str));
            let names = suggestion::listed(written.into_iter().flatten());
            report
                .error(span, "it is not clear which policy applies")
                .advise(format!("add `policy` here or in [defaults]; there are {names}"));
        }
        self.defaults.policy.clone()
    }

    /// Checks that a secret is declared.
    pub(in crate::config) fn secret(
        &self,
        name: &str,
        span: &Span,
        report: &mut Report,
    ) -> Option<()> {
        let Some(known) = self.known.filter(|it| !it.secrets.contains(name)) else {
            return Some(());
        };
        let help = match suggestion::closest(name, known.secrets.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add `{name} = {{ env = \"{name}\" }}` to [secrets] in tripline.toml"),
        };
        report.error(span, format!("there is no secret `{name}`")).advise(help);
        None
    }
}
