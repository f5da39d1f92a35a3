//! A template's text into pieces.

use super::TemplateError;
use super::functions;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Value(Pipe),
    /// The first case that holds, or what is written for none.
    If {
        cases: Vec<(Pipe, Vec<Piece>)>,
        otherwise: Vec<Piece>,
    },
}

/// Calls, each with the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe(pub(super) Vec<Command>);

/// A value, or a function with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) function: Option<String>,
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Text(String),
    Number(f64),
    /// Written without a fraction.
    Whole(f64),
    Truth(bool),
    Labels,
    Label(String),
    ExternalLabels,
    ExternalLabel(String),
    ExternalUrl,
    Value,
    Nested(Pipe),
}

type Parsed<T> = Result<T, TemplateError>;

/// The deepest nesting.
const DEPTH: usize = 32;

/// Words that Go's templates know and this does not.
const REFUSED: [&str; 9] =
    ["range", "with", "define", "template", "block", "break", "continue", "tmpl", "query"];

/// Reads a whole text.
pub(super) fn pieces(text: &str) -> Parsed<Vec<Piece>> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let (pieces, end) = reader.until_end()?;
    match end {
        End::Text => Ok(pieces),
        End::Else(at, _) => fails(at, "`else` without `if`"),
        End::Closed(at) => fails(at, "`end` without `if`"),
    }
}

fn fails<T>(at: usize, message: impl Into<String>) -> Parsed<T> {
    Err(TemplateError { at, message: message.into() })
}

/// What ends a list of pieces.
enum End {
    Text,
    /// With the condition of `else if`.
    Else(usize, Option<Pipe>),
    Closed(usize),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn until_end(&mut self) -> Parsed<(Vec<Piece>, End)> {
        let mut pieces = Vec::new();
        loop {
            let rest = self.rest();
            let Some(open) = rest.find("{{") else {
                pieces.push(Piece::Text(rest.to_owned()));
                self.at = self.text.len();
                return Ok((pieces, End::Text));
            };
            let (before, start) = (&rest[..open], self.at + open);
            let inner = &self.text[start + 2..];
            let Some(close) = closing(inner) else {
                return fails(start, "`{{` without `}}`");
            };
            let trims_before = inner.starts_with("- ");
            let before = if trims_before { before.trim_end() } else { before };
            pieces.push(Piece::Text(before.to_owned()));
            let mut action = &inner[..close];
            self.at = start + 2 + close + 2;
            let mut from = start + 2;
            if trims_before {
                action = &action[2..];
                from += 2;
            }
            if let Some(trimmed) = action.strip_suffix(" -") {
                action = trimmed;
                let rest = self.rest();
                self.at += rest.len() - rest.trim_start().len();
            }
            let comment = action.trim();
            if comment.starts_with("/*") && comment.ends_with("*/") {
                continue;
            }
            let tokens = tokens(action, from)?;
            match self.action(&tokens, start)? {
                Action::Piece(piece) => pieces.push(piece),
                Action::Ends(end) => return Ok((pieces, end)),
            }
        }
    }

    fn action(&mut self, tokens: &[Token], start: usize) -> Parsed<Action> {
        let word = tokens.first().and_then(Token::word);
        match word {
            Some("if") => Ok(Action::Piece(self.condition(&tokens[1..], start)?)),
            Some("else") => match tokens.get(1).and_then(Token::word) {
                None if tokens.len() == 1 => Ok(Action::Ends(End::Else(start, None))),
                Some("if") => {
                    let pipe = pipe(&tokens[2..], start, 0)?;
                    Ok(Action::Ends(End::Else(start, Some(pipe))))
                }
                _ => fails(start, "`else` stands alone, or with `if`"),
            },
            Some("end") if tokens.len() == 1 => Ok(Action::Ends(End::Closed(start))),
            Some(word) if REFUSED.contains(&word) => {
                fails(start, format!("`{word}` is not supported in templates"))
            }
            _ => Ok(Action::Piece(Piece::Value(pipe(tokens, start, 0)?))),
        }
    }

    fn condition(&mut self, tokens: &[Token], start: usize) -> Parsed<Piece> {
        self.depth += 1;
        if self.depth > DEPTH {
            return fails(start, "conditions are nested too deeply");
        }
        let mut condition = pipe(tokens, start, 0)?;
        let mut cases = Vec::new();
        let piece = loop {
            let (inner, end) = self.until_end()?;
            match end {
                End::Text => return fails(start, "`if` without `end`"),
                End::Closed(_) => {
                    cases.push((condition, inner));
                    break Piece::If { cases, otherwise: Vec::new() };
                }
                End::Else(_, Some(next)) => {
                    cases.push((condition, inner));
                    condition = next;
                }
                End::Else(at, None) => {
                    cases.push((condition, inner));
                    let (otherwise, end) = self.until_end()?;
                    let End::Closed(_) = end else { return fails(at, "`else` without `end`") };
                    break Piece::If { cases, otherwise };
                }
            }
        };
        self.depth -= 1;
        Ok(piece)
    }
}

enum Action {
    Piece(Piece),
    Ends(End),
}

