//! The lines of a script around a place, with a caret under it. Plain text.

use std::fmt::Write as _;

/// How many lines are shown before and after the one that matters.
const AROUND: usize = 2;

/// How much of a line is shown, in characters; of a minified script it is the part around the place.
const WIDTH: usize = 120;

/// Draws the lines around `line` and `column`, both counted from 1; `None` when the text has no
/// such line.
pub(super) fn draw(text: &str, line: u32, column: u32) -> Option<String> {
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.saturating_sub(1);
    let first = at.saturating_sub(AROUND);
    let lines: Vec<&str> = text.lines().skip(first).take(at - first + 1 + AROUND).collect();
    let middle: Vec<char> = lines.get(at - first)?.chars().collect();
    let column = column.min(middle.len());
    // Where the shown part of each line begins.
    let cut = if column < WIDTH * 3 / 4 { 0 } else { column - WIDTH / 2 };
    let gutter = (first + lines.len()).to_string().len();
    let mut frame = String::new();
    for (index, line) in lines.iter().enumerate() {
        let mark = if first + index == at { '>' } else { ' ' };
        let shown: String = line.chars().skip(cut).take(WIDTH).map(plain).collect();
        let row = format!("{mark} {:>gutter$} | {shown}", first + index + 1);
        // Writing to a string cannot fail.
        let _ = writeln!(frame, "{}", row.trim_end());
        if first + index == at {
            let _ = writeln!(frame, "  {:gutter$} | {:indent$}^", "", "", indent = column - cut);
        }
    }
    frame.truncate(frame.trim_end().len());
    Some(frame)
}

/// Tabs become one blank, so that the caret stands where it should; other controls cannot harm a
/// terminal.
fn plain(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_surroundings() {
        let text = "one\ntwo\nthree\n\texpect(home.status).toBe(200);\nfive\nsix\nseven";
        insta::assert_snapshot!(draw(text, 4, 2).expect("a line"), @r"
          2 | two
          3 | three
        > 4 |  expect(home.status).toBe(200);
            |  ^
          5 | five
          6 | six
        ");
        insta::assert_snapshot!(draw(text, 1, 99).expect("a line"), @r"
        > 1 | one
            |    ^
          2 | two
          3 | three
        ");
    }

    #[test]
    fn of_a_long_line_the_part_that_matters_is_shown() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let frame = draw(&text, 1, 5001).expect("a line");
        let rows: Vec<&str> = frame.lines().collect();
        assert!(rows[0].len() < 140);
        let caret = rows[1].find('^').expect("a caret");
        assert_eq!(&rows[0][caret..caret + 4], "HERE");
    }

    #[test]
    fn a_place_outside_the_text_has_no_frame() {
        assert_eq!(draw("one", 2, 1), None);
        assert_eq!(draw("one", 0, 1), None);
        assert_eq!(draw("", 1, 1), None);
        assert_eq!(draw("one", u32::MAX, u32::MAX), None);
    }
}
