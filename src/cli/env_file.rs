//! The file of `--env-file`: lines of `NAME=value`.
//!
//! It may hold secrets, so no message repeats what stands in it.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;

/// The variables in a file; else what is wrong with it, all at once.
pub(super) fn read(path: &Path, shown: &str) -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("failed to read {shown}: {error}"))?;
    let (variables, wrong) = parse(&text);
    if wrong.is_empty() {
        return Ok(variables);
    }
    let lines = wrong.iter().map(|line| format!("{shown}:{line}: this line is not NAME=value"));
    Err(lines.collect::<Vec<_>>().join("\n       "))
}

/// The variables in a text, and the numbers of the lines that are none.
fn parse(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let handed_out = Cell::new(0);
    let lines = Lines { rest: text.as_bytes(), handed_out: &handed_out };
    let (mut variables, mut wrong, mut before) = (Vec::new(), Vec::new(), 0);
    for item in dotenvy::Iter::new(lines) {
        match item {
            Ok(variable) => variables.push(variable),
            Err(_) => wrong.push(first_line(text, before)),
        }
        before = handed_out.get();
    }
    (variables, wrong)
}

/// The number of the first line after so many that is not empty and no comment.
fn first_line(text: &str, before: usize) -> usize {
    let is_item = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let item = text.lines().skip(before).position(is_item);
    before + item.unwrap_or(0) + 1
}

/// Hands out one line at a time, so that it is known which was the last.
struct Lines<'t> {
    rest: &'t [u8],
    handed_out: &'t Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let count = line.unwrap_or(self.rest.len()).min(buffer.len());
        let (now, later) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = later;
        if now.ends_with(b"\n") {
            self.handed_out.set(self.handed_out.get() + 1);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_is_no_variable_is_named() {
        let text = "\u{feff}# a comment\nGOOD=1\n\nhunter2\nQUOTED=\"two\nlines\"\n# more\n= bad\n\
                    export LAST=2\nOPEN=\"no end\nhere";
        let (variables, wrong) = parse(text);
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["GOOD", "QUOTED", "LAST"]);
        assert_eq!(variables[1].1, "two\nlines");
        assert_eq!(wrong, [4, 8, 10]);
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
