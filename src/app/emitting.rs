//! Where measurements of runs are sent.

use std::sync::Arc;

use crate::config::Settings;
use crate::config::settings::{Statsd as StatsdSettings, StatsdTags};
use crate::statsd::{self, Sink};

/// Where measurements go, if anywhere.
pub(super) fn sink(settings: &Settings) -> Option<Arc<Sink>> {
    settings.statsd.as_ref().map(|it| Arc::new(Sink::start(statsd_options(it))))
}

fn statsd_options(settings: &StatsdSettings) -> statsd::Options {
    statsd::Options {
        send_to: settings.send_to.clone(),
        prefix: settings.prefix.clone(),
        tags: match settings.tags {
            StatsdTags::None => statsd::Style::Plain,
            StatsdTags::Dogstatsd => statsd::Style::Dogstatsd,
        },
    }
}
