//! The orders that results are sorted in.

use std::cmp::Ordering;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query) enum Direction {
    Ascending,
    Descending,
}

/// Compares texts as people read them: runs of digits as numbers, the rest letter by letter.
pub(in crate::query) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (left, right);
        (left, a) = chunk(a);
        (right, b) = chunk(b);
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let order = if digits(left) && digits(right) {
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            left.cmp(right)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The leading run of digits or of others, and what follows it.
fn chunk(text: &str) -> (&str, &str) {
    let first_is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != first_is_digit).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_texts_are_numbers() {
        let mut names = ["4m1000", "4m5", "4m600", "4m", "5", "4m05x", "1.2.10", "1.2.9"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["1.2.9", "1.2.10", "4m", "4m5", "4m05x", "4m600", "4m1000", "5"]);
    }
}
