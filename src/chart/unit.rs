//! What values are of, how people write them, and which of them stand on an axis.

use super::number::{count, significant, trimmed, whole};

/// What the values of a chart are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Anything that is counted or has no unit: 12, 1.2k, 3M.
    Number,
    /// Seconds, told as milliseconds, seconds, minutes, hours or days.
    Seconds,
    /// Parts of one, told in percent.
    Ratio,
    /// Bytes, told as KiB, MiB and so on.
    Bytes,
}

/// The values of an axis, and what is written beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// Round values, ascending and evenly spaced; at least two. The first and the last are the
    /// bounds of the axis.
    pub ticks: Vec<f64>,
    /// What is written beside each.
    pub labels: Vec<String>,
}

impl Scale {
    /// The least value of the axis.
    pub fn bottom(&self) -> f64 {
        self.ticks.first().copied().unwrap_or(0.0)
    }

    /// The greatest value of the axis.
    pub fn top(&self) -> f64 {
        self.ticks.last().copied().unwrap_or(1.0)
    }

    /// Where `value` is on the axis: 0 at the bottom, 1 at the top, held in between.
    pub fn part(&self, value: f64) -> f64 {
        let part = (value - self.bottom()) / (self.top() - self.bottom());
        if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
    }
}

/// The farthest that an axis reaches: drawings are computed beyond it, too.
const FARTHEST: f64 = 1e300;

/// Round values around `least` and `most`, about `rough` of them.
pub fn scale((least, most): (f64, f64), unit: Unit, rough: usize) -> Scale {
    let finite = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(-FARTHEST, FARTHEST) };
    let (least, most) = (finite(least).min(finite(most)), finite(least).max(finite(most)));
    // Zero belongs to what is near it, on either side.
    let least = if least > 0.0 && least < most * 0.5 { 0.0 } else { least };
    let most = if most < 0.0 && most > least * 0.5 { 0.0 } else { most };
    // Numbers this near to each other cannot be told apart by ticks.
    let apart = (most - least) > least.abs().max(most.abs()) * 1e-9;
    let (least, most) = match apart {
        true => (least, most),
        false if least == 0.0 => (0.0, unit.small()),
        false => (least - least.abs() * 0.1, most + most.abs() * 0.1),
    };
    let part = unit.part(least.abs().max(most.abs()));
    let wish = (most - least) / part.size / count(rough.clamp(2, 20));
    let step = step(wish, part.steps) * part.size;
    let (bottom, top) = ((least / step).floor(), (most / step).ceil());
    let steps = whole((top - bottom).clamp(1.0, 40.0));
    let ticks: Vec<f64> = (0..=steps).map(|at| (bottom + count(at)) * step).collect();
    let labels = ticks.iter().map(|tick| part.label(*tick, step)).collect();
    Scale { ticks, labels }
}

/// The round step that is at least `wish`.
fn step(wish: f64, steps: &[f64]) -> f64 {
    let longer = steps.iter().find(|step| **step >= wish * 0.999);
    if let Some(step) = longer.filter(|_| wish > steps.first().copied().unwrap_or(0.0) * 0.5) {
        return *step;
    }
    let power = 10_f64.powf(wish.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= wish * 0.999).unwrap_or(wish)
}

/// A part of a unit that an axis is written in.
struct Part {
    size: f64,
    name: &'static str,
    /// Steps that are rounder than 1, 2 and 5, in this part.
    steps: &'static [f64],
}

impl Part {
    const fn of(size: f64, name: &'static str) -> Self {
        Self { size, name, steps: &[] }
    }

    /// `tick` with no more decimals than a step needs.
    fn label(&self, tick: f64, step: f64) -> String {
        let (tick, step) = (tick / self.size, step / self.size);
        if tick.abs() < step * 1e-6 {
            return "0".to_owned();
        }
        if self.name.is_empty() {
            return short(tick, step);
        }
        format!("{} {}", short(tick, step), self.name)
    }
}

