//! A channel that remembers: what tests look at.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::printed::PrintedMessage;
use super::{Digest, Outbound, Transport};
use crate::domain::notification::{Attempt, Notification};

/// A message that was handed to a [`Memory`].
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// The notification as it was handed over.
    pub notification: Notification,
    /// What a recipient would have read.
    pub message: PrintedMessage,
    /// What was answered.
    pub attempt: Attempt,
}

/// Remembers messages and gives the answers it is told to.
#[derive(Debug, Default)]
pub struct Memory {
    answers: Mutex<VecDeque<Attempt>>,
    messages: Mutex<Vec<Remembered>>,
}

impl Memory {
    /// Gives these answers to the next messages, one each; then accepts.
    pub fn answer(&self, answers: impl IntoIterator<Item = Attempt>) {
        locked(&self.answers).extend(answers);
    }

    /// Everything it was handed, in order.
    pub fn messages(&self) -> Vec<Remembered> {
        locked(&self.messages).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Transport for Memory {
    async fn send(&self, message: Outbound<'_>) -> Attempt {
        let mut messages = locked(&self.messages);
        let accepted = || Attempt::Accepted { receipt: format!("memory/{}", messages.len() + 1) };
        let attempt = locked(&self.answers).pop_front().unwrap_or_else(accepted);
        messages.push(Remembered {
            notification: message.notification.clone(),
            message: PrintedMessage::of(&message),
            attempt: attempt.clone(),
        });
        attempt
    }

    async fn send_digest(&self, digest: &Digest<'_>) -> Attempt {
        let mut messages = locked(&self.messages);
        let accepted = || Attempt::Accepted { receipt: format!("memory/{}", messages.len() + 1) };
        let attempt = locked(&self.answers).pop_front().unwrap_or_else(accepted);
        messages.push(Remembered {
            notification: digest.head.clone(),
            message: PrintedMessage::of_digest(digest),
            attempt: attempt.clone(),
        });
        attempt
    }
}
