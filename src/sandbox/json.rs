//! JSON as the standard has it (RFC 8259), for whatever values it is read into.
//!
//! A target's odd but legal JSON must never be a failure, so the reader knows lone surrogates,
//! numbers beyond any range and a mark of the byte order. It does not recurse, and it knows nothing
//! of the values it makes: a [`Builder`] does.

use std::fmt;

/// How deep values may nest.
const MAX_DEPTH: usize = 1000;

/// What makes values of what is read.
pub trait Builder {
    /// A value.
    type Value;
    /// `null`.
    fn null(&mut self) -> Self::Value;
    /// `true` or `false`.
    fn boolean(&mut self, value: bool) -> Self::Value;
    /// A number as it is written.
    fn number(&mut self, literal: &str) -> Self::Value;
    /// A string.
    fn text(&mut self, text: Text<'_>) -> Self::Value;
    /// An array.
    fn list(&mut self, items: Vec<Self::Value>) -> Self::Value;
    /// An object. A name may come more than once; the last counts.
    fn table(&mut self, entries: Vec<(Text<'_>, Self::Value)>) -> Self::Value;
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text<'t> {
    /// As it stands.
    Plain(&'t str),
    /// With escapes in it, as UTF-16; surrogates may be lone.
    Units(Vec<u16>),
}

impl Text<'_> {
    /// The text; lone surrogates are replaced.
    pub fn to_lossy(&self) -> String {
        match self {
            Self::Plain(text) => (*text).to_owned(),
            Self::Units(units) => String::from_utf16_lossy(units),
        }
    }
}

/// Why a text is no JSON, and where: line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    what: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON: {} at line {}, column {}", self.what, self.line, self.column)
    }
}

/// The value of a JSON text.
///
/// # Errors
///
/// [`Error`] says what is wrong, and where.
pub fn read<B: Builder>(text: &str, builder: &mut B) -> Result<B::Value, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, at: 0, open: Vec::new() };
    reader.document(builder).map_err(|what| {
        let before = &text[..text.floor_char_boundary(reader.at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Error { what, line: number(line), column: number(column) }
    })
}

/// A list or table being read.
enum Open<'t, V> {
    List(Vec<V>),
    Table(Vec<(Text<'t>, V)>, Text<'t>),
}

struct Reader<'t, V> {
    text: &'t str,
    at: usize,
    open: Vec<Open<'t, V>>,
}

impl<'t, V> Reader<'t, V> {
    fn document<B: Builder<Value = V>>(&mut self, builder: &mut B) -> Result<V, String> {
        loop {
            let Some(mut value) = self.begun(builder)? else { continue };
            // A value may end those around it.
            loop {
                let (ended, close) = match self.open.pop() {
                    None => {
                        return match self.peek() {
                            None => Ok(value),
                            Some(_) => Err(self.unexpected()),
                        };
                    }
                    Some(Open::List(mut items)) => {
                        items.push(value);
                        (Open::List(items), b']')
                    }
                    Some(Open::Table(mut entries, name)) => {
                        entries.push((name, value));
                        (Open::Table(entries, Text::Plain("")), b'}')
                    }
                };
                if self.take(close) {
                    value = match ended {
                        Open::List(items) => builder.list(items),
                        Open::Table(entries, _) => builder.table(entries),
                    };
                    continue;
                }
                if !self.take(b',') {
                    return Err(self.unexpected());
                }
                let goes_on = match ended {
                    Open::Table(entries, _) => Open::Table(entries, self.name()?),
                    list @ Open::List(_) => list,
                };
                self.open.push(goes_on);
                break;
            }
        }
    }

    /// A value, unless it is a list or table of which only the beginning was read.
    fn begun<B: Builder<Value = V>>(&mut self, builder: &mut B) -> Result<Option<V>, String> {
        match self.peek() {
            Some(b'{') => {
                self.enter()?;
                if self.take(b'}') {
                    return Ok(Some(builder.table(Vec::new())));
                }
                let name = self.name()?;
                self.open.push(Open::Table(Vec::new(), name));
                Ok(None)
            }
            Some(b'[') => {
                self.enter()?;
                if self.take(b']') {
                    return Ok(Some(builder.list(Vec::new())));
                }
                self.open.push(Open::List(Vec::new()));
                Ok(None)
            }
            Some(b'"') => {
                let text = self.string()?;
                Ok(Some(builder.text(text)))
            }
            Some(b'-' | b'0'..=b'9') => {
                let literal = self.number()?;
                Ok(Some(builder.number(literal)))
            }
            _ if self.take_word("true") => Ok(Some(builder.boolean(true))),
            _ if self.take_word("false") => Ok(Some(builder.boolean(false))),
            _ if self.take_word("null") => Ok(Some(builder.null())),
            _ => Err(self.unexpected()),
        }
    }

