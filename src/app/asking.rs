//! What is asked of a running daemon over its API: to do something, and what has come of it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::config::{Secret, Settings};

/// The environment variable with the token of whoever asks.
pub const TOKEN: &str = "TRIPLINE_TOKEN";

/// How long the daemon may take to answer.
const DEADLINE: Duration = Duration::from_secs(15);

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon is not reached.
    #[error(
        "failed to reach the daemon at {url}: {source}; start it with `tripline up`, or name its \
         address with `--hub URL`"
    )]
    Unreachable {
        /// Where it was looked for.
        url: Url,
        /// Why it was not found.
        source: reqwest::Error,
    },
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
    /// The daemon does not know who asks.
    #[error("the daemon asks who you are: set `{TOKEN}` to the token of a user ({0})")]
    Unknown(String),
    /// The daemon failed, or is something else.
    #[error("the daemon at {url} did not do it: {reason}")]
    Failed {
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

/// A daemon that is asked.
#[derive(Debug)]
pub struct Asked {
    client: Client,
    url: Url,
}

/// A client that shows the token of a user, if there is one.
pub(super) fn client(token: Option<&Secret>, deadline: Duration) -> reqwest::Result<Client> {
    let mut headers = HeaderMap::new();
    let shown = token.map(|token| HeaderValue::try_from(format!("Bearer {}", token.expose())));
    // What cannot stand in a header is no token, and the daemon says so.
    if let Some(Ok(mut shown)) = shown {
        shown.set_sensitive(true);
        headers.insert(AUTHORIZATION, shown);
    }
    Client::builder().default_headers(headers).timeout(deadline).build()
}

/// What it says is wrong.
#[derive(Deserialize)]
struct Complaint {
    detail: String,
}

impl Asked {
    /// The daemon of a project, where that says that it listens.
    ///
    /// # Errors
    ///
    /// When that is no address.
    pub fn of(settings: &Settings, token: Option<&Secret>) -> Result<Self, Error> {
        let url = settings.hub.local_url();
        Self::at(&url.parse().map_err(|_| Error::Address(url))?, token)
    }

    /// The daemon at `url`, which is shown the token of a user, if there is one.
    ///
    /// # Errors
    ///
    /// When that is no address.
    pub fn at(url: &Url, token: Option<&Secret>) -> Result<Self, Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Address(url.to_string()));
        }
        let client = client(token, DEADLINE).map_err(Error::Client)?;
        Ok(Self { client, url: url.clone() })
    }

    /// Posts `body` to the path below `/api/v1` that `parts` make.
    ///
    /// # Errors
    ///
    /// When nothing came of it.
    pub async fn post<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        body: &Value,
    ) -> Result<T, Error> {
        self.answer(self.request(Method::POST, parts)?.json(body)).await
    }

    /// Gets what is at the path below `/api/v1` that `parts` make.
    ///
    /// # Errors
    ///
    /// When nothing came of it.
    pub async fn get<T: DeserializeOwned>(&self, parts: &[&str]) -> Result<T, Error> {
        self.answer(self.request(Method::GET, parts)?).await
    }

    /// The same with parameters.
    ///
    /// # Errors
    ///
    /// When nothing came of it.
    pub async fn find<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        parameters: &[(&str, &str)],
    ) -> Result<T, Error> {
        let mut url = self.address(parts)?;
        url.query_pairs_mut().extend_pairs(parameters);
        self.answer(self.client.get(url)).await
    }

    /// Deletes what is at the path below `/api/v1` that `parts` make.
    ///
    /// # Errors
    ///
    /// When nothing came of it.
    pub async fn delete<T: DeserializeOwned>(&self, parts: &[&str]) -> Result<T, Error> {
        self.answer(self.request(Method::DELETE, parts)?).await
    }

    fn request(&self, method: Method, parts: &[&str]) -> Result<RequestBuilder, Error> {
        Ok(self.client.request(method, self.address(parts)?))
    }

    fn address(&self, parts: &[&str]) -> Result<Url, Error> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Address(self.url.to_string()))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(parts);
        Ok(url)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let unreachable = |source| Error::Unreachable { url: self.url.clone(), source };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        let failed = |reason| Error::Failed { url: self.url.clone(), reason };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| {
                failed("its answer was not understood; is it another version?".into())
            });
        }
        match serde_json::from_slice::<Complaint>(&body) {
            Ok(Complaint { detail }) if status == StatusCode::UNAUTHORIZED => {
                Err(Error::Unknown(detail))
            }
            Ok(Complaint { detail }) if status.is_client_error() => Err(Error::Refused(detail)),
            Ok(Complaint { detail }) => Err(failed(detail)),
            Err(_) => Err(failed(format!("it answered {status}"))),
        }
    }
}
