//! Who sees what the daemon does, while it does it: the terminal, the log, a test.

use crate::config::{Diagnostic, Project};
use crate::domain::incident::Change;
use crate::domain::notification::{Attempt, Notification, Settlement};
use crate::domain::run::Report;
use crate::notify::printed::PrintedMessage;
use crate::store::Recorded;

/// Is told what happens. No method may block: runs and messages wait for it.
pub trait Witness: Send + Sync {
    /// A run was stored, with what it led to.
    fn recorded(&self, recorded: &Recorded, report: &Report);

    /// Something was decided that follows from no single run.
    fn reviewed(&self, change: &Change);

    /// A message was tried.
    fn attempted(&self, notification: &Notification, attempt: &Attempt, settlement: &Settlement);

    /// A message would have been sent if there were credentials.
    fn printed(&self, message: &PrintedMessage);

    /// The project was read again and is in force.
    fn reloaded(&self, project: &Project);

    /// The project was read again and has mistakes; the old one stays in force.
    fn refused(&self, diagnostics: &[Diagnostic]);
}
