//! `tripline oncall`: who is on duty when, and what is wrong with that.
//!
//! Reads the project alone; no store and no daemon is asked.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use super::args::{Global, Oncall, OncallArguments, OncallCommand};
use super::exit::Exit;
use super::look::{Look, Paint, clean, counted, padded};
use super::run::Stop;
use super::store::reading;
use super::terminal::{Stream, Terminal};
use crate::clock::{Clock as _, System};
use crate::config::Settings;
use crate::domain::id::PersonId;
use crate::domain::policy::Policy;
use crate::domain::rota::{FORESEEN, Finding, Rota, Shift, findings};
use crate::domain::zone::Zone;
use crate::domain::{Timestamp, after};

/// Runs the command.
pub(super) fn run(
    wanted: &OncallArguments,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let settings = reading(global, terminal)?.settings().map_err(Stop::Invalid)?;
    let now = System.now();
    let look = terminal.look(Stream::Out);
    let mut out = anstream::stdout();
    match &wanted.command {
        Some(OncallCommand::Lint { json }) => {
            let found = lint(&settings, now);
            if *json {
                let found: Vec<Value> = found.iter().map(finding_in_json).collect();
                writeln!(out, "{:#}", json!({ "findings": found }))?;
            } else {
                out.write_all(told(&found, &settings, &look).as_bytes())?;
            }
            Ok(if found.is_empty() { Exit::Good } else { Exit::ProjectInvalid })
        }
        None => {
            let shown = &wanted.shown;
            let at = shown.at.unwrap_or(now);
            let rotas = rotas(shown, &settings)?;
            let whose = person(shown, &settings)?;
            let until = after(at, shown.ahead);
            if shown.json {
                let rotas: Vec<Value> = rotas
                    .iter()
                    .map(|rota| rota_in_json(rota, whose.as_ref(), (at, until)))
                    .collect();
                writeln!(out, "{:#}", json!({ "at": at, "until": until, "rotas": rotas }))?;
            } else {
                let text = table(&rotas, whose.as_ref(), (at, until), &settings, &look);
                out.write_all(text.as_bytes())?;
            }
            Ok(Exit::Good)
        }
    }
}

fn lint(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let built_in = Policy::DEFAULT_NAME;
    let is_default = settings.defaults.policy.as_deref() == Some(built_in);
    let policies = || settings.policies.values().filter(|it| is_default || it.name != built_in);
    let unsent = settings.lacking(policies()).into_iter();
    let unsent = unsent.map(|(channel, lack)| {
        let lack = format!("{lack}; {}", lack.advice());
        Finding::NotSent { channel, lack }
    });
    findings(&settings.people.roster, policies(), (now, after(now, FORESEEN)))
        .into_iter()
        .chain(unsent)
        .collect()
}

/// The rotas that are meant.
fn rotas<'a>(wanted: &Oncall, settings: &'a Settings) -> Result<Vec<&'a Rota>, Stop> {
    let rotas = &settings.people.roster.rotas;
    match &wanted.rota {
        None if rotas.is_empty() => {
            let text = "there is no rota; write one as `[rota.NAME]` in tripline.toml";
            Err(Stop::Usage(text.to_owned()))
        }
        None => Ok(rotas.values().collect()),
        Some(name) => match rotas.get(name) {
            Some(rota) => Ok(vec![rota]),
            None => Err(unknown("rota", name, rotas.keys().map(String::as_str))),
        },
    }
}

