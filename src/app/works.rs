//! All that works in a daemon, from slots to messages, and the order in which it ends.
//!
//! First the runs end, then everything else at once: what they reported is committed, messages on
//! their way are finished, requests to the API are answered. The store is closed last. All of it
//! shares one budget of time; what it is too short for is found in the store at the next start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::assignments::dialer;
use super::channels::{Transports, transports};
use super::daemon::StartError;
use super::descriptors;
use super::emitting::sink;
use super::hub::{Aftermath, LocalHub};
use super::lanes::{Lanes, contacts};
use super::metering::Meter;
use super::witness::Witness;
use crate::agent::{self, Agent, Limits, Scripts};
use crate::clock::{Clock, Halt};
use crate::config::Settings;
use crate::config::settings::Agent as AgentSettings;
use crate::domain::policy::Channel;
use crate::domain::storm::Bounds;
use crate::engine::deliveries::{self, Contacts};
use crate::engine::holding::Holding;
use crate::engine::ingest::{self, Ingest, Pace, Trouble};
use crate::engine::judge::ProjectJudge;
use crate::engine::stamps::Stamps;
use crate::http::Intake;
use crate::http::agents::Inlet;
use crate::net::Dialer;
use crate::sandbox::Pool;
use crate::statsd::Sink;
use crate::store::{Ledger, Store};

/// How much longer a stop may take once there is hurry.
const HURRY: Duration = Duration::from_millis(500);
/// Plain requests under way at once.
const MOST_REQUESTS: usize = 512;

/// What works are made from.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Store>,
    pub(super) judge: Arc<ProjectJudge>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) witness: Arc<dyn Witness>,
    pub(super) transports: Transports,
    /// And how much is told one by one.
    pub(super) contacts: (Arc<Contacts>, Bounds),
    pub(super) statsd: Option<Arc<Sink>>,
    pub(super) scripts: Arc<dyn Scripts>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) limits: Limits,
    pub(super) meter: Arc<Meter>,
}

impl Parts {
    /// What a project's settings make of them, for a hub whose API listens at `api`.
    pub(super) fn of(
        settings: &Settings,
        api: SocketAddr,
        ((store, clock), (judge, witness), (pool, meter)): Around<'_>,
    ) -> Result<Self, StartError> {
        Ok(Self {
            store: Arc::clone(store) as Arc<dyn Store>,
            judge: Arc::clone(judge),
            clock: Arc::clone(clock),
            witness: Arc::clone(witness),
            transports: transports(settings, witness)?,
            contacts: contacts(settings, api),
            statsd: sink(settings),
            scripts: Arc::clone(pool) as Arc<dyn Scripts>,
            dialer: dialer(&settings.agent),
            limits: limits(&settings.agent),
            meter,
        })
    }
}

/// What works are made from besides the settings.
type Around<'a> = (
    (&'a Arc<dyn Ledger>, &'a Arc<dyn Clock>),
    (&'a Arc<ProjectJudge>, &'a Arc<dyn Witness>),
    (&'a Arc<Pool>, Arc<Meter>),
);

/// How many runs there may be at a time.
pub(super) fn limits(settings: &AgentSettings) -> Limits {
    let scripts = usize::try_from(settings.max_runs).unwrap_or(usize::MAX);
    Limits { scripts, requests: MOST_REQUESTS }
}

/// Says so where fewer files and connections may be open than what the project wants may take.
pub(super) fn warn_of_few_descriptors(settings: &Settings) {
    let webhooks = if settings.webhooks.is_empty() {
        0
    } else {
        deliveries::Limits::of(Channel::Webhook).concurrent
    };
    descriptors::warn_if_too_low(&limits(&settings.agent), webhooks);
}

/// The agent, the way of its reports into the store, and the lanes out of it.
#[derive(Debug)]
pub(super) struct Works {
    pub(super) agent: Agent,
    pub(super) lanes: Lanes,
    pub(super) stamps: Arc<Stamps>,
    store: Arc<dyn Store>,
    statsd: Arc<ArcSwapOption<Sink>>,
    holding: Arc<Holding>,
    hub: Arc<LocalHub>,
    trouble: watch::Receiver<Option<Trouble>>,
    tasks: TaskTracker,
    halt: Halt,
}

