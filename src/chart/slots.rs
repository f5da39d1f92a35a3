//! A mark for every slot, in rows that are as long as an hour, a day or another time that people
//! count by. What passed, failed, is unknown or was missed differs in shape and in colour.
//!
//! Where there are too many, a mark stands for several: it is what the worst of them is, so that
//! no failure is hidden by those around it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{Offset as _, TimeZone as _};

use super::canvas::{Canvas, Hold, Pen, Place, SIZE, Say, width};
use super::legend::{self, Entry};
use super::number::{count, float, thousands, whole};
use super::palette::{FAILED, FAINT, Ink, MISSED, PASSED, UNKNOWN};
use super::plot::{ordered, told_span};
use super::{Frame, Millis};

/// A mark for every slot.
#[derive(Debug, Clone)]
pub struct Slots {
    /// What the chart is of.
    pub frame: Frame,
    /// How far apart slots usually are.
    pub every: Millis,
    /// The slots, in any order.
    pub slots: Vec<Slot>,
}

/// A scheduled time and what became of it.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The scheduled time.
    pub at: Millis,
    /// What became of it.
    pub state: SlotState,
    /// What there is to say of it, such as "timed out after 20 s"; may be empty.
    pub words: String,
}

/// What became of a slot. The greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotState {
    /// Its run passed.
    Passed,
    /// There was no run.
    Missed,
    /// There was a run, and nobody knows.
    Unknown,
    /// Its run failed.
    Failed,
}

const STATES: [SlotState; 4] =
    [SlotState::Passed, SlotState::Failed, SlotState::Unknown, SlotState::Missed];

impl SlotState {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Missed => "missed",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    fn ink(self) -> Ink {
        match self {
            Self::Passed => PASSED,
            Self::Missed => MISSED,
            Self::Unknown => UNKNOWN,
            Self::Failed => FAILED,
        }
    }

    fn more(self) -> &'static str {
        match self {
            Self::Passed | Self::Unknown => "",
            Self::Missed => "stroke-width=\"1.5\"",
            Self::Failed => "stroke-width=\"3\"",
        }
    }

    /// A full square, a cross, a disc, a hollow square.
    fn sign(self, x: f64, y: f64, half: f64) -> Pen {
        let square = |pen: &mut Pen, half: f64| {
            pen.rect(Place(x - half, y - half, half * 2.0, half * 2.0));
        };
        let mut pen = Pen::default();
        match self {
            Self::Passed => square(&mut pen, half),
            Self::Missed => square(&mut pen, half - 0.75),
            Self::Unknown => {
                pen.disc(x, y, half - 0.5);
            }
            Self::Failed => {
                pen.to(x - half, y - half)
                    .line(x + half, y + half)
                    .to(x - half, y + half)
                    .line(x + half, y - half);
            }
        }
        pen
    }
}

/// How far apart marks are, and how much farther rows.
const MARKS: (f64, f64) = (9.0, 14.0);
const BETWEEN: f64 = 3.0;

/// How long a row may be, in minutes.
const ROWS: [i64; 14] =
    [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 7 * 1_440, 14 * 1_440, 28 * 1_440];

const MINUTE: Millis = 60_000;

/// How marks are laid out.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// The begin of the first row.
    begin: Millis,
    /// How long a row is.
    row: Millis,
    /// How long a mark is.
    cell: Millis,
    rows: usize,
}

/// What stands in one mark.
#[derive(Default)]
struct Cell<'a> {
    slots: Vec<&'a Slot>,
}

