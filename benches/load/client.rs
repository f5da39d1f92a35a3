//! The harness's way to talk to the target server and to the daemon.

use std::time::Duration;

use anyhow::{Context, Result};

/// A client that reaches loopback directly, whatever proxy the machine uses.
pub(crate) fn client() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    builder.build().context("failed to build a client")
}

/// The body of an answer of `url`, whatever its status.
pub(crate) async fn text(client: &reqwest::Client, url: &str) -> Result<String> {
    let answer = client.get(url).send().await.with_context(|| format!("failed to ask {url}"))?;
    answer.text().await.with_context(|| format!("failed to read the answer of {url}"))
}
