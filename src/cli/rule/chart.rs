//! A chart of what a rule saw, and a band of how it stood.

use crate::cli::chart::{self, Curve, Frame};
use crate::cli::look::Look;
use crate::domain::rule::state::Standing;
use crate::engine::rules::replay::{Moment, Replayed};

/// Draws what was replayed, in at most the columns that there are.
pub(super) fn drawn(replayed: &Replayed, look: &Look) -> String {
    let (Some(first), Some(last)) = (replayed.moments.first(), replayed.moments.last()) else {
        return String::new();
    };
    let (start, end) = (first.at.timestamp_millis(), last.at.timestamp_millis());
    let evaluations = i64::try_from(replayed.moments.len()).unwrap_or(i64::MAX);
    let step = (end - start) / (evaluations - 1).max(1);
    let band = |columns: usize| band(&replayed.moments, columns);
    let frame = Frame { span: (start, end), step, band: Some(&band) };
    chart::drawn(&curves(replayed), frame, look)
        + "# breached  + pending  . ok  ? no data, no history or no value\n\n"
}

/// One character for each part of the time, the worst of it.
fn band(moments: &[Moment], columns: usize) -> String {
    let sign = |standing: Standing| match standing {
        Standing::Breached => (3, '#'),
        Standing::NoData | Standing::NoHistory | Standing::Failing | Standing::New => (2, '?'),
        Standing::Pending => (1, '+'),
        Standing::Ok => (0, '.'),
    };
    let columns = columns.min(moments.len());
    let part = |column: usize| {
        let (start, end) =
            (column * moments.len() / columns, (column + 1) * moments.len() / columns);
        let worst = moments[start..end].iter().map(|it| sign(it.standing)).max();
        worst.map_or(' ', |(_, sign)| sign)
    };
    (0..columns).map(part).collect()
}

/// What it saw, what was usual, and the bound, each where there is one.
fn curves(replayed: &Replayed) -> Vec<Curve> {
    let named = |name: &str, value: &dyn Fn(&Moment) -> Option<f64>| {
        let point = |it: &Moment| Some((it.at.timestamp_millis(), value(it)?));
        let points = replayed.moments.iter().filter_map(point).collect();
        Curve { name: name.to_owned(), points }
    };
    let all = [
        named("value", &|it| it.value),
        named("usual", &|it| it.usual),
        named("threshold", &|_| replayed.bound),
    ];
    all.into_iter().filter(|curve| !curve.points.is_empty()).collect()
}
