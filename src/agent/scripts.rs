//! What the agent needs of the sandbox.

use async_trait::async_trait;

use crate::sandbox::protocol::Job;
use crate::sandbox::{Host, Lease, Pool, Ran, run_in};

/// A source of places where scripts run: a [`Pool`] of sandbox processes, or in tests a fake.
#[async_trait]
pub trait Scripts: Send + Sync {
    /// Waits for a place to run one script.
    ///
    /// # Errors
    ///
    /// Why there is none; fits after "failed to".
    async fn prepare(&self) -> Result<Box<dyn Stage>, String>;
}

/// A place where one script runs.
#[async_trait]
pub trait Stage: Send {
    /// Runs a script. Dropping the future ends it.
    async fn run(self: Box<Self>, job: Job, host: &dyn Host) -> Ran;
}

#[async_trait]
impl Scripts for Pool {
    async fn prepare(&self) -> Result<Box<dyn Stage>, String> {
        match self.lease().await {
            Ok(lease) => Ok(Box::new(lease)),
            Err(error) => Err(match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            }),
        }
    }
}

#[async_trait]
impl Stage for Lease {
    async fn run(self: Box<Self>, job: Job, host: &dyn Host) -> Ran {
        run_in(*self, job, host).await
    }
}
