//! The functions of PromQL: names, arguments, and what each is computed by.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/functions/>, with those that are
//! experimental there. Functions on native histograms are known and refused.

pub(super) mod calendar;
pub(super) mod histogram;
pub(super) mod label;
pub(super) mod math;
pub(super) mod order;

use super::parse::expression::Type;
use super::window::Over;

/// A function, by its place in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function(&'static Signature);

/// What a call is computed by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// Each value for itself.
    Map(fn(f64) -> f64),
    /// Each value, in seconds since 1970, as a date in UTC.
    Calendar(calendar::Part),
    /// The samples of a range.
    Window(Over),
    AbsentOverTime,
    Absent,
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    Scalar,
    Vector,
    Time,
    Pi,
    Timestamp,
    LabelReplace,
    LabelJoin,
    Sort(order::Direction),
    SortByLabel(order::Direction),
    HistogramQuantile,
    HistogramFraction,
}

#[derive(Debug)]
struct Signature {
    name: &'static str,
    takes: &'static [Type],
    /// As in Prometheus: 0 is exactly `takes`; more allows so many beyond all but the last; nothing
    /// allows any number.
    variadic: Option<usize>,
    returns: Type,
    body: Body,
}

const V: Type = Type::Vector;
const M: Type = Type::Matrix;
const S: Type = Type::Scalar;
const T: Type = Type::Text;

const fn exact(name: &'static str, takes: &'static [Type], body: Body) -> Signature {
    Signature { name, takes, variadic: Some(0), returns: V, body }
}

const fn map(name: &'static str, each: fn(f64) -> f64) -> Signature {
    exact(name, &[V], Body::Map(each))
}

const fn over(name: &'static str, over: Over) -> Signature {
    exact(name, &[M], Body::Window(over))
}

const fn date(name: &'static str, part: calendar::Part) -> Signature {
    Signature { variadic: Some(1), ..exact(name, &[V], Body::Calendar(part)) }
}

const fn scalar(name: &'static str, takes: &'static [Type], body: Body) -> Signature {
    Signature { returns: S, ..exact(name, takes, body) }
}

static TABLE: &[Signature] = &[
    map("abs", f64::abs),
    map("acos", f64::acos),
    map("acosh", f64::acosh),
    map("asin", f64::asin),
    map("asinh", f64::asinh),
    map("atan", f64::atan),
    map("atanh", f64::atanh),
    map("ceil", f64::ceil),
    map("cos", f64::cos),
    map("cosh", f64::cosh),
    map("deg", math::degrees),
    map("exp", f64::exp),
    map("floor", f64::floor),
    map("ln", f64::ln),
    map("log10", f64::log10),
    map("log2", f64::log2),
    map("rad", math::radians),
    map("sgn", math::sign),
    map("sin", f64::sin),
    map("sinh", f64::sinh),
    map("sqrt", f64::sqrt),
    map("tan", f64::tan),
    map("tanh", f64::tanh),
    exact("absent", &[V], Body::Absent),
    exact("absent_over_time", &[M], Body::AbsentOverTime),
    over("avg_over_time", Over::Avg),
    over("changes", Over::Changes),
    exact("clamp", &[V, S, S], Body::Clamp),
    exact("clamp_max", &[V, S], Body::ClampMax),
    exact("clamp_min", &[V, S], Body::ClampMin),
    over("count_over_time", Over::Count),
    date("day_of_month", calendar::Part::DayOfMonth),
    date("day_of_week", calendar::Part::DayOfWeek),
    date("day_of_year", calendar::Part::DayOfYear),
    date("days_in_month", calendar::Part::DaysInMonth),
    over("delta", Over::Delta),
    over("deriv", Over::Deriv),
    exact("double_exponential_smoothing", &[M, S, S], Body::Window(Over::Smoothing)),
    over("first_over_time", Over::First),
    exact("histogram_fraction", &[S, S, V], Body::HistogramFraction),
    exact("histogram_quantile", &[S, V], Body::HistogramQuantile),
    exact("holt_winters", &[M, S, S], Body::Window(Over::Smoothing)),
    date("hour", calendar::Part::Hour),
    over("idelta", Over::Idelta),
    over("increase", Over::Increase),
    over("irate", Over::Irate),
    Signature { variadic: None, ..exact("label_join", &[V, T, T, T], Body::LabelJoin) },
    exact("label_replace", &[V, T, T, T, T], Body::LabelReplace),
    over("last_over_time", Over::Last),
    over("mad_over_time", Over::Mad),
    over("max_over_time", Over::Max),
    over("min_over_time", Over::Min),
    date("minute", calendar::Part::Minute),
    date("month", calendar::Part::Month),
    scalar("pi", &[], Body::Pi),
    exact("predict_linear", &[M, S], Body::Window(Over::PredictLinear)),
    over("present_over_time", Over::Present),
    exact("quantile_over_time", &[S, M], Body::Window(Over::Quantile)),
    over("rate", Over::Rate),
    over("resets", Over::Resets),
    Signature { variadic: Some(1), ..exact("round", &[V, S], Body::Round) },
    scalar("scalar", &[V], Body::Scalar),
    exact("sort", &[V], Body::Sort(order::Direction::Ascending)),
    Signature {
        variadic: None,
        ..exact("sort_by_label", &[V, T], Body::SortByLabel(order::Direction::Ascending))
    },
    Signature {
        variadic: None,
        ..exact("sort_by_label_desc", &[V, T], Body::SortByLabel(order::Direction::Descending))
    },
    exact("sort_desc", &[V], Body::Sort(order::Direction::Descending)),
    over("stddev_over_time", Over::Stddev),
    over("stdvar_over_time", Over::Stdvar),
    over("sum_over_time", Over::Sum),
    scalar("time", &[], Body::Time),
    exact("timestamp", &[V], Body::Timestamp),
    over("ts_of_first_over_time", Over::TimeOfFirst),
    over("ts_of_last_over_time", Over::TimeOfLast),
    over("ts_of_max_over_time", Over::TimeOfMax),
    over("ts_of_min_over_time", Over::TimeOfMin),
    exact("vector", &[S], Body::Vector),
    date("year", calendar::Part::Year),
];

/// What Prometheus knows and this evaluator does not.
const REFUSED: [&str; 13] = [
    "end",
    "histogram_avg",
    "histogram_count",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "info",
    "max_of",
    "min_of",
    "range",
    "start",
    "step",
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|signature| signature.name == name).map(Self)
    }

    pub(super) fn is_refused(name: &str) -> bool {
        REFUSED.contains(&name)
    }

    pub(super) fn name(self) -> &'static str {
        self.0.name
    }

    pub(super) fn takes(self) -> &'static [Type] {
        self.0.takes
    }

    /// How many arguments may follow all but the last of `takes`; nothing is any number.
    pub(super) fn variadic(self) -> Option<usize> {
        self.0.variadic
    }

    pub(super) fn returns(self) -> Type {
        self.0.returns
    }

    pub(super) fn body(self) -> Body {
        self.0.body
    }

    /// Whether the value depends on the time of evaluation beside the arguments
    /// (Prometheus' `AtModifierUnsafeFunctions`).
    pub(super) fn sees_the_time(self) -> bool {
        matches!(
            self.0.body,
            Body::Calendar(_) | Body::Time | Body::Timestamp | Body::Window(Over::PredictLinear)
        )
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}
