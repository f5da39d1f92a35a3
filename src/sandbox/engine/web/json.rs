//! JSON as the standard has it.
//!
//! The engine's own `JSON.parse` refuses lone surrogates and numbers beyond the range, both of
//! which are valid JSON, and would make a healthy target fail.

use std::fmt;

use boa_engine::object::builtins::JsArray;
use boa_engine::{Context, JsObject, JsResult, JsString, JsValue};

/// How deep values may nest.
const MAX_DEPTH: usize = 1000;

/// Why a text is no JSON, and where: line and column from 1.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox::engine) struct Error {
    what: String,
    /// The line, from 1.
    pub(in crate::sandbox::engine) line: u32,
    /// The column, from 1.
    pub(in crate::sandbox::engine) column: u32,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON: {} at line {}, column {}", self.what, self.line, self.column)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// The value of a JSON text.
pub(in crate::sandbox::engine) fn parse(
    text: &str,
    context: &mut Context,
) -> Result<JsValue, Error> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let parsed = parser.value(context).and_then(|value| match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.unexpected()),
    });
    parsed.map_err(|what| {
        let (line, column) = super::super::scan::line_and_column(text, parser.at);
        Error { what, line, column }
    })
}

impl Parser<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn unexpected(&self) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("unexpected {c:?}"),
            None => "unexpected end".to_owned(),
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, context: &mut Context) -> Result<JsValue, String> {
        match self.peek() {
            Some(b'{') => self.nested(context, Self::object),
            Some(b'[') => self.nested(context, Self::array),
            Some(b'"') => Ok(self.string()?.into()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in [
                    ("true", JsValue::from(true)),
                    ("false", JsValue::from(false)),
                    ("null", JsValue::null()),
                ] {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unexpected())
            }
        }
    }

    fn nested(
        &mut self,
        context: &mut Context,
        parse: fn(&mut Self, &mut Context) -> Result<JsValue, String>,
    ) -> Result<JsValue, String> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let value = parse(self, context)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self, context: &mut Context) -> Result<JsValue, String> {
        let mut items = Vec::new();
        if !self.take(b']') {
            loop {
                items.push(self.value(context)?);
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected());
                }
            }
        }
        Ok(JsArray::from_iter(items, context).into())
    }

    fn object(&mut self, context: &mut Context) -> Result<JsValue, String> {
        let object = JsObject::with_object_proto(context.intrinsics());
        if !self.take(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected());
                }
                let key = self.string()?;
                if !self.take(b':') {
                    return Err(self.unexpected());
                }
                let value = self.value(context)?;
                let added: JsResult<bool> = object.create_data_property(key, value, context);
                added.map_err(|error| error.to_string())?;
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected());
                }
            }
        }
        Ok(object.into())
    }

    fn number(&mut self) -> Result<JsValue, String> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected()),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        let number = self.text[start..self.at].parse::<f64>();
        number.map(JsValue::new).map_err(|_| self.unexpected())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), String> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<JsString, String> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
        self.at += plain.unwrap_or(rest.len());
        let head = &self.text[start..self.at];
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(JsString::from(head));
        }
        let mut units: Vec<u16> = head.encode_utf16().collect();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err("the text ends inside a string".to_owned());
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(JsString::from(&units[..]));
                }
                '\\' => units.push(self.escape()?),
                c if u32::from(c) < 0x20 => return Err(self.unexpected()),
                c => {
                    self.at += c.len_utf8();
                    units.extend(c.encode_utf16(&mut [0; 2]).iter());
                }
            }
        }
    }

    fn escape(&mut self) -> Result<u16, String> {
        self.at += 1;
        let c = self.byte().ok_or_else(|| self.unexpected())?;
        let unit = match c {
            b'"' | b'\\' | b'/' => u16::from(c),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at + 1..self.at + 5);
                let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
                self.at += 4;
                unit.ok_or_else(|| "a wrong \\u escape".to_owned())?
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(unit)
    }
}
