//! The words that all channels share.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::clean::{cut, line};
use crate::domain::notice::{Notice, NoticeKind, RegionState};
use crate::domain::notification::Notification;
use crate::domain::run::Outcome;
use crate::domain::subject::Subject;

/// The longest method and the longest URL of a request: what came of it stands behind them.
const METHOD_LIMIT: usize = 20;
const URL_LIMIT: usize = 160;

/// That what was wrong has no data any more, before since when it was.
pub(super) const LOST: &str = "Its data are gone; breached since";

/// What stands behind the headline of a message that may have come before; with a space in front.
pub(super) fn repeat_mark(notification: &Notification) -> &'static str {
    if notification.possible_repeat { " (possible repeat)" } else { "" }
}

/// What happened, in at most three words.
pub(super) fn title(notification: &Notification) -> &'static str {
    match notification.notice.kind {
        NoticeKind::Failing { .. } if is_of_rule(&notification.notice) => {
            match (notification.first_word, notification.notice.fails_again) {
                (true, _) => "Breached",
                (false, true) => "Breached again",
                (false, false) => "Still breached",
            }
        }
        NoticeKind::Failing { .. } if notification.notice.subject.path().is_some() => {
            unproven(&notification.notice, notification.first_word)
        }
        NoticeKind::Failing { .. } if notification.first_word => "Failing",
        NoticeKind::Failing { .. } if notification.notice.fails_again => "Failing again",
        NoticeKind::Failing { .. } => "Still failing",
        NoticeKind::Blind => "Blind",
        NoticeKind::Acknowledged => "Acknowledged",
        NoticeKind::Noted => "Note",
        NoticeKind::Drill => "Drill",
        NoticeKind::Recovered | NoticeKind::Lost | NoticeKind::Withdrawn | NoticeKind::Closed => {
            ended(&notification.notice)
        }
    }
}

/// What is wrong with a path: it is broken, or nothing has shown that messages arrive by it.
pub(super) fn unproven(notice: &Notice, first_word: bool) -> &'static str {
    let is_of_one = notice.subject.path().is_some_and(|path| path.recipient().is_some());
    match (is_of_one, first_word) {
        (true, true) => "Unproven",
        (true, false) => "Still unproven",
        (false, true) => "Broken",
        (false, false) => "Still broken",
    }
}

/// How it ended, in at most three words.
pub(super) fn ended(notice: &Notice) -> &'static str {
    match notice.kind {
        NoticeKind::Lost => "Lost from sight",
        NoticeKind::Withdrawn => "No longer watched",
        NoticeKind::Closed => "Closed",
        NoticeKind::Recovered if notice.subject.path().is_some() => "Arrives again",
        NoticeKind::Recovered if !is_of_check(notice) && !is_of_rule(notice) => "Seen again",
        _ => "Recovered",
    }
}

/// When, as a sentence without its full stop.
pub(super) fn when(notification: &Notification) -> String {
    let notice = &notification.notice;
    match notice.kind {
        NoticeKind::Failing { .. }
        | NoticeKind::Blind
        | NoticeKind::Acknowledged
        | NoticeKind::Noted => format!("Since {}", since(notice)),
        NoticeKind::Drill => format!("Sent {} UTC", moment(notice.at, notice.at)),
        NoticeKind::Recovered if notification.first_word => {
            format!("{} {}, has recovered", was(notice), span(notice))
        }
        NoticeKind::Recovered | NoticeKind::Closed => format!("{} {}", was(notice), span(notice)),
        NoticeKind::Lost => format!("{LOST} {}", since(notice)),
        NoticeKind::Withdrawn => {
            let while_so = match notice.subject {
                Subject::Check(_) => "failing",
                Subject::Rule(_) => "breached",
                Subject::Path(_) => "unproven",
                _ => "unknown",
            };
            format!("Removed from the project while {while_so} since {}", since(notice))
        }
    }
}

/// What else there is to say, as one line.
pub(super) fn note(notice: &Notice) -> Option<String> {
    notice.note.as_deref().map(line).filter(|text| !text.is_empty())
}