fn person(wanted: &Oncall, settings: &Settings) -> Result<Option<PersonId>, Stop> {
    let Some(name) = &wanted.person else { return Ok(None) };
    let people = &settings.people.roster.people;
    let found = people.keys().find(|person| person.as_str() == name);
    let found = found.cloned().map(Some);
    found.ok_or_else(|| unknown("person", name, people.keys().map(PersonId::as_str)))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Stop {
    let known: Vec<&str> = known.collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Stop::Usage(format!("there is no {what} `{}`; there is {known}", clean(name)))
}

/// The shifts of a rota, or those of one person.
fn shifts(
    rota: &Rota,
    whose: Option<&PersonId>,
    (at, until): (Timestamp, Timestamp),
) -> Vec<Shift> {
    let mut shifts = rota.shifts(at, until);
    shifts.retain(|shift| {
        whose.is_none_or(|person| shift.duty.as_ref().is_some_and(|it| it.person == *person))
    });
    shifts
}

const WIDTH: usize = 22;

fn table(
    rotas: &[&Rota],
    whose: Option<&PersonId>,
    (at, until): (Timestamp, Timestamp),
    settings: &Settings,
    look: &Look,
) -> String {
    let home = whose.and_then(|person| settings.people.particulars.get(person)?.zone);
    let mut text = String::new();
    for (index, rota) in rotas.iter().enumerate() {
        let zone = home.unwrap_or(rota.zone());
        let empty_line = if index > 0 { "\n" } else { "" };
        let _ =
            writeln!(text, "{empty_line}{}: {}", clean(&rota.name), now_on_duty(rota, at, look));
        let (from, to) = (padded("from", WIDTH), padded("until", WIDTH));
        let head = format!("  {from}{to}who (times in {zone})");
        text += &(look.paint(Paint::Faint, &head) + "\n");
        let shifts = shifts(rota, whose, (at, until));
        if shifts.is_empty() {
            text += "  no shift\n";
        }
        for shift in shifts {
            let [from, until] =
                [shift.from, shift.until].map(|at| padded(&wall_time(zone, at), WIDTH));
            let who = match &shift.duty {
                Some(duty) => format!("{}, {}", clean(duty.person.as_str()), duty.by),
                None => look.paint(Paint::Bad, &format!("NOBODY: {}", fallback(rota))),
            };
            let _ = writeln!(text, "  {from}{until}{who}");
        }
    }
    text
}

fn now_on_duty(rota: &Rota, at: Timestamp, look: &Look) -> String {
    match rota.duty(at) {
        Some(duty) => format!("{} is on duty ({})", clean(duty.person.as_str()), duty.by),
        None => look.paint(Paint::Bad, &format!("nobody is on duty, {}", fallback(rota))),
    }
}

fn fallback(rota: &Rota) -> String {
    format!("all of {} are told", clean(&rota.team))
}

/// What the clocks of a zone show.
fn wall_time(zone: Zone, at: Timestamp) -> String {
    zone.wall_clock(at).format("%a %Y-%m-%d %H:%M").to_string()
}

fn rota_in_json(
    rota: &Rota,
    whose: Option<&PersonId>,
    (at, until): (Timestamp, Timestamp),
) -> Value {
    let on_duty = rota.duty(at);
    let shift = |shift: Shift| {
        json!({
            "from": shift.from,
            "until": shift.until,
            "person": shift.duty.as_ref().map(|it| it.person.as_str()),
            "by": shift.duty.as_ref().map(|it| it.by.to_string()),
        })
    };
    json!({
        "name": rota.name,
        "team": rota.team,
        "timezone": rota.zone().name(),
        "on_duty": on_duty.as_ref().map(|it| it.person.as_str()),
        "by": on_duty.as_ref().map(|it| it.by.to_string()),
        "shifts": shifts(rota, whose, (at, until)).into_iter().map(shift).collect::<Vec<_>>(),
    })
}

/// How many spans of one finding are told one by one.
const SPANS_TOLD: usize = 5;

fn told(found: &[Finding], settings: &Settings, look: &Look) -> String {
    if found.is_empty() {
        return "Somebody is on duty at any time of the next 30 days, and can be reached.\n".into();
    }
    let mut text = String::new();
    for finding in found {
        let (what, spans) = (finding.in_words(), finding.spans());
        let zone = finding.zone(&settings.people.roster);
        let sign = look.paint(Paint::Bad, look.sign("✗", "x"));
        let _ = writeln!(text, "{sign} {}", clean(&what));
        for (from, until) in spans.iter().take(SPANS_TOLD) {
            let [from, until] = [*from, *until].map(|at| wall_time(zone, at));
            let _ = writeln!(text, "    {from} until {until} ({zone})");
        }
        if spans.len() > SPANS_TOLD {
            let _ = writeln!(text, "    and {} more", spans.len() - SPANS_TOLD);
        }
    }
    let _ = writeln!(text, "{} in the next 30 days.", counted(found.len(), "finding"));
    text
}

fn finding_in_json(finding: &Finding) -> Value {
    let spans = |spans: &[(Timestamp, Timestamp)]| -> Vec<Value> {
        spans.iter().map(|(from, until)| json!({ "from": from, "until": until })).collect()
    };
    match finding {
        Finding::Hole { rota, team, spans: when } => {
            json!({ "kind": "hole", "rota": rota, "team": team, "spans": spans(when) })
        }
        Finding::NoPhone { person, named_by } => {
            json!({ "kind": "no_phone", "person": person.as_str(), "named_by": named_by })
        }
        Finding::NoEmail { person, named_by } => {
            json!({ "kind": "no_email", "person": person.as_str(), "named_by": named_by })
        }
        Finding::NotSent { channel, lack } => {
            json!({ "kind": "not_sent", "channel": channel.as_str(), "lack": lack })
        }
        Finding::SamePerson { policy, person, spans: when } => json!({
            "kind": "same_person",
            "policy": policy,
            "person": person.as_str(),
            "spans": spans(when),
        }),
    }
}