impl Slots {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let frame = &self.frame;
        let mut canvas = Canvas::new(width, &frame.title, frame.heading);
        let span = ordered(frame.span);
        let within: Vec<&Slot> =
            self.slots.iter().filter(|slot| (span.0..=span.1).contains(&slot.at)).collect();
        if within.is_empty() {
            let words = format!("No slot from {}.", told_span(span, frame.zone));
            return canvas.empty(&frame.title, "No slot in this time.", &words);
        }
        let left = Self::margin(span);
        let wide = canvas.width - left - 8.0;
        let layout = self.layout(span, whole(wide / MARKS.0).max(4), canvas.width < 480.0);
        legend::draw(&mut canvas, &entries(&within), &self.note(layout));
        let top = canvas.bottom + 4.0;
        let mut cells: BTreeMap<(Millis, Millis), Cell<'_>> = BTreeMap::new();
        for slot in &within {
            let past = slot.at.saturating_sub(layout.begin).max(0);
            let place = (past / layout.row, past % layout.row / layout.cell);
            cells.entry(place).or_default().slots.push(slot);
        }
        let pitch =
            (wide / (float(layout.row) / float(layout.cell)).ceil()).clamp(MARKS.0, MARKS.1);
        let rows = self.rows(&mut canvas, layout, &cells, (top, pitch + BETWEEN));
        for state in STATES {
            canvas.group(state.ink(), state.more(), |canvas| {
                for ((row, column), cell) in
                    cells.iter().filter(|(_, it)| it.state() == Some(state))
                {
                    let row = rows.binary_search(row).unwrap_or_default();
                    let x = left + (float(*column) + 0.5) * pitch;
                    let y = top + (count(row) + 0.5) * (pitch + BETWEEN);
                    canvas.member(&state.sign(x, y, (pitch - 2.5) / 2.0), &cell.say());
                }
            });
        }
        let words = self.words(&within, span);
        let bottom = top + count(rows.len()) * (pitch + BETWEEN);
        canvas.finish(bottom + 6.0, &frame.title, &words)
    }

    /// Writes when each row begins. Rows in which nothing was are left out.
    fn rows(
        &self,
        canvas: &mut Canvas,
        layout: Layout,
        cells: &BTreeMap<(Millis, Millis), Cell<'_>>,
        (top, high): (f64, f64),
    ) -> Vec<Millis> {
        let mut rows: Vec<Millis> = cells.keys().map(|(row, _)| *row).collect();
        rows.dedup();
        let (mut day, mut free) = (None, 0.0);
        for (at, row) in rows.iter().enumerate() {
            let begin = layout.begin + row * layout.row;
            let Some(time) = self.frame.zone.timestamp_millis_opt(begin).single() else { continue };
            let is_new = day.replace(time.date_naive()) != Some(time.date_naive());
            let is_day = layout.row >= 1_440 * MINUTE;
            let form = if is_new || is_day { "%b %-d" } else { "%H:%M" };
            let label = match (is_new && !is_day, at) {
                (true, 0) => time.format("%b %-d, %H:%M").to_string(),
                _ => time.format(form).to_string(),
            };
            let y = top + (count(at) + 0.5) * high + SIZE / 3.0;
            // Where rows stand close, not each of them can be named.
            if y >= free {
                canvas.text(FAINT, (8.0, y), Hold::Start, &label);
                free = y + SIZE - 0.5;
            }
        }
        rows
    }

    /// How wide the names of rows are.
    fn margin(span: (Millis, Millis)) -> f64 {
        let is_long = span.1.saturating_sub(span.0) > 20 * 1_440 * MINUTE;
        width(if is_long { "Nov 22" } else { "Nov 22, 00:00" }) + 16.0
    }

    /// The rows and marks that show most: of all lengths of rows, the one with the fewest slots in
    /// a mark, and then the fewest rows.
    fn layout(&self, span: (Millis, Millis), columns: usize, is_narrow: bool) -> Layout {
        let most = if is_narrow { 16 } else { 12 };
        let long = span.1.saturating_sub(span.0).max(1);
        let columns = Millis::try_from(columns).unwrap_or(4);
        let every = self.every.clamp(1_000, 1_440 * MINUTE);
        let of = |row: Millis| {
            let begin = self.begin(span.0, row);
            let rows = (span.1 - begin) / row + 1;
            let in_row = (row + every - 1) / every;
            let each = ((in_row + columns - 1) / columns).max(1);
            let cell = (every * each).min(row);
            Layout { begin, row, cell, rows: usize::try_from(rows).unwrap_or(usize::MAX) }
        };
        // A single row longer than all there is would be empty for the most part.
        let fits = |layout: &Layout| layout.rows <= most && layout.row <= long.max(every) * 2;
        let all = || ROWS.into_iter().map(|minutes| of(minutes * MINUTE));
        let best = all().filter(fits).min_by_key(|layout| (layout.cell, layout.rows));
        best.unwrap_or_else(|| {
            let row = long / Millis::try_from(most).unwrap_or(1) + 1;
            let cell = (row / columns + 1).max(every.min(row));
            Layout { begin: span.0, row, cell, rows: most }
        })
    }

    /// The last round time before `from` at which a row begins: as clocks show it.
    fn begin(&self, from: Millis, row: Millis) -> Millis {
        let zone = self.frame.zone;
        let offset = zone
            .timestamp_millis_opt(from)
            .single()
            .map_or(0, |time| Millis::from(time.offset().fix().local_minus_utc()) * 1_000);
        // The first Monday is four days after the first day of 1970.
        let shift = if row > 1_440 * MINUTE { 4 * 1_440 * MINUTE } else { 0 };
        let local = from.saturating_add(offset).saturating_sub(shift);
        from.saturating_sub(local.rem_euclid(row))
    }

    fn note(&self, layout: Layout) -> String {
        let each = layout.cell / self.every.clamp(1_000, 1_440 * MINUTE);
        if each > 1 { format!("a mark: up to {each} slots, as the worst") } else { String::new() }
    }

    fn words(&self, slots: &[&Slot], span: (Millis, Millis)) -> String {
        let counts: Vec<String> =
            counts(slots).map(|(state, many)| format!("{many} {}", state.word())).collect();
        let mut words =
            format!("From {}: {}.", told_span(span, self.frame.zone), counts.join(", "));
        let failed = slots.iter().filter(|slot| slot.state == SlotState::Failed);
        if let Some(last) = failed.max_by_key(|slot| slot.at) {
            let at = self.frame.zone.timestamp_millis_opt(last.at).single();
            let at = at.map_or_else(String::new, |at| at.format("%b %-d, %H:%M:%S").to_string());
            let _ = write!(words, " Last failed {at}.");
        }
        words
    }
}

