//! What came of an attempt, for those who watch.

use crate::domain::notification::{Attempt, Notification, NotificationState, Settlement};

/// An attempt that ended, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a> {
    /// What was sent, as it was handed to the channel.
    pub notification: &'a Notification,
    /// What came of it.
    pub attempt: &'a Attempt,
    /// What follows.
    pub settlement: &'a Settlement,
}

/// Is told of every attempt. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// An attempt ended; it is not recorded yet.
    fn on_attempt(&self, attempted: &Attempted<'_>);

    /// What came of an attempt is recorded, and this is how its message stands.
    fn on_recorded(&self, _state: NotificationState) {}
}
