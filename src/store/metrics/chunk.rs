//! Points of one series in few bytes: times as differences of differences, values as what changed of
//! their bits (Pelkonen et al., "Gorilla", VLDB 2015), bit by bit as they were, also NaN.
//!
//! A chunk is added to where it is, without being read. What is stored begins with a byte that says
//! of which form it is; no stored byte can make reading panic.

use super::bits::{Bits, Reading};
use super::points::Points;
use super::varint;

/// The form that this version writes.
const FORM: u8 = 1;
/// What a difference of differences is written with: how many bits, by the number of ones before.
const TIMES: [u32; 4] = [7, 12, 20, 64];
/// No window of bits was written yet.
const NONE: u8 = u8::MAX;

/// A chunk that points are added to, each later than all before.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    bits: Bits,
    count: u32,
    last: i64,
    delta: i64,
    value: u64,
    leading: u8,
    trailing: u8,
}

impl Default for Chunk {
    fn default() -> Self {
        let bits = Bits::default();
        Self { bits, count: 0, last: 0, delta: 0, value: 0, leading: NONE, trailing: 0 }
    }
}

impl Chunk {
    /// A chunk of these points.
    pub(super) fn of(points: &Points) -> Self {
        let mut chunk = Self::default();
        for (time, value) in points.iter() {
            chunk.push(time, value);
        }
        chunk
    }

    /// How many points there are.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// The last point.
    pub(super) fn last(&self) -> Option<(i64, f64)> {
        (self.count > 0).then(|| (self.last, f64::from_bits(self.value)))
    }

    /// Adds a point that is later than the last one.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        let bits = value.to_bits();
        if self.count == 0 {
            self.bits.push(time.cast_unsigned(), 64);
            self.bits.push(bits, 64);
        } else {
            let delta = time.wrapping_sub(self.last);
            self.push_change(delta.wrapping_sub(self.delta));
            self.delta = delta;
            self.push_value(bits);
        }
        (self.last, self.value) = (time, bits);
        self.count = self.count.saturating_add(1);
    }

    fn push_change(&mut self, change: i64) {
        if change == 0 {
            return self.bits.push(0, 1);
        }
        for (ones, width) in (1_u32..).zip(TIMES) {
            let half = 1_i64.checked_shl(width - 1).unwrap_or(i64::MAX);
            if width == 64 {
                self.bits.push(0b1111, 4);
                self.bits.push(change.cast_unsigned(), 64);
            } else if (-half..half).contains(&change) {
                self.bits.push((1 << (ones + 1)) - 2, ones + 1);
                self.bits.push(change.cast_unsigned(), width);
                return;
            }
        }
    }

    fn push_value(&mut self, bits: u64) {
        let changed = bits ^ self.value;
        if changed == 0 {
            return self.bits.push(0, 1);
        }
        let leading = u8::try_from(changed.leading_zeros().min(31)).unwrap_or(31);
        let trailing = u8::try_from(changed.trailing_zeros()).unwrap_or(63);
        let fits = self.leading != NONE && leading >= self.leading && trailing >= self.trailing;
        if fits {
            self.bits.push(0b10, 2);
        } else {
            (self.leading, self.trailing) = (leading, trailing);
            self.bits.push(0b11, 2);
            self.bits.push(leading.into(), 5);
            self.bits.push(u64::from(64 - leading - trailing - 1), 6);
        }
        let width = 64 - u32::from(self.leading) - u32::from(self.trailing);
        self.bits.push(changed >> self.trailing, width);
    }

    /// The points.
    pub(super) fn points(&self) -> Points {
        read(self.bits.bytes(), self.len()).unwrap_or_default()
    }

    /// What is stored of it.
    pub(super) fn stored(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bits.bytes().len() + 4);
        bytes.push(FORM);
        varint::put(&mut bytes, u64::from(self.count));
        bytes.extend_from_slice(self.bits.bytes());
        bytes
    }
}

