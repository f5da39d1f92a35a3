//! `tripline route`: who would be told if a check failed now, when, and why these.
//!
//! Reads the project as it is written, and the store beside the daemon; nothing is asked of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use super::args::{Global, Route};
use super::exit::Exit;
use super::look::{Look, Paint, clean, padded};
use super::run::{self, Stop};
use super::store;
use super::terminal::{Stream, Terminal};
use crate::clock::{Clock as _, System};
use crate::config::{Choice, MissingSecrets, Project, duration};
use crate::domain::Timestamp;
use crate::domain::check::Check;
use crate::domain::id::Region;
use crate::domain::incident::Incident;
use crate::domain::policy::{Mailbox, Policy, Quorum, Recipient, Roster, Target};
use crate::domain::restraint::{About, Maintenance, Scope, Silence};
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
            let filter =
                IncidentFilter { check: Some(check.id.clone()), open_only: true, limit: 10 };
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
        text += &tiers(policy, (&settings.people.roster, now.at), look);
        text += &rules(policy, check);
    }
    text + &restraints(check, &settings.maintenance, now, look)
}

/// Who is told when.
fn tiers(policy: &Policy, (roster, at): (&Roster, Timestamp), look: &Look) -> String {
    let conditions: Vec<String> =
        policy.tiers.iter().map(|tier| format!("after {}", tier.when)).collect();
    let width = conditions.iter().map(String::len).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for ((number, tier), condition) in policy.numbered().zip(conditions) {
        let told: Vec<String> = tier.notify.iter().map(|it| spelled_out(it, roster, at)).collect();
        let told = if told.is_empty() { "nobody".to_owned() } else { told.join(", ") };
        let number = look.paint(Paint::Accent, &format!("tier {number}"));
        let _ = writeln!(text, "  {number}  {}{}", padded(&condition, width), clean(&told));
    }
    text
}

/// A target with the people that it means, those on duty at `at` where it is a rota.
fn spelled_out(target: &Target, roster: &Roster, at: Timestamp) -> String {
    let people: Vec<String> = roster
        .called(target, at)
        .iter()
        .filter_map(|recipient| match recipient {
            Recipient::Sms(person) => {
                let phone = roster.people.get(person).and_then(Option::as_deref);
                Some(format!("{person} {}", phone.map_or("without a phone".into(), masked)))
            }
            Recipient::Email(Mailbox::Person(person)) => {
                let address = roster.emails.get(person).map(String::as_str);
                Some(format!("{person} {}", address.unwrap_or("without an e-mail address")))
            }
            Recipient::Email(Mailbox::Address(_))
            | Recipient::Slack(_)
            | Recipient::Rota(_)
            | Recipient::EmailRota(_)
            | Recipient::Webhook(_)
            | Recipient::Pagerduty(_) => None,
        })
        .collect();
    match (target, people.is_empty()) {
        (Target::Slack(_) | Target::Webhook(_) | Target::Pagerduty(_), _) => target.to_string(),
        (Target::Email(address), _) if Mailbox::is_address(address) => target.to_string(),
        (Target::Sms(_) | Target::Email(_), true) => format!("{target} (nobody)"),
        (Target::Sms(_) | Target::Email(_), false) => format!("{target} ({})", people.join(", ")),
    }
}

/// A telephone number of which whoever has it knows that it is theirs, and nobody else can call it.
fn masked(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().collect();
    let hidden = digits.len().saturating_sub(3 + 2);
    let shown = |(place, digit): (usize, &char)| {
        if (3..3 + hidden).contains(&place) { '*' } else { *digit }
    };
    digits.iter().enumerate().map(shown).collect()
}

/// What else the policy says.
fn rules(policy: &Policy, check: &Check) -> String {
    let regions = check.regions.len();
    let wanted = policy.quorum.of(regions);
    let quorum = match policy.quorum {
        Quorum::All => "all".to_owned(),
        Quorum::Majority => format!("a majority, {wanted} of {regions}"),
        Quorum::Count(_) => format!("{wanted} of {regions}"),
    };
    let mut text = format!("  regions that must agree: {quorum}\n");
    let passes = match policy.recover_after {
        1 => "the first run that passes".to_owned(),
        runs => format!("{runs} passed runs in a row"),
    };
    let _ = writeln!(text, "  over after {passes} where it was down");
    let length = duration::format;
    if !policy.reopen_within.is_zero() {
        let within = length(policy.reopen_within);
        let _ = writeln!(text, "  the same incident again if it fails within {within} of its end");
    }
    if let Some(every) = policy.repeat_every {
        let every = length(every);
        let _ = writeln!(text, "  told again every {every} while nobody has acknowledged it");
    }
    let lasts = length(policy.acknowledged_for);
    let _ = writeln!(text, "  an acknowledgement holds what follows back for {lasts}");
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
    let subject = Subject::Check(check.id.clone());
    let fits = |scope: &Scope| {
        let anywhere = Scope { regions: BTreeSet::new(), ..scope.clone() };
        let about = About { subject: &subject, labels: &check.labels, down: &[] };
        let region = |region| scope.regions.contains(region);
        anywhere.covers(about) && (scope.regions.is_empty() || check.regions.iter().any(region))
    };
    // Where it runs elsewhere, too, and fails there, people are told.
    let only = |scope: &Scope| {
        let regions: Vec<&str> = scope.regions.iter().map(Region::as_str).collect();
        if regions.is_empty() {
            String::new()
        } else {
            format!(" where it is down in {} only", regions.join(", "))
        }
    };
    let mut found: Vec<String> = Vec::new();
    for silence in silences.iter().filter(|it| it.from <= now.at && fits(&it.scope)) {
        let (id, by, until) = (silence.id, &silence.by, moment(silence.until));
        let only = only(&silence.scope);
        found.push(format!("{only}: silence {id} by {by} until {until}: {}", silence.reason));
    }
    for planned in planned.iter().filter(|it| fits(&it.scope)) {
        let (name, only) = (&planned.name, only(&planned.scope));
        if let Some(until) = planned.window.open_until(now.at) {
            found.push(format!("{only}: maintenance `{name}` until {}", moment(until)));
        } else if let Some(next) = planned.window.next_after(now.at) {
            let next = moment(next);
            let _ = writeln!(
                text,
                "planned: nobody is told{only} from {next}: maintenance `{}`",
                clean(name)
            );
        }
    }
    for why in &found {
        let line = format!("nobody is told now{}", clean(why));
        text += &(look.paint(Paint::Unsure, &line) + "\n");
    }
    if found.is_empty() && now.remembered.is_ok() {
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

fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
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

    #[test]
    fn a_masked_number_cannot_be_called() {
        assert_eq!(masked("+4930123456"), "+49******56");
        assert_eq!(masked("+49"), "+49");
    }
}
