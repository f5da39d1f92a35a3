//! The request that tells somebody elsewhere that everything works.
//!
//! Its address is a secret, since whoever has it can say that everything works: it appears in no error, and
//! no redirect is followed.

use std::fmt;
use std::time::Duration;

use super::exchange::{self, Lost, SetupError, exchange};

/// A place that is told.
#[derive(Clone)]
pub struct Heartbeat {
    client: reqwest::Client,
    url: url::Url,
    deadline: Duration,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Heartbeat {
    /// Prepares to tell whoever is at `url`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when that is no address or the HTTP client cannot be made.
    pub fn new(url: &str) -> Result<Self, SetupError> {
        let url = exchange::address(url, "the address of the heartbeat")?;
        Ok(Self { client: exchange::client(&url)?, url, deadline: exchange::DEADLINE })
    }

    /// Sends one, once.
    ///
    /// # Errors
    ///
    /// Why it was not taken, in a sentence.
    pub async fn send(&self) -> Result<(), String> {
        let answer = exchange(self.client.get(self.url.clone()), self.deadline).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) if answer.status.is_redirection() => {
                let status = answer.status.as_u16();
                Err(format!("it was answered by {status}, a redirect, which is not followed"))
            }
            Ok(answer) => Err(format!("it was answered by {}", answer.status.as_u16())),
            Err(Lost::Unsent(reason) | Lost::Unanswered(reason)) => Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_shown() {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let heartbeat = Heartbeat::new("https://beat.example.com/hunter2").expect("an address");
        assert!(!format!("{heartbeat:?}").contains("hunter2"));
        let error = Heartbeat::new("ftp://hunter2").expect_err("no address").to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
