//! When a check runs.
//!
//! A schedule is a function from a moment to the next slot after it. It has no state, so hub,
//! agents and a restarted daemon agree on every slot without talking to each other.
//!
//! Daylight saving: a cron schedule whose hour field is every hour runs by the interval that passes
//! (every real hour has its runs); any other runs once for each local time it names: when the
//! clocks skip that time, at the first moment after the jump, and when they repeat it, the first
//! time only.

mod field;

use std::time::Duration;

use chrono::{NaiveDateTime, TimeZone as _, Utc};
use croner::parser::{CronParser, Seconds, Year};

use super::Timestamp;
use super::id::{CheckId, Region, stable_hash};
use super::zone::{JUMP_REACH, UnknownZone, Zone};

/// When a check runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// At a fixed interval, at a phase that spreads checks and regions evenly over it.
    Every(Interval),
    /// At the times of a crontab line.
    Cron(Box<Cron>),
}

/// A fixed interval, from [`Interval::SHORTEST`] to [`Interval::LONGEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Duration);

/// A crontab line in a time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    zone: Zone,
    pattern: croner::Cron,
    hours: Hours,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hours {
    All,
    Named,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone == other.zone
    }
}

/// Why a schedule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// An interval outside the range.
    #[error("an interval is at least 1s and at most 7d, not {0:?}")]
    Interval(Duration),
    /// Not five fields.
    #[error(
        "a cron line has five fields (minute, hour, day of month, month, day of week), this one \
         has {0}"
    )]
    FieldCount(usize),
    /// One field is wrong.
    #[error("the {field} field `{text}` is wrong: {reason}")]
    Field {
        /// Which field, in words.
        field: &'static str,
        /// What stands there.
        text: String,
        /// Why it is wrong.
        reason: String,
    },
    /// Each field is right alone, but there is no such date.
    #[error("`{0}` never comes: there is no such date")]
    Never(String),
    /// No such zone in the IANA database.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
}

impl Interval {
    /// The shortest interval.
    pub const SHORTEST: Duration = Duration::from_secs(1);
    /// The longest interval.
    pub const LONGEST: Duration = Duration::from_hours(7 * 24);

    /// Checks the range.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Interval`] outside [`Self::SHORTEST`]..=[`Self::LONGEST`].
    pub fn new(every: Duration) -> Result<Self, ScheduleError> {
        if (Self::SHORTEST..=Self::LONGEST).contains(&every) {
            Ok(Self(every))
        } else {
            Err(ScheduleError::Interval(every))
        }
    }

    /// The interval as a duration.
    pub fn duration(self) -> Duration {
        self.0
    }

    fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Schedule {
    /// The first slot strictly after `after`, or `None` when there is none within the time range
    /// that can be represented.
    pub fn next_after(
        &self,
        after: Timestamp,
        check: &CheckId,
        region: &Region,
    ) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let millis = interval.millis();
                let hash = stable_hash(&[check.as_str(), region.as_str()]);
                let phase = i64::try_from(hash % u64::try_from(millis).ok()?).ok()?;
                // Sub-millisecond parts are cut downwards, so `after` itself is never returned.
                let slots_gone = (after.timestamp_millis() - phase).div_euclid(millis);
                Utc.timestamp_millis_opt((slots_gone + 1) * millis + phase).single()
            }
            Self::Cron(cron) => cron.next_after(after),
        }
    }

    /// `moment` and `count` intervals; for cron, the `count`th slot after it. The end of time where
    /// there is none.
    pub fn later_by(&self, moment: Timestamp, count: u32) -> Timestamp {
        let later = match self {
            Self::Every(interval) => {
                let millis = interval.millis().saturating_mul(i64::from(count));
                moment.checked_add_signed(chrono::TimeDelta::milliseconds(millis))
            }
            Self::Cron(cron) => (0..count).try_fold(moment, |slot, _| cron.next_after(slot)),
        };
        later.unwrap_or(Timestamp::MAX_UTC)
    }

    /// How long a run may take at most without meeting the next slot; for cron, measured between
    /// the two slots that follow `now`.
    pub fn interval(&self, now: Timestamp) -> Duration {
        match self {
            Self::Every(interval) => interval.duration(),
            Self::Cron(cron) => cron
                .next_after(now)
                .and_then(|first| (cron.next_after(first)? - first).to_std().ok())
                .unwrap_or(Interval::LONGEST),
        }
    }
}

