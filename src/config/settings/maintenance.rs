//! `[[maintenance]]`: planned times in which nobody is told of something.
//!
//! Which checks there are is known when scripts have been evaluated, so the checks that are named are
//! handed back with their places.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::rules::Rules;
use super::tables;
use crate::config::check::{self, Surroundings};
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table};
use crate::config::suggestion;
use crate::config::value::Kind;
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, Region};
use crate::domain::restraint::{Maintenance, Scope, Window};
use crate::domain::rule::RuleName;

/// A check that is named, and where.
pub(in crate::config) type Mention = (CheckId, Span);

/// How long one time may last: a check that should not be told of for longer is to be switched off.
const LENGTHS: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);
/// The longest name, in characters.
const LONGEST_NAME: usize = 120;

pub(super) fn read(
    written: Option<&Field<'_>>,
    (surroundings, rules): (&Surroundings<'_>, &Rules),
    report: &mut Report,
) -> (Vec<Maintenance>, Vec<Mention>) {
    let (mut all, mut mentions) = (Vec::new(), Vec::new());
    for mut table in written.map(|it| tables("maintenance", it, report)).unwrap_or_default() {
        let name = table.required("name", "say what is done, such as `name = \"backup\"`", report);
        let name = name.and_then(|it| it.line(LONGEST_NAME, report));
        let scope = read_scope(&mut table, (surroundings, rules), &mut mentions, report);
        let window = read_window(&mut table, report);
        table.finish(report, hint);
        if let (Some(name), Some(scope), Some(window)) = (name, scope, window) {
            all.push(Maintenance { name: name.to_owned(), scope, window });
        }
    }
    (all, mentions)
}

fn hint(key: &str) -> Option<String> {
    match key {
        "check" | "rule" | "region" | "label" => Some(format!("did you mean `{key}s`?")),
        "to" | "end" => Some("did you mean `until`?".into()),
        "start" => Some("did you mean `from`?".into()),
        "duration" | "for" => Some("did you mean `lasts`?".into()),
        _ => None,
    }
}

fn read_scope(
    table: &mut Table<'_>,
    (surroundings, rules): (&Surroundings<'_>, &Rules),
    mentions: &mut Vec<Mention>,
    report: &mut Report,
) -> Option<Scope> {
    let regions = match table.optional("regions") {
        Some(field) => surroundings.regions(&field, report),
        None => Some(Vec::new()),
    };
    let labels = match table.optional("labels") {
        Some(field) => check::read_labels(&field, report),
        None => Some(std::collections::BTreeMap::new()),
    };
    let (mut checks, mut named) = (BTreeSet::new(), BTreeSet::new());
    let written = table.optional("checks");
    for item in written.and_then(|it| it.one_or_more(report)).unwrap_or_default() {
        let Some(check) = item.parsed(CheckId::new, report) else { continue };
        mentions.push((check.clone(), item.span));
        checks.insert(check);
    }
    let written = table.optional("rules");
    for item in written.and_then(|it| it.one_or_more(report)).unwrap_or_default() {
        let Some(rule) = item.parsed(RuleName::new, report) else { continue };
        let known = || rules.names.iter().map(RuleName::as_str);
        if !known().any(|name| name == rule.as_str()) {
            let help = suggestion::did_you_mean(rule.as_str(), known());
            report.error(&item.span, format!("there is no rule `{rule}`")).help = help;
        }
        named.insert(rule);
    }
    let regions: BTreeSet<Region> = regions?.into_iter().collect();
    Some(Scope { checks, rules: named, regions, labels: labels? })
}

fn read_window(table: &mut Table<'_>, report: &mut Report) -> Option<Window> {
    const FORM: &str = "write `from = 2026-11-21T03:00:00Z` and `until`, or `cron` and `lasts`";
    let (from, until) = (table.optional("from"), table.optional("until"));
    let (cron, lasts) = (table.optional("cron"), table.optional("lasts"));
    let zone = table.optional("timezone");
    let once = from.as_ref().or(until.as_ref());
    let again = cron.as_ref().or(lasts.as_ref()).or(zone.as_ref());
    match (once, again) {
        (Some(once), Some(again)) => {
            let message = "a maintenance is either once or again and again";
            report
                .error(&again.key_span, message)
                .advise(FORM)
                .relate(once.key_span.clone(), "the other one");
            None
        }
        (None, None) => {
            report.error(&table.span, "it is not said when the maintenance is").advise(FORM);
            None
        }
        (Some(_), None) => {
            let from = table.required("from", FORM, report).map(|it| (moment(&it, report), it));
            let until = table.required("until", FORM, report).map(|it| (moment(&it, report), it));
            let ((from, _), (until, place)) = (from?, until?);
            once_between(from?, until?, &place.span, report)
        }
        (None, Some(_)) => {
            let help = "when does it begin? write `cron = \"0 3 * * SUN\"`";
            let cron = table.required("cron", help, report);
            let cron = cron.and_then(|it| check::read_cron(&it, zone.as_ref(), report));
            let help = "how long does it last? write `lasts = \"2h\"`";
            let lasts = table.required("lasts", help, report);
            let lasts = lasts.and_then(|it| it.duration(LENGTHS, report));
            Some(Window::Recurring { begins: Box::new(cron?), lasts: lasts? })
        }
    }
}

fn once_between(
    from: Timestamp,
    until: Timestamp,
    place: &Span,
    report: &mut Report,
) -> Option<Window> {
    let Ok(length) = (until - from).to_std() else {
        report.error(place, "`until` is before `from`").advise("which of them is wrong?");
        return None;
    };
    if !LENGTHS.contains(&length) {
        let help = if length < *LENGTHS.start() {
            "say when it really ends"
        } else {
            "what nobody is to be told of for longer is switched off by `enabled = false`"
        };
        report.error(place, "a maintenance lasts from one minute to seven days").advise(help);
        return None;
    }
    Some(Window::Once { from, until })
}

/// A moment with its offset from universal time, as TOML has it or in quotes.
fn moment(field: &Field<'_>, report: &mut Report) -> Option<Timestamp> {
    let (Kind::Time(text) | Kind::Text(text)) = field.kind() else {
        field.unfit("a date with its time", report).advise("such as `2026-11-21T03:00:00Z`");
        return None;
    };
    let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) else {
        let message = format!("`{}` is no moment", field.name);
        report.error(&field.span, message).advise(
            "write day, time and offset from universal time: `2026-11-21T03:00:00Z` or \
             `2026-11-21T04:00:00+01:00`",
        );
        return None;
    };
    Some(moment.to_utc())
}
