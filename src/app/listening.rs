//! The statsd listener of a daemon, and the way of what it receives into the store.

use std::net::SocketAddr;
use std::sync::Arc;

use super::membership::hub_name;
use super::works::Works;
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::settings::{SignedGauges, StatsdListener};
use crate::domain::rule::change::HUB;
use crate::engine::points::Points;
use crate::engine::queries::Queries;
use crate::statsd::{BindError, Listener, Listening, Received, Rules, Signs};
use crate::store::Ledger;
use crate::store::metrics::Metrics;

/// What others measured: where it is kept, and what came by statsd.
pub(super) struct Measured {
    /// What is remembered of metrics.
    pub(super) metrics: Arc<dyn Metrics>,
    /// Where expressions over them are asked.
    pub(super) queries: Queries,
    /// What the listener received, if there is one.
    pub(super) received: Option<Arc<Received>>,
}

/// Receives as `settings` say, if they do, until the works end. Series say which hub received them,
/// the one whose API listens at `api`: of several that share a store, each has series of its own.
///
/// # Errors
///
/// [`BindError`]; nothing is left running.
pub(super) fn start(
    settings: &Settings,
    works: &Works,
    (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
    api: SocketAddr,
) -> Result<Measured, BindError> {
    let metrics = Arc::clone(store) as Arc<dyn Metrics>;
    let queries = Queries::of(Arc::clone(&metrics)).about(settings.metrics.most_series());
    let Some(settings) = &settings.statsd_listener else {
        return Ok(Measured { metrics, queries, received: None });
    };
    let (listener, intervals) =
        Listener::start(listening(settings, &hub_name(api)), Arc::clone(clock))?;
    tell(settings, &listener);
    let received = Arc::clone(listener.received());
    let points = Points {
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(clock),
        received: Arc::clone(&received),
    };
    works.spawn(|halt| async move {
        let stopping = async {
            halt.asked().await;
            listener.stop();
        };
        tokio::join!(stopping, points.store(intervals, halt.clone()));
    });
    Ok(Measured { metrics, queries, received: Some(received) })
}

fn tell(settings: &StatsdListener, listener: &Listener) {
    let place = |address: Option<SocketAddr>| address.map(tracing::field::display);
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map(|path| tracing::field::display(path.display().to_string()))
    };
    tracing::info!(
        event.action = "statsd-listening",
        udp = place(listener.udp()),
        tcp = place(listener.tcp()),
        unix = path(&settings.unix),
        unix_stream = path(&settings.unix_stream),
        "statsd metrics are received"
    );
}

fn listening(settings: &StatsdListener, hub: &str) -> Listening {
    // Who gives hubs names of their own has a reason.
    let own = [(HUB.to_owned(), hub.to_owned())].into_iter();
    Listening {
        udp: settings.udp,
        tcp: settings.tcp,
        unix: settings.unix.clone(),
        unix_stream: settings.unix_stream.clone(),
        relay_to: settings.relay_to.clone(),
        rules: Rules {
            interval: settings.flush,
            silent_after: settings.silent_after,
            totals_silent_after: settings.totals_silent_after,
            most_series: usize::try_from(settings.max_series).unwrap_or(usize::MAX),
            buckets: settings.buckets.as_slice().into(),
            signs: match settings.signed_gauges {
                SignedGauges::Differences => Signs::Differences,
                SignedGauges::Values => Signs::Values,
            },
            labels: own.chain(settings.labels.iter().cloned()).collect(),
        },
    }
}
