//! The file of `--env-file`: lines of `NAME=value`, read as systemd reads an `EnvironmentFile`
//! (<https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=>).
//!
//! A value is what stands there, to the end of its line: nothing is looked up in it, because a password may
//! hold a `$`, and `#` begins a comment only where a line begins. Quotes around a value or a part of it are
//! taken off, and what is in them may go over several lines. A backslash takes the next character as it is,
//! but not within single quotes; within double quotes it stays unless that is one of `"`, `\`, `` ` ``, `$` or
//! the end of a line. `export` before a name, which systemd does not know, is left out.
//!
//! It may hold secrets, so no message repeats what stands in it.

use std::iter::Peekable;
use std::path::Path;
use std::str::Chars;

/// The variables in a file; else what is wrong with it, all at once.
pub(super) fn read(path: &Path, shown: &str) -> Result<Vec<Variable>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("failed to read {shown}: {error}"))?;
    let (variables, wrong) = parse(&text);
    if wrong.is_empty() {
        return Ok(variables);
    }
    let lines = wrong.iter().map(|(line, what)| format!("{shown}:{line}: {what}"));
    Err(lines.collect::<Vec<_>>().join("\n       "))
}

/// A name and its value.
type Variable = (String, String);
/// A line, and what is wrong in it.
type Wrong = (usize, &'static str);

const NO_VARIABLE: &str = "this line is not NAME=value";
const OPEN: &str = "the quote that begins here has no end";

/// The variables in a text, and what is wrong in which lines.
fn parse(text: &str) -> (Vec<Variable>, Vec<Wrong>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Rest { chars: text.chars().peekable(), line: 1 };
    let (mut variables, mut wrong) = (Vec::new(), Vec::new());
    while let Some(first) = rest.chars.peek().copied() {
        if first.is_whitespace() {
            rest.next();
            continue;
        }
        let line = rest.line;
        if first == '#' || first == ';' {
            rest.skip_line();
            continue;
        }
        let Some(name) = rest.name() else {
            rest.skip_line();
            wrong.push((line, NO_VARIABLE));
            continue;
        };
        match rest.value() {
            Ok(value) => variables.push((name, value)),
            Err(line) => wrong.push((line, OPEN)),
        }
    }
    (variables, wrong)
}

/// What is not read yet, and in which line that begins.
struct Rest<'t> {
    chars: Peekable<Chars<'t>>,
    line: usize,
}

impl Rest<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    /// Goes on behind the end of the line.
    fn skip_line(&mut self) {
        while self.next().is_some_and(|next| next != '\n') {}
    }

    /// A name and the sign after it; `None` where there is none in this line.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some(next) = self.chars.next_if(|next| *next != '=' && *next != '\n') {
            name.push(next);
        }
        self.chars.next_if_eq(&'=')?;
        let name = name.trim_end();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start);
        let is_name = |it: &str| it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
        let begins_well = !name.is_empty() && !name.starts_with(|it: char| it.is_ascii_digit());
        (begins_well && is_name(name)).then(|| name.to_owned())
    }

    /// A value to the end of its line; the line of a quote that has no end.
    fn value(&mut self) -> Result<String, usize> {
        let (mut value, mut kept) = (String::new(), 0);
        let mut is_begun = false;
        while let Some(next) = self.next().filter(|next| *next != '\n') {
            match next {
                '\'' | '"' if !is_begun => {
                    self.quoted(next, &mut value)?;
                    kept = value.len();
                    continue;
                }
                '\\' => {
                    value.extend(self.next().filter(|it| *it != '\n'));
                    kept = value.len();
                }
                _ if next.is_whitespace() => {
                    if is_begun {
                        value.push(next);
                    }
                    continue;
                }
                _ => {
                    value.push(next);
                    kept = value.len();
                }
            }
            is_begun = true;
        }
        value.truncate(kept);
        Ok(value)
    }

    /// What stands to the end of a quote.
    fn quoted(&mut self, quote: char, value: &mut String) -> Result<(), usize> {
        let line = self.line;
        loop {
            match self.next().ok_or(line)? {
                end if end == quote => return Ok(()),
                '\\' if quote == '"' => match self.next().ok_or(line)? {
                    '\n' => {}
                    plain @ ('"' | '\\' | '`' | '$') => value.push(plain),
                    other => value.extend(['\\', other]),
                },
                plain => value.push(plain),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let (variables, wrong) = parse(&format!("A={text}\nB=b\n"));
        assert_eq!(wrong, [], "{text}");
        assert_eq!(variables[1], ("B".to_owned(), "b".to_owned()), "{text}");
        variables[0].1.clone()
    }

    #[test]
    fn a_value_is_what_stands_there() {
        for (text, expected) in [
            ("pa$word1", "pa$word1"),
            ("${HOME}", "${HOME}"),
            ("pa word1", "pa word1"),
            ("  spaced  ", "spaced"),
            ("pa#word ;1 # more", "pa#word ;1 # more"),
            ("it's", "it's"),
            ("pa\"word", "pa\"word"),
            ("\"pa$word1\"", "pa$word1"),
            ("' spaced '", " spaced "),
            ("'two\nlines'", "two\nlines"),
            ("\"two\nlines\"", "two\nlines"),
            ("\"a\\\"b\\\\c\\nd\\$e\"", "a\"b\\c\\nd$e"),
            ("'a\\b'", "a\\b"),
            ("a\\\\b", "a\\b"),
            ("one \\\ntwo", "one two"),
            ("\"one \\\ntwo\"", "one two"),
            ("'a' \"b\"", "ab"),
            ("tail\\ ", "tail "),
            ("a=b", "a=b"),
            ("", ""),
            ("\r", ""),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn every_line_that_is_no_variable_is_named() {
        let text = "\u{feff}# a comment\nGOOD=1\n\nhunter2\nQUOTED=\"two\nlines\"\n; more\n= bad\n\
                    export LAST=2\n1A=3\nOPEN=\"no end\nhere";
        let (variables, wrong) = parse(text);
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["GOOD", "QUOTED", "LAST"]);
        assert_eq!(variables[1].1, "two\nlines");
        assert_eq!(wrong, [(4, NO_VARIABLE), (8, NO_VARIABLE), (10, NO_VARIABLE), (11, OPEN)]);
    }

    #[test]
    fn the_message_repeats_nothing_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets.env");
        std::fs::write(&path, "hunter2\nA=1\nhunter3\n").expect("written");
        let expected = "secrets.env:1: this line is not NAME=value\n       \
                        secrets.env:3: this line is not NAME=value";
        assert_eq!(read(&path, "secrets.env"), Err(expected.to_owned()));
        assert!(read(&folder.path().join("none"), "none").expect_err("not there").contains("none"));
    }
}
