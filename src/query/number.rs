//! Numbers, durations and quoted texts: how PromQL writes them and how Go prints them.
//!
//! Sources: Prometheus' lexer and `model.ParseDuration`, Go's `strconv`. No evaluation here.

use std::fmt::Write;

/// Reads a number literal: decimal, `0x` hexadecimal, leading-zero octal, `_` between digits,
/// `Inf` and `NaN` in any case.
pub(super) fn number(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "inf" | "+inf" => return Some(f64::INFINITY),
        "-inf" => return Some(f64::NEG_INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let digits = text.replace('_', "").to_ascii_lowercase();
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return hexadecimal_number(hexadecimal);
    }
    let octal = digits.len() > 1 && digits.starts_with('0');
    if octal && digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return i64::from_str_radix(&digits, 8).ok().map(whole);
    }
    let known = digits.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
    let value: f64 = if known { digits.parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

/// A whole hexadecimal number, or one with a binary exponent (`1.8p3`).
fn hexadecimal_number(digits: &str) -> Option<f64> {
    let Some((mantissa, exponent)) = digits.split_once('p') else {
        return i64::from_str_radix(digits, 16).ok().map(whole);
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let all = format!("{integer}{fraction}");
    if all.is_empty() || all.len() > 13 || exponent.abs() > 1000 {
        return None;
    }
    let value = whole(i64::from_str_radix(&all, 16).ok()?);
    let places = i32::try_from(fraction.len()).ok()?;
    Some(value * 2f64.powi(exponent - 4 * places))
}

#[expect(clippy::cast_precision_loss, reason = "a literal is a float in PromQL")]
pub(super) fn whole(value: i64) -> f64 {
    value as f64
}

/// Reads the upper bound of a bucket, as Go's `ParseFloat` does.
pub(super) fn bound(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let plain = unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    let value: f64 = if plain { text.parse().ok()? } else { return None };
    value.is_finite().then_some(value)
}

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration: what 63 bits of nanoseconds hold, in milliseconds.
pub(super) const LONGEST: i64 = i64::MAX / 1_000_000;

/// Reads a duration such as `1h30m`, in milliseconds; each unit once, the large ones first.
///
/// # Errors
/// What is wrong with the text, in the words of Prometheus.
pub fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {text:?}");
    let (mut rest, mut total, mut from) = (text, 0_i64, 0);
    if rest.is_empty() {
        return Err("empty duration string".to_owned());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let amount: i64 = rest[..end].parse().map_err(|_| invalid())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = UNITS[from..].iter().position(|(unit, _)| *unit == &rest[..end]);
        let at = from + unit.ok_or_else(invalid)?;
        let part = amount.checked_mul(UNITS[at].1);
        total = part
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| "duration out of range".to_owned())?;
        from = at + 1;
        rest = &rest[end..];
    }
    Ok(total)
}

/// Seconds as milliseconds, cut as Go cuts them; nothing where they do not fit.
pub(super) fn milliseconds(seconds: f64) -> Option<i64> {
    let nanoseconds = (seconds * 1e9).round();
    if nanoseconds.is_nan() || nanoseconds.abs() >= 9.2e18 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the line above")]
    Some((nanoseconds as i64) / 1_000_000)
}

