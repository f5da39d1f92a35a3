//! JavaScript cut into words of a few kinds, by their form alone.
//!
//! Any text can be cut; put together, the words are the text again.

/// What a word is, as far as that has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names, signs and blanks.
    Plain,
    /// `const`, `await`, `true` and their like.
    Keyword,
    /// Texts, templates and patterns.
    Text,
    /// Numbers.
    Number,
    /// Comments.
    Comment,
}

impl Kind {
    /// The class that colours it.
    pub(super) fn class(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Keyword => Some("k"),
            Self::Text => Some("s"),
            Self::Number => Some("n"),
            Self::Comment => Some("c"),
        }
    }
}

const KEYWORDS: [&str; 42] = [
    "as",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "default",
    "delete",
    "do",
    "else",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "from",
    "function",
    "if",
    "import",
    "in",
    "instanceof",
    "let",
    "new",
    "null",
    "of",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "yield",
];

/// After these words an expression begins, so that a slash begins a pattern.
const BEFORE_VALUES: [&str; 9] =
    ["await", "case", "delete", "do", "else", "in", "of", "return", "typeof"];

/// The words of `text`.
pub(super) fn of(text: &str) -> impl Iterator<Item = (Kind, &str)> {
    let (mut rest, mut takes_value) = (text, true);
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (kind, length) = next(rest, first, takes_value);
        let (word, after) = rest.split_at(length);
        rest = after;
        if kind != Kind::Comment && !word.trim().is_empty() {
            takes_value = match kind {
                Kind::Keyword => BEFORE_VALUES.contains(&word),
                Kind::Plain => !word.ends_with(|c: char| is_name(c) || ")]}".contains(c)),
                _ => false,
            };
        }
        Some((kind, word))
    })
}

/// The word at the beginning of `rest`, and its length in bytes; never zero.
fn next(rest: &str, first: char, takes_value: bool) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        return (Kind::Comment, inside.find("*/").map_or(rest.len(), |end| end + 4));
    }
    match first {
        '"' | '\'' => (Kind::Text, quoted(rest, first, true)),
        '`' => (Kind::Text, quoted(rest, first, false)),
        '/' if takes_value => match pattern(rest) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Plain, 1),
        },
        '0'..='9' => (Kind::Number, span(rest, |c| is_name(c) || c == '.')),
        c if is_name(c) => {
            let length = span(rest, is_name);
            let is_keyword = KEYWORDS.contains(&&rest[..length]);
            (if is_keyword { Kind::Keyword } else { Kind::Plain }, length)
        }
        c if c.is_whitespace() => (Kind::Plain, span(rest, char::is_whitespace)),
        c => (Kind::Plain, c.len_utf8()),
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn span(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

/// The length of a text up to its closing `quote`, or up to the end of the line where it has none.
fn quoted(text: &str, quote: char, is_one_line: bool) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' if is_one_line => return at,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a pattern with its flags; none where it is not closed on its line.
fn pattern(text: &str) -> Option<usize> {
    let (mut is_escaped, mut is_class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => is_class = true,
            ']' => is_class = false,
            '/' if !is_class => return Some(at + 1 + span(&text[at + 1..], is_name)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coloured(text: &str) -> Vec<&str> {
        of(text).filter(|(kind, _)| *kind != Kind::Plain).map(|(_, word)| word).collect()
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(
            coloured("export const every = \"3\\\"0s\"; // a /* b\nx / 2 / y"),
            ["export", "const", "\"3\\\"0s\"", "// a /* b", "2"]
        );
        assert_eq!(coloured("return /[/]a/gi.test(b)"), ["return", "/[/]a/gi"]);
        assert_eq!(coloured("`a\n${b}` /* c\n d */ 0x1f"), ["`a\n${b}`", "/* c\n d */", "0x1f"]);
        assert_eq!(coloured("'open\nlet"), ["'open", "let"]);
    }

    proptest! {
        #[test]
        fn no_letter_is_lost(text in "(?s).{0,80}|[a/*'\"`\\\\\n ]{0,40}") {
            prop_assert_eq!(of(&text).map(|(_, word)| word).collect::<String>(), text);
        }
    }
}
