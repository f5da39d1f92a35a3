//! `console.table`.

use std::fmt::Write;

use boa_engine::property::PropertyKey;
use boa_engine::{JsObject, JsValue, js_string};

use super::events::shorten;
use super::{inspect, native};

/// The most rows and columns that are drawn.
const MAX_ROWS: u32 = 100;
const MAX_COLUMNS: usize = 20;
/// The widest cell, in bytes.
const MAX_CELL: usize = 100;

/// The rows of an array or object as a table; `None` for anything else.
pub(super) fn table(value: &JsValue) -> Option<String> {
    let object = value.as_object()?;
    let mut columns: Vec<String> = Vec::new();
    let mut rows: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (index, item) in items(&object) {
        let cells = match item.as_object() {
            Some(row) => items(&row)
                .into_iter()
                .map(|(name, value)| (name, shorten(&inspect::inspect(&value), MAX_CELL)))
                .collect(),
            None => vec![("Values".to_owned(), shorten(&inspect::inspect(&item), MAX_CELL))],
        };
        for (name, _) in &cells {
            if !columns.contains(name) && columns.len() < MAX_COLUMNS {
                columns.push(name.clone());
            }
        }
        rows.push((index, cells));
    }
    let mut lines = vec![header(&columns)];
    for (index, cells) in rows {
        let cell = |column: &String| {
            let found = cells.iter().find(|(name, _)| name == column);
            found.map_or_else(String::new, |(_, text)| text.replace('\n', " "))
        };
        lines.push(std::iter::once(index).chain(columns.iter().map(cell)).collect());
    }
    Some(drawn(&lines))
}

fn header(columns: &[String]) -> Vec<String> {
    std::iter::once("(index)".to_owned()).chain(columns.iter().cloned()).collect()
}

/// The entries of an array or object that are data.
fn items(object: &JsObject) -> Vec<(String, JsValue)> {
    if object.is_array() {
        let length = native::data_property(object, js_string!("length"));
        let length = length.and_then(|length| length.as_number()).map_or(0, native::to_u32);
        let item = |at: u32| Some((at.to_string(), native::data_property(object, at)?));
        return (0..length.min(MAX_ROWS)).filter_map(item).collect();
    }
    let keys = object.borrow().shape().keys();
    let item = |key: PropertyKey| match &key {
        PropertyKey::String(name) => {
            Some((name.to_std_string_lossy(), native::data_property(object, key)?))
        }
        _ => None,
    };
    keys.into_iter().take(MAX_ROWS as usize).filter_map(item).collect()
}

fn drawn(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if at == 0 {
            for width in &widths {
                let _ = write!(text, "|-{:-<width$}-", "");
            }
            text.push_str("|\n");
        }
    }
    text.trim_end().to_owned()
}
