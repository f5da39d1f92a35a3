//! The same expressions over the same series, here and in a running Prometheus.
//!
//! Series have gaps, resets and samples off every grid; expressions are made by chance from a
//! printed seed. Prometheus 2 closes ranges on the left where Prometheus 3 leaves them open. Samples
//! lie 137 to 736 ms after a full second and evaluations 7 s after a full minute, so none ever lies
//! on an edge, and both versions have to agree.

mod expressions;
mod resets;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use tripline::query::{
    Labels, METRIC_NAME, Matcher, Outcome, Selection, Series, Settings, When, evaluate, parse, plan,
};

use self::expressions::{RENAMED, expression};
use self::server::Server;
use super::variable;
use crate::support::random::Random;

/// Some moment; milliseconds since 1970, on a full hour.
const BEGIN: i64 = 1_767_225_600_000;
const HOURS: i64 = 3;
const SCRAPE: i64 = 15_000;
const USUAL_COUNT: u64 = 400;

/// Where counters begin whose rate is asked in any expression: so high that no extrapolation reaches zero,
/// where the versions stop differently. One of them has resets: it is zero once, and then as high again.
const FLOOR: f64 = 100_000.0;

/// Values of a series by the milliseconds since 1970.
type Values = BTreeMap<i64, f64>;

/// What an expression came to, by the labels.
type Result = BTreeMap<String, Values>;

/// A counter, two with resets, of which one leaps from zero, a gauge that is sometimes negative and never what another one is, and
/// the buckets of a histogram.
fn world(random: &mut Random) -> Vec<Series> {
    let mut all = Vec::new();
    for (region, of_region) in [("eu", 0.0), ("us", 0.01)] {
        for (host, of_host) in [("a", 0.001), ("b", 0.002), ("c", 0.003)] {
            let of = |name: &str| {
                [
                    ("__name__", name.to_owned()),
                    ("region", region.to_owned()),
                    ("host", host.to_owned()),
                ]
            };
            let times = times(random);
            let mut total = FLOOR;
            let counter = times.iter().map(|_| {
                total += f64::from(number(random, 40));
                total
            });
            all.push(series(of("a_total"), &times, counter.collect()));
            let counter = times.iter().map(|_| {
                let grown = total + f64::from(number(random, 40));
                total = if random.below(60) == 0 { 0.0 } else { grown };
                total
            });
            all.push(series(of("d_total"), &times, counter.collect()));
            let mut total = FLOOR;
            let counter = times.iter().map(|_| {
                let grown =
                    if total == 0.0 { FLOOR } else { total + f64::from(number(random, 40)) };
                total = if random.below(60) == 0 { 0.0 } else { grown };
                total
            });
            all.push(series(of("e_total"), &times, counter.collect()));
            let times = self::times(random);
            let gauge = times
                .iter()
                .map(|_| f64::from(number(random, 2_000)) / 8.0 - 100.0 + of_host + of_region);
            all.push(series(of("b"), &times, gauge.collect()));
        }
        let times = times(random);
        let mut counts = [FLOOR; 4];
        let mut columns = vec![Vec::new(); 4];
        for _ in &times {
            for (count, column) in counts.iter_mut().zip(&mut columns) {
                *count += f64::from(number(random, 5));
                column.push(*count);
            }
        }
        let mut below = vec![0.0; times.len()];
        for (bound, column) in ["0.1", "0.5", "2.5", "+Inf"].into_iter().zip(columns) {
            below = below.iter().zip(column).map(|(below, own)| below + own).collect();
            let labels = [("__name__", "c_bucket"), ("region", region), ("le", bound)];
            all.push(series(
                labels.map(|(name, value)| (name, value.to_owned())),
                &times,
                below.clone(),
            ));
        }
    }
    all
}

fn number(random: &mut Random, below: u32) -> u32 {
    u32::try_from(random.below(u64::from(below))).expect("small")
}

/// A sample about every 15 seconds, never on a full second; a few times nothing for minutes.
fn times(random: &mut Random) -> Vec<i64> {
    let (mut times, mut at) = (Vec::new(), 0);
    while at < HOURS * 3_600_000 {
        let late = i64::from(number(random, 12)) * 1_000 + i64::from(number(random, 600));
        times.push(BEGIN + at + 137 + late);
        let gap = if random.below(90) == 0 { 1 + i64::from(number(random, 30)) } else { 0 };
        at += SCRAPE * (1 + gap);
    }
    times
}

fn series<const N: usize>(labels: [(&str, String); N], times: &[i64], values: Vec<f64>) -> Series {
    Series::new(labels.into_iter().collect(), times.to_vec(), values).expect("in order")
}

/// The series as a file that `promtool tsdb create-blocks-from openmetrics` reads.
fn exposition(all: &[Series]) -> String {
    let mut text = String::new();
    let (counter, gauge, histogram) = ("counter", "gauge", "histogram");
    let families = [("a", counter), ("b", gauge), ("c", histogram), ("d", counter), ("e", counter)];
    for (family, kind) in families {
        writeln!(text, "# TYPE {family} {kind}").expect("a string takes all");
        let of_family = all.iter().filter(|it| it.labels().metric_name().starts_with(family));
        for series in of_family {
            let others = series.labels().iter().filter(|label| &*label.name != METRIC_NAME);
            let labels: Vec<String> =
                others.map(|label| format!("{}=\"{}\"", label.name, label.value)).collect();
            let labels = labels.join(",");
            let name = series.labels().metric_name();
            for (time, value) in series.times().iter().zip(series.values()) {
                let (seconds, rest) = (time / 1000, time % 1000);
                writeln!(text, "{name}{{{labels}}} {value} {seconds}.{rest:03}")
                    .expect("a string takes all");
            }
        }
    }
    text + "# EOF\n"
}

