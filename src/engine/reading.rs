//! What is to be read for expressions: what several of their selectors need is read once.

use std::collections::HashMap;

use crate::query::{Matcher, Selection};

/// Selections that are read, each for all who need something of it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    selections: Vec<Selection>,
    /// By their matchers as text.
    places: HashMap<String, Vec<usize>>,
}

impl Reading {
    /// Where what `selection` needs is read.
    pub(super) fn place(&mut self, selection: Selection) -> usize {
        let places = self.places.entry(text(&selection.matchers)).or_default();
        let known = &mut self.selections;
        let near = places.iter().copied().find(|at| {
            let other = &known[*at];
            // Samples that nobody asked for do no harm, but cost time: those far apart are apart.
            selection.after <= other.until && other.after <= selection.until
        });
        if let Some(at) = near {
            known[at].after = known[at].after.min(selection.after);
            known[at].until = known[at].until.max(selection.until);
            return at;
        }
        known.push(selection);
        places.push(known.len() - 1);
        known.len() - 1
    }

    /// What is read, in the order of the places.
    pub(super) fn selections(&self) -> &[Selection] {
        &self.selections
    }
}

fn text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    texts.join(",")
}
