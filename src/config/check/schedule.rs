//! When a check runs and how long a run may take.

use std::time::Duration;

use chrono::TimeZone as _;

use super::Defaults;
use crate::config::diagnostic::Span;
use crate::config::reader::{Field, Report, Table};
use crate::config::{duration, suggestion};
use crate::domain::schedule::{Cron, Interval, Schedule, ScheduleError};
use crate::domain::zone::{UnknownZone, Zone};

/// The shortest limit of a run.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// The longest limit of a run.
const LONGEST_TIMEOUT: Duration = Duration::from_mins(15);

/// When a check runs and how long a run may take; `None` for what has a mistake.
pub(super) struct Timing {
    pub(super) schedule: Option<Schedule>,
    pub(super) timeout: Option<Duration>,
}

/// Reads `every`, `cron`, `timezone` and `timeout`.
pub(super) fn read(table: &mut Table<'_>, defaults: &Defaults, report: &mut Report) -> Timing {
    let (every, cron) = (table.optional("every"), table.optional("cron"));
    let zone = table.optional("timezone");
    let schedule = match (&every, &cron) {
        (Some(every), Some(cron)) => {
            report
                .error(&cron.key_span, "a check has either `every` or `cron`, not both")
                .relate(every.key_span.clone(), "the other one");
            // Their own mistakes are told, too.
            interval(every, report);
            read_cron(cron, zone.as_ref(), report);
            None
        }
        (None, Some(cron)) => read_cron(cron, zone.as_ref(), report).map(Box::new),
        _ => None,
    };
    if let (None, Some(zone)) = (&cron, &zone) {
        report
            .error(&zone.key_span, "`timezone` has a meaning with `cron` only")
            .advise("an interval is the same in every time zone; leave `timezone` out");
    }
    let schedule = match (&every, &cron) {
        (None, None) => Some(Schedule::Every(defaults.every)),
        (Some(field), None) => interval(field, report).map(Schedule::Every),
        (_, Some(_)) => schedule.map(Schedule::Cron),
    };
    let place = every.as_ref().or(cron.as_ref()).map_or(&table.span, |field| &field.span).clone();
    let timeout = read_timeout(table, schedule.as_ref(), &place, defaults, report);
    Timing { schedule, timeout }
}

fn read_timeout(
    table: &mut Table<'_>,
    schedule: Option<&Schedule>,
    place: &Span,
    defaults: &Defaults,
    report: &mut Report,
) -> Option<Duration> {
    let shortest = schedule.map(shortest_gap);
    let Some(field) = table.optional("timeout") else {
        return Some(shortest.map_or(defaults.timeout, |gap| room(gap).min(defaults.timeout)));
    };
    let timeout = timeout(&field, report)?;
    check_timeout(timeout, &field.span, shortest.map(|gap| (gap, place)), report)?;
    Some(timeout)
}

/// How long a run may take that nobody set a limit for, so that it has ended and been stored when
/// the next one, `gap` later, begins: a tenth of the time is left, a second at most.
fn room(gap: Duration) -> Duration {
    (gap * 9 / 10).max(gap.saturating_sub(Duration::from_secs(1)))
}

/// An interval between runs.
pub(super) fn interval(field: &Field<'_>, report: &mut Report) -> Option<Interval> {
    let every = field.duration(Interval::SHORTEST..=Interval::LONGEST, report)?;
    Interval::new(every).ok()
}

/// The limit of a run.
pub(super) fn timeout(field: &Field<'_>, report: &mut Report) -> Option<Duration> {
    field.duration(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT, report)
}

/// Checks that a run ends before the next begins. `shortest` is the least time between two slots
/// and the place that says so.
pub(super) fn check_timeout(
    timeout: Duration,
    span: &Span,
    shortest: Option<(Duration, &Span)>,
    report: &mut Report,
) -> Option<()> {
    let Some((gap, place)) = shortest.filter(|(gap, _)| timeout > *gap) else {
        return Some(());
    };
    let [timeout, gap] = [timeout, gap].map(duration::format);
    report
        .error(span, format!("a timeout of {timeout} is longer than the {gap} between two runs"))
        .advise(format!("a run must end before the next begins: at most `\"{gap}\"` is possible"))
        .relate(place.clone(), "runs this often");
    None
}

/// The least time between two slots; for cron, among the next few hundred of any time.
fn shortest_gap(schedule: &Schedule) -> Duration {
    const LOOKED_AT: usize = 200;
    /// Two slots of a crontab line are never nearer.
    const LEAST: Duration = Duration::from_mins(1);
    let cron = match schedule {
        Schedule::Every(interval) => return interval.duration(),
        Schedule::Cron(cron) => cron,
    };
    let mut shortest = LONGEST_TIMEOUT;
    let start = chrono::Utc.timestamp_opt(1_767_225_600, 0).single();
    let mut at = start.and_then(|start| cron.next_after(start));
    for _ in 0..LOOKED_AT {
        let Some((slot, next)) = at.and_then(|slot| Some((slot, cron.next_after(slot)?))) else {
            break;
        };
        shortest = shortest.min((next - slot).to_std().unwrap_or(LEAST));
        if shortest <= LEAST {
            break;
        }
        at = Some(next);
    }
    shortest
}

/// A crontab line, in its time zone.
pub(in crate::config) fn read_cron(
    field: &Field<'_>,
    zone: Option<&Field<'_>>,
    report: &mut Report,
) -> Option<Cron> {
    let zone_name = match zone {
        Some(zone) => zone.text(report),
        None => Some("UTC"),
    };
    let line = field.text(report)?;
    let error = match Cron::parse(line, zone_name?) {
        Ok(cron) => return Some(cron),
        Err(error) => error,
    };
    match (&error, zone) {
        (ScheduleError::Zone(UnknownZone(name)), Some(zone)) => {
            let help = suggestion::closest(name, Zone::names());
            let help = help.map_or("write it like `Europe/Berlin` or `UTC`".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            report.error(&zone.span, format!("there is no time zone `{name}`")).advise(help);
            // The line has not been looked at yet.
            if let Err(error) = Cron::parse(line, "UTC") {
                report_line(&error, field, report);
            }
        }
        _ => report_line(&error, field, report),
    }
    None
}

fn report_line(error: &ScheduleError, field: &Field<'_>, report: &mut Report) {
    let span = match error {
        ScheduleError::Field { text, .. } => field_span(&report.document().text, field, text),
        _ => None,
    };
    let message = error.to_string();
    let span = span.unwrap_or_else(|| field.span.clone());
    let note = report.error(&span, message.trim_end_matches('.'));
    match error {
        ScheduleError::FieldCount(6) => {
            note.advise("there is no field for seconds; for less than a minute use `every`");
        }
        ScheduleError::FieldCount(_) => {
            note.advise("every five minutes is `*/5 * * * *`");
        }
        _ => {}
    }
}

/// Where one field of a crontab line stands, if it stands there only once.
fn field_span(source: &str, line: &Field<'_>, wanted: &str) -> Option<Span> {
    let written = source.get(line.span.clone())?;
    let is_edge = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "\"'`".contains(c));
    let mut places = written.match_indices(wanted).filter(|(at, _)| {
        is_edge(written[..*at].chars().next_back())
            && is_edge(written[at + wanted.len()..].chars().next())
    });
    let (at, _) = places.next()?;
    let start = line.span.start + at;
    places.next().is_none().then(|| start..start + wanted.len())
}
