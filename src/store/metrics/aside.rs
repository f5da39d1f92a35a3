//! Work that takes long: on threads that may be busy, a few at a time, so that whoever asks for much
//! takes neither the runtime's only thread nor all processors. Knows nothing of what is done.

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::store::Error;

/// At so many places at once.
const TURNS: usize = 2;
/// Rows and series that are as few are looked at where they are: to hand them over takes longer.
const FEW: usize = 16;

static FREE: Semaphore = Semaphore::const_new(TURNS);

/// Does `work`, which looks at about so `many` rows, and says what came of it.
///
/// # Errors
///
/// [`Error::Closed`] when everything ends.
pub(super) async fn aside<T: Send + 'static>(
    many: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if many <= FEW {
        return Ok(work());
    }
    let turn = FREE.acquire().await.map_err(|_| Error::Closed)?;
    let done = spawn_blocking(work).await;
    drop(turn);
    match done.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => Ok(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => Err(Error::Closed),
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{ThreadId, current};

    use super::*;

    #[tokio::test]
    async fn much_is_done_elsewhere() {
        let here = current().id();
        let thread = |many: usize| async move {
            let id: ThreadId = aside(many, || current().id()).await.expect("done");
            id
        };
        assert_eq!(thread(FEW).await, here);
        assert_ne!(thread(FEW + 1).await, here);
    }
}
