//! The alarm: says that the store takes no results, straight to the channels.
//!
//! What is owed is in the store, and so is whom it was told to; this one message can be in neither. It
//! goes to those who hear of a first failure, once while it lasts, and says that it may come again: from
//! other hubs of the same store, and from this one after a restart.
//!
//! Must not: tell of anything that the store could owe.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::channels;
use crate::clock::Halt;
use crate::config::{Project, Settings};
use crate::domain::notification::Attempt;
use crate::domain::policy::{Policy, Recipient, Target};
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
    /// Those whom the first tiers of the policies of checks and rules name.
    pub(super) fn of(project: &Project, hub: String) -> Self {
        let settings = &project.settings;
        let used: BTreeSet<&str> = project.checks.values().map(|it| it.policy.as_str()).collect();
        let policies = settings.policies.values().filter(|it| used.contains(it.name.as_str()));
        let policies = policies.chain(settings.rules.all.iter().map(|rule| &rule.policy));
        let first = |policy: &Policy| {
            policy.tiers.first().map_or_else(Vec::new, |tier| tier.notify.clone())
        };
        let targets: Vec<_> = policies.flat_map(first).collect();
        Self { targets, settings: settings.clone(), hub }
    }

    /// Tells each of them once, all at the same time.
    async fn tell(&self, trouble: &Trouble) -> Heard {
        let text = render::degraded(&self.hub, trouble.since, &trouble.reason);
        let roster = &self.settings.people.roster;
        let recipients = self.targets.iter().flat_map(|it| roster.called(it, trouble.since));
        let recipients: BTreeSet<_> = recipients.collect();
        let each = recipients.iter().map(|recipient| self.tell_one(recipient, &text));
        let accepted = join_all(each).await;
        match (accepted.is_empty(), accepted.contains(&true)) {
            (false, false) => Heard::ByNobody,
            _ => Heard::BySomebody,
        }
    }

    /// Whether `recipient` was told.
    async fn tell_one(&self, recipient: &Recipient, text: &str) -> bool {
        let said = channels::say(&self.settings, recipient, text).await;
        let outcome = match &said {
            Ok(Some(Attempt::Accepted { .. })) => {
                tracing::info!(%recipient, "told that the store takes no results");
                return true;
            }
            Ok(Some(attempt)) => attempt.detail().to_owned(),
            Ok(None) => "its channel is not set up".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::error!(%recipient, outcome, "cannot tell that the store takes no results");
        false
    }
}

/// Whether a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// With one of those whom it was for, or it was for nobody.
    BySomebody,
    /// With none of them.
    ByNobody,
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

/// Calls `tell` once for each trouble that lasts, and again where nobody heard of it. One that begins
/// soon after another was told of is told of when [`QUIET`] is over, if it lasts until then.
async fn watch_over<T>(mut trouble: watch::Receiver<Option<Trouble>>, tell: impl Fn(Trouble) -> T)
where
    T: Future<Output = Heard>,
{
    // Goes on after a message.
    let mut quiet: Option<Pin<Box<Sleep>>> = None;
    while let Ok(Some(begun)) = trouble.wait_for(Option::is_some).await.map(|it| it.clone()) {
        loop {
            let patience = async {
                sleep(PATIENCE).await;
                if let Some(quiet) = quiet.as_mut().filter(|it| !it.is_elapsed()) {
                    quiet.await;
                }
            };
            let is_over = tokio::select! {
                over = trouble.wait_for(Option::is_none) => Some(over.is_ok()),
                () = patience => None,
            };
            match is_over {
                Some(true) => break,
                Some(false) => return,
                None => {}
            }
            if tell(begun.clone()).await == Heard::BySomebody {
                quiet = Some(Box::pin(sleep(QUIET)));
                if trouble.wait_for(Option::is_none).await.is_err() {
                    return;
                }
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Why the store fails, for how long, and how long it works after that.
    type Fails<'a> = (&'a str, Duration, Duration);
    /// Of what a story told, and when since its beginning.
    type Told = Vec<(&'static str, Duration)>;

    /// What is told while the store fails as `story` says: for how long each time, and how long not
    /// after it. Of the messages, the first `lost` reach nobody.
    async fn told(story: &[Fails<'static>], lost: usize) -> Told {
        let (say, trouble) = watch::channel(None);
        let since = "2026-11-21T04:12:31Z".parse().expect("a time");
        let (begun, told) = (tokio::time::Instant::now(), Mutex::new(Told::new()));
        let tell = |trouble: Trouble| {
            let reason = story.iter().map(|(reason, ..)| *reason).find(|it| *it == trouble.reason);
            let mut told = told.lock().expect("nobody panics with it");
            told.push((reason.expect("it was said"), begun.elapsed()));
            let heard = if told.len() > lost { Heard::BySomebody } else { Heard::ByNobody };
            std::future::ready(heard)
        };
        let happens = async {
            for (reason, fails, works) in story {
                say.send_replace(Some(Trouble { since, reason: (*reason).into() }));
                tokio::time::sleep(*fails / 2).await;
                // What else it says of itself meanwhile is no new trouble.
                say.send_modify(|_| {});
                tokio::time::sleep(*fails / 2).await;
                say.send_replace(None);
                tokio::time::sleep(*works).await;
            }
        };
        tokio::select! {
            () = watch_over(trouble, tell) => panic!("it goes on"),
            () = happens => {}
        }
        told.into_inner().expect("nobody panics with it")
    }

    /// The same in seconds.
    async fn told_at(story: &[Fails<'static>], lost: usize) -> Vec<(&'static str, u64)> {
        let told = told(story, lost).await;
        told.into_iter().map(|(reason, at)| (reason, at.as_secs())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_for_long_is_told_of_once() {
        let minutes = Duration::from_mins;
        // It is restarted; it is away, comes back, and goes again for a while.
        let story = [
            ("restart", PATIENCE / 2, PATIENCE),
            ("away", minutes(5), minutes(1)),
            ("again", minutes(5), minutes(60)),
        ];
        assert_eq!(told_at(&story, 0).await, [("away", 15 + 30 + 30)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_begins_soon_after_another_and_goes_on_is_told_of_later() {
        let minutes = Duration::from_mins;
        let story = [("first", minutes(5), minutes(15)), ("second", minutes(300), minutes(1))];
        assert_eq!(told_at(&story, 0).await, [("first", 30), ("second", 30 + 30 * 60)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_heard_is_told_again() {
        let story = [("away", Duration::from_mins(5), Duration::from_mins(1))];
        assert_eq!(told_at(&story, 2).await, [("away", 30), ("away", 60), ("away", 90)]);
    }
}
