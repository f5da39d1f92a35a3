//! Text from outside made fit for people: one line of visible characters.

use std::iter::Peekable;
use std::str::Chars;

/// The text as one line: white space and control characters become single spaces, terminal
/// sequences and invisible characters go.
pub(in crate::notify) fn line(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_sequence(&mut chars);
        } else if c.is_whitespace() || c.is_control() {
            if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                cleaned.push(' ');
            }
        } else if !is_invisible(c) {
            cleaned.push(c);
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// Skips what follows an escape character in a terminal's control sequence (ECMA-48, 5.4).
fn skip_sequence(chars: &mut Peekable<Chars<'_>>) {
    if chars.next_if_eq(&'[').is_some() {
        while chars.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
        chars.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
    }
}

/// Whether a character shows nothing, or changes the direction in which others are read.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// At most `limit` characters of `text`; what is cut ends in `…`.
pub(in crate::notify) fn cut(text: &str, limit: usize) -> String {
    cut_by(text, limit, |_| 1)
}

/// As much of `text` as costs at most `limit` by `cost`; what is cut ends in `…`, if there is
/// room for that.
pub(super) fn cut_by(text: &str, limit: usize, cost: impl Fn(char) -> usize) -> String {
    let whole: usize = text.chars().map(&cost).sum();
    if whole <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(cost('…')) else {
        return String::new();
    };
    let mut spent = 0;
    let fits = |c: &char| {
        spent += cost(*c);
        spent <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// The first `limit` words of `text`; what is cut ends in `…`.
pub(super) fn cut_words(text: &str, limit: usize) -> String {
    let mut words = text.split(' ');
    let kept = words.by_ref().take(limit).collect::<Vec<_>>().join(" ");
    if words.next().is_some() { format!("{kept}…") } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_it_is() {
        assert_eq!(line("  a\r\n\tb\u{2028}c \0 d  "), "a b c d");
        assert_eq!(line("\u{1b}[31;1mred\u{1b}[0m \u{1b}]x"), "red ]x");
        assert_eq!(line("pay\u{202e}lap\u{200b}yap\u{2066}\u{feff}"), "paylapyap");
        assert_eq!(line("日本 ß é 🙂"), "日本 ß é 🙂");
        assert_eq!(line("\n \u{200b}"), "");
    }

    #[test]
    fn cuts_are_shown() {
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".into(), "ab…".into()));
        assert_eq!(cut("ab cd", 4), "ab…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut_words("one two three", 2), "one two…");
        assert_eq!(cut_words("one two", 2), "one two");
    }
}
