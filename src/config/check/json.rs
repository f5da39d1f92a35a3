//! Values as JSON.

use serde_json::{Map, Number, Value as Json};

use crate::config::reader::{Field, Report};
use crate::config::value::{Kind, Value};

/// Deeper nesting than this is refused, so that nobody's stack is at stake.
const DEEPEST: usize = 64;

/// The value of a field as JSON, or a note of why it cannot be.
pub(super) fn read(field: &Field<'_>, report: &mut Report) -> Option<Json> {
    of_kind(field.kind(), 0)
        .map_err(|why| {
            report.error(&field.span, format!("`{}` cannot be sent as JSON: {why}", field.name));
        })
        .ok()
}

/// The leaves of a field that is a table, each with the keys that lead to it joined by dots; the
/// field itself, with an empty path, when it is none.
pub(super) fn leaves(field: &Field<'_>, report: &mut Report) -> Option<Vec<(String, Json)>> {
    let mut found = Vec::new();
    collect(field.kind(), String::new(), 0, &mut found)
        .map_err(|why| {
            report.error(&field.span, format!("`{}` cannot be compared: {why}", field.name));
        })
        .ok()?;
    Some(found)
}

fn collect(
    kind: &Kind,
    path: String,
    depth: usize,
    found: &mut Vec<(String, Json)>,
) -> Result<(), String> {
    match kind {
        Kind::Table(entries) if !entries.is_empty() && depth < DEEPEST => {
            for entry in entries {
                let dot = if path.is_empty() || entry.key.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", entry.key);
                collect(&entry.value.kind, path, depth + 1, found)?;
            }
            Ok(())
        }
        _ => {
            found.push((path, of_kind(kind, depth)?));
            Ok(())
        }
    }
}

fn of_kind(kind: &Kind, depth: usize) -> Result<Json, String> {
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    let below = |value: &Value| of_kind(&value.kind, depth + 1);
    Ok(match kind {
        Kind::Null => Json::Null,
        Kind::Boolean(value) => Json::Bool(*value),
        Kind::Integer(value) => Json::from(*value),
        Kind::Float(value) => {
            let number = Number::from_f64(*value);
            Json::Number(number.ok_or_else(|| format!("{value} is no number in JSON"))?)
        }
        Kind::Text(text) => Json::String(text.clone()),
        Kind::List(items) => Json::Array(items.iter().map(below).collect::<Result<_, _>>()?),
        Kind::Table(entries) => {
            let entry = entries.iter().map(|entry| Ok((entry.key.clone(), below(&entry.value)?)));
            Json::Object(entry.collect::<Result<Map<_, _>, String>>()?)
        }
        Kind::Time(_) | Kind::Other(_) => {
            return Err(format!("it holds {}", kind.in_words()));
        }
    })
}
