//! An expression without what filters: which series it has an opinion about, whatever that is.
//!
//! `errors / requests > 0.1` yields nothing both where the share is small and where there are no
//! series. With the comparison made a subtraction it yields a sample for each series that can be
//! judged, under the same labels. Selectors keep their places, so what was read for the expression
//! serves for both.

use super::super::functions::Body;
use super::Expression;
use super::expression::{Aggregate, Aggregator, Binary, Kind, Node, Operator, Subquery, Type};

/// What an expression compares: `value > 5`.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What stands on the left; it is evaluated over the series that were selected for the whole.
    pub value: Expression,
    /// The number on the right, where it is one.
    pub bound: Option<f64>,
    /// Whether it is the larger values that the whole yields.
    pub upwards: bool,
}

impl Expression {
    /// What it compares, where it is a comparison of series.
    pub fn compared(&self) -> Option<Compared> {
        let Kind::Binary(binary) = &self.root.bare().kind else { return None };
        let upwards = match binary.operator {
            Operator::Greater | Operator::GreaterOrEqual => true,
            Operator::Less | Operator::LessOrEqual | Operator::Equal | Operator::NotEqual => false,
            _ => return None,
        };
        if binary.left.value_type() != Type::Vector {
            return None;
        }
        let bound = match binary.right.bare().kind {
            Kind::Number(bound) => Some(bound),
            _ => None,
        };
        let (selectors, text) = (self.selectors, self.text.clone());
        let value = Self { root: binary.left.clone(), selectors, text };
        Some(Compared { value, bound, upwards })
    }

    /// The expression with a value for everything that it can judge: comparisons do not filter,
    /// `topk` and its like keep all, and `unless` takes nothing away. It is evaluated over the
    /// series that were selected for this one.
    ///
    /// Nothing where this cannot be told: where nothing filters, so that being there is the
    /// condition itself, and where absence is what is asked about (`absent`).
    pub fn unfiltered(&self) -> Option<Self> {
        let mut filters = false;
        let root = without(&self.root, &mut filters)?;
        let (selectors, text) = (self.selectors, self.text.clone());
        filters.then_some(Self { root, selectors, text })
    }
}

fn without(node: &Node, filters: &mut bool) -> Option<Node> {
    let mut boxed = |inner: &Node| without(inner, filters).map(Box::new);
    let kind = match &node.kind {
        Kind::Number(_) | Kind::Text(_) | Kind::Selector(_) | Kind::Range(..) => node.kind.clone(),
        Kind::Subquery(subquery) => {
            let inner = *boxed(&subquery.inner)?;
            let Subquery { range, step, shift, .. } = **subquery;
            Kind::Subquery(Box::new(Subquery { inner, range, step, shift }))
        }
        Kind::Negated(inner) => Kind::Negated(boxed(inner)?),
        Kind::Parenthesised(inner) => Kind::Parenthesised(boxed(inner)?),
        Kind::Binary(binary) => return binary_without(node, binary, filters),
        Kind::Aggregate(aggregate) => return aggregate_without(node, aggregate, filters),
        Kind::Call(function, arguments) => {
            if matches!(function.body(), Body::Absent | Body::AbsentOverTime) {
                return None;
            }
            let arguments: Option<Vec<Node>> =
                arguments.iter().map(|argument| without(argument, filters)).collect();
            Kind::Call(*function, arguments?)
        }
    };
    Some(Node { kind, ..node.clone() })
}

fn binary_without(node: &Node, binary: &Binary, filters: &mut bool) -> Option<Node> {
    let left = without(&binary.left, filters)?;
    if binary.operator == Operator::Unless {
        *filters = true;
        return Some(left);
    }
    let right = without(&binary.right, filters)?;
    let mut operator = binary.operator;
    if operator.is_comparison() && !binary.returns_bool {
        *filters = true;
        operator = Operator::Subtract;
    }
    let binary = Binary { operator, left, right, ..binary.clone() };
    Some(Node { kind: Kind::Binary(Box::new(binary)), ..node.clone() })
}

fn aggregate_without(node: &Node, aggregate: &Aggregate, filters: &mut bool) -> Option<Node> {
    let inner = without(&aggregate.inner, filters)?;
    let chooses = matches!(
        aggregate.aggregator,
        Aggregator::Topk | Aggregator::Bottomk | Aggregator::Limitk | Aggregator::LimitRatio
    );
    if chooses {
        *filters = true;
        return Some(inner);
    }
    let aggregate = Aggregate { inner, ..aggregate.clone() };
    Some(Node { kind: Kind::Aggregate(Box::new(aggregate)), ..node.clone() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::query::{Labels, Outcome, Series, Settings, When, evaluate, parse};

    /// The values of `a` of the series that `text` yields without its filters, over `x`, which is
    /// 1, 5 and 9 for `a` of 1, 2, 3, given to each selector.
    fn seen(text: &str) -> Option<String> {
        let settings = Settings::default();
        let expression = parse(text, &settings.limits).expect("an expression");
        let unfiltered = expression.unfiltered()?;
        let series = |(a, value): (&str, f64)| {
            let labels: Labels = [("__name__", "x"), ("a", a)].into_iter().collect();
            Arc::new(Series::new(labels, vec![1_000], vec![value]).expect("in order"))
        };
        let all: Vec<Arc<Series>> = [("1", 1.0), ("2", 5.0), ("3", 9.0)].map(series).into();
        let data = vec![all; expression.selectors];
        let answer = evaluate(&unfiltered, When::At(2_000), &data, &settings).expect("a value");
        let Outcome::Vector(samples) = answer.outcome else { panic!("a vector") };
        let mut values: Vec<&str> = samples.iter().map(|it| it.labels.value("a")).collect();
        values.sort_unstable();
        Some(values.join(" "))
    }

    #[test]
    fn what_filters_is_seen_through() {
        for text in [
            "x > 6",
            "6 < x",
            "x > x",
            "(x > 3) < 7",
            "x unless x > 3",
            "x > 3 and x < 7",
            "x > 20 or x < 0",
            "topk(1, x)",
            "abs(x) > 3",
            "max_over_time((x > 8)[1m:10s]) > 1",
            "-x < -8",
        ] {
            let expected = if text.contains("[1m") { "" } else { "1 2 3" };
            assert_eq!(seen(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(seen("count(x == 0) > 2").as_deref(), Some(""));
        // Here being there is the condition, or being absent is.
        for text in ["x", "sum(x)", "x > bool 3", "absent(x)", "absent(x) > 0", "x / x"] {
            assert_eq!(seen(text), None, "{text}");
        }
    }
}
