//! The zone of whoever looks, in which charts are drawn: a script puts it into a cookie (`clocks.js`). Where it is
//! not known, it is UTC, and the charts say so.

use axum::http::{HeaderMap, header};
use chrono_tz::Tz;

/// How the cookie is called.
const NAME: &str = "tripline-zone";

/// The zone that a browser says; UTC where it says none that is known.
pub(super) fn of(headers: &HeaderMap) -> Tz {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|it| it.trim().split_once('='));
    let mut said = cookies.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    said.find_map(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_among_other_cookies_and_nothing_else_is_believed() {
        for (line, zone) in [
            ("", Tz::UTC),
            ("session=x; tripline-zone=Europe/Berlin", Tz::Europe__Berlin),
            ("tripline-zone=America/Argentina/Buenos_Aires", Tz::America__Argentina__Buenos_Aires),
            ("tripline-zone=Europe/Atlantis", Tz::UTC),
            ("tripline-zone=<script>", Tz::UTC),
            ("zone=Europe/Berlin", Tz::UTC),
        ] {
            let headers = [(header::COOKIE, line.parse().expect("a header"))].into_iter().collect();
            assert_eq!(of(&headers), zone, "{line}");
        }
    }
}
