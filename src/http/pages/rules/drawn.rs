//! Expressions over time, drawn for a page.

use chrono_tz::Tz;

use super::asked::{PATIENCE, Window};
use crate::chart::{self, Heading, Lines, Unit};
use crate::domain::rule::Rule;
pub(super) use crate::engine::drawing::named;
use crate::engine::drawing::{self, Drawing, Grid};
use crate::engine::queries::Refusal;
use crate::http::Api;
use crate::http::pages::layout::Frame;

/// A rule over time.
pub(super) async fn of_rule(
    api: &Api,
    rule: &Rule,
    window: Window,
    frame: &Frame,
) -> Result<String, Refusal> {
    let grid = window.grid(frame.now);
    Ok(svg(drawing::of_rule(&api.queries, rule, grid, PATIENCE).await?, grid, frame.zone))
}

/// An expression over time; of a comparison with a number, what is compared.
pub(super) async fn of_text(
    api: &Api,
    text: &str,
    window: Window,
    frame: &Frame,
) -> Result<String, Refusal> {
    let grid = window.grid(frame.now);
    Ok(svg(drawing::of_text(&api.queries, text, grid, PATIENCE).await?, grid, frame.zone))
}

fn svg(drawing: Drawing, grid: Grid, zone: Tz) -> String {
    let lines = Lines {
        frame: chart::Frame {
            title: "The expression over time".to_owned(),
            heading: Heading::Spoken,
            span: (grid.start, grid.end),
            zone,
        },
        unit: Unit::Number,
        lines: drawing.lines,
        gap: grid.step * 2,
        threshold: drawing.threshold,
        shades: drawing.shades,
        marks: Vec::new(),
    };
    chart::fluid(|width| lines.svg(width))
}
