//! Comparing the migrations that a store has had with those of this version.
//!
//! By each number and not by the highest alone: a lower one may have come after a higher one.
//! Nothing here talks to a database.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;

use super::Error;

/// How a store compares with this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// It has to be brought up to date.
    Earlier,
    /// It is of this version.
    Same,
}

impl Version {
    /// What a store that has had the migrations `applied` is; refuses a later version's.
    pub(super) fn of(migrations: &Migrator, applied: &[i64]) -> Result<Self, Error> {
        Self::compare(migrations.iter().map(|migration| migration.version).collect(), applied)
    }

    fn compare(mut missing: BTreeSet<i64>, applied: &[i64]) -> Result<Self, Error> {
        if !applied.iter().all(|number| missing.remove(number)) {
            return Err(Error::TooNew);
        }
        Ok(if missing.is_empty() { Self::Same } else { Self::Earlier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_whatever_comes_after_it() {
        let compare = |applied: &[i64]| Version::compare([1, 2, 4].into(), applied);
        assert_eq!(compare(&[1, 2, 4]).expect("known"), Version::Same);
        for applied in [&[][..], &[1], &[1, 2], &[1, 4]] {
            assert_eq!(compare(applied).expect("known"), Version::Earlier, "{applied:?}");
        }
        for applied in [&[1, 2, 3, 4][..], &[1, 3], &[1, 2, 4, 5]] {
            assert!(matches!(compare(applied), Err(Error::TooNew)), "{applied:?}");
        }
    }
}
