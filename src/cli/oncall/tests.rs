use super::*;
use crate::config::diagnostic::Document;
use crate::config::{Environment, Files, settings};

const PROJECT: &str = "[people]
ana = { phone = '+4930123456', timezone = 'Asia/Tokyo' }
bo = { phone = '+4930123457' }
cy = {}
[teams]
ops = ['ana', 'bo', 'cy']
[rota.primary]
team = 'ops'
timezone = 'Europe/Berlin'
[[rota.primary.layer]]
people = ['ana', 'bo']
starts = '2026-11-23 09:00'
turn = 'weekly'
[[rota.primary.override]]
person = 'bo'
from = '2026-11-24 12:00'
until = '2026-11-25 12:00'
[rota.day]
team = 'ops'
[[rota.day.layer]]
people = ['bo']
starts = '2026-11-01'
turn = 'weekly'
hours = 'Mon-Fri 09:00-17:00'
[[policy]]
name = 'twice'
[[policy.tier]]
when = { failures_in_a_row = 1 }
notify = ['sms:primary']
[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = ['sms:ana']
";

fn project() -> Settings {
    let files = Files {
        root: "/project".into(),
        settings: Some(Document::new("tripline.toml", PROJECT)),
        modules: Vec::new(),
        diagnostics: Vec::new(),
        edited_at: Timestamp::UNIX_EPOCH,
    };
    settings::read(&files, &Environment::default()).0.expect("settings")
}

fn utc(text: &str) -> Timestamp {
    text.parse().expect("an RFC 3339 time")
}

#[test]
fn shifts_are_shown_with_their_holes() {
    let settings = project();
    let rotas: Vec<&Rota> = settings.people.roster.rotas.values().collect();
    let (look, at) = (Look::plain(100), utc("2026-11-21T12:00:00Z"));
    let until = utc("2026-12-02T00:00:00Z");
    insta::assert_snapshot!(table(&rotas, None, (at, until), &settings, &look));
    let ana = settings.people.roster.people.keys().next().expect("ana");
    insta::assert_snapshot!(table(&rotas, Some(ana), (at, until), &settings, &look));
    insta::assert_snapshot!(format!("{:#}", rota_in_json(rotas[1], None, (at, until))));
}

#[test]
fn what_is_wrong_is_told() {
    let settings = project();
    let found = lint(&settings, utc("2026-11-21T12:00:00Z"));
    insta::assert_snapshot!(told(&found, &settings, &Look::plain(100)));
    let json: Vec<Value> = found.iter().map(finding_in_json).collect();
    assert_eq!(json[2], json!({ "kind": "no_phone", "person": "cy", "named_by": ["team ops"] }));
    assert!(told(&[], &settings, &Look::plain(100)).starts_with("Somebody is on duty"));
}
