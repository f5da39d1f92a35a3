//! Whether everybody was told all that they were owed, and nothing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use super::providers::{ANA, BO, Providers};
use super::tripline::{Daemon, Notification};
use super::wait::until;

/// The four places of the built-in policy.
pub(crate) const EVERYBODY: [&str; 4] = ["#p2", "#p1", ANA, BO];

/// How many messages arrived at each of [`EVERYBODY`].
pub(crate) fn counts(providers: &Providers) -> [usize; 4] {
    EVERYBODY.map(|to| providers.arrived(to).len())
}

/// All notifications of all incidents.
pub(crate) async fn notifications(daemon: &Daemon) -> Vec<Notification> {
    let mut all = Vec::new();
    for incident in daemon.incidents().await {
        let of_it = daemon.notifications(incident.id).await.into_iter();
        all.extend(of_it.map(|it| Notification { incident: incident.id, ..it }));
    }
    all
}

/// Waits until there is an incident, all are resolved, and nothing is owed any more.
pub(crate) async fn quiet(daemon: &Daemon, deadline: Duration) -> Vec<Notification> {
    until("all incidents are over and nothing is owed", deadline, async || {
        let incidents = daemon.incidents().await;
        let over = incidents.iter().all(|incident| incident.status == "resolved");
        if incidents.is_empty() || !over {
            return None;
        }
        let all = notifications(daemon).await;
        all.iter().all(|it| it.state != "owed").then_some(all)
    })
    .await
}

/// Nothing that was owed is lost, and nothing came twice without saying so, at any place.
pub(crate) fn assert_told(providers: &Providers, owed: &[Notification], when: &str) {
    for (to, address) in EVERYBODY.into_iter().zip(["#p2", "#p1", "ana", "bo"]) {
        let mine: Vec<_> = owed.iter().filter(|it| it.recipient.address == address).collect();
        // What is in a digest is told by the message of another.
        let is_sent = |it: &&&Notification| it.state != "superseded" && it.state != "in_digest";
        let sent = mine.iter().filter(is_sent).count();
        for it in mine.iter().filter(|it| it.state == "in_digest") {
            let is_told =
                |head: &&&Notification| Some(head.id) == it.digest && head.state == "sent";
            assert!(mine.iter().any(|head| is_told(&head)), "{when}: in no digest: {it:#?}");
        }
        let messages = providers.arrived(to);
        let marked = messages.iter().filter(|message| message.is_marked()).count();
        let unmarked = messages.len() - marked;
        assert!(messages.len() >= sent, "{when}: lost at {to}: {mine:#?}\n{messages:#?}");
        assert!(unmarked <= mine.len(), "{when}: repeated at {to}: {mine:#?}\n{messages:#?}");
        // Each time that a place is owed a beginning or an end, it is told once, or twice at most.
        let mut same: BTreeMap<(String, bool), usize> = BTreeMap::new();
        for message in messages.iter().filter(|it| !it.is_digest()) {
            *same.entry(message.about()).or_default() += 1;
        }
        for ((incident, is_end), told) in &same {
            let is_it = |it: &&&Notification| {
                it.incident.to_string() == *incident && (it.notice.kind == "recovered") == *is_end
            };
            // An end that is the first word counts as both.
            let times = mine.iter().filter(is_it).count().max(1);
            assert!(
                *told <= 2 * times,
                "{when}: more than one repeat at {to}: {same:#?}\n{messages:#?}"
            );
        }
    }
}
