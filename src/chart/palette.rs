//! The colours of charts, for light and for dark: one table, from which come the classes of the
//! drawings, the stylesheet of pages and the one of pictures.
//!
//! Lines and states keep a contrast of 3:1 with the paper, text 4.5:1 (WCAG 2.2 AA). Any two series
//! differ by ten in `CIEDE2000` at least, for those who see all colours and for those who lack one kind
//! of cones. Tests hold both.

use std::fmt::Write as _;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on black.
    Dark,
}

/// What something is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    pub(super) class: &'static str,
    pub(super) way: Way,
    pub(super) light: &'static str,
    dark: &'static str,
}

/// Whether an ink fills or draws lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Fill,
    Stroke,
}

impl Way {
    pub(super) fn attribute(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Stroke => "stroke",
        }
    }
}

const fn fill(class: &'static str, light: &'static str, dark: &'static str) -> Ink {
    Ink { class, way: Way::Fill, light, dark }
}

const fn stroke(class: &'static str, light: &'static str, dark: &'static str) -> Ink {
    Ink { class, way: Way::Stroke, light, dark }
}

/// Behind everything.
const PAPER: (&str, &str) = ("#ffffff", "#12161d");

/// Of series, in the order in which they are taken.
const SERIES: [(&str, &str); 8] = [
    ("#006af2", "#4e8bc5"),
    ("#b8694b", "#e6803c"),
    ("#089688", "#1bbc93"),
    ("#7233aa", "#c79bff"),
    ("#896300", "#e8c346"),
    ("#c0216d", "#fe91c7"),
    ("#12748f", "#75e0f2"),
    ("#56524c", "#d2ccc3"),
];

pub(super) const TEXT: Ink = fill("chart-text", "#1c2330", "#e6eaf0");
pub(super) const FAINT: Ink = fill("chart-faint", "#5b6472", "#9ba5b4");
pub(super) const GRID: Ink = stroke("chart-grid", "#e3e6eb", "#272d38");
pub(super) const AXIS: Ink = stroke("chart-axis", "#a3abb8", "#5a6473");
pub(super) const LIMIT: Ink = stroke("chart-limit", "#c0390f", "#ff7f5c");
pub(super) const LIMIT_TEXT: Ink = fill("chart-limit-text", "#b3350d", "#ff8b6b");
pub(super) const SHADE: Ink = fill("chart-shade", "#c0390f", "#ff7f5c");
pub(super) const MARK: Ink = stroke("chart-mark", "#5b6472", "#9ba5b4");
pub(super) const MARK_SIGN: Ink = fill("chart-mark-sign", "#5b6472", "#9ba5b4");
pub(super) const PASSED: Ink = fill("chart-passed", "#00806a", "#2fbfa0");
pub(super) const FAILED: Ink = stroke("chart-failed", "#c0390f", "#ff7f5c");
pub(super) const UNKNOWN: Ink = fill("chart-unknown", "#6b7382", "#97a1b0");
pub(super) const MISSED: Ink = stroke("chart-missed", "#6b7382", "#97a1b0");
pub(super) const MASKED: Ink = stroke("chart-halo", PAPER.0, PAPER.1);

const NAMED: [Ink; 14] = [
    TEXT, FAINT, GRID, AXIS, LIMIT, LIMIT_TEXT, SHADE, MARK, MARK_SIGN, PASSED, FAILED, UNKNOWN,
    MISSED, MASKED,
];

const LINES: [Ink; 8] = [
    stroke("chart-line-1", SERIES[0].0, SERIES[0].1),
    stroke("chart-line-2", SERIES[1].0, SERIES[1].1),
    stroke("chart-line-3", SERIES[2].0, SERIES[2].1),
    stroke("chart-line-4", SERIES[3].0, SERIES[3].1),
    stroke("chart-line-5", SERIES[4].0, SERIES[4].1),
    stroke("chart-line-6", SERIES[5].0, SERIES[5].1),
    stroke("chart-line-7", SERIES[6].0, SERIES[6].1),
    stroke("chart-line-8", SERIES[7].0, SERIES[7].1),
];

