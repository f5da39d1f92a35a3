//! Metrics in a daemon: points of runs on their way into the store, and what is done with metrics from
//! time to time.

mod meter;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;

pub(super) use meter::{Meter, Points};

use self::upkeep::Upkeep;
use super::membership::hub_name;
use super::works::Works;
use crate::clock::Clock;
use crate::config::settings::Metrics as Settings;
use crate::store::Ledger;
use crate::store::metrics::{Metrics, Rules};

/// The store's word for what the settings say.
pub(super) fn rules(settings: &Settings) -> Rules {
    Rules {
        resolution: settings.resolution,
        late: settings.late,
        keep: settings.keep,
        keep_short: settings.keep_5m,
        keep_long: settings.keep_1h,
        max_series: settings.most_series(),
    }
}

/// Stores `points`, and keeps what is stored in order, until the works end. What is lost is counted
/// under the name of the hub whose API listens at `api`.
pub(super) fn start(
    works: &Works,
    settings: &Settings,
    (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
    (points, api): (Points, SocketAddr),
) {
    store.keep_by(rules(settings));
    let hub = hub_name(api);
    let (metrics, time) = (Arc::clone(store) as Arc<dyn Metrics>, Arc::clone(clock));
    works.spawn(|halt| points.run(metrics, (time, hub), halt));
    let upkeep = Upkeep::new((store, clock), works.statsd());
    works.spawn(|halt| upkeep.run(halt));
}
