//! The message that the store takes no results.

use super::{cut, line};
use crate::domain::Timestamp;

/// What is said on every channel when a hub could not store results since `since`, for `reason`.
pub fn degraded(hub: &str, since: Timestamp, reason: &str) -> String {
    let (hub, since) = (line(hub), since.format("%Y-%m-%d %H:%M"));
    // Slack reads markup in what is between these.
    let reason = cut(&line(reason), 300).replace(['<', '>', '&'], " ");
    format!(
        "STORAGE DEGRADED: Tripline on {hub} cannot store results since {since} UTC. Checks go on; \
         new failures are told when the store works again. (Possible repeat.) {reason}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_means_for_those_who_read_it() {
        let since = "2026-11-21T04:12:31Z".parse().expect("a time");
        let text = degraded("web-1:7070", since, "failed to write:\n the disk is full");
        let expected = "STORAGE DEGRADED: Tripline on web-1:7070 cannot store results since \
             2026-11-21 04:12 UTC. Checks go on; new failures are told when the store works again. \
             (Possible repeat.) failed to write: the disk is full";
        assert_eq!(text, expected);
    }
}
