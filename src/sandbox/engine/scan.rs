//! A tolerant scanner of JavaScript text: tokens with their byte ranges, comments left out.
//!
//! It finds places for messages and editors. It never decides what a script means, so it may be
//! wrong about a text that does not parse; it must not recurse, panic, or loop on any text.

use std::ops::Range;

/// What sort of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword.
    Word,
    /// A string in single or double quotes.
    Text,
    /// A piece of a template, between its back-quotes and `${`, `}`.
    Template,
    /// A number.
    Number,
    /// A regular expression.
    Regex,
    /// Any other character; `${` counts as `{`.
    Sign(char),
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes in the text.
    pub(super) range: Range<usize>,
}

/// After these words a slash begins a regular expression.
const BEFORE_REGEX: [&str; 13] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "instanceof",
    "else",
    "yield",
    "await",
];

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// For each open brace, whether its end goes on with a template.
    braces: Vec<bool>,
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { text, at: 0, tokens: Vec::new(), braces: Vec::new() };
    scanner.run();
    scanner.tokens
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn run(&mut self) {
        if self.text.starts_with("#!") {
            self.skip_past("\n");
        }
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            match c {
                c if c.is_whitespace() => self.at += c.len_utf8(),
                '/' if self.rest().starts_with("//") => self.skip_past("\n"),
                '/' if self.rest().starts_with("/*") => self.skip_past("*/"),
                '/' if self.regex_may_start() => self.regex(),
                '"' | '\'' => self.quoted(c),
                '`' => {
                    self.at += 1;
                    self.template(start);
                }
                c if c.is_ascii_digit() => self.run_of(Kind::Number, |c| is_word(c) || c == '.'),
                c if is_word(c) || c == '#' => self.run_of(Kind::Word, |c| is_word(c) || c == '#'),
                '{' => self.sign(c, Some(false)),
                '}' => {
                    let ends_hole = self.braces.pop().unwrap_or(false);
                    self.sign(c, None);
                    if ends_hole {
                        self.template(self.at);
                    }
                }
                c => self.sign(c, None),
            }
        }
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, range: start..self.at });
    }

    fn sign(&mut self, c: char, opens: Option<bool>) {
        let start = self.at;
        self.at += c.len_utf8();
        self.braces.extend(opens);
        self.push(Kind::Sign(c), start);
    }

    fn run_of(&mut self, kind: Kind, belongs: impl Fn(char) -> bool) {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.push(kind, start);
    }

    fn skip_past(&mut self, end: &str) {
        let from = self.at + if end == "*/" { 2 } else { 0 };
        let found = self.text.get(from..).and_then(|rest| rest.find(end));
        self.at = found.map_or(self.text.len(), |found| from + found + end.len());
    }

    fn quoted(&mut self, quote: char) {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            if c == '\n' && !escaped {
                break;
            }
            self.at += c.len_utf8();
            if c == quote && !escaped {
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        self.push(Kind::Text, start);
    }

    /// A piece of a template up to its end or the next `${`.
    fn template(&mut self, start: usize) {
        let mut escaped = false;
        while let Some(c) = self.rest().chars().next() {
            if !escaped && self.rest().starts_with("${") {
                self.push(Kind::Template, start);
                let hole = self.at;
                self.at += 2;
                self.braces.push(true);
                self.push(Kind::Sign('{'), hole);
                return;
            }
            self.at += c.len_utf8();
            if c == '`' && !escaped {
                break;
            }
            escaped = c == '\\' && !escaped;
        }
        self.push(Kind::Template, start);
    }

    fn regex_may_start(&self) -> bool {
        let Some(last) = self.tokens.last() else { return true };
        match last.kind {
            Kind::Sign(c) => !matches!(c, ')' | ']' | '}'),
            Kind::Word => BEFORE_REGEX.contains(&&self.text[last.range.clone()]),
            _ => false,
        }
    }

    fn regex(&mut self) {
        let start = self.at;
        let (mut escaped, mut in_class) = (false, false);
        self.at += 1;
        while let Some(c) = self.rest().chars().next() {
            if c == '\n' {
                break;
            }
            self.at += c.len_utf8();
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => break,
                _ => {}
            }
        }
        let flags = self.rest().find(|c: char| !c.is_ascii_alphabetic());
        self.at += flags.unwrap_or(self.rest().len());
        self.push(Kind::Regex, start);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The text that a string literal stands for; escapes other than of single characters are kept.
pub(super) fn unquoted(literal: &str) -> String {
    let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            'n' if escaped => text.push('\n'),
            't' if escaped => text.push('\t'),
            c => text.push(c),
        }
        escaped = false;
    }
    text
}

