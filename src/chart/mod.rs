//! Charts: values, slots, requests and duties drawn as SVG, with the labels that people would
//! choose; the same SVG as PNG; and the ticks and labels for charts made of letters.
//!
//! A chart is a value with `svg(width)`. Contract, which tests hold:
//!
//! - Pure: nothing is read, asked or printed, and no time is taken from a clock.
//! - Anything may be drawn: nothing, one point, a hundred thousand, NaN, infinities, times out of
//!   order, names of any length and script. The size of what comes out is bounded by the width.
//! - What comes out is one well-formed `<svg>` with a view box, which fills the width it is given.
//!   It says in `<title>` and `<desc>` what it shows. It has no ids, no scripts, no styles and
//!   refers to nothing, so it may stand in a page under a strict content policy, several times.
//! - Colours are classes ([`stylesheet`]), with those of the light theme written in for whoever
//!   has no stylesheet. Colour is never the only sign: states differ in shape, lines in dashes.
//! - Text is never smaller than 11 units; at [`NARROW`], [`MIDDLE`] and [`WIDE`] a unit is about a pixel.
//! - What can be pointed at has `data-say` with the words, and `data-at` or `data-from` and
//!   `data-until` with times (RFC 3339), which a page writes in its reader's zone.

mod canvas;
mod distribution;
mod legend;
mod lines;
mod number;
mod palette;
mod picture;
mod plot;
mod points;
mod slots;
mod sparkline;
mod stacked;
#[cfg(test)]
mod tests;
mod ticks;
mod timeline;
mod unit;
mod waterfall;

use chrono_tz::Tz;

pub use distribution::Distribution;
pub use lines::{Lines, Mark, Shade, Threshold};
pub use palette::{Theme, page_stylesheet, stylesheet};
pub use picture::{Error as PictureError, png};
pub use points::Line;
pub use slots::{Slot, SlotState, Slots};
pub use sparkline::Sparkline;
pub use stacked::Stacked;
pub use ticks::{Tick, times};
pub use timeline::{Duty, Timeline};
pub use unit::{Scale, Unit, scale};
pub use waterfall::{Bar, Phase, Sign, Waterfall};

/// Milliseconds since 1970.
pub type Millis = i64;

/// The width for a telephone: what is left of 320 px.
pub const NARROW: u16 = 304;

/// How wide a chart for half of a page is.
pub const MIDDLE: u16 = 480;

/// The width for everything wider.
pub const WIDE: u16 = 720;

/// Whether a chart shows its title, or a page does above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// The title is drawn: the chart stands alone, as a picture does.
    Drawn,
    /// The title is only said to whoever does not see the chart.
    Spoken,
}

/// What every chart over time has.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What the chart is of.
    pub title: String,
    /// Whether the title is drawn.
    pub heading: Heading,
    /// From when until when.
    pub span: (Millis, Millis),
    /// The zone of the times on the axis.
    pub zone: Tz,
}

/// A chart for any width of the place where it stands: drawn for a telephone, for half of a page and for
/// everything wider. The page's stylesheet ([`page_stylesheet`]) shows one of them.
pub fn fluid(svg: impl Fn(u16) -> String) -> String {
    let (narrow, middle, wide) = (svg(NARROW), svg(MIDDLE), svg(WIDE));
    format!(
        "<div class=\"chart-place\"><div class=\"chart-narrow\">{narrow}</div>\
         <div class=\"chart-middle\">{middle}</div><div class=\"chart-wide\">{wide}</div></div>"
    )
}
