//! The delivery lanes of this process: one for each channel, started together, stopped together.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channels::transport;
use super::daemon::StartError;
use super::witness::Witness;
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::settings::Hub;
use crate::domain::id::IncidentId;
use crate::domain::policy::{Channel, Roster};
use crate::engine::deliveries::{Attempted, Contacts, Lane, Observer, Parts};
use crate::store::Store;

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    contacts: Arc<Contacts>,
    wakes: Vec<Arc<Notify>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Passes attempts on to the witness.
struct Seen(Arc<dyn Witness>);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").finish_non_exhaustive()
    }
}

impl Observer for Seen {
    fn on_attempt(&self, attempted: &Attempted<'_>) {
        self.0.attempted(attempted.notification, attempted.attempt, attempted.settlement);
    }
}

impl Lanes {
    /// Starts a lane for each channel.
    pub(super) fn start(
        settings: &Settings,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        witness: &Arc<dyn Witness>,
        api: SocketAddr,
    ) -> Result<Self, StartError> {
        let url = public_url(&settings.hub, api);
        let roster = settings.people.roster.clone();
        let contacts = Arc::new(Contacts::new(roster, link(url)));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut wakes = Vec::new();
        for channel in Channel::ALL {
            let failed = |source| StartError::Channel { channel: channel.as_str(), source };
            let parts = Parts {
                store: Arc::clone(store),
                transport: transport(channel, settings, witness).map_err(failed)?,
                contacts: Arc::clone(&contacts),
                observer: Arc::new(Seen(Arc::clone(witness))),
                clock: Arc::clone(clock),
            };
            let lane = Lane::new(channel, parts);
            wakes.push(lane.wake());
            tasks.spawn(lane.run(stop.clone()));
        }
        tasks.close();
        Ok(Self { contacts, wakes, tasks, stop })
    }

    /// Something may be owed.
    pub(super) fn wake(&self) {
        self.wakes.iter().for_each(|wake| wake.notify_one());
    }

    /// Does the same as [`Self::wake`], for others to hold.
    pub(super) fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let wakes = self.wakes.clone();
        Box::new(move || wakes.iter().for_each(|wake| wake.notify_one()))
    }

    /// Sends to these people from now on.
    pub(super) fn replace_roster(&self, roster: Roster) {
        self.contacts.replace(roster);
    }

    /// Finishes what is on its way.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// The URL under which people reach the API: as configured, or where it really listens.
fn public_url(hub: &Hub, api: SocketAddr) -> String {
    if hub.listen == api { hub.url.clone() } else { format!("http://{api}") }
}

/// Where an incident is shown under the hub's public URL.
fn link(url: String) -> impl Fn(IncidentId) -> Option<String> + Send + Sync {
    move |incident| Some(format!("{url}/api/v1/incidents/{incident}"))
}