const AREAS: [Ink; 8] = [
    fill("chart-area-1", SERIES[0].0, SERIES[0].1),
    fill("chart-area-2", SERIES[1].0, SERIES[1].1),
    fill("chart-area-3", SERIES[2].0, SERIES[2].1),
    fill("chart-area-4", SERIES[3].0, SERIES[3].1),
    fill("chart-area-5", SERIES[4].0, SERIES[4].1),
    fill("chart-area-6", SERIES[5].0, SERIES[5].1),
    fill("chart-area-7", SERIES[6].0, SERIES[6].1),
    fill("chart-area-8", SERIES[7].0, SERIES[7].1),
];

/// How many series have a colour of their own; what comes after them is drawn faint.
pub(super) const COLOURS: usize = SERIES.len();

/// The ink of the line of series `at`.
pub(super) fn line(at: usize) -> Ink {
    LINES.get(at).copied().unwrap_or(MARK)
}

/// The ink of the area of series `at`.
pub(super) fn area(at: usize) -> Ink {
    AREAS.get(at).copied().unwrap_or(MARK_SIGN)
}

fn inks() -> impl Iterator<Item = Ink> {
    NAMED.into_iter().chain(LINES).chain(AREAS)
}

/// The paper of `theme`, as red, green and blue.
pub(super) fn paper(theme: Theme) -> [u8; 3] {
    let colour = match theme {
        Theme::Light => PAPER.0,
        Theme::Dark => PAPER.1,
    };
    let part = |at: usize| u8::from_str_radix(colour.get(at..at + 2).unwrap_or("ff"), 16);
    [1, 3, 5].map(|at| part(at).unwrap_or(u8::MAX))
}

/// The classes of charts in one theme: the stylesheet of a picture.
pub fn stylesheet(theme: Theme) -> String {
    let mut text = String::new();
    for Ink { class, way, light, dark } in inks() {
        let colour = if theme == Theme::Light { light } else { dark };
        let _ = writeln!(text, ".{class}{{{}:{colour}}}", way.attribute());
    }
    text
}

/// The classes of charts in the theme of whoever looks, and which of the drawings of
/// [`fluid`](super::fluid) is shown where: a part of a page's stylesheet. A page that has another
/// colour behind its charts sets `--chart-paper`.
pub fn page_stylesheet() -> String {
    let mut text = include_str!("page.css").to_owned();
    for Ink { class, way, light, dark } in inks() {
        let colour = format!("light-dark({light},{dark})");
        let is_mask = class == MASKED.class;
        let colour = if is_mask { format!("var(--chart-paper,{colour})") } else { colour };
        let _ = writeln!(text, ".{class}{{{}:{colour}}}", way.attribute());
    }
    text
}

#[cfg(test)]
mod sight;

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of `colour` that stands at `at`, as light.
    pub(super) fn linear(colour: &str, at: usize) -> f64 {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    }

    fn luminance(colour: &str) -> f64 {
        0.2126 * linear(colour, 1) + 0.7152 * linear(colour, 3) + 0.0722 * linear(colour, 5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn everything_that_says_something_stands_out_from_the_paper() {
        let quiet = [GRID.class, AXIS.class, MASKED.class];
        for ink in inks().filter(|ink| !quiet.contains(&ink.class)) {
            let is_text = [TEXT, FAINT, LIMIT_TEXT].contains(&ink);
            let least = if is_text { 4.5 } else { 3.0 };
            assert!(contrast(ink.light, PAPER.0) >= least, "{} in light", ink.class);
            assert!(contrast(ink.dark, PAPER.1) >= least, "{} in dark", ink.class);
        }
    }

    #[test]
    fn the_paper_is_read_from_its_colour() {
        assert_eq!(paper(Theme::Light), [255, 255, 255]);
        assert_eq!(paper(Theme::Dark), [0x12, 0x16, 0x1d]);
    }
}
