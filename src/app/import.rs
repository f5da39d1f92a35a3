//! Where imported metrics go: into the store, or through the daemon that holds it.
//!
//! A file of SQLite has one holder; while that is a daemon, it is asked to store what is imported. A
//! PostgreSQL database takes more than one at a time.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use url::Url;

use super::{asking, metering, storage};
use crate::clock::{Clock, System};
use crate::config::{Secret, Settings};
use crate::exposition;
use crate::query::Series;
use crate::store::metrics::Stored;
use crate::store::{self, Ledger};

/// How much text is sent at a time; the API takes four times as much.
const AT_ONCE: usize = 1 << 20;
/// So many points of a series are written before its length is looked at; its labels have 16 KiB at
/// most, all together.
const POINTS: usize = 100;
/// How long the daemon may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// What holds the store meanwhile.
const COMMAND: &str = "tripline metrics import";

/// Why points were not stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The daemon is not reached.
    #[error("failed to reach the daemon at {url}: {source}; name its address with `--hub URL`")]
    Unreachable {
        /// Where it was looked for.
        url: Url,
        /// Why it was not found.
        source: reqwest::Error,
    },
    /// The daemon did not store them.
    #[error("the daemon at {url} stored no more: {reason}")]
    Refused {
        /// The daemon.
        url: Url,
        /// What it said.
        reason: String,
    },
    /// The address of the daemon is none.
    #[error("`{0}` is not the address of a daemon; write it like `http://127.0.0.1:7676`")]
    Address(String),
    /// The HTTP client could not be made.
    #[error("failed to set up the HTTP client: {0}")]
    Client(#[source] reqwest::Error),
}

/// Where imported metrics go.
#[derive(Debug)]
pub struct Destination(Way);

#[derive(Debug)]
enum Way {
    Store { store: Arc<dyn Ledger>, clock: Arc<dyn Clock> },
    Daemon { client: reqwest::Client, url: Url },
}

impl Destination {
    /// The store of a project, or the daemon that holds it.
    ///
    /// # Errors
    ///
    /// When the store cannot be used.
    pub async fn of(settings: &Settings, token: Option<&Secret>) -> Result<Self, Error> {
        match storage::open(&settings.store.place, COMMAND, Arc::new(System)).await {
            Ok((store, clock)) => {
                store.keep_by(metering::rules(&settings.metrics));
                Ok(Self(Way::Store { store, clock }))
            }
            Err(store::Error::Locked { .. }) => {
                let url = settings.hub.local_url();
                Self::daemon(&url.parse().map_err(|_| Error::Address(url))?, token)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The daemon at `url`, which is shown the token of a user, if there is one.
    ///
    /// # Errors
    ///
    /// When that is no address.
    pub fn daemon(url: &Url, token: Option<&Secret>) -> Result<Self, Error> {
        let wrong = || Error::Address(url.to_string());
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let client = asking::client(token, DEADLINE).map_err(Error::Client)?;
        let mut url = url.clone();
        url.path_segments_mut()
            .map_err(|()| wrong())?
            .pop_if_empty()
            .extend(["api", "v1", "metrics"]);
        Ok(Self(Way::Daemon { client, url }))
    }

    /// In a few words where points go: for the one who waits.
    pub fn described(&self) -> String {
        match &self.0 {
            Way::Store { .. } => "into the store".to_owned(),
            Way::Daemon { url, .. } => format!("through the daemon at {}", url.authority()),
        }
    }

    /// Stores points, some at a time.
    ///
    /// # Errors
    ///
    /// When the store or the daemon fails; what was stored before is stored.
    pub async fn store(&self, series: &[Series]) -> Result<Stored, Error> {
        let (client, url) = match &self.0 {
            Way::Store { store, clock } => return Ok(store.append(series, clock.now()).await?),
            Way::Daemon { client, url } => (client, url),
        };
        let (mut all, mut text) = (Stored::default(), String::new());
        for part in series.iter().flat_map(parts) {
            exposition::write(&part, &mut text);
            if text.len() >= AT_ONCE {
                all.add(send(client, url, whole(&mut text)).await?);
            }
        }
        if !text.is_empty() {
            all.add(send(client, url, whole(&mut text)).await?);
        }
        Ok(all)
    }

    /// Lets go of the store.
    pub async fn close(self) {
        if let Way::Store { store, .. } = self.0 {
            store.close().await;
        }
    }
}

/// What the daemon answers.
#[derive(Deserialize)]
struct Answer {
    new: u64,
    repeated: u64,
    too_old: u64,
    over_limit: u64,
    #[serde(default)]
    ahead: u64,
}

/// What it says is wrong.
#[derive(Deserialize)]
struct Complaint {
    detail: String,
}

async fn send(client: &reqwest::Client, url: &Url, text: String) -> Result<Stored, Error> {
    let unreachable = |source| Error::Unreachable { url: url.clone(), source };
    let request = client.post(url.clone()).header(CONTENT_TYPE, exposition::OPENMETRICS);
    let answer = request.body(text).send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(unreachable)?;
    let refused = |reason| Error::Refused { url: url.clone(), reason };
    if !status.is_success() {
        let said = serde_json::from_slice(&body).map(|complaint: Complaint| complaint.detail);
        return Err(refused(said.unwrap_or_else(|_| format!("it answered {status}"))));
    }
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| refused("its answer was not understood; is it another version?".into()))?;
    let Answer { new, repeated, too_old, over_limit, ahead } = answer;
    Ok(Stored { new, repeated, too_old, ahead, over_limit })
}

/// The points of a series, some at a time: with long labels, a series alone may be too long a text.
fn parts(series: &Series) -> impl Iterator<Item = Series> {
    let points = series.times().chunks(POINTS).zip(series.values().chunks(POINTS));
    points.filter_map(|(times, values)| {
        let part = Series::new(series.labels().clone(), times.to_vec(), values.to_vec());
        Some(part.ok()?.measuring(series.measure()))
    })
}

/// What was written so far, as a whole text.
fn whole(text: &mut String) -> String {
    text.push_str("# EOF\n");
    std::mem::take(text)
}
