//! The tree of an expression, after parsing and checking.
//!
//! Each node knows whether its value is the same at all steps (`fixed`), so that it is evaluated
//! once, and how deep the tree below it is. Source: Prometheus' `promql/parser/ast.go`.

use std::sync::Arc;

use super::super::functions::Function;
use super::super::matcher::Matcher;

/// One part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Node {
    pub(in crate::query) kind: Kind,
    /// Where it begins in the text, in bytes.
    pub(in crate::query) at: usize,
    /// Its value is the same at all steps.
    pub(in crate::query) fixed: bool,
    /// How many levels there are, with this one.
    pub(in crate::query) depth: usize,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) enum Kind {
    Number(f64),
    /// Bytes: PromQL's texts need not be UTF-8.
    Text(Vec<u8>),
    Selector(Selector),
    /// A selector with a range in milliseconds.
    Range(Selector, i64),
    Subquery(Box<Subquery>),
    Negated(Box<Node>),
    /// Kept because `scalar`, `topk` and the like do not look through it in type errors.
    Parenthesised(Box<Node>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    Call(Function, Vec<Node>),
}

/// What type a part has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Type {
    Scalar,
    Text,
    Vector,
    Matrix,
}

impl Type {
    /// As Prometheus' messages call it.
    pub(in crate::query) fn described(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Text => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

/// Which series, and seen from when.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Selector {
    /// Its place among the selectors of the expression, in the order of the text.
    pub(in crate::query) number: usize,
    pub(in crate::query) matchers: Arc<[Matcher]>,
    pub(in crate::query) shift: Shift,
}

/// `offset` and `@`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::query) struct Shift {
    /// How far to look back, in milliseconds; negative looks ahead.
    pub(in crate::query) offset: Option<i64>,
    pub(in crate::query) at: Option<Anchor>,
}

/// What `@` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Anchor {
    /// `start()`: the first step of the query.
    Start,
    /// `end()`: the last step of the query.
    End,
    /// Milliseconds since 1970.
    At(i64),
}

/// `expression[range:step]`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Subquery {
    pub(in crate::query) inner: Node,
    /// Milliseconds.
    pub(in crate::query) range: i64,
    /// Milliseconds; nothing is the default step.
    pub(in crate::query) step: Option<i64>,
    pub(in crate::query) shift: Shift,
}

/// `left op right`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Binary {
    pub(in crate::query) operator: Operator,
    pub(in crate::query) left: Node,
    pub(in crate::query) right: Node,
    /// `bool`: 0 and 1 instead of a filter.
    pub(in crate::query) returns_bool: bool,
    pub(in crate::query) matching: Matching,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    /// How tightly it binds; more is tighter.
    pub(in crate::query) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual => 3,
            Self::Add | Self::Subtract => 4,
            Self::Multiply | Self::Divide | Self::Modulo | Self::Atan2 => 5,
            Self::Power => 6,
        }
    }

    pub(in crate::query) fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    pub(in crate::query) fn is_set(self) -> bool {
        self.precedence() < 3
    }

    pub(in crate::query) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
}

/// Which series of two vectors belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::query) struct Matching {
    /// `on (..)` or `ignoring (..)`, where it was written.
    pub(in crate::query) grouping: Option<Grouping>,
    pub(in crate::query) side: Side,
    /// The labels of `group_left (..)` or `group_right (..)`.
    pub(in crate::query) include: Vec<Arc<str>>,
}

/// Which side may have many series of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::query) enum Side {
    /// Neither.
    #[default]
    One,
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// The labels that make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::query) enum Grouping {
    /// `by` and `on`: only these.
    Only(Vec<Arc<str>>),
    /// `without` and `ignoring`: all but these.
    AllBut(Vec<Arc<str>>),
}

/// `sum by (a) (expression)` and its like.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Aggregate {
    pub(in crate::query) aggregator: Aggregator,
    pub(in crate::query) parameter: Option<Node>,
    pub(in crate::query) inner: Node,
    pub(in crate::query) grouping: Grouping,
}

/// How values become one, or many become few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Aggregator {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    CountValues,
    Topk,
    Bottomk,
    Limitk,
    LimitRatio,
}

impl Aggregator {
    pub(in crate::query) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "group" => Self::Group,
            "stddev" => Self::Stddev,
            "stdvar" => Self::Stdvar,
            "quantile" => Self::Quantile,
            "count_values" => Self::CountValues,
            "topk" => Self::Topk,
            "bottomk" => Self::Bottomk,
            "limitk" => Self::Limitk,
            "limit_ratio" => Self::LimitRatio,
            _ => return None,
        })
    }

    pub(in crate::query) fn takes_parameter(self) -> bool {
        matches!(
            self,
            Self::Quantile
                | Self::CountValues
                | Self::Topk
                | Self::Bottomk
                | Self::Limitk
                | Self::LimitRatio
        )
    }
}

impl Node {
    /// The type of the value, as Prometheus' `Expr.Type`.
    pub(in crate::query) fn value_type(&self) -> Type {
        match &self.kind {
            Kind::Number(_) => Type::Scalar,
            Kind::Text(_) => Type::Text,
            Kind::Selector(_) | Kind::Aggregate(_) => Type::Vector,
            Kind::Range(..) | Kind::Subquery(_) => Type::Matrix,
            Kind::Negated(inner) | Kind::Parenthesised(inner) => inner.value_type(),
            Kind::Binary(binary) => {
                let scalar = binary.left.value_type() == Type::Scalar
                    && binary.right.value_type() == Type::Scalar;
                if scalar { Type::Scalar } else { Type::Vector }
            }
            Kind::Call(function, _) => function.returns(),
        }
    }

    /// This part without the parentheses around it.
    pub(in crate::query) fn bare(&self) -> &Self {
        let mut node = self;
        while let Kind::Parenthesised(inner) = &node.kind {
            node = inner;
        }
        node
    }
}
