//! Series as OpenMetrics text.

use std::fmt::Write as _;

use crate::query::{METRIC_NAME, Measure, Series};

/// Appends a line for each point of `series`, after one with its type where that is known. What only
/// a store knows, that a series has ended, has no line.
pub fn write(series: &Series, text: &mut String) {
    let labels = series.labels();
    let (name, kind) = (labels.metric_name(), series.measure().map_or("unknown", Measure::as_str));
    if is_plain(name) {
        let _ = writeln!(text, "# TYPE \"{name}\" {kind}");
    }
    let mut head = format!("{{\"{}\"", Escaped(labels.metric_name()));
    for label in labels.iter().filter(|label| *label.name != *METRIC_NAME) {
        let _ = write!(head, ",\"{}\"=\"{}\"", Escaped(&label.name), Escaped(&label.value));
    }
    for (time, value) in series.times().iter().zip(series.values()) {
        if crate::query::is_stale(*value) {
            continue;
        }
        let (sign, millis) = (if *time < 0 { "-" } else { "" }, time.unsigned_abs());
        let value = if value.is_infinite() {
            if *value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
        } else {
            value.to_string()
        };
        let _ = writeln!(text, "{head}}} {value} {sign}{}.{:03}", millis / 1000, millis % 1000);
    }
}

/// Whether a name can stand in a line about its type.
fn is_plain(name: &str) -> bool {
    !name.contains([' ', '"', '\\', '\n', '\r'])
}

/// A text as it stands between quotes.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str(r"\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str(r"\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exposition::{Batch, Reader};
    use crate::query::Labels;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            name in "[^\u{0}-\u{1f}]{1,8}",
            value in "[\\\\\"n\n ,}a-z]{0,8}",
            points in prop::collection::btree_map(-9_000_000_000_000i64..9_000_000_000_000, prop::num::f64::ANY, 1..5),
        ) {
            let labels: Labels =
                [(METRIC_NAME, name.as_str()), ("a.b", &value)].into_iter().collect();
            let (times, values): (Vec<_>, Vec<_>) = points.into_iter().unzip();
            let series = Series::new(labels, times, values).expect("a series");
            let measure = [None, Some(Measure::Counter), Some(Measure::Gauge)][value.len() % 3];
            let series = series.measuring(measure);
            let mut text = String::new();
            write(&series, &mut text);
            let (mut reader, mut batch) = (Reader::default(), Batch::default());
            for line in text.lines() {
                let read = reader.line(line).expect("it is right");
                if let Some(sample) = read {
                    batch.push(sample, 0);
                }
            }
            let (read, repeated) = batch.take();
            prop_assert_eq!((read.len(), repeated), (1, 0));
            prop_assert_eq!(read[0].labels(), series.labels());
            prop_assert_eq!(read[0].times(), series.times());
            let measure = series.measure().filter(|_| is_plain(&name));
            prop_assert_eq!(read[0].measure(), measure);
            for (one, other) in read[0].values().iter().zip(series.values()) {
                prop_assert!(one.total_cmp(other).is_eq() || one.is_nan() && other.is_nan());
            }
        }
    }
}
