//! Time zones: what the clocks on a wall show, and when.
//!
//! A local time that the clocks skip is taken for the first moment after the jump, and one that they
//! repeat for the first of the two. Nothing here knows what happens at a time.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, Offset, SubsecRound as _, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::Timestamp;

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

/// No such zone in the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone of the IANA database; write it like `Europe/Berlin` or `UTC`")]
pub struct UnknownZone(pub String);

/// No zone jumps farther than this (Lord Howe 30 minutes, most an hour, Troll two).
pub const JUMP_REACH: TimeDelta = TimeDelta::hours(3);

impl Zone {
    /// The zone of coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Its name, such as `Europe/Berlin`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The names of all zones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    /// The moment of a local time; of two the first, and for a skipped one the end of the jump.
    pub fn instant_of(self, local: NaiveDateTime) -> Timestamp {
        if let Some(instant) = self.0.from_local_datetime(&local).earliest() {
            return instant.to_utc();
        }
        let around = local.and_utc();
        self.first_jump(around - TimeDelta::days(1), around + TimeDelta::days(1))
    }

    /// The first moment in `(low, high]` at which the offset is not that of `low`.
    pub fn first_jump(self, low: Timestamp, high: Timestamp) -> Timestamp {
        // Clocks jump at whole seconds. Between others, there would always be a part of one left to halve.
        let (mut low, mut high) = (low.trunc_subsecs(0), high.trunc_subsecs(0));
        let before = self.offset_at(low);
        while high - low > TimeDelta::seconds(1) {
            let middle = low + TimeDelta::seconds((high - low).num_seconds() / 2);
            if self.offset_at(middle) == before {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// How far its clocks are ahead of UTC.
    pub fn offset_at(self, at: Timestamp) -> TimeDelta {
        let offset = self.0.offset_from_utc_datetime(&at.naive_utc());
        TimeDelta::seconds(i64::from(offset.fix().local_minus_utc()))
    }

    /// What its clocks show.
    pub fn wall_clock(self, at: Timestamp) -> NaiveDateTime {
        at.naive_utc() + self.offset_at(at)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        name.parse().map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }
}
