//! Changing labels: `label_replace`, `label_join` and the labels of `absent`.

use std::sync::Arc;

use regex::Regex;

use super::super::labels::{Labels, METRIC_NAME};
use super::super::limits::Excess;
use super::super::matcher::{Comparison, Matcher};

/// The longest value that a label may be given, in bytes: joining a label with itself doubles it.
const LONGEST: usize = 64 * 1024;

fn bounded(bytes: usize) -> Result<(), Excess> {
    if bytes > LONGEST { Err(Excess::of("bytes in a label", LONGEST)) } else { Ok(()) }
}

/// `label_replace`: where `source` matches, `target` becomes what `template` makes of it.
#[derive(Debug)]
pub(in crate::query) struct Replacement {
    pub(in crate::query) target: Arc<str>,
    pub(in crate::query) template: String,
    pub(in crate::query) source: String,
    pub(in crate::query) pattern: Regex,
}

impl Replacement {
    /// The changed labels; nothing where the pattern does not match.
    ///
    /// # Errors
    /// Where the value could become too long.
    pub(in crate::query) fn of(&self, labels: &Labels) -> Result<Option<Labels>, Excess> {
        let source = labels.value(&self.source);
        let Some(captured) = self.pattern.captures(source) else { return Ok(None) };
        let references = self.template.matches('$').count();
        bounded(source.len().saturating_mul(references).saturating_add(self.template.len()))?;
        let mut value = String::new();
        captured.expand(&self.template, &mut value);
        let mut draft = labels.draft();
        draft.set(Arc::clone(&self.target), value);
        Ok(Some(draft.finish()))
    }
}

/// `label_join`: `target` becomes the values of `sources`, with `separator` between them.
///
/// # Errors
/// Where the value becomes too long.
pub(in crate::query) fn joined(
    labels: &Labels,
    target: &Arc<str>,
    separator: &str,
    sources: &[String],
) -> Result<Labels, Excess> {
    let values: Vec<&str> = sources.iter().map(|source| labels.value(source)).collect();
    let separators = separator.len().saturating_mul(values.len());
    bounded(values.iter().map(|value| value.len()).sum::<usize>().saturating_add(separators))?;
    let mut draft = labels.draft();
    draft.set(Arc::clone(target), values.join(separator));
    Ok(draft.finish())
}

/// The labels that an absent series would have had: those that are asked for with `=`, once.
pub(in crate::query) fn absent(matchers: &[Matcher]) -> Labels {
    let mut asked: Vec<&str> = Vec::new();
    let mut draft = Labels::default().draft();
    for matcher in matchers.iter().filter(|matcher| &*matcher.name != METRIC_NAME) {
        if matcher.comparison == Comparison::Equal && !asked.contains(&&*matcher.name) {
            draft.set(Arc::clone(&matcher.name), Arc::clone(&matcher.value));
            asked.push(&matcher.name);
        } else {
            draft.set(Arc::clone(&matcher.name), "");
        }
    }
    draft.finish()
}
