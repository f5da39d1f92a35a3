//! `tripline uptime`: how the checks did, and whether anybody was watching.
//!
//! Reads the store beside the daemon; nothing is asked of it. Uptime is never shown without its
//! coverage: a hundred percent of nothing is no uptime.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use super::args::{Global, Uptime};
use super::exit::Exit;
use super::look::{Look, Paint, clean, padded};
use super::run::Stop;
use super::store::open;
use super::terminal::{Stream, Terminal};
use crate::clock::{Clock as _, System};
use crate::config::duration;
use crate::domain::Timestamp;
use crate::domain::coverage::Tally;
use crate::engine::accountant;
use crate::http::dto;
use crate::store::accounts::Place;

/// Runs the command.
pub(super) async fn run(
    wanted: &Uptime,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let store = open(global, terminal).await?;
    let broken = |error: crate::store::Error| Stop::Broken(error.to_string());
    let now = System.now();
    let until = store.accounted_until().await.map_err(broken)?.map_or(now, |until| until.min(now));
    let after = chrono::TimeDelta::from_std(wanted.since)
        .ok()
        .and_then(|since| now.checked_sub_signed(since))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .min(until);
    let (after, until) = accountant::by_the_hour(&*store, (after, until)).await.map_err(broken)?;
    let mut tallies = accountant::tallies(&*store, None, (after, until)).await.map_err(broken)?;
    if let Some(unknown) = wanted.checks.iter().find(|name| !is_there(&tallies, name)) {
        let since = duration::format(wanted.since);
        let text = format!("nothing is known of a check `{unknown}` in the last {since}");
        return Err(Stop::Usage(text));
    }
    tallies.retain(|(check, _), _| {
        wanted.checks.is_empty() || wanted.checks.iter().any(|name| name == check.as_str())
    });
    let mut out = anstream::stdout();
    if wanted.json {
        let answer = dto::Uptime::new((after, until), &tallies);
        let text = serde_json::to_string_pretty(&answer);
        writeln!(out, "{}", text.map_err(|error| Stop::Broken(error.to_string()))?)?;
    } else {
        out.write_all(table(&tallies, wanted.since, &terminal.look(Stream::Out)).as_bytes())?;
    }
    Ok(Exit::Good)
}

fn is_there(tallies: &BTreeMap<Place, Tally>, name: &str) -> bool {
    tallies.keys().any(|(check, _)| check.as_str() == name)
}

const HEADS: [&str; 6] = ["uptime", "coverage", "slots", "failed", "unknown", "missed"];
const WIDTH: usize = 10;

fn table(tallies: &BTreeMap<Place, Tally>, since: Duration, look: &Look) -> String {
    if tallies.is_empty() {
        let since = duration::format(since);
        return format!("No slot was due in the last {since}; `tripline up` watches.\n");
    }
    let head: String = HEADS.iter().map(|head| padded(head, WIDTH)).collect();
    let head = format!("{head}{}check", padded("late", WIDTH));
    let mut text = look.paint(Paint::Faint, &head) + "\n";
    for ((check, region), tally) in tallies {
        let cells = [
            percent(tally.uptime()),
            percent(tally.coverage()),
            tally.expected.to_string(),
            tally.failed.to_string(),
            tally.unknown.to_string(),
            tally.missed().to_string(),
            late(tally),
        ];
        let paints = [
            (tally.failed > 0).then_some(Paint::Bad),
            (tally.coverage().is_some_and(|part| part < 1.0)).then_some(Paint::Unsure),
        ];
        for (index, cell) in cells.iter().enumerate() {
            let cell = padded(cell, WIDTH);
            match paints.get(index).copied().flatten() {
                Some(paint) => text += &look.paint(paint, &cell),
                None => text += &cell,
            }
        }
        let _ = writeln!(text, "{} in {}", clean(check.as_str()), clean(region.as_str()));
    }
    text += &look.paint(Paint::Faint, "late: 99 of 100 runs started no later than this\n");
    text
}

/// Never rounded up: what is not whole is not shown as 100 %.
fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return "-".to_owned() };
    let hundredths = (share * 10_000.0).floor() / 100.0;
    if share >= 1.0 { "100 %".to_owned() } else { format!("{hundredths:.2} %") }
}

fn late(tally: &Tally) -> String {
    let runs: u64 = tally.lateness.0.iter().sum();
    match tally.lateness.at_most(0.99) {
        Some(late) => format!("{} ms", late.as_millis()),
        None if runs == 0 => "-".to_owned(),
        None => "over 10 s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::coverage::Lateness;
    use crate::domain::id::{CheckId, Region};

    #[test]
    fn what_is_not_whole_is_not_shown_as_whole() {
        assert_eq!(percent(Some(1.0)), "100 %");
        assert_eq!(percent(Some(0.999_999)), "99.99 %");
        assert_eq!(percent(Some(0.0)), "0.00 %");
        assert_eq!(percent(None), "-");
    }

    #[test]
    fn uptime_stands_beside_its_coverage() {
        let place = |check: &str, region: &str| {
            let check = CheckId::new(check).expect("a good name");
            (check, Region::new(region).expect("a good name"))
        };
        let mut classes = [0; 10];
        (classes[0], classes[1]) = (2_800, 60);
        let busy = Tally {
            expected: 2_880,
            passed: 2_850,
            failed: 10,
            unknown: 4,
            lateness: Lateness(classes),
            ..Tally::default()
        };
        let lost = Tally { expected: 2_880, ..Tally::default() };
        let tallies = BTreeMap::from([(place("login", "eu"), busy), (place("login", "us"), lost)]);
        let text = table(&tallies, Duration::from_hours(24), &Look::plain(100));
        insta::assert_snapshot!(text);
        let none = table(&BTreeMap::new(), Duration::from_hours(24), &Look::plain(100));
        insta::assert_snapshot!(none);
    }
}