fn selected(all: &[Arc<Series>], selection: &Selection) -> Vec<Arc<Series>> {
    let fits = |series: &&Arc<Series>| {
        let selects = |matcher: &Matcher| matcher.selects(series.labels());
        selection.matchers.iter().all(selects)
    };
    all.iter().filter(fits).cloned().collect()
}

fn here(all: &[Arc<Series>], text: &str, when: When) -> std::result::Result<Result, String> {
    let settings = Settings::default();
    let expression = parse(text, &settings.limits).map_err(|error| error.to_string())?;
    let selections = plan(&expression, when, &settings).map_err(|error| error.to_string())?;
    let data: Vec<_> = selections.iter().map(|it| selected(all, it)).collect();
    let answer =
        evaluate(&expression, when, &data, &settings).map_err(|error| error.to_string())?;
    let Outcome::Matrix(lines) = answer.outcome else { return Err("no matrix".to_owned()) };
    let named = |labels: &Labels| labels.to_string();
    Ok(lines.iter().map(|it| (named(&it.labels), it.points.iter().copied().collect())).collect())
}

fn there(answer: &Value) -> std::result::Result<Result, String> {
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let lines = answer["data"]["result"].as_array().expect("a matrix").iter();
    let line = |line: &Value| {
        let labels = line["metric"].as_object().expect("labels").iter();
        let labels = labels.map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
        let points = line["values"].as_array().expect("points").iter().map(|point| {
            let time = point[0].as_f64().expect("seconds") * 1000.0;
            let value = point[1].as_str().expect("text").parse().expect("a number");
            #[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
            (time.round() as i64, value)
        });
        (labels.collect::<Labels>().to_string(), points.collect())
    };
    Ok(lines.map(line).collect())
}

/// Where two results differ first, if they do.
fn difference(ours: &Result, theirs: &Result) -> Option<String> {
    if !ours.keys().eq(theirs.keys()) {
        return Some(format!("ours {:?}, theirs {:?}", ours.keys(), theirs.keys()));
    }
    let mut pairs = ours.iter().zip(theirs.values());
    pairs.find_map(|((labels, ours), theirs)| {
        if !ours.keys().eq(theirs.keys()) {
            return Some(format!("{labels}: ours {} points, theirs {}", ours.len(), theirs.len()));
        }
        let mut points = ours.iter().zip(theirs.values());
        let differing = points.find(|((_, ours), theirs)| !is_alike(**ours, **theirs));
        differing.map(|((time, ours), theirs)| {
            format!("{labels} at {time}: ours {ours}, theirs {theirs}")
        })
    })
}

/// Versions of Prometheus sum in different orders and with different care.
fn is_alike(ours: f64, theirs: f64) -> bool {
    let margin = 1e-9 * ours.abs().max(theirs.abs()).max(1.0);
    // Infinities are alike by their bits.
    ours.to_bits() == theirs.to_bits()
        || (ours.is_nan() && theirs.is_nan())
        || (ours - theirs).abs() <= margin
}

#[expect(clippy::print_stderr, reason = "a run that failed can be repeated by its seed")]
#[tokio::test]
async fn prometheus_says_the_same_of_random_series() {
    let number = |name| variable(name).and_then(|it| it.to_str()?.parse::<u64>().ok());
    let seed = number("TRIPLINE_DIFFERENTIAL_SEED").unwrap_or(20_261_121);
    let count = number("TRIPLINE_DIFFERENTIAL").unwrap_or(USUAL_COUNT);
    let mut random = Random::new(seed);
    let all = world(&mut random);
    let Some(server) = Server::start(&exposition(&all)).await else { return };
    eprintln!("{count} expressions from seed {seed}");
    let all: Vec<Arc<Series>> = all.into_iter().map(Arc::new).collect();
    let (mut wrong, mut refused, mut empty) = (Vec::new(), Vec::new(), 0);
    for _ in 0..count {
        let text = expression(&mut random);
        let start = BEGIN + 7_000 + 60_000 * (20 + i64::from(self::number(&mut random, 60)));
        let (end, step) = (start + 3_600_000, 60_000);
        let when = When::Every { start, end, step };
        let ours = here(&all, &text, when);
        let theirs = there(
            &server.query_range(&text.replace(RENAMED.0, RENAMED.1), (start, end), step).await,
        );
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                empty += u64::from(ours.is_empty());
                if let Some(difference) = difference(&ours, &theirs) {
                    wrong.push(format!("{text}\n    {difference}"));
                }
            }
            (Err(ours), Err(theirs)) => {
                refused.push(format!("{text}\n    here {ours}\n    there {theirs}"));
            }
            (ours, theirs) => {
                let (ours, theirs) = (ours.err(), theirs.err());
                wrong.push(format!("{text}\n    refused here {ours:?}, there {theirs:?}"));
            }
        }
    }
    wrong.extend(resets::compare(&server, &all, &mut random).await);
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    // What neither takes is a mistake in the expressions, or a server that is none.
    let (few, some) = (count / 50, refused.len());
    assert!(some as u64 <= few, "{some} of {count} are refused:\n{}", refused.join("\n"));
    assert!(empty * 2 < count, "{empty} of {count} have no value: nothing was compared");
}
