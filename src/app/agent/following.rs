//! Learns what to run: asks and waits, fetches the modules that are new, puts it in force, and
//! remembers it for a start without the hub.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use url::Url;

use super::contact::Way;
use super::course::{Course, Offer};
use super::{RETRY, Shared, errands, jitter};
use crate::agent::{Assignments as Work, Secrets};
use crate::domain::check::Check;
use crate::link::cache::Cached;
use crate::link::client::{Error, Told};
use crate::link::protocol::{Assignments, CheckMessage};

/// How many modules are fetched at the same time.
const AT_ONCE: usize = 8;

/// The pause after a change: however often a hub changes its mind, it is not asked without one.
const BREATH: Duration = Duration::from_millis(500);

/// Follows for as long as it is polled.
pub(super) async fn run(shared: Arc<Shared>) {
    let (mut failures, mut course) = (0, Course::default());
    loop {
        let mut registered = shared.registered.subscribe();
        if registered.wait_for(|known| *known).await.is_err() {
            return;
        }
        match follow(&shared, &mut course).await {
            Ok(followed) => {
                failures = 0;
                shared.contact().succeeded(Way::Assignments, shared.clock.now());
                match followed {
                    Followed::Same | Followed::Errands => {}
                    Followed::Changed => tokio::time::sleep(BREATH).await,
                    Followed::Doubted(times) => {
                        tokio::time::sleep(RETRY.after(times, jitter())).await;
                    }
                }
            }
            Err(error) => {
                failures += 1;
                shared.contact().failed(Way::Assignments, &error.to_string());
                tokio::time::sleep(RETRY.after(failures, jitter())).await;
            }
        }
    }
}

/// What came of a question.
enum Followed {
    /// What is run is what is to be run.
    Same,
    /// That, and something is run at once.
    Errands,
    /// Something else is run from now on.
    Changed,
    /// The hub offers what was run before, so many times by now; it may be one that is behind.
    Doubted(u32),
}

async fn follow(shared: &Arc<Shared>, course: &mut Course) -> Result<Followed, Error> {
    let work = shared.work.load_full();
    let revision = work.as_ref().map(|work| work.assignments.revision.as_str());
    let errands = Some(shared.name.as_str()).filter(|_| shared.errands.has_room());
    let assignments = match shared.client.assignments(revision, errands).await? {
        Told::Assignments(assignments) => *assignments,
        Told::Nothing => {
            course.stay();
            return Ok(Followed::Same);
        }
        Told::Errands => {
            course.stay();
            // Another hub of the same address may not know of them yet.
            if let Err(error) = errands::take(shared).await {
                tracing::debug!(error = %error, "what is to be run by hand was not taken");
                tokio::time::sleep(BREATH).await;
            }
            return Ok(Followed::Errands);
        }
    };
    if let Offer::Wait(times) = course.judge(&assignments.revision) {
        let revision = Assignments::shown_revision(&assignments.revision);
        tracing::debug!(revision, times, "a hub offers what was to be run before");
        return Ok(Followed::Doubted(times));
    }
    let known = work.as_ref().map(|work| &work.modules);
    let modules = modules(shared, &assignments, known).await?;
    course.take(&assignments.revision, revision);
    let cached = Arc::new(Cached { assignments, modules });
    put_in_force(shared, &cached);
    remember(shared, cached).await;
    Ok(Followed::Changed)
}

/// The texts of all modules by hash; those that are not known are fetched.
async fn modules(
    shared: &Shared,
    assignments: &Assignments,
    known: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Error> {
    let wanted: BTreeSet<&str> =
        assignments.modules.iter().map(|module| module.sha256.as_str()).collect();
    let text = async |sha256: &str| {
        let text = match known.and_then(|known| known.get(sha256)) {
            Some(text) => text.clone(),
            None => shared.client.module(sha256).await?,
        };
        Ok((sha256.to_owned(), text))
    };
    stream::iter(wanted).map(text).buffer_unordered(AT_ONCE).try_collect().await
}

/// Runs this from now on.
fn put_in_force(shared: &Shared, cached: &Arc<Cached>) {
    let Cached { assignments, modules } = cached.as_ref();
    let checks = understood(assignments);
    let texts = assignments
        .modules
        .iter()
        .filter_map(|module| Some((module.path.clone(), modules.get(&module.sha256)?.clone())));
    let secrets = assignments.secrets.iter().map(|(name, value)| (name.clone(), value.clone()));
    let work = Work::with_modules(checks.clone(), &texts.collect(), Secrets::new(secrets));
    shared.agent.assign(Arc::new(work.with_control(control(assignments))));
    let count = checks.len();
    shared.share.replace_in(shared.settings.region.clone(), checks);
    let revision = Assignments::shown_revision(&assignments.revision);
    tracing::info!(checks = count, revision, "what to run is known");
    shared.work.store(Some(Arc::clone(cached)));
    shared.assigned.notify_one();
}

/// The checks that this version understands; the others are told.
fn understood(assignments: &Assignments) -> Vec<Arc<Check>> {
    let mut checks = Vec::with_capacity(assignments.checks.len());
    for item in &assignments.checks {
        let message = item.read::<CheckMessage>().map_err(|error| error.to_string());
        match message.and_then(|it| Check::try_from(it).map_err(|error| error.to_string())) {
            Ok(check) => checks.push(Arc::new(check)),
            Err(reason) => {
                let item = item.read::<serde_json::Value>().unwrap_or_default();
                let check = item["id"].as_str().unwrap_or("?");
                tracing::error!(
                    check,
                    reason,
                    "a check is not run here: this version does not understand it"
                );
            }
        }
    }
    checks
}

/// The control targets that can be asked; the others are told.
fn control(assignments: &Assignments) -> Vec<Url> {
    let read = |text: &String| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
        Ok(_) | Err(_) => {
            tracing::error!(target = text, "a control target is not asked: it is no web address");
            None
        }
    };
    assignments.control.iter().filter_map(read).collect()
}

async fn remember(shared: &Arc<Shared>, cached: Arc<Cached>) {
    let shared = Arc::clone(shared);
    let token = shared.client.token();
    let written = tokio::task::spawn_blocking(move || shared.cache.write(&cached, &token)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "what to run is not remembered for a start without the hub");
    }
}

/// Writes what is remembered anew, for the token as it is now.
pub(super) async fn remember_again(shared: &Arc<Shared>) {
    if let Some(work) = shared.work.load_full() {
        remember(shared, work).await;
    }
}

/// Runs what is remembered, if anything is.
pub(super) fn run_remembered(shared: &Shared) {
    match shared.cache.read(&shared.client.token()) {
        Ok(Some(cached)) if cached.assignments.region == shared.settings.region.as_str() => {
            tracing::info!("running what was known before the start");
            put_in_force(shared, &Arc::new(cached));
        }
        Ok(_) => {}
        Err(error) => tracing::info!(%error, "what was known before the start is not used"),
    }
}

/// Runs nothing any more and forgets the secrets.
pub(super) fn run_nothing(shared: &Shared) {
    shared.share.replace_in(shared.settings.region.clone(), Vec::new());
    shared.agent.assign(Arc::default());
    shared.work.store(None);
    if let Err(error) = shared.cache.remove() {
        tracing::error!(%error, "what is remembered could not be removed");
    }
}
