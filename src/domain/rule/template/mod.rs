//! The texts of labels and annotations: a part of Prometheus' templates.
//!
//! `{{ $labels.region }}`, `{{ $value | humanize }}`, `{{ printf "%.2f" $value }}`, and
//! `{{ if gt $value 5.0 }}..{{ else }}..{{ end }}`, with the functions of `functions`. What Prometheus knows
//! beyond that is refused by name when the text is read: what asks a server for series (`query`),
//! loops (`range`), and links to Prometheus' own pages. Rendering never fails: what goes wrong then
//! stands in the text, as in Prometheus.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/>.

mod functions;
mod number;
mod parse;
mod render;

use std::collections::BTreeMap;
use std::fmt;

use self::parse::Piece;
use super::labels::LabelSet;

/// A text with places to be filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong.
    pub message: String,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// The labels of the sample.
    pub labels: &'a LabelSet,
    /// Its value.
    pub value: f64,
    /// What is the same for all rules.
    pub external_labels: &'a BTreeMap<String, String>,
    /// Where people reach the system.
    pub external_url: &'a str,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] says what is wrong, or not supported, and where.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { text: text.to_owned(), pieces: parse::pieces(text)? })
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, where it is the same whatever fills it.
    pub fn fixed(&self) -> Option<&str> {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_))).then_some(&self.text)
    }

    /// The text filled in.
    pub fn render(&self, filling: Filling<'_>) -> String {
        let mut text = String::new();
        match render::pieces(&self.pieces, filling, &mut text) {
            Ok(()) => text,
            Err(reason) => format!("<error expanding template: {reason}>"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
