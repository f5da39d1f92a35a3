//! Parts of a date, in UTC.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// Which part.
#[derive(Clone, Copy, Debug)]
pub(in crate::query) enum Part {
    Minute,
    Hour,
    /// 0 is Sunday.
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

/// The part of the moment `seconds` after 1970; NaN beyond the years that a calendar has.
pub(in crate::query) fn part(part: Part, seconds: f64) -> f64 {
    // Go's conversion of what does not fit is not specified; here there is no such date.
    if seconds.is_nan() || seconds.abs() >= 8e12 {
        return f64::NAN;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above")]
    let Some(date) = DateTime::<Utc>::from_timestamp(seconds as i64, 0) else { return f64::NAN };
    match part {
        Part::Minute => date.minute().into(),
        Part::Hour => date.hour().into(),
        Part::DayOfWeek => date.weekday().num_days_from_sunday().into(),
        Part::DayOfMonth => date.day().into(),
        Part::DayOfYear => date.ordinal().into(),
        Part::DaysInMonth => date.num_days_in_month().into(),
        Part::Month => date.month().into(),
        Part::Year => date.year().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_day_has_all_its_parts() {
        let parts = [
            (Part::Minute, 30),
            (Part::Hour, 23),
            (Part::DayOfWeek, 4),
            (Part::DayOfMonth, 29),
            (Part::DayOfYear, 60),
            (Part::DaysInMonth, 29),
            (Part::Month, 2),
            (Part::Year, 2024),
        ];
        for (which, expected) in parts {
            let found = part(which, 1_709_249_400.9);
            assert_eq!(found.to_bits(), f64::from(expected).to_bits(), "{which:?}");
        }
        assert!(part(Part::Year, f64::INFINITY).is_nan());
        assert!(part(Part::Year, 7.9e12).is_nan() || part(Part::Year, 7.9e12) > 200_000.0);
    }
}
