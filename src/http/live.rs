//! Tells pages that are open that something has changed, so that they ask for themselves again.
//!
//! A change is found by a glance at the store, so it does not matter which hub made it. A hub glances once a
//! second while somebody listens, and not at all else. What is told is that something has changed, and
//! never what: the page asks for that as it always does, with the rights it has.
//!
//! | event | when |
//! |---|---|
//! | `changed` | something was decided, owed, sent, silenced or asked for |
//! | `results` | there are new results, and nothing else |
//!
//! Invariants: listeners are bounded in number, and all are gone when the hub stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::Api;
use super::problem::Problem;
use crate::clock::{Clock, Halt};
use crate::domain::Timestamp;
use crate::store::looking::{Glance, Looking};

/// Where pages listen.
pub(super) const PATH: &str = "/events";

/// So many pages listen at a time; each has a connection of its own.
const MOST_LISTENERS: usize = 200;

/// The pause between two glances.
const PAUSE: Duration = Duration::from_secs(1);

/// So many glances after a change it is told once more: of two transactions, the one that began first may be
/// committed last, and a glance does not see that.
const ECHO: u32 = 4;

/// How often a line is sent where nothing changes, so that nobody on the way takes the connection for dead.
pub(super) const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// How far changes have come. It counts, so whoever is slow misses none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct News {
    changes: u64,
    results: u64,
    is_over: bool,
}

/// Tells listeners of changes.
#[derive(Debug)]
pub struct Live {
    news: watch::Sender<News>,
    places: Arc<Semaphore>,
    came: Notify,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            news: watch::Sender::default(),
            places: Arc::new(Semaphore::new(MOST_LISTENERS)),
            came: Notify::new(),
        }
    }
}

/// What was seen last.
#[derive(Debug, Default)]
struct Seen {
    glance: Option<Glance>,
    /// After so many glances the last change is told once more.
    echo_in: u32,
}

impl Live {
    /// Glances while somebody listens, until `halt` is asked for; then everybody is let go.
    pub async fn run(&self, looking: &dyn Looking, clock: &dyn Clock, halt: Halt) {
        let mut seen = Seen::default();
        while !halt.is_asked() {
            if self.news.receiver_count() == 0 {
                seen = Seen::default();
                tokio::select! {
                    () = self.came.notified() => {}
                    () = halt.asked() => break,
                }
            }
            self.look(&mut seen, looking, clock.now()).await;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = halt.asked() => break,
            }
        }
        self.news.send_modify(|news| news.is_over = true);
    }

    /// Takes one glance and tells what it shows. A store that does not answer shows nothing.
    async fn look(&self, seen: &mut Seen, looking: &dyn Looking, now: Timestamp) {
        let glance = match looking.glance(now).await {
            Ok(glance) => glance,
            Err(error) => {
                tracing::debug!(%error, "pages are not told of changes now");
                return;
            }
        };
        let Some(before) = seen.glance.replace(glance) else { return };
        let is_change = before.without_results() != glance.without_results();
        let is_echo = seen.echo_in == 1;
        seen.echo_in = if is_change { ECHO } else { seen.echo_in.saturating_sub(1) };
        if is_change || is_echo {
            self.news.send_modify(|news| news.changes += 1);
        } else if before != glance {
            self.news.send_modify(|news| news.results += 1);
        }
    }

    /// A place for a page that listens to something else than changes.
    pub(super) fn place(&self) -> Result<Place, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| too_many())?;
        Ok(Place { news: self.news.subscribe(), _place: place })
    }

    fn listener(&self) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let news = self.news.subscribe();
        let told = *news.borrow();
        self.came.notify_one();
        Some(Listener { news, told, _place: place })
    }
}

/// A page that listens to something else, among the bounded number of listeners.
#[derive(Debug)]
pub(super) struct Place {
    news: watch::Receiver<News>,
    _place: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until the hub stops.
    pub(super) async fn is_over(&mut self) {
        // Where nobody tells any more, it has stopped.
        let _ = self.news.wait_for(|news| news.is_over).await;
    }
}

/// One page that listens.
struct Listener {
    news: watch::Receiver<News>,
    told: News,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// What there is to tell next; `None` when that is all.
    async fn next(&mut self) -> Option<&'static str> {
        let told = self.told;
        let news = self.news.wait_for(|news| *news != told).await.ok().map(|news| *news)?;
        self.told = news;
        match news {
            News { is_over: true, .. } => None,
            News { changes, .. } if changes != told.changes => Some("changed"),
            _ => Some("results"),
        }
    }
}

/// Tells a page of changes for as long as it listens. It is no answer that takes long: its head is sent at once.
pub(super) async fn events(
    State(api): State<Api>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let listener = api.live.listener().ok_or_else(too_many)?;
    let told = unfold(listener, |mut listener| async {
        let name = listener.next().await?;
        // An event without data is not given to a page.
        Some((Ok(Event::default().event(name).data(name)), listener))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEPT_ALIVE_EVERY)))
}

fn too_many() -> Problem {
    let detail =
        format!("{MOST_LISTENERS} pages are open already; this one is not kept up to date");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use async_trait::async_trait;
    use futures::FutureExt;

    use super::*;
    use crate::store::looking::{IncidentSearch, MessageSearch};
    use crate::store::{Error, IncidentRecord, NotificationRecord};

    /// A store of which only a glance is taken.
    #[derive(Debug, Default)]
    struct Shelf {
        results: AtomicI64,
        decision: AtomicI64,
    }

    #[async_trait]
    impl Looking for Shelf {
        async fn find_incidents(&self, _: &IncidentSearch) -> Result<Vec<IncidentRecord>, Error> {
            Ok(Vec::new())
        }

        async fn find_messages(&self, _: MessageSearch) -> Result<Vec<NotificationRecord>, Error> {
            Ok(Vec::new())
        }

        async fn glance(&self, _: Timestamp) -> Result<Glance, Error> {
            let of = |number: &AtomicI64| number.load(Ordering::Relaxed);
            let (results, decision) = (of(&self.results), of(&self.decision));
            Ok(Glance { results, decision, ..Glance::default() })
        }
    }

    #[tokio::test]
    async fn listeners_hear_of_each_change_and_of_late_ones_once_more() {
        let (live, shelf, mut seen) = (Live::default(), Shelf::default(), Seen::default());
        let mut listener = live.listener().expect("a place");
        let now = "2026-11-21T04:12:31Z".parse().expect("a time");
        let mut heard = Vec::new();
        for round in 0..9 {
            if round == 1 || round == 2 {
                shelf.results.fetch_add(1, Ordering::Relaxed);
            }
            if round == 2 {
                shelf.decision.fetch_add(1, Ordering::Relaxed);
            }
            live.look(&mut seen, &shelf, now).await;
            heard.push(listener.next().now_or_never().flatten().unwrap_or("-"));
        }
        assert_eq!(heard, ["-", "results", "changed", "-", "-", "-", "changed", "-", "-"]);
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_and_all_are_let_go_at_the_stop() {
        let (live, halt) = (Live::default(), Halt::new());
        let mut all: Vec<_> = (0..MOST_LISTENERS).filter_map(|_| live.listener()).collect();
        assert_eq!(all.len(), MOST_LISTENERS);
        assert!(live.listener().is_none(), "there is no more room");
        let mut last = all.pop().expect("one");
        halt.ask();
        live.run(&Shelf::default(), &crate::clock::System, halt).await;
        assert_eq!(last.next().await, None);
        drop(last);
        assert!(live.listener().is_some(), "who is gone leaves room");
    }
}
