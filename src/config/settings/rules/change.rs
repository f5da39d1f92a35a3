//! `kind = "change"`: how much a metric rises or falls.

use super::{amount, read_metric, read_window};
use crate::config::reader::{Field, Report, Table};
use crate::config::value::Kind;
use crate::domain::rule::change::{Baseline, Change, Reading, Threshold};

/// A breach ends well within the threshold, where nothing is written.
const HYSTERESIS: f64 = 0.8;

pub(super) fn read(table: &mut Table<'_>, report: &mut Report) -> Option<Change> {
    const READINGS: [(&str, Reading); 3] =
        [("counter", Reading::Counter), ("counts", Reading::Counts), ("gauge", Reading::Gauge)];
    let metric = read_metric(table, report);
    let window = read_window(table, report);
    let reading =
        table.optional("reads").map_or(Some(Reading::Counter), |it| it.word(&READINGS, report));
    let by = table.optional("by").map_or(Some(Vec::new()), |it| labels(&it, report));
    let help = "such as `compare_to = \"same time last week\"`";
    let baseline = table.required("compare_to", help, report);
    let baseline = baseline.and_then(|it| it.word(&Baseline::ALL, report));
    let rises = table.optional("rises_by");
    let falls = table.optional("falls_by");
    if rises.is_none() && falls.is_none() {
        report
            .error(&table.span, "it is not said how much is too much")
            .advise("write `falls_by = \"50%\"`, `rises_by = \"100%\"`, or both");
        return None;
    }
    let rises_by = rises.map(|it| threshold(&it, report));
    let falls_by = falls.map(|it| {
        let threshold = threshold(&it, report);
        if let Some(Threshold::Share(share)) = threshold
            && share >= 1.0
        {
            report
                .error(&it.span, "nothing can fall by so much")
                .advise("less than `100%`; what is gone altogether has no data, which is told");
            return None;
        }
        threshold
    });
    let minimum = table.optional("minimum").map_or(Some(0.0), |it| amount(&it, report));
    let hysteresis = table.optional("hysteresis").map_or(Some(HYSTERESIS), |it| part(&it, report));
    Some(Change {
        metric: metric?,
        reading: reading?,
        by: by?,
        window: window?,
        baseline: baseline?,
        rises_by: flat(rises_by)?,
        falls_by: flat(falls_by)?,
        minimum: minimum?,
        hysteresis: hysteresis?,
    })
}

/// Nothing where something was written with a mistake.
#[expect(clippy::option_option, reason = "not written, or written with a mistake")]
fn flat<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

/// `"50%"`, or an amount in the unit of the value.
fn threshold(field: &Field<'_>, report: &mut Report) -> Option<Threshold> {
    if let Kind::Text(text) = field.kind() {
        let percent = text.trim().strip_suffix('%').and_then(|it| it.trim().parse::<f64>().ok());
        let share = percent.filter(|it| it.is_finite() && *it > 0.0);
        if share.is_none() {
            let is_bare = text.trim().parse::<f64>().is_ok_and(|it| it.is_finite() && it > 0.0);
            let (message, help) = if is_bare {
                let text = text.trim();
                (
                    format!("`{}` in quotes is a share, and this has no `%`", field.name),
                    format!("write `\"{text}%\"` for a share, or `{text}` for so many"),
                )
            } else {
                (
                    format!("`{}` must be more than nothing, as a share or a number", field.name),
                    "such as `\"50%\"`, or `20` for so many".to_owned(),
                )
            };
            report.error(&field.span, message).advise(help);
        }
        return share.map(|percent| Threshold::Share(percent / 100.0));
    }
    let amount = amount(field, report)?;
    if amount <= 0.0 {
        report.error(&field.span, format!("`{}` must be more than nothing", field.name));
        return None;
    }
    Some(Threshold::Amount(amount))
}

/// A part of a whole.
fn part(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    match field.kind() {
        Kind::Integer(1) => Some(1.0),
        Kind::Float(part) if *part > 0.0 && *part <= 1.0 => Some(*part),
        _ => {
            let help =
                "such as `0.8`: with `falls_by = \"50%\"` it ends when less than 40% is missing";
            field.unfit("a part, more than 0 and at most 1", report).advise(help);
            None
        }
    }
}

fn labels(field: &Field<'_>, report: &mut Report) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    for item in field.one_or_more(report)? {
        let name = item.filled_text(report)?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name {
            report.error(&item.span, format!("`{name}` cannot be the name of a label"));
            return None;
        }
        labels.push(name.to_owned());
    }
    Some(labels)
}
