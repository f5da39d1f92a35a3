//! Bits one after the other, the highest of each number first. Knows nothing of what they mean.

/// Grows by a quarter: there is one of these for every series, and half of each would be air.
const SPARE: usize = 24;

/// Bits that are added to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are not used.
    free: u32,
}

impl Bits {
    /// Adds the low `count` bits of `value`; at most 64.
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let mut left = count.min(64);
        while left > 0 {
            if self.free == 0 {
                if self.bytes.len() == self.bytes.capacity() {
                    self.bytes.reserve_exact(SPARE.max(self.bytes.len() / 4));
                }
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = left.min(self.free);
            let part = (value >> (left - taken)) & ((1 << taken) - 1);
            if let Some(last) = self.bytes.last_mut() {
                // At most 8 bits, so nothing is cut.
                *last |= u8::try_from(part << (self.free - taken)).unwrap_or(u8::MAX);
            }
            self.free -= taken;
            left -= taken;
        }
    }

    /// The bytes; the last one is filled up with zeros.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bits that are read.
#[derive(Debug, Clone)]
pub(super) struct Reading<'b> {
    bytes: &'b [u8],
    /// How many bits were read.
    at: usize,
}

impl<'b> Reading<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 64; none where there are fewer.
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        let (mut left, mut value) = (count.min(64), 0_u64);
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8)?;
            let unread = 8 - u32::try_from(self.at % 8).ok()?;
            let taken = left.min(unread);
            let part = (u64::from(byte) >> (unread - taken)) & ((1 << taken) - 1);
            value = value << taken | part;
            self.at += usize::try_from(taken).ok()?;
            left -= taken;
        }
        Some(value)
    }

    /// Whether the next bit is set; none at the end.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_pushed_is_taken(numbers in prop::collection::vec((any::<u64>(), 1_u32..=64), 0..200)) {
            let mut bits = Bits::default();
            for (value, count) in &numbers {
                bits.push(*value, *count);
            }
            let mut reading = Reading::new(bits.bytes());
            for (value, count) in numbers {
                let kept = if count == 64 { value } else { value & ((1 << count) - 1) };
                prop_assert_eq!(reading.take(count), Some(kept));
            }
            prop_assert!(reading.take(8).is_none());
        }
    }
}
