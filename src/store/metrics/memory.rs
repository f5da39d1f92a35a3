//! What a store that is open has of metrics in memory: the head, held by one at a time, and the rules.

use std::sync::{Mutex, PoisonError};

use tokio::sync::MutexGuard;

use super::{Head, Rules};

/// The head and the rules.
#[derive(Debug, Default)]
pub(in crate::store) struct Memory {
    head: tokio::sync::Mutex<Head>,
    rules: Mutex<Rules>,
}

impl Memory {
    /// The head; nobody else has it meanwhile.
    pub(in crate::store) async fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().await
    }

    /// The rules in force.
    pub(in crate::store) fn rules(&self) -> Rules {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the rules.
    pub(in crate::store) fn keep_by(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}
