//! A replay, for people.

use std::fmt::Write as _;

use crate::app::replays::{Replayed, Wanted};
use crate::cli::look::{Look, Paint, Zone, clean, columns, counted, padded};
use crate::domain::Timestamp;
use crate::engine::replay::{Cares, Message, Row, Side, Stood};

/// What is shown.
pub(super) struct Shown<'a> {
    pub(super) replayed: &'a Replayed,
    pub(super) asked: &'a Wanted,
    /// Whether there is an edited project to compare with.
    pub(super) is_edited: bool,
    /// Before when incidents that ended are forgotten, where that matters.
    pub(super) forgotten: Option<Timestamp>,
}

/// By how much the last project tells more than it is compared with: the present project, or what was
/// really told.
pub(super) fn difference(row: &Row, is_edited: bool) -> i64 {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let first = row.replayed.first().copied().unwrap_or_default();
    let last = row.replayed.last().copied().unwrap_or_default();
    number(last) - number(if is_edited { first } else { row.stood.told })
}

impl Shown<'_> {
    pub(super) fn text(&self, look: &Look) -> String {
        let Replayed { since, until, read, rows, whole_since, .. } = self.replayed;
        let Some(whole_since) = whole_since else {
            return "The store has no results yet; `tripline up` makes them.\n".to_owned();
        };
        let results = usize::try_from(read.results).unwrap_or(usize::MAX);
        let title = format!("{} to {}", moment(*since, look), moment(*until, look));
        let mut text = look.paint(Paint::Strong, &title);
        let checks = counted(read.checks.len(), "check");
        let _ = writeln!(text, ": {} of {checks}", counted(results, "result"));
        if *since > self.asked.since {
            let line = format!(
                "The store has results since {}: what was before cannot be replayed.",
                moment(*whole_since, look)
            );
            text += &(look.paint(Paint::Unsure, &line) + "\n");
        }
        text.push('\n');
        if rows.is_empty() {
            text += "Nobody was told of a check, and nobody would have been.\n";
        } else {
            text += &self.table(look);
        }
        text.push('\n');
        text += &look.folded(&self.notes(), 2);
        text += &self.messages(look);
        text
    }

    fn headings(&self) -> Vec<&'static str> {
        if self.is_edited {
            vec!["told then", "current", "edited", "difference"]
        } else {
            vec!["told then", "replayed", "difference"]
        }
    }

    fn table(&self, look: &Look) -> String {
        let rows = &self.replayed.rows;
        let names: Vec<String> = rows.iter().map(|it| clean(&it.recipient.to_string())).collect();
        let width = names.iter().map(|name| columns(name)).max().unwrap_or_default().max(6) + 2;
        let headings = self.headings();
        let mut line = padded("target", width);
        for heading in &headings {
            let _ = write!(line, "{heading:>12}");
        }
        let mut text = look.paint(Paint::Faint, &line) + "\n";
        let mut total = vec![0; headings.len()];
        for (row, name) in rows.iter().zip(&names) {
            let numbers = self.numbers(row);
            total.iter_mut().zip(&numbers).for_each(|(sum, number)| *sum += number);
            text += &numbered(name, width, &numbers, look);
        }
        if rows.len() > 1 {
            text += &numbered("all", width, &total, look);
        }
        text
    }

    /// What stands in a row.
    fn numbers(&self, row: &Row) -> Vec<i64> {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let counts = std::iter::once(row.stood.told).chain(row.replayed.iter().copied());
        counts.map(number).chain([difference(row, self.is_edited)]).collect()
    }

    /// What has to be known to read the numbers.
    fn notes(&self) -> String {
        let read = &self.replayed.read;
        let mut notes = self.notes_of_then();
        notes.extend(self.note_of_cares());
        if !read.strangers.is_empty() {
            let names: Vec<String> =
                read.strangers.keys().take(5).map(|check| clean(check.as_str())).collect();
            let more = read.strangers.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = names.join(", ");
            notes.push(format!("Left out, because the project has no such check: {names}{more}."));
        }
        if let Some(forgotten) = self.forgotten {
            notes.push(format!(
                "Incidents that ended before {} are forgotten, with whom they told and who \
                 acknowledged them.",
                forgotten.format("%Y-%m-%d")
            ));
        }
        notes.push(
            "Counted are messages about checks that fail; those about regions, coverage and rules are \
             not replayed, and digests are not put together."
                .to_owned(),
        );
        notes.iter().flat_map(|note| ["- ", note, "\n"]).collect()
    }

    /// What became of messages that were decided then.
    fn notes_of_then(&self) -> Vec<String> {
        let mut all = Stood::default();
        self.replayed.rows.iter().for_each(|row| all.add(row.stood));
        let left = [
            (all.superseded, "a later message took their place"),
            (all.given_up, "they were given up"),
            (all.owed, "they are still to be sent"),
        ];
        let left: Vec<String> = left
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} because {why}"))
            .collect();
        let mut notes = Vec::new();
        if !left.is_empty() {
            notes.push(format!(
                "Decided then, but not told: {}. A replay counts such messages, too.",
                left.join(", ")
            ));
        }
        if all.instead > 0 {
            notes.push(format!(
                "Of what was told then, {} went to somebody instead of others who were not reached; a \
                 replay reaches everybody.",
                all.instead
            ));
        }
        notes
    }

    /// What became of the acknowledgements that people made.
    fn note_of_cares(&self) -> Option<String> {
        let Cares { applied, carried, without } = self.replayed.cares;
        (applied + carried + without > 0).then(|| {
            format!(
                "Acknowledgements of then: {applied} found an incident open in the replay; {carried} \
                 incidents opened while their check was taken care of and were acknowledged at once; \
                 {without} found none open.",
            )
        })
    }

    fn messages(&self, look: &Look) -> String {
        let listed = &self.replayed.messages;
        if listed.is_empty() {
            return String::new();
        }
        let mut text = String::from("\n");
        if self.is_edited {
            text += "Messages (+ only with the edited project, - only with the current one):\n";
        }
        let mut before = None;
        let who = listed.iter().map(|(_, it)| columns(&clean(&it.recipient.to_string())));
        let width = who.max().unwrap_or_default().min(32) + 2;
        for (side, message) in listed {
            let date = date(message.at, look);
            if before.as_ref() != Some(&date) {
                let _ = writeln!(text, "{}", look.paint(Paint::Faint, &date));
                before = Some(date);
            }
            text += &self.message(*side, message, width, look);
        }
        let kept = listed.iter().filter(|(side, _)| *side != Side::First).count();
        let more = self.replayed.told.saturating_sub(u64::try_from(kept).unwrap_or(u64::MAX));
        if more > 0 {
            let line = format!("and {more} more; `--limit` lists them");
            text += &(look.paint(Paint::Faint, &line) + "\n");
        }
        text
    }

    fn message(&self, side: Side, message: &Message, width: usize, look: &Look) -> String {
        let sign = match (self.is_edited, side) {
            (true, Side::First) => look.paint(Paint::Bad, "-") + " ",
            (true, Side::Second) => look.paint(Paint::Good, "+") + " ",
            (true, Side::Both) => "  ".to_owned(),
            (false, _) => String::new(),
        };
        let to = look.paint(Paint::Accent, &padded(&clean(&message.recipient.to_string()), width));
        let said = format!("{sign}{}  {to}{}", look.time_of_day(message.at), clean(&message.text));
        let indent = 10 + if self.is_edited { 2 } else { 0 };
        let why = look.paint(Paint::Faint, &clean(&message.why));
        let why = format!("{}{why}", " ".repeat(indent));
        look.folded(&said, indent) + "\n" + &look.folded(&why, indent) + "\n"
    }
}

/// A row of the table; the last number is a difference.
fn numbered(name: &str, width: usize, numbers: &[i64], look: &Look) -> String {
    let mut line = padded(name, width);
    let Some((difference, counts)) = numbers.split_last() else { return line };
    for count in counts {
        let _ = write!(line, "{count:>12}");
    }
    let (paint, text) = match difference {
        0 => (Paint::Faint, "0".to_owned()),
        more if *more > 0 => (Paint::Bad, format!("+{more}")),
        less => (Paint::Good, less.to_string()),
    };
    line + &look.paint(paint, &format!("{text:>12}")) + "\n"
}

fn date(at: Timestamp, look: &Look) -> String {
    match look.zone {
        Zone::Utc => at.format("%Y-%m-%d, UTC").to_string(),
        Zone::Local => at.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string(),
    }
}

fn moment(at: Timestamp, look: &Look) -> String {
    match look.zone {
        Zone::Utc => at.format("%Y-%m-%d %H:%M UTC").to_string(),
        Zone::Local => at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string(),
    }
}