    fn enter(&mut self) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.at += 1;
        Ok(())
    }

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

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.text[self.at..].starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    /// A name with its colon.
    fn name(&mut self) -> Result<Text<'t>, String> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let name = self.string()?;
        if self.take(b':') { Ok(name) } else { Err(self.unexpected()) }
    }

    fn number(&mut self) -> Result<&'t str, String> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Text<'t>, String> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
        self.at += plain.unwrap_or(rest.len());
        let head = &self.text[start..self.at];
        if self.byte() == Some(b'"') {
            self.at += 1;
            return Ok(Text::Plain(head));
        }
        let mut units: Vec<u16> = head.encode_utf16().collect();
        loop {
            let Some(c) = self.text[self.at..].chars().next() else {
                return Err("the text ends inside a string".to_owned());
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(Text::Units(units));
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
                let unit = unit.ok_or_else(|| "a wrong \\u escape".to_owned())?;
                self.at += 4;
                unit
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down what it is told.
    struct Spelled;

    impl Builder for Spelled {
        type Value = String;
        fn null(&mut self) -> String {
            "null".to_owned()
        }
        fn boolean(&mut self, value: bool) -> String {
            value.to_string()
        }
        fn number(&mut self, literal: &str) -> String {
            literal.to_owned()
        }
        fn text(&mut self, text: Text<'_>) -> String {
            format!("{:?}", text.to_lossy())
        }
        fn list(&mut self, items: Vec<String>) -> String {
            format!("[{}]", items.join(","))
        }
        fn table(&mut self, entries: Vec<(Text<'_>, String)>) -> String {
            let entries =
                entries.iter().map(|(name, value)| format!("{}:{value}", name.to_lossy()));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }

    fn spelled(text: &str) -> Result<String, String> {
        read(text, &mut Spelled).map_err(|error| error.to_string())
    }

    #[test]
    fn odd_but_legal_json_is_read() {
        let cases = [
            ("\u{feff} {} ", "{}"),
            ("[1e400,-0,-1.5E-3,9007199254740993]", "[1e400,-0,-1.5E-3,9007199254740993]"),
            (r#""\ud800a\ud83d\ude00\/""#, "\"\u{fffd}a😀/\""),
            (r#"{"a":[{},[],{"b":[[null]]}],"a":true}"#, "{a:[{},[],{b:[[null]]}],a:true}"),
            ("\n\"ä\"\t", "\"ä\""),
        ];
        for (text, expected) in cases {
            assert_eq!(spelled(text).as_deref(), Ok(expected), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(spelled(&deep).as_ref(), Ok(&deep));
    }

    #[test]
    fn other_texts_are_refused_with_their_place() {
        let cases = [
            ("", "unexpected end at line 1, column 1"),
            ("[1,]", "unexpected ']' at line 1, column 4"),
            ("{\"a\":1,}", "unexpected '}' at line 1, column 8"),
            ("01", "unexpected '1' at line 1, column 2"),
            ("\"é\n\"", "unexpected '\\n' at line 1, column 3"),
            ("[\n  1.]", "unexpected ']' at line 2, column 5"),
            ("1 2", "unexpected '2' at line 1, column 3"),
            ("\"\\u12", "a wrong \\u escape at line 1, column 3"),
            ("\"\\", "unexpected end at line 1, column 3"),
            ("nul", "unexpected 'n' at line 1, column 1"),
            ("[}", "unexpected '}' at line 1, column 2"),
        ];
        for (text, expected) in cases {
            let expected = format!("not valid JSON: {expected}");
            assert_eq!(spelled(text), Err(expected), "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert!(spelled(&deep).is_err_and(|error| error.contains("nested deeper than 1000")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]{}\":,0-9eE+.\\\\u \\-ä\\u{feff}truefalsnl]*") {
            let strict = serde_json::from_str::<serde_json::Value>(&text);
            let ours = spelled(&text);
            // What the strict reader takes, this one takes, too.
            proptest::prop_assert!(ours.is_ok() || strict.is_err(), "{}", text);
        }
    }
}