impl Cron {
    /// Parses five fields as in crontab(5), or one of `@hourly`, `@daily`, `@midnight`, `@weekly`,
    /// `@monthly`, `@yearly`, `@annually`.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] names the field that is wrong.
    pub fn parse(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let zone: Zone = zone.parse()?;
        let line = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() != field::FIELDS.len() {
            return Err(ScheduleError::FieldCount(fields.len()));
        }
        for (index, field) in fields.iter().enumerate() {
            field::check(index, field)?;
        }
        let pattern = parser().parse(line).map_err(|_| ScheduleError::Never(line.to_owned()))?;
        let hours = match fields[1] {
            "*" | "*/1" | "0-23" | "0-23/1" => Hours::All,
            _ => Hours::Named,
        };
        let cron = Self { text: text.trim().to_owned(), zone, pattern, hours };
        let any_year = Utc.timestamp_opt(1_767_225_600, 0).single();
        match any_year.and_then(|start| cron.next_after(start)) {
            Some(_) => Ok(cron),
            None => Err(ScheduleError::Never(line.to_owned())),
        }
    }

    /// The line as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first slot strictly after `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self.hours {
            Hours::All => self.next_by_interval(after),
            Hours::Named => self.next_by_wall_clock(after),
        }
    }

    /// Each local time once: the smallest `instant_of(local)` after `after`.
    fn next_by_wall_clock(&self, after: Timestamp) -> Option<Timestamp> {
        let near_jump =
            self.zone.offset_at(after - JUMP_REACH) != self.zone.offset_at(after + JUMP_REACH);
        let wall = self.zone.wall_clock(after);
        let mut local = if near_jump { wall - JUMP_REACH } else { wall };
        loop {
            local = self.next_local(local, Bound::After)?;
            let instant = self.zone.instant_of(local);
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// Each real hour: the local times of a stretch of constant offset, then of the next stretch.
    fn next_by_interval(&self, after: Timestamp) -> Option<Timestamp> {
        let (mut start, mut bound) = (after, Bound::After);
        for _ in 0..64 {
            let offset = self.zone.offset_at(start);
            let local = self.next_local(self.zone.wall_clock(start), bound)?;
            let instant = Utc.from_utc_datetime(&(local - offset));
            if self.zone.offset_at(instant) == offset {
                return Some(instant);
            }
            start = self.zone.first_jump(start, instant);
            bound = Bound::At;
        }
        None
    }

    /// The local time that the pattern names next, asked as if there were no time zones.
    fn next_local(&self, from: NaiveDateTime, bound: Bound) -> Option<NaiveDateTime> {
        let found = self.pattern.find_next_occurrence(&from.and_utc(), bound == Bound::At).ok()?;
        Some(found.naive_utc())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    After,
    At,
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn utc(text: &str) -> Timestamp {
        text.parse().expect("an RFC 3339 time")
    }

    fn cron_runs(line: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let cron = Cron::parse(line, zone).expect("a good line");
        let (mut at, end) = (utc(from), utc(to));
        let mut runs = Vec::new();
        while let Some(next) = cron.next_after(at)
            && next <= end
        {
            runs.push(next.format("%m-%dT%H:%MZ").to_string());
            at = next;
        }
        runs
    }

    fn names() -> (CheckId, Region) {
        (CheckId::new("login").expect("good"), Region::new("eu").expect("good"))
    }

    #[test]
    fn a_jump_is_found_from_between_two_seconds() {
        let cron = Cron::parse("* * * * *", "Europe/Berlin").expect("a good line");
        for (after, next) in [
            ("2026-03-29T00:59:06.214Z", "2026-03-29T01:00:00Z"),
            ("2026-03-29T00:59:59.999999999Z", "2026-03-29T01:00:00Z"),
            ("2026-10-25T00:59:00.000000001Z", "2026-10-25T01:00:00Z"),
        ] {
            assert_eq!(cron.next_after(utc(after)), Some(utc(next)), "after {after}");
        }
    }

    #[test]
    fn an_interval_has_a_phase_of_its_own() {
        let (check, region) = names();
        let interval = Interval::new(Duration::from_secs(30)).expect("in range");
        let schedule = Schedule::Every(interval);
        let first = schedule.next_after(utc("2026-11-21T00:00:00Z"), &check, &region);
        let first = first.expect("a slot");
        let second = schedule.next_after(first, &check, &region).expect("a slot");
        assert_eq!((second - first).num_seconds(), 30);
        let other = Region::new("us").expect("good");
        assert_ne!(schedule.next_after(second, &check, &other), Some(second));
        assert_eq!(
            schedule.next_after(first - TimeDelta::nanoseconds(1), &check, &region),
            Some(first)
        );
    }

    #[test]
    fn later_is_counted_in_intervals() {
        let (interval, moment) = (
            Interval::new(Duration::from_secs(30)).expect("in range"),
            utc("2026-11-21T00:00:01Z"),
        );
        let every = Schedule::Every(interval);
        assert_eq!(every.later_by(moment, 2), utc("2026-11-21T00:01:01Z"));
        let workdays = Cron::parse("0 9 * * 1-5", "UTC").expect("a good line");
        let cron = Schedule::Cron(Box::new(workdays));
        // A Saturday: the two slots after it are those of Monday and Tuesday.
        assert_eq!(cron.later_by(moment, 2), utc("2026-11-24T09:00:00Z"));
        assert_eq!(every.later_by(Timestamp::MAX_UTC, 1), Timestamp::MAX_UTC);
    }

    #[test]
    fn an_interval_has_bounds() {
        assert!(Interval::new(Duration::from_millis(999)).is_err());
        assert!(Interval::new(Duration::from_hours(8 * 24)).is_err());
    }

    #[test]
    fn every_five_minutes_crosses_the_autumn_change_without_a_hole() {
        let (from, to) = ("2026-10-24T23:50:00Z", "2026-10-25T03:00:00Z");
        let runs = cron_runs("*/5 * * * *", "Europe/Berlin", from, to);
        assert_eq!(runs.len(), 38);
        let hourly = cron_runs("0 * * * *", "Europe/Berlin", from, to);
        assert_eq!(hourly, ["10-25T00:00Z", "10-25T01:00Z", "10-25T02:00Z", "10-25T03:00Z"]);
    }

    #[test]
    fn every_five_minutes_crosses_the_spring_change_without_a_hole() {
        let runs = cron_runs(
            "*/5 * * * *",
            "America/New_York",
            "2026-03-08T05:50:00Z",
            "2026-03-08T09:00:00Z",
        );
        assert_eq!(runs.len(), 38);
    }

    #[test]
    fn a_named_time_that_is_skipped_runs_right_after_the_jump() {
        let span = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        let daily = cron_runs("30 2 * * *", "Europe/Berlin", span.0, span.1);
        assert_eq!(daily, ["03-29T01:00Z", "03-30T00:30Z"]);
        let list = cron_runs("15,45 2 * * *", "Europe/Berlin", span.0, span.1);
        assert_eq!(list, ["03-29T01:00Z", "03-30T00:15Z", "03-30T00:45Z"]);
    }

    #[test]
    fn a_named_time_that_comes_twice_runs_once() {
        let span = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        let daily = cron_runs("30 2 * * *", "Europe/Berlin", span.0, span.1);
        assert_eq!(daily, ["10-25T00:30Z", "10-26T01:30Z"]);
        let list = cron_runs("15,45 2 * * *", "Europe/Berlin", span.0, span.1);
        assert_eq!(list, ["10-25T00:15Z", "10-25T00:45Z", "10-26T01:15Z", "10-26T01:45Z"]);
    }

    #[test]
    fn odd_zones_have_all_their_runs() {
        let half = ("2026-04-03T12:00:00Z", "2026-04-05T12:00:00Z");
        let daily = cron_runs("45 1 * * *", "Australia/Lord_Howe", half.0, half.1);
        assert_eq!(daily.len(), 2);
        // Santiago skips midnight itself.
        let midnight = ("2026-09-05T12:00:00Z", "2026-09-07T12:00:00Z");
        let runs = cron_runs("@daily", "America/Santiago", midnight.0, midnight.1);
        assert_eq!(runs, ["09-06T04:00Z", "09-07T03:00Z"]);
    }

    #[test]
    fn crontab_rules_hold() {
        let week = ("2026-11-21T12:00:00Z", "2026-11-28T12:00:00Z");
        let monday = cron_runs("0 0 * * 1", "UTC", week.0, week.1);
        assert_eq!(monday, ["11-23T00:00Z"]);
        let either = cron_runs("0 0 25 * FRI", "UTC", week.0, week.1);
        assert_eq!(either, ["11-25T00:00Z", "11-27T00:00Z"]);
    }

    #[test]
    fn mistakes_name_the_field() {
        let error = |line: &str| Cron::parse(line, "UTC").expect_err("a mistake").to_string();
        for (line, message) in [
            ("61 * * * *", "the minute field `61` is wrong: 61 is not between 0 and 59"),
            ("5,7-70 * * * *", "the minute field `5,7-70` is wrong: 70 is not between 0 and 59"),
            ("* 24 * * *", "the hour field `24` is wrong: 24 is not between 0 and 23"),
            ("* * 0 * *", "the day of month field `0` is wrong: 0 is not between 1 and 31"),
            ("* * * 4294967296 *", "4294967296 is not between 1 and 12"),
            ("* * * * 8", "the day of week field `8` is wrong: 8 is not between 0 and 7"),
            ("* 18-8 * * *", "the hour field `18-8` is wrong: the range 18-8 runs backwards"),
            ("*/90 * * * *", "a step of 90 is more than the field has"),
            ("*/0 * * * *", "a step is at least 1"),
            ("*/x * * * *", "`x` is no step"),
            ("5/10 * * * *", "a step needs `*` or a range before it, as in `5-59/10`"),
            ("1,,2 * * * *", "a comma with nothing beside it"),
            ("* * * * MONDAY", "`MONDAY` is not understood; write numbers from 0 to 7 or names"),
            ("noon * * * *", "the minute field `noon` is wrong: `noon` is not understood"),
            ("* * * *", "has 4"),
            ("0 0 30 2 *", "never comes"),
        ] {
            let said = error(line);
            assert!(said.contains(message), "{line}: {said}");
        }
        let zone = Cron::parse("* * * * *", "Europe/Berln").expect_err("a mistake");
        assert!(zone.to_string().contains("no time zone"));
    }

    proptest::proptest! {
        /// Whatever the zone and moment, slots move forward and a five-minute schedule never
        /// leaves more than five minutes uncovered.
        #[test]
        fn intervals_never_leave_a_hole(zone in 0..chrono_tz::TZ_VARIANTS.len(), at in 1_700_000_000i64..1_900_000_000) {
            let cron = Cron::parse("*/5 * * * *", chrono_tz::TZ_VARIANTS[zone].name()).expect("good");
            let at = Utc.timestamp_opt(at, 0).single().expect("in range");
            let next = cron.next_after(at).expect("a slot");
            proptest::prop_assert!(next > at && next - at <= TimeDelta::minutes(5));
        }

        /// A daily schedule has one run on each local day, changes of the clocks included.
        #[test]
        fn daily_runs_are_daily(zone in 0..chrono_tz::TZ_VARIANTS.len(), hour in 0..24, day in 0i64..700) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let cron = Cron::parse(&format!("30 {hour} * * *"), zone.name()).expect("good");
            let at = utc("2025-01-01T12:00:00Z") + TimeDelta::days(day);
            let first = cron.next_after(at).expect("a slot");
            let second = cron.next_after(first).expect("a slot");
            proptest::prop_assert!(first > at && second > first);
            proptest::prop_assert!(second - first <= TimeDelta::hours(27));
            proptest::prop_assert!(second - first >= TimeDelta::hours(21));
        }
    }
}
