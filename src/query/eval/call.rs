//! Calls of functions: arguments evaluated, then the function's own part.

use std::sync::Arc;

use super::super::functions::{Body, Function, calendar, label, math, order};
use super::super::labels::{Labels, METRIC_NAME};
use super::super::limits::Excess;
use super::super::number;
use super::super::parse::expression::{Kind, Node, Type};
use super::super::pattern;
use super::super::window::{Over, seconds};
use super::column::{ABSENT, Column, Grid, Value, is_absent, merged};
use super::range::any_present;
use super::{Evaluated, Evaluator, failed};
use order::Direction;

impl Evaluator<'_> {
    pub(super) fn call(
        &self,
        function: Function,
        arguments: &[Node],
        grid: Grid,
    ) -> Evaluated<Value> {
        let vector = |columns| Ok(Value::Vector(columns));
        match (function.body(), arguments) {
            (Body::Time, _) => {
                self.account.hold(1, grid.steps)?;
                Ok(Value::Scalar(grid.times().map(seconds).collect()))
            }
            (Body::Pi, _) => Ok(Value::Scalar(vec![std::f64::consts::PI; grid.steps])),
            (Body::Calendar(part), []) => {
                let now = |time: i64| calendar::part(part, seconds(time).floor());
                Ok(single(Labels::default(), grid.times().map(now).collect()))
            }
            (Body::Calendar(part), [of, ..]) => {
                self.map(of, grid, |_, value| calendar::part(part, value))
            }
            (Body::Map(each), [of, ..]) => self.map(of, grid, |_, value| each(value)),
            (Body::Window(over), _) => vector(self.window(over, arguments, grid)?),
            (Body::Absent, [of, ..]) => {
                let found = any_present(&self.vector(of, grid)?, grid.steps);
                vector(absent(of, &found))
            }
            (Body::AbsentOverTime, [of, ..]) => vector(absent(of, &self.any_over(of, grid)?)),
            (Body::Clamp, [of, least, most]) => self.clamp(of, Some(least), Some(most), grid),
            (Body::ClampMin, [of, least]) => self.clamp(of, Some(least), None, grid),
            (Body::ClampMax, [of, most]) => self.clamp(of, None, Some(most), grid),
            (Body::Round, [of, rest @ ..]) => {
                let nearest = match rest.first() {
                    Some(nearest) => self.scalar(nearest, grid)?,
                    None => vec![1.0; grid.steps],
                };
                self.map(of, grid, |at, value| math::round(value, nearest[at]))
            }
            (Body::Scalar, [of, ..]) => {
                Ok(Value::Scalar(single_values(&self.vector(of, grid)?, grid)))
            }
            (Body::Vector, [of, ..]) => Ok(single(Labels::default(), self.scalar(of, grid)?)),
            (Body::Timestamp, [of, ..]) => vector(self.timestamp(of, grid)?),
            (Body::LabelReplace, [of, texts @ ..]) => vector(self.replace(of, texts, grid)?),
            (Body::LabelJoin, [of, texts @ ..]) => vector(self.join(of, texts, grid)?),
            (Body::Sort(direction), [of, ..]) => vector(self.sort(of, direction, grid)?),
            (Body::SortByLabel(direction), [of, names @ ..]) => {
                vector(self.sort_by_label(of, names, direction, grid)?)
            }
            (Body::HistogramQuantile, [quantile, of]) => {
                vector(self.quantile_of(quantile, of, grid)?)
            }
            (Body::HistogramFraction, [lower, upper, of]) => {
                vector(self.fraction_of([lower, upper], of, grid)?)
            }
            _ => failed(format!("{} was called with other arguments", function.name())),
        }
    }

    fn map(&self, of: &Node, grid: Grid, each: impl Fn(usize, f64) -> f64) -> Evaluated<Value> {
        let columns = self.vector(of, grid)?;
        self.account.work((columns.len() as u64).saturating_mul(grid.steps as u64))?;
        let mapped = columns.into_iter().map(|column| column.mapped(&each)).collect();
        Ok(Value::Vector(mapped))
    }

    fn window(&self, over: Over, arguments: &[Node], grid: Grid) -> Evaluated<Vec<Column>> {
        let mut scalars = Vec::new();
        let mut ranged = None;
        for argument in arguments {
            if argument.value_type() == Type::Matrix {
                ranged = Some(argument);
            } else {
                scalars.push(self.scalar(argument, grid)?);
            }
        }
        let Some(ranged) = ranged else { return failed("expected a range vector") };
        let parameter = |which: usize| scalars.get(which).map_or(&[][..], Vec::as_slice);
        let columns = self.over(over, ranged, [parameter(0), parameter(1)], grid)?;
        if over == Over::Quantile {
            self.check_quantile(&columns, parameter(0));
        }
        Ok(columns)
    }

    /// Warns of quantiles that are none, where one was asked for.
    fn check_quantile(&self, columns: &[Column], quantiles: &[f64]) {
        for (at, quantile) in quantiles.iter().enumerate() {
            let asked = || columns.iter().any(|column| !is_absent(column.values[at]));
            if !(0.0..=1.0).contains(quantile) && asked() {
                self.notes.borrow_mut().invalid_quantile(*quantile);
            }
        }
    }

    fn clamp(
        &self,
        of: &Node,
        least: Option<&Node>,
        most: Option<&Node>,
        grid: Grid,
    ) -> Evaluated<Value> {
        let bound = |node: Option<&Node>, none: f64| match node {
            Some(node) => self.scalar(node, grid),
            None => Ok(vec![none; grid.steps]),
        };
        let least = bound(least, f64::NEG_INFINITY)?;
        let most = bound(most, f64::INFINITY)?;
        self.map(of, grid, |at, value| {
            if most[at] < least[at] { ABSENT } else { math::clamp(value, least[at], most[at]) }
        })
    }

    fn timestamp(&self, of: &Node, grid: Grid) -> Evaluated<Vec<Column>> {
        if let Kind::Selector(selector) = &of.bare().kind {
            return self.select_times(selector, grid);
        }
        let times: Vec<f64> = grid.times().map(seconds).collect();
        let columns = self.vector(of, grid)?;
        Ok(columns.into_iter().map(|column| column.mapped(|at, _| times[at])).collect())
    }

    fn replace(&self, of: &Node, texts: &[Node], grid: Grid) -> Evaluated<Vec<Column>> {
        let [target, template, source, regex] = texts else {
            return failed("label_replace needs four texts");
        };
        let pattern = Self::text(regex, "regular expression in label_replace():")?;
        let pattern = pattern::anchored(pattern).or_else(|_| {
            failed(format!("invalid regular expression in label_replace(): {pattern}"))
        })?;
        let target = Self::label(target, "destination label name in label_replace():")?;
        let replacement = label::Replacement {
            target: target.into(),
            template: Self::text(template, "replacement in label_replace():")?.to_owned(),
            source: Self::text(source, "source label name in label_replace():")?.to_owned(),
            pattern,
        };
        self.relabelled(of, target, grid, |labels| replacement.of(labels))
    }

    fn join(&self, of: &Node, texts: &[Node], grid: Grid) -> Evaluated<Vec<Column>> {
        let [target, separator, sources @ ..] = texts else {
            return failed("label_join needs a label and a separator");
        };
        let name = |source| Self::label(source, "source label name in label_join():");
        let sources: Evaluated<Vec<String>> =
            sources.iter().map(|source| name(source).map(str::to_owned)).collect();
        let (sources, separator) = (sources?, Self::text(separator, "separator")?);
        let target = Self::label(target, "destination label name in label_join():")?;
        let shared: Arc<str> = target.into();
        self.relabelled(of, target, grid, |labels| {
            label::joined(labels, &shared, separator, &sources).map(Some)
        })
    }

    /// The columns of `of` with other labels; a name that is set is there to stay.
    fn relabelled(
        &self,
        of: &Node,
        target: &str,
        grid: Grid,
        change: impl Fn(&Labels) -> Result<Option<Labels>, Excess>,
    ) -> Evaluated<Vec<Column>> {
        let mut columns = self.vector(of, grid)?;
        self.account.work((columns.len() as u64).saturating_mul(100))?;
        for column in &mut columns {
            let bytes: usize = column.labels.iter().map(|label| label.value.len()).sum();
            self.account.work(bytes as u64)?;
            if let Some(labels) = change(&column.labels)? {
                column.labels = labels;
                column.nameless &= target != METRIC_NAME;
            }
        }
        merged(columns)
    }

    fn text<'n>(node: &'n Node, what: &str) -> Evaluated<&'n str> {
        let bytes = Self::bytes(node);
        let shown = || failed(format!("invalid {what} {}", number::quoted(bytes)));
        std::str::from_utf8(bytes).or_else(|_| shown())
    }

    /// A text that can be the name of a label.
    pub(super) fn label<'n>(node: &'n Node, what: &str) -> Evaluated<&'n str> {
        let name = Self::text(node, what)?;
        if name.is_empty() { failed(format!("invalid {what} \"\"")) } else { Ok(name) }
    }

    /// Sorted by value; only an instant vector has an order.
    fn sort(&self, of: &Node, direction: Direction, grid: Grid) -> Evaluated<Vec<Column>> {
        let mut columns = self.vector(of, grid)?;
        if grid.steps == 1 {
            columns.sort_by(|a, b| match direction {
                // NaN is last both ways.
                Direction::Ascending => math::descending(-a.values[0], -b.values[0]),
                Direction::Descending => math::descending(a.values[0], b.values[0]),
            });
        }
        Ok(columns)
    }

    fn sort_by_label(
        &self,
        of: &Node,
        names: &[Node],
        direction: Direction,
        grid: Grid,
    ) -> Evaluated<Vec<Column>> {
        let names: Evaluated<Vec<&str>> =
            names.iter().map(|name| Self::text(name, "label name")).collect();
        let names = names?;
        let mut columns = self.vector(of, grid)?;
        if grid.steps == 1 {
            columns.sort_by(|a, b| {
                let by = |name: &&str| order::natural(a.labels.value(name), b.labels.value(name));
                let first = names.iter().map(by).find(|order| order.is_ne());
                let order = first.unwrap_or_else(|| a.labels.cmp(&b.labels));
                if direction == Direction::Ascending { order } else { order.reverse() }
            });
        }
        Ok(columns)
    }
}

