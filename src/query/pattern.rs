//! Regular expressions as Prometheus writes them (RE2), compiled fully anchored with the `regex`
//! crate.
//!
//! RE2 and the crate agree on most things and differ silently on a few, which are translated here:
//! `\d`, `\w`, `\s` and `\b` are ASCII in RE2, a brace that starts no repetition is a literal, and
//! inside of a class `[`, `&&`, `--` and `~~` mean themselves. What RE2 knows and the crate does
//! not (`\Q..\E`, `\C`) is refused, never guessed. Both match in linear time.

use regex::{Regex, RegexBuilder};

/// The largest compiled pattern, in bytes.
const COMPILED_SIZE: usize = 1 << 20;

/// Compiles `pattern` so that it must match a whole text.
///
/// # Errors
/// What is wrong with the pattern, in the words of the `regex` crate's last line.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    // The pattern alone first: `a)(b` must not become valid by the parentheses around it.
    compile(&translated)?;
    compile(&format!("^(?s:{translated})$"))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_SIZE)
        .dfa_size_limit(COMPILED_SIZE)
        .nest_limit(100)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the compiled pattern is too large".to_owned(),
            other => {
                let text = other.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
}

fn translate(pattern: &str) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '\\' => at = escape(&chars, at, false, &mut out)?,
            '[' => at = class(&chars, at, &mut out)?,
            '{' if !starts_repetition(&chars[at + 1..]) => {
                out.push_str("\\{");
                at += 1;
            }
            '}' if !closes_repetition(&chars[..at]) => {
                out.push_str("\\}");
                at += 1;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
    Ok(out)
}

/// Copies the escape at `at` and says where the text goes on.
fn escape(chars: &[char], at: usize, in_class: bool, out: &mut String) -> Result<usize, String> {
    let Some(&letter) = chars.get(at + 1) else {
        return Err("trailing backslash at end of expression".to_owned());
    };
    let ascii = match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'b' if !in_class => r"(?-u:\b)",
        'B' if !in_class => r"(?:(?-u:\B))",
        'Q' | 'E' | 'C' => return Err(format!("\\{letter} is not supported")),
        'p' | 'P' | 'x' => {
            out.extend(['\\', letter]);
            let mut next = at + 2;
            if chars.get(next) == Some(&'{') {
                while let Some(&inner) = chars.get(next) {
                    out.push(inner);
                    next += 1;
                    if inner == '}' {
                        break;
                    }
                }
            }
            return Ok(next);
        }
        other => {
            out.extend(['\\', other]);
            return Ok(at + 2);
        }
    };
    out.push_str(ascii);
    Ok(at + 2)
}

/// Copies the class that opens at `at`.
fn class(chars: &[char], at: usize, out: &mut String) -> Result<usize, String> {
    out.push('[');
    let mut next = at + 1;
    if chars.get(next) == Some(&'^') {
        out.push('^');
        next += 1;
    }
    if chars.get(next) == Some(&']') {
        out.push_str("\\]");
        next += 1;
    }
    while let Some(&inner) = chars.get(next) {
        let follows = chars.get(next + 1).copied();
        match inner {
            ']' => {
                out.push(']');
                return Ok(next + 1);
            }
            '\\' => {
                next = escape(chars, next, true, out)?;
                continue;
            }
            '[' if follows == Some(':') => {
                while let Some(&named) = chars.get(next) {
                    out.push(named);
                    next += 1;
                    if named == ']' {
                        break;
                    }
                }
                continue;
            }
            '[' | '&' | '~' => out.extend(['\\', inner]),
            '-' if follows == Some('-') => {
                out.push_str("-\\-");
                next += 1;
            }
            other => out.push(other),
        }
        next += 1;
    }
    Err("missing closing ]".to_owned())
}

fn starts_repetition(rest: &[char]) -> bool {
    let Some(end) = rest.iter().position(|&c| c == '}') else { return false };
    let inner: String = rest[..end].iter().collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match inner.split_once(',') {
        None => digits(&inner),
        Some((least, most)) => digits(least) && (most.is_empty() || digits(most)),
    }
}

fn closes_repetition(before: &[char]) -> bool {
    let Some(open) = before.iter().rposition(|&c| c == '{') else { return false };
    let mut inner = before[open + 1..].to_vec();
    inner.push('}');
    starts_repetition(&inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        let regex = anchored(pattern).expect(pattern);
        assert_eq!(regex.is_match(text), expected, "{pattern} on {text}");
    }

    #[test]
    fn patterns_mean_what_re2_means() {
        check("a", "ab", false);
        check("a|b", "ba", false);
        check("a.b", "a\nb", true);
        check(r"\d+", "12", true);
        check(r"\d", "\u{663}", false);
        check(r"[\d.]+", "1.2", true);
        check("a{bb}c", "a{bb}c", true);
        check("a{2}", "aa", true);
        check("[[]", "[", true);
        check("[a&&b]+", "a&b", true);
        check("[]a]+", "]a", true);
        check("((?i)PRO).*", "production", true);
        check(r"\p{Greek}", "α", true);
        check(r"\x{41}", "A", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(", "a)(b", "[a", r"\Qa\E", r"a\", "a**{1000}{1000}{1000}"] {
            assert!(anchored(pattern).is_err(), "{pattern}");
        }
        assert!(anchored(&"(".repeat(5000)).is_err());
    }
}
