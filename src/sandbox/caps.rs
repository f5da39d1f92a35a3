//! What a run may say, counted by the parent.
//!
//! The engine keeps to limits of its own and explains them to the script's author; these here hold
//! even if the script has taken the child over. Pure. Steps are numbered by their order, so a step
//! that was left out has no number that anybody else may use.

use super::protocol::{Event, FromChild};

/// The most steps that are kept.
pub(super) const MAX_STEPS: u32 = 1000;
/// The most measurements that are kept.
pub(super) const MAX_METRICS: usize = 1000;
/// How much console text is kept, in bytes, each line with [`LINE_COST`] on top.
pub(super) const MAX_CONSOLE: usize = 128 << 10;
/// What a console line costs besides its text, in bytes.
const LINE_COST: usize = 16;
/// How much a run may say at all before it is ended, in bytes.
pub(super) const MAX_SAID: usize = 32 << 20;
/// The longest name of a step or a measurement, and the longest tag, in bytes.
const MAX_NAME: usize = 512;
/// The longest first line of a step's error, in bytes.
const MAX_ERROR: usize = 2 << 10;
/// The most tags of a measurement.
const MAX_TAGS: usize = 20;
/// The most remarks about things left out.
const MAX_REMARKS: usize = 20;

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It goes on, perhaps shortened.
    Keep(Event),
    /// It is left out and counted.
    Drop,
    /// No engine of ours says such a thing.
    Refuse(&'static str),
}

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    said: usize,
    /// For each step whether it is still open, up to [`MAX_STEPS`].
    steps: Vec<bool>,
    steps_dropped: u32,
    metrics: usize,
    metrics_dropped: usize,
    console: usize,
    console_dropped: usize,
    remarks: usize,
}

impl Ledger {
    /// Counts the bytes of a message; false when it was one too many.
    pub(super) fn count(&mut self, message: &FromChild, bytes: usize) -> bool {
        // Questions are bounded where they are asked.
        if matches!(message, FromChild::Event { .. } | FromChild::Abandon(_)) {
            self.said = self.said.saturating_add(bytes);
        }
        self.said <= MAX_SAID
    }

    /// Judges an event.
    pub(super) fn judge(&mut self, event: Event) -> Verdict {
        match event {
            Event::StepStarted { name, parent } => self.start_step(&name, parent),
            Event::StepEnded { step, error } => self.end_step(step, error.as_deref()),
            Event::Log { level, text } => match self.fit_line(&text) {
                Some(text) => Verdict::Keep(Event::Log { level, text }),
                None => Verdict::Drop,
            },
            Event::Metric { name, value, tags } => self.measure(&name, value, tags),
            Event::Dropped { what } => {
                self.remarks += 1;
                if self.remarks > MAX_REMARKS {
                    return Verdict::Drop;
                }
                Verdict::Keep(Event::Dropped { what: clip(&what, MAX_NAME) })
            }
        }
    }

    /// The step with this number, if it is one that was kept.
    pub(super) fn known_step(&self, step: Option<u32>) -> Option<u32> {
        step.filter(|step| (*step as usize) < self.steps.len())
    }

    /// The step that began last among those that are still open.
    pub(super) fn open_step(&self) -> Option<u32> {
        let at = self.steps.iter().rposition(|open| *open)?;
        u32::try_from(at).ok()
    }

    /// What was left out, in words.
    pub(super) fn left_out(&self) -> Vec<String> {
        let counts = [
            (self.steps_dropped as usize, format!("steps beyond {MAX_STEPS}")),
            (self.metrics_dropped, "measurements beyond their limits".to_owned()),
            (self.console_dropped, format!("bytes of console beyond {} KiB", MAX_CONSOLE >> 10)),
        ];
        let said = counts.into_iter().filter(|(count, _)| *count > 0);
        said.map(|(count, what)| format!("truncated {count} {what}")).collect()
    }

    fn start_step(&mut self, name: &str, parent: Option<u32>) -> Verdict {
        let begun = self.steps.len() + self.steps_dropped as usize;
        if parent.is_some_and(|parent| parent as usize >= begun) {
            return Verdict::Refuse("a step inside one that has not begun");
        }
        if self.steps.len() >= MAX_STEPS as usize {
            self.steps_dropped = self.steps_dropped.saturating_add(1);
            return Verdict::Drop;
        }
        self.steps.push(true);
        Verdict::Keep(Event::StepStarted {
            name: clip(name, MAX_NAME),
            parent: self.known_step(parent),
        })
    }

    fn end_step(&mut self, step: u32, error: Option<&str>) -> Verdict {
        let begun = self.steps.len() + self.steps_dropped as usize;
        match self.steps.get_mut(step as usize) {
            Some(open @ true) => {
                *open = false;
                let error = error.map(|error| clip(error, MAX_ERROR));
                Verdict::Keep(Event::StepEnded { step, error })
            }
            Some(false) => Verdict::Refuse("the end of a step that had ended"),
            None if (step as usize) < begun => Verdict::Drop,
            None => Verdict::Refuse("the end of a step that had not begun"),
        }
    }

