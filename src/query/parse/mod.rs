//! PromQL's grammar: text into a checked tree.
//!
//! The syntax is that of Prometheus 3 (`promql/parser`), read by recursive descent with the depth
//! counted, so that no text can exhaust the stack. What Prometheus knows and this evaluator does
//! not is refused here by name. Nothing is evaluated here, and no series is looked at.

mod check;
pub(super) mod expression;
mod grammar;
mod lexer;
mod selector;
mod unfiltered;

use std::fmt;
use std::sync::Arc;

use super::limits::{Excess, Limits};
use super::matcher::Matcher;
use expression::{Kind, Node, Selector, Shift, Type};
pub use unfiltered::Compared;

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(super) root: Node,
    /// How many selectors there are.
    pub(super) selectors: usize,
    text: String,
}

impl Expression {
    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, if it can be evaluated time by time, as the condition of a rule is.
    ///
    /// # Errors
    /// Where its value is a range vector or a string.
    pub fn condition(self) -> Result<Self, ParseError> {
        let found = match self.root.value_type() {
            Type::Vector | Type::Scalar => return Ok(self),
            found @ (Type::Matrix | Type::Text) => found.described(),
        };
        let message = format!("a rule needs an instant vector or a number, and this is a {found}");
        Err(ParseError::at(&self.text, self.root.at, message))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is no expression, or none that is supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the text, in bytes.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// Whether Prometheus knows the construct that is refused.
    pub unsupported: bool,
}

impl ParseError {
    fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, at, message: message.into(), unsupported: false }
    }

    fn unsupported(text: &str, at: usize, what: &str) -> Self {
        let message = format!("{what} is not supported");
        Self { unsupported: true, ..Self::at(text, at, message) }
    }
}

/// Parses and checks an expression.
///
/// # Errors
/// Where the text is no valid PromQL, where it names something that is not supported, and where it
/// exceeds `limits` in length, depth or regular expressions.
pub fn parse(text: &str, limits: &Limits) -> Result<Expression, ParseError> {
    if text.len() > limits.expression_bytes {
        let excess = Excess::of("bytes in an expression", limits.expression_bytes);
        return Err(ParseError::at(text, 0, excess.to_string()));
    }
    let mut grammar = grammar::Grammar::new(text, limits)?;
    let root = grammar.whole()?;
    Ok(Expression { root, selectors: grammar.selectors(), text: text.to_owned() })
}

/// Parses a selector alone, such as `up{region="eu"}`: which series are meant, without any time.
///
/// # Errors
/// Where the text is no selector, or says with `offset`, `@` or a range of when.
pub fn parse_selector(text: &str, limits: &Limits) -> Result<Arc<[Matcher]>, ParseError> {
    let expression = parse(text, limits)?;
    match expression.root.kind {
        Kind::Selector(Selector { matchers, shift, .. }) if shift == Shift::default() => {
            Ok(matchers)
        }
        _ => Err(ParseError::at(text, 0, "a selector is meant, without anything around it")),
    }
}

#[cfg(test)]
mod tests;
