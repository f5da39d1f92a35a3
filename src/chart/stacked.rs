//! Parts of a whole over time, such as the steps of a check: a column for each time, in which the
//! parts stand upon each other. Where there was nothing, there is no column.
//!
//! Parts are told apart without colours, too: each has a number, in the legend and at the last of its
//! columns, and the paper is seen between it and the one below.

use std::collections::BTreeMap;

use super::canvas::{Canvas, Hold, Pen, Place, SIZE, Say, fitting};
use super::legend::{self, Entry};
use super::number::{count, float, whole};
use super::palette::{COLOURS, TEXT, area};
use super::plot::{Plot, column_width, ordered, told_span, zone_note};
use super::points::{Line, part, told, within};
use super::unit::{Unit, scale};
use super::{Frame, Millis};

/// Parts of a whole over time.
#[derive(Debug, Clone)]
pub struct Stacked {
    /// What the chart is of.
    pub frame: Frame,
    /// What the values are measured in.
    pub unit: Unit,
    /// The parts, the lowest first; values below zero count as zero. What comes after the seventh
    /// is drawn as one, called "others".
    pub layers: Vec<Line>,
    /// How far apart times usually are: as wide is a column, if that can be seen.
    pub every: Millis,
}

/// The columns of a chart: by their number, the value of each layer, and when that was.
type Columns = BTreeMap<usize, (Vec<f64>, (Millis, Millis))>;

/// How wide the narrowest column is.
const NARROWEST: f64 = 4.0;

/// How much of the paper is seen between two parts.
const BETWEEN: f64 = 1.0;

/// How far numbers are apart that stand above each other.
const NUMBERS: f64 = 11.0;

impl Stacked {
    /// The drawing, `width` wide.
    pub fn svg(&self, width: u16) -> String {
        let title = &self.frame.title;
        let mut canvas = Canvas::new(width, title, self.frame.heading);
        let span = ordered(self.frame.span);
        let layers: Vec<_> = self.layers.iter().map(|it| within(&it.points, span)).collect();
        if layers.iter().all(Vec::is_empty) {
            let words = format!("No value from {}.", told_span(span, self.frame.zone));
            return canvas.empty(title, "No value in this time.", &words);
        }
        legend::draw(&mut canvas, &self.entries(), &zone_note(span, self.frame.zone));
        let high = if canvas.width < 480.0 { 170.0 } else { 220.0 };
        // The width of the plot follows from its labels, and these from the values of its columns.
        let rough = canvas.width - 64.0;
        let apart = column_width(rough, self.column(span, rough));
        let columns = columns(&layers, span, rough / apart);
        let top = columns.values().map(|(values, _)| values.iter().sum::<f64>());
        let top = top.fold(0.0, f64::max);
        let plot = Plot::new(&canvas, &self.frame, scale((0.0, top), self.unit, 5), high);
        plot.axes(&mut canvas, self.frame.zone);
        let apart = plot.place.2 / (rough / apart);
        self.columns(&mut canvas, &plot, &columns, apart);
        self.numbers(&mut canvas, &plot, &columns, apart);
        let each = self.layers.iter().zip(&layers).take(COLOURS);
        let each: Vec<_> = each.map(|(it, points)| told(&it.name, points, self.unit)).collect();
        let words =
            format!("From {}, from below: {}.", told_span(span, self.frame.zone), each.join("; "));
        canvas.finish(plot.height(), title, &words)
    }

    /// How wide a column is that holds one time.
    fn column(&self, (from, until): (Millis, Millis), wide: f64) -> f64 {
        let each = wide * float(self.every.max(1)) / (float(until) - float(from));
        each.clamp(NARROWEST, 28.0)
    }

    fn name(&self, at: usize) -> String {
        if at + 1 == COLOURS && self.layers.len() > COLOURS {
            return "others".to_owned();
        }
        self.layers.get(at).map(|layer| layer.name.clone()).unwrap_or_default()
    }

    fn entries(&self) -> Vec<Entry> {
        let drawn = self.layers.len().min(COLOURS);
        let entry = |at| {
            let name = self.name(at);
            let name = if drawn > 1 { format!("{} {name}", at + 1) } else { name };
            Entry { ink: area(at), name, more: String::new(), sign: None }
        };
        (0..drawn).map(entry).collect()
    }

