//! What may be written of metrics, in one transaction each, and what the head learns of it when that is
//! committed.

use super::appending::{self, Written};
use super::backing::Backing;
use super::compacting::{self, Compacted};
use super::forgetting::{self, Forgotten};
use super::head::Head;
use super::{Rules, Stored};
use crate::domain::Timestamp;
use crate::query::Series;
use crate::store::Error;

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Task<'t> {
    /// The points of these series.
    Append(&'t [Series]),
    /// The next part of closing a period.
    Compact,
    /// Some of what is too old goes, at most so many chunks.
    Forget(u32),
}

/// What was written. It counts when it is committed.
#[derive(Debug)]
pub(in crate::store) enum Done {
    Appended(Written),
    Compacted(Compacted),
    Forgotten(Forgotten),
}

impl Task<'_> {
    /// Writes in a transaction that the caller ends.
    pub(in crate::store) async fn write(
        self,
        head: &mut Head,
        backing: &mut dyn Backing,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Done, Error> {
        Ok(match self {
            Self::Append(series) => {
                Done::Appended(appending::write(head, backing, rules, series, now).await?)
            }
            Self::Compact => Done::Compacted(compacting::write(head, backing, rules, now).await?),
            Self::Forget(limit) => {
                Done::Forgotten(forgetting::write(head, backing, rules, now, limit).await?)
            }
        })
    }
}

impl Done {
    /// Lets the head take over what is committed.
    pub(in crate::store) fn enter(self, head: &mut Head) -> Self {
        match &self {
            Self::Appended(written) => head.wrote(written),
            Self::Compacted(compacted) => head.compacted(compacted),
            Self::Forgotten(forgotten) => head.forgot(forgotten),
        }
        self
    }

    /// What became of the points.
    pub(in crate::store) fn stored(&self) -> Stored {
        match self {
            Self::Appended(written) => written.stored,
            Self::Compacted(_) | Self::Forgotten(_) => Stored::default(),
        }
    }

    /// How much was done; 0 where there was nothing to do.
    pub(in crate::store) fn count(&self) -> u64 {
        match self {
            Self::Appended(written) => written.stored.new,
            Self::Compacted(compacted) => u64::from(compacted.is_something()),
            Self::Forgotten(forgotten) => forgotten.count,
        }
    }
}
