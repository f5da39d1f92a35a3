//! `[rota.NAME]`: who is on duty when.

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime};

use super::people::{Addresses, People, zone};
use super::tables;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table, no_hint};
use crate::config::suggestion;
use crate::domain::id::{PersonId, validate_name};
use crate::domain::rota::{Handover, Hours, Layer, Override, Rota, Turn};
use crate::domain::zone::Zone;

/// Reads all rotas into the roster.
pub(super) fn read(
    rotas: Option<&Table<'_>>,
    people: &mut People,
    addresses: &mut Addresses,
    report: &mut Report,
) {
    for field in rotas.into_iter().flat_map(Table::all) {
        check_name(&field, addresses, report);
        let rota = read_rota(&field, addresses, report);
        let reached = rota.as_ref().map(|rota| rota.people()).unwrap_or_default();
        let reached = reached.into_iter().map(|person| person.as_str().to_owned()).collect();
        addresses.rotas.insert(field.name.to_owned(), reached);
        people.roster.rotas.extend(rota.map(|rota| (field.name.to_owned(), rota)));
    }
}

fn check_name(field: &Field<'_>, addresses: &Addresses, report: &mut Report) {
    if let Err(error) = validate_name(field.name) {
        report.error(&field.key_span, format!("`{}` is no name: {error}", field.name));
    }
    let other = match field.name {
        name if addresses.teams.contains_key(name) => "team",
        name if addresses.people.contains_key(name) => "person",
        _ => return,
    };
    let message = format!("`{}` is both a rota and a {other}", field.name);
    report
        .error(&field.key_span, message)
        .advise("give one of them another name, so that `sms:` can tell them apart");
}

fn read_rota(field: &Field<'_>, addresses: &Addresses, report: &mut Report) -> Option<Rota> {
    let wanted = format!("a section, written as `[rota.{}]`", field.name);
    let mut table = field.table(&wanted, report)?;
    let team = table.required("team", "name the team that is told when nobody is on duty", report);
    let team = team.and_then(|it| read_team(&it, addresses, report));
    let usual = match table.optional("timezone") {
        Some(field) => zone(&field, report),
        None => Some(Zone::UTC),
    };
    let help = format!("say who take turns: `[[rota.{}.layer]]` with `people`", field.name);
    let layers = table.required("layer", &help, report);
    let overrides = table.optional("override");
    table.finish(report, section_hint);
    // With another zone, mistakes in the rest are told all the same.
    let around = Around { addresses, zone: usual.unwrap_or(Zone::UTC) };
    let key = format!("rota.{}.layer", field.name);
    let layers = layers.map(|it| tables(&key, &it, report)).unwrap_or_default();
    let written = layers.len();
    let layers: Vec<(Written, Layer)> =
        layers.into_iter().filter_map(|it| around.read_layer(it, report)).collect();
    let whole = layers.len() == written;
    warn_of_hidden(&layers, report);
    let key = format!("rota.{}.override", field.name);
    let overrides = overrides.map(|it| tables(&key, &it, report)).unwrap_or_default();
    let overrides: Vec<(Span, Override)> =
        overrides.into_iter().filter_map(|it| around.read_override(it, report)).collect();
    check_overlap(&overrides, report);
    usual?;
    whole.then_some(Rota {
        name: field.name.to_owned(),
        team: team?,
        layers: layers.into_iter().map(|(_, layer)| layer).collect(),
        overrides: overrides.into_iter().map(|(_, it)| it).collect(),
    })
}

fn section_hint(key: &str) -> Option<String> {
    match key {
        "layers" => Some("a layer is written as `[[rota.NAME.layer]]`".into()),
        "overrides" => Some("an override is written as `[[rota.NAME.override]]`".into()),
        "tz" | "zone" | "time_zone" => Some("did you mean `timezone`?".into()),
        _ => None,
    }
}

