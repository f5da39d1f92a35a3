//! Hands reports to the hub by batches. Where something in one cannot be taken, the next ones are
//! halves of it, until what cannot be taken is alone, and is dropped: it would hold up all others for
//! ever. What is dropped is counted with what was lost.

use crate::link::client::{Client, Error};
use crate::link::protocol::{MOST_REPORTS, Verdict};
use crate::link::spool::Spool;

/// What came of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// The hub says what became of each.
    Taken(Verdict),
    /// Something in it cannot be taken; which, the halves will show.
    Halved,
    /// The only one in it never can be, and is counted as lost.
    Dropped,
}

/// How many reports make a batch.
#[derive(Debug)]
pub(super) struct Batches {
    most: usize,
}

impl Default for Batches {
    fn default() -> Self {
        Self { most: MOST_REPORTS }
    }
}

impl Batches {
    /// How many reports the next batch has at most.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Hands a batch over, in the name of an agent.
    pub(super) async fn hand_over(
        &mut self,
        (client, name): (&Client, &str),
        reports: &[String],
        spool: &Spool,
    ) -> Result<Handed, Error> {
        match client.reports(name, reports).await {
            Ok(verdict) => {
                for refused in &verdict.refused {
                    let report = shown(reports, refused.index);
                    let reason = refused.reason.as_str();
                    tracing::warn!(report, reason, "the hub refused a report for good");
                }
                self.most = MOST_REPORTS;
                Ok(Handed::Taken(verdict))
            }
            Err(error) if !is_of_its_content(&error) => Err(error),
            Err(_) if reports.len() > 1 => {
                self.most = reports.len() / 2;
                Ok(Handed::Halved)
            }
            Err(error) => {
                let report = shown(reports, 0);
                tracing::error!(report, %error, "a report cannot be handed over and is dropped");
                spool.note_dropped().await;
                self.most = MOST_REPORTS;
                Ok(Handed::Dropped)
            }
        }
    }
}

/// Whether the hub did not take a batch because of what is in it.
fn is_of_its_content(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 413 | 422))
}

/// Which report it is: the beginning of its text names check, region and time.
fn shown(reports: &[String], index: usize) -> String {
    reports.get(index).map_or_else(String::new, |text| text.chars().take(160).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::StatusCode;
    use axum::routing::post;
    use axum::{Json, Router};

    use super::*;
    use crate::link::client::{Route, hub_address};
    use crate::link::token::Token;

    /// A hub that takes no batch with `bad` in it.
    async fn hub(batches: Arc<Mutex<Vec<usize>>>) -> Client {
        rustls::crypto::ring::default_provider().install_default().ok();
        let answer = move |body: String| async move {
            let reports = body.matches("report-").count();
            batches.lock().expect("not poisoned").push(reports);
            if body.contains("bad") {
                let problem = serde_json::json!({"title": "no", "status": 422, "detail": "bad"});
                return Err((StatusCode::UNPROCESSABLE_ENTITY, Json(problem)));
            }
            Ok(Json(serde_json::json!({})))
        };
        let router = Router::new().fallback(post(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let base = hub_address(&format!("http://{address}")).expect("an address");
        let token = Token::generate().expect("random numbers");
        Client::new(base, token, &Route::default()).expect("a client")
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_dropped_alone_and_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(&folder.path().join("spool.db"), 1 << 20).await.expect("a spool");
        let sent = Arc::new(Mutex::new(Vec::new()));
        let client = hub(Arc::clone(&sent)).await;
        let mut waiting: Vec<String> = (0..8).map(|n| format!("\"report-{n}\"")).collect();
        waiting[4] = "\"report-bad\"".into();
        let (mut batches, mut dropped) = (Batches::default(), 0);
        while !waiting.is_empty() {
            let batch: Vec<String> = waiting.iter().take(batches.most()).cloned().collect();
            let handed = batches.hand_over((&client, "one"), &batch, &spool).await;
            match handed.expect("an answer") {
                Handed::Taken(_) => _ = waiting.drain(..batch.len()),
                Handed::Halved => {}
                Handed::Dropped => {
                    assert_eq!(batch, ["\"report-bad\""]);
                    dropped += 1;
                    waiting.remove(0);
                }
            }
        }
        assert_eq!(dropped, 1);
        assert_eq!(*sent.lock().expect("not poisoned"), [8, 4, 4, 2, 1, 3]);
        assert_eq!(spool.state().await.expect("known").lost, 1);
    }
}
