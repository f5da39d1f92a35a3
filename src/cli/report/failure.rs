//! Why a run did not pass: what, where, expected and received, and the lines of the script.

use crate::cli::look::{Look, Paint, clean, clean_lines};
use crate::domain::run::{Comparison, Failure, FailureKind};

/// The lines about `failure`, after an empty one.
pub(super) fn lines(failure: &Failure, look: &Look) -> Vec<String> {
    let paint = Paint::of(failure.kind.outcome());
    let place = failure.position.as_ref().map(|position| {
        format!("at {}:{}:{}", clean(&position.file), position.line, position.column)
    });
    let step = failure.step.as_ref().map(|step| format!("in step `{}`", clean(step)));
    let title = [Some(title(failure.kind).to_owned()), step, place];
    let title = title.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let mut lines = vec![String::new(), format!("  {}", look.paint(paint, &title))];
    lines.extend(clean_lines(failure.account()).into_iter().map(|line| format!("  {line}")));
    if let Some(comparison) = failure.comparison.as_ref().filter(|it| !has_both(failure, it)) {
        lines.push(String::new());
        lines.extend(compared(comparison, look));
    }
    if let Some(frame) = &failure.frame {
        lines.push(String::new());
        lines.extend(clean_lines(frame).iter().map(|line| frame_line(line, look)));
    }
    lines
}

fn title(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Expectation => "An expectation was not met",
        FailureKind::Exception => "The script threw an error",
        FailureKind::Network => "The target could not be reached",
        FailureKind::Timeout => "The time was over",
        FailureKind::Limit => "The script ran into a limit of the sandbox",
        FailureKind::Script => "The script is not valid",
        FailureKind::Crashed => "The script's process ended before it was done",
        FailureKind::Overlap => "The previous run was still going",
        FailureKind::Overload => "There was no capacity in time",
        FailureKind::Interrupted => "The run was stopped",
        FailureKind::Agent => "Tripline itself could not make a request",
        FailureKind::CutOff => "This region is cut off",
    }
}

/// Whether the first line of the message ends with both values.
fn has_both(failure: &Failure, comparison: &Comparison) -> bool {
    let first = failure.message.lines().next().unwrap_or_default();
    first.ends_with(&format!("{}, received {}", comparison.expected, comparison.received))
}

/// Both values, each on one line if it has one, else as a block.
fn compared(comparison: &Comparison, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    let both = [
        ("expected", Paint::Good, &comparison.expected),
        ("received", Paint::Bad, &comparison.received),
    ];
    for (word, paint, value) in both {
        let word = look.paint(paint, word);
        match clean_lines(value).as_slice() {
            [] => lines.push(format!("    {word}  (nothing)")),
            [line] => lines.push(format!("    {word}  {line}")),
            many => {
                lines.push(format!("    {word}"));
                lines.extend(many.iter().map(|line| format!("      {line}")));
            }
        }
    }
    lines
}

/// A line of the script; the caret below it stands out.
fn frame_line(line: &str, look: &Look) -> String {
    let is_caret = line.ends_with('^') && line.chars().all(|c| " |^~>".contains(c));
    let painted = if is_caret { look.paint(Paint::Bad, line) } else { line.to_owned() };
    format!("  {painted}")
}
