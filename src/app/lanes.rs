//! The delivery lanes of this process: one for each channel, started together, stopped together.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::channels::{Outlet, Transports};
use super::witness::Witness;
use crate::clock::{Clock, Halt};
use crate::config::Settings;
use crate::domain::id::IncidentId;
use crate::domain::incident::Owed;
use crate::domain::notification::{Attempt, NotificationState};
use crate::domain::policy::Channel;
use crate::domain::storm::Bounds;
use crate::engine::calling::Calling;
use crate::engine::deliveries::{Attempted, Contacts, Hatch, Lane, Observer, Parts, Sms};
use crate::engine::judge::ProjectJudge;
use crate::engine::stamps::Stamps;
use crate::failpoint::{self, Failpoint};
use crate::notify::Transport;
use crate::store::Store;

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    contacts: Arc<Contacts>,
    hatches: Vec<Hatch>,
    wakes: Wakes,
    outlets: Vec<(Channel, Arc<Outlet>)>,
    bounds: Arc<ArcSwap<Bounds>>,
    given_up: Arc<Notify>,
    sent: Arc<Notify>,
    tasks: TaskTracker,
}

/// What wakes each lane, and who calls whoever is on duty.
#[derive(Debug, Clone)]
pub(super) struct Wakes {
    lanes: Vec<(Channel, Arc<Notify>)>,
    calling: Arc<Notify>,
}

impl Wakes {
    /// Something may be owed.
    pub(super) fn all(&self) {
        self.lanes.iter().for_each(|(_, lane)| lane.notify_one());
        self.calling.notify_one();
    }

    /// These may be owed, and the lanes of the channels `handed` are handed theirs. Others are left asleep:
    /// each that looks whether something is due keeps those waiting for whom it is.
    pub(super) fn of<'a>(&self, owed: impl Iterator<Item = &'a Owed>, handed: &[Channel]) {
        let mut channels = BTreeSet::new();
        for it in owed {
            if it.notice.kind.is_end() {
                // That goes to those, too, who were told in place of others, by whatever channel.
                channels.extend(Channel::ALL);
            }
            channels.insert(it.recipient.channel());
        }
        let is_woken = |it: &Channel| channels.contains(it) && !handed.contains(it);
        let lanes = self.lanes.iter().filter(|(channel, _)| is_woken(channel));
        lanes.for_each(|(_, lane)| lane.notify_one());
        if Channel::ROTAS.iter().any(|rota| channels.contains(rota)) {
            self.calling.notify_one();
        }
    }
}

