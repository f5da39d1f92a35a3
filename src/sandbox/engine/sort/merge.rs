//! A stable merge sort under an order that may fail, lie or contradict itself.
//!
//! The standard library's sorts may panic when an order is none; this one ends with the same items
//! in some order. It stops at the first error.

/// Shorter runs are made this long by insertion, which needs the fewest comparisons.
const SHORTEST_RUN: usize = 16;

/// After so many items in a row from one run, the end of the row is searched for.
const STREAK: u32 = 7;

/// Sorts `items`. `is_after(x, y)` says whether `x` belongs behind `y`; items of which neither
/// belongs behind the other keep their order. Sorted and reversed stretches are made use of.
pub(super) fn sort<T, E>(
    items: Vec<T>,
    mut is_after: impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut runs = runs(items, &mut is_after)?;
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut waiting = runs.into_iter();
        while let Some(left) = waiting.next() {
            merged.push(match waiting.next() {
                Some(right) => merge(left, right, &mut is_after)?,
                None => left,
            });
        }
        runs = merged;
    }
    Ok(runs.pop().unwrap_or_default())
}

/// Cuts `items` into sorted runs.
fn runs<T, E>(
    items: Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut runs = Vec::new();
    let mut items = items.into_iter();
    let mut next = items.next();
    while let Some(first) = next.take() {
        let mut run = vec![first];
        let mut falls = None;
        for item in items.by_ref() {
            let is_before = is_after(&run[run.len() - 1], &item)?;
            if is_before != *falls.get_or_insert(is_before) {
                next = Some(item);
                break;
            }
            run.push(item);
        }
        // Only what strictly falls: equal items would change places.
        if falls == Some(true) {
            run.reverse();
        }
        while run.len() < SHORTEST_RUN
            && let Some(item) = next.take()
        {
            insert(&mut run, item, is_after)?;
            next = items.next();
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Puts `item` behind all items of a run that it does not belong before.
fn insert<T, E>(
    run: &mut Vec<T>,
    item: T,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<(), E> {
    let (mut from, mut to) = (0, run.len());
    while from < to {
        let middle = from.midpoint(to);
        if is_after(&run[middle], &item)? {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    run.insert(from, item);
    Ok(())
}

fn merge<T, E>(
    mut left: Vec<T>,
    right: Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && !is_after(last, first)?
    {
        left.extend(right);
        return Ok(left);
    }
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let (mut from_left, mut from_right) = (0, 0);
    while let (Some(x), Some(y)) = (left.as_slice().first(), right.as_slice().first()) {
        if from_left == STREAK {
            let more = leading(left.as_slice(), |item| Ok(!is_after(item, y)?))?;
            merged.extend(left.by_ref().take(more));
            from_left = 0;
        } else if from_right == STREAK {
            let more = leading(right.as_slice(), |item| is_after(x, item))?;
            merged.extend(right.by_ref().take(more));
            from_right = 0;
        } else if is_after(x, y)? {
            merged.extend(right.next());
            (from_left, from_right) = (0, from_right + 1);
        } else {
            merged.extend(left.next());
            (from_left, from_right) = (from_left + 1, 0);
        }
    }
    merged.extend(left.chain(right));
    Ok(merged)
}

/// How many items at the front `belong`, found in steps that double.
fn leading<T, E>(items: &[T], mut belongs: impl FnMut(&T) -> Result<bool, E>) -> Result<usize, E> {
    let (mut from, mut to) = (0, 1);
    while to <= items.len() && belongs(&items[to - 1])? {
        (from, to) = (to, to * 2);
    }
    to = items.len().min(to - 1);
    while from < to {
        let middle = from.midpoint(to);
        if belongs(&items[middle])? {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn sorted<T>(items: Vec<T>, is_after: impl Fn(&T, &T) -> bool) -> Vec<T> {
        let sorted = sort(items, |x, y| Ok::<_, Infallible>(is_after(x, y)));
        sorted.unwrap_or_else(|never| match never {})
    }

    proptest! {
        #[test]
        fn an_order_is_kept_and_equals_stay_as_they_were(
            keys in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                prop::collection::vec(0u8..4, 0..300),
            ],
        ) {
            let items: Vec<(u8, usize)> = keys.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(items, |x, y| x.0 > y.0), expected);
        }

        #[test]
        fn what_is_no_order_loses_nothing(
            length in 0usize..300,
            lies in prop::collection::vec(any::<bool>(), 1..50),
        ) {
            let mut answers = lies.iter().copied().cycle();
            let items: Vec<usize> = (0..length).collect();
            let shuffled = sort(items.clone(), |_, _| answers.next().ok_or("no answer"));
            let mut shuffled = shuffled.expect("there is always an answer");
            shuffled.sort_unstable();
            prop_assert_eq!(shuffled, items);
        }

        #[test]
        fn the_first_error_is_the_last_question(length in 2usize..300, at in 0usize..300) {
            let mut asked = 0;
            let told = sort((0..length).rev().collect(), |x, y| {
                asked += 1;
                if asked > at { Err(asked) } else { Ok(x > y) }
            });
            prop_assert_eq!(told.err(), (asked > at).then_some(at + 1));
        }
    }

    #[test]
    fn what_is_sorted_or_reversed_is_looked_at_once() {
        for items in [(0..1000).collect::<Vec<u32>>(), (0..1000).rev().collect()] {
            let mut asked = 0;
            let sorted = sort(items, |x, y| {
                asked += 1;
                Ok::<_, Infallible>(x > y)
            });
            assert_eq!((sorted, asked), (Ok((0..1000).collect()), 999));
        }
    }

    #[test]
    fn many_equal_items_are_not_compared_one_by_one() {
        let mut asked = 0;
        let items = (0u32..10_000).map(|n| n * 7919 % 7).collect();
        let sorted = sort(items, |x, y| {
            asked += 1;
            Ok::<_, Infallible>(x > y)
        });
        assert!(sorted.is_ok_and(|sorted| sorted.is_sorted()));
        assert!(asked < 80_000, "{asked} comparisons, where n log n is 132,877");
    }
}
