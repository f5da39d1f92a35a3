//! What is parsed, and what is refused with which words.

use super::super::limits::Limits;
use super::expression::{Kind, Node, Operator};
use super::{Expression, parse};

fn parsed(text: &str) -> Expression {
    parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str, message: &str) {
    let error = parse(text, &Limits::default()).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
}

/// The operators with all parentheses that precedence means.
fn shape(node: &Node) -> String {
    match &node.kind {
        Kind::Binary(binary) => {
            let (left, right) = (shape(&binary.left), shape(&binary.right));
            format!("({left}{}{right})", Operator::sign(binary.operator))
        }
        Kind::Negated(inner) => format!("(-{})", shape(inner)),
        Kind::Parenthesised(inner) => shape(inner),
        Kind::Number(value) => value.to_string(),
        _ => "v".to_owned(),
    }
}

#[test]
fn operators_bind_as_in_prometheus() {
    let cases = [
        ("1 + 2 * 3", "(1+(2*3))"),
        ("-1 ^ 2", "(-(1^2))"),
        ("2 ^ 3 ^ 2", "(2^(3^2))"),
        ("2 ^ -3 * 4", "((2^(-3))*4)"),
        ("1 - 2 - 3", "((1-2)-3)"),
        ("a or b and c", "(vor(vandv))"),
        ("a > 1 + 2", "(v>(1+2))"),
        ("1 - -1", "(1-(-1))"),
        ("-a * b", "((-v)*v)"),
    ];
    for (text, expected) in cases {
        assert_eq!(shape(&parsed(text).root), expected, "{text}");
    }
}

#[test]
fn what_prometheus_3_writes_is_read() {
    for text in [
        r#"{"metric.name", "label name"="x"}"#,
        r#"{__name__="a", b=~"c|d",}"#,
        "x[1m] @ start() offset -5m",
        "x offset 5m @ 1.5e3",
        "x[300]",
        "max_over_time(rate(x[5m])[1h:] @ end())",
        "sum by (\"a b\", on) (x)",
        "sum(x) without ()",
        "a * on (b) group_left (c) d",
        "a / ignoring (b) group_right d",
        "a == bool b",
        "sum",
        "avg{a=\"b\"} + by",
        "start + end",
        "INF + NaN + 0x1F + 5m",
        "quantile(0.9, x) # why\n",
        "topk(scalar(x), x)",
        "round(x) + round(x, 5) + hour() + hour(x)",
        "label_join(x, \"a\", \"-\")",
        "\"text\"",
    ] {
        parsed(text);
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    refused("", "1:1: parse error: no expression found in input");
    refused(
        "a +\n b +",
        "2:5: parse error: unexpected end of input where an expression is expected",
    );
    refused("foo(x)", "1:1: parse error: unknown function with name \"foo\"");
    refused(
        "rate(x)",
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant \
         vector",
    );
    refused("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier");
    refused(
        "{a=~\".*\"}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    refused("x[0s]", "1:3: parse error: duration must be greater than 0");
    refused("x[1e30]", "1:3: parse error: duration out of range");
    refused("x @ 1e300", "1:5: parse error: timestamp out of bounds for @ modifier: 1e+300");
    refused("x offset 5m offset 5m", "1:13: parse error: offset may not be set multiple times");
    refused(
        "a * on (b) group_left (b) c",
        "1:3: parse error: label \"b\" must not occur in ON and GROUP clause at once",
    );
    refused(
        "x{__name__=\"y\"}",
        "1:12: parse error: metric name must not be set twice: \"x\" or \"y\"",
    );
    refused("abs(x, y)", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 2");
}

#[test]
fn what_is_not_supported_says_so() {
    for (text, what) in [
        ("info(x)", "info()"),
        ("histogram_sum(x)", "histogram_sum()"),
        ("rate(x[5m] anchored)", "anchored"),
        ("x[5m+1m]", "a duration that is an expression"),
        ("x[step()]", "a duration that is an expression"),
        ("a + on(b) fill(0) c", "fill"),
        ("a </ 5", "</"),
        ("a + start()", "start()"),
    ] {
        let error = parse(text, &Limits::default()).expect_err(text);
        assert_eq!(error.message, format!("{what} is not supported"), "{text}");
        assert!(error.unsupported, "{text}");
    }
}

#[test]
fn each_limit_is_named() {
    let limits = Limits {
        expression_bytes: 1000,
        depth: 20,
        patterns: 2,
        selectors: 3,
        ..Limits::default()
    };
    for (text, what) in [
        ("x".repeat(1001), "1000 bytes in an expression"),
        ("(".repeat(30) + "1" + &")".repeat(30), "20 levels of nesting"),
        ("-".repeat(30) + "1", "20 levels of nesting"),
        ("1".to_owned() + &"+1".repeat(30), "20 levels of nesting"),
        ("x".to_owned() + &"[5m:]".repeat(2), "subquery is only allowed on instant vector"),
        ("x{a=~\"a\",b=~\"b\",c=~\"c\"}".to_owned(), "2 regular expressions"),
        ("a+b+c+d".to_owned(), "3 selectors"),
    ] {
        let error = parse(&text, &limits).expect_err(&text);
        assert!(error.message.contains(what), "{error}");
    }
}

#[test]
fn the_deepest_tree_fits_a_small_stack() {
    let deep = |open: &str, inner: &str, close: &str| {
        let times = Limits::default().depth / 2 - 2;
        open.repeat(times) + inner + &close.repeat(times)
    };
    let texts = [
        deep("(", "x", ")"),
        deep("abs(", "x", ")"),
        deep("sum(-", "x", ")"),
        deep("max_over_time(", "x", "[5m:1m])"),
        deep("1+(", "x", ")"),
    ];
    let work = move || {
        for text in texts {
            let expression = parsed(&text);
            drop(expression.clone());
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work);
    thread.expect("a thread").join().expect("it does not overflow");
}
