//! How text looks on a terminal: colour, signs, width, local time, and what may reach it at all.
//!
//! Whatever a script, a target or a provider said passes through [`clean`] or [`clean_lines`] before
//! it is printed, so that it cannot move the cursor, change colours or turn the direction of the
//! text. Colour is never the only sign. Nothing here prints, and nothing reads the environment.

use std::time::Duration;

use owo_colors::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::domain::Timestamp;
use crate::domain::run::Outcome;

/// How to write for one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are written.
    pub colour: Colour,
    /// Which signs can be shown.
    pub glyphs: Glyphs,
    /// How many columns there are.
    pub width: usize,
    /// In which time zone times of day are shown.
    pub zone: Zone,
    /// What becomes of lines that are too long.
    pub fold: Fold,
}

/// What becomes of lines that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// They stay whole: a file or a pipe has no width.
    Never,
    /// They go on in the next line, below where their text began.
    AtWidth,
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// No.
    Plain,
    /// As ANSI escape sequences.
    Ansi,
}

impl Colour {
    /// Colours on a terminal only, and not when the variable `NO_COLOR` has a value
    /// (<https://no-color.org>).
    pub fn suited(is_terminal: bool, no_color: Option<&str>) -> Self {
        let unwanted = no_color.is_some_and(|value| !value.is_empty());
        if is_terminal && !unwanted { Self::Ansi } else { Self::Plain }
    }
}

/// Which signs can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Check marks and blocks.
    Unicode,
    /// Letters and punctuation only.
    Ascii,
}

impl Glyphs {
    /// Unicode unless the locale (`LC_ALL`, else `LC_CTYPE`, else `LANG`) names another encoding.
    pub fn suited(locale: Option<&str>) -> Self {
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let other = locale == "c" || locale == "posix" || locale.contains("iso-8859");
        if other { Self::Ascii } else { Self::Unicode }
    }
}

/// In which time zone times of day are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// The machine's.
    Local,
    /// Universal time.
    Utc,
}

/// What a piece of text is, as far as its colour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Good,
    Bad,
    Unsure,
    Faint,
    Strong,
    Accent,
}

impl Paint {
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Good,
            Outcome::Failed => Self::Bad,
            Outcome::Unknown => Self::Unsure,
        }
    }
}

impl Look {
    /// The look for files, pipes and tests: no colour, universal time, `width` columns.
    pub fn plain(width: usize) -> Self {
        Self {
            colour: Colour::Plain,
            glyphs: Glyphs::Unicode,
            width,
            zone: Zone::Utc,
            fold: Fold::Never,
        }
    }

    /// `text` in its colour. The text must be clean.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.colour == Colour::Plain || text.is_empty() {
            return text.to_owned();
        }
        let style = match paint {
            Paint::Good => Style::new().green(),
            Paint::Bad => Style::new().red().bold(),
            Paint::Unsure => Style::new().yellow(),
            Paint::Faint => Style::new().dimmed(),
            Paint::Strong => Style::new().bold(),
            Paint::Accent => Style::new().cyan(),
        };
        style.style(text).to_string()
    }

    /// The lines of `text`, folded between words where they are too long; what is left of a line
    /// begins at the column `indent`. Colours take no room.
    pub(super) fn folded(&self, text: &str, indent: usize) -> String {
        if self.fold == Fold::Never {
            return text.to_owned();
        }
        let lines = text.split('\n').map(|line| self.folded_line(line, indent));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn folded_line(&self, line: &str, indent: usize) -> String {
        let (mut folded, mut used) = (String::with_capacity(line.len()), 0);
        for word in line.split_inclusive(' ') {
            let fits = used + visible_columns(word.trim_end()) <= self.width;
            if !fits && used > indent {
                folded.truncate(folded.trim_end().len());
                folded.push('\n');
                folded.push_str(&" ".repeat(indent));
                used = indent;
            }
            folded.push_str(word);
            used += visible_columns(word);
        }
        folded
    }

    /// The time of day as `HH:MM:SS`.
    pub(super) fn time_of_day(&self, at: Timestamp) -> String {
        const FORM: &str = "%H:%M:%S";
        match self.zone {
            Zone::Utc => at.format(FORM).to_string(),
            Zone::Local => at.with_timezone(&chrono::Local).format(FORM).to_string(),
        }
    }

    /// The sign of an outcome, in its colour.
    pub(super) fn mark(&self, outcome: Outcome) -> String {
        let sign = match (outcome, self.glyphs) {
            (Outcome::Passed, Glyphs::Unicode) => "✓",
            (Outcome::Passed, Glyphs::Ascii) => "+",
            (Outcome::Failed, Glyphs::Unicode) => "✗",
            (Outcome::Failed, Glyphs::Ascii) => "x",
            (Outcome::Unknown, _) => "?",
        };
        self.paint(Paint::of(outcome), sign)
    }

    /// `unicode` where it can be shown, else `ascii`.
    pub(super) fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }
}

/// Whether a character could do something to a terminal or hide something from a reader: controls,
/// marks that turn the direction of the text, and characters without width.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// `text` on one line, with everything unsafe escaped as Rust would write it: `\n`, `\u{1b}`.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            match c {
                '\n' | '\r' | '\t' => clean.extend(c.escape_default()),
                _ => clean.extend(c.escape_unicode()),
            }
        } else {
            clean.push(c);
        }
    }
    clean
}

