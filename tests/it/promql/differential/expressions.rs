//! Expressions by chance: most of the language, as far as both versions mean the same.
//!
//! Left out are `atan2` with a number, after which version 2 keeps the name of the metric, and
//! `rate` and `increase` of what is no counter, or of a counter that begins anew and grows little by little
//! (`growth` says why). Ranges of subqueries end off the grid of their steps,
//! so that no step lies on an edge, and none is fixed by `@`, which version 2 loses in nested ones. No function is given what would make it NaN: deviations and
//! calendars treat that differently.

use crate::support::random::Random;

/// Functions that have another name in version 2: here and there.
pub(super) const RENAMED: (&str, &str) = ("double_exponential_smoothing(", "holt_winters(");

/// Functions of a range.
const OVER_RANGE: [&str; 20] = [
    "irate",
    "delta",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "timestamp(last",
    "quantile_over_time(0.3,",
    "predict_linear(",
    "double_exponential_smoothing(",
];

/// Functions of an instant vector, which is where `#` stands. What rounds is given no whole numbers,
/// from which sums may differ by their last digit; what swings or grows too fast is given small ones.
const OF_VECTOR: [&str; 37] = [
    "abs(#)",
    "ceil(# + 0.37)",
    "floor(# + 0.37)",
    "exp(-abs(#))",
    "ln(abs(#) + 1)",
    "log2(abs(#) + 1)",
    "log10(abs(#) + 1)",
    "sqrt(abs(#))",
    "sgn(#)",
    "round(# + 0.37)",
    "round(# + 0.37, 7)",
    "absent(#)",
    "clamp_min(#, 7)",
    "clamp_max(#, 7)",
    "clamp(#, -3, 20)",
    "-(#)",
    "sin(clamp(#, -10, 10))",
    "cos(clamp(#, -10, 10))",
    "tan(clamp(#, -1, 1))",
    "asin(clamp(#, -1, 1))",
    "acos(clamp(#, -1, 1))",
    "atan(#)",
    "sinh(clamp(#, -10, 10))",
    "cosh(clamp(#, -10, 10))",
    "tanh(#)",
    "asinh(#)",
    "acosh(abs(#) + 1)",
    "atanh(clamp(#, -0.9, 0.9))",
    "deg(#)",
    "rad(#)",
    "# * pi()",
    "sort(#)",
    "sort_desc(#)",
    "label_join(#, \"joined\", \"-\", \"region\", \"host\")",
    "label_join(#, \"host\", \"\", \"host\", \"nothing\", \"region\")",
    "# + scalar(count(b))",
    "# + on () group_left () vector(scalar(count(d_total @ end())))",
];

/// Functions of a time.
const OF_TIME: [&str; 6] = ["minute", "hour", "day_of_week", "month", "year", "days_in_month"];

const AGGREGATIONS: [&str; 9] =
    ["sum", "avg", "min", "max", "count", "stddev", "stdvar", "group", "quantile(0.7,"];

/// Between vectors, where each stands `#`. Nothing is divided by 0,
/// which would not be a number.
const OPERATORS: [(&str, &str, &str); 16] = [
    ("#", "+", "#"),
    ("#", "-", "#"),
    ("#", "*", "#"),
    ("#", "/", "(abs(#) + 1)"),
    ("#", "%", "(abs(#) + 1)"),
    ("clamp(#, 1, 9)", "^", "clamp(#, -3, 3)"),
    ("#", "atan2", "#"),
    ("#", ">", "#"),
    ("#", "<", "#"),
    ("#", "<=", "#"),
    ("#", "==", "#"),
    ("#", "!=", "#"),
    ("#", ">= bool", "#"),
    ("#", "and", "#"),
    ("#", "unless", "#"),
    ("#", "or", "#"),
];

/// How vectors are put together: what the left one is, what stands behind the operator, and what the
/// right one is. On each side, the labels that count are there once.
const MATCHINGS: [(&str, &str, &str); 14] = [
    (BY_REGION, "", BY_REGION),
    (BY_REGION, "on (region)", BY_REGION),
    (BY_REGION, "ignoring (host)", BY_REGION),
    (BY_HOST, "ignoring (le)", BY_HOST),
    (BY_HOST, "on (region) group_left ()", BY_REGION),
    (BY_HOST, "ignoring (host) group_left ()", BY_REGION),
    (BY_REGION, "on (region) group_right ()", BY_HOST),
    (BY_REGION, "ignoring (host) group_right ()", BY_HOST),
    // With a label that the many do not have,
    (BY_HOST, "on (region) group_left (zone)", ZONED),
    (BY_HOST, "ignoring (host, zone) group_left (zone)", ZONED),
    (ZONED, "on (region) group_right (zone, le)", BY_HOST),
    // one that they have and that is replaced,
    (OF_ONE_HOST, "on (region) group_left (host)", OF_ANOTHER),
    (OF_ANOTHER, "on (region) group_right (host)", OF_ONE_HOST),
    // and one that only they have, which is lost.
    (OF_ONE_HOST, "ignoring (host) group_left (host, zone)", BY_REGION),
];
const BY_REGION: &str = "max by (region) (#)";
const BY_HOST: &str = "max by (region, host) (#)";
const ZONED: &str = "label_replace(max by (region) (#), \"zone\", \"z-$1\", \"region\", \"(.).*\")";
const OF_ONE_HOST: &str = "label_replace(max by (region) (#), \"host\", \"one\", \"\", \"\")";
const OF_ANOTHER: &str =
    "label_replace(max by (region) (#), \"host\", \"of-$1\", \"region\", \"(.*)\")";