/// Takes the quotes off a text and resolves Go's escapes. The result is bytes: `\xff` is one.
pub(super) fn unquote(text: &str) -> Result<Vec<u8>, String> {
    let quote = text.bytes().next().unwrap_or_default();
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if quote == b'`' {
        return Ok(inner.as_bytes().to_vec());
    }
    let (mut out, mut chars) = (Vec::with_capacity(inner.len()), inner.chars());
    while let Some(c) = chars.next() {
        if c == '\\' {
            escape(&mut chars, quote, &mut out)?;
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(out)
}

fn escape(chars: &mut std::str::Chars<'_>, quote: u8, out: &mut Vec<u8>) -> Result<(), String> {
    let letter = chars.next().ok_or("escape sequence not terminated")?;
    let (digits, radix, first) = match letter {
        'a' => return push(out, 7),
        'b' => return push(out, 8),
        'f' => return push(out, 12),
        'n' => return push(out, b'\n'),
        'r' => return push(out, b'\r'),
        't' => return push(out, b'\t'),
        'v' => return push(out, 11),
        '\\' => return push(out, b'\\'),
        c if u32::from(c) == u32::from(quote) => return push(out, quote),
        'x' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        '0'..='7' => (2, 8, letter.to_digit(8).unwrap_or_default()),
        other => return Err(format!("unknown escape sequence {other:?}")),
    };
    let mut code = first;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(radix));
        let digit = digit.ok_or("illegal character or end in an escape sequence")?;
        code = code.wrapping_mul(radix).wrapping_add(digit);
    }
    if matches!(letter, 'u' | 'U') {
        let c = char::from_u32(code).ok_or("escape sequence is an invalid Unicode code point")?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok(());
    }
    push(out, u8::try_from(code).map_err(|_| "octal escape value over 255")?)
}

#[expect(clippy::unnecessary_wraps, reason = "the arms of a match return it")]
fn push(out: &mut Vec<u8>, byte: u8) -> Result<(), String> {
    out.push(byte);
    Ok(())
}

/// Bytes as Go's `%q` prints them: what is no UTF-8 as `\x..`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let text = format!("{:?}", chunk.valid());
        out.push_str(&text[1..text.len() - 1]);
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a string takes all");
        }
    }
    out.push('"');
    out
}

/// A float as Go's `FormatFloat(f, 'f', -1, 64)` prints it: the shortest that reads back, never
/// with an exponent.
pub fn plain(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// A float as Go's `%g` prints it: with an exponent where it is very small or very large.
pub(super) fn general(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 || (1e-4..1e21).contains(&size) {
        return plain(value);
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_go_reads_them() {
        let cases = [
            ("12.34e6", 12_340_000.0),
            (".2", 0.2),
            ("2.", 2.0),
            ("0x1F", 31.0),
            ("0x1p3", 8.0),
            ("010", 8.0),
            ("08", 8.0),
            ("1_000", 1000.0),
            ("iNf", f64::INFINITY),
        ];
        for (text, value) in cases {
            assert_eq!(number(text).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
        for text in ["", "1__0", "_1", "1e", "0x", "1e999", "infinity", "0xffffffffffffffff"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_ordered_and_bounded() {
        assert_eq!(duration("1h30m"), Ok(5_400_000));
        assert_eq!(duration("1y2w3d4h5m6s7ms"), Ok(33_019_506_007));
        assert_eq!(duration("0s"), Ok(0));
        for text in ["", "1", "m", "1m1h", "1s1s", "5000000000000y", "1.5h", "300y"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(milliseconds(1.5), Some(1500));
        assert_eq!(milliseconds(1e300), None);
        assert_eq!(milliseconds(f64::NAN), None);
    }

    #[test]
    fn texts_lose_their_quotes_and_escapes() {
        assert_eq!(unquote(r#""a\n\x41\101\u20AC\"'""#), Ok("a\nAA€\"'".as_bytes().to_vec()));
        assert_eq!(unquote(r"`\n`"), Ok(b"\\n".to_vec()));
        assert_eq!(unquote(r#""\xff""#), Ok(vec![0xff]));
        for text in [r#""\q""#, r#""\x4""#, r#""\400""#, r#""\ud800""#, r#""\'""#] {
            assert!(unquote(text).is_err(), "{text}");
        }
        assert_eq!(quoted(b"a\xc5z"), r#""a\xc5z""#);
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        assert_eq!(plain(1e21), "1000000000000000000000");
        assert_eq!(general(1e21), "1e+21");
        assert_eq!(general(1.1), "1.1");
        assert_eq!(general(-1e-7), "-1e-07");
        assert_eq!(plain(f64::NEG_INFINITY), "-Inf");
    }
}
