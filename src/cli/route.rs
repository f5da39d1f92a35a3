//! `tripline route`: who would be told if a check failed now, when, and why these.
//!
//! Reads the project as it is written, and the store beside the daemon; nothing is asked of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use super::args::{Global, Route};
use super::exit::Exit;
use super::look::{Look, Paint, clean, moment, padded};
use super::run::{self, Stop};
use super::store;
use super::terminal::{Stream, Terminal};
use crate::clock::{Clock as _, System};
use crate::config::{Choice, MissingSecrets, Project, Settings};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::incident::Incident;
use crate::domain::policy::{Channel, Policy, Target};
use crate::domain::restraint::{Maintenance, Quiet, Silence};
use crate::domain::route::{self, Stage, Told};
use crate::domain::subject::Subject;
use crate::store::{IncidentFilter, IncidentRecord};

/// Runs the command.
pub(super) async fn run(
    wanted: &Route,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut environment = run::environment(global, terminal)?;
    environment.missing_secrets = MissingSecrets::Warn;
    let root = run::root(global, terminal)?;
    let reading = crate::app::project::Reading::begin(&root, &environment);
    let pool = run::pool(&reading)?;
    let project = reading.finish(&pool).await.map_err(Stop::Invalid)?;
    let known = project.checks.values().chain(project.disabled.values());
    let Some(check) = known.clone().find(|check| check.id.as_str() == wanted.check) else {
        let ids: Vec<String> = known.map(|check| clean(check.id.as_str())).collect();
        let name = clean(&wanted.check);
        let text = format!("there is no check `{name}`; there are {}", ids.join(", "));
        return Err(Stop::Usage(text));
    };
    let now = Now::read(check, global, terminal).await;
    let look = terminal.look(Stream::Out);
    let text = shown(&project, check, &now, &look);
    anstream::stdout().write_all(look.folded(&text, 6).as_bytes())?;
    Ok(Exit::Good)
}

/// What there is now.
struct Now {
    at: Timestamp,
    /// The silences, and the open incident about the check; or why that is not known.
    remembered: Result<(Vec<Silence>, Option<IncidentRecord>), String>,
}

impl Now {
    /// Before a daemon ran for the first time there is no store, which is no mistake.
    async fn read(check: &Check, global: &Global, terminal: &Terminal) -> Self {
        let at = System.now();
        let remembered = async {
            let store = store::open(global, terminal).await.map_err(|stop| match stop {
                Stop::Broken(reason) => reason,
                _ => "the store is not known".to_owned(),
            })?;
            let silences = store.silences(at).await.map_err(|error| error.to_string())?;
            let filter = IncidentFilter {
                check: Some(check.id.clone()),
                open_only: true,
                limit: 10,
                ..IncidentFilter::default()
            };
            let open = store.incidents(&filter).await.map_err(|error| error.to_string())?;
            let about = |it: &IncidentRecord| it.subject == Subject::Check(check.id.clone());
            Ok((silences, open.into_iter().find(about)))
        };
        Self { at, remembered: remembered.await }
    }
}

fn shown(project: &Project, check: &Check, now: &Now, look: &Look) -> String {
    let settings = &project.settings;
    let regions: Vec<&str> = check.regions.iter().map(Region::as_str).collect();
    let name = look.paint(Paint::Strong, &clean(check.id.as_str()));
    let mut text = format!("{name}: {}, in {}\n", clean(&check.name), regions.join(", "));
    if project.disabled.contains_key(&check.id) {
        let off = "It is switched off by `enabled`: it is not run, and nobody is told.";
        text += &(look.paint(Paint::Unsure, off) + "\n");
    }
    // A project without mistakes names no policy that is not there.
    if let Some(policy) = settings.policies.get(&check.policy) {
        let why = project.choices.get(&check.id).unwrap_or(&Choice::Default);
        let name = look.paint(Paint::Strong, &clean(&policy.name));
        let _ = writeln!(text, "policy {name}, because {}", clean(&why.to_string()));
        text += &tiers(policy, settings, now.at, look);
        text += &terms(policy, check);
        text += &unsent(policy, settings, look);
    }
    text + &restraints(check, &settings.maintenance, now, look)
}

