//! How much of a report is read: a peer may send more than an agent of this version ever would.
//!
//! What is beyond a bound is cut off and not refused, because a later version's bounds may be wider
//! and its failure is to be heard of all the same; the run says what was left out. Each is at least
//! twice what this version's agents send.

use super::Malformed;
use crate::domain::exchange::ROOM_OF_RUN;
use crate::domain::run::{
    Comparison, Failure, LogLine, Measurement, Position, Request, Step, Trace,
};

/// The longest name of a step or measurement, tag or remark, in bytes.
const NAME: usize = 1 << 10;
/// The longest error of a step or request, or path of a module, in bytes.
const LINE: usize = 4 << 10;
/// The longest text of a failure, and the longest URL, in bytes.
const TEXT: usize = 16 << 10;
/// The most steps, and the most measurements.
const MOST: usize = 2_000;
/// The most requests.
const MOST_REQUESTS: usize = 1_000;
/// The most tags of a measurement, and the most remarks about what was left out.
const FEW: usize = 100;
/// The most lines of the console.
const MOST_LINES: usize = 16_000;
/// The most that the requests of a run carried, in bytes.
const CARRIED: usize = 2 * ROOM_OF_RUN;
/// The longest console, in bytes.
const CONSOLE: usize = 256 << 10;

/// The trace within bounds, with what was left out.
pub(super) fn trace(trace: Trace) -> Trace {
    let Trace { mut steps, mut requests, mut logs, mut measurements, mut dropped } = trace;
    dropped.truncate(FEW);
    for remark in &mut dropped {
        cut(remark, NAME);
    }
    cut_list(&mut steps, MOST, "steps", &mut dropped);
    cut_list(&mut requests, MOST_REQUESTS, "requests", &mut dropped);
    cut_list(&mut measurements, MOST, "measurements", &mut dropped);
    let kept = lines_within(&logs);
    cut_list(&mut logs, kept, "lines of the console", &mut dropped);
    steps.iter_mut().for_each(step);
    for one in &mut requests {
        request(one, steps.len());
    }
    exchanges(&mut requests, &mut dropped);
    for line in &mut logs {
        cut(&mut line.text, CONSOLE);
    }
    measurements.iter_mut().for_each(measurement);
    Trace { steps, requests, logs, measurements, dropped }
}

/// The failure within bounds.
pub(super) fn failure(mut failure: Failure) -> Failure {
    cut(&mut failure.message, TEXT);
    failure.step.iter_mut().for_each(|step| cut(step, NAME));
    failure.frame.iter_mut().for_each(|frame| cut(frame, TEXT));
    if let Some(Comparison { expected, received }) = &mut failure.comparison {
        cut(expected, TEXT);
        cut(received, TEXT);
    }
    if let Some(Position { file, .. }) = &mut failure.position {
        cut(file, LINE);
    }
    failure
}

fn step(step: &mut Step) {
    cut(&mut step.name, NAME);
    step.error.iter_mut().for_each(|error| cut(error, LINE));
}

fn request(request: &mut Request, steps: usize) {
    cut(&mut request.method, NAME);
    cut(&mut request.url, TEXT);
    request.remote.iter_mut().for_each(|remote| cut(remote, NAME));
    request.error.iter_mut().for_each(|error| cut(error, LINE));
    // Its step may have been left out.
    request.step = request.step.filter(|step| usize::try_from(*step).is_ok_and(|it| it < steps));
}

/// What requests carried; beyond the bound, that of the first ones is left out, as agents do.
fn exchanges(requests: &mut [Request], dropped: &mut Vec<String>) {
    let (mut size, mut left_out) = (0_usize, 0);
    for request in requests.iter_mut().rev() {
        size = size.saturating_add(request.exchange.as_ref().map_or(0, |it| it.size()));
        if size > CARRIED && request.exchange.take().is_some() {
            left_out += 1;
        }
    }
    if left_out > 0 {
        dropped.push(format!("the hub left out what {left_out} requests carried"));
    }
}

