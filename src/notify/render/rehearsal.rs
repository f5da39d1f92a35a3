//! A message that tells of nothing, to see whether messages arrive.

use crate::domain::Timestamp;

/// What a rehearsal sent at `at` says, on every channel: in the GSM alphabet, and short enough for one
/// part of an SMS.
pub fn rehearsal(at: Timestamp) -> String {
    format!(
        "TEST from Tripline, sent by hand at {} UTC. Nothing is wrong: this shows that messages \
         arrive here.",
        at.format("%Y-%m-%d %H:%M")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::render::gsm;

    #[test]
    fn a_rehearsal_is_one_part_of_an_sms() {
        let text = rehearsal("2026-11-21T04:12:31Z".parse().expect("a time"));
        assert!(
            text.starts_with("TEST from Tripline, sent by hand at 2026-11-21 04:12 UTC."),
            "{text}"
        );
        assert!(gsm::exact(&text).is_some() && text.len() <= 160, "{text}");
    }
}
