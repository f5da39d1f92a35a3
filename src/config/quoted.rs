//! Places within a quoted text of TOML: where in the file a byte of its value stands.

use std::str::Chars;

/// Where in `raw`, a TOML string with its quotes, the byte `at` of its value stands.
pub(super) fn place(raw: &str, at: usize) -> usize {
    let open = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|it| raw.starts_with(it));
    let Some(open) = open else { return at.min(raw.len()) };
    let mut start = open.len();
    if open.len() == 3 {
        let rest = &raw[start..];
        start += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let escapes = open.starts_with('"');
    let (mut value, mut chars) = (0, raw[start..].chars());
    while value < at {
        let Some(c) = chars.next() else { break };
        value += if c == '\\' && escapes { escaped(&mut chars) } else { c.len_utf8() };
    }
    raw.len() - chars.as_str().len()
}

/// How many bytes of the value an escape stands for.
fn escaped(chars: &mut Chars<'_>) -> usize {
    let unicode = |chars: &mut Chars<'_>, digits: usize| {
        let hex: String = chars.by_ref().skip(1).take(digits).collect();
        let c = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
        c.map_or(0, char::len_utf8)
    };
    match chars.as_str().chars().next() {
        Some('u') => unicode(chars, 4),
        Some('U') => unicode(chars, 8),
        Some('x') => unicode(chars, 2),
        // The end of a line, and all white space after it, is left out.
        Some(c) if c.is_whitespace() => {
            let rest = chars.as_str();
            *chars = rest.trim_start().chars();
            0
        }
        Some(_) => {
            chars.next();
            1
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file's text from the place of the first `!` of the value on.
    fn check(raw: &str) {
        let tree = super::super::value::parse_toml(&format!("a = {raw}\n")).expect("good TOML");
        let super::super::value::Kind::Table(entries) = tree.kind else { panic!("a table") };
        let super::super::value::Kind::Text(value) = &entries[0].value.kind else {
            panic!("a text")
        };
        let at = value.find('!').expect("a mark");
        assert!(raw[place(raw, at)..].starts_with('!'), "{raw}");
    }

    #[test]
    fn places_are_found_whatever_the_quotes_and_escapes() {
        for raw in [
            "\"ab!c\"",
            "'a\\b!c'",
            "\"a\\\"b\\\\\\t\\u00e9\\U0001F600!c\"",
            "\"\"\"\na\"b\n!c\"\"\"",
            "'''\nab\\\n!c'''",
            "\"\"\"a \\\n   b!\"\"\"",
            "\"é!\"",
        ] {
            check(raw);
        }
        assert_eq!(place("\"ab\"", 99), 4);
    }
}
