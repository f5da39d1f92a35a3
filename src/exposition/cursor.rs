//! A place in a line.

use super::Mistake;

/// Walks through one line, and knows where it is when something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'l> {
    text: &'l str,
    at: usize,
    line: u64,
}

impl<'l> Cursor<'l> {
    pub(super) fn new(text: &'l str, line: u64) -> Self {
        Self { text, at: 0, line }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'l str {
        &self.text[self.at..]
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes on behind `sign`, if it stands here.
    pub(super) fn takes(&mut self, sign: char) -> bool {
        let is_here = self.rest().starts_with(sign);
        if is_here {
            self.at += sign.len_utf8();
        }
        is_here
    }

    /// Goes on behind the character that stands here.
    pub(super) fn step(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes all characters up to the first that is not `wanted`.
    pub(super) fn all(&mut self, wanted: impl Fn(char) -> bool) -> &'l str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn spaces(&mut self) {
        self.all(|c| c == ' ' || c == '\t');
    }

    /// A mistake at this place.
    pub(super) fn mistake(&self, message: impl Into<String>) -> Mistake {
        let before = self.text[..self.at].chars().count();
        Mistake { line: self.line, column: before as u64 + 1, message: message.into() }
    }
}
