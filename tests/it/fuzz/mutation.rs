//! Texts made of others.

use crate::support::random::Random;

/// The longest text that is made, in bytes.
const LONGEST: usize = 4096;

/// Makes texts of those of a corpus.
pub(super) struct Mutator<'w> {
    random: Random,
    /// Words that mean something to whoever reads.
    words: &'w [&'w str],
}

impl<'w> Mutator<'w> {
    pub(super) fn new(seed: u64, words: &'w [&'w str]) -> Self {
        Self { random: Random::new(seed), words }
    }

    /// A text of the corpus with one to eight changes.
    pub(super) fn next(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut text = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.random.below(8) {
            self.change(&mut text, corpus);
            text.truncate(LONGEST);
        }
        text
    }

    fn below(&mut self, limit: usize) -> usize {
        let below = self.random.below(u64::try_from(limit.max(1)).expect("a small number"));
        usize::try_from(below).expect("a small number")
    }

    /// A part of a text of so many bytes.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        let end = begin + self.below((length - begin).min(64) + 1);
        begin..end
    }

    fn change(&mut self, text: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let part = self.part(text.len());
        match self.random.below(7) {
            0 if !text.is_empty() => {
                let at = self.below(text.len());
                text[at] ^= 1 << self.random.below(8);
            }
            1 => drop(text.drain(part)),
            2 => {
                let copy = text[part].to_vec();
                let at = self.below(text.len() + 1);
                text.splice(at..at, copy);
            }
            3 => {
                let other = &corpus[self.below(corpus.len())];
                let other = other[self.part(other.len())].to_vec();
                text.splice(part, other);
            }
            4 => {
                let byte = u8::try_from(self.random.below(256)).expect("a byte");
                let count = self.random.one_of(&[1, 1, 1, 2, 40]);
                text.splice(part, std::iter::repeat_n(byte, count));
            }
            5 => {
                let digits = self.random.one_of(&[
                    "0",
                    "-1",
                    "1e308",
                    "9223372036854775807",
                    "1e-320",
                    "00000000000000000000000001",
                ]);
                text.splice(part, digits.bytes());
            }
            _ => {
                let word = self.words[self.below(self.words.len())];
                text.splice(part, word.bytes());
            }
        }
    }
}
