//! Texts that nobody would write, for everything that reads the texts of strangers.
//!
//! Each subject has a folder in `tests/fuzz-corpus/`; its texts are read as they are, and then
//! changed at random, again and again. What fails is printed with its seed; put the text into the
//! folder, so that it is read for ever. `TRIPLINE_FUZZ_ROUNDS` makes a run longer, and
//! `TRIPLINE_FUZZ_SEED` repeats one.

mod mutation;
mod subjects;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use self::mutation::Mutator;

/// How many texts are read of each subject when nothing is said.
const ROUNDS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?.into_string().unwrap_or_default();
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// Prints what was read when the test fails.
struct Read<'t> {
    subject: &'t str,
    seed: u64,
    text: &'t [u8],
}

impl Drop for Read<'_> {
    #[expect(clippy::print_stderr, reason = "it belongs to the failure of the test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("{}-{:016x}", self.subject, self.seed));
            let place = match fs::write(&kept, self.text) {
                Ok(()) => kept.display().to_string(),
                Err(error) => format!("not kept: {error}"),
            };
            eprintln!(
                "{} failed with seed {} on {:?} ({place})",
                self.subject,
                self.seed,
                String::from_utf8_lossy(self.text)
            );
        }
    }
}

/// Lets `read` read the texts of a subject, and what becomes of them.
fn fuzz(subject: &str, words: &[&str], read: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz-corpus").join(subject);
    let entries = fs::read_dir(&folder).expect("the corpus is there");
    let mut corpus: Vec<Vec<u8>> = entries
        .map(|entry| fs::read(entry.expect("the corpus can be read").path()).expect("a file"))
        .collect();
    assert!(!corpus.is_empty(), "there is no corpus of {subject}");
    corpus.sort();
    let seed =
        number("TRIPLINE_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(subject) | 1);
    let reads = |text: &[u8]| {
        let _read = Read { subject, seed, text };
        read(text);
    };
    for text in &corpus {
        reads(text);
    }
    let mut mutator = Mutator::new(seed, words);
    for _ in 0..number("TRIPLINE_FUZZ_ROUNDS").unwrap_or(ROUNDS) {
        reads(&mutator.next(&corpus));
    }
}
