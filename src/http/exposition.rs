//! `GET /metrics`: the vitals in the format that Prometheus scrapes (`OpenMetrics` 1.0).

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::Api;
use super::parameters::Parameters;
use super::problem::Problem;
use super::spans;
use super::vitals::{ALL, About, Kind, Vital, vitals};
use crate::engine::stamps::{BUCKETS, Distribution};

const MEDIA_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Tripline itself
///
/// How far it is behind, what it owes and what it lost, in the `OpenMetrics` text format. The same is
/// kept as series.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "show_metrics", responses(
    (status = 200, description = "OpenMetrics text.", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
))]
pub(super) async fn metrics(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Shown(vitals(&api).await)));
    registry.register_collector(Box::new(Spans(api.stamps.distributions())));
    let mut shown = String::new();
    let unwritten = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "nothing can be written");
    text::encode(&mut shown, &registry).map_err(unwritten)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], shown).into_response())
}

#[derive(Debug)]
struct Shown(Vec<Vital>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for about in ALL {
            let mut measured = self.0.iter().filter(|it| it.about == *about).peekable();
            if measured.peek().is_none() {
                continue;
            }
            let About { stem, kind, unit, help } = about;
            let unit = unit.map(|unit| Unit::Other(unit.to_owned()));
            let metric_type = match kind {
                Kind::Counter => ConstCounter::new(0.0).metric_type(),
                Kind::Gauge => ConstGauge::new(0.0).metric_type(),
            };
            let mut metric = encoder.encode_descriptor(stem, help, unit.as_ref(), metric_type)?;
            for vital in measured {
                if vital.labels.is_empty() {
                    written(*kind, vital.value, metric)?;
                    break;
                }
                let one = metric.encode_family(&vital.labels)?;
                written(*kind, vital.value, one)?;
            }
        }
        Ok(())
    }
}

/// How long messages take.
#[derive(Debug)]
struct Spans(Vec<Distribution>);

impl Collector for Spans {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut metric = encoder.encode_descriptor(spans::STEM, spans::HELP, unit, kind)?;
        for it in &self.0 {
            let labels = [("span", it.span.as_str()), ("channel", it.channel.as_str())];
            let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(it.counts).collect();
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                it.sum,
                it.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

fn written(kind: Kind, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    match kind {
        Kind::Counter => ConstCounter::new(value).encode(encoder),
        Kind::Gauge => ConstGauge::new(value).encode(encoder),
    }
}