/// What is over.
pub(super) fn was(notice: &Notice) -> &'static str {
    match notice.subject {
        Subject::Check(_) => "Was down",
        Subject::Rule(_) => "Was breached",
        Subject::Path(_) => "Was unproven",
        _ => "Was blind",
    }
}

/// What happened to a check that was taken out.
pub(super) fn removed(notice: &Notice) -> &'static str {
    match notice.subject {
        Subject::Check(_) => "Removed while failing since",
        Subject::Rule(_) => "Removed while breached since",
        Subject::Path(_) => "Removed while unproven since",
        _ => "Removed while unknown since",
    }
}

/// Whether it is about how a check is doing, and not about whether that is known.
fn is_of_check(notice: &Notice) -> bool {
    matches!(notice.subject, Subject::Check(_))
}

/// Whether it is about a rule being breached.
fn is_of_rule(notice: &Notice) -> bool {
    matches!(notice.subject, Subject::Rule(_))
}

/// What the last words of something that is over are called.
pub(super) fn last_error(notice: &Notice) -> &'static str {
    if is_of_rule(notice) { "Last seen" } else { "Last error" }
}

/// "2 in a row", where it says something.
pub(super) fn in_a_row(notice: &Notice) -> Option<String> {
    (matches!(notice.kind, NoticeKind::Failing { .. }) && has_place(notice))
        .then(|| format!("{} in a row", notice.failures_in_a_row))
}

/// Whether something is wrong now, so that step and error speak of the present.
pub(super) fn is_wrong(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Failing { .. } | NoticeKind::Blind)
}

/// "02:10:05 UTC (4 min)"
pub(super) fn since(notice: &Notice) -> String {
    let lasted = notice.lasted();
    let lasted =
        if lasted < Duration::from_secs(1) { "just now".to_owned() } else { duration(lasted) };
    format!("{} UTC ({lasted})", moment(notice.since, notice.at))
}

/// "02:10:05-02:14:10 UTC (4 min)"
pub(super) fn span(notice: &Notice) -> String {
    let (from, lasted) = (moment(notice.since, notice.at), duration(notice.lasted()));
    if notice.since.date_naive() == notice.at.date_naive() {
        format!("{from}-{} UTC ({lasted})", moment(notice.at, notice.at))
    } else {
        format!("{from} to {} UTC ({lasted})", moment(notice.at, notice.since))
    }
}

/// Whether the region needs to be said: where it is not the subject itself.
pub(super) fn has_place(notice: &Notice) -> bool {
    matches!(notice.subject, Subject::Check(_) | Subject::Coverage(_))
}

/// Where, with the other regions that are down.
pub(super) fn regions(notice: &Notice) -> String {
    const NAMED: usize = 4;
    let others: Vec<&str> = notice
        .down
        .iter()
        .filter(|region| **region != notice.region)
        .map(crate::domain::id::Region::as_str)
        .collect();
    let region = notice.region.as_str();
    match others.len() {
        0 => region.to_owned(),
        count if count <= NAMED => format!("{region}, also down: {}", others.join(", ")),
        count => format!(
            "{region}, also down: {} and {} more",
            others[..NAMED].join(", "),
            count - NAMED
        ),
    }
}

/// "eu-west-1 failed 2×, us-east-1 passed, ap-south-1 unknown", for a check with several regions.
pub(super) fn matrix(notice: &Notice) -> Option<String> {
    (notice.regions.len() > 1).then(|| states(&notice.regions.iter().collect::<Vec<_>>()))
}

/// The same without the region that the message is about.
pub(super) fn elsewhere(notice: &Notice) -> Option<String> {
    let others = notice.regions.iter().filter(|state| state.region != notice.region);
    let others: Vec<&RegionState> = others.collect();
    (!others.is_empty()).then(|| states(&others))
}

