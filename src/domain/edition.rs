//! Editions: which of several states of a project is the latest, where hubs share a store and are given
//! a new one one after the other.
//!
//! What is watched follows the latest edition; a hub that has an earlier one changes nothing of that.
//! Contents have no order, so what orders them is how and when a hub came to have them:
//!
//! | the edition | is the latest |
//! |---|---|
//! | is the latest already, or there is none | yes |
//! | was put in the place of the latest while a hub was running | yes, also if it is an old one: the change was taken back |
//! | was never seen, and a running hub read it | if it was read after the latest was taken up |
//! | was never seen, and a hub started with it | if its files are no older than those of the latest |
//! | was left for another before | if its files were changed after the latest was taken up |
//! | was found to be earlier, and the hub still has it | no: what it was read for is past |
//! | is any | when no hub has had the latest for [`ABSENT`] |
//!
//! Must not: look at what an edition says.

use std::time::Duration;

use super::Timestamp;

/// When no hub has had the latest edition for so long, any other takes its place: all hubs were
/// started with another one, by files that keep their old times.
pub const ABSENT: Duration = Duration::from_mins(10);

/// When no hub has said for so long that it has the latest edition, others do meanwhile what one hub
/// does at a time by its project: the hubs that have it are gone.
pub const SILENT: Duration = Duration::from_secs(30);

/// One state of a project, and how a hub came to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Tells it from others: equal where the same is watched.
    pub digest: String,
    /// When its files were last changed.
    pub edited_at: Timestamp,
    /// How the hub came to have it.
    pub origin: Origin,
}

/// How a hub came to have an edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It started with it.
    Start,
    /// It was running.
    Reload {
        /// The digest of the edition that it had before.
        before: String,
    },
    /// It had it already when it was told that there is a later one.
    Behind,
}

/// The latest edition, as far as hubs have said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Tells it from others.
    pub digest: String,
    /// When its files were last changed.
    pub edited_at: Timestamp,
    /// Since when it is the latest.
    pub taken_at: Timestamp,
    /// When a hub last said that it has it.
    pub seen_at: Timestamp,
}

impl Latest {
    /// Whether a hub that has the edition with this digest may do at `now` what one hub does at a
    /// time by its project.
    pub fn leaves_it_to(&self, digest: &str, now: Timestamp) -> bool {
        self.digest == digest || self.seen_at + SILENT <= now
    }
}

/// How an edition stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Rank {
    /// It is the latest; what is watched follows it.
    Latest,
    /// There is a later one.
    Earlier,
}

impl Rank {
    /// The latest where that is so, else earlier.
    pub fn latest_if(is_latest: bool) -> Self {
        if is_latest { Self::Latest } else { Self::Earlier }
    }
}

/// Whether hubs had an edition before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// None of those that are remembered.
    New,
    /// It was the latest once.
    Former,
}

