//! A tree of values that knows where in a file each of them stands.
//!
//! It is the common form of a TOML document and of the options that a script exports. It has no
//! opinion on what is allowed; that is for the readers.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it stands; `None` when that could not be told, and then the place of the value around
    /// it is shown instead.
    pub span: Option<Span>,
}

/// The kinds of value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null` in a script; counts as not written.
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, infinite ones included.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A table, its entries in the order written.
    Table(Vec<Entry>),
    /// A date, a time, or both, as it is written.
    Time(String),
    /// Something that no option can be, in words: `a function`.
    Other(String),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub span: Option<Span>,
    /// The value.
    pub value: Value,
}

impl Value {
    /// A value at a place.
    pub fn new(kind: Kind, span: Option<Span>) -> Self {
        Self { kind, span }
    }
}

impl Kind {
    /// A number of a language that has only one kind of them.
    pub fn number(value: f64) -> Self {
        // Beyond 2^53 a float does not say which whole number is meant.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within i64")]
            return Self::Integer(value as i64);
        }
        Self::Float(value)
    }

    /// What it is, in words for a message: `a list`, `the number 5`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Boolean(value) => format!("`{value}`"),
            Self::Integer(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(_) => "a text".into(),
            Self::List(_) => "a list".into(),
            Self::Table(_) => "a table".into(),
            Self::Time(_) => "a date or time".into(),
            Self::Other(what) => what.clone(),
        }
    }
}

/// A mistake in the syntax of TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What the parser expected.
    pub message: String,
}

/// A text that is not valid TOML.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// All mistakes in the syntax, at least one, in the order of the text.
    pub mistakes: Vec<SyntaxError>,
    /// What could be made out all the same; a guess.
    pub recovered: Value,
}

/// Parses a TOML document.
///
/// # Errors
///
/// [`Broken`] when it is not valid.
pub fn parse_toml(text: &str) -> Result<Value, Box<Broken>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let span = document.span();
    let recovered = Value::new(table(document.into_inner()), Some(span));
    if errors.is_empty() {
        return Ok(recovered);
    }
    // After a slip the parser may stumble over the same place again.
    let mut mistakes: Vec<SyntaxError> = errors
        .iter()
        .map(|error| SyntaxError {
            span: error.span().unwrap_or(0..0),
            message: error.message().to_owned(),
        })
        .collect();
    mistakes.sort_by_key(|mistake| mistake.span.start);
    mistakes.dedup_by_key(|mistake| line_of(text, mistake.span.start));
    Err(Box::new(Broken { mistakes, recovered }))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn value(from: Spanned<DeValue<'_>>) -> Value {
    let span = from.span();
    let kind = match from.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Kind::Integer(value),
            Err(_) => Kind::Other("a number too large to be read".into()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(value) => Kind::Float(value),
            Err(_) => Kind::Other("a number that cannot be read".into()),
        },
        DeValue::Boolean(value) => Kind::Boolean(value),
        DeValue::Datetime(moment) => Kind::Time(moment.to_string()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(value).collect()),
        DeValue::Table(entries) => table(entries),
    };
    Value::new(kind, Some(span))
}

fn table(from: DeTable<'_>) -> Kind {
    let mut entries: Vec<Entry> = from
        .into_iter()
        .map(|(key, item)| Entry {
            span: Some(key.span()),
            key: key.into_inner().into_owned(),
            value: value(item),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span.as_ref().map_or(0, |span| span.start));
    Kind::Table(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(value: &Value, text: &str, into: &mut Vec<String>) {
        let shown = |span: &Option<Span>| text[span.clone().expect("TOML knows")].to_owned();
        match &value.kind {
            Kind::Table(entries) => {
                for entry in entries {
                    into.push(format!("{} at {}", shown(&entry.span), shown(&entry.value.span)));
                    spans(&entry.value, text, into);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| spans(item, text, into)),
            _ => {}
        }
    }

    #[test]
    fn keys_and_values_know_their_places_in_the_order_written() {
        let text = "[slack]\nbot = {env = \"X\"}\n[[check]]\nexpect.json.b = 0x1F\nexpect.a = 1\n";
        let mut found = Vec::new();
        spans(&parse_toml(text).expect("good"), text, &mut found);
        assert_eq!(
            found,
            [
                "slack at [slack]",
                "bot at {env = \"X\"}",
                "env at \"X\"",
                "check at [[check]]",
                "expect at expect",
                "json at json",
                "b at 0x1F",
                "a at 1",
            ]
        );
    }

    #[test]
    fn all_syntax_errors_are_told() {
        let text = "a = \nb = 2\nc = \"x\n[d\n";
        let mistakes = parse_toml(text).expect_err("mistakes").mistakes;
        let lines: Vec<usize> = mistakes.iter().map(|it| line_of(text, it.span.start)).collect();
        assert_eq!(lines, [0, 2, 3]);
        assert!(parse_toml("a = 1\na = 2").is_err());
        assert!(parse_toml(&"[".repeat(100_000)).is_err());
        assert!(parse_toml(&format!("a = {}", "[".repeat(100_000))).is_err());
    }

    #[test]
    fn a_script_has_one_kind_of_number() {
        assert_eq!(Kind::number(3.0), Kind::Integer(3));
        assert_eq!(Kind::number(-0.5), Kind::Float(-0.5));
        assert_eq!(Kind::number(1e300), Kind::Float(1e300));
        assert!(matches!(Kind::number(f64::NAN), Kind::Float(_)));
    }
}