    fn columns(&self, canvas: &mut Canvas, plot: &Plot, columns: &Columns, apart: f64) {
        let Place(left, top, _, high) = plot.place;
        let room = if apart >= 6.0 { 1.0 } else { 0.0 };
        let mut pens = vec![Pen::default(); self.layers.len().min(COLOURS)];
        for (at, (values, _)) in columns {
            let mut below = 0.0;
            for (pen, value) in pens.iter_mut().zip(values) {
                let (low, up) = (plot.y(below), plot.y(below + value));
                let between = if below > 0.0 && low - up > 2.0 * BETWEEN { BETWEEN } else { 0.0 };
                let low = low - between;
                below += value;
                if low - up >= 0.05 {
                    let x = left + count(*at) * apart;
                    pen.rect(Place(x, up, apart - room, low - up));
                }
            }
        }
        for (at, pen) in pens.iter().enumerate() {
            canvas.path(area(at), pen, "");
        }
        for (at, (values, span)) in columns {
            let mut words: Vec<String> = values
                .iter()
                .enumerate()
                .rev()
                .map(|(layer, value)| {
                    format!("{}: {}", fitting(&self.name(layer), 400.0), self.unit.say(*value))
                })
                .collect();
            words.insert(0, format!("together {}", self.unit.say(values.iter().sum())));
            let say = Say::words(words.join("\n"));
            let say = say.around(*span);
            canvas.hit(Place(left + count(*at) * apart, top, apart, high), &say);
        }
    }

    /// Writes the number of each layer beside the last column that it is in.
    fn numbers(&self, canvas: &mut Canvas, plot: &Plot, columns: &Columns, apart: f64) {
        let drawn = self.layers.len().min(COLOURS);
        if drawn < 2 {
            return;
        }
        let is_in = |layer: usize, values: &[f64]| values.get(layer).is_some_and(|it| *it > 0.0);
        let last = |layer| columns.iter().rev().find(|(_, (values, _))| is_in(layer, values));
        let mut stand: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
        for layer in 0..drawn {
            let Some((at, (values, _))) = last(layer) else { continue };
            let below: f64 = values[..layer].iter().sum();
            let middle = plot.y(below + values[layer] / 2.0) + SIZE / 3.0;
            stand.entry(*at).or_default().push((layer, middle));
        }
        for (at, column) in &mut stand {
            // The one above has to stand higher, however thin it is, and none above the plot.
            let mut free = plot.bottom();
            for (_, y) in column.iter_mut() {
                *y = y.min(free);
                free = *y - NUMBERS;
            }
            let mut free = plot.place.1 + SIZE / 3.0;
            for (_, y) in column.iter_mut().rev() {
                *y = y.max(free);
                free = *y + NUMBERS;
            }
            let x = plot.place.0 + count(*at + 1) * apart + 2.0;
            for (layer, y) in column {
                canvas.text_over(TEXT, (x, *y), Hold::Start, &(*layer + 1).to_string());
            }
        }
    }
}

/// The mean of each layer in each of `many` columns.
fn columns(layers: &[Vec<(Millis, f64)>], span: (Millis, Millis), many: f64) -> Columns {
    let drawn = layers.len().min(COLOURS);
    let mut columns: BTreeMap<usize, (Vec<f64>, Vec<Millis>)> = BTreeMap::new();
    let last = whole(many.round()).saturating_sub(1);
    for (at, points) in layers.iter().enumerate() {
        for (time, value) in points {
            let here = whole(part(*time, span) * many).min(last);
            let (sums, times) =
                columns.entry(here).or_insert_with(|| (vec![0.0; drawn], Vec::new()));
            if let Some(sum) = sums.get_mut(at.min(drawn - 1)) {
                *sum += value.max(0.0);
            }
            times.push(*time);
        }
    }
    let mean = |(sums, mut times): (Vec<f64>, Vec<Millis>)| {
        times.sort_unstable();
        times.dedup();
        let span = times.first().copied().zip(times.last().copied()).unwrap_or_default();
        let times = count(times.len().max(1));
        (sums.into_iter().map(|sum| sum / times).collect(), span)
    };
    columns.into_iter().map(|(at, column)| (at, mean(column))).collect()
}
