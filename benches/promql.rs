//! What queries cost over a thousand series of a day, a sample and a step every 15 seconds.
//!
//! `cargo bench --bench promql`

use std::sync::Arc;

use tripline::clock::Stopwatch;
use tripline::query::{Labels, Limits, Outcome, Series, Settings, When, evaluate, parse, plan};

const SERIES: usize = 1_000;
const STEP: i64 = 15_000;
const DAY: i64 = 86_400_000;

const EXPRESSIONS: [&str; 12] = [
    "x_total",
    "rate(x_total[5m])",
    "increase(x_total[1h])",
    "deriv(x_total[5m])",
    "avg_over_time(x_total[5m])",
    "max_over_time(x_total[1h])",
    "resets(x_total[1h])",
    "x_total * 2 > 5",
    "x_total / x_total",
    "sum by (job) (rate(x_total[5m]))",
    "topk(5, x_total)",
    "quantile(0.9, x_total)",
];

/// A counter that now and then begins anew.
fn series(number: usize) -> Arc<Series> {
    let labels = [
        ("__name__".to_owned(), "x_total".to_owned()),
        ("instance".to_owned(), format!("host-{number}")),
        ("job".to_owned(), format!("job-{}", number % 10)),
    ];
    let labels: Labels = labels.into_iter().collect();
    let times: Vec<i64> = (0..(DAY + 3_600_000) / STEP).map(|at| at * STEP).collect();
    let (mut value, mut state) = (0.0, number as u64 + 1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = u32::try_from(state >> 33).expect("31 bits");
        value = if random.is_multiple_of(997) { 0.0 } else { value + f64::from(random % 10) };
        value
    };
    let values = times.iter().map(|_| next()).collect();
    Arc::new(Series::new(labels, times, values).expect("ascending times"))
}

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn main() {
    let limits = Limits { samples: u64::MAX, work: u64::MAX, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let all: Vec<Arc<Series>> = (0..SERIES).map(series).collect();
    let when = When::Every { start: 3_600_000, end: 3_600_000 + DAY, step: STEP };
    for text in EXPRESSIONS {
        let expression = parse(text, &settings.limits).expect("an expression");
        let selections = plan(&expression, when, &settings).expect("a plan").len();
        let data = vec![all.clone(); selections];
        let watch = Stopwatch::start();
        let answer = evaluate(&expression, when, &data, &settings).expect("an answer");
        let elapsed = watch.elapsed();
        let Outcome::Matrix(lines) = answer.outcome else { panic!("a range query has a matrix") };
        let points: usize = lines.iter().map(|line| line.points.len()).sum();
        println!("{:>8.1} ms  {points:>9} values  {text}", elapsed.as_secs_f64() * 1000.0);
    }
}