impl Edition {
    /// How this edition stands at `now`, which a hub has had since `since`.
    pub fn rank(
        &self,
        latest: Option<&Latest>,
        novelty: Novelty,
        since: Timestamp,
        now: Timestamp,
    ) -> Rank {
        let Some(latest) = latest else { return Rank::Latest };
        // A latest edition of the time to come was taken up by a clock that was ahead.
        let is_read_since = since >= latest.taken_at.min(now);
        let takes_its_place =
            matches!(&self.origin, Origin::Reload { before } if *before == latest.digest);
        let is_later = match (novelty, &self.origin) {
            (_, Origin::Behind) => false,
            // Who says again what was taken back meanwhile does not take its place.
            (Novelty::Former, _) => {
                self.edited_at > latest.taken_at || (takes_its_place && is_read_since)
            }
            (Novelty::New, Origin::Reload { .. }) => takes_its_place || is_read_since,
            (Novelty::New, Origin::Start) => self.edited_at >= latest.edited_at,
        };
        let is_absent = latest.seen_at + ABSENT <= now;
        Rank::latest_if(self.digest == latest.digest || is_later || is_absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> Timestamp {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a time");
        start + Duration::from_mins(minute.into())
    }

    fn edition(digest: &str, edited: u32, before: Option<&str>) -> Edition {
        let origin = before.map_or(Origin::Start, |it| Origin::Reload { before: it.to_owned() });
        Edition { digest: digest.to_owned(), edited_at: at(edited), origin }
    }

    /// Of files that were changed at 50, taken up at 60, and seen last at 100.
    fn latest() -> Latest {
        let (digest, edited_at) = ("b".to_owned(), at(50));
        Latest { digest, edited_at, taken_at: at(60), seen_at: at(100) }
    }

    /// How an edition stands at 101, which a hub has had since `since`.
    fn check(edition: &Edition, novelty: Novelty, since: u32, expected: Rank) {
        let rank = edition.rank(Some(&latest()), novelty, at(since), at(101));
        assert_eq!(rank, expected, "{edition:?} {novelty:?} {since}");
    }

    #[test]
    fn a_hub_that_is_behind_has_an_earlier_one() {
        // It starts again with what the others left; files that all have the same time, too.
        check(&edition("a", 10, None), Novelty::Former, 101, Rank::Earlier);
        check(&edition("a", 50, None), Novelty::Former, 101, Rank::Earlier);
        // It was away while there were others, and nobody knows what it has.
        check(&edition("x", 10, None), Novelty::New, 101, Rank::Earlier);
        // It makes up for an edit that the others are past.
        check(&edition("a", 40, Some("x")), Novelty::Former, 101, Rank::Earlier);
        // It read something else, stood still, and the others went on.
        check(&edition("x", 55, Some("a")), Novelty::New, 59, Rank::Earlier);
    }

    #[test]
    fn who_is_behind_works_for_all_only_while_nobody_is_not() {
        let may = |digest, now| latest().leaves_it_to(digest, now);
        assert!(may("b", at(100)) && !may("a", at(100)) && may("a", at(100) + SILENT));
    }

    #[test]
    fn what_was_found_to_be_earlier_stays_so() {
        let behind = Edition { origin: Origin::Behind, ..edition("x", 61, None) };
        for novelty in [Novelty::New, Novelty::Former] {
            check(&behind, novelty, 101, Rank::Earlier);
            let rank = behind.rank(Some(&latest()), novelty, at(110), at(110));
            assert_eq!(rank, Rank::Latest, "nobody has the latest any more");
        }
        // It took the place of that, and did not hear that it was taken back since.
        check(&edition("a", 10, Some("b")), Novelty::Former, 59, Rank::Earlier);
    }

    #[test]
    fn what_is_edited_is_the_latest() {
        check(&edition("b", 50, None), Novelty::Former, 101, Rank::Latest);
        check(&edition("c", 100, None), Novelty::New, 101, Rank::Latest);
        check(&edition("c", 50, None), Novelty::New, 101, Rank::Latest);
        // By whatever time its files have.
        check(&edition("c", 10, Some("b")), Novelty::New, 101, Rank::Latest);
        check(&edition("c", 10, Some("a")), Novelty::New, 101, Rank::Latest);
        assert_eq!(edition("a", 10, None).rank(None, Novelty::New, at(1), at(1)), Rank::Latest);
    }

    #[test]
    fn a_change_may_be_taken_back() {
        // While a hub runs, by hand or by files that keep their times.
        check(&edition("a", 101, Some("b")), Novelty::Former, 101, Rank::Latest);
        check(&edition("a", 10, Some("b")), Novelty::Former, 101, Rank::Latest);
        // By starting hubs with files that were written anew.
        check(&edition("a", 100, None), Novelty::Former, 101, Rank::Latest);
        // By starting all hubs with files that keep their times.
        let old = edition("a", 10, None);
        let rank = |now| old.rank(Some(&latest()), Novelty::Former, now, now);
        assert_eq!(rank(at(109)), Rank::Earlier);
        assert_eq!(rank(at(110)), Rank::Latest);
    }
}
