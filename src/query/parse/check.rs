//! Nodes from their parts, with Prometheus' checks of types, arity and matching
//! (`promql/parser/parse.go`, `checkAST`).

use super::super::functions::Function;
use super::ParseError;
use super::expression::{
    Aggregate, Aggregator, Binary, Grouping, Kind, Node, Operator, Side, Type,
};
use super::grammar::Grammar;

type Parsed<T> = Result<T, ParseError>;

impl Grammar<'_> {
    fn wrong_at<T>(&self, at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError::at(self.text, at, message))
    }

    /// A node over `parts`, whose depth and fixedness follow from theirs.
    fn over(&self, kind: Kind, at: usize, depth: usize, fixed: bool) -> Parsed<Node> {
        if depth >= self.limits.depth {
            return Err(self.too_deep(at));
        }
        Ok(Node { kind, at, fixed, depth: depth + 1 })
    }

    /// A node over one other.
    pub(super) fn above(
        &self,
        kind: impl FnOnce(Box<Node>) -> Kind,
        inner: Node,
        at: usize,
    ) -> Parsed<Node> {
        let (depth, fixed) = (inner.depth, inner.fixed);
        self.over(kind(Box::new(inner)), at, depth, fixed)
    }

    pub(super) fn negated(&self, inner: Node, negative: bool, at: usize) -> Parsed<Node> {
        let found = inner.value_type();
        if !matches!(found, Type::Scalar | Type::Vector) {
            let rule = "unary expression only allowed on expressions of type scalar or instant \
                        vector";
            return self.wrong_at(at, format!("{rule}, got {:?}", found.described()));
        }
        if negative { self.above(Kind::Negated, inner, at) } else { Ok(inner) }
    }

    fn expect(&self, node: &Node, wanted: Type, context: &str) -> Parsed<()> {
        let found = node.value_type();
        if found == wanted {
            return Ok(());
        }
        let (wanted, found) = (wanted.described(), found.described());
        self.wrong_at(node.at, format!("expected type {wanted} in {context}, got {found}"))
    }

    pub(super) fn aggregate_node(&self, aggregate: Aggregate, at: usize) -> Parsed<Node> {
        self.expect(&aggregate.inner, Type::Vector, "aggregation expression")?;
        let (mut depth, mut fixed) = (aggregate.inner.depth, aggregate.inner.fixed);
        if let Some(parameter) = &aggregate.parameter {
            let counts = aggregate.aggregator == Aggregator::CountValues;
            let wanted = if counts { Type::Text } else { Type::Scalar };
            self.expect(parameter, wanted, "aggregation parameter")?;
            depth = depth.max(parameter.depth);
            fixed &= parameter.fixed;
        }
        self.over(Kind::Aggregate(Box::new(aggregate)), at, depth, fixed)
    }

    pub(super) fn binary_node(&self, binary: Binary, at: usize) -> Parsed<Node> {
        let operator = binary.operator;
        let types = [binary.left.value_type(), binary.right.value_type()];
        if types.iter().any(|found| matches!(found, Type::Text | Type::Matrix)) {
            let message = "binary expression must contain only scalar and instant vector types";
            return self.wrong_at(at, message);
        }
        if binary.returns_bool && !operator.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return self.wrong_at(at, message);
        }
        let scalars = types == [Type::Scalar, Type::Scalar];
        if scalars && operator.is_comparison() && !binary.returns_bool {
            return self.wrong_at(at, "comparisons between scalars must use BOOL modifier");
        }
        let vectors = types == [Type::Vector, Type::Vector];
        if operator.is_set() && !vectors {
            let sign = operator.sign();
            let message = format!("set operator {sign:?} not allowed in binary scalar expression");
            return self.wrong_at(at, message);
        }
        self.check_matching(&binary, vectors, operator, at)?;
        let depth = binary.left.depth.max(binary.right.depth);
        let fixed = binary.left.fixed && binary.right.fixed;
        self.over(Kind::Binary(Box::new(binary)), at, depth, fixed)
    }

    fn check_matching(
        &self,
        binary: &Binary,
        vectors: bool,
        operator: Operator,
        at: usize,
    ) -> Parsed<()> {
        let matching = &binary.matching;
        let Some(grouping) = &matching.grouping else { return Ok(()) };
        let (Grouping::Only(labels) | Grouping::AllBut(labels)) = grouping;
        if !vectors && !labels.is_empty() {
            return self.wrong_at(at, "vector matching only allowed between instant vectors");
        }
        if operator.is_set() && matching.side != Side::One {
            let message = format!("no grouping allowed for {:?} operation", operator.sign());
            return self.wrong_at(at, message);
        }
        let both = matching.include.iter().find(|label| labels.contains(label));
        if let (Grouping::Only(_), Some(label)) = (grouping, both) {
            let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
            return self.wrong_at(at, message);
        }
        Ok(())
    }

    pub(super) fn call_node(
        &self,
        function: Function,
        arguments: Vec<Node>,
        at: usize,
    ) -> Parsed<Node> {
        let (name, wanted, got) = (function.name(), function.takes(), arguments.len());
        if function.variadic() == Some(0) {
            if got != wanted.len() {
                let expected = wanted.len();
                let message =
                    format!("expected {expected} argument(s) in call to {name:?}, got {got}");
                return self.wrong_at(at, message);
            }
        } else {
            let least = wanted.len().saturating_sub(1);
            let most = function.variadic().map(|more| least + more);
            if got < least {
                let message =
                    format!("expected at least {least} argument(s) in call to {name:?}, got {got}");
                return self.wrong_at(at, message);
            }
            if let Some(most) = most.filter(|most| got > *most) {
                let message =
                    format!("expected at most {most} argument(s) in call to {name:?}, got {got}");
                return self.wrong_at(at, message);
            }
        }
        let (mut depth, mut fixed) = (0, !function.sees_the_time());
        for (number, argument) in arguments.iter().enumerate() {
            let Some(kind) = wanted.get(number).or(wanted.last()) else { break };
            self.expect(argument, *kind, &format!("call to function {name:?}"))?;
            depth = depth.max(argument.depth);
            fixed &= argument.fixed;
        }
        self.over(Kind::Call(function, arguments), at, depth, fixed)
    }
}