/// The points of what is stored; none where it cannot be read.
pub(super) fn unpacked(stored: &[u8]) -> Option<Points> {
    let (form, mut rest) = stored.split_first()?;
    if *form != FORM {
        return None;
    }
    let count = usize::try_from(varint::take(&mut rest)?).ok()?;
    read(rest, count)
}

fn read(bytes: &[u8], count: usize) -> Option<Points> {
    // Two bits a point at least, whatever the count says.
    let most = bytes.len().saturating_mul(4);
    let mut points = Points {
        times: Vec::with_capacity(count.min(most)),
        values: Vec::with_capacity(count.min(most)),
    };
    let mut bits = Reading::new(bytes);
    let (mut time, mut delta, mut value) = (0_i64, 0_i64, 0_u64);
    let (mut leading, mut width) = (0_u32, 64_u32);
    for index in 0..count {
        if index == 0 {
            time = bits.take(64)?.cast_signed();
            value = bits.take(64)?;
        } else {
            delta = delta.wrapping_add(read_change(&mut bits)?);
            let next = time.checked_add(delta)?;
            if next <= time {
                return None;
            }
            time = next;
            if bits.flag()? {
                if bits.flag()? {
                    leading = u32::try_from(bits.take(5)?).ok()?;
                    width = u32::try_from(bits.take(6)?).ok()? + 1;
                }
                let trailing = 64_u32.checked_sub(leading)?.checked_sub(width)?;
                value ^= bits.take(width)? << trailing;
            }
        }
        points.push(time, f64::from_bits(value));
    }
    Some(points)
}

fn read_change(bits: &mut Reading<'_>) -> Option<i64> {
    if !bits.flag()? {
        return Some(0);
    }
    let mut width = TIMES[0];
    for wider in &TIMES[1..] {
        if !bits.flag()? {
            break;
        }
        width = *wider;
    }
    let unsigned = bits.take(width)?;
    // The sign is the highest of the bits.
    Some((unsigned << (64 - width)).cast_signed() >> (64 - width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::STALE;

    /// Ascending times with all kinds of distances.
    pub(in crate::store::metrics) fn times() -> impl Strategy<Value = Vec<i64>> {
        let step = prop_oneof![
            5 => Just(10_000_i64), 3 => 9_900_i64..10_100, 2 => 1_i64..1_000_000,
            1 => 1_i64..1 << 60
        ];
        (any::<i32>(), prop::collection::vec(step, 0..300)).prop_map(|(start, steps)| {
            let mut time = i64::from(start);
            let next = |step: i64| {
                time = time.checked_add(step)?;
                Some(time)
            };
            steps.into_iter().map_while(next).collect()
        })
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            3 => (-50_i32..50).prop_map(f64::from), 2 => any::<f64>(),
            1 => any::<u64>().prop_map(f64::from_bits), 1 => Just(STALE)
        ]
    }

    proptest! {
        #[test]
        fn points_come_back_bit_by_bit(times in times(), values in prop::collection::vec(value(), 300)) {
            let points: Points = times.into_iter().zip(values).collect();
            let chunk = Chunk::of(&points);
            let back = unpacked(&chunk.stored()).expect("it was packed");
            let bits = |of: &Points| of.values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(&back.times, &points.times);
            prop_assert_eq!(bits(&back), bits(&points));
            prop_assert_eq!(chunk.points().times, points.times);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let of_this_form = [&[FORM][..], &bytes].concat();
            let _ = unpacked(&of_this_form);
        }
    }

    #[test]
    fn what_is_regular_is_small() {
        let points: Points = (0..360).map(|at| (at * 10_000, 1.0)).collect();
        assert!(Chunk::of(&points).stored().len() < 120);
        let counter: Points =
            (0_i32..360).map(|at| (i64::from(at) * 10_000, f64::from(at * 7))).collect();
        assert!(Chunk::of(&counter).stored().len() < 1_000);
    }
}
