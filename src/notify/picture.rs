//! A picture beside a message, where a channel can show one.

use std::time::Duration;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The name of its file.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// What it shows, for whoever does not see it.
    pub words: String,
    /// PNG.
    pub png: Vec<u8>,
}

/// What became of a picture. Nobody is told later, or again, because of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is there.
    Done,
    /// Not now; when to try again, if that is known.
    Later {
        /// Why not.
        reason: String,
        /// After so long at least.
        after: Option<Duration>,
    },
    /// It will not be.
    Never {
        /// Why not, and what helps.
        reason: String,
    },
}
