//! Where the parts of `export const options = { .. }` stand in the text, for messages that point.
//!
//! A walk over tokens with its own stack: it does not recurse, and gives up where the text is not
//! what it expects.

use std::ops::Range;

use super::scan::{self, Kind, Token};
use crate::sandbox::protocol::SecretMention;

/// What a literal is made of, with the places of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The whole value.
    pub(super) range: Range<usize>,
    /// The parts, when it is an object or array literal.
    pub(super) parts: Parts,
}

/// The parts of a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parts {
    /// Not an object or array literal.
    None,
    /// Key, place of the key, value.
    Table(Vec<(String, Range<usize>, Place)>),
    /// The items.
    List(Vec<Place>),
}

/// The value of the exported `options`, if it stands there as a declaration.
pub(super) fn options(text: &str) -> Option<Place> {
    let tokens = scan::tokens(text);
    let word = |at: usize, wanted: &str| {
        tokens.get(at).is_some_and(|token| &text[token.range.clone()] == wanted)
    };
    let start = (0..tokens.len()).find(|&at| {
        let declares = word(at, "const") || word(at, "let") || word(at, "var");
        declares && word(at + 1, "options") && word(at + 2, "=")
    })?;
    Walk { text, tokens: &tokens, at: start + 3 }.value()
}

/// A literal being read.
struct Open {
    start: usize,
    parts: Parts,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
}

struct Walk<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl Walk<'_> {
    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn is(&self, sign: char) -> bool {
        self.kind() == Some(Kind::Sign(sign))
    }

    fn range(&self) -> Range<usize> {
        let end = self.text.len();
        self.tokens.get(self.at).map_or(end..end, |token| token.range.clone())
    }

    /// Reads one value, with a stack of the literals around.
    fn value(&mut self) -> Option<Place> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            self.kind()?;
            if let Some(inner) = open.last_mut()
                && inner.key.is_none()
                && let Parts::Table(_) = inner.parts
                && !self.is('}')
            {
                inner.key = self.key();
                if inner.key.is_none() {
                    self.skip_expression();
                    self.skip_comma();
                    continue;
                }
            }
            let closes = open.last().is_some_and(|inner| match inner.parts {
                Parts::Table(_) => inner.key.is_none() && self.is('}'),
                _ => self.is(']'),
            });
            let done = if closes {
                let inner = open.pop()?;
                let end = self.range().end;
                self.at += 1;
                self.skip_suffix();
                Place { range: inner.start..end, parts: inner.parts }
            } else if self.kind()? == Kind::Sign('{') || self.kind()? == Kind::Sign('[') {
                let is_table = self.is('{');
                let parts = if is_table { Parts::Table(vec![]) } else { Parts::List(vec![]) };
                open.push(Open { start: self.range().start, parts, key: None });
                self.at += 1;
                continue;
            } else {
                Place { range: self.skip_expression(), parts: Parts::None }
            };
            let Some(around) = open.last_mut() else { return Some(done) };
            match (&mut around.parts, around.key.take()) {
                (Parts::Table(entries), Some((key, place))) => entries.push((key, place, done)),
                (Parts::List(items), _) => items.push(done),
                _ => {}
            }
            self.skip_comma();
        }
    }

    fn skip_comma(&mut self) {
        self.at += usize::from(self.is(','));
    }

    /// Reads `key:`; anything else, such as a method, a spread or a shorthand, is none.
    fn key(&mut self) -> Option<(String, Range<usize>)> {
        let token = self.tokens.get(self.at)?;
        let text = &self.text[token.range.clone()];
        let key = match token.kind {
            Kind::Word | Kind::Number => text.to_owned(),
            Kind::Text => scan::unquoted(text),
            _ => return None,
        };
        if self.tokens.get(self.at + 1)?.kind != Kind::Sign(':') {
            return None;
        }
        let range = token.range.clone();
        self.at += 2;
        Some((key, range))
    }

    /// Passes an expression up to the comma or bracket that ends it; at least one token.
    fn skip_expression(&mut self) -> Range<usize> {
        let range = self.range();
        let mut end = range.end;
        let mut depth = 0usize;
        let first = self.at;
        while let Some(kind) = self.kind() {
            match kind {
                Kind::Sign('(' | '[' | '{') => depth += 1,
                Kind::Sign(')' | ']' | '}') if depth > 0 => depth -= 1,
                Kind::Sign(')' | ']' | '}' | ',' | ';') if depth == 0 && self.at > first => break,
                Kind::Sign(',') if depth == 0 => break,
                _ => {}
            }
            end = self.range().end;
            self.at += 1;
        }
        range.start..end
    }

    /// Passes what may follow a literal, such as `.concat(..)` or `as const`.
    fn skip_suffix(&mut self) {
        let goes_on = |kind| !matches!(kind, Kind::Sign(',' | '}' | ']' | ')' | ';'));
        if self.is('.') && self.kind().is_some_and(goes_on) {
            self.skip_expression();
        }
    }
}

