//! The HTTP API of Prometheus over our series, so that whatever reads Prometheus (Grafana,
//! `promtool query`) reads Tripline.
//!
//! Paths, parameters, formats, and the words of errors are those of Prometheus 3
//! (`web/api/v1/api.go` and <https://prometheus.io/docs/prometheus/latest/querying/api/>), so they
//! differ from the rest of the API: parameters that are not known are passed over, as clients of
//! Prometheus send more than we need, and errors are Prometheus' own and no problem details.
//! Exceptions are what stands around every route: a body that is too long, a host that is not ours.
//!
//! Nothing here evaluates or decides; [`Queries`](crate::engine::queries::Queries) do.

mod asked;
mod catalogue;
mod evaluation;
mod reply;
mod rules;

pub(super) use catalogue::*;
pub use evaluation::value_of;
pub(super) use evaluation::*;
pub use rules::Rules;
pub(super) use rules::*;
