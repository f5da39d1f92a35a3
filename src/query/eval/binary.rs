//! Binary operators: between scalars, between a vector and a scalar, and sets of vectors.

use super::super::parse::expression::{Binary, Operator};
use super::column::{ABSENT, Column, Grid, Value};
use super::{Evaluated, Evaluator, failed};

/// What arithmetic makes of two values; for a comparison whether it holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Computed {
    Number(f64),
    Holds(bool),
}

/// The operator on two values. Sets have no values.
#[inline]
pub(super) fn compute(operator: Operator, left: f64, right: f64) -> Computed {
    #[expect(clippy::float_cmp, reason = "the operators of the language")]
    match operator {
        Operator::Add => Computed::Number(left + right),
        Operator::Subtract => Computed::Number(left - right),
        Operator::Multiply => Computed::Number(left * right),
        Operator::Divide => Computed::Number(left / right),
        Operator::Modulo => Computed::Number(left % right),
        Operator::Power => Computed::Number(left.powf(right)),
        Operator::Atan2 => Computed::Number(left.atan2(right)),
        Operator::Equal => Computed::Holds(left == right),
        Operator::NotEqual => Computed::Holds(left != right),
        Operator::Less => Computed::Holds(left < right),
        Operator::LessOrEqual => Computed::Holds(left <= right),
        Operator::Greater => Computed::Holds(left > right),
        Operator::GreaterOrEqual => Computed::Holds(left >= right),
        Operator::And | Operator::Or | Operator::Unless => Computed::Number(ABSENT),
    }
}

impl Computed {
    /// The number; for a comparison 1 or 0 with `bool`, and otherwise `kept` or nothing.
    #[inline]
    pub(super) fn value(self, returns_bool: bool, kept: f64) -> f64 {
        match self {
            Self::Number(value) => value,
            Self::Holds(holds) if returns_bool => f64::from(u8::from(holds)),
            Self::Holds(true) => kept,
            Self::Holds(false) => ABSENT,
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn binary(&self, binary: &Binary, grid: Grid) -> Evaluated<Value> {
        let left = self.eval(&binary.left, grid)?;
        let right = self.eval(&binary.right, grid)?;
        let (operator, returns_bool) = (binary.operator, binary.returns_bool);
        let width = |columns: &[Column]| (columns.len() as u64).saturating_mul(grid.steps as u64);
        match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                let pairs = left.into_iter().zip(right);
                let value = |(l, r)| compute(operator, l, r).value(true, l);
                Ok(Value::Scalar(pairs.map(value).collect()))
            }
            (Value::Vector(columns), Value::Scalar(scalar)) => {
                self.account.work(width(&columns))?;
                let value = |at: usize, l| compute(operator, l, scalar[at]).value(returns_bool, l);
                Ok(Value::Vector(each(columns, binary, value)))
            }
            (Value::Scalar(scalar), Value::Vector(columns)) => {
                self.account.work(width(&columns))?;
                // A comparison keeps the vector's value, wherever that stands.
                let value = |at: usize, r| compute(operator, scalar[at], r).value(returns_bool, r);
                Ok(Value::Vector(each(columns, binary, value)))
            }
            (Value::Vector(left), Value::Vector(right)) => {
                self.account.work(width(&left).saturating_add(width(&right)))?;
                Ok(Value::Vector(self.matched(binary, left, right, grid)?))
            }
            _ => failed("binary expression must contain only scalar and instant vector types"),
        }
    }
}

/// Each value changed; a comparison that filters leaves the name.
fn each(columns: Vec<Column>, binary: &Binary, value: impl Fn(usize, f64) -> f64) -> Vec<Column> {
    let renames = !binary.operator.is_comparison() || binary.returns_bool;
    let change = |column: Column| {
        let was_nameless = column.nameless;
        let mut changed = column.mapped(&value);
        changed.nameless = was_nameless || renames;
        changed
    };
    columns.into_iter().map(change).filter(|column| !column.is_empty()).collect()
}