/// A vector of one series.
fn single(labels: Labels, values: Vec<f64>) -> Value {
    Value::Vector(vec![Column { labels, nameless: false, values }])
}

/// One where nothing was found, with the labels that were asked for.
fn absent(of: &Node, found: &[bool]) -> Vec<Column> {
    let labels = match &of.bare().kind {
        Kind::Selector(selector) | Kind::Range(selector, _) => label::absent(&selector.matchers),
        _ => Labels::default(),
    };
    let values = found.iter().map(|found| if *found { ABSENT } else { 1.0 }).collect();
    let column = Column { labels, nameless: false, values };
    if column.is_empty() { Vec::new() } else { vec![column] }
}

/// The value of a vector of one series, at each step; NaN where there are none or several.
fn single_values(columns: &[Column], grid: Grid) -> Vec<f64> {
    let mut values = vec![ABSENT; grid.steps];
    let mut many = vec![false; grid.steps];
    for column in columns {
        for (at, value) in column.values.iter().enumerate().filter(|(_, value)| !is_absent(**value))
        {
            many[at] |= !is_absent(values[at]);
            values[at] = *value;
        }
    }
    let one = |(value, many): (f64, bool)| if many || is_absent(value) { f64::NAN } else { value };
    values.into_iter().zip(many).map(one).collect()
}
