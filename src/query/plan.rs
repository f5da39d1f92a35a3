//! Which samples an expression needs: what the caller reads before it evaluates.

use std::sync::Arc;

use super::eval::{EvaluationError, Grid, Settings, When, grid};
use super::matcher::Matcher;
use super::parse::Expression;
use super::parse::expression::{Anchor, Kind, Node, Shift};

/// Series to be read, and the times of the samples that are needed of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What each series must satisfy, all of them.
    pub matchers: Arc<[Matcher]>,
    /// Samples after this time are needed; milliseconds since 1970.
    pub after: i64,
    /// Samples until this time are needed, that included; milliseconds since 1970.
    pub until: i64,
}

/// The selections of `expression`, in the order of its text: one for each selector.
///
/// # Errors
/// Where the times of `when` or the settings make no sense or are too many.
pub fn plan(
    expression: &Expression,
    when: When,
    settings: &Settings,
) -> Result<Vec<Selection>, EvaluationError> {
    let grid = grid(when, settings)?;
    let end = match when {
        When::At(time) => time,
        When::Every { end, .. } => end,
    };
    let mut planner = Planner { settings, start: grid.start, end, found: Vec::new() };
    planner.visit(&expression.root, reach(grid));
    planner.found.sort_by_key(|(number, _)| *number);
    Ok(planner.found.into_iter().map(|(_, selection)| selection).collect())
}

/// The first and the last time that something is evaluated at.
type Reach = (i64, i64);

fn reach(grid: Grid) -> Reach {
    (grid.start, grid.last())
}

struct Planner<'a> {
    settings: &'a Settings,
    start: i64,
    end: i64,
    found: Vec<(usize, Selection)>,
}

impl Planner<'_> {
    fn shifted(&self, shift: Shift, (first, last): Reach) -> Reach {
        let offset = shift.offset.unwrap_or_default();
        let anchor = shift.at.map(|at| match at {
            Anchor::Start => self.start,
            Anchor::End => self.end,
            Anchor::At(time) => time,
        });
        (anchor.unwrap_or(first) - offset, anchor.unwrap_or(last) - offset)
    }

    fn visit(&mut self, node: &Node, times: Reach) {
        match &node.kind {
            Kind::Number(_) | Kind::Text(_) => {}
            Kind::Selector(selector) => {
                let (first, until) = self.shifted(selector.shift, times);
                let after = first - self.settings.lookback;
                let matchers = Arc::clone(&selector.matchers);
                self.found.push((selector.number, Selection { matchers, after, until }));
            }
            Kind::Range(selector, range) => {
                let (first, until) = self.shifted(selector.shift, times);
                let after = first - range;
                let matchers = Arc::clone(&selector.matchers);
                self.found.push((selector.number, Selection { matchers, after, until }));
            }
            Kind::Subquery(subquery) => {
                let (first, last) = self.shifted(subquery.shift, times);
                self.visit(&subquery.inner, (first - subquery.range, last));
            }
            Kind::Negated(inner) | Kind::Parenthesised(inner) => self.visit(inner, times),
            Kind::Binary(binary) => {
                self.visit(&binary.left, times);
                self.visit(&binary.right, times);
            }
            Kind::Aggregate(aggregate) => {
                if let Some(parameter) = &aggregate.parameter {
                    self.visit(parameter, times);
                }
                self.visit(&aggregate.inner, times);
            }
            Kind::Call(_, arguments) => {
                for argument in arguments {
                    self.visit(argument, times);
                }
            }
        }
    }
}
