//! `[health.NAME]`: groups of checks that answer for something at `/health/NAME`.

use std::collections::{BTreeMap, BTreeSet};

use super::maintenance::Mention;
use crate::config::check;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table};
use crate::config::value::Kind;
use crate::domain::group::{Group, IN_A_ROW};
use crate::domain::id::{CheckId, validate_name};
use crate::domain::policy::Quorum;

/// Where the labels of groups stand, by the name of the group.
pub(in crate::config) type LabelPlaces = BTreeMap<String, Span>;

/// Reads all groups, and says where their labels stand; the checks that they name go to `mentions`.
pub(super) fn read(
    section: Option<Table<'_>>,
    mentions: &mut Vec<Mention>,
    report: &mut Report,
) -> (Vec<Group>, LabelPlaces) {
    let (mut groups, mut places) = (Vec::new(), LabelPlaces::new());
    for field in section.into_iter().flat_map(|table| table.all()) {
        if let Err(error) = validate_name(field.name) {
            report.error(&field.key_span, format!("`{}` is no name: {error}", field.name));
        }
        let wanted = format!("a section, written as `[health.{}]`", field.name);
        let Some(table) = field.table(&wanted, report) else { continue };
        groups.extend(read_one(&field, table, (mentions, &mut places), report));
    }
    (groups, places)
}

fn hint(key: &str) -> Option<String> {
    match key {
        "check" | "label" => Some(format!("did you mean `{key}s`?")),
        "at_least" | "need" | "healthy" => Some("did you mean `needs`?".into()),
        "failures_in_a_row" => Some("did you mean `failures`?".into()),
        "recover_after" => Some("did you mean `passes`?".into()),
        _ => None,
    }
}

fn read_one(
    field: &Field<'_>,
    mut table: Table<'_>,
    (mentions, places): (&mut Vec<Mention>, &mut LabelPlaces),
    report: &mut Report,
) -> Option<Group> {
    let mut checks = BTreeSet::new();
    let written = table.optional("checks");
    for item in written.and_then(|it| it.one_or_more(report)).unwrap_or_default() {
        let Some(check) = item.parsed(CheckId::new, report) else { continue };
        mentions.push((check.clone(), item.span));
        checks.insert(check);
    }
    let labels = match table.optional("labels") {
        Some(labels) => {
            places.insert(field.name.to_owned(), labels.span.clone());
            check::read_labels(&labels, report)
        }
        None => Some(BTreeMap::new()),
    };
    let mut often = |key| table.optional(key).and_then(|it| it.integer(1..=100, report));
    let (failures, passes) = (often("failures"), often("passes"));
    let mut number = |key, of| table.optional(key).and_then(|it| quorum(&it, of, report));
    let (quorum, needs) = (number("quorum", "regions"), number("needs", "checks"));
    table.finish(report, hint);
    let labels = labels?;
    if checks.is_empty() && labels.is_empty() {
        report.error(&field.key_span, format!("the group `{}` has no checks", field.name)).advise(
            "name them: `checks = [\"login\"]`, or by label: `labels = { team = \"shop\" }`",
        );
        return None;
    }
    Some(Group {
        name: field.name.to_owned(),
        checks,
        labels,
        failures: failures.unwrap_or(IN_A_ROW),
        passes: passes.unwrap_or(IN_A_ROW),
        quorum: quorum.unwrap_or(Quorum::Majority),
        needs: needs.unwrap_or(Quorum::All),
    })
}

fn quorum(field: &Field<'_>, of: &str, report: &mut Report) -> Option<Quorum> {
    match field.kind() {
        Kind::Integer(_) => field.integer(1..=100_000, report).map(Quorum::Count),
        Kind::Text(_) => {
            field.word(&[("majority", Quorum::Majority), ("all", Quorum::All)], report)
        }
        _ => {
            field.unfit(&format!("a number of {of}, `\"majority\"` or `\"all\"`"), report);
            None
        }
    }
}
