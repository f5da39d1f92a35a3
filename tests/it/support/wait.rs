//! Waiting for a condition, never for a time.

use std::time::Duration;

use tripline::clock::Stopwatch;

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks until there is something, and returns it; fails the test after `deadline`.
pub(crate) async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(watch.elapsed() < deadline, "{what}: not within {deadline:?}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Waits until `holds`; fails the test after `deadline`.
pub(crate) async fn until_true(
    what: &str,
    deadline: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    until(what, deadline, async || holds().await.then_some(())).await;
}

/// Watches for all of `time` and fails the test as soon as `holds` does not.
pub(crate) async fn throughout(what: &str, time: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while watch.elapsed() < time {
        assert!(holds().await, "{what}: no longer so after {:?}", watch.elapsed());
        tokio::time::sleep(GLANCE).await;
    }
}
