//! Numbers as Go prints them, and as Prometheus makes them fit for people.
//!
//! Sources: Go's `strconv/ftoa.go`; Prometheus' `template/template.go`.

use crate::domain::Timestamp;

/// The digits of a number and where its decimal point stands: `0.digits` times ten to `point`.
struct Decimal {
    digits: String,
    point: i32,
}

/// At most `significant` digits, or as many as tell the number from all others.
fn decimal(value: f64, significant: Option<usize>) -> Decimal {
    let text = match significant {
        Some(digits) => format!("{:.*e}", digits.saturating_sub(1), value.abs()),
        None => format!("{:e}", value.abs()),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0').to_owned();
    Decimal { point: exponent.parse::<i32>().unwrap_or_default() + 1, digits }
}

/// From so many digits before the point on, the shortest form has an exponent.
const SHORTEST: i32 = 6;

/// `%g`, with a precision or as short as possible.
pub(super) fn general(value: f64, precision: Option<usize>) -> String {
    if let Some(special) = special(value) {
        return special.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value == 0.0 {
        return format!("{sign}0");
    }
    let Decimal { digits, point } = decimal(value, precision.map(|it| it.max(1)));
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let most = match precision {
        None => SHORTEST,
        Some(precision) => {
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > count && count >= point { count } else { precision }
        }
    };
    let exponent = point - 1;
    if exponent < -4 || exponent >= most {
        let rest = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{}{rest}e{mark}{:02}", &digits[..1], exponent.abs());
    }
    format!("{sign}{}", plain(&digits, point))
}

/// Digits with their decimal point.
fn plain(digits: &str, point: i32) -> String {
    match usize::try_from(point) {
        Ok(0) => format!("0.{digits}"),
        Ok(point) if point >= digits.len() => format!("{digits:0<point$}"),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
        Err(_) => format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    }
}

/// What Go calls numbers that are none.
pub(super) fn special(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// `1.235k`
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return general(value, Some(4));
    }
    let (prefix, scaled) = if value.abs() >= 1.0 {
        upwards(value, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        downwards(value)
    };
    format!("{}{prefix}", general(scaled, Some(4)))
}

/// `1.206ki`
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return general(value, Some(4));
    }
    let prefixes = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
    let (prefix, scaled) = upwards(value, 1024.0, &prefixes);
    format!("{}{prefix}", general(scaled, Some(4)))
}

fn upwards(mut value: f64, step: f64, prefixes: &[&'static str]) -> (&'static str, f64) {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < step {
            break;
        }
        prefix = next;
        value /= step;
    }
    (prefix, value)
}

fn downwards(mut value: f64) -> (&'static str, f64) {
    let mut prefix = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    (prefix, value)
}

/// `1d 2h 3m 4s`, of seconds.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return general(value, Some(4));
    }
    if value == 0.0 {
        return "0s".to_owned();
    }
    if value.abs() < 1.0 {
        let (prefix, scaled) = downwards(value);
        return format!("{}{prefix}s", general(scaled, Some(4)));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = value.abs() as u64;
    let (seconds, minutes, hours) = (whole % 60, whole / 60 % 60, whole / 3600 % 24);
    match (whole / 86_400, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", general(value.abs(), Some(4))),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        (days, _, _) => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// `12.35%`, of a share.
pub(super) fn humanize_percentage(value: f64) -> String {
    format!("{}%", general(value * 100.0, Some(4)))
}

/// `2026-11-21 02:10:00 +0000 UTC`, of seconds since 1970.
pub(super) fn humanize_timestamp(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Ok(general(value, Some(4)));
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is out of range then")]
    let millis = (value * 1000.0) as i64;
    let time = Timestamp::from_timestamp_millis(millis);
    let time = time.ok_or_else(|| format!("{value} is no time"))?;
    let text = time.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // Only zeros after the decimal point go.
    let text = if text.len() < 19 {
        time.format("%Y-%m-%d %H:%M:%S").to_string()
    } else {
        text.to_owned()
    };
    Ok(format!("{text} +0000 UTC"))
}
