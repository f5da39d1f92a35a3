//! What the lines, areas and signs of a chart mean: their names in rows above it.

use super::canvas::{Canvas, Hold, Pen, Place, fitting, width};
use super::palette::{FAINT, Ink, TEXT, Way};

/// How high a row is.
const ROW: f64 = 18.0;

/// How wide a sample is.
const SAMPLE: f64 = 18.0;

/// One name with a sample of what it is drawn with.
pub(super) struct Entry {
    pub(super) ink: Ink,
    pub(super) name: String,
    /// The dashes of its line.
    pub(super) more: String,
    /// Its sign, where it is neither a line nor an area.
    pub(super) sign: Option<fn(f64, f64) -> Pen>,
}

/// Writes `entries` in rows below what is drawn already, and `note` after them.
pub(super) fn draw(canvas: &mut Canvas, entries: &[Entry], note: &str) {
    let (left, right) = (8.0, canvas.width - 8.0);
    let (mut x, mut y) = (left, canvas.bottom + 15.0);
    let mut place = |needed: f64| {
        if x > left && x + needed > right {
            (x, y) = (left, y + ROW);
        }
        let here = (x, y);
        x += needed + 14.0;
        here
    };
    for entry in entries {
        let name = fitting(&entry.name, right - left - SAMPLE - 6.0);
        let (x, y) = place(SAMPLE + 6.0 + width(&name));
        let mut pen = Pen::default();
        let more = match (entry.sign, entry.ink.way) {
            (Some(sign), _) => {
                pen = sign(x + SAMPLE / 2.0, y - 4.0);
                entry.more.clone()
            }
            (None, Way::Fill) => {
                pen.rect(Place(x + 4.0, y - 9.0, 10.0, 10.0));
                entry.more.clone()
            }
            (None, Way::Stroke) => {
                pen.to(x, y - 4.0).line(x + SAMPLE, y - 4.0);
                format!("stroke-width=\"2.5\" {}", entry.more)
            }
        };
        canvas.path(entry.ink, &pen, more.trim());
        canvas.text(TEXT, (x + SAMPLE + 6.0, y), Hold::Start, &name);
    }
    if !note.is_empty() {
        let note = fitting(note, right - left);
        let (x, y) = place(width(&note));
        canvas.text(FAINT, (x, y), Hold::Start, &note);
    }
    if !entries.is_empty() || !note.is_empty() {
        canvas.bottom = y + 7.0;
    }
}
