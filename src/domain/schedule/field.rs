//! The fields of a crontab line, and what is wrong with one.
//!
//! Whether a field is right is for the parser of the crate to say; its errors name neither the
//! field nor what is allowed there, so each part of a field is shown to it alone, and the one that
//! it refuses is explained here. It takes some slips for intent, and those are refused here.

use super::{ScheduleError, parser};

/// The five fields, in order.
pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, values: 60, names: None },
    Field { name: "hour", least: 0, most: 23, values: 24, names: None },
    Field { name: "day of month", least: 1, most: 31, values: 31, names: None },
    Field { name: "month", least: 1, most: 12, values: 12, names: Some("JAN to DEC") },
    // Sunday is 0 and 7.
    Field { name: "day of week", least: 0, most: 7, values: 7, names: Some("SUN to SAT") },
];

/// What a field may hold.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// How many values there are.
    values: u32,
    /// The names that stand for its numbers.
    names: Option<&'static str>,
}

/// Checks the field at `index` of a line.
///
/// # Errors
///
/// [`ScheduleError::Field`].
pub(super) fn check(index: usize, text: &str) -> Result<(), ScheduleError> {
    let field = &FIELDS[index];
    let refused =
        |reason| Err(ScheduleError::Field { field: field.name, text: text.into(), reason });
    for part in text.split(',') {
        if part.is_empty() {
            return refused("there is a comma with nothing beside it".into());
        }
        let mut alone = ["*"; FIELDS.len()];
        alone[index] = part;
        if let Some(reason) = field.wrong_step(part) {
            return refused(reason);
        }
        if parser().parse(&alone.join(" ")).is_err() {
            return refused(field.explain(part));
        }
    }
    Ok(())
}

impl Field {
    fn wrong_step(&self, part: &str) -> Option<String> {
        let (_, step) = part.split_once('/')?;
        match step.parse::<u32>() {
            Ok(0) => Some("a step is at least 1".into()),
            Ok(step) if step < self.values => None,
            Ok(step) => Some(format!("a step of {step} is more than the field has")),
            Err(_) => Some(format!("`{step}` is no step; a step is a number, as in `*/2`")),
        }
    }

    /// Why a part that the parser refuses is wrong.
    fn explain(&self, part: &str) -> String {
        let (range, step) =
            part.split_once('/').map_or((part, None), |(at, step)| (at, Some(step)));
        let is_number = |text: &&str| !text.is_empty();
        let numbers: Vec<&str> =
            range.split(|c: char| !c.is_ascii_digit()).filter(is_number).collect();
        let (least, most) = (self.least, self.most);
        let is_outside =
            |number: &str| number.parse().map_or(true, |number| !(least..=most).contains(&number));
        if let Some(number) = numbers.iter().find(|number| is_outside(number)) {
            return format!("{number} is not between {least} and {most}");
        }
        match (numbers.as_slice(), step) {
            ([from, to], _) if *range == format!("{from}-{to}") => {
                format!("the range {range} runs backwards")
            }
            ([first], Some(step)) if *range == **first => {
                format!("a step needs `*` or a range before it, as in `{first}-{most}/{step}`")
            }
            _ => format!("`{part}` is not understood; {}", self.allowed()),
        }
    }

    fn allowed(&self) -> String {
        let (least, most) = (self.least, self.most);
        let names = self.names.map(|names| format!(" or names from {names}")).unwrap_or_default();
        format!(
            "write numbers from {least} to {most}{names}, ranges such as `1-5`, steps such as \
             `*/2`, and commas between them"
        )
    }
}