/// Where `}}` stands, but not within a quoted text.
fn closing(inner: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (Some('"'), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '}') if inner[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Operand(Operand),
    Bar,
    Open,
    Close,
}

impl Token {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

fn tokens(action: &str, from: usize) -> Parsed<Vec<Token>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = action[at..].chars().next() {
        let rest = &action[at..];
        match c {
            _ if c.is_whitespace() => at += c.len_utf8(),
            '|' | '(' | ')' => {
                found.push(match c {
                    '|' => Token::Bar,
                    '(' => Token::Open,
                    _ => Token::Close,
                });
                at += 1;
            }
            '"' | '`' => {
                let (text, length) = quoted(rest).ok_or_else(|| TemplateError {
                    at: from + at,
                    message: "a quoted text does not end, or holds an escape that is not known"
                        .into(),
                })?;
                found.push(Token::Operand(Operand::Text(text)));
                at += length;
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '|' | '(' | ')' | '"' | '`');
                let length = rest.find(ends).unwrap_or(rest.len());
                found.push(word(&rest[..length], from + at)?);
                at += length;
            }
        }
    }
    Ok(found)
}

/// A quoted text, and how many bytes it takes with its quotes.
fn quoted(text: &str) -> Option<(String, usize)> {
    if let Some(raw) = text.strip_prefix('`') {
        let end = raw.find('`')?;
        return Some((raw[..end].to_owned(), end + 2));
    }
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '"' => '"',
                '\\' => '\\',
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn word(text: &str, at: usize) -> Parsed<Token> {
    let operand = match text {
        "true" => Operand::Truth(true),
        "false" => Operand::Truth(false),
        "$value" | ".Value" => Operand::Value,
        "$labels" | ".Labels" => Operand::Labels,
        "$externalLabels" | ".ExternalLabels" => Operand::ExternalLabels,
        "$externalURL" | ".ExternalURL" => Operand::ExternalUrl,
        _ => {
            let label = |prefixes: [&str; 2]| {
                prefixes.into_iter().find_map(|prefix| text.strip_prefix(prefix))
            };
            if let Some(name) = label(["$labels.", ".Labels."]) {
                Operand::Label(name.to_owned())
            } else if let Some(name) = label(["$externalLabels.", ".ExternalLabels."]) {
                Operand::ExternalLabel(name.to_owned())
            } else if let Ok(number) = text.parse::<i32>() {
                Operand::Whole(f64::from(number))
            } else if let Some(number) = float(text) {
                Operand::Number(number)
            } else if text.starts_with(['$', '.']) {
                return fails(at, format!("`{text}` is not known in templates"));
            } else {
                return Ok(Token::Word(text.to_owned()));
            }
        }
    };
    Ok(Token::Operand(operand))
}

/// A number as it is written in Go; the words that Rust takes for numbers are none.
fn float(text: &str) -> Option<f64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let ends = text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| begins && ends)
}

fn pipe(tokens: &[Token], at: usize, depth: usize) -> Parsed<Pipe> {
    if depth > DEPTH {
        return fails(at, "parentheses are nested too deeply");
    }
    let mut commands = Vec::new();
    let mut level = 0_usize;
    let mut part = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => level += 1,
            Token::Close => {
                level = match level.checked_sub(1) {
                    Some(level) => level,
                    None => return fails(at, "`)` without `(`"),
                }
            }
            Token::Bar if level == 0 => {
                commands.push(command(&tokens[part..index], at, (depth, !commands.is_empty()))?);
                part = index + 1;
            }
            Token::Bar | Token::Word(_) | Token::Operand(_) => {}
        }
    }
    if level > 0 {
        return fails(at, "`(` without `)`");
    }
    commands.push(command(&tokens[part..], at, (depth, !commands.is_empty()))?);
    Ok(Pipe(commands))
}

/// `is_fed`: the value of the command before is its last argument.
fn command(tokens: &[Token], at: usize, (depth, is_fed): (usize, bool)) -> Parsed<Command> {
    let (function, rest) = match tokens.first() {
        None => return fails(at, "there is nothing to show"),
        Some(Token::Word(name)) => {
            functions::check(name).map_err(|message| TemplateError { at, message })?;
            (Some(name.clone()), &tokens[1..])
        }
        Some(_) => (None, tokens),
    };
    let mut operands = Vec::new();
    let mut index = 0;
    while let Some(token) = rest.get(index) {
        match token {
            Token::Operand(operand) => operands.push(operand.clone()),
            Token::Open => {
                let length = nested(&rest[index..]);
                let inner = &rest[index + 1..index + length];
                operands.push(Operand::Nested(pipe(inner, at, depth + 1)?));
                index += length;
            }
            Token::Word(name) => {
                return fails(at, format!("`{name}` stands where a value is expected"));
            }
            Token::Bar | Token::Close => return fails(at, "`|` or `)` in a wrong place"),
        }
        index += 1;
    }
    let wanted = function.is_some() || (operands.len() == 1 && !is_fed);
    if !wanted {
        return fails(at, "one value is expected, or a function with its arguments");
    }
    Ok(Command { function, operands })
}

/// How many tokens from an opening parenthesis to the closing one.
fn nested(tokens: &[Token]) -> usize {
    let mut level = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => level += 1,
            Token::Close => level = level.saturating_sub(1),
            _ => {}
        }
        if level == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}
