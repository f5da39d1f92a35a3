//! How long it takes from an answer that fails to the person who takes care of it, as distributions of
//! everything that this process told since it started.
//!
//! Must not: decide anything by it, wait, or keep more than counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::policy::Channel;
use crate::store::Claim;
use crate::store::gathering::Answered;

/// From one stamp of a notification to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From the failing answer to the commit that owes the message.
    FailedToDecided,
    /// From there to the request that was accepted.
    DecidedToSent,
    /// From there to the provider's answer.
    SentToAccepted,
    /// From there to somebody's acknowledgement.
    AcceptedToAcknowledged,
    /// From the failing answer to the provider's.
    FailedToAccepted,
}

impl Span {
    /// All spans.
    pub const ALL: [Self; 5] = [
        Self::FailedToDecided,
        Self::DecidedToSent,
        Self::SentToAccepted,
        Self::AcceptedToAcknowledged,
        Self::FailedToAccepted,
    ];

    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FailedToDecided => "failed_to_decided",
            Self::DecidedToSent => "decided_to_sent",
            Self::SentToAccepted => "sent_to_accepted",
            Self::AcceptedToAcknowledged => "accepted_to_acknowledged",
            Self::FailedToAccepted => "failed_to_accepted",
        }
    }
}

/// What the buckets of a distribution hold at most, in seconds: from what a quiet hub takes to what a night
/// does.
pub const BUCKETS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1_800.0, 14_400.0,
];

/// A distribution as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Of what.
    pub span: Span,
    /// By which way.
    pub channel: Channel,
    /// How many lie in each of [`BUCKETS`], and how many beyond; not added up.
    pub counts: [u64; BUCKETS.len() + 1],
    /// All times together, in seconds.
    pub sum: f64,
}

impl Distribution {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// Is told of each time that is measured. Must not block.
pub type Told = Box<dyn Fn(Span, Channel, Duration) + Send + Sync>;

/// All distributions.
#[derive(Default)]
pub struct Stamps {
    all: [[Histogram; Channel::ALL.len()]; Span::ALL.len()],
    told: Option<Told>,
}

impl fmt::Debug for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamps").finish_non_exhaustive()
    }
}

impl Stamps {
    /// Nothing yet; `told` hears of each time.
    pub fn telling(told: Told) -> Self {
        Self { told: Some(told), ..Self::default() }
    }

    /// The notification of `claim` was accepted at `accepted_at` by a request that left at `sent_at`.
    pub fn sent(&self, claim: &Claim, sent_at: Timestamp, accepted_at: Timestamp) {
        let channel = claim.notification.recipient.channel();
        let decided_at = claim.notification.owed_at;
        if let Some(failed_at) = claim.failed_at {
            self.measure(Span::FailedToDecided, channel, (failed_at, decided_at));
            self.measure(Span::FailedToAccepted, channel, (failed_at, accepted_at));
        }
        self.measure(Span::DecidedToSent, channel, (decided_at, sent_at));
        self.measure(Span::SentToAccepted, channel, (sent_at, accepted_at));
    }

    /// Somebody acknowledged an incident that people were told of.
    pub fn answered(&self, answered: &Answered) {
        let Answered { channel, accepted_at, acknowledged_at } = *answered;
        self.measure(Span::AcceptedToAcknowledged, channel, (accepted_at, acknowledged_at));
    }

    /// Those distributions that are not empty.
    pub fn distributions(&self) -> Vec<Distribution> {
        let of = |(span, channels): (Span, &[Histogram; Channel::ALL.len()])| {
            let one = |(channel, it): (Channel, &Histogram)| Distribution {
                span,
                channel,
                counts: std::array::from_fn(|at| it.counts[at].load(Ordering::Relaxed)),
                sum: Duration::from_micros(it.micros.load(Ordering::Relaxed)).as_secs_f64(),
            };
            Channel::ALL.into_iter().zip(channels).map(one).collect::<Vec<_>>()
        };
        let all = Span::ALL.into_iter().zip(&self.all).flat_map(of);
        all.filter(|it| it.count() > 0).collect()
    }

    fn measure(&self, span: Span, channel: Channel, (from, until): (Timestamp, Timestamp)) {
        // Another machine's clock may be ahead.
        let time = (until - from).to_std().unwrap_or_default();
        let at = Span::ALL.iter().position(|it| *it == span);
        let way = Channel::ALL.iter().position(|it| *it == channel);
        let (Some(at), Some(way)) = (at, way) else { return };
        let histogram = &self.all[at][way];
        let seconds = time.as_secs_f64();
        let bucket = BUCKETS.iter().position(|most| seconds <= *most).unwrap_or(BUCKETS.len());
        histogram.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        histogram.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(told) = &self.told {
            told(span, channel, time);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn times_are_counted_where_they_belong() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let stamps = Stamps::telling(Box::new(move |span, channel, time| {
            hearing.lock().expect("not poisoned").push((span, channel, time));
        }));
        let at: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        let answered = |seconds: i64| Answered {
            channel: Channel::Slack,
            accepted_at: at,
            acknowledged_at: at + chrono::TimeDelta::seconds(seconds),
        };
        for seconds in [1, 2, 20_000, -5] {
            stamps.answered(&answered(seconds));
        }
        let all = stamps.distributions();
        assert_eq!(all.len(), 1, "what is empty is left out: {all:?}");
        let it = &all[0];
        assert_eq!((it.span, it.channel, it.count()), {
            (Span::AcceptedToAcknowledged, Channel::Slack, 4)
        });
        assert_eq!((it.counts[0], it.counts[9], it.counts[10], it.counts[18]), (1, 1, 1, 1));
        assert!((it.sum - 20_003.0).abs() < 1e-9);
        assert_eq!(heard.lock().expect("not poisoned").len(), 4);
    }
}