/// Line and column, from 1, of a byte of a text.
pub(super) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Where a string literal with this text stands first.
pub(super) fn place_of_literal(text: &str, wanted: &str) -> Option<(u32, u32)> {
    let found = tokens(text)
        .into_iter()
        .find(|token| token.kind == Kind::Text && unquoted(&text[token.range.clone()]) == wanted)?;
    Some(line_and_column(text, found.range.start))
}

/// Where a name stands, not as a property: first at or after a line, or else anywhere.
pub(super) fn place_of_word(text: &str, wanted: &str, from_line: u32) -> Option<(u32, u32)> {
    let tokens = tokens(text);
    let mut places = (0..tokens.len()).filter_map(|at| {
        let token = &tokens[at];
        let after_dot = at > 0 && tokens[at - 1].kind == Kind::Sign('.');
        let is_it = token.kind == Kind::Word && !after_dot && &text[token.range.clone()] == wanted;
        is_it.then(|| line_and_column(text, token.range.start))
    });
    let first = places.next()?;
    if first.0 >= from_line {
        return Some(first);
    }
    Some(places.find(|place| place.0 >= from_line).unwrap_or(first))
}

/// The places of the `throw`s whose value is not made by `new` there.
pub(super) fn places_of_throw(text: &str) -> Vec<(u32, u32)> {
    if !text.contains("throw") {
        return Vec::new();
    }
    let tokens = tokens(text);
    let word = |token: &Token| &text[token.range.clone()];
    let throws = tokens.windows(2).filter(|pair| {
        pair[0].kind == Kind::Word && word(&pair[0]) == "throw" && word(&pair[1]) != "new"
    });
    throws.map(|pair| line_and_column(text, pair[0].range.start)).collect()
}

/// The names and dots that end at a place, such as `page.form`; `None` when there are none.
pub(super) fn chain_at(text: &str, line: u32, column: u32) -> Option<String> {
    let tokens = tokens(text);
    let found = tokens
        .iter()
        .position(|token| line_and_column(text, token.range.start) == (line, column))?;
    let last = if tokens[found].kind == Kind::Word { found } else { found.checked_sub(1)? };
    let mut first = last;
    while tokens[first].kind == Kind::Word
        && first >= 2
        && tokens[first - 1].kind == Kind::Sign('.')
        && tokens[first - 2].kind == Kind::Word
    {
        first -= 2;
    }
    let is_name = tokens[first].kind == Kind::Word;
    is_name.then(|| text[tokens[first].range.start..tokens[last].range.end].to_owned())
}

/// A text in which `export default async () => ..`, which the engine's parser does not know,
/// stands in parentheses; every place keeps its line, and its column up to the end of the function.
pub(super) fn with_async_default(text: &str) -> Option<String> {
    // Scanning takes time, and nearly all modules need none.
    let is_suspect = text.match_indices("default").any(|(at, word)| {
        let rest = text[at + word.len()..].trim_start().strip_prefix("async");
        rest.is_some_and(|rest| !rest.trim_start().starts_with("function"))
    });
    if !is_suspect {
        return None;
    }
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map(|token: &Token| &text[token.range.clone()]);
    let at = (0..tokens.len()).find(|&at| {
        let words = [word(at), word(at + 1), word(at + 2)];
        words == [Some("export"), Some("default"), Some("async")]
            && word(at + 3).is_some_and(|next| next != "function")
    })?;
    let (before, start) = (tokens[at + 1].range.end, tokens[at + 2].range.start);
    let end = end_of_expression(text, &tokens, at + 3);
    let gap = text[before..start].strip_prefix([' ', '\t']).unwrap_or(&text[before..start]);
    Some(format!("{}({gap}{}){}", &text[..before], &text[start..end], &text[end..]))
}

