//! Chance that can be repeated.

/// xorshift64 (Marsaglia 2003).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`, which is not 0.
    pub(crate) fn new(seed: u64) -> Self {
        assert!(seed != 0, "0 would be followed by nothing but 0");
        Self(seed)
    }

    /// The next number, from 0 to below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(u64::try_from(choices.len()).expect("few choices"));
        choices[usize::try_from(at).expect("few choices")]
    }
}
