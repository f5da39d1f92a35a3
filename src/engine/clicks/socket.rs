//! Clicks that come over Socket Mode.
//!
//! A connection that is lost is followed by another, after waits that grow while none stands. An
//! envelope is acknowledged once it was acted on, or has taken too long: what was then still under
//! way goes on, so nothing is done twice but what Slack itself sends twice.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Clicks, Desk, Reply};
use crate::clock::{Halt, Stopwatch};
use crate::domain::backoff::Backoff;
use crate::notify::slack::socket::{Connection, Lost, Said, Socket};

/// Slack waits for three seconds for an acknowledgement.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Waits between connections.
const WAITS: Backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_mins(1) };
/// A connection that stood so long ends the waits that grow.
const STOOD: Duration = Duration::from_mins(1);
/// Which connections are to stand is looked at so often.
const LOOK: Duration = Duration::from_secs(1);

impl Clicks {
    /// Takes what comes over connections of the desk's, until `halt` is asked for.
    pub async fn listen(self: Arc<Self>, halt: Halt) {
        let mut failures = 0;
        while !halt.is_asked() {
            let desk = self.desk().filter(|desk| desk.socket.is_some());
            let Some((desk, socket)) =
                desk.and_then(|it| Some((Arc::clone(&it), it.socket.clone()?)))
            else {
                let _ = timeout(LOOK, halt.asked()).await;
                continue;
            };
            let begun = Stopwatch::start();
            let ended = tokio::select! {
                () = halt.asked() => return,
                ended = self.attend(&desk, &socket) => ended,
            };
            failures = match ended {
                Ok(()) => 0,
                Err(lost) => {
                    tracing::warn!(reason = %lost, "no clicks come from Slack; connecting again");
                    if begun.elapsed() >= STOOD { 1 } else { failures + 1 }
                }
            };
            if failures > 0 {
                let _ = timeout(WAITS.after(failures, 0.5), halt.asked()).await;
            }
        }
    }

    /// Takes what comes over one connection, until Slack says goodbye or the desk is another.
    async fn attend(self: &Arc<Self>, desk: &Arc<Desk>, socket: &Socket) -> Result<(), Lost> {
        let mut connection = socket.connect().await?;
        tracing::info!("clicks come from Slack over Socket Mode");
        loop {
            let is_current = || self.desk().is_some_and(|now| Arc::ptr_eq(&now, desk));
            if !is_current() {
                return Ok(());
            }
            // Reading may be abandoned: what has come stays for the next time.
            let Ok(said) = timeout(LOOK, connection.next()).await else { continue };
            match said? {
                Said::Goodbye => return Ok(()),
                Said::Other { envelope } => connection.acknowledge(&envelope, None).await?,
                Said::Interaction { envelope, payload } => {
                    self.answer(&mut connection, desk, (&envelope, payload)).await?;
                }
            }
        }
    }

    async fn answer(
        self: &Arc<Self>,
        connection: &mut Connection,
        desk: &Arc<Desk>,
        (envelope, payload): (&str, Value),
    ) -> Result<(), Lost> {
        let (clicks, desk) = (Arc::clone(self), Arc::clone(desk));
        let taking = tokio::spawn(async move { clicks.take(&desk.slack, &payload).await });
        let answer = match timeout(ANSWERED_WITHIN, taking).await {
            Ok(Ok(Ok(Reply::Wrong(part, sentence)))) => Some(wrong(part, &sentence)),
            Ok(Ok(Err(foreign))) => {
                tracing::warn!(reason = %foreign, "a click from Slack was not understood");
                None
            }
            Ok(Ok(Ok(Reply::Taken)) | Err(_)) | Err(_) => None,
        };
        connection.acknowledge(envelope, answer).await
    }
}

/// What Slack is answered to show what is wrong with a form.
pub fn wrong(part: &str, sentence: &str) -> Value {
    json!({"response_action": "errors", "errors": {part: sentence}})
}