fn measurement(measurement: &mut Measurement) {
    cut(&mut measurement.name, NAME);
    measurement.tags.truncate(FEW);
    for (name, value) in &mut measurement.tags {
        cut(name, NAME);
        cut(value, NAME);
    }
}

/// How many lines fit into the longest console.
fn lines_within(logs: &[LogLine]) -> usize {
    let mut length = 0_usize;
    let fits = |line: &&LogLine| {
        length = length.saturating_add(line.text.len());
        length <= CONSOLE
    };
    // The first is cut, however long it is.
    logs.iter().take(MOST_LINES).take_while(fits).count().max(logs.len().min(1))
}

fn cut_list<T>(list: &mut Vec<T>, most: usize, what: &str, dropped: &mut Vec<String>) {
    if list.len() > most {
        dropped.push(format!("the hub left out {} {what}", list.len() - most));
        list.truncate(most);
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let at = text.floor_char_boundary(most);
        text.truncate(at);
        text.push('…');
    }
}

/// Refuses a text that cannot be the name of anything, before it is repeated in a reason.
pub(super) fn name<'t>(what: &str, text: &'t str) -> Result<&'t str, Malformed> {
    if text.len() <= NAME {
        return Ok(text);
    }
    Err(Malformed(format!("{what} has a name of {} characters", text.len())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::exchange::{Exchange, Message};
    use crate::domain::run::{FailureKind, LogLevel, Timings};

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let step = Step {
            name: "é".repeat(NAME),
            parent: None,
            start: Duration::ZERO,
            duration: None,
            error: Some("x".repeat(LINE + 1)),
        };
        let of_step = |at: usize| Request {
            step: u32::try_from(at).ok(),
            start: Duration::ZERO,
            method: "GET".into(),
            url: "u".repeat(1 << 20),
            status: None,
            remote: None,
            sent: 0,
            received: 0,
            timings: Timings::default(),
            certificate_until: None,
            error: None,
            exchange: None,
        };
        let line = |length: usize| LogLine {
            at: Duration::ZERO,
            level: LogLevel::Info,
            text: "l".repeat(length),
        };
        let within = trace(Trace {
            steps: vec![step; MOST + 5],
            requests: vec![of_step(0), of_step(MOST + 1)],
            logs: vec![line(CONSOLE - 1), line(1), line(1)],
            measurements: Vec::new(),
            dropped: vec!["d".repeat(1 << 20); 1_000],
        });
        assert_eq!((within.steps.len(), within.logs.len()), (MOST, 2));
        assert!(within.steps.iter().all(|it| it.name.len() <= NAME + 3));
        assert_eq!(within.steps[0].name.chars().last(), Some('…'));
        assert_eq!((within.requests[0].step, within.requests[1].step), (Some(0), None));
        assert!(within.requests[0].url.len() <= TEXT + 3);
        let said = &within.dropped[FEW..];
        assert_eq!(said, ["the hub left out 5 steps", "the hub left out 1 lines of the console"]);
        let one_long = trace(Trace { logs: vec![line(CONSOLE * 2)], ..Trace::default() });
        assert_eq!(one_long.logs[0].text.len(), CONSOLE + 3);

        let carried = |length: usize| {
            let sent = Message { body: Some("b".repeat(length)), ..Message::default() };
            let exchange = Some(Box::new(Exchange { sent, received: None }));
            Request { exchange, ..of_step(0) }
        };
        let much = trace(Trace {
            requests: vec![carried(2), carried(CARRIED - 1), carried(1)],
            ..Trace::default()
        });
        let kept: Vec<bool> = much.requests.iter().map(|it| it.exchange.is_some()).collect();
        assert_eq!(kept, [false, true, true]);
        assert_eq!(much.dropped, ["the hub left out what 1 requests carried"]);

        let mut long = Failure::new(FailureKind::Exception, "m".repeat(1 << 20));
        long.step = Some("s".repeat(1 << 20));
        let short = failure(long);
        assert!(short.message.len() <= TEXT + 3);
        assert!(short.step.is_some_and(|step| step.len() <= NAME + 3));
        let plain = Failure::new(FailureKind::Exception, "it broke");
        assert_eq!(failure(plain.clone()), plain);
    }
}
