//! Durations as people write them: `30s`, `1m30s`, `500ms`, `30d`.

use std::fmt::Write as _;
use std::time::Duration;

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing is written.
    #[error("a duration must not be empty")]
    Empty,
    /// A number without a unit.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A blank where none may be.
    #[error("there is a blank in `{0}`")]
    Blank(String),
    /// A unit that does not exist.
    #[error("`{0}` is no unit of time")]
    Unit(String),
    /// Something that is not a whole number, where a number must stand.
    #[error("`{0}` is no whole number")]
    Number(String),
    /// A unit twice, or a longer one after a shorter one.
    #[error("`{0}` stands after a unit that is not longer")]
    Order(String),
    /// More than can be represented.
    #[error("`{0}` is too long")]
    TooLong(String),
}

/// Reads whole numbers with a unit of `d`, `h`, `m`, `s` or `ms`, longer units first.
///
/// # Errors
///
/// [`DurationError`] says which part is wrong.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    if rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(char::is_whitespace) {
        return Err(DurationError::Blank(rest.to_owned()));
    }
    let (mut millis, mut units_left) = (0u64, 0..UNITS.len());
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| !c.is_alphabetic());
        let part = &rest[..number.len() + unit.len()];
        if number.is_empty() || unit.is_empty() && !after.is_empty() {
            return Err(DurationError::Number(rest.to_owned()));
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit(part.to_owned()));
        }
        let place = UNITS.iter().position(|(name, _)| *name == unit);
        let place = place.ok_or_else(|| DurationError::Unit(unit.to_owned()))?;
        if !units_left.contains(&place) {
            return Err(DurationError::Order(part.to_owned()));
        }
        units_left.start = place + 1;
        let total = number.parse().ok().and_then(|n: u64| n.checked_mul(UNITS[place].1));
        let total = total.and_then(|part| millis.checked_add(part));
        millis = total.ok_or_else(|| DurationError::TooLong(part.to_owned()))?;
        rest = after;
    }
    Ok(Duration::from_millis(millis))
}

/// The shortest way to write a duration, whole milliseconds only: `1m30s`.
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (name, size) in UNITS {
        if millis >= size {
            write!(text, "{}{name}", millis / size).expect("a String takes everything");
            millis %= size;
        }
    }
    text
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let millis = |text| parse(text).map(|it| it.as_millis()).map_err(|it| it.to_string());
        assert_eq!(millis("30s"), Ok(30_000));
        assert_eq!(millis("1m30s"), Ok(90_000));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis(" 1d2h3m4s5ms "), Ok(93_784_005));
        assert_eq!(millis("0s"), Ok(0));
        let wrong = |text| millis(text).expect_err("a mistake");
        assert_eq!(wrong("30"), "`30` has no unit");
        assert_eq!(wrong("1.5s"), "`1.5s` is no whole number");
        assert_eq!(wrong("-1s"), "`-1s` is no whole number");
        assert_eq!(wrong("1 m"), "there is a blank in `1 m`");
        assert_eq!(wrong("5 minutes"), "there is a blank in `5 minutes`");
        assert_eq!(wrong("1m 30s"), "there is a blank in `1m 30s`");
        assert_eq!(wrong("30sec"), "`sec` is no unit of time");
        assert_eq!(wrong("30s1m"), "`1m` stands after a unit that is not longer");
        assert_eq!(wrong("1s1s"), "`1s` stands after a unit that is not longer");
        assert_eq!(wrong("99999999999999999999s"), "`99999999999999999999s` is too long");
        assert_eq!(wrong("999999999999999999d"), "`999999999999999999d` is too long");
        assert_eq!(wrong(""), "a duration must not be empty");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..=u64::from(u32::MAX)) {
            let duration = Duration::from_millis(millis);
            proptest::prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