    fn fit_line(&mut self, text: &str) -> Option<String> {
        let left = MAX_CONSOLE.saturating_sub(self.console + LINE_COST);
        let cost = text.len() + LINE_COST;
        self.console = self.console.saturating_add(cost).min(MAX_CONSOLE);
        if left == 0 {
            self.console_dropped = self.console_dropped.saturating_add(text.len());
            return None;
        }
        let kept = clip(text, left);
        self.console_dropped += text.len().saturating_sub(left);
        Some(kept)
    }

    fn measure(&mut self, name: &str, value: f64, tags: Vec<(String, String)>) -> Verdict {
        if !value.is_finite() {
            return Verdict::Refuse("a measurement that is not a finite number");
        }
        let long = |text: &str| text.len() > MAX_NAME;
        let too_much = long(name)
            || tags.len() > MAX_TAGS
            || tags.iter().any(|(key, value)| long(key) || long(value));
        if too_much || self.metrics >= MAX_METRICS {
            self.metrics_dropped += 1;
            return Verdict::Drop;
        }
        self.metrics += 1;
        Verdict::Keep(Event::Metric { name: name.to_owned(), value, tags })
    }
}

/// The text, or its beginning of at most `most` bytes and an ellipsis.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Level;
    use super::*;

    fn step(parent: Option<u32>) -> Event {
        Event::StepStarted { name: "s".to_owned(), parent }
    }

    fn end(step: u32) -> Event {
        Event::StepEnded { step, error: None }
    }

    fn line(text: &str) -> Event {
        Event::Log { level: Level::Info, text: text.to_owned() }
    }

    #[test]
    fn steps_begin_before_they_end_and_end_once() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.judge(step(None)), Verdict::Keep(step(None)));
        assert_eq!(ledger.judge(step(Some(0))), Verdict::Keep(step(Some(0))));
        assert!(matches!(ledger.judge(step(Some(2))), Verdict::Refuse(_)));
        assert_eq!(ledger.open_step(), Some(1));
        assert_eq!(ledger.judge(end(1)), Verdict::Keep(end(1)));
        assert_eq!(ledger.open_step(), Some(0));
        assert_eq!(ledger.judge(end(0)), Verdict::Keep(end(0)));
        assert_eq!(ledger.open_step(), None);
        assert!(matches!(ledger.judge(end(0)), Verdict::Refuse(_)));
        assert!(matches!(ledger.judge(end(7)), Verdict::Refuse(_)));
        assert_eq!((ledger.known_step(Some(1)), ledger.known_step(Some(2))), (Some(1), None));
    }

    #[test]
    fn steps_beyond_the_limit_are_counted_and_nothing_refers_to_them() {
        let mut ledger = Ledger::default();
        (0..MAX_STEPS)
            .for_each(|_| assert_eq!(ledger.judge(step(None)), Verdict::Keep(step(None))));
        assert_eq!(ledger.judge(step(None)), Verdict::Drop);
        assert_eq!(ledger.judge(step(Some(MAX_STEPS))), Verdict::Drop);
        assert_eq!(ledger.judge(end(MAX_STEPS)), Verdict::Drop);
        assert_eq!(ledger.known_step(Some(MAX_STEPS)), None);
        assert_eq!(ledger.left_out(), ["truncated 2 steps beyond 1000"]);
    }

    #[test]
    fn a_flood_of_lines_ends_in_a_count() {
        let mut ledger = Ledger::default();
        let half = "ä".repeat(MAX_CONSOLE / 4);
        let mut kept = 0;
        for _ in 0..4 {
            if let Verdict::Keep(Event::Log { text, .. }) = ledger.judge(line(&half)) {
                kept += text.len();
            }
        }
        assert!(kept <= MAX_CONSOLE, "{kept} bytes were kept");
        let dropped = 4 * half.len() - (MAX_CONSOLE - 2 * LINE_COST);
        assert_eq!(
            ledger.left_out(),
            [format!("truncated {dropped} bytes of console beyond 128 KiB")]
        );
        let mut ledger = Ledger::default();
        let kept = (0..100_000).filter(|_| ledger.judge(line("")) != Verdict::Drop).count();
        assert!(kept <= MAX_CONSOLE / LINE_COST, "{kept} empty lines were kept");
    }

    #[test]
    fn measurements_are_few_and_finite() {
        let metric = |value| Event::Metric { name: "m".to_owned(), value, tags: Vec::new() };
        let mut ledger = Ledger::default();
        assert!(matches!(ledger.judge(metric(f64::NAN)), Verdict::Refuse(_)));
        let kept = (0..2000).filter(|_| ledger.judge(metric(1.0)) != Verdict::Drop).count();
        assert_eq!(kept, MAX_METRICS);
        assert_eq!(ledger.left_out(), ["truncated 1000 measurements beyond their limits"]);
    }

    #[test]
    fn what_is_said_is_bounded_even_where_it_is_dropped() {
        let mut ledger = Ledger::default();
        let message = FromChild::Event { at: std::time::Duration::ZERO, event: line("x") };
        assert!(ledger.count(&message, MAX_SAID));
        assert!(!ledger.count(&message, 1));
    }
}
