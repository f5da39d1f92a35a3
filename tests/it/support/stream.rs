//! What a page is told by server-sent events, read as it comes.

use std::time::Duration;

/// A page stays open for longer than an answer may take.
const LONGEST: Duration = Duration::from_mins(5);

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Stream {
    answer: reqwest::Response,
    read: String,
}

impl Stream {
    /// Reads what is at `url` from now on.
    pub(crate) async fn open(client: &reqwest::Client, url: &str) -> Self {
        let answer = client.get(url).timeout(LONGEST).send().await.expect("the hub answers");
        assert_eq!(answer.headers()["content-type"], "text/event-stream", "{answer:?}");
        Self { answer, read: String::new() }
    }

    /// Reads on until `words` came; all that came so far.
    pub(crate) async fn until(&mut self, words: &str, patience: Duration) -> &str {
        let came = async {
            while !self.read.contains(words) {
                let chunk = self.answer.chunk().await.expect("it does not break");
                let Some(chunk) = chunk else { return false };
                self.read.push_str(&String::from_utf8_lossy(&chunk));
            }
            true
        };
        let came = tokio::time::timeout(patience, came).await;
        assert_eq!(came, Ok(true), "{words} did not come: {}", self.read);
        &self.read
    }
}
