//! Tokens into a tree: operators by precedence, then what stands between them.
//!
//! Types are checked as each node is made (`check`), so that a tree that exists is valid.

use super::super::functions::Function;
use super::super::limits::{Excess, Limits};
use super::ParseError;
use super::expression::{
    Aggregate, Aggregator, Binary, Grouping, Kind, Matching, Node, Operator, Side,
};
use super::lexer::{Token, tokens};
use std::sync::Arc;

type Parsed<T> = Result<T, ParseError>;

/// The state of a parse.
pub(super) struct Grammar<'a> {
    pub(super) text: &'a str,
    pub(super) limits: &'a Limits,
    tokens: Vec<(Token, usize)>,
    next: usize,
    /// How many parses of an operand are under way.
    level: usize,
    pub(super) selectors: usize,
    pub(super) patterns: usize,
}

/// Labels may be named as keywords are.
const UNARY: u8 = 6;

impl<'a> Grammar<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Parsed<Self> {
        let tokens = tokens(text)?;
        Ok(Self { text, limits, tokens, next: 0, level: 0, selectors: 0, patterns: 0 })
    }

    pub(super) fn selectors(&self) -> usize {
        self.selectors
    }

    pub(super) fn whole(&mut self) -> Parsed<Node> {
        if *self.peek() == Token::End {
            return Err(self.wrong("no expression found in input"));
        }
        let root = self.expression(1)?;
        if *self.peek() == Token::End {
            return Ok(root);
        }
        Err(self.unexpected("after the expression"))
    }

    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    /// The token after the next one.
    pub(super) fn second(&self) -> &Token {
        self.tokens.get(self.next + 1).map_or(&Token::End, |(token, _)| token)
    }

    /// Where the next token begins.
    pub(super) fn place(&self) -> usize {
        self.tokens[self.next].1
    }

    /// Goes on to the next token; stays at the end.
    pub(super) fn step(&mut self) {
        if self.next + 1 < self.tokens.len() {
            self.next += 1;
        }
    }

    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        if found {
            self.step();
        }
        found
    }

    pub(super) fn expects(&mut self, sign: &str, context: &str) -> Parsed<()> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("in {context}, expected {sign:?}")))
    }

    /// The next token as a keyword: names in lower case.
    pub(super) fn keyword(&self) -> Option<String> {
        match self.peek() {
            Token::Name(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        }
    }

    fn takes_keyword(&mut self, word: &str) -> bool {
        let found = self.keyword().is_some_and(|found| found == word);
        if found {
            self.step();
        }
        found
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, self.place(), message)
    }

    pub(super) fn unexpected(&self, context: &str) -> ParseError {
        self.wrong(format!("unexpected {} {context}", self.peek().described()))
    }

    pub(super) fn too_deep(&self, at: usize) -> ParseError {
        let excess = Excess::of("levels of nesting", self.limits.depth);
        ParseError::at(self.text, at, excess.to_string())
    }

    /// An operand and all operators that bind at least as tightly as `least`.
    pub(super) fn expression(&mut self, least: u8) -> Parsed<Node> {
        self.level += 1;
        if self.level > self.limits.depth {
            return Err(self.too_deep(self.place()));
        }
        let mut left = self.unary()?;
        while let Some(operator) = self.operator() {
            if operator.precedence() < least {
                break;
            }
            let at = self.place();
            self.step();
            if matches!(operator, Operator::Less | Operator::Greater)
                && *self.peek() == Token::Sign("/")
            {
                let what = format!("{}/", operator.sign());
                return Err(ParseError::unsupported(self.text, at, &what));
            }
            left = self.binary(left, operator, at)?;
        }
        self.level -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Node> {
        let at = self.place();
        let negative = if self.takes("-") {
            true
        } else if self.takes("+") {
            false
        } else {
            let primary = self.primary()?;
            return self.postfix(primary);
        };
        let inner = self.expression(UNARY)?;
        self.negated(inner, negative, at)
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek() {
            Token::Sign("+") => Operator::Add,
            Token::Sign("-") => Operator::Subtract,
            Token::Sign("*") => Operator::Multiply,
            Token::Sign("/") => Operator::Divide,
            Token::Sign("%") => Operator::Modulo,
            Token::Sign("^") => Operator::Power,
            Token::Sign("==") => Operator::Equal,
            Token::Sign("!=") => Operator::NotEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            Token::Name(_) => match self.keyword()?.as_str() {
                "and" => Operator::And,
                "or" => Operator::Or,
                "unless" => Operator::Unless,
                "atan2" => Operator::Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn binary(&mut self, left: Node, operator: Operator, at: usize) -> Parsed<Node> {
        let returns_bool = self.takes_keyword("bool");
        let matching = self.matching()?;
        // To the right of `^` another `^` goes first.
        let right_associative = operator == Operator::Power;
        let least = operator.precedence() + u8::from(!right_associative);
        let right = self.expression(least)?;
        self.binary_node(Binary { operator, left, right, returns_bool, matching }, at)
    }

    fn matching(&mut self) -> Parsed<Matching> {
        let mut matching = Matching::default();
        if self.takes_keyword("on") {
            matching.grouping = Some(Grouping::Only(self.label_list()?));
        } else if self.takes_keyword("ignoring") {
            matching.grouping = Some(Grouping::AllBut(self.label_list()?));
        }
        matching.side = match self.keyword().as_deref() {
            Some("group_left") => Side::Left,
            Some("group_right") => Side::Right,
            Some("fill" | "fill_left" | "fill_right") if *self.second() == Token::Sign("(") => {
                return Err(ParseError::unsupported(self.text, self.place(), "fill"));
            }
            _ => return Ok(matching),
        };
        if matching.grouping.is_none() {
            return Err(self.unexpected("without \"on\" or \"ignoring\""));
        }
        self.step();
        if *self.peek() == Token::Sign("(") {
            matching.include = self.label_list()?;
        }
        Ok(matching)
    }

    /// `(a, b, "c d",)`
    fn label_list(&mut self) -> Parsed<Vec<Arc<str>>> {
        self.expects("(", "grouping opts")?;
        let mut labels = Vec::new();
        while !self.takes(")") {
            let label = match self.peek() {
                Token::Name(name) if !name.contains(':') => Arc::from(name.as_str()),
                Token::Text(bytes) => Arc::from(self.utf8(bytes, "label name")?),
                _ => return Err(self.unexpected("in grouping opts, expected label")),
            };
            self.step();
            labels.push(label);
            if !self.takes(",") && *self.peek() != Token::Sign(")") {
                return Err(self.unexpected("in grouping opts, expected \",\" or \")\""));
            }
        }
        Ok(labels)
    }

    pub(super) fn utf8<'t>(&self, bytes: &'t [u8], what: &str) -> Parsed<&'t str> {
        std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty()).ok_or_else(|| {
            self.wrong(format!("invalid {what} {}", super::super::number::quoted(bytes)))
        })
    }

    fn primary(&mut self) -> Parsed<Node> {
        let at = self.place();
        match self.peek().clone() {
            Token::Number(value) => {
                self.step();
                Ok(leaf(Kind::Number(value), at))
            }
            Token::Duration(milliseconds) => {
                self.step();
                let seconds = super::super::number::whole(milliseconds) / 1000.0;
                Ok(leaf(Kind::Number(seconds), at))
            }
            Token::Text(bytes) => {
                self.step();
                Ok(leaf(Kind::Text(bytes), at))
            }
            Token::Sign("(") => {
                self.step();
                let inner = self.expression(1)?;
                self.expects(")", "parentheses")?;
                self.above(Kind::Parenthesised, inner, at)
            }
            Token::Sign("{") => self.selector(None),
            Token::Name(name) => self.named(name),
            _ => Err(self.unexpected("where an expression is expected")),
        }
    }

    /// What begins with a name: a number, an aggregation, a call or a selector.
    fn named(&mut self, name: String) -> Parsed<Node> {
        let at = self.place();
        let lower = name.to_ascii_lowercase();
        let opens = *self.second() == Token::Sign("(");
        if matches!(lower.as_str(), "inf" | "nan") {
            self.step();
            let value = super::super::number::number(&lower).unwrap_or(f64::NAN);
            return Ok(leaf(Kind::Number(value), at));
        }
        let follows = match self.second() {
            Token::Name(second) => second.to_ascii_lowercase(),
            _ => String::new(),
        };
        if let Some(aggregator) = Aggregator::named(&lower)
            && (opens || matches!(follows.as_str(), "by" | "without"))
        {
            self.step();
            return self.aggregate(aggregator, at);
        }
        if opens {
            return self.call(&name);
        }
        let reserved = ["bool", "on", "ignoring", "group_left", "group_right", "atan2"];
        if reserved.contains(&lower.as_str()) {
            return Err(self.unexpected("where an expression is expected"));
        }
        self.step();
        self.selector(Some((name, at)))
    }

    fn aggregate(&mut self, aggregator: Aggregator, at: usize) -> Parsed<Node> {
        let before = self.grouping()?;
        let mut arguments = self.arguments("aggregation")?;
        let after = if before.is_none() { self.grouping()? } else { None };
        let grouping = before.or(after).unwrap_or(Grouping::Only(Vec::new()));
        let expected = 1 + usize::from(aggregator.takes_parameter());
        if arguments.is_empty() {
            return Err(ParseError::at(
                self.text,
                at,
                "no arguments for aggregate expression provided",
            ));
        }
        if arguments.len() != expected {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {expected}, \
                 got {}",
                arguments.len()
            );
            return Err(ParseError::at(self.text, at, message));
        }
        let Some(inner) = arguments.pop() else { return Err(self.unexpected("in aggregation")) };
        let parameter = arguments.pop();
        self.aggregate_node(Aggregate { aggregator, parameter, inner, grouping }, at)
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        if self.takes_keyword("by") {
            return Ok(Some(Grouping::Only(self.label_list()?)));
        }
        if self.takes_keyword("without") {
            return Ok(Some(Grouping::AllBut(self.label_list()?)));
        }
        Ok(None)
    }

    fn arguments(&mut self, context: &str) -> Parsed<Vec<Node>> {
        self.expects("(", context)?;
        let mut arguments = Vec::new();
        if self.takes(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(1)?);
            if self.takes(")") {
                return Ok(arguments);
            }
            self.expects(",", context)?;
            if *self.peek() == Token::Sign(")") {
                let message = "trailing commas not allowed in function call args";
                return Err(self.wrong(message));
            }
        }
    }

    fn call(&mut self, name: &str) -> Parsed<Node> {
        let at = self.place();
        let Some(function) = Function::named(name) else {
            if Function::is_refused(name) {
                return Err(ParseError::unsupported(self.text, at, &format!("{name}()")));
            }
            return Err(self.wrong(format!("unknown function with name {name:?}")));
        };
        self.step();
        let arguments = self.arguments("function call")?;
        self.call_node(function, arguments, at)
    }
}

/// A node with nothing below it that is the same at all steps.
fn leaf(kind: Kind, at: usize) -> Node {
    Node { kind, at, fixed: true, depth: 1 }
}
