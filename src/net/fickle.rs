//! A resolver that changes its mind between two look-ups, as that of somebody does who wants to be judged by
//! one address and dialled at another. It stands for the machine's resolver in tests.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers, and how many of them were given.
#[derive(Debug, Default)]
pub struct Fickle {
    answers: Vec<Vec<IpAddr>>,
    given: AtomicUsize,
}

impl Fickle {
    /// One that answers a look-up of any name with the next of `answers`, and with none after the last.
    pub fn new(answers: Vec<Vec<IpAddr>>) -> Self {
        Self { answers, given: AtomicUsize::new(0) }
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }

    /// The answer to the next look-up.
    pub(super) fn look_up(&self) -> Vec<IpAddr> {
        let next = self.given.fetch_add(1, Ordering::SeqCst);
        self.answers.get(next).cloned().unwrap_or_default()
    }
}