fn read_team(field: &Field<'_>, addresses: &Addresses, report: &mut Report) -> Option<String> {
    let name = field.text(report)?;
    if addresses.teams.contains_key(name) {
        return Some(name.to_owned());
    }
    let help = suggestion::did_you_mean(name, addresses.teams.keys().map(String::as_str))
        .unwrap_or_else(|| format!("add `{name}` to [teams]"));
    report.error(&field.span, format!("there is no team `{name}`")).advise(help);
    None
}

/// Where a layer is written, and what of it hides others.
struct Written {
    span: Span,
    starts: NaiveDateTime,
    is_always: bool,
}

/// What a rota is read with.
struct Around<'a> {
    addresses: &'a Addresses,
    zone: Zone,
}

impl Around<'_> {
    fn read_layer(&self, mut table: Table<'_>, report: &mut Report) -> Option<(Written, Layer)> {
        let span = table.span.clone();
        let people = table.required("people", "name them in the order of their turns", report);
        let help = "say when the first turn begins: `starts = \"2026-11-23 09:00\"`";
        let starts = table.required("starts", help, report);
        let help = "say how long a turn is: `\"1w\"`, `\"1d\"`, `\"12h\"`";
        let turn = table.required("turn", help, report);
        let handover = table.optional("handover");
        let hours = table.optional("hours");
        let own = table.optional("timezone");
        table.finish(report, no_hint);
        let people = people.and_then(|it| self.read_people(&it, report));
        let starts = starts.and_then(|it| it.parsed(local_time, report));
        let turn = turn.as_ref().and_then(|it| it.parsed(parse_turn, report));
        let handover = match (handover, turn) {
            (Some(field), Some(turn)) => read_handover(&field, turn, report).map(Some),
            (Some(field), None) => field.parsed(str::parse, report).map(Some),
            (None, _) => Some(None),
        };
        let hours = match hours {
            Some(field) => read_hours(&field, report),
            None => Some(Vec::new()),
        };
        let zone = match own {
            Some(field) => zone(&field, report),
            None => Some(self.zone),
        };
        let (starts, hours) = (starts?, hours?);
        let written = Written { span, starts, is_always: hours.is_empty() };
        let layer = Layer::new(people?, zone?, starts, turn?).only(hours);
        Some((written, handover?.into_iter().fold(layer, Layer::handing_over)))
    }

    fn read_people(&self, field: &Field<'_>, report: &mut Report) -> Option<Vec<PersonId>> {
        let items = field.one_or_more(report)?;
        let people: Vec<PersonId> =
            items.iter().filter_map(|item| self.read_person(item, report)).collect();
        (people.len() == items.len()).then_some(people)
    }

    fn read_person(&self, field: &Field<'_>, report: &mut Report) -> Option<PersonId> {
        let name = field.text(report)?;
        if self.addresses.people.contains_key(name) {
            return PersonId::new(name).ok();
        }
        self.addresses.report_nobody(name, &field.span, report);
        None
    }

    fn read_override(&self, mut table: Table<'_>, report: &mut Report) -> Option<(Span, Override)> {
        let span = table.span.clone();
        let person = table.required("person", "say who is on duty", report);
        let from = table.required("from", "say when it begins: `\"2026-12-24 18:00\"`", report);
        let until = table.required("until", "say when it ends: `\"2026-12-26 09:00\"`", report);
        let replaces = table.optional("replaces");
        let own = table.optional("timezone");
        table.finish(report, no_hint);
        let person = person.and_then(|it| self.read_person(&it, report));
        let replaces = match replaces {
            Some(field) => self.read_person(&field, report).map(Some),
            None => Some(None),
        };
        let zone = match own {
            Some(field) => zone(&field, report),
            None => Some(self.zone),
        };
        let from = from.and_then(|it| it.parsed(local_time, report));
        let ends = until.as_ref().and_then(|it| it.parsed(local_time, report));
        let (zone, from, ends) = (zone?, zone?.instant_of(from?), zone?.instant_of(ends?));
        if let Some(field) = until.filter(|_| ends <= from) {
            let message = format!("this is not after `from`, by the clocks of {zone}");
            report.error(&field.span, message);
            return None;
        }
        let it = Override { person: person?, from, until: ends, replaces: replaces? };
        Some((span, it))
    }
}

