//! A plain check: one request and what must be true of its answer. No script, no child process.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::broker::{header_name, header_value};
use super::expect::Expected;
use super::secrets::Secrets;
use super::visitor::{Ask, Visitor};
use crate::clock::Stopwatch;
use crate::domain::check::RequestSpec;
use crate::domain::run::{Failure, FailureKind};
use crate::sandbox::protocol::{Credentials, Redirect};

/// A plain check, prepared once for all its runs: secrets filled in, patterns compiled. It holds
/// values of secrets and is therefore never shown.
pub(super) struct Plan {
    ask: Ask,
    expected: Expected,
}

impl Plan {
    /// Prepares `spec`.
    ///
    /// # Errors
    ///
    /// A sentence when it cannot be sent: a secret that is not there, a URL or header that is none.
    pub(super) fn new(spec: &RequestSpec, secrets: &Secrets) -> Result<Self, String> {
        let filled = |text: &str| {
            secrets.substitute(text).map(std::borrow::Cow::into_owned).map_err(|e| e.to_string())
        };
        let url = Url::parse(&filled(&spec.url)?)
            .map_err(|error| format!("`{}` is not a URL: {error}", spec.url))?;
        let method = Method::from_bytes(spec.method.as_bytes())
            .map_err(|_| format!("the method `{}` is not allowed", spec.method))?;
        let mut headers = HeaderMap::with_capacity(spec.headers.len() + 4);
        for (name, value) in &spec.headers {
            headers.append(header_name(name)?, header_value(name, &filled(value)?)?);
        }
        let body = spec.body.as_deref().map_or_else(|| Ok(String::new()), filled)?;
        let ask = Ask {
            step: None,
            method,
            url,
            headers,
            body: Bytes::from(body),
            redirect: Redirect::Follow,
            credentials: Credentials::Include,
        };
        Ok(Self { ask, expected: Expected::compile(&spec.expect)? })
    }

    /// Makes the request and judges the answer; `None` when all is as expected.
    pub(super) async fn carry_out(
        &self,
        visitor: &Visitor<'_>,
        secrets: &Secrets,
        timeout: Duration,
    ) -> Option<Failure> {
        let since = Stopwatch::start();
        match visitor.visit(self.ask.clone(), timeout).await {
            Ok(visited) => self.expected.judge(&visited.answer, since.elapsed(), secrets),
            Err(error) => {
                let kind =
                    if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Network };
                Some(Failure::new(kind, error.to_string()))
            }
        }
    }
}
