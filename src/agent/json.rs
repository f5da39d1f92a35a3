//! JSON values as a plain check compares them: numbers by what they are, not by what a float keeps
//! of them.

use std::collections::BTreeMap;
use std::fmt;

use crate::sandbox::json::{self, Builder, Error, Text};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

/// The value of a JSON text.
pub(super) fn read(text: &str) -> Result<Value, Error> {
    json::read(text, &mut Values)
}

struct Values;

impl Builder for Values {
    type Value = Value;

    fn null(&mut self) -> Value {
        Value::Null
    }

    fn boolean(&mut self, value: bool) -> Value {
        Value::Boolean(value)
    }

    fn number(&mut self, literal: &str) -> Value {
        Value::Number(literal.to_owned())
    }

    fn text(&mut self, text: Text<'_>) -> Value {
        Value::Text(text.to_lossy())
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        Value::List(items)
    }

    fn table(&mut self, entries: Vec<(Text<'_>, Value)>) -> Value {
        Value::Table(entries.into_iter().map(|(name, value)| (name.to_lossy(), value)).collect())
    }
}

impl Value {
    /// The value at a place written as keys and indexes with dots.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        if path.is_empty() {
            return Some(self);
        }
        path.split('.').try_fold(self, |value, key| match value {
            Self::List(values) => values.get(key.parse::<usize>().ok()?),
            Self::Table(entries) => entries.get(key),
            _ => None,
        })
    }

    /// Whether two values are the same; 1 and 1.0 are.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => is_same_number(a, b),
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b))
            }
            (Self::Table(a), Self::Table(b)) => {
                let other = |((name, a), (other, b)): ((&String, &Self), (&String, &Self))| {
                    name == other && a.is_same(b)
                };
                a.len() == b.len() && a.iter().zip(b).all(other)
            }
            (a, b) => a == b,
        }
    }

    fn write_to(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(literal) => out.push_str(literal),
            Self::Text(text) => write_text(text, out),
            Self::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    value.write_to(out);
                }
                out.push(']');
            }
            Self::Table(entries) => {
                out.push('{');
                for (at, (name, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    write_text(name, out);
                    out.push(':');
                    value.write_to(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Whole numbers are compared digit by digit, others as floats; those that no float holds, by how
/// they are written.
fn is_same_number(a: &str, b: &str) -> bool {
    let whole = |text: &str| !text.contains(['.', 'e', 'E']);
    if whole(a) && whole(b) {
        return a == b || [a, b].iter().all(|text| matches!(*text, "0" | "-0"));
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if x.is_finite() => x.total_cmp(&y).is_eq() || (x == 0.0 && y == 0.0),
        _ => a.eq_ignore_ascii_case(b),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write_to(&mut out);
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_what_they_are() {
        let same = |a: &str, b: &str| {
            let (a, b) = (read(a).expect("JSON"), read(b).expect("JSON"));
            assert_eq!(a.is_same(&b), b.is_same(&a), "{a} {b}");
            a.is_same(&b)
        };
        for (a, b) in [("1", "1.0"), ("0", "-0"), ("1e2", "100"), ("1e400", "1E400")] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [("9007199254740993", "9007199254740992"), ("1e400", "1e401"), ("1", "2.0")] {
            assert!(!same(a, b), "{a} {b}");
        }
        assert!(same(r#"{"a":[1,{"b":2.0}]}"#, r#"{"a":[1.0,{"b":2}]}"#));
        assert!(!same(r#"{"a":1}"#, r#"{"b":1}"#) && !same("[1]", "[1,1]") && !same("1", "\"1\""));
    }

    #[test]
    fn values_are_shown_as_they_came() {
        let text = r#"{"a":[1e400,"x\"y",null],"b":{"c":true}}"#;
        assert_eq!(read(text).expect("JSON").to_string(), text);
    }
}
