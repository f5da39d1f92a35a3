//! The readable report of `tripline test`, and the same for machines.
//!
//! A report is made from what a run reported, and from nothing else. Whatever a script or a target
//! said in it is cleaned before it can reach a terminal.

mod failure;
mod junit;
#[cfg(test)]
mod tests;
mod waterfall;

pub use self::junit::to_junit;
use super::look::{Look, Paint, clean, clean_lines, counted, spoken};
use crate::domain::check::{Check, Work};
use crate::domain::run::{LogLevel, Outcome, Report};
use crate::http::dto;

/// A check that was run once, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Tested<'a> {
    /// The check.
    pub check: &'a Check,
    /// What came of it.
    pub report: &'a Report,
}

impl Tested<'_> {
    /// The file in which the check stands.
    fn file(&self) -> &str {
        match &self.check.work {
            Work::Script { entry } => entry,
            Work::Request(_) => "tripline.toml",
        }
    }
}

/// The report of one check, for people; ends with a line break.
pub fn render(tested: &Tested<'_>, look: &Look) -> String {
    let report = tested.report;
    let mut lines = vec![header(tested, look)];
    lines.extend(waterfall::lines(report, look));
    lines.extend(console(report, look));
    lines.extend(measured(report, look));
    let dropped = report.trace.dropped.iter();
    lines.extend(
        dropped.map(|what| look.paint(Paint::Unsure, &format!("  left out: {}", clean(what)))),
    );
    lines.extend(report.failure.iter().flat_map(|failure| failure::lines(failure, look)));
    lines.push(String::new());
    lines.join("\n")
}

/// The line that says how it went over all, for people; ends with a line break.
pub fn summary(tested: &[Tested<'_>], look: &Look) -> String {
    let outcomes: Vec<Outcome> = tested.iter().map(|tested| tested.report.outcome()).collect();
    let said = [Outcome::Passed, Outcome::Failed, Outcome::Unknown].map(|outcome| {
        let count = outcomes.iter().filter(|own| **own == outcome).count();
        (count > 0)
            .then(|| look.paint(Paint::of(outcome), &format!("{count} {}", outcome.as_str())))
    });
    let said: Vec<String> = said.into_iter().flatten().collect();
    let time = tested.iter().map(|tested| tested.report.duration).sum();
    let checks = counted(tested.len(), "check");
    if said.is_empty() {
        return format!("{checks}\n");
    }
    let time = look.paint(Paint::Faint, &format!("in {}", spoken(time)));
    format!("{checks}: {}  {time}\n", said.join(", "))
}

/// The runs as JSON: `{ "runs": [...] }`, each as the API has it; ends with a line break.
///
/// # Errors
///
/// [`serde_json::Error`] when the JSON cannot be written.
pub fn to_json(tested: &[Tested<'_>]) -> Result<String, serde_json::Error> {
    let runs: Vec<dto::Run> = tested.iter().map(|tested| dto::Run::from(tested.report)).collect();
    let json = serde_json::to_string_pretty(&serde_json::json!({ "runs": runs }))?;
    Ok(super::look::clean_json(&json) + "\n")
}

/// The mark, the name, and which run it was.
fn header(tested: &Tested<'_>, look: &Look) -> String {
    let (check, report) = (tested.check, tested.report);
    let outcome = report.outcome();
    let dot = look.sign(" · ", ", ");
    let mut details = vec![report.slot.region.to_string(), spoken(report.duration)];
    if check.name != check.id.as_str() {
        details.insert(0, check.id.to_string());
    }
    let name = look.paint(Paint::Strong, &clean(&check.name));
    let word = match outcome {
        Outcome::Passed => String::new(),
        Outcome::Failed | Outcome::Unknown => {
            look.paint(Paint::of(outcome), &format!("  {}", outcome.as_str()))
        }
    };
    let details = look.paint(Paint::Faint, &details.join(dot));
    format!("{} {name}{word}  {details}", look.mark(outcome))
}

/// What the script measured with `metric()`.
fn measured(report: &Report, look: &Look) -> Vec<String> {
    let measurements = &report.trace.measurements;
    if measurements.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![look.paint(Paint::Faint, "  measured")];
    lines.extend(measurements.iter().map(|it| {
        let tags = it.tags.iter().map(|(key, value)| format!("{}={}", clean(key), clean(value)));
        let tags = tags.collect::<Vec<_>>().join(" ");
        let line =
            format!("    {}  {}  {}", clean(&it.name), it.value, look.paint(Paint::Faint, &tags));
        line.trim_end().to_owned()
    }));
    lines
}

/// What the script wrote to its console.
fn console(report: &Report, look: &Look) -> Vec<String> {
    if report.trace.logs.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![look.paint(Paint::Faint, "  console")];
    for line in &report.trace.logs {
        let paint = match line.level {
            LogLevel::Error => Paint::Bad,
            LogLevel::Warn => Paint::Unsure,
            LogLevel::Info => Paint::Accent,
            LogLevel::Debug => Paint::Faint,
        };
        let at = look.paint(Paint::Faint, &format!("{:>9}", spoken(line.at)));
        let level = look.paint(paint, &format!("{:<5}", line.level.as_str()));
        let mut text = clean_lines(&line.text).into_iter();
        lines.push(format!("  {at}  {level}  {}", text.next().unwrap_or_default()));
        // Further lines stand where no time or level can: they cannot pass for lines of their own.
        lines.extend(text.map(|text| format!("{:20}{text}", "")));
    }
    lines
}