fn read_handover(field: &Field<'_>, turn: Turn, report: &mut Report) -> Option<Handover> {
    let handover: Handover = field.parsed(str::parse, report)?;
    let message = match turn {
        Turn::Hours(_) => "turns of hours end so many hours after they begin",
        Turn::Days(days) if handover.day.is_some() && days % 7 != 0 => {
            "turns of days cannot all end on the same day of the week"
        }
        Turn::Days(_) | Turn::Weeks(_) => return Some(handover),
    };
    let help = "write a `turn` of weeks, or leave `handover` out";
    report.error(&field.span, message).advise(help);
    None
}

fn read_hours(field: &Field<'_>, report: &mut Report) -> Option<Vec<Hours>> {
    let items = field.one_or_more(report)?;
    let hours: Vec<Hours> =
        items.iter().filter_map(|item| item.parsed(str::parse, report)).collect();
    (hours.len() == items.len()).then_some(hours)
}

/// Warns of layers that never have their turn.
fn warn_of_hidden(layers: &[(Written, Layer)], report: &mut Report) {
    for (index, (written, layer)) in layers.iter().enumerate() {
        let hides = |(other, later): &&(Written, Layer)| {
            other.is_always && other.starts <= written.starts && later.zone() == layer.zone()
        };
        if let Some((other, _)) = layers.iter().skip(index + 1).find(hides) {
            report
                .warning(&written.span, "nobody of this layer is ever on duty")
                .advise("write the layer that is always there first, or give it `hours`")
                .relate(other.span.clone(), "this later layer goes before it at any time");
        }
    }
}

fn check_overlap(overrides: &[(Span, Override)], report: &mut Report) {
    for (index, (span, later)) in overrides.iter().enumerate() {
        let overlaps = |(_, it): &&(Span, Override)| {
            it.replaces == later.replaces && it.from < later.until && later.from < it.until
        };
        if let Some((first, _)) = overrides.iter().take(index).find(overlaps) {
            let message = "this override is at the same time as another, and only one can be";
            report
                .error(span, message)
                .advise("let one of them end before the other begins, or say whom each `replaces`")
                .relate(first.clone(), "the other one");
        }
    }
}

/// `2026-11-23 09:00`; the time may be left out, which is midnight.
fn local_time(text: &str) -> Result<NaiveDateTime, String> {
    let whole = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"];
    let time = whole.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|it| it.and_time(NaiveTime::MIN));
    let time = time.or_else(|| day().ok()).filter(|it| (2000..2200).contains(&it.year()));
    time.ok_or_else(|| {
        format!("`{text}` is no date with a time of the day, such as `2026-11-23 09:00`")
    })
}

/// `daily`, `weekly`, `12h`, `3d`, `2w`.
fn parse_turn(text: &str) -> Result<Turn, String> {
    const MOST: u32 = 999;
    let of = |count: &str| count.parse().ok().filter(|count| (1..=MOST).contains(count));
    let turn = match text {
        "daily" => Some(Turn::Days(1)),
        "weekly" => Some(Turn::Weeks(1)),
        _ => text
            .strip_suffix('h')
            .and_then(|count| of(count).map(Turn::Hours))
            .or_else(|| of(text.strip_suffix('d')?).map(Turn::Days))
            .or_else(|| of(text.strip_suffix('w')?).map(Turn::Weeks)),
    };
    turn.ok_or_else(|| {
        format!("`{text}` is no length of a turn, such as `daily`, `weekly`, `12h`, `3d` or `2w`")
    })
}
