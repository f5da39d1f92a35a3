//! How mistakes in the project look: on a terminal and as JSON.
//!
//! The text comes from files that may hold anything, so control characters never reach a terminal.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::config::{Diagnostic, Severity};

/// How text is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// With colours.
    Colour,
    /// Without colours.
    Plain,
    /// Without colours and without characters beyond ASCII of our own.
    Ascii,
}

impl Style {
    /// The style that suits where the text goes, by the environment variables `NO_COLOR`
    /// (<https://no-color.org>) and `TERM`.
    pub fn detect(variables: &BTreeMap<String, String>, output: Output) -> Self {
        let term = variables.get("TERM").map_or("", String::as_str);
        let no_colour = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        match output {
            Output::Terminal if term == "dumb" => Self::Ascii,
            Output::Terminal if !no_colour => Self::Colour,
            Output::Terminal | Output::Other => Self::Plain,
        }
    }

    fn theme(self) -> GraphicalTheme {
        match self {
            Self::Colour => GraphicalTheme::unicode(),
            Self::Plain => GraphicalTheme::unicode_nocolor(),
            Self::Ascii => GraphicalTheme::none(),
        }
    }
}

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A terminal.
    Terminal,
    /// A file or a pipe.
    Other,
}

/// In columns; messages are wrapped there.
const WIDTH: usize = 100;

/// Draws each diagnostic with the lines around it, and how many there are.
pub fn to_text(diagnostics: &[Diagnostic], style: Style) -> String {
    let handler = GraphicalReportHandler::new_themed(style.theme())
        .with_width(WIDTH)
        .with_context_lines(1)
        .with_links(false)
        .without_syntax_highlighting();
    let mut text = String::new();
    for diagnostic in diagnostics {
        let drawn = handler.render_report(&mut text, &Drawing::of(diagnostic));
        if drawn.is_err() {
            let (line, column) = diagnostic.position();
            let file = printable(&diagnostic.file);
            let message = printable(&diagnostic.message);
            writeln!(text, "{file}:{line}:{column}: {message}").expect("a String takes everything");
        }
        text.push('\n');
    }
    text + &count(diagnostics)
}

/// `2 errors, 1 warning`, with a line break; nothing when there are none.
pub fn count(diagnostics: &[Diagnostic]) -> String {
    let of = |severity: Severity| {
        let count = diagnostics.iter().filter(|it| it.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{plural}", severity.as_str()))
    };
    let counts = [of(Severity::Error), of(Severity::Warning)];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { String::new() } else { counts.join(", ") + "\n" }
}

/// A list with an object for each diagnostic. Lines and columns count from 1, columns in
/// characters; `start` and `end` are bytes of the file.
pub fn to_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let object = |it: &Diagnostic| {
        let (line, column) = it.position();
        serde_json::json!({
            "severity": it.severity.as_str(),
            "file": it.file,
            "line": line,
            "column": column,
            "start": it.span.start,
            "end": it.span.end,
            "message": it.message,
            "help": it.help,
        })
    };
    diagnostics.iter().map(object).collect()
}

/// Logs each diagnostic as an event of its own, for machines; `meaning` is the message.
pub(super) fn log(diagnostics: &[Diagnostic], meaning: &str) {
    for it in diagnostics {
        let (line, column) = it.position();
        let place = format!("{}:{line}:{column}", it.file);
        let (reason, help) = (&it.message, it.help.as_deref());
        if it.is_error() {
            tracing::error!(event.action = "project", place, reason, help, "{meaning}");
        } else {
            tracing::warn!(event.action = "project", place, reason, help, "{meaning}");
        }
    }
}

/// `text` with a `?` for each byte of a control character, so that places in it stay the same.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            shown.extend(std::iter::repeat_n('?', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A diagnostic as miette wants it.
#[derive(Debug)]
struct Drawing {
    severity: Severity,
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    labels: Vec<LabeledSpan>,
}

impl Drawing {
    fn of(diagnostic: &Diagnostic) -> Self {
        // A carriage return at the end of a line is nothing to see.
        let source = printable(&diagnostic.source.replace("\r\n", " \n"));
        let mut labels = Vec::new();
        let mut message = printable(&diagnostic.message);
        if source.is_empty() {
            message = format!("{}: {message}", printable(&diagnostic.file));
        } else {
            labels.push(LabeledSpan::new_primary_with_span(None, diagnostic.span.clone()));
            labels.extend(diagnostic.related.iter().map(|label| {
                LabeledSpan::new_with_span(Some(printable(&label.text)), label.span.clone())
            }));
        }
        Self {
            severity: diagnostic.severity,
            message,
            help: diagnostic.help.as_deref().map(printable),
            source: NamedSource::new(printable(&diagnostic.file), source),
            labels,
        }
    }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawing {}

impl miette::Diagnostic for Drawing {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.labels.is_empty()).then_some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diagnostic::Document;

    fn mistake() -> Diagnostic {
        let document = Document::new("checks/a.js", "one\r\ntw\u{1b}[2Jo\nthree\n");
        let mut diagnostic = Diagnostic::error(&document, 5..11, "no \u{9b}such thing");
        diagnostic.advise("take another").relate(0..3, "here");
        diagnostic
    }

    #[test]
    fn a_terminal_sees_no_control_characters() {
        for style in [Style::Plain, Style::Ascii] {
            let text = to_text(&[mistake()], style);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
            assert!(text.contains("checks/a.js:2:1"), "{text}");
            assert!(text.contains("tw?[2Jo"), "{text}");
            assert!(text.contains("take another"), "{text}");
        }
        assert!(to_text(&[mistake()], Style::Colour).contains("\u{1b}["));
        assert!(to_text(&[mistake()], Style::Ascii).is_ascii());
    }

    #[test]
    fn a_file_without_text_is_named() {
        let text = to_text(&[Diagnostic::of_file("checks/b.js", "too large")], Style::Plain);
        assert!(text.contains("checks/b.js: too large"), "{text}");
        assert!(text.ends_with("1 error\n"), "{text}");
        assert_eq!(count(&[]), "");
    }

    #[test]
    fn json_has_all_that_an_editor_needs() {
        let json = to_json(&[mistake()]);
        assert_eq!(json[0]["line"], 2);
        assert_eq!(json[0]["column"], 1);
        assert_eq!(json[0]["severity"], "error");
        assert_eq!(json[0]["help"], "take another");
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let variables = |name: &str, value: &str| BTreeMap::from([(name.into(), value.into())]);
        let detect = |name, value| Style::detect(&variables(name, value), Output::Terminal);
        assert_eq!(detect("TERM", "xterm"), Style::Colour);
        assert_eq!(detect("TERM", "dumb"), Style::Ascii);
        assert_eq!(detect("NO_COLOR", "1"), Style::Plain);
        assert_eq!(detect("NO_COLOR", ""), Style::Colour);
        assert_eq!(Style::detect(&BTreeMap::new(), Output::Other), Style::Plain);
    }
}