impl Works {
    /// Starts the lanes and what commits results. The agent has no assignments yet.
    pub(super) fn start(parts: Parts) -> Self {
        let Parts { store, judge, clock, witness, transports, contacts, statsd, meter, .. } = parts;
        let statsd = Arc::new(ArcSwapOption::new(statsd));
        let (halt, tasks) = (Halt::new(), TaskTracker::new());
        let stamps = stamps(&statsd);
        let lanes =
            Lanes::start(transports, (contacts, &judge, &stamps), &store, &clock, &witness, &halt);
        let results = ingest::Parts {
            store: Arc::clone(&store),
            judge,
            clock: Arc::clone(&clock),
            observer: Arc::new(Aftermath {
                witness,
                wakes: lanes.wakes(),
                statsd: Arc::clone(&statsd),
                meter: Some(meter),
                stamps: Arc::clone(&stamps),
            }),
            hatches: lanes.hatches(),
        };
        let (ingest, committer) = Ingest::new(results, Pace::default());
        tasks.spawn(committer.run(halt.clone()));
        let holding = Arc::new(Holding::default());
        let trouble = ingest.trouble();
        let hub = Arc::new(LocalHub {
            clock: Arc::clone(&clock),
            ingest,
            holding: Arc::clone(&holding),
            statsd: Arc::clone(&statsd),
        });
        let agent = agent::Parts {
            clock,
            dialer: parts.dialer,
            scripts: parts.scripts,
            hub: Arc::clone(&hub) as Arc<dyn agent::Hub>,
        };
        let agent = Agent::new(agent, parts.limits);
        Self { agent, lanes, stamps, store, statsd, holding, hub, trouble, tasks, halt }
    }

    /// What the health page asks.
    pub(super) fn intake(&self) -> Intake {
        Intake {
            trouble: self.trouble.clone(),
            holding: Arc::clone(&self.holding),
            statsd: Arc::clone(&self.statsd),
            received: None,
        }
    }

    /// Where measurements are sent, if anywhere.
    pub(super) fn statsd(&self) -> Arc<ArcSwapOption<Sink>> {
        Arc::clone(&self.statsd)
    }

    /// Where the reports of agents elsewhere go.
    pub(super) fn inlet(&self) -> Arc<dyn Inlet> {
        Arc::clone(&self.hub) as Arc<dyn Inlet>
    }

    /// What tells everything to end.
    pub(super) fn halt(&self) -> Halt {
        self.halt.clone()
    }

    /// Lets `work` run until it is told to end by the halt that it is handed.
    pub(super) fn spawn<W>(&self, work: impl FnOnce(Halt) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(work(self.halt.clone()));
    }

    /// Sends measurements there from now on, and what is left of those before to where they were
    /// meant to go.
    pub(super) fn replace_statsd(&self, statsd: Option<Arc<Sink>>) {
        if let Some(old) = self.statsd.swap(statsd) {
            self.tasks.spawn(async move { old.stop().await });
        }
    }

    /// Ends everything in order, within `budget`: runs may take half of it, and if they do, their
    /// reports a fifth. A twentieth is kept for closing the store.
    pub(super) async fn stop(&self, budget: Duration) {
        let closing = budget / 20;
        self.halt.within(budget.saturating_sub(closing));
        self.halt.bound(self.agent.stop(budget / 2, budget / 5)).await;
        self.halt.ask();
        self.tasks.close();
        let metrics = async {
            if let Some(statsd) = self.statsd.load_full() {
                statsd.stop().await;
            }
        };
        let rest = async { tokio::join!(self.lanes.ended(), self.tasks.wait(), metrics) };
        let finished = self.halt.bound(rest).await.is_some();
        let closed = tokio::time::timeout(closing, self.store.close()).await.is_ok();
        if !(finished && closed) {
            tracing::warn!("stopped before everything was finished; it goes on at the next start");
        }
    }

    /// Cuts runs off and leaves half a second for a stop that is under way.
    pub(super) fn hurry(&self) {
        self.agent.interrupt();
        self.halt.within(HURRY);
    }
}

/// What measures how long messages take, and tells statsd.
fn stamps(statsd: &Arc<ArcSwapOption<Sink>>) -> Arc<Stamps> {
    let statsd = Arc::clone(statsd);
    Arc::new(Stamps::telling(Box::new(move |span, channel, time| {
        if let Some(statsd) = statsd.load().as_deref() {
            statsd.tell_span(span.as_str(), channel.as_str(), time);
        }
    })))
}

#[cfg(test)]
mod tests;
