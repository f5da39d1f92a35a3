//! What a run says: console lines and metrics, each within its limits.

use std::cell::Cell;

use boa_engine::JsResult;

use super::host::Host;
use crate::sandbox::protocol::{Event, Level};

/// The most console text of a run, in bytes.
const MAX_CONSOLE: usize = 64 << 10;
/// The longest console line, in bytes.
const MAX_LINE: usize = 8 << 10;
/// The most metrics of a run.
const MAX_METRICS: usize = 1000;

/// What has been said so far, and left out.
#[derive(Default)]
pub(super) struct Counts {
    console: Cell<usize>,
    lines_dropped: Cell<usize>,
    metrics: Cell<usize>,
    metrics_dropped: Cell<usize>,
}

/// Cuts a text to at most `most` bytes, at a character, and says how much is missing.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

impl Host {
    /// Whether console lines are still taken; a line that is not is counted.
    pub(super) fn takes_lines(&self) -> bool {
        let takes = self.counts.console.get() < MAX_CONSOLE;
        if !takes {
            self.counts.lines_dropped.set(self.counts.lines_dropped.get() + 1);
        }
        takes
    }

    /// Writes a console line. Ask [`Self::takes_lines`] first.
    pub(super) fn log(&self, level: Level, text: &str) -> JsResult<()> {
        let text = shorten(text, MAX_LINE.min(MAX_CONSOLE - self.counts.console.get()));
        // A flood of empty lines is a flood, too.
        let spent = (self.counts.console.get() + text.len() + 16).min(MAX_CONSOLE);
        self.counts.console.set(spent);
        self.tell(Event::Log { level, text })
    }

    /// Reports a measurement.
    pub(super) fn measure(
        &self,
        name: String,
        value: f64,
        tags: Vec<(String, String)>,
    ) -> JsResult<()> {
        if self.counts.metrics.get() == MAX_METRICS {
            self.counts.metrics_dropped.set(self.counts.metrics_dropped.get() + 1);
            return Ok(());
        }
        self.counts.metrics.set(self.counts.metrics.get() + 1);
        self.tell(Event::Metric { name, value, tags })
    }

    /// Says what was left out.
    pub(super) fn tell_dropped(&self) -> JsResult<()> {
        let lines = self.counts.lines_dropped.get();
        if lines > 0 {
            let what = format!("{lines} console lines beyond {} KiB", MAX_CONSOLE >> 10);
            self.tell(Event::Dropped { what })?;
        }
        let metrics = self.counts.metrics_dropped.get();
        if metrics > 0 {
            let what = format!("{metrics} measurements beyond {MAX_METRICS}");
            self.tell(Event::Dropped { what })?;
        }
        Ok(())
    }
}
