//! What queries cost over a thousand series of a day, a sample and a step every 15 seconds.
//!
//! `cargo bench --bench promql`

mod counters;

use counters::{DAY, STEP, counters};
use tripline::clock::Stopwatch;
use tripline::query::{Limits, Outcome, Settings, When, evaluate, parse, plan};

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

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn main() {
    let limits = Limits { samples: u64::MAX, work: u64::MAX, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let all = counters(0);
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
