//! How values are distributed, such as the lateness of runs: how many there are of each size, and
//! below what half, 95 % and 99 % of them are.

use super::Heading;
use super::canvas::{Canvas, Hold, Pen, Place, Say, width};
use super::legend;
use super::lines::beside;
use super::number::{count, thousands, whole};
use super::palette::{AXIS, FAINT, GRID, LIMIT, MARK, area};
use super::unit::{Scale, Unit, scale};

/// How values are distributed.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// What the values are of.
    pub title: String,
    /// Whether the title is drawn.
    pub heading: Heading,
    /// What the values are measured in.
    pub unit: Unit,
    /// The values, in any order; what is no finite number is left out.
    pub values: Vec<f64>,
}

/// The parts of all values that are named.
const NAMED: [(f64, &str); 3] = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];

/// How high the row of a name is, above the bars.
const ROW: f64 = 16.0;

/// The values, from the least to the greatest, and the axes they stand on.
struct Sorted {
    values: Vec<f64>,
    across: Scale,
    up: Scale,
    /// How many values are in each bar.
    bars: Vec<usize>,
    /// How many are beyond the axis.
    beyond: usize,
}

impl Distribution {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let mut canvas = Canvas::new(width, &self.title, self.heading);
        let mut values = self.values.clone();
        values.retain(|value| value.is_finite());
        if values.is_empty() {
            return canvas.empty(&self.title, "No value in this time.", "No value in this time.");
        }
        values.sort_by(f64::total_cmp);
        let sorted = self.sorted(values, canvas.width);
        let note = self.note(&sorted);
        legend::draw(&mut canvas, &[], &note);
        let place = axes(&mut canvas, &sorted);
        self.bars(&mut canvas, &sorted, place);
        let named: Vec<String> = NAMED
            .iter()
            .map(|(part, name)| format!("{name} {}", self.unit.say(at(&sorted.values, *part))))
            .collect();
        let Place(left, top, wide, high) = place;
        for (row, (part, _)) in NAMED.iter().enumerate() {
            let x = left + sorted.across.part(at(&sorted.values, *part)) * wide;
            let y = top - ROW * count(NAMED.len() - row) + 11.0;
            let mut pen = Pen::default();
            pen.to(x, y - 9.0).line(x, top + high);
            canvas.path(if row == 0 { MARK } else { LIMIT }, &pen, ["", DOTTED, DASHED][row]);
            beside(&mut canvas, (x, y), left + wide, &named[row]);
        }
        let words = format!("{}: {}.", note, named.join(", "));
        canvas.finish(top + high + 24.0, &self.title, &words)
    }

    fn sorted(&self, values: Vec<f64>, width: f64) -> Sorted {
        let (least, most) = (values[0], values[values.len() - 1]);
        // A few stragglers are not to press all others into one bar.
        let (middle, late) = (at(&values, 0.5), at(&values, 0.99));
        let reach = late + (late - middle).abs() * 0.5;
        let most = if most > late + (late - middle).abs() * 2.0 { reach } else { most };
        let across = scale((least, most), self.unit, whole(width / 100.0).clamp(3, 8));
        let steps = across.ticks.len() - 1;
        let each = [10, 5, 4, 2].into_iter().find(|each| each * steps <= whole(width / 11.0));
        let many = steps * each.unwrap_or(1);
        let (mut bars, mut beyond) = (vec![0; many], 0);
        for value in &values {
            if *value > across.top() {
                beyond += 1;
            } else if let Some(bar) =
                bars.get_mut(whole(across.part(*value) * count(many)).min(many - 1))
            {
                *bar += 1;
            }
        }
        let highest = bars.iter().copied().max().unwrap_or_default().max(1);
        let up = scale((0.0, count(highest)), Unit::Number, if highest < 3 { 2 } else { 4 });
        Sorted { values, across, up, bars, beyond }
    }

    fn note(&self, sorted: &Sorted) -> String {
        let most = self.unit.say(sorted.values.last().copied().unwrap_or_default());
        let all = thousands(sorted.values.len());
        match sorted.beyond {
            0 => format!("{all} values up to {most}"),
            some => format!("{all} values, {} beyond, up to {most}", thousands(some)),
        }
    }

    fn bars(&self, canvas: &mut Canvas, sorted: &Sorted, place: Place) {
        let Place(left, top, wide, high) = place;
        let apart = wide / count(sorted.bars.len());
        let step = (sorted.across.top() - sorted.across.bottom()) / count(sorted.bars.len());
        let mut pen = Pen::default();
        let filled = || sorted.bars.iter().enumerate().filter(|(_, many)| **many > 0);
        for (bar, many) in filled() {
            // However few there are, they are seen.
            let tall = (sorted.up.part(count(*many)) * high).max(1.5);
            let x = left + count(bar) * apart;
            pen.rect(Place(x, top + high - tall, (apart - 1.0).max(0.5), tall));
        }
        canvas.path(area(0), &pen, "");
        for (bar, many) in filled() {
            let from = sorted.across.bottom() + step * count(bar);
            let (from, until) = (self.unit.say(from), self.unit.say(from + step));
            let say = Say::words(format!("{from} to {until}: {}", thousands(*many)));
            canvas.hit(Place(left + count(bar) * apart, top, apart, high), &say);
        }
    }
}

const DOTTED: &str = "stroke-dasharray=\"2 3\"";
const DASHED: &str = "stroke-dasharray=\"6 3\"";

/// Draws the axes and answers where the bars stand.
fn axes(canvas: &mut Canvas, sorted: &Sorted) -> Place {
    let widest = sorted.up.labels.iter().map(|label| width(label)).fold(0.0, f64::max);
    let left = widest + 14.0;
    let top = canvas.bottom + ROW * count(NAMED.len()) + 2.0;
    let place = Place(left, top, canvas.width - left - 20.0, 130.0);
    let Place(_, _, wide, high) = place;
    let mut grid = Pen::default();
    for (tick, label) in sorted.up.ticks.iter().zip(&sorted.up.labels) {
        let y = top + (1.0 - sorted.up.part(*tick)) * high;
        grid.to(left, y.round() + 0.5).line(left + wide, y.round() + 0.5);
        canvas.text(FAINT, (left - 6.0, y + 4.0), Hold::End, label);
    }
    canvas.path(GRID, &grid, "");
    let bottom = (top + high).round() + 0.5;
    let (mut axis, mut free) = (Pen::default(), 0.0);
    axis.to(left, bottom).line(left + wide, bottom);
    for (tick, label) in sorted.across.ticks.iter().zip(&sorted.across.labels) {
        let x = left + sorted.across.part(*tick) * wide;
        axis.to(x.round() + 0.5, bottom).line(x.round() + 0.5, bottom + 4.0);
        let half = width(label) / 2.0;
        // Fonts of readers may be wider than the one that is measured.
        let middle = x.min(canvas.width - half * 1.2);
        if middle - half >= free {
            canvas.text(FAINT, (middle, bottom + 17.0), Hold::Middle, label);
            free = middle + half + 6.0;
        }
    }
    canvas.path(AXIS, &axis, "");
    place
}

/// The value below which are `part` of the values, themselves in order: the nearest rank.
fn at(values: &[f64], part: f64) -> f64 {
    let rank = whole((part * count(values.len())).ceil()).clamp(1, values.len());
    values[rank - 1]
}