/// Passes attempts on to the witness, and wakes who has others told instead.
struct Seen {
    witness: Arc<dyn Witness>,
    given_up: Arc<Notify>,
    sent: Arc<Notify>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl Observer for Seen {
    fn on_attempt(&self, attempted: &Attempted<'_>) {
        if matches!(attempted.attempt, Attempt::Accepted { .. }) {
            failpoint::reach(Failpoint::Accepted);
        }
        self.witness.attempted(attempted.notification, attempted.attempt, attempted.settlement);
    }

    fn on_recorded(&self, state: NotificationState) {
        match state {
            NotificationState::GivenUp => self.given_up.notify_one(),
            NotificationState::Sent => self.sent.notify_one(),
            _ => {}
        }
    }
}

impl Lanes {
    /// Starts a lane for each channel. On `halt` they claim no more, and finish what is on its way
    /// while there is time.
    pub(super) fn start(
        transports: Transports,
        ((contacts, bounds), judge, stamps): (
            (Arc<Contacts>, Bounds),
            &Arc<ProjectJudge>,
            &Arc<Stamps>,
        ),
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        witness: &Arc<dyn Witness>,
        halt: &Halt,
    ) -> Self {
        let (tasks, mut lanes, mut outlets) = (TaskTracker::new(), Vec::new(), Vec::new());
        let mut hatches = Vec::new();
        let bounds = Arc::new(ArcSwap::from_pointee(bounds));
        let (given_up, sent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        for (channel, transport) in transports {
            let outlet = Arc::new(Outlet::new(transport));
            outlets.push((channel, Arc::clone(&outlet)));
            let parts = Parts {
                store: Arc::clone(store),
                transport: outlet,
                contacts: Arc::clone(&contacts),
                observer: Arc::new(Seen {
                    witness: Arc::clone(witness),
                    given_up: Arc::clone(&given_up),
                    sent: Arc::clone(&sent),
                }),
                clock: Arc::clone(clock),
            };
            let lane = Lane::new(channel, parts)
                .bounded(Arc::clone(&bounds), Arc::clone(stamps))
                .restrained(Arc::clone(judge));
            lanes.push((channel, lane.wake()));
            hatches.push(lane.hatch());
            tasks.spawn(lane.run(halt.clone()));
        }
        let calling = Calling::new(
            Arc::clone(store),
            Arc::clone(&contacts),
            Arc::clone(clock),
            lanes.iter().map(|(_, wake)| Arc::clone(wake)).collect(),
        );
        let wakes = Wakes { lanes, calling: calling.wake() };
        tasks.spawn(calling.run(halt.clone()));
        tasks.close();
        Self { contacts, hatches, wakes, outlets, bounds, given_up, sent, tasks }
    }

    /// Something may be owed.
    pub(super) fn wake(&self) {
        self.wakes.all();
    }

    /// Is woken when a message was given up.
    pub(super) fn given_up(&self) -> Arc<Notify> {
        Arc::clone(&self.given_up)
    }

    /// Is woken when a message was accepted.
    pub(super) fn sent(&self) -> Arc<Notify> {
        Arc::clone(&self.sent)
    }

    /// The way out of a channel.
    pub(super) fn outlet(&self, channel: Channel) -> Option<Arc<dyn Transport>> {
        let (_, outlet) = self.outlets.iter().find(|(it, _)| *it == channel)?;
        Some(Arc::clone(outlet) as Arc<dyn Transport>)
    }

    /// Where the lanes are handed what is owed while they wait.
    pub(super) fn hatches(&self) -> Vec<Hatch> {
        self.hatches.clone()
    }

    /// Does the same as [`Self::wake`], for others to hold.
    pub(super) fn waker(&self) -> Box<dyn Fn() + Send + Sync> {
        let wakes = self.wakes.clone();
        Box::new(move || wakes.all())
    }

    /// Wakes those to whom something is owed, for others to hold.
    pub(super) fn wakes(&self) -> Wakes {
        self.wakes.clone()
    }

    /// Sends to the people of `settings` from now on, and within its bounds.
    pub(super) fn replace_settings(&self, settings: &Settings) {
        self.contacts.replace(settings.people.roster.clone());
        self.contacts.say_sms_are(sms(settings));
        self.bounds.store(Arc::new(settings.storm));
    }

    /// Sends by these from now on.
    pub(super) fn replace_transports(&self, transports: Transports) {
        for (channel, transport) in transports {
            let outlet = self.outlets.iter().find(|(it, _)| *it == channel);
            if let Some((_, outlet)) = outlet {
                outlet.replace(transport);
            }
        }
    }

    /// Waits until all lanes have ended, having been told to.
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }
}

/// Telephone numbers, and links to the pages at `api`; and how much is told one by one.
pub(super) fn contacts(settings: &Settings, api: SocketAddr) -> (Arc<Contacts>, Bounds) {
    let (url, roster) = (settings.hub.url_at(api), settings.people.roster.clone());
    let list = format!("{url}/incidents?state=open");
    let contacts = Contacts::new(roster, link(url)).listed_at(list);
    contacts.say_sms_are(sms(settings));
    (Arc::new(contacts), settings.storm)
}

fn sms(settings: &Settings) -> Sms {
    if settings.lack_of(Channel::Sms).is_none() { Sms::Sent } else { Sms::Printed }
}

/// Where an incident is shown under the hub's public URL.
fn link(url: String) -> impl Fn(IncidentId) -> Option<String> + Send + Sync {
    move |incident| Some(format!("{url}/incidents/{incident}"))
}
