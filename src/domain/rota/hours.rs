//! Hours of days: `Mon-Fri 09:00-17:00`.

use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

use crate::domain::Timestamp;
use crate::domain::zone::Zone;

/// A span of hours on some days of the week, by the clocks on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Whether it begins on a day, Monday first.
    days: [bool; 7],
    from: NaiveTime,
    /// Of the same day, or of the next where it is not after `from`.
    until: NaiveTime,
}

/// Why hours were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not of the form.
    #[error("`{0}` is not like `Mon-Fri 09:00-17:00`, `Sat,Sun` or `22:00-06:00`")]
    Form(String),
    /// No hand-over.
    #[error("`{0}` is not like `09:00` or `Mon 09:00`")]
    Handover(String),
    /// No day of the week.
    #[error("`{0}` is no day of the week; write `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat` or `Sun`")]
    Day(String),
    /// No time of the day.
    #[error("`{0}` is no time of the day; write it like `09:00`")]
    Time(String),
}

impl Hours {
    /// Whether `at` is in them.
    pub fn contains(&self, zone: Zone, at: Timestamp) -> bool {
        let today = zone.wall_clock(at).date();
        let days = [today.pred_opt(), Some(today)].into_iter().flatten();
        let mut spans = days.filter_map(|day| self.span(zone, day));
        spans.any(|(from, until)| from <= at && at < until)
    }

    /// When they begin or end next, after `after`.
    pub(super) fn next_boundary(&self, zone: Zone, after: Timestamp) -> Option<Timestamp> {
        let first = zone.wall_clock(after).date().pred_opt()?;
        let spans = first.iter_days().take(10).filter_map(|day| self.span(zone, day));
        spans.flat_map(|(from, until)| [from, until]).filter(|at| *at > after).min()
    }

    /// Those that begin on `day`.
    fn span(&self, zone: Zone, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let index = usize::try_from(day.weekday().num_days_from_monday()).ok()?;
        if !self.days.get(index).copied().unwrap_or_default() {
            return None;
        }
        let last = if self.until > self.from { day } else { day.succ_opt()? };
        let (from, until): (NaiveDateTime, NaiveDateTime) =
            (day.and_time(self.from), last.and_time(self.until));
        Some((zone.instant_of(from), zone.instant_of(until)))
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    /// Reads days, hours, or both; what is left out is all days, or the whole day.
    fn from_str(text: &str) -> Result<Self, HoursError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, hours) = match *words.as_slice() {
            [days, hours] => (Some(days), Some(hours)),
            [hours] if hours.contains(':') => (None, Some(hours)),
            [days] => (Some(days), None),
            _ => return Err(HoursError::Form(text.to_owned())),
        };
        let days = days.map_or(Ok([true; 7]), parse_days)?;
        let (from, until) = match hours {
            None => (NaiveTime::MIN, NaiveTime::MIN),
            Some(hours) => {
                let span = hours.split_once('-');
                let (from, until) = span.ok_or_else(|| HoursError::Form(text.to_owned()))?;
                (
                    time_of_day(from)?,
                    if until == "24:00" { NaiveTime::MIN } else { time_of_day(until)? },
                )
            }
        };
        Ok(Self { days, from, until })
    }
}

/// `Mon-Fri`, `Sat,Sun`, `Fri-Mon,Wed`.
fn parse_days(text: &str) -> Result<[bool; 7], HoursError> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(first)?, weekday(last)?);
        loop {
            for (index, is_in) in (0..).zip(&mut days) {
                *is_in |= day.num_days_from_monday() == index;
            }
            if day == last {
                break;
            }
            day = day.succ();
        }
    }
    Ok(days)
}

/// A day of the week, in full or by its first three letters.
pub(super) fn weekday(text: &str) -> Result<Weekday, HoursError> {
    text.parse().map_err(|_| HoursError::Day(text.to_owned()))
}

/// `09:00`
pub(super) fn time_of_day(text: &str) -> Result<NaiveTime, HoursError> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| HoursError::Time(text.to_owned()))
}
