//! Reading lists from a child that may be hostile.
//!
//! The length of a frame bounds neither how deeply its values are nested, which would cost the
//! reader's stack, nor what they take up in memory, which can be many times their bytes. These
//! functions do, for serde's `deserialize_with`. The wire format is that of plain lists.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

/// The most pairs in a list of headers or tags.
const MAX_PAIRS: usize = 1000;
/// How deeply options may be nested.
const MAX_DEPTH: usize = 64;
/// The most values in options, over all levels.
const MAX_VALUES: usize = 20_000;

/// Reads headers or tags.
pub(super) fn pairs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
    let mut left = MAX_PAIRS;
    from.deserialize_seq(List::new(move || take_one(&mut left)))
}

/// Reads one level of options.
pub(super) fn level<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let _level = Level::enter().ok_or_else(|| D::Error::custom("options nested too deeply"))?;
    from.deserialize_seq(List::new(|| {
        VALUES.with(|left| {
            let mut now = left.get();
            let taken = take_one(&mut now);
            left.set(now);
            taken
        })
    }))
}

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static VALUES: Cell<usize> = const { Cell::new(MAX_VALUES) };
}

/// One level of nesting, left when it is dropped.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        if depth == 0 {
            VALUES.set(MAX_VALUES);
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        DEPTH.set(depth + 1);
        Some(Self)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

fn take_one(left: &mut usize) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// A list that goes on as long as there is room.
struct List<T, R> {
    room: R,
    of: PhantomData<T>,
}

impl<T, R: FnMut() -> bool> List<T, R> {
    fn new(room: R) -> Self {
        Self { room, of: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, R: FnMut() -> bool> Visitor<'de> for List<T, R> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of bounded length")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Vec<T>, A::Error> {
        // The announced length is not believed.
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            if !(self.room)() {
                return Err(A::Error::custom("a list that is too long"));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{BadFrame, HEADER, decode, encode};
    use super::super::protocol::{Description, Event, FromChild, OptionKind, OptionValue};
    use super::*;

    fn described(options: OptionValue) -> FromChild {
        FromChild::Described(Ok(Description {
            options: Some(options),
            has_default_function: true,
            secrets: Vec::new(),
        }))
    }

    fn list(of: Vec<OptionValue>) -> OptionValue {
        OptionValue { kind: OptionKind::List(of), span: None }
    }

    fn nested(depth: usize) -> OptionValue {
        (1..depth).fold(list(Vec::new()), |inner, _| list(vec![inner]))
    }

    fn received(message: &FromChild) -> Result<FromChild, BadFrame> {
        decode(&encode(message).expect("encodes")[HEADER..])
    }

    #[test]
    fn options_within_bounds_arrive_whole() {
        for options in [nested(MAX_DEPTH), list(vec![nested(3); 1000])] {
            let message = described(options);
            assert_eq!(received(&message), Ok(message));
        }
    }

    #[test]
    fn no_depth_reaches_the_end_of_the_stack() {
        assert!(received(&described(nested(MAX_DEPTH + 1))).is_err());
        // Deeper than any stack: as a child would have to forge it.
        let one = encode(&described(nested(2))).expect("encodes");
        let two = encode(&described(nested(3))).expect("encodes");
        let level = &two[HEADER..][3..][..two.len() - one.len()];
        let body = [&one[HEADER..][..3], &level.repeat(1_000_000), &one[HEADER..][3..]].concat();
        assert!(decode::<FromChild>(&body).is_err());
        assert_eq!(DEPTH.get(), 0, "a failed reading leaves no trace");
    }

    #[test]
    fn many_values_are_too_many_at_any_level() {
        let wide = list(vec![nested(2); MAX_VALUES / 2 + 1]);
        assert!(received(&described(wide)).is_err());
    }

    #[test]
    fn pairs_are_counted() {
        let metric = |count| FromChild::Event {
            at: std::time::Duration::ZERO,
            event: Event::Metric {
                name: String::new(),
                value: 0.0,
                tags: vec![(String::new(), String::new()); count],
            },
        };
        assert!(received(&metric(MAX_PAIRS)).is_ok());
        assert!(received(&metric(MAX_PAIRS + 1)).is_err());
    }
}