impl Cell<'_> {
    fn state(&self) -> Option<SlotState> {
        self.slots.iter().map(|slot| slot.state).max()
    }

    fn say(&self) -> Say {
        let from = self.slots.iter().map(|slot| slot.at).min().unwrap_or_default();
        let until = self.slots.iter().map(|slot| slot.at).max().unwrap_or_default();
        match self.slots.as_slice() {
            [slot] if slot.words.is_empty() => Say::words(slot.state.word()).at(from),
            [slot] => Say::words(format!("{}: {}", slot.state.word(), slot.words)).at(from),
            slots => {
                let counts = counts(slots).map(|(state, many)| format!("{many} {}", state.word()));
                Say::words(counts.collect::<Vec<_>>().join(", ")).during((from, until))
            }
        }
    }
}

fn counts(slots: &[&Slot]) -> impl Iterator<Item = (SlotState, String)> {
    STATES.into_iter().filter_map(|state| {
        let many = slots.iter().filter(|slot| slot.state == state).count();
        (many > 0).then(|| (state, thousands(many)))
    })
}

fn entries(slots: &[&Slot]) -> Vec<Entry> {
    let entry = |(state, many): (SlotState, String)| Entry {
        ink: state.ink(),
        name: format!("{many} {}", state.word()),
        more: state.more().to_owned(),
        sign: Some(match state {
            SlotState::Passed => |x, y| SlotState::Passed.sign(x, y, 4.5),
            SlotState::Missed => |x, y| SlotState::Missed.sign(x, y, 4.5),
            SlotState::Unknown => |x, y| SlotState::Unknown.sign(x, y, 4.5),
            SlotState::Failed => |x, y| SlotState::Failed.sign(x, y, 4.5),
        }),
    };
    counts(slots).map(entry).collect()
}
