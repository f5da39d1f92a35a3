//! slack-morphism's way to the network: our HTTP client.
//!
//! The connector that comes with the library has no deadline, reads answers of any size and knows
//! no proxy. This one has them, and keeps apart what did not leave from what was not answered.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use serde::de::DeserializeOwned;
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError,
    SlackClientSystemError, SlackRateLimitError, map_serde_error,
};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::prelude::ValueStruct as _;
use slack_morphism::{
    ClientResult, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId,
    SlackClientSecret, SlackEnvelopeMessage,
};
use url::Url;

use crate::clock::Stopwatch;
use crate::notify::exchange::{Answer, Lost, exchange};

/// Posts JSON; the other ways to call Slack are not offered.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) client: reqwest::Client,
    /// Where the methods are, without a slash at the end.
    pub(super) api_url: String,
    /// Since when the attempt has been under way; its deadline counts from there.
    pub(super) started: Stopwatch,
    /// How long the attempt may take.
    pub(super) deadline: Duration,
}

impl Connector {
    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }
}

impl SlackClientHttpConnector for Connector {
    fn create_method_uri_path(&self, method: &str) -> ClientResult<Url> {
        Ok(format!("{}/{method}", self.api_url).parse()?)
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        full_uri: Url,
        request_body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: serde::ser::Serialize + Send + Sync,
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        async move {
            let mut request = self.client.post(full_uri).json(request_body);
            if let Some(token) = context.token {
                request = request.bearer_auth(token.token_value.value());
            }
            match exchange(request, self.left()).await {
                Ok(answer) => read(answer),
                Err(lost) => Err(transport(lost)),
            }
        }
        .boxed()
    }

    fn http_get_uri<'a, RS>(
        &'a self,
        _: Url,
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        not_offered("GET")
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _: Url,
        _: &'a SlackClientId,
        _: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        not_offered("GET with a client secret")
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _: Url,
        _: Option<FileMultipartData<'p>>,
        _: &'p PT,
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
        PT: std::iter::IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        not_offered("POST of a form")
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _: Url,
        _: String,
        _: &'a [u8],
        _: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> serde::de::Deserialize<'de> + Send + 'a,
    {
        not_offered("POST of bytes")
    }
}

fn not_offered<'a, RS: Send + 'a>(what: &str) -> BoxFuture<'a, ClientResult<RS>> {
    let message = format!("{what} is not offered here");
    let error = SlackClientSystemError::new().with_message(message);
    ready(Err(SlackClientError::SystemError(error))).boxed()
}

/// Turns an answer into what the library makes of it: 200 with `ok` is success, a webhook's plain
/// `ok` too, and nothing else is.
fn read<RS: DeserializeOwned>(answer: Answer) -> ClientResult<RS> {
    match answer.status.as_u16() {
        200 => read_ok(&answer.body.map_err(|reason| transport(Lost::Unanswered(reason)))?),
        429 => {
            let error = SlackRateLimitError::new().opt_retry_after(answer.retry_after);
            Err(SlackClientError::RateLimitError(error))
        }
        _ => {
            let body = answer.text().into_owned();
            let error = SlackClientHttpError::new(answer.status).with_http_response_body(body);
            Err(SlackClientError::HttpError(error))
        }
    }
}

fn read_ok<RS: DeserializeOwned>(body: &[u8]) -> ClientResult<RS> {
    let unreadable = |error| map_serde_error(error, None);
    if body.trim_ascii() == b"ok" {
        return serde_json::from_str("{}").map_err(unreadable);
    }
    let envelope: SlackEnvelopeMessage = serde_json::from_slice(body).map_err(unreadable)?;
    if envelope.ok {
        serde_json::from_slice(body).map_err(unreadable)
    } else {
        let code = envelope.error.unwrap_or_else(|| "no reason given".into());
        Err(SlackClientError::ApiError(SlackClientApiError::new(code)))
    }
}

fn transport(lost: Lost) -> SlackClientError {
    let error = SlackClientHttpProtocolError::new().with_cause(Box::new(lost));
    SlackClientError::HttpProtocolError(error)
}
