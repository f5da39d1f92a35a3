//! `tripline ack`, `unack`, `resolve`, `note`, `silence`, `silences`, `unsilence`: asks the daemon to
//! do something about incidents, over its API.
//!
//! The store has one holder, and whoever decides must know the rules in force; so nothing here writes.

mod all;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::args::{Ack, Acting, Global, Note, Resolve, Silence, Silences, Unack, Unsilence};
use super::exit::Exit;
use super::look::{Look, Paint, clean, moment};
use super::run::{Stop, environment};
use super::store::reading;
use super::terminal::{Stream, Terminal};
use super::up::with_causes;
use crate::app::asking::{self, Asked, Error};
use crate::config::{Secret, Settings, duration};
use crate::domain::Timestamp;

/// What the daemon says of an incident.
#[derive(Debug, Deserialize)]
struct Incident {
    acknowledged: Option<Acknowledged>,
}

#[derive(Debug, Deserialize)]
struct Acknowledged {
    by: String,
    until: Timestamp,
}

/// What it says of a silence.
#[derive(Debug, Deserialize)]
struct Silenced {
    id: i64,
    checks: Vec<String>,
    rules: Vec<String>,
    regions: Vec<String>,
    labels: BTreeMap<String, String>,
    reason: String,
    by: String,
    until: Timestamp,
}

#[derive(Debug, Deserialize)]
struct AllSilenced {
    silences: Vec<Silenced>,
}

pub(super) async fn ack(wanted: &Ack, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let mut body = said_by(&wanted.acting, wanted.reason.as_deref(), terminal);
    body["for"] = json!(wanted.lasts.map(duration::format));
    let asked = asked(wanted.acting.hub.as_ref(), global, terminal)?;
    let Some(incident) = wanted.incident else {
        return all::ack((&wanted.chosen, wanted.yes), &body, &asked, terminal).await;
    };
    let done = acknowledge(&asked, incident, &body).await.map_err(stop)?;
    told(&acknowledged(incident, &done))
}

async fn acknowledge(asked: &Asked, incident: i64, body: &Value) -> Result<Incident, Error> {
    asked.post(&["incidents", &incident.to_string(), "acknowledge"], body).await
}

/// That an incident is acknowledged.
fn acknowledged(number: i64, incident: &Incident) -> String {
    let until = incident
        .acknowledged
        .as_ref()
        .map(|it| format!(" by {} until {}", clean(&it.by), moment(it.until)));
    format!("#{number} is acknowledged{}.", until.unwrap_or_default())
}

pub(super) async fn unack(
    wanted: &Unack,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let body = said_by(&wanted.acting, None, terminal);
    act(wanted.incident, "unacknowledge", &body, &wanted.acting, global, terminal).await?;
    told(&format!(
        "Nobody takes care of #{} any more; whoever was told is told again, unless it is silenced or in \
         maintenance.",
        wanted.incident
    ))
}

pub(super) async fn resolve(
    wanted: &Resolve,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let body = said_by(&wanted.acting, wanted.reason.as_deref(), terminal);
    act(wanted.incident, "resolve", &body, &wanted.acting, global, terminal).await?;
    told(&format!("#{} is resolved; if it fails on, it is opened again.", wanted.incident))
}

pub(super) async fn note(
    wanted: &Note,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut body = said_by(&wanted.acting, None, terminal);
    body["text"] = json!(wanted.text);
    act(wanted.incident, "note", &body, &wanted.acting, global, terminal).await?;
    told(&format!("Noted about #{}.", wanted.incident))
}

pub(super) async fn silence(
    wanted: &Silence,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut body = said_by(&wanted.acting, Some(&wanted.reason), terminal);
    body["checks"] = json!(wanted.checks);
    body["rules"] = json!(wanted.rules);
    body["regions"] = json!(wanted.regions);
    body["labels"] = json!(wanted.labels.iter().cloned().collect::<BTreeMap<_, _>>());
    body["everything"] = json!(wanted.everything);
    body["for"] = json!(duration::format(wanted.lasts));
    let asked = asked(wanted.acting.hub.as_ref(), global, terminal)?;
    let silence: Silenced = asked.post(&["silences"], &body).await.map_err(stop)?;
    told(&format!(
        "Silence {} of {} until {}; `tripline unsilence {}` ends it before.",
        silence.id,
        scope(&silence),
        moment(silence.until),
        silence.id
    ))
}

