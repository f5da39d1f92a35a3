//! The lines of a script around a place, with a caret under it.

use std::fmt::Write;

use crate::domain::run::Position;

/// Lines shown before the place.
const BEFORE: usize = 2;
/// Lines shown after the place.
const AFTER: usize = 1;
/// A longer line is cut.
const LONGEST_LINE: usize = 160;

/// The frame for `position` in `text`; `None` when the text has no such line.
pub(super) fn frame(text: &str, position: &Position) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = usize::try_from(position.line).ok()?.checked_sub(1)?;
    lines.get(at)?;
    let first = at.saturating_sub(BEFORE);
    let last = (at + AFTER).min(lines.len() - 1);
    let width = (last + 1).to_string().len();
    let mut frame = String::new();
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        let mark = if index == at { '>' } else { ' ' };
        let shown: String = line.chars().take(LONGEST_LINE).map(visible).collect();
        let number = index + 1;
        let _ = writeln!(frame, "{mark} {number:>width$} | {}", shown.trim_end());
        if index == at {
            let column = usize::try_from(position.column).unwrap_or(1).clamp(1, LONGEST_LINE);
            let _ = writeln!(frame, "  {:width$} | {:>column$}", "", '^');
        }
    }
    frame.truncate(frame.trim_end().len());
    Some(frame)
}

/// Tabs would move the caret, and other control characters the terminal.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { file: "checks/a.js".into(), line, column }
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let text = "one\ntwo\n\tthree(4)\nfour\nfive";
        let frame = frame(text, &at(3, 7)).expect("a frame");
        assert_eq!(frame, "  1 | one\n  2 | two\n> 3 |  three(4)\n    |       ^\n  4 | four");
    }

    #[test]
    fn a_place_that_is_not_there_has_no_frame() {
        assert_eq!(frame("one", &at(2, 1)), None);
        assert_eq!(frame("", &at(0, 0)), None);
        assert!(frame("one", &at(1, u32::MAX)).is_some());
    }
}