/// Who is told when.
fn tiers(policy: &Policy, settings: &Settings, at: Timestamp, look: &Look) -> String {
    let stages = route::stages(policy, &settings.people.roster, at);
    let told = |it: &Told| it.in_words(settings.lack_of(it.channel).is_none());
    let condition = |stage: &Stage| format!("after {}", stage.condition);
    let width = stages.iter().map(|it| condition(it).len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for stage in &stages {
        let told: Vec<String> = stage.told.iter().map(told).collect();
        let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
        let number = look.paint(Paint::Accent, &format!("tier {}", stage.number));
        let condition = padded(&condition(stage), width);
        let _ = writeln!(text, "  {number}  {condition}{}", clean(&told));
    }
    text
}

/// By which channels nothing leaves, and why.
fn unsent(policy: &Policy, settings: &Settings, look: &Look) -> String {
    let mut text = String::new();
    let named: BTreeSet<Channel> =
        policy.tiers.iter().flat_map(|tier| &tier.notify).map(Target::channel).collect();
    for channel in named {
        let channel_name = channel.as_str();
        let line = if let Some(lack) = settings.lack_of(channel) {
            let (lack, advice) = (lack.to_string(), lack.advice());
            format!("NOT sent by {channel_name}, only printed by `tripline up`: {lack}; {advice}")
        } else if let Some(missing) = settings.missing_for(channel) {
            format!("sent by {channel_name} only where the daemon has what is not here: {missing}")
        } else {
            continue;
        };
        text += &(look.paint(Paint::Unsure, &clean(&line)) + "\n");
    }
    text
}

/// What else the policy says.
fn terms(policy: &Policy, check: &Check) -> String {
    let mut text = String::new();
    for term in route::terms(policy, check.regions.len()) {
        let _ = writeln!(text, "  {term}");
    }
    text
}

/// What keeps people from being told now.
fn restraints(check: &Check, planned: &[Maintenance], now: &Now, look: &Look) -> String {
    let mut text = String::new();
    let (silences, open) = match &now.remembered {
        Ok((silences, open)) => (silences.as_slice(), open.as_ref()),
        Err(reason) => {
            let unknown = format!("What is silenced now is not known: {}", clean(reason));
            text += &(look.paint(Paint::Unsure, &unknown) + "\n");
            (&[][..], None)
        }
    };
    let quiet = Quiet { silences, maintenance: planned };
    let found = route::restraints(check, quiet, now.at);
    for plan in &found.planned {
        let _ = writeln!(text, "planned: {}", clean(plan));
    }
    for why in &found.now {
        text += &(look.paint(Paint::Unsure, &clean(why)) + "\n");
    }
    if found.now.is_empty() && now.remembered.is_ok() {
        text += "now: nothing keeps people from being told\n";
    }
    if let Some(record) = open {
        let line = format!("open: #{}, {}", record.id, standing(&record.incident));
        let _ = writeln!(text, "{}; `tripline why {}`", look.paint(Paint::Bad, &line), record.id);
    }
    text
}

/// How far an open incident has gone.
fn standing(incident: &Incident) -> String {
    let list =
        |tiers: &BTreeSet<u32>| tiers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let mut text = if incident.tiers.is_empty() {
        "no tier reached".to_owned()
    } else {
        format!("tier {} reached", list(&incident.tiers))
    };
    let story = &incident.story;
    if !story.held.is_empty() {
        let why = story.held_by.as_deref().unwrap_or("it is not known why");
        let _ = write!(text, ", tier {} held back ({})", list(&story.held), clean(why));
    }
    if let Some(it) = &story.acknowledged {
        let by = clean(&it.by.to_string());
        let _ = write!(text, ", acknowledged by {by} until {}", moment(it.until));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Files, settings};

    const PROJECT: &str = r#"
regions = ["eu", "us"]
[agent]
region = "eu"
[people.ana]
phone = "+4930123456"
[people.bo]
[teams]
devops = ["ana", "bo"]
[[policy]]
name = "shop"
for = { team = "shop" }
quorum = "majority"
repeat_every = "30m"
[[policy.tier]]
when = { failures = 3, of_last = 5 }
notify = ["slack:#p2"]
[[policy.tier]]
when = { unacknowledged_for = "10m" }
notify = ["slack:#p1", "sms:devops"]
[[maintenance]]
name = "backup"
labels = { team = "shop" }
regions = ["us"]
cron = "0 3 * * SUN"
lasts = "2h"
[[maintenance]]
name = "other"
checks = ["front"]
from = 2026-11-21T00:00:00Z
until = 2026-11-22T00:00:00Z
[[check]]
name = "pay"
url = "https://shop.example.com/"
regions = ["eu", "us"]
labels = { team = "shop" }
[[check]]
name = "front"
url = "https://www.example.com/"
"#;

    fn project() -> Project {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("tripline.toml"), PROJECT).expect("written");
        let files = Files::load(folder.path());
        let reading = settings::read(&files, &Environment::default());
        Project::assemble(files, reading, &[]).expect("a project")
    }

    fn routed(id: &str, at: &str) -> String {
        let project = project();
        let check = project.checks.values().find(|it| it.id.as_str() == id).expect("such a check");
        let at = at.parse().expect("a time");
        let now = Now { at, remembered: Ok((Vec::new(), None)) };
        shown(&project, check, &now, &Look::plain(100))
    }

    #[test]
    fn a_route_says_who_is_told_when_and_why() {
        insta::assert_snapshot!(routed("pay", "2026-11-22T04:00:00Z"));
        insta::assert_snapshot!(routed("front", "2026-11-21T04:00:00Z"));
    }
}