/// Line and column of the first `using name =`, a declaration that the engine's parser takes and its
/// compiler does not: it panics in a function's body, and disposes of nothing elsewhere.
pub(super) fn place_of_using(text: &str) -> Option<(u32, u32)> {
    if !text.contains("using") {
        return None;
    }
    let tokens = tokens(text);
    let found = tokens.windows(3).find(|three| {
        let between = &text[three[0].range.end..three[1].range.start];
        &text[three[0].range.clone()] == "using"
            && matches!(three[1].kind, Kind::Word)
            && matches!(three[2].kind, Kind::Sign('='))
            && !between.contains('\n')
    })?;
    Some(line_and_column(text, found[0].range.start))
}

/// Where an expression ends: before a semicolon, or before a line that begins a statement.
fn end_of_expression(text: &str, tokens: &[Token], from: usize) -> usize {
    const STATEMENTS: [&str; 12] = [
        "export", "import", "const", "let", "var", "function", "class", "async", "if", "for",
        "while", "try",
    ];
    let mut depth = 0usize;
    let mut end = tokens.get(from).map_or(text.len(), |token| token.range.start);
    for token in tokens.get(from..).unwrap_or_default() {
        let is_new = text[end.min(token.range.start)..token.range.start].contains('\n');
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Kind::Sign(';') if depth == 0 => return end,
            Kind::Word
                if depth == 0 && is_new && STATEMENTS.contains(&&text[token.range.clone()]) =>
            {
                return end;
            }
            _ => {}
        }
        end = token.range.end;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.range]).collect()
    }

    #[test]
    fn comments_strings_templates_and_regexes_are_told_apart() {
        assert_eq!(
            shapes("a = /x\\/[/]y/g; // \"no\"\nb /* 'no' */ = c / d / e;"),
            ["a", "=", "/x\\/[/]y/g", ";", "b", "=", "c", "/", "d", "/", "e", ";"]
        );
        assert_eq!(
            shapes("`a${ {b: `c${d}`} }e` 'it\\'s'"),
            ["`a", "${", "{", "b", ":", "`c", "${", "d", "}", "`", "}", "}", "e`", "'it\\'s'"]
        );
    }

    #[test]
    fn any_text_is_scanned_to_its_end() {
        for text in ["'open", "`open ${", "/open", "/* open", "}}}}", "\\", "é\u{2028}#", "'\n'"] {
            tokens(text);
        }
    }

    #[test]
    fn places_are_lines_and_columns() {
        let text = "// \"./a.js\"\nimport x from \"./a.js\";\no.foo();\n  foo();";
        assert_eq!(place_of_literal(text, "./a.js"), Some((2, 15)));
        assert_eq!(place_of_word(text, "foo", 1), Some((4, 3)));
    }

    #[test]
    fn using_is_found_where_it_declares() {
        assert_eq!(place_of_using("let a;\n  using b = c;"), Some((2, 3)));
        for text in
            ["using = 1", "using(b) == c", "// using b = c", "'using b = c'", "a.using\nb = c"]
        {
            assert_eq!(place_of_using(text), None, "{text}");
        }
    }

    #[test]
    fn async_arrows_as_default_are_put_in_parentheses() {
        let patched = |text| with_async_default(text);
        assert_eq!(
            patched("export default async () => {\n  a;\n}\nconst b = 1;").as_deref(),
            Some("export default(async () => {\n  a;\n})\nconst b = 1;")
        );
        assert_eq!(
            patched("export default async x => f(x); g()").as_deref(),
            Some("export default(async x => f(x)); g()")
        );
        assert_eq!(patched("export default async function () {}"), None);
        assert_eq!(patched("// export default async () => 1"), None);
    }
}
