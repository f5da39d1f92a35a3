//! Sliding gives what a fresh look at each range gives.

use proptest::prelude::*;

use super::super::limits::{Account, Limits};
use super::*;

const ALL: [Over; 26] = [
    Over::Rate,
    Over::Increase,
    Over::Delta,
    Over::Irate,
    Over::Idelta,
    Over::Deriv,
    Over::PredictLinear,
    Over::Smoothing,
    Over::Avg,
    Over::Min,
    Over::Max,
    Over::Sum,
    Over::Count,
    Over::Quantile,
    Over::Stddev,
    Over::Stdvar,
    Over::Mad,
    Over::First,
    Over::Last,
    Over::Present,
    Over::Changes,
    Over::Resets,
    Over::TimeOfFirst,
    Over::TimeOfLast,
    Over::TimeOfMin,
    Over::TimeOfMax,
];

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-3i32..10).prop_map(f64::from),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
    ]
}

proptest! {
    #[test]
    fn a_slide_is_the_same_as_a_fresh_look(
        gaps in prop::collection::vec(1i64..5, 0..40),
        values in prop::collection::vec(value(), 40),
        range in 1i64..20,
        step in 1i64..7,
    ) {
        let times: Vec<i64> =
            gaps.iter().scan(0, |time, gap| { *time += gap; Some(*time) }).collect();
        let run = Run { times: &times, values: &values[..times.len()] };
        let account = Account::new(Limits::default(), &|| false);
        for over in ALL {
            let mut slide = Slide::new(over, run);
            for now in (0..100).map(|at| at * step) {
                let span = Span { start: now - range, end: now, now };
                let slid = slide.next(span, [0.5, 0.5], &account).expect("in the limits");
                let fresh = Slide::new(over, run).next(span, [0.5, 0.5], &account);
                let fresh = fresh.expect("in the limits");
                let same = slid.map(f64::to_bits) == fresh.map(f64::to_bits)
                    || slid.is_some_and(f64::is_nan) && fresh.is_some_and(f64::is_nan);
                prop_assert!(same, "{over:?} at {now}: {slid:?}, not {fresh:?}");
            }
        }
    }
}

#[test]
fn work_is_counted_and_refused() {
    let times: Vec<i64> = (0..100).collect();
    let values = vec![1.0; 100];
    let account = Account::new(Limits { work: 99, ..Limits::default() }, &|| false);
    let mut slide = Slide::new(Over::Sum, Run { times: &times, values: &values });
    let span = Span { start: -1, end: 99, now: 99 };
    let refused = slide.next(span, [0.0; 2], &account);
    assert_eq!(refused, Err(Refusal::Excess(Excess { what: "units of work", most: 99 })));
}

#[test]
fn a_factor_that_is_none_is_refused() {
    let run = Run { times: &[1, 2], values: &[1.0, 2.0] };
    let account = Account::new(Limits::default(), &|| false);
    let span = Span { start: 0, end: 2, now: 2 };
    let refused = Slide::new(Over::Smoothing, run).next(span, [1.0, 0.5], &account);
    let message = refused.expect_err("no factor").to_string();
    assert_eq!(message, "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000");
}