/// The secrets that a module names as `secret("..")` or `totp("..")`. A name that is only begun by
/// a text is computed, and a method of that name is another function.
pub(super) fn secrets(module: &str, text: &str) -> Vec<SecretMention> {
    let tokens = scan::tokens(text);
    let mut found = Vec::new();
    for (at, call) in tokens.windows(4).enumerate() {
        let [function, open, name, close] = call else { continue };
        let is_method = at > 0 && tokens[at - 1].kind == Kind::Sign('.');
        let is_call = function.kind == Kind::Word
            && !is_method
            && matches!(&text[function.range.clone()], "secret" | "totp")
            && open.kind == Kind::Sign('(')
            && name.kind == Kind::Text
            && matches!(close.kind, Kind::Sign(')' | ','));
        if !is_call {
            continue;
        }
        let quoted = &text[name.range.clone()];
        let span = number(name.range.start + 1).zip(number(name.range.end.saturating_sub(1)));
        if let Some(span) = span {
            let (name, module) = (scan::unquoted(quoted), module.to_owned());
            found.push(SecretMention { name, module, span });
        }
    }
    found
}

fn number(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// A range as it goes over the wire.
pub(super) fn span(range: &Range<usize>) -> Option<(u32, u32)> {
    number(range.start).zip(number(range.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key paths with the texts of their values.
    fn flat(text: &str) -> Vec<String> {
        fn go(text: &str, path: &str, place: &Place, into: &mut Vec<String>) {
            into.push(format!("{path}={}", &text[place.range.clone()]));
            match &place.parts {
                Parts::None => {}
                Parts::List(items) => {
                    for (at, item) in items.iter().enumerate() {
                        go(text, &format!("{path}.{at}"), item, into);
                    }
                }
                Parts::Table(entries) => {
                    for (key, range, place) in entries {
                        let written = &text[range.clone()];
                        go(text, &format!("{path}.{key}<{written}>"), place, into);
                    }
                }
            }
        }
        let mut found = Vec::new();
        if let Some(place) = options(text) {
            go(text, "", &place, &mut found);
        }
        found.into_iter().skip(1).collect()
    }

    #[test]
    fn keys_and_values_are_found() {
        let text = "/* const options = {no: 1} */\nimport x from 'y';\n\
                    export const options = {\n  name: \"a, b\", // name: 2\n  \
                    'every': every(1, [2]) + '}',\n  regions: ['eu', `us`,],\n  \
                    retry: { count: -1, },\n  ...more,\n  method() { return {a: 1}; },\n  \
                    tags: {},\n};\nconst z = { q: 1 };";
        assert_eq!(
            flat(text),
            [
                ".name<name>=\"a, b\"",
                ".every<'every'>=every(1, [2]) + '}'",
                ".regions<regions>=['eu', `us`,]",
                ".regions<regions>.0='eu'",
                ".regions<regions>.1=`us`",
                ".retry<retry>={ count: -1, }",
                ".retry<retry>.count<count>=-1",
                ".tags<tags>={}",
            ]
        );
    }

    #[test]
    fn broken_texts_end() {
        for text in ["{", "{a", "{a:", "{a:[", "{,,,", "}", ")", "{a: )", "{)", "[)", "[,", "{a:}"]
        {
            options(&format!("const options = {text}"));
        }
        let deep = format!("const options = {}", "[{a:".repeat(100_000));
        options(&deep);
    }

    #[test]
    fn secrets_are_found_in_code_only() {
        let text = "// secret(\"A\")\nlet s = 'secret(\"B\")'; secret(\"C\"); totp('D'); secret(x)";
        let found = secrets("m.js", text);
        let names: Vec<&str> = found.iter().map(|mention| mention.name.as_str()).collect();
        assert_eq!(names, ["C", "D"]);
        let computed = "secret('A' + x); totp(`${a}` + 'B'); o.secret('C'); secret('D', 1);";
        let found = secrets("m.js", computed);
        let names: Vec<&str> = found.iter().map(|mention| mention.name.as_str()).collect();
        assert_eq!(names, ["D"]);
        let found = secrets("m.js", text);
        let (from, to) = found[0].span;
        assert_eq!(&text[from as usize..to as usize], "C");
    }
}