/// With a number.
const WITH_NUMBER: [&str; 12] = [
    "+ 2",
    "- -1.5",
    "* 60",
    "/ 7",
    "% 60",
    "^ 2",
    "> 0",
    "<= 40",
    "!= 2",
    "== bool 0",
    "> bool 60",
    "< 1e5",
];

/// An instant vector.
pub(super) fn expression(random: &mut Random) -> String {
    vector(random, 3)
}

fn vector(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return shifted(selector(random), random);
    }
    let inner = |random: &mut Random| vector(random, depth - 1);
    match random.below(12) {
        0 | 1 => over_range(random, depth),
        2 => {
            let (function, inner) = (random.one_of(&OF_VECTOR), inner(random));
            function.replace('#', &format!("({inner})"))
        }
        3 | 4 => {
            let inner = inner(random);
            aggregation(random, &inner)
        }
        5 => {
            let (left, right) = (inner(random), inner(random));
            between(random, &left, &right)
        }
        6 => {
            let right = random.one_of(&WITH_NUMBER);
            format!("({}) {right}", inner(random))
        }
        7 => growth(random),
        8 => chosen(random),
        9 if random.below(2) == 0 => {
            format!("count_values(\"value\", d_total{})", matchers(random))
        }
        9 => format!("{}(timestamp({}))", random.one_of(&OF_TIME), selector(random)),
        10 => {
            let quantile = random.one_of(&["0.1", "0.5", "0.99"]);
            let range = random.one_of(&["2m", "5m", "17m"]);
            let buckets = format!("rate(c_bucket[{range}])");
            format!("histogram_quantile({quantile}, sum by (le, region) ({buckets}))")
        }
        _ => {
            let (to, from) =
                (random.one_of(&["host", "other"]), random.one_of(&["region", "host"]));
            format!("label_replace({}, \"{to}\", \"x-$1\", \"{from}\", \"(.).*\")", inner(random))
        }
    }
}

/// Two vectors put together.
fn between(random: &mut Random, left: &str, right: &str) -> String {
    let (of_left, operator, of_right) = random.one_of(&OPERATORS);
    let (as_left, matching, as_right) = random.one_of(&MATCHINGS);
    // Sets are sets, whoever has how many.
    let is_set = matches!(operator, "and" | "unless" | "or");
    let matching = matching.split(" group").next().filter(|_| is_set).unwrap_or(matching);
    let side = |of: &str, is: &str, side: &str| of.replace('#', &is.replace('#', side));
    let (left, right) = (side(of_left, as_left, left), side(of_right, as_right, right));
    format!("{left} {operator} {matching} {right}")
}

fn aggregation(random: &mut Random, inner: &str) -> String {
    let (aggregation, by) = (
        random.one_of(&AGGREGATIONS),
        random.one_of(&["", " by (region)", " without (host)", " by (host, le)"]),
    );
    match aggregation.split_once('(') {
        Some((name, parameter)) => format!("{name}{by} ({parameter} {inner})"),
        // Of squares of large values, what a `%` leaves is but rounding.
        None if aggregation == "stdvar" => format!("stdvar{by} (clamp({inner}, -1000, 1000))"),
        None => format!("{aggregation}{by} ({inner})"),
    }
}

/// Those that choose, of values that are never the same twice: of equal ones any may be chosen.
fn chosen(random: &mut Random) -> String {
    let choice = random.one_of(&["topk(2,", "bottomk(1,"]);
    format!("{choice} {})", shifted(format!("b{}", matchers(random)), random))
}

/// The growth of a counter. Of those with resets, only the one that leaps from zero is among them: the
/// versions stop differently where the first sample of a range is a little above zero, see
/// [`super::resets`].
fn growth(random: &mut Random) -> String {
    let function = random.one_of(&["rate", "increase"]);
    let counter = random.one_of(&["a_total", "c_bucket", "e_total"]);
    let range = random.one_of(&["40s", "1m", "5m", "23m"]);
    let range = shifted(format!("{counter}{}[{range}]", matchers(random)), random);
    format!("{function}({range})")
}

fn over_range(random: &mut Random, depth: u32) -> String {
    let function = random.one_of(&OVER_RANGE);
    let range = if random.below(3) == 0 {
        let (range, step) = (random.one_of(&["7m3s", "31m3s"]), random.one_of(&["1m", "2m", ""]));
        let offset = random.one_of(&["", "", " offset 5m"]);
        format!("({})[{range}:{step}]{offset}", vector(random, depth - 1))
    } else {
        let range = random.one_of(&["40s", "1m", "5m", "23m"]);
        shifted(format!("{}[{range}]", selector(random)), random)
    };
    match function {
        // Version 2 forgets the samples of `@` after as many steps as the range has.
        "predict_linear(" => format!("{function}{}[23m], 600)", selector(random)),
        "double_exponential_smoothing(" => {
            format!("{function}{}[23m], 0.4, 0.6)", selector(random))
        }
        "quantile_over_time(0.3," => format!("{function} {range})"),
        "timestamp(last" => format!("timestamp(last_over_time({range}))"),
        function => format!("{function}({range})"),
    }
}

fn selector(random: &mut Random) -> String {
    let name = random.one_of(&["a_total", "b", "b", "c_bucket", "d_total"]);
    format!("{name}{}", matchers(random))
}

fn matchers(random: &mut Random) -> &'static str {
    random.one_of(&[
        "",
        "",
        "{region=\"eu\"}",
        "{region!=\"eu\"}",
        "{host=~\"a|b\"}",
        "{host!~\"a.*\"}",
        "{region=\"mars\"}",
    ])
}

fn shifted(text: String, random: &mut Random) -> String {
    match random.below(8) {
        0 => text + " offset 5m",
        1 => text + " @ 1767230000",
        2 => text + " @ end()",
        _ => text,
    }
}
