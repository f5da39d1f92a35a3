//! A slot: one (check, region, scheduled time), something that must happen exactly once.

use super::Timestamp;
use super::id::{CheckId, Region, RunId};

/// One scheduled execution.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The check to run.
    pub check: CheckId,
    /// Where to run it.
    pub region: Region,
    /// When it should start.
    pub at: Timestamp,
}

impl Slot {
    /// The id of the run of this slot, the same on every machine.
    pub fn run_id(&self) -> RunId {
        RunId::at(self.at, &[self.check.as_str(), self.region.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(check: &str, region: &str, millis: i64) -> Slot {
        Slot {
            check: CheckId::new(check).expect("a good name"),
            region: Region::new(region).expect("a good name"),
            at: chrono::DateTime::from_timestamp_millis(millis).expect("in range"),
        }
    }

    #[test]
    fn a_slot_has_one_run_id() {
        let a = slot("login", "eu", 1_790_000_000_000);
        assert_eq!(a.run_id(), a.clone().run_id());
        assert_ne!(a.run_id(), slot("login", "us", 1_790_000_000_000).run_id());
        assert_ne!(a.run_id(), slot("logout", "eu", 1_790_000_000_000).run_id());
    }

    #[test]
    fn run_ids_sort_by_time_and_are_valid_uuids() {
        let early = slot("z", "z", 1_790_000_000_000).run_id();
        let late = slot("a", "a", 1_790_000_000_001).run_id();
        assert!(early < late);
        assert_eq!(early.0.get_version_num(), 8);
        assert_eq!(early.0.get_variant(), uuid::Variant::RFC4122);
    }
}
