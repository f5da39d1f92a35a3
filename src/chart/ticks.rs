//! Where times stand on an axis, and what is written below them.
//!
//! Ticks are where clocks and calendars of a zone are round, whatever its offset or its change of
//! clocks; midnight is written as its date.

use std::fmt::Display;

use chrono::{
    DateTime, Datelike as _, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, TimeZone,
};

use super::Millis;

/// A time on an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// When.
    pub at: Millis,
    /// What is written below it.
    pub label: String,
    /// Whether a day, or a longer time, begins with it.
    pub begins_day: bool,
}

/// How far ticks are apart.
#[derive(Debug, Clone, Copy)]
enum Step {
    Seconds(i64),
    Days(u64),
    /// From Monday to Monday.
    Weeks(u64),
    Months(u32),
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const STEPS: [Step; 29] = [
    Step::Seconds(1),
    Step::Seconds(2),
    Step::Seconds(5),
    Step::Seconds(10),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(MINUTE),
    Step::Seconds(2 * MINUTE),
    Step::Seconds(5 * MINUTE),
    Step::Seconds(10 * MINUTE),
    Step::Seconds(15 * MINUTE),
    Step::Seconds(30 * MINUTE),
    Step::Seconds(HOUR),
    Step::Seconds(2 * HOUR),
    Step::Seconds(3 * HOUR),
    Step::Seconds(6 * HOUR),
    Step::Seconds(12 * HOUR),
    Step::Days(1),
    Step::Days(2),
    Step::Weeks(1),
    Step::Weeks(2),
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Months(12),
    Step::Months(24),
    Step::Months(60),
    Step::Months(120),
];

impl Step {
    /// The usual length in seconds.
    fn length(self) -> i64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Days(days) => days.cast_signed() * DAY,
            Self::Weeks(weeks) => weeks.cast_signed() * 7 * DAY,
            Self::Months(months) => i64::from(months) * 30 * DAY,
        }
    }
}

/// The ticks from `span.0` until `span.1`, not more than about `at_most`, ascending.
pub fn times<Z: TimeZone>(span: (Millis, Millis), zone: &Z, at_most: usize) -> Vec<Tick>
where
    Z::Offset: Display,
{
    let (from, until) = (span.0.min(span.1), span.0.max(span.1));
    let at_most = i64::try_from(at_most.clamp(1, 60)).unwrap_or(1);
    let fits = |step: &Step| until.saturating_sub(from) / 1000 / step.length() <= at_most;
    // Longer than two hundred years of a calendar: no axis of ours.
    let Some(step) = STEPS.into_iter().find(fits) else { return Vec::new() };
    let Some(first) = zone.timestamp_millis_opt(from).single() else { return Vec::new() };
    let mut ticks: Vec<Tick> = Vec::new();
    let mut local = floor(first.naive_local(), step);
    // Two more than fit: the one before the span, and one for a change of clocks.
    for _ in 0..at_most.saturating_mul(2) + 3 {
        let Some(time) = local else { break };
        for at in moments(zone, time, step) {
            let is_new = ticks.last().is_none_or(|last| last.at < at);
            if is_new && (from..=until).contains(&at) {
                ticks.push(tick(zone, at, step));
            }
        }
        local = next(time, step);
    }
    ticks
}

/// The last round time that is not after `time`.
fn floor(time: NaiveDateTime, step: Step) -> Option<NaiveDateTime> {
    let date = time.date();
    let begin = |date: Option<NaiveDate>| date.and_then(|date| date.and_hms_opt(0, 0, 0));
    match step {
        Step::Seconds(seconds) => {
            let midnight = begin(Some(date))?;
            let past = (time - midnight).num_seconds();
            midnight.checked_add_signed(TimeDelta::seconds(past - past % seconds))
        }
        // Counted from a fixed day, so that ticks stay where they are while time goes on.
        Step::Days(days) => {
            let past = u64::try_from(date.num_days_from_ce()).ok()?;
            begin(date.checked_sub_days(Days::new(past % days)))
        }
        Step::Weeks(weeks) => {
            let past = u64::try_from(date.num_days_from_ce() - 1).ok()?;
            begin(date.checked_sub_days(Days::new(past % (7 * weeks))))
        }
        Step::Months(months) => {
            let past = u32::try_from(date.year()).ok()?.checked_mul(12)? + date.month0();
            begin(date.with_day(1)?.checked_sub_months(Months::new(past % months)))
        }
    }
}

fn next(time: NaiveDateTime, step: Step) -> Option<NaiveDateTime> {
    match step {
        Step::Seconds(seconds) => time.checked_add_signed(TimeDelta::seconds(seconds)),
        Step::Days(days) => time.checked_add_days(Days::new(days)),
        Step::Weeks(weeks) => time.checked_add_days(Days::new(7 * weeks)),
        Step::Months(months) => time.checked_add_months(Months::new(months)),
    }
}

/// When clocks show `time`: once as a rule; twice, or never, when they are changed.
fn moments<Z: TimeZone>(zone: &Z, time: NaiveDateTime, step: Step) -> Vec<Millis> {
    let found = zone.from_local_datetime(&time);
    let (first, second) = (found.clone().earliest(), found.latest());
    let is_short = matches!(step, Step::Seconds(..=HOUR));
    let begin = match (first, is_short) {
        // A day that begins at one o'clock begins all the same.
        (None, false) => zone.from_local_datetime(&(time + TimeDelta::hours(1))).earliest(),
        (first, _) => first,
    };
    let both = [begin, second.filter(|_| is_short)];
    both.into_iter().flatten().map(|at| at.timestamp_millis()).collect()
}

fn tick<Z: TimeZone>(zone: &Z, at: Millis, step: Step) -> Tick
where
    Z::Offset: Display,
{
    let Some(time) = zone.timestamp_millis_opt(at).single() else {
        return Tick { at, label: String::new(), begins_day: false };
    };
    let before = zone.timestamp_millis_opt(at - 1).single();
    let begins_day = before.is_none_or(|before| before.date_naive() != time.date_naive());
    let label = label(&time, step, begins_day);
    Tick { at, label, begins_day }
}

fn label<Z: TimeZone>(time: &DateTime<Z>, step: Step, begins_day: bool) -> String
where
    Z::Offset: Display,
{
    let form = match step {
        Step::Months(12..) => "%Y",
        Step::Months(_) if time.month() == 1 => "%Y",
        Step::Months(_) => "%b",
        Step::Days(_) | Step::Weeks(_) => "%b %-d",
        Step::Seconds(_) if begins_day => "%b %-d",
        Step::Seconds(..MINUTE) => "%H:%M:%S",
        Step::Seconds(_) => "%H:%M",
    };
    time.format(form).to_string()
}
