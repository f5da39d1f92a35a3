//! Numbers between the kinds that data, times and drawings have. Nothing here can fail.

use super::Millis;

/// A time or a span of times. Exact for every time of a calendar.
#[expect(clippy::cast_precision_loss, reason = "times of a calendar are exact")]
pub(super) fn float(time: Millis) -> f64 {
    time as f64
}

/// How many.
#[expect(clippy::cast_precision_loss, reason = "what is drawn is far fewer")]
pub(super) fn count(many: usize) -> f64 {
    many as f64
}

/// The whole part of a size, from nothing to a million; zero for what is no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held within bounds first"
)]
pub(super) fn whole(size: f64) -> usize {
    if size.is_nan() { 0 } else { size.clamp(0.0, 1e6) as usize }
}

/// A count with its thousands told apart.
pub(super) fn thousands(many: usize) -> String {
    let digits = many.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `value` with so many significant digits, without zeros that say nothing.
pub(super) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    // Rounded first, so that 999.96 counts its digits as 1000.
    let power = |value: f64| whole(value.abs().log10().floor() + 400.0);
    let decimals = |power: usize| (whole(f64::from(digits)) + 399).saturating_sub(power);
    let rounded: f64 =
        format!("{value:.*}", decimals(power(value)).min(17)).parse().unwrap_or(value);
    let rounded = if rounded == 0.0 { value } else { rounded };
    trimmed(&format!("{value:.*}", decimals(power(rounded)).min(17)))
}

/// A decimal number without the zeros at its end, and without the sign of nothing.
pub(super) fn trimmed(text: &str) -> String {
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