pub(super) async fn silences(
    wanted: &Silences,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let asked = asked(wanted.hub.as_ref(), global, terminal)?;
    let all: AllSilenced = asked.get(&["silences"]).await.map_err(stop)?;
    let text = listed(&all.silences, &terminal.look(Stream::Out));
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

pub(super) async fn unsilence(
    wanted: &Unsilence,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let asked = asked(wanted.hub.as_ref(), global, terminal)?;
    let id = wanted.id.to_string();
    let silence: Silenced = asked.delete(&["silences", &id]).await.map_err(stop)?;
    told(&format!(
        "Silence {id} of {} is over; what it held back is told, if it still fails.",
        scope(&silence)
    ))
}

async fn act(
    incident: i64,
    act: &str,
    body: &Value,
    acting: &Acting,
    global: &Global,
    terminal: &Terminal,
) -> Result<Incident, Stop> {
    let asked = asked(acting.hub.as_ref(), global, terminal)?;
    asked.post(&["incidents", &incident.to_string(), act], body).await.map_err(stop)
}

/// The token of a user that the daemon is shown, if there is one.
pub(super) fn token(global: &Global, terminal: &Terminal) -> Result<Option<Secret>, Stop> {
    let mut environment = environment(global, terminal)?;
    let token = environment.variables.remove(asking::TOKEN).filter(|it| !it.trim().is_empty());
    Ok(token.map(|it| Secret::new(it.trim())))
}

/// The daemon that is named, or that of the project.
pub(super) fn asked(
    hub: Option<&url::Url>,
    global: &Global,
    terminal: &Terminal,
) -> Result<Asked, Stop> {
    let token = token(global, terminal)?;
    let token = token.as_ref();
    let asked = match hub {
        Some(url) => Asked::at(url, token),
        None => Asked::of(&settings(global, terminal).map_err(or_name_the_hub)?, token),
    };
    asked.map_err(stop)
}

/// The settings, which say where the daemon listens. It may run while its project is being edited, and
/// somebody may have to be quick.
fn settings(global: &Global, terminal: &Terminal) -> Result<Settings, Stop> {
    let settings = reading(global, terminal)?.settings_in_spite();
    let (settings, has_mistakes) = settings.map_err(Stop::Invalid)?;
    if has_mistakes {
        let said = "warning: there are mistakes in tripline.toml, which `tripline validate` tells; \
                    the daemon that runs is asked all the same\n";
        anstream::stderr().write_all(said.as_bytes())?;
    }
    Ok(settings)
}

fn or_name_the_hub(stop: Stop) -> Stop {
    match stop {
        Stop::NoProject(text) => Stop::NoProject(format!("{text}, or the daemon with --hub")),
        Stop::Invalid(mut mistakes) => {
            if let Some(last) = mistakes.last_mut() {
                let before = last.help.take().map(|help| format!("{help}; "));
                let before = before.unwrap_or_default();
                last.help = Some(format!("{before}--hub names the daemon without the project"));
            }
            Stop::Invalid(mistakes)
        }
        other => other,
    }
}

/// Who says what, as the API takes it.
pub(super) fn said_by(acting: &Acting, reason: Option<&str>, terminal: &Terminal) -> Value {
    let variable = |name| terminal.variables.get(name).filter(|it| !it.trim().is_empty());
    let user = || variable("USER").or_else(|| variable("LOGNAME")).cloned();
    let by = acting.by.clone().or_else(user).unwrap_or_else(logged_in);
    let mut body = json!({ "by": by, "via": "cli" });
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    body
}

/// What this process runs as, where no variable says who that is.
fn logged_in() -> String {
    let id = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&users, id).map_or_else(|| format!("user {id}"), str::to_owned)
}

/// The name of a user in a text like `/etc/passwd` (passwd(5)).
fn named(users: &str, id: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        (number.parse() == Ok(id) && !name.is_empty()).then_some(name)
    })
}

/// What the daemon says, in the form that is expected.
pub(super) fn understood<T: DeserializeOwned>(said: &Value) -> Result<T, Stop> {
    T::deserialize(said).map_err(|error| {
        Stop::Broken(format!(
            "the daemon's answer was not understood, is it another version? ({error})"
        ))
    })
}

pub(super) fn stop(error: Error) -> Stop {
    match error {
        Error::Refused(detail) => Stop::Usage(clean(&detail)),
        Error::Address(_) | Error::Unknown(_) => Stop::Usage(clean(&error.to_string())),
        Error::Unreachable { .. } | Error::Failed { .. } | Error::Client(_) => {
            Stop::Broken(clean(&with_causes(&error)))
        }
    }
}

fn told(line: &str) -> Result<Exit, Stop> {
    writeln!(anstream::stdout(), "{line}")?;
    Ok(Exit::Good)
}

/// What a silence is of.
fn scope(silence: &Silenced) -> String {
    let labels: Vec<String> =
        silence.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let kinds = [
        ("check", &silence.checks),
        ("rule", &silence.rules),
        ("region", &silence.regions),
        ("label", &labels),
    ];
    let named = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let parts: Vec<String> =
        named.map(|(kind, names)| format!("{kind} {}", names.join(", "))).collect();
    if parts.is_empty() { "everything".to_owned() } else { clean(&parts.join(", ")) }
}

fn listed(silences: &[Silenced], look: &Look) -> String {
    if silences.is_empty() {
        return "There is no silence.\n".to_owned();
    }
    let mut text = String::new();
    for silence in silences {
        let id = look.paint(Paint::Strong, &format!("{:>4}", silence.id));
        let until = moment(silence.until);
        let _ = writeln!(text, "{id}  {} until {until}", scope(silence));
        let said = format!("{}: {}", clean(&silence.by), clean(&silence.reason));
        let _ = writeln!(text, "      {}", look.paint(Paint::Faint, &said));
    }
    look.folded(&text, 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nnobody\nkim:x:1000:1000::/home/kim:\n";
        assert_eq!(named(users, 0), Some("root"));
        assert_eq!(named(users, 1000), Some("kim"));
        assert_eq!(named(users, 7), None);
    }

    #[test]
    fn silences_say_of_what_by_whom_and_why() {
        let silence = Silenced {
            id: 3,
            checks: vec!["login".into(), "pay".into()],
            rules: Vec::new(),
            regions: vec!["eu".into()],
            labels: [("team".to_owned(), "shop".to_owned())].into(),
            reason: "deploy\u{1b}[2J".into(),
            by: "ana".into(),
            until: "2026-11-21T05:12:31Z".parse().expect("a time"),
        };
        insta::assert_snapshot!(listed(&[silence], &Look::plain(80)), @r"
           3  check login, pay, region eu, label team=shop until 2026-11-21 05:12:31 UTC
              ana: deploy\u{1b}[2J
        ");
    }
}
