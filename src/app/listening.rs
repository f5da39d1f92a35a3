//! The statsd listener of a daemon, and the way of what it receives into the store.

use std::sync::Arc;

use super::works::Works;
use crate::clock::Clock;
use crate::config::settings::StatsdListener;
use crate::engine::points::Points;
use crate::statsd::{BindError, Listener, Listening, Received, Rules};
use crate::store::metrics::Metrics;

/// Receives as `settings` say, until the works end; what was received, counted. None where nothing
/// is to be received.
///
/// # Errors
///
/// [`BindError`]; nothing is left running.
pub(super) fn start(
    settings: Option<&StatsdListener>,
    works: &Works,
    metrics: &Arc<dyn Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Received>>, BindError> {
    let Some(settings) = settings else { return Ok(None) };
    let (listener, intervals) = Listener::start(listening(settings), Arc::clone(clock))?;
    tell(settings, &listener);
    let received = Arc::clone(listener.received());
    let points = Points {
        metrics: Arc::clone(metrics),
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
    Ok(Some(received))
}

fn tell(settings: &StatsdListener, listener: &Listener) {
    let place = |address: Option<std::net::SocketAddr>| address.map(tracing::field::display);
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

fn listening(settings: &StatsdListener) -> Listening {
    Listening {
        udp: settings.udp,
        tcp: settings.tcp,
        unix: settings.unix.clone(),
        unix_stream: settings.unix_stream.clone(),
        relay_to: settings.relay_to.clone(),
        rules: Rules {
            interval: settings.flush,
            silent_after: settings.silent_after,
            most_series: usize::try_from(settings.max_series).unwrap_or(usize::MAX),
            buckets: settings.buckets.as_slice().into(),
            labels: settings.labels.clone(),
        },
    }
}