/// The lines of `text`, each cleaned; tabs become four spaces.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| clean(&line.replace('\t', "    "))).collect()
}

/// JSON text in which everything unsafe is escaped as `\uXXXX`: readers get the same values, and a
/// terminal only letters.
pub(super) fn clean_json(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for c in json.chars() {
        // A line break of a pretty document stands between values; in a string it is escaped.
        if c == '\n' || !is_unsafe(c) {
            clean.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let [high, low] = unit.to_be_bytes();
            clean.push_str("\\u");
            clean.push_str(&data_encoding::HEXLOWER.encode(&[high, low]));
        }
    }
    clean
}

/// How many columns `text` takes.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// How many columns `text` takes without the colours in it.
fn visible_columns(text: &str) -> usize {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().map_or(0, columns);
    let after = |piece: &str| piece.split_once('m').map_or(0, |(_, rest)| columns(rest));
    first + pieces.map(after).sum::<usize>()
}

/// `text` in exactly `width` columns: filled with spaces, or cut with `…`. It must be clean.
pub(super) fn fitted(text: &str, width: usize) -> String {
    padded(&cut(text, width), width)
}

/// A moment with its date, in universal time.
pub(super) fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `text` in at least `width` columns: filled with spaces, never cut. It must be clean.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// `text` in at most `width` columns, cut with `…`. It must be clean.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let (mut used, mut kept) = (0, String::new());
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The lines of `text`, broken between words so that none takes more than `width` columns, and
/// within a word only where that alone is longer.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in clean_lines(text) {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if columns(&line) + columns(word.trim_end()) > width && !line.is_empty() {
                lines.push(line.trim_end().to_owned());
                line.clear();
            }
            for c in word.chars() {
                if c != ' ' && columns(&line) + c.width().unwrap_or(0) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// `duration` as a person would say it: `0.4 ms`, `812 ms`, `1.24 s`, `2 min 5 s`.
pub(super) fn spoken(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    match duration.as_millis() {
        0..10 => format!("{millis:.1} ms"),
        10..1_000 => format!("{} ms", duration.as_millis()),
        1_000..10_000 => format!("{:.2} s", millis / 1e3),
        10_000..60_000 => format!("{:.1} s", millis / 1e3),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

/// A number of bytes as a person would say it: `17 B`, `1.2 kB`.
pub(super) fn spoken_bytes(bytes: u64) -> String {
    let tenth = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", tenth(1_000)),
        _ => format!("{} MB", tenth(1_000_000)),
    }
}

/// `1 check`, `2 checks`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unsafe_reaches_a_terminal() {
        let hostile = "a\u{1b}[2Jb\r\nc\u{9b}31md\u{202e}e\u{200b}\u{e0041}\0";
        assert_eq!(clean(hostile), r"a\u{1b}[2Jb\r\nc\u{9b}31md\u{202e}e\u{200b}\u{e0041}\u{0}");
        assert_eq!(clean_lines("a\tb\n\u{7}c"), ["a    b", "\\u{7}c"]);
        let json = serde_json::to_string(hostile).expect("a text");
        let safe = clean_json(&json);
        assert!(safe.is_ascii() && safe.contains(r"\udb40\udc41"), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).expect("still JSON"), hostile);
    }

    #[test]
    fn text_fits_its_columns() {
        assert_eq!(fitted("ab", 4), "ab  ");
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(fitted("日本語", 4), "日… ");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(
            wrapped("one two three\n\nabcdefgh", 7),
            ["one two", "three", "", "abcdefg", "h"]
        );
    }

    #[test]
    fn long_lines_go_on_below_their_text() {
        let look = Look { fold: Fold::AtWidth, colour: Colour::Ansi, ..Look::plain(16) };
        let faint = look.paint(Paint::Faint, "in a region");
        let folded = look.folded(&format!("12:00  failed {faint} far away\n|box|"), 7);
        assert_eq!(
            folded,
            "12:00  failed \u{1b}[2min\n       a region\u{1b}[0m\n       far away\n|box|"
        );
        assert_eq!(Look::plain(16).folded("a line of more than 16", 3), "a line of more than 16");
        let one_word = "12:00  https://example.com/a/long/path";
        assert_eq!(look.folded(one_word, 7), one_word);
    }

    #[test]
    fn durations_and_sizes_are_short() {
        let said = [400, 4_200, 812_000, 1_240_000, 12_345_000, 125_000_000]
            .map(|micros| spoken(Duration::from_micros(micros)));
        assert_eq!(said, ["0.4 ms", "4.2 ms", "812 ms", "1.24 s", "12.3 s", "2 min 5 s"]);
        assert_eq!([17, 1_234, 5_600_000].map(spoken_bytes), ["17 B", "1.2 kB", "5.6 MB"]);
    }

    #[test]
    fn colour_is_for_terminals_whose_owner_wants_it() {
        assert_eq!(Colour::suited(true, None), Colour::Ansi);
        assert_eq!(Colour::suited(true, Some("")), Colour::Ansi);
        assert_eq!(Colour::suited(true, Some("1")), Colour::Plain);
        assert_eq!(Colour::suited(false, None), Colour::Plain);
        assert_eq!(Glyphs::suited(Some("POSIX")), Glyphs::Ascii);
        assert_eq!(Glyphs::suited(Some("de_DE.UTF-8")), Glyphs::Unicode);
    }
}