/// How each region is doing, for a check with several: the first by name, the rest by number.
pub(super) fn by_region(notice: &Notice) -> Vec<(Outcome, Standing<'_>)> {
    if notice.regions.len() > 1 {
        standings(&notice.regions.iter().collect::<Vec<_>>())
    } else {
        Vec::new()
    }
}

/// One region or several, and how they are doing.
pub(super) enum Standing<'a> {
    /// This one, in words.
    Region(&'a str, String),
    /// So many more, in words.
    More(String),
}

fn states(states: &[&RegionState]) -> String {
    let word = |(_, standing)| match standing {
        Standing::Region(region, words) => format!("{region} {words}"),
        Standing::More(words) => words,
    };
    standings(states).into_iter().map(word).collect::<Vec<_>>().join(", ")
}

fn standings<'a>(states: &[&'a RegionState]) -> Vec<(Outcome, Standing<'a>)> {
    const NAMED: usize = 8;
    let word = |state: &&'a RegionState| {
        let words = match state.outcome {
            Outcome::Failed => format!("failed {}×", state.failures_in_a_row),
            other => other.as_str().to_owned(),
        };
        (state.outcome, Standing::Region(state.region.as_str(), words))
    };
    let named = if states.len() > NAMED + 1 { NAMED } else { states.len() };
    let (named, rest) = states.split_at(named);
    let counts = [Outcome::Failed, Outcome::Passed, Outcome::Unknown]
        .map(|outcome| (rest.iter().filter(|state| state.outcome == outcome).count(), outcome));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let more =
        counts.map(|(count, it)| (it, Standing::More(format!("{count} more {}", it.as_str()))));
    named.iter().map(word).chain(more).collect()
}

/// The first failing step, cleaned.
pub(super) fn step(notice: &Notice) -> Option<String> {
    notice.step.as_deref().map(line).filter(|step| !step.is_empty())
}

/// The request that failed with what came of it, cleaned.
pub(in crate::notify) fn request(notice: &Notice) -> Option<String> {
    let request = notice.request.as_ref()?;
    let (method, url) =
        (cut(&line(&request.method), METHOD_LIMIT), cut(&line(&request.url), URL_LIMIT));
    Some(format!("{method} {url} → {}", line(&request.outcome())))
}

/// The error, cleaned.
pub(super) fn error(notice: &Notice) -> Option<String> {
    Some(line(&notice.error)).filter(|error| !error.is_empty())
}

/// What people call the check or the region, cleaned.
pub(super) fn name(notice: &Notice) -> String {
    if let Subject::Region(region) | Subject::Shortfall(region) = &notice.subject {
        return format!("region {region}");
    }
    let name = line(&notice.check_name);
    if name.is_empty() { notice.subject.name().to_owned() } else { name }
}

/// A time of day, with its date when that is not the date of `at`.
fn moment(moment: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let same_day = moment.date_naive() == at.date_naive();
    moment.format(if same_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// A duration as people say it: two units at most.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// An address that can be a link: `http` or `https`, and not absurdly long.
pub(in crate::notify) fn web_address(text: &str) -> Option<String> {
    const LONGEST: usize = 1000;
    let url = url::Url::parse(text).ok()?;
    let fits = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= LONGEST;
    // The parser encodes all other characters that mean something to Slack.
    fits.then(|| url.as_str().replace('|', "%7C"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let say = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([say(0), say(59), say(60)], ["0 s", "59 s", "1 min"]);
        assert_eq!([say(3599), say(4800)], ["59 min", "1 h 20 min"]);
        assert_eq!(say(2 * 86400 + 3 * 3600 + 7), "2 d 3 h");
    }

    #[test]
    fn only_web_addresses_become_links() {
        let link = |text| web_address(text);
        assert_eq!(link("https://w.example/a?b=1&c=<x>|y").as_deref(), {
            Some("https://w.example/a?b=1&c=%3Cx%3E%7Cy")
        });
        assert_eq!(link("javascript:alert(1)"), None);
        assert_eq!(link("the wiki"), None);
        assert_eq!(link(&format!("https://w.example/{}", "x".repeat(1000))), None);
    }
}
