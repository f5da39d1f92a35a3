//! Selectors and what follows an operand: matchers, ranges, subqueries, `offset` and `@`.

use std::sync::Arc;

use super::super::labels::METRIC_NAME;
use super::super::limits::Excess;
use super::super::matcher::{Comparison, Matcher};
use super::super::number;
use super::ParseError;
use super::expression::{Anchor, Kind, Node, Selector, Shift, Subquery, Type};
use super::grammar::Grammar;
use super::lexer::Token;

type Parsed<T> = Result<T, ParseError>;

const NOT_TO_SHIFT: &str = "must be preceded by an instant vector selector or range vector \
                            selector or a subquery";

impl Grammar<'_> {
    /// A selector whose name, if it has one, is read already.
    pub(super) fn selector(&mut self, name: Option<(String, usize)>) -> Parsed<Node> {
        let at = name.as_ref().map_or(self.place(), |(_, at)| *at);
        let name = name.map(|(name, _)| name);
        let mut matchers = Vec::new();
        if self.takes("{") {
            while !self.takes("}") {
                matchers.push(self.matcher(name.as_deref())?);
                if !self.takes(",") && *self.peek() != Token::Sign("}") {
                    let context = "in label matching, expected \",\" or \"}\"";
                    return Err(self.unexpected(context));
                }
            }
        }
        if let Some(name) = &name {
            matchers.push(self.build(METRIC_NAME, Comparison::Equal, name)?);
        }
        if matchers.iter().all(|matcher| matcher.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher";
            return Err(ParseError::at(self.text, at, message));
        }
        let number = self.selectors;
        if number >= self.limits.selectors {
            let excess = Excess::of("selectors", self.limits.selectors);
            return Err(ParseError::at(self.text, at, excess.to_string()));
        }
        self.selectors += 1;
        let selector = Selector { number, matchers: matchers.into(), shift: Shift::default() };
        Ok(Node { kind: Kind::Selector(selector), at, fixed: false, depth: 1 })
    }

    /// `name = "value"`, or a quoted metric name alone.
    fn matcher(&mut self, metric: Option<&str>) -> Parsed<Matcher> {
        let (name, quoted) = match self.peek() {
            Token::Name(name) if !name.contains(':') => (Arc::from(name.as_str()), false),
            Token::Text(bytes) => (Arc::from(self.utf8(bytes, "label name")?), true),
            _ => return Err(self.unexpected("in label matching, expected identifier or \"}\"")),
        };
        self.step();
        let comparison = match self.peek() {
            Token::Sign("=") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("=~") => Comparison::Matches,
            Token::Sign("!~") => Comparison::MatchesNot,
            _ if quoted => {
                self.named_twice(metric, &name)?;
                return self.build(METRIC_NAME, Comparison::Equal, &name);
            }
            _ => {
                let context = "in label matching, expected label matching operator";
                return Err(self.unexpected(context));
            }
        };
        self.step();
        let Token::Text(bytes) = self.peek().clone() else {
            return Err(self.unexpected("in label matching, expected string"));
        };
        let Ok(value) = std::str::from_utf8(&bytes) else {
            return Err(self.wrong(format!("invalid label value {}", number::quoted(&bytes))));
        };
        if &*name == METRIC_NAME {
            self.named_twice(metric, value)?;
        }
        let matcher = self.build(&name, comparison, value)?;
        self.step();
        Ok(matcher)
    }

    fn named_twice(&self, metric: Option<&str>, other: &str) -> Parsed<()> {
        let Some(metric) = metric else { return Ok(()) };
        let names = format!("{metric:?} or {other:?}");
        Err(self.wrong(format!("metric name must not be set twice: {names}")))
    }

    fn build(&mut self, name: &str, comparison: Comparison, value: &str) -> Parsed<Matcher> {
        if matches!(comparison, Comparison::Matches | Comparison::MatchesNot) {
            self.patterns += 1;
            if self.patterns > self.limits.patterns {
                let excess = Excess::of("regular expressions", self.limits.patterns);
                return Err(self.wrong(excess.to_string()));
            }
        }
        let refused = |why| self.wrong(format!("invalid regular expression {value:?}: {why}"));
        Matcher::new(name, comparison, value).map_err(refused)
    }

    /// What may follow an operand, as often as it follows.
    pub(super) fn postfix(&mut self, mut node: Node) -> Parsed<Node> {
        loop {
            let at = self.place();
            let word = self.keyword();
            if self.takes("[") {
                node = self.brackets(node, at)?;
            } else if self.takes("@") {
                let anchor = self.anchor()?;
                self.shift_of(&mut node, "@ modifier", at, |shift| {
                    shift.at.replace(anchor).is_none()
                })?;
                node.fixed = true;
            } else if word.as_deref() == Some("offset") {
                self.step();
                let offset = self.offset()?;
                self.shift_of(&mut node, "offset modifier", at, |shift| {
                    shift.offset.replace(offset).is_none()
                })?;
            } else if matches!(word.as_deref(), Some("anchored" | "smoothed")) {
                let word = word.unwrap_or_default();
                return Err(ParseError::unsupported(self.text, at, &word));
            } else {
                return Ok(node);
            }
        }
    }

    /// Lets `change` set what `@` or `offset` says; it returns whether that is the first time.
    fn shift_of(
        &self,
        node: &mut Node,
        what: &str,
        at: usize,
        change: impl FnOnce(&mut Shift) -> bool,
    ) -> Parsed<()> {
        let shift = match &mut node.kind {
            Kind::Selector(selector) | Kind::Range(selector, _) => &mut selector.shift,
            Kind::Subquery(subquery) => &mut subquery.shift,
            _ => return Err(ParseError::at(self.text, at, format!("{what} {NOT_TO_SHIFT}"))),
        };
        if change(shift) {
            return Ok(());
        }
        let what = if what.starts_with('@') { "@ <timestamp>" } else { "offset" };
        Err(ParseError::at(self.text, at, format!("{what} may not be set multiple times")))
    }

    /// `[range]` or `[range:step]`, after the opening bracket.
    fn brackets(&mut self, node: Node, at: usize) -> Parsed<Node> {
        let range = self.length("range")?;
        if self.takes("]") {
            return self.range(node, range, at);
        }
        self.expects(":", "subquery or range selector")?;
        let step = if *self.peek() == Token::Sign("]") {
            None
        } else {
            Some(self.length("subquery step")?)
        };
        self.expects("]", "subquery selector")?;
        let found = node.value_type();
        if found != Type::Vector {
            let message =
                format!("subquery is only allowed on instant vector, got {}", found.described());
            return Err(ParseError::at(self.text, node.at, message));
        }
        let depth = node.depth + 1;
        if depth > self.limits.depth {
            return Err(self.too_deep(at));
        }
        let at = node.at;
        let subquery = Subquery { inner: node, range, step, shift: Shift::default() };
        Ok(Node { kind: Kind::Subquery(Box::new(subquery)), at, fixed: false, depth })
    }

    fn range(&self, node: Node, range: i64, at: usize) -> Parsed<Node> {
        let wrong = |message: &str| Err(ParseError::at(self.text, at, message));
        let Kind::Selector(selector) = node.kind else {
            return wrong("ranges only allowed for vector selectors");
        };
        if selector.shift.offset.is_some() {
            return wrong("no offset modifiers allowed before range");
        }
        if selector.shift.at.is_some() {
            return wrong("no @ modifiers allowed before range");
        }
        Ok(Node { kind: Kind::Range(selector, range), at: node.at, fixed: false, depth: 1 })
    }

    /// A positive duration, in milliseconds.
    fn length(&mut self, context: &str) -> Parsed<i64> {
        let length = match *self.peek() {
            Token::Duration(length) => Some(length),
            Token::Number(seconds) if seconds <= 0.0 => Some(0),
            Token::Number(seconds) => number::milliseconds(seconds),
            Token::Name(_) | Token::Sign("(" | "+" | "-" | "*" | "/") => {
                let what = "a duration that is an expression";
                return Err(ParseError::unsupported(self.text, self.place(), what));
            }
            _ => return Err(self.unexpected(&format!("in {context}, expected duration"))),
        };
        let zero = matches!(*self.peek(), Token::Duration(0))
            || matches!(*self.peek(), Token::Number(seconds) if seconds <= 0.0);
        if zero {
            return Err(self.wrong("duration must be greater than 0"));
        }
        let length = length.ok_or_else(|| self.wrong("duration out of range"))?;
        self.step();
        if matches!(*self.peek(), Token::Sign("+" | "-" | "*" | "/" | "%" | "^")) {
            let what = "a duration that is an expression";
            return Err(ParseError::unsupported(self.text, self.place(), what));
        }
        // Less than a millisecond would be a step of nothing.
        Ok(length.max(1))
    }

    fn offset(&mut self) -> Parsed<i64> {
        let negative = self.takes("-");
        if !negative {
            self.takes("+");
        }
        let length = match *self.peek() {
            Token::Duration(length) => Some(length),
            Token::Number(seconds) => number::milliseconds(seconds),
            Token::Sign("(") | Token::Name(_) => {
                let what = "a duration that is an expression";
                return Err(ParseError::unsupported(self.text, self.place(), what));
            }
            _ => return Err(self.unexpected("in offset, expected number or duration")),
        };
        let length = length.ok_or_else(|| self.wrong("duration out of range"))?;
        self.step();
        Ok(if negative { -length } else { length })
    }

    fn anchor(&mut self) -> Parsed<Anchor> {
        let word = self.keyword();
        if let Some(anchor) = word.as_deref().and_then(|word| match word {
            "start" => Some(Anchor::Start),
            "end" => Some(Anchor::End),
            _ => None,
        }) {
            self.step();
            self.expects("(", "@")?;
            self.expects(")", "@")?;
            return Ok(anchor);
        }
        let negative = self.takes("-");
        if !negative {
            self.takes("+");
        }
        let seconds = match (self.peek(), word.as_deref()) {
            (Token::Number(seconds), _) => *seconds,
            (Token::Duration(length), _) => number::whole(*length) / 1000.0,
            (_, Some("inf" | "nan")) => f64::INFINITY,
            _ => return Err(self.unexpected("in @, expected timestamp")),
        };
        let seconds = if negative { -seconds } else { seconds };
        let milliseconds = (seconds * 1000.0).round();
        // Far beyond any calendar, and far from overflow in what is added to it.
        if milliseconds.is_nan() || milliseconds.abs() >= 1e16 {
            let shown = number::general(seconds);
            return Err(self.wrong(format!("timestamp out of bounds for @ modifier: {shown}")));
        }
        self.step();
        #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above")]
        Ok(Anchor::At(milliseconds as i64))
    }
}
