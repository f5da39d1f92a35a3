//! Times, durations, counts and shares as people read them.
//!
//! The server knows no viewer's zone, so it writes UTC and says so; `times.js` rewrites it from the
//! machine's form, which stands beside it.

use std::time::Duration;

use chrono::SecondsFormat;
use maud::{Markup, html};

use crate::domain::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long ago `at` was: "3 min ago", with the moment itself on hover.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let text = match (now - at).to_std() {
        Err(_) => format!("in {}", span((at - now).to_std().unwrap_or_default())),
        Ok(age) if age < Duration::from_secs(1) => "just now".to_owned(),
        Ok(age) => format!("{} ago", span(age)),
    };
    time(at, "ago", &text)
}

/// For how long something has been so since `at`: "4 min 12 s".
pub(super) fn lasting(at: Timestamp, now: Timestamp) -> Markup {
    time(at, "lasting", &span((now - at).to_std().unwrap_or_default()))
}

/// The moment itself; of another day than `now`, with its date.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    let is_today = at.date_naive() == now.date_naive();
    let form = if is_today { "%H:%M:%S UTC" } else { "%-d %b %Y %H:%M:%S UTC" };
    time(at, "moment", &at.format(form).to_string())
}

fn time(at: Timestamp, form: &str, text: &str) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let full = at.format("%A, %-d %B %Y %H:%M:%S UTC").to_string();
    html! { time datetime=(exact) title=(full) data-form=(form) { (text) } }
}

/// A span of time in its two largest units: "42 s", "4 min 12 s", "3 h 5 min", "2 d 4 h".
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |large: u64, large_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large} {large_name}"),
        _ => format!("{large} {large_name} {small} {small_name}"),
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two(seconds / MINUTE, "min", seconds % MINUTE, "s"),
        HOUR..DAY => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        _ => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// A share of one as percent, cut and never rounded up: 99.996 % is not 100 %.
pub(super) fn percent(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-6).floor() / 100.0;
    format!("{hundredths} %")
}

/// A number with the word for what is counted: "1 check", "12 checks".
pub(super) fn count(number: usize, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

/// A short span: "3 ms", "2.5 s", and as [`span`] from a minute on.
pub(super) fn short(length: Duration) -> String {
    match length.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{:.1} s", length.as_secs_f64()),
        _ => span(length),
    }
}

/// A size: "512 B", "1.2 KiB", "3 MiB".
pub(super) fn bytes(size: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if size < 1_024 {
        return format!("{size} B");
    }
    let (mut tenths, mut unit) = (size.saturating_mul(10) / 1_024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1_024, unit + 1);
    }
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_two_units() {
        let said = |seconds| span(Duration::from_secs(seconds));
        let all = [0, 59, 60, 252, 3_600, 11_130, 86_400, 187_200];
        assert_eq!(
            all.map(said),
            ["0 s", "59 s", "1 min", "4 min 12 s", "1 h", "3 h 5 min", "1 d", "2 d 4 h"]
        );
    }

    #[test]
    fn lengths_and_sizes_are_said_in_one_unit() {
        let said = [0, 999, 1_500, 61_000].map(|millis| short(Duration::from_millis(millis)));
        assert_eq!(said, ["0 ms", "999 ms", "1.5 s", "1 min 1 s"]);
        let said = [0, 1_023, 1_200, 1 << 20, 5 << 40].map(bytes);
        assert_eq!(said, ["0 B", "1023 B", "1.1 KiB", "1 MiB", "5120 GiB"]);
    }

    #[test]
    fn what_is_not_whole_is_never_said_to_be() {
        let all = [1.0, 0.999_99, 0.9995, 0.5, 0.0, 30.0 / 59.0];
        assert_eq!(all.map(percent), ["100 %", "99.99 %", "99.95 %", "50 %", "0 %", "50.84 %"]);
    }

    #[test]
    fn a_time_says_when_in_full() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-21T04:12:31Z");
        assert_eq!(
            ago(at("2026-11-21T04:09:31Z"), now).into_string(),
            "<time datetime=\"2026-11-21T04:09:31.000Z\" title=\"Saturday, 21 November 2026 \
             04:09:31 UTC\" data-form=\"ago\">3 min ago</time>"
        );
        assert!(ago(at("2026-11-21T04:12:41Z"), now).into_string().contains(">in 10 s<"));
        assert!(ago(now, now).into_string().contains(">just now<"));
        assert!(moment(at("2026-11-20T04:09:31Z"), now).into_string().contains(">20 Nov 2026 04:"));
        assert!(moment(now, now).into_string().contains(">04:12:31 UTC<"));
    }
}
