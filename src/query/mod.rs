//! PromQL: parsed and evaluated over series that the caller hands in.
//!
//! Three steps, each a pure function. [`parse`] makes an [`Expression`] of a text. [`plan`] says
//! which series it needs, and of which times: a [`Selection`] for each selector. The caller reads
//! them from wherever they are, into [`Series`]. [`evaluate`] computes the [`Answer`] at one time
//! or at many.
//!
//! ```
//! use std::sync::Arc;
//! use tripline::query::{Labels, Outcome, Series, Settings, When, evaluate, parse, plan};
//!
//! let settings = Settings::default();
//! let expression = parse("sum(rate(logins_total[1m]))", &settings.limits)?;
//! let when = When::At(120_000);
//! let selections = plan(&expression, when, &settings)?;
//! assert_eq!((selections[0].after, selections[0].until), (60_000, 120_000));
//!
//! let labels: Labels = [("__name__", "logins_total")].into_iter().collect();
//! let series = Series::new(labels, vec![70_000, 90_000, 110_000], vec![1.0, 3.0, 5.0])?;
//! let answer = evaluate(&expression, when, &[vec![Arc::new(series)]], &settings)?;
//! let Outcome::Vector(samples) = answer.outcome else { panic!("an instant vector") };
//! assert_eq!(samples[0].value, 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The semantics are those of Prometheus 3: ranges open on the left, a lookback of five minutes,
//! stale markers, metric names that are dropped when all is evaluated. Native histograms, `info()`,
//! `anchored`, `smoothed`, `fill` and durations that are expressions are refused by name.
//!
//! What an expression may cost is bounded by [`Limits`] and counted before it is spent. Nothing here
//! reads a store, a file, a socket or a clock, and nothing waits.

mod eval;
mod functions;
mod labels;
mod limits;
mod matcher;
mod notes;
mod number;
mod parse;
mod pattern;
mod plan;
mod series;
mod window;

pub use eval::{
    Answer, EvaluationError, Line, Outcome, Sample, Settings, When, evaluate, evaluate_until,
};
pub use labels::{Draft, Label, Labels, METRIC_NAME, OWN};
pub use limits::{Excess, Limits};
pub use matcher::{Comparison, Matcher};
pub use notes::Notes;
pub use number::{duration as parse_duration, plain as number};
pub use parse::{Compared, Expression, ParseError, parse, parse_selector};
pub use plan::{Selection, plan};
pub use series::{Disorder, Measure, STALE, Series, is_stale};
