//! The alarm: says that the store takes no results, straight to the channels.
//!
//! What is owed is in the store, and so is whom it was told to; this one message can be in neither. It
//! goes to those who hear of a first failure, once while it lasts, and says that it may come again: from
//! other hubs of the same store, and from this one after a restart.
//!
//! Must not: tell of anything that the store could owe.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::timeout;

use super::channels;
use crate::clock::{Halt, Stopwatch};
use crate::config::{Project, Settings};
use crate::domain::notification::Attempt;
use crate::domain::policy::{Policy, Target};
use crate::engine::ingest::Trouble;
use crate::notify::render;

/// For so long the store may take nothing before anybody is told: it is restarted, or fails over.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long after a message there is no other: a store that comes and goes is one trouble.
const QUIET: Duration = Duration::from_mins(30);

/// Whom to tell, and by which channels.
#[derive(Debug)]
pub(super) struct Alarmed {
    settings: Settings,
    targets: Vec<Target>,
    /// Which hub tells it.
    hub: String,
}

impl Alarmed {
    /// Those whom the first tiers of the policies in use name.
    pub(super) fn of(project: &Project, hub: String) -> Self {
        let settings = &project.settings;
        let used: BTreeSet<&str> = project.checks.values().map(|it| it.policy.as_str()).collect();
        let policies = settings.policies.values().filter(|it| used.contains(it.name.as_str()));
        let first = |policy: &Policy| {
            policy.tiers.first().map_or_else(Vec::new, |tier| tier.notify.clone())
        };
        let targets: Vec<_> = policies.flat_map(first).collect();
        Self { targets, settings: settings.clone(), hub }
    }

    /// Tells each of them once.
    async fn tell(&self, trouble: &Trouble) {
        let text = render::degraded(&self.hub, trouble.since, &trouble.reason);
        let roster = &self.settings.people.roster;
        let recipients = self.targets.iter().flat_map(|it| roster.called(it, trouble.since));
        for recipient in recipients.collect::<BTreeSet<_>>() {
            let said = channels::say(&self.settings, &recipient, &text).await;
            let outcome = match &said {
                Ok(Some(Attempt::Accepted { .. })) => {
                    tracing::info!(%recipient, "told that the store takes no results");
                    continue;
                }
                Ok(Some(attempt)) => attempt.detail().to_owned(),
                Ok(None) => "its channel is not set up".to_owned(),
                Err(error) => error.to_string(),
            };
            tracing::error!(%recipient, outcome, "cannot tell that the store takes no results");
        }
    }
}

/// Tells whoever is named at the moment while there is `trouble`, until `halt` is asked for.
pub(super) async fn run(
    trouble: watch::Receiver<Option<Trouble>>,
    whom: Arc<ArcSwap<Alarmed>>,
    halt: Halt,
) {
    let tell = move |trouble: Trouble| {
        let whom = whom.load_full();
        async move { whom.tell(&trouble).await }
    };
    tokio::select! {
        () = watch_over(trouble, tell) => {}
        () = halt.asked() => {}
    }
}

/// Calls `tell` once for each trouble that lasts.
async fn watch_over<T>(mut trouble: watch::Receiver<Option<Trouble>>, tell: impl Fn(Trouble) -> T)
where
    T: Future<Output = ()>,
{
    let mut told: Option<Stopwatch> = None;
    while let Ok(begun) = trouble.wait_for(Option::is_some).await.map(|it| it.clone()) {
        let is_over = timeout(PATIENCE, trouble.wait_for(Option::is_none)).await.is_ok();
        if is_over {
            continue;
        }
        if let Some(begun) = begun
            && told.is_none_or(|since| since.elapsed() > QUIET)
        {
            tell(begun).await;
            told = Some(Stopwatch::start());
        }
        if trouble.wait_for(Option::is_none).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_for_long_is_told_of_once() {
        let (say, trouble) = watch::channel(None);
        let told = Mutex::new(Vec::new());
        let since = "2026-11-21T04:12:31Z".parse().expect("a time");
        let fails = |reason: &str| Some(Trouble { since, reason: reason.into() });
        let story = async {
            // It is restarted.
            say.send_replace(fails("one"));
            tokio::time::sleep(PATIENCE / 2).await;
            say.send_replace(None);
            tokio::time::sleep(PATIENCE).await;
            assert_eq!(told.lock().expect("nobody panics with it").len(), 0);
            // It is away, comes back, and goes again.
            for reason in ["two", "three"] {
                say.send_replace(fails(reason));
                tokio::time::sleep(PATIENCE * 2).await;
                say.send_replace(fails("still"));
                tokio::time::sleep(PATIENCE * 2).await;
                say.send_replace(None);
                tokio::time::sleep(PATIENCE).await;
            }
        };
        let tell = |trouble: Trouble| {
            told.lock().expect("nobody panics with it").push(trouble.reason);
            std::future::ready(())
        };
        tokio::select! {
            () = watch_over(trouble, tell) => panic!("it goes on"),
            () = story => {}
        }
        assert_eq!(*told.lock().expect("nobody panics with it"), ["two"]);
    }
}