/// A number on an axis with steps of `step`: 950, 1.2k, 3M.
fn short(tick: f64, step: f64) -> String {
    const LARGE: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if !(1e-6..1e15).contains(&tick.abs()) {
        return format!("{tick:.1e}").replace(".0e", "e");
    }
    let decimals = |step: f64| (0..6).find(|at| is_whole(step * 10_f64.powi(*at))).unwrap_or(6);
    let fits = |(size, _): &&(f64, &str)| tick.abs() >= *size && decimals(step / size) <= 2;
    let (size, name) = LARGE.iter().find(fits).copied().unwrap_or((1.0, ""));
    let places = whole(f64::from(decimals(step / size)));
    format!("{}{name}", trimmed(&format!("{:.places$}", tick / size)))
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1e-3) && value.round() != 0.0
}

impl Unit {
    /// What a chart reaches to where everything is zero.
    fn small(self) -> f64 {
        match self {
            Self::Number | Self::Seconds | Self::Ratio => 1.0,
            Self::Bytes => 1024.0,
        }
    }

    /// The part in which values up to `most` are written.
    fn part(self, most: f64) -> Part {
        const MINUTES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0];
        const HOURS: &[f64] = &[1.0, 2.0, 3.0, 6.0, 12.0, 24.0];
        match self {
            Self::Number => Part::of(1.0, ""),
            Self::Ratio => Part::of(0.01, "%"),
            Self::Seconds if most < 1e-3 => Part::of(1e-6, "µs"),
            Self::Seconds if most < 1.0 => Part::of(1e-3, "ms"),
            Self::Seconds if most < 120.0 => Part { size: 1.0, name: "s", steps: MINUTES },
            Self::Seconds if most < 7_200.0 => Part { size: 60.0, name: "min", steps: MINUTES },
            Self::Seconds if most < 172_800.0 => Part { size: 3_600.0, name: "h", steps: HOURS },
            Self::Seconds => Part::of(86_400.0, "d"),
            Self::Bytes => binary(most),
        }
    }

    /// `value` as people say it, to four digits.
    pub fn say(self, value: f64) -> String {
        if value.is_nan() {
            return "no value".to_owned();
        }
        if value.is_infinite() {
            return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
        }
        match self {
            Self::Number => plain(value),
            Self::Ratio => format!("{} %", plain(value * 100.0)),
            Self::Seconds => seconds(value),
            Self::Bytes => {
                let part = binary(value.abs());
                format!("{} {}", plain(value / part.size), part.name)
            }
        }
    }
}

fn binary(most: f64) -> Part {
    const PARTS: [(f64, &str); 4] = [
        (1_099_511_627_776.0, "TiB"),
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1_024.0, "KiB"),
    ];
    let part = PARTS.iter().find(|(size, _)| most >= *size);
    part.map_or(Part::of(1.0, "B"), |(size, name)| Part::of(*size, name))
}

fn plain(value: f64) -> String {
    if value != 0.0 && !(1e-4..1e7).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    significant(value, 4)
}

/// 420 µs, 12.3 ms, 1.24 s, 2 min 5 s, 3 h 12 min, 2 d 4 h.
fn seconds(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let size = value.abs();
    let two = |long: f64, unit: &str, part: f64, small: &str| {
        let parts = (size / part).round();
        let (whole, rest) = ((parts * part / long).floor(), parts % (long / part).round());
        let rest = if rest == 0.0 { String::new() } else { format!(" {rest} {small}") };
        format!("{sign}{whole} {unit}{rest}")
    };
    match size {
        0.0 => "0 s".to_owned(),
        ..0.000_999_5 => format!("{sign}{} µs", significant(size * 1e6, 3)),
        ..0.999_5 => format!("{sign}{} ms", significant(size * 1e3, 3)),
        ..59.95 => format!("{sign}{} s", significant(size, 3)),
        ..3_599.5 => two(60.0, "min", 1.0, "s"),
        ..86_370.0 => two(3_600.0, "h", 60.0, "min"),
        ..1e12 => two(86_400.0, "d", 3_600.0, "h"),
        _ => format!("{sign}{size:.1e} s"),
    }
}
