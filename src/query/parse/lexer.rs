//! Text into tokens, with the place of each.
//!
//! Source: Prometheus' `promql/parser/lex.go`. Keywords are names here; the grammar tells them
//! apart by where they stand.

use super::super::number;
use super::ParseError;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A metric, label, function or keyword.
    Name(String),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    Text(Vec<u8>),
    /// Punctuation and operators that are no words.
    Sign(&'static str),
    End,
}

impl Token {
    /// As an error message calls it.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Name(name) => format!("{name:?}"),
            Self::Number(value) => format!("number {}", number::general(*value)),
            Self::Duration(_) => "duration".to_owned(),
            Self::Text(bytes) => format!("string {}", number::quoted(bytes)),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "end of input".to_owned(),
        }
    }
}

/// The signs, the longer ones before their beginnings.
const SIGNS: [&str; 23] = [
    "=~", "!~", "==", "!=", ">=", "<=", "=", "<", ">", "+", "-", "*", "/", "%", "^", "(", ")", "{",
    "}", "[", "]", ",", "@",
];

/// Cuts `text` into tokens with the bytes they begin at; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ParseError> {
    let (mut found, mut at, mut in_brackets) = (Vec::new(), 0, false);
    loop {
        at += blank(&text[at..]);
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = if first.is_ascii_digit() || starts_fraction(rest) {
            let length = number_length(rest);
            (numeric(&rest[..length]).map_err(|m| ParseError::at(text, at, m))?, length)
        } else if matches!(first, '"' | '\'' | '`') {
            quoted(rest, first).map_err(|m| ParseError::at(text, at, m))?
        } else if first == ':' && in_brackets {
            (Token::Sign(":"), 1)
        } else if is_letter(first) || first == ':' {
            let inside = |c: char| is_letter(c) || c.is_ascii_digit() || (c == ':' && !in_brackets);
            let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            (Token::Name(rest[..length].to_owned()), length)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or_else(|| {
                ParseError::at(text, at, format!("unexpected character: {first:?}"))
            })?;
            in_brackets = *sign == "[" || (in_brackets && *sign != "]");
            (Token::Sign(sign), sign.len())
        };
        found.push((token, at));
        at += length;
    }
    found.push((Token::End, text.len()));
    Ok(found)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn starts_fraction(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    bytes.next() == Some(b'.') && bytes.next().is_some_and(|b| b.is_ascii_digit())
}

/// How much white space and how many comments `rest` begins with.
fn blank(rest: &str) -> usize {
    let mut at = 0;
    loop {
        let trimmed = rest[at..].trim_start_matches([' ', '\t', '\n', '\r']);
        at = rest.len() - trimmed.len();
        if !trimmed.starts_with('#') {
            return at;
        }
        at += trimmed.find(['\n', '\r']).unwrap_or(trimmed.len());
    }
}

fn number_length(rest: &str) -> usize {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let run = |from: usize| rest[from..].find(|c| !inside(c)).map_or(rest.len(), |end| from + end);
    let end = run(0);
    let so_far = rest[..end].to_ascii_lowercase();
    let hexadecimal = so_far.starts_with("0x");
    let exponent = if hexadecimal { 'p' } else { 'e' };
    let is_sign = rest[end..].starts_with(['+', '-']);
    let mantissa = so_far.strip_suffix(exponent);
    let digits = |c: char| c == '.' || c == '_' || c.is_ascii_digit() || hexadecimal;
    if is_sign && mantissa.is_some_and(|mantissa| mantissa.chars().all(digits)) {
        return run(end + 1);
    }
    end
}

fn numeric(run: &str) -> Result<Token, String> {
    if let Some(value) = number::number(run) {
        return Ok(Token::Number(value));
    }
    let is_duration = run.ends_with(|c: char| c.is_ascii_alphabetic())
        && run.chars().all(|c| c.is_ascii_digit() || "smhdwy".contains(c));
    if !is_duration {
        return Err(format!("bad number or duration syntax: {run:?}"));
    }
    number::duration(run).map(Token::Duration)
}

fn quoted(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            let end = at + 1;
            return Ok((Token::Text(number::unquote(&rest[..end])?), end));
        } else if c == '\n' && quote != '`' {
            break;
        }
    }
    Err("unterminated quoted string".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subquery_is_not_a_name_with_colons() {
        let found = tokens("a:b[5m:1m] # a comment").expect("tokens");
        let found: Vec<String> = found.iter().map(|(token, _)| token.described()).collect();
        let expected = ["\"a:b\"", "\"[\"", "duration", "\":\"", "duration", "\"]\""];
        assert_eq!(found[..6], expected);
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn signs_of_exponents_belong_to_numbers() {
        let found = tokens("1e-3-0x1e+1").expect("tokens");
        let found: Vec<Token> = found.into_iter().map(|(token, _)| token).collect();
        let expected = [
            Token::Number(0.001),
            Token::Sign("-"),
            Token::Number(30.0),
            Token::Sign("+"),
            Token::Number(1.0),
            Token::End,
        ];
        assert_eq!(found, expected);
    }
}
