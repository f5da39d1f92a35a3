//! A mistake in a file: where it is, what it is, and how to mend it.
//!
//! A diagnostic is a value; how it looks on a terminal, in JSON or on a page is for those who show
//! it. It must not print, and must not carry the text of a secret.

use std::ops::Range;
use std::sync::Arc;

/// A range of bytes in a text.
pub type Span = Range<usize>;

/// A text file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The path relative to the project folder, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Document {
    /// Names a text.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A mistake in a file, or something in it that looks like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the project can be used all the same.
    pub severity: Severity,
    /// The file, relative to the project folder, with forward slashes.
    pub file: String,
    /// The whole text of the file; empty when there is none to show.
    pub source: Arc<str>,
    /// Where in `source`: within one line, at character boundaries.
    pub span: Span,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Other places in the same file that have to do with it.
    pub related: Vec<Label>,
}

/// Whether the project can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but what happens may not be what was meant.
    Warning,
}

impl Severity {
    /// The word used in JSON and in front of messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place with a word about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

impl Diagnostic {
    /// An error at `span`. A span outside the text, inside a character or over several lines is
    /// cut to fit, because it may come from a script's process, which is not trusted.
    pub fn error(document: &Document, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: document.path.clone(),
            source: Arc::clone(&document.text),
            span: fitted(&document.text, span),
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning at `span`, which is cut to fit as in [`Self::error`].
    pub fn warning(document: &Document, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(document, span, message) }
    }

    /// An error of a file whose text cannot be shown.
    pub fn of_file(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::error(&Document::new(path, ""), 0..0, message)
    }

    /// An error at a line and column, both counted from 1; columns count characters.
    pub fn at_position(
        document: &Document,
        line: usize,
        column: usize,
        message: impl Into<String>,
    ) -> Self {
        let before: usize =
            document.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = document.text[before..].lines().next().unwrap_or_default();
        let within = rest.char_indices().map(|(at, _)| at).nth(column.saturating_sub(1));
        let at = before + within.unwrap_or(rest.len());
        let width =
            document.text[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        Self::error(document, at..at + width, message)
    }

    /// Says how to mend it.
    pub fn advise(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place of the same file.
    pub fn relate(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.related.push(Label { span: fitted(&self.source, span), text: text.into() });
        self
    }

    /// The line and column at which the mistake begins, counted from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let before = &self.source[..self.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// Whether this keeps the project from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `span` within `text`, at character boundaries, and no further than the end of its first line.
fn fitted(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let first_line = text[start..end].split(['\n', '\r']).next().map_or(0, str::len);
    start..start + first_line
}

/// `text` with the characters in `spans` replaced by as many bytes of `*`, lines kept.
pub(super) fn masked(text: &str, spans: &[Span]) -> Arc<str> {
    let hidden = |at: usize| spans.iter().any(|span| span.contains(&at));
    let mut shown = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if hidden(at) && c != '\n' {
            shown.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_cut_to_fit() {
        let document = Document::new("a.js", "größe = 1\nrest");
        let span = |span: Span| Diagnostic::error(&document, span, "x").span;
        assert_eq!(span(0..7), 0..7);
        assert_eq!(span(3..4), 2..4);
        assert_eq!(span(8..99), 8..11);
        assert_eq!(span(99..120), 16..16);
        #[expect(clippy::reversed_empty_ranges, reason = "a hostile span")]
        let reversed = 5..2;
        assert_eq!(span(reversed), 4..4);
    }

    #[test]
    fn positions_count_characters_from_one() {
        let document = Document::new("a.js", "größe = 1\nrest");
        let position = |span: Span| Diagnostic::error(&document, span, "x").position();
        assert_eq!(position(0..1), (1, 1));
        assert_eq!(position(10..11), (1, 9));
        assert_eq!(position(12..13), (2, 1));
        let back = |line, column| Diagnostic::at_position(&document, line, column, "x").position();
        for place in [(1, 1), (1, 9), (2, 1), (2, 4)] {
            assert_eq!(back(place.0, place.1), place);
        }
        assert_eq!(back(2, 99), (2, 5));
        assert_eq!(back(99, 1), (2, 5));
        assert_eq!(back(0, 0), (1, 1));
    }

    #[test]
    fn what_is_confidential_is_masked_byte_by_byte() {
        assert_eq!(&*masked("a = \"gü\nx\" # b", &[0..1, 4..11]), "* = ****\n** # b");
    }
}
